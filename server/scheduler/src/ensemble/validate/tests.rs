use super::*;
use crate::testing::config;

const SIMPLE: &str = r#"name: "simple" backend: "b" max_batch_size: 8
    input [ { name: "INPUT0" data_type: TYPE_INT32 dims: 16 }, { name: "INPUT1" data_type: TYPE_INT32 dims: 16 } ]
    output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: 16 }, { name: "OUTPUT1" data_type: TYPE_INT32 dims: 16 } ]"#;

const ENSEMBLE: &str = r#"name: "e" platform: "ensemble" max_batch_size: 8
    input [ { name: "A" data_type: TYPE_INT32 dims: 16 }, { name: "B" data_type: TYPE_INT32 dims: 16 } ]
    output { name: "C" data_type: TYPE_INT32 dims: 16 }
    ensemble_scheduling { step {
        model_name: "simple" model_version: -1
        input_map { key: "INPUT0" value: "A" } input_map { key: "INPUT1" value: "B" }
        output_map { key: "OUTPUT0" value: "C" }
    } }"#;

/// `edits` replace text in the ensemble or in its member.
fn validate(edits: &[(&str, &str)]) -> Result<(), String> {
    let edit =
        |text: &str| edits.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    for (from, _) in edits {
        assert!(SIMPLE.contains(from) || ENSEMBLE.contains(from), "nothing to edit: {from}");
    }
    let member = config(&edit(SIMPLE));
    let find = |name: &str, _| (name == &*member.name).then(|| member.clone());
    validate_ensemble(&config(&edit(ENSEMBLE)), find).map_err(|error| error.to_string())
}

