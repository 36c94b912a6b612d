use super::*;
use crate::{IndexWriter, Scalar, SearchOptions, Vector, WriteOptions};
use arrow_array::{Int32Array, RecordBatch, StringArray};
use std::sync::Arc;

const FACETS: &str = r#"[
    {"name": "plot", "kind": "cosine", "weight": 1},
    {"name": "genre", "kind": "jaccard", "columns": ["genre"], "weight": 0.5, "labels": ["war", "love"]},
    {"name": "year", "kind": "distance", "columns": ["year"], "per": 10, "weight": 0.1}
]"#;

/// Five films: their vectors, genre and year. `b` is a near copy of `a`.
const FILMS: [(&str, [f32; 2], &str, i32); 5] = [
    ("a", [1.0, 0.0], "war", 1990),
    ("b", [0.8, 0.6], "war", 1990),
    ("c", [0.0, 1.0], "love", 2000),
    ("d", [0.6, 0.8], "love", 1990),
    ("e", [-1.0, 0.0], "war", 1950),
];

fn searcher(facets: Option<&str>, exact: bool) -> Searcher {
    let directory = tempfile::tempdir().unwrap();
    let table = RecordBatch::try_from_iter([
        ("id", Arc::new(StringArray::from_iter_values(FILMS.map(|film| film.0))) as _),
        ("genre", Arc::new(StringArray::from_iter_values(FILMS.map(|film| film.2))) as _),
        ("year", Arc::new(Int32Array::from_iter_values(FILMS.map(|film| film.3))) as _),
    ])
    .unwrap();
    let vectors: Vec<Vector> = FILMS
        .iter()
        .enumerate()
        .map(|(item, film)| Vector { item, values: film.1.to_vec() })
        .collect();
    let options = WriteOptions {
        embedding_space: "test:1".to_owned(),
        dimensions: 2,
        scalar: Scalar::F32,
        source: String::new(),
    };
    IndexWriter::new(directory.path(), options).write(&table, &vectors, |_| {}).unwrap();
    let exact_vectors = if exact { 20_000 } else { 0 };
    let options = SearchOptions { exact_vectors, ..SearchOptions::default() };
    let index = Index::open(directory.path(), options).unwrap();
    let facets = facets.map(|text| Facets::read(text, index.items().table()).unwrap());
    let limits = Limits { default_k: 5, max_k: 2000, max_liked: 3 };
    Searcher::new(index, facets, Some("id"), limits).unwrap()
}

fn row() -> Row<'static> {
    Row {
        query: None,
        k: None,
        filter: None,
        liked: Vec::new(),
        disliked: Vec::new(),
        diversity: None,
        weights: None,
        own: vec![None; 3],
    }
}

fn ids(found: &Found) -> String {
    found.hits.iter().map(|hit| FILMS[hit.item].0).collect()
}

#[test]
fn the_score_is_the_sum_of_its_parts() {
    for exact in [true, false] {
        let searcher = searcher(Some(FACETS), exact);
        let found = searcher.search(&Row { liked: vec!["a"], ..row() }).unwrap();
        assert_eq!(ids(&found), "bdce", "what was given is left out");
        let expect = [[0.8, 0.5, 0.0], [0.6, 0.0, 0.0], [0.0, 0.0, -0.1], [-1.0, 0.5, -0.4]];
        for (place, expect) in expect.iter().enumerate() {
            let parts: Vec<f32> = found.parts.iter().map(|part| part[place]).collect();
            let near = parts.iter().zip(expect).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "{parts:?}, expected {expect:?}");
            assert!((found.hits[place].score - parts.iter().sum::<f32>()).abs() < 1e-5);
        }
    }
}

