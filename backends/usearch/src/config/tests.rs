use super::*;
use crate::manifest::Scalar;
use arrow_schema::{DataType as ArrowType, Field};

fn manifest() -> Manifest {
    Manifest {
        format: 1,
        embedding_space: "bow:1".to_owned(),
        dimensions: 8,
        vectors: 3,
        scalar: Scalar::F32,
        source: String::new(),
        index_bytes: 0,
        index_sha256: String::new(),
    }
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::new("title", ArrowType::Utf8, false),
        Field::new("year", ArrowType::Int32, false),
        Field::new("added", ArrowType::Date32, false),
    ])
}

#[test]
fn a_bare_index_serves_all_it_can() {
    let completed = complete(&json!({"max_batch_size": 0}), &manifest(), &schema(), None).unwrap();
    assert_eq!(completed["max_batch_size"], 64);
    assert_eq!(completed["parameters"]["embedding_space"]["string_value"], "bow:1");
    let found = outputs("m", &completed, &manifest(), &schema(), None).unwrap();
    let names: Vec<_> =
        found.iter().map(|output| (output.name.as_str(), output.datatype)).collect();
    assert_eq!(
        names,
        [
            ("key", DataType::Int64),
            ("score", DataType::Fp32),
            ("title", DataType::Bytes),
            ("year", DataType::Int32)
        ]
    );
    assert_eq!(complete(&completed, &manifest(), &schema(), None), None);
}

#[test]
fn facets_are_inputs_and_outputs() {
    let years = arrow_array::Int32Array::from(vec![1990, 2000]);
    let table =
        arrow_array::RecordBatch::try_from_iter([("year", std::sync::Arc::new(years) as _)]);
    let facets = r#"[{"name": "plot", "kind": "cosine", "weight": 1},
        {"name": "age", "kind": "distance", "columns": ["year"], "weight": 0.5}]"#;
    let facets = Facets::read(facets, &table.unwrap()).unwrap();
    let (manifest, schema) = (manifest(), schema());
    let good = complete(&json!({}), &manifest, &schema, Some(&facets)).unwrap();
    let shown: Vec<_> = list(&good, "input")
        .iter()
        .map(|input| (text(input, "name"), sizes(input, "dims")))
        .collect();
    let expect = [("QUERY", 8), ("K", 1), ("FILTER", 1), ("WEIGHTS", 2), ("AGE", 1)];
    assert_eq!(shown, expect.map(|(name, size)| (name, vec![size])));
    let found = outputs("m", &good, &manifest, &schema, Some(&facets)).unwrap();
    let parts: Vec<_> =
        found.iter().skip(2).take(2).map(|output| (output.name.as_str(), output.source)).collect();
    assert_eq!(parts, [("score_plot", Source::Part(0)), ("score_age", Source::Part(1))]);

    let check = |input: Value, expect: &str| {
        let mut config = good.clone();
        config["input"].as_array_mut().unwrap().push(input);
        let error = outputs("m", &config, &manifest, &schema, Some(&facets)).unwrap_err();
        assert_eq!(error.message(), format!("model 'm': {expect}"));
    };
    check(
        json!({"name": "YEAR", "data_type": "TYPE_FP32", "dims": [1], "optional": true}),
        "input 'YEAR' is unknown: the usearch backend expects QUERY, and takes K, FILTER, LIKED, DISLIKED, DIVERSITY, WEIGHTS and AGE",
    );
    check(
        json!({"name": "WEIGHTS", "data_type": "TYPE_FP32", "dims": [4], "optional": true}),
        "input 'WEIGHTS' has dims [4], expected [2]: one for each facet",
    );
    check(
        json!({"name": "LIKED", "data_type": "TYPE_STRING", "dims": [1], "optional": true}),
        "input 'LIKED' has dims [1], expected [-1]: as many ids as the client gives",
    );
    assert!(!takes_ids(&good) && takes_ids(&json!({"input": [{"name": "LIKED"}]})));
}

