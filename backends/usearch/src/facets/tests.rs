use super::*;
use arrow_array::{
    Int32Array, StringArray,
    builder::{ListBuilder, StringBuilder},
};
use std::sync::Arc;

const FACETS: &str = r#"[
    {"name": "plot", "kind": "cosine", "weight": 1},
    {"name": "genres", "kind": "jaccard", "columns": ["genres"], "weight": 0.5, "labels": ["Drama", "Opera", "Crime"]},
    {"name": "people", "kind": "jaccard", "columns": ["director", "genres"], "weight": 0.25},
    {"name": "year", "kind": "distance", "columns": ["year"], "per": 10, "weight": 0.1}
]"#;

fn table() -> RecordBatch {
    let mut genres = ListBuilder::new(StringBuilder::new());
    for list in [&["Crime", "Drama"][..], &["Drama"], &[], &["War", "Drama", "Crime", "Drama"]] {
        genres.append_value(list.iter().map(Some));
    }
    RecordBatch::try_from_iter([
        ("genres", Arc::new(genres.finish()) as _),
        (
            "director",
            Arc::new(StringArray::from(vec![Some("Ann"), Some("Bo"), Some("Ann"), None])) as _,
        ),
        ("year", Arc::new(Int32Array::from(vec![Some(1990), Some(2000), None, Some(2010)])) as _),
    ])
    .unwrap()
}

fn facets() -> Facets {
    Facets::read(FACETS, &table()).unwrap()
}

fn scores(
    name: &str,
    own: Option<&[f32]>,
    liked: &[usize],
    disliked: &[usize],
) -> Option<Vec<f32>> {
    let facets = facets();
    facets.0[facets.position(name).unwrap()].scores(own, Likes { liked, disliked })
}

#[track_caller]
fn near(found: Option<Vec<f32>>, expect: &[f32]) {
    let found = found.expect("there is something to go by");
    assert!(
        found.len() == expect.len() && found.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-6),
        "{found:?}, expected {expect:?}"
    );
}

#[test]
fn sets_are_compared_by_what_they_share() {
    // {Crime, Drama}, {Drama}, {}, {War, Drama, Crime}: an element that comes twice counts once.
    near(scores("genres", None, &[0], &[]), &[1.0, 0.5, 0.0, 2.0 / 3.0]);
    near(scores("genres", None, &[0, 1], &[]), &[0.75, 0.75, 0.0, 0.5]);
    near(scores("genres", None, &[0], &[1]), &[0.75, 0.0, 0.0, 2.0 / 3.0 - 0.5 / 3.0]);
    // What a request says of itself is one more that is liked; a label that no item has counts in its size.
    near(scores("genres", Some(&[1.0, 0.0, 0.0]), &[], &[]), &[0.5, 1.0, 0.0, 1.0 / 3.0]);
    near(scores("genres", Some(&[0.5, 0.5, 0.0]), &[], &[]), &[0.2, 1.0 / 3.0, 0.0, 0.5 / 3.5]);
    near(scores("genres", Some(&[1.0, 0.0, 0.0]), &[0], &[]), &[0.75, 0.75, 0.0, 0.5]);
    // Two columns are one set.
    near(scores("people", None, &[0], &[]), &[1.0, 0.25, 1.0 / 3.0, 0.5]);
}

#[test]
fn numbers_are_compared_by_their_distance() {
    near(scores("year", None, &[0], &[3]), &[0.0, -1.0, -1.0, -2.0]);
    near(scores("year", Some(&[2000.0]), &[0], &[]), &[-0.5, -0.5, -2.5 / 3.0, -1.5]);
}