#[test]
fn liked_disliked_and_the_query_count_together() {
    for exact in [true, false] {
        let searcher = searcher(None, exact);
        let scores = |row: Row<'_>| {
            let found = searcher.search(&Row { own: Vec::new(), ..row }).unwrap();
            let score = |hit: &Hit| (FILMS[hit.item].0, (hit.score * 1000.0).round());
            found.hits.iter().map(score).collect::<Vec<_>>()
        };
        let both = [("b", 700.0), ("d", 700.0), ("e", -500.0)];
        assert_eq!(scores(Row { liked: vec!["a", "c"], ..row() }), both);
        // A query is one more that is liked; a film that is given twice counts once.
        let query = Row { query: Some(&[0.0, 7.0]), liked: vec!["a", "a"], ..row() };
        assert_eq!(scores(query), [("b", 700.0), ("d", 700.0), ("c", 500.0), ("e", -500.0)]);
        let less = Row { liked: vec!["c"], disliked: vec!["a"], ..row() };
        assert_eq!(scores(less), [("d", 500.0), ("e", 500.0), ("b", 200.0)]);
    }
}

#[test]
fn facets_alone_are_enough() {
    let searcher = searcher(Some(FACETS), true);
    let own: Vec<Option<&[f32]>> = vec![None, Some(&[0.0, 1.0]), Some(&[1990.0])];
    let found = searcher.search(&Row { own, ..row() }).unwrap();
    assert_eq!(ids(&found), "dcabe");
    let weights: &[f32] = &[1.0, 0.0, 1.0];
    let own: Vec<Option<&[f32]>> = vec![None, Some(&[0.0, 1.0]), Some(&[1960.0])];
    let found = searcher.search(&Row { own, weights: Some(weights), k: Some(1), ..row() }).unwrap();
    assert_eq!(ids(&found), "e");
}

#[test]
fn diversity_makes_room_and_filters_hold() {
    let searcher = searcher(Some(FACETS), true);
    let near: &[f32] = &[1.0, 0.1];
    let query = || Row { query: Some(near), k: Some(2), ..row() };
    assert_eq!(ids(&searcher.search(&query()).unwrap()), "ab");
    assert_eq!(ids(&searcher.search(&Row { diversity: Some(0.5), ..query() }).unwrap()), "ac");
    let filtered = Row { filter: Some("genre = 'love'"), ..query() };
    assert_eq!(ids(&searcher.search(&filtered).unwrap()), "dc");
    let filtered = Row { filter: Some("year = 1990"), liked: vec!["a"], ..query() };
    assert_eq!(ids(&searcher.search(&filtered).unwrap()), "bd");
}

#[test]
fn what_is_wrong_is_named() {
    let searcher = searcher(Some(FACETS), true);
    let check = |row: Row<'_>, expect: &str| {
        assert_eq!(searcher.search(&row).unwrap_err().to_string(), expect);
    };
    check(
        row(),
        "the request has nothing to go by: expected QUERY, LIKED, or an input of a facet that is not zero",
    );
    check(Row { disliked: vec!["a"], ..row() }, &QueryError::Nothing.to_string());
    check(Row { liked: vec!["x"], ..row() }, "LIKED: no item has the id 'x'");
    check(
        Row { liked: vec!["a"], disliked: vec!["x", "b", "y"], ..row() },
        "DISLIKED: no item has the id 'x', nor another one",
    );
    check(Row { liked: vec!["a"; 4], ..row() }, "LIKED has 4 ids: expected at most 3");
    let liked = || Row { liked: vec!["a"], ..row() };
    check(
        Row { diversity: Some(1.5), ..liked() },
        "DIVERSITY is 1.5: expected 0, the best items, to 1, the least alike",
    );
    let weights: &[f32] = &[1.0, -1.0, 0.0];
    check(Row { weights: Some(weights), ..liked() }, "WEIGHTS has -1: expected 0 to 1000");
    check(Row { k: Some(2001), ..liked() }, "K is 2001: expected 1 to 2000");
    check(
        Row { k: Some(1001), diversity: Some(0.5), ..liked() },
        "K is 1001: expected at most 1000 with DIVERSITY",
    );
}