#[test]
fn what_does_not_fit_the_index_is_refused() {
    let good = complete(&json!({"max_batch_size": 0}), &manifest(), &schema(), None).unwrap();
    let check = |change: &dyn Fn(&mut Value), expect: &str| {
        let mut config = good.clone();
        change(&mut config);
        let error = outputs("m", &config, &manifest(), &schema(), None).unwrap_err();
        assert_eq!(error.message(), format!("model 'm': {expect}"));
    };
    check(
        &|config| config["parameters"]["embedding_space"]["string_value"] = json!("MiniLM:2"),
        "the index was made by encoder 'bow:1', but the configuration's parameter 'embedding_space' is 'MiniLM:2': \
         build the index again with that encoder, or serve the one it was made by",
    );
    check(
        &|config| config["input"][0]["dims"] = json!([384]),
        "input 'QUERY' has dims [384], expected [8]: the index has vectors of that size",
    );
    check(
        &|config| config["input"][0]["data_type"] = json!("TYPE_FP64"),
        "input 'QUERY' has data_type TYPE_FP64, expected TYPE_FP32",
    );
    check(
        &|config| config["input"][1]["data_type"] = json!("TYPE_FP32"),
        "input 'K' has data_type TYPE_FP32, expected TYPE_INT32 or TYPE_INT64",
    );
    check(
        &|config| config["input"][2]["optional"] = json!(false),
        "input 'FILTER' may be left out: write optional: true",
    );
    check(
        &|config| config["input"][2]["name"] = json!("WHERE"),
        "input 'WHERE' is unknown: the usearch backend expects QUERY, and takes K, FILTER, LIKED, DISLIKED and DIVERSITY",
    );
    check(
        &|config| config["input"] = json!([good["input"][1]]),
        "there is neither an input QUERY, the vector whose neighbours are looked for, nor LIKED, the items whose are",
    );
    let columns = "key (Int64), score (Float32), title (Utf8), year (Int32), added (Date32)";
    check(
        &|config| config["output"][2]["name"] = json!("name"),
        &format!("output 'name' is no column of items.parquet, expected some of {columns}"),
    );
    check(
        &|config| config["output"][2]["name"] = json!("added"),
        "output 'added' is a column of Date32, which has no datatype to serve it as",
    );
    check(
        &|config| config["output"][3]["data_type"] = json!("TYPE_INT64"),
        "output 'year' has data_type TYPE_INT64, expected TYPE_INT32",
    );
    check(
        &|config| config["output"][1]["dims"] = json!(["10"]),
        "output 'score' has dims [10], expected [ -1 ]: as many items as are found",
    );
    check(
        &|config| config["output"] = json!([]),
        &format!("the configuration names no outputs, expected some of {columns}"),
    );
}

#[test]
fn parameters_are_read() {
    let of = |pairs: &'static [(&str, &str)]| {
        settings("m", move |asked| {
            pairs.iter().find(|(key, _)| *key == asked).map(|(_, value)| (*value).to_owned())
        })
    };
    let default = of(&[]).unwrap();
    assert_eq!((default.limits.default_k, default.limits.max_k), (10, 1000));
    assert_eq!(default.search, SearchOptions::default());
    assert_eq!(of(&[("max_k", "5")]).unwrap().limits.default_k, 5);
    let other = of(&[("exact_vectors", "0"), ("expansion_search", "128"), ("whole_weight", "0.5")])
        .unwrap();
    let expect = SearchOptions { exact_vectors: 0, expansion_search: 128, whole_weight: 0.5 };
    assert_eq!(other.search, expect);
    let check = |pairs, expect: &str| assert_eq!(of(pairs).unwrap_err().message(), expect);
    check(
        &[("max_k", "0")],
        "model 'm': parameter 'max_k' expects a number from 1 to 1000000, got '0'",
    );
    check(
        &[("max_k", "5"), ("default_k", "6")],
        "model 'm': parameter 'default_k' expects a number from 1 to 5, got '6'",
    );
    for weight in ["-0.1", "1.5", "NaN", "half"] {
        let error = settings("m", |asked| (asked == "whole_weight").then(|| weight.to_owned()));
        let expect = format!(
            "model 'm': parameter 'whole_weight' expects a number from 0 to 1, got '{weight}'"
        );
        assert_eq!(error.unwrap_err().message(), expect);
    }
    check(
        &[("expansion_search", "fast")],
        "model 'm': parameter 'expansion_search' expects a number from 1 to 100000, got 'fast'",
    );
}