#[test]
fn an_ensemble_that_fits_is_accepted() {
    let check = |edits: &[(&str, &str)]| assert_eq!(validate(edits), Ok(()), "{edits:?}");
    check(&[]);
    check(&[(
        r#"name: "C" data_type: TYPE_INT32 dims: 16"#,
        r#"name: "C" data_type: TYPE_INT32 dims: -1"#,
    )]);
    // A model without a batch dimension that spells it out.
    check(&[
        (r#"backend: "b" max_batch_size: 8"#, r#"backend: "b" max_batch_size: 0"#),
        (
            r#"name: "INPUT0" data_type: TYPE_INT32 dims: 16"#,
            r#"name: "INPUT0" data_type: TYPE_INT32 dims: [ -1, 16 ]"#,
        ),
    ]);
    // One that sees single rows.
    check(&[(r#"backend: "b" max_batch_size: 8"#, r#"backend: "b""#)]);
    check(&[
        (
            r#"dims: 16 } ]
    output ["#,
            r#"dims: 16 optional: true } ]
    output ["#,
        ),
        (r#" input_map { key: "INPUT1" value: "B" }"#, ""),
        (r#", { name: "B" data_type: TYPE_INT32 dims: 16 }"#, ""),
    ]);
}

#[test]
fn what_does_not_fit_is_told_in_tritons_words() {
    let check = |edits: &[(&str, &str)], expect: &str| {
        assert_eq!(validate(edits), Err(expect.to_owned()), "{edits:?}");
    };
    check(
        &[(r#"backend: "b" max_batch_size: 8"#, r#"backend: "b" max_batch_size: 4"#)],
        "ensemble e allows maximum batch size 8, but it contains model simple which only allows maximum batch size to be 4",
    );
    check(
        &[(r#"name: "simple" backend"#, r#"name: "other" backend"#)],
        "ensemble e contains models that are not available or ambiguous: simple",
    );
    check(
        &[(r#"key: "INPUT0""#, r#"key: "INPUT9""#)],
        "in ensemble e, ensemble tensor A is mapping to non-existing input INPUT9 in model simple",
    );
    check(
        &[(r#"key: "OUTPUT0""#, r#"key: "OUTPUT9""#)],
        "in ensemble e, ensemble tensor C is mapped from non-existing output OUTPUT9 in model simple",
    );
    check(
        &[
            (r#" input_map { key: "INPUT1" value: "B" }"#, ""),
            (r#", { name: "B" data_type: TYPE_INT32 dims: 16 }"#, ""),
        ],
        "in ensemble e, input INPUT1 in model simple is not mapped to any ensemble tensors",
    );
    check(
        &[(r#"name: "INPUT0" data_type: TYPE_INT32"#, r#"name: "INPUT0" data_type: TYPE_STRING"#)],
        "in ensemble e, ensemble tensor A: inconsistent data type: TYPE_INT32 is inferred from model e while TYPE_STRING is inferred from model simple",
    );
    check(
        &[(
            r#"name: "OUTPUT0" data_type: TYPE_INT32 dims: 16"#,
            r#"name: "OUTPUT0" data_type: TYPE_INT32 dims: 8"#,
        )],
        "in ensemble e, ensemble tensor C: inconsistent shape: [-1,16] is inferred from model e while [-1,8] is inferred from model simple",
    );
    check(
        &[(
            "max_batch_size: 8\n    input [ { name: \"INPUT0\"",
            "max_batch_size: 8 model_transaction_policy { decoupled: true }\n    input [ { name: \"INPUT0\"",
        )],
        "ensemble e contains decoupled model simple, which is not supported",
    );
}

/// An ensemble `name` whose only step is `member`; both have one input and one output.
fn wrap(name: &str, member: &str) -> ModelConfig {
    config(&format!(
        r#"name: "{name}" platform: "ensemble"
           input {{ name: "X" data_type: TYPE_FP32 dims: 1 }}
           output {{ name: "Y" data_type: TYPE_FP32 dims: 1 }}
           ensemble_scheduling {{ step {{
               model_name: "{member}" model_version: -1
               input_map {{ key: "X" value: "X" }} output_map {{ key: "Y" value: "Y" }}
           }} }}"#
    ))
}

#[test]
fn nesting_has_a_limit() {
    let leaf = config(
        r#"name: "0" backend: "b" input { name: "X" data_type: TYPE_FP32 dims: 1 }
           output { name: "Y" data_type: TYPE_FP32 dims: 1 }"#,
    );
    let find = |name: &str, _| match name.parse::<usize>() {
        Ok(0) => Some(leaf.clone()),
        Ok(depth) => Some(wrap(name, &(depth - 1).to_string())),
        Err(_) => Some(wrap(name, name)),
    };
    let check = |name: &str, member: &str| validate_ensemble(&wrap(name, member), find);
    assert_eq!(check("top", &(MAX_NESTING - 1).to_string()), Ok(()));
    let error = check("top", &MAX_NESTING.to_string()).unwrap_err();
    assert!(error.message().starts_with("ensemble top contains itself, or ensembles nested"));
    assert!(check("loop", "loop").is_err());
}

#[test]
fn vectors_meet_those_of_their_own_encoder() {
    let validate = |encoder: &str, index: &str| {
        let parameter = |space: &str| match space {
            "" => String::new(),
            space => format!(
                r#"parameters {{ key: "embedding_space" value {{ string_value: "{space}" }} }}"#
            ),
        };
        let encoder = config(&format!(
            r#"name: "encoder" backend: "b" input {{ name: "IDS" data_type: TYPE_INT64 dims: -1 }}
               output {{ name: "V" data_type: TYPE_FP32 dims: 8 }} {}"#,
            parameter(encoder)
        ));
        let index = config(&format!(
            r#"name: "index" backend: "b" input {{ name: "QUERY" data_type: TYPE_FP32 dims: 8 }}
               output {{ name: "key" data_type: TYPE_INT64 dims: -1 }} {}"#,
            parameter(index)
        ));
        let ensemble = config(
            r#"name: "e" platform: "ensemble" input { name: "IDS" data_type: TYPE_INT64 dims: -1 }
               output { name: "key" data_type: TYPE_INT64 dims: -1 }
               ensemble_scheduling {
                   step { model_name: "encoder" model_version: -1
                          input_map { key: "IDS" value: "IDS" } output_map { key: "V" value: "vector" } }
                   step { model_name: "index" model_version: -1
                          input_map { key: "QUERY" value: "vector" } output_map { key: "key" value: "key" } } }"#,
        );
        let find = |name: &str, _| {
            [&encoder, &index].into_iter().find(|member| *member.name == *name).cloned()
        };
        validate_ensemble(&ensemble, find).map_err(|error| error.to_string())
    };
    for (encoder, index) in [("bow:1", "bow:1"), ("", "bow:1"), ("bow:1", ""), ("", "")] {
        assert_eq!(validate(encoder, index), Ok(()), "{encoder} {index}");
    }
    assert_eq!(
        validate("MiniLM:2", "bow:1"),
        Err("in ensemble e, ensemble tensor vector holds vectors of encoder 'MiniLM:2' (model encoder), but model \
             index was made with encoder 'bow:1': build it again with the encoder that is served, or serve that one"
            .to_owned())
    );
}