#[test]
fn a_guess_may_count_less_than_a_fact() {
    let text = FACETS
        .replace(r#""labels""#, r#""own": 0.4, "labels""#)
        .replace(r#""per": 10"#, r#""per": 10, "own": 0.5"#);
    let facets = Facets::read(&text, &table()).unwrap();
    let scores = |name: &str, own: &[f32], liked: &[usize]| {
        let likes = Likes { liked, disliked: &[] };
        facets.0[facets.position(name).unwrap()].scores(Some(own), likes)
    };
    near(scores("genres", &[1.0, 0.0, 0.0], &[]), &[0.2, 0.4, 0.0, 0.4 / 3.0]);
    near(scores("genres", &[1.0, 0.0, 0.0], &[0]), &[0.6, 0.45, 0.0, 0.2 / 3.0 + 1.0 / 3.0]);
    near(scores("year", &[2000.0], &[0]), &[-0.25, -0.5, -2.0 / 3.0, -1.25]);
}

#[test]
fn without_anything_to_go_by_there_is_no_score() {
    assert_eq!(scores("genres", None, &[2], &[0]), None);
    assert_eq!(scores("genres", Some(&[0.0; 3]), &[], &[]), None);
    assert_eq!(scores("year", None, &[2], &[]), None);
    assert_eq!(scores("plot", None, &[0], &[]), None);
}

#[test]
fn pairs_are_alike_by_all_facets_but_the_vectors() {
    let facets = facets();
    let expect = 0.5 * 0.5 + 0.25 * 0.25 - 0.1;
    assert!((facets.pair(&facets.weights(), 0, 1) - expect).abs() < 1e-6);
    assert_eq!(facets.pair(&[1.0, 1.0, 0.0, 1.0], 1, 2), 0.0);
    let inputs: Vec<_> = facets.iter().map(Facet::input).collect();
    assert_eq!(inputs, [None, Some(("GENRES".to_owned(), 3)), None, Some(("YEAR".to_owned(), 1))]);
}

#[test]
fn what_is_wrong_is_named() {
    let cosine = r#"{"name": "plot", "kind": "cosine", "weight": 1}"#;
    for (facet, expect) in [
        (r#"{"name": "x", "kind": "euclid", "weight": 1}"#, "unknown variant `euclid`"),
        (
            r#"{"name": "x", "kind": "distance", "weight": 1}"#,
            "facet 'x' names 0 columns, expected one of numbers",
        ),
        (r#"{"name": "x", "kind": "jaccard", "columns": [], "weight": 1}"#, "one or more of text"),
        (
            r#"{"name": "x", "kind": "distance", "columns": ["director"], "weight": 1}"#,
            "facet 'x': column 'director' is Utf8, expected numbers",
        ),
        (
            r#"{"name": "x", "kind": "jaccard", "columns": ["year"], "weight": 1}"#,
            "facet 'x': column 'year' is Int32, expected text or a list of text",
        ),
        (
            r#"{"name": "x", "kind": "jaccard", "columns": ["nobody"], "weight": 1}"#,
            "facet 'x': there is no column 'nobody', expected one of genres",
        ),
        (
            r#"{"name": "x", "kind": "distance", "columns": ["year"], "weight": -1}"#,
            "weight is -1, expected 0 to 1000",
        ),
        (
            r#"{"name": "x", "kind": "distance", "columns": ["year"], "per": 0, "weight": 1}"#,
            "per is 0",
        ),
        (
            r#"{"name": "liked", "kind": "distance", "columns": ["year"], "weight": 1}"#,
            "facet 'liked': the name is taken",
        ),
        (
            r#"{"name": "plot", "kind": "distance", "columns": ["year"], "weight": 1}"#,
            "facet 'plot': the name is taken",
        ),
        (
            r#"{"name": "A B", "kind": "distance", "columns": ["year"], "weight": 1}"#,
            "the letters a to z",
        ),
        (cosine, "facet 'plot': the name is taken"),
    ] {
        let error = Facets::read(&format!("[{cosine}, {facet}]"), &table()).unwrap_err();
        assert!(error.contains(expect), "{facet}: {error}");
    }
    let error = Facets::read("[]", &table()).unwrap_err();
    assert_eq!(error, "0 facets are of kind cosine, expected one");
}
