use super::*;
use crate::to_json;
use hippocamp_types::ErrorCode;
use std::fs;

fn parse(text: &str) -> proto::ModelConfig {
    parse_pbtxt(text, "config.pbtxt").unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn what_triton_reads_is_read() {
    let same = |a: &str, b: &str| assert_eq!(parse(a), parse(b), "{a} | {b}");
    same("", "  # nothing\n");
    same("\u{feff}name: 'm'", "name: \"m\" # the name");
    same("name: 'a' \"b\"\n'c'", "name: 'abc'");
    same("name: 'a\\x62\\143\\'\\n'", "name: \"abc'\\n\"");
    same("name: 'm', max_batch_size: 0x10;", "name: 'm' max_batch_size: 16");
    same("max_batch_size: 010", "max_batch_size: 8");
    same("input { dims: [ -1, 3 ] }", "input: { dims: -1 dims: 3 }");
    same("input [ { name: 'a' }, { name: 'b' } ]", "input < name: 'a' > input: [ { name: 'b' } ]");
    same("input: []", "");
    same(
        "input { data_type: TYPE_FP32 optional: true }",
        "input { data_type: 11 optional: True, }",
    );
    same(
        "input { optional: t allow_ragged_batch: f }",
        "input { optional: 1 allow_ragged_batch: 0 }",
    );
    same(
        "parameters: { key: \"k\" value: { string_value: \"v\" } }",
        "parameters [ { value { string_value: 'v' } key: 'k' } ]",
    );
    same(
        "ensemble_scheduling { step [ { input_map { key: 'a' value: 'b' } input_map { key: 'c' value: 'd' } } ] }",
        "ensemble_scheduling { step { input_map: [ { key: 'c' value: 'd' }, { key: 'a' value: 'b' } ] } }",
    );
    same(
        "model_metrics { metric_control { histogram_options { buckets: [ 1, 2.5, 1e3 ] } } }",
        "model_metrics { metric_control { histogram_options { buckets: 1.0 buckets: 25e-1f buckets: 1000 } } }",
    );
    same("dynamic_batching { }", "dynamic_batching: {}");
    let ensemble = parse("ensemble_scheduling { step { model_version: -1 } }");
    assert!(to_json(&ensemble).contains(r#""model_version":-1"#));
}

#[test]
fn errors_name_line_column_and_field() {
    let check = |text: &str, expect: &str| {
        let error = parse_pbtxt(text, "m/config.pbtxt").expect_err(text);
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        assert_eq!(error.to_string(), format!("m/config.pbtxt:{expect}"));
    };
    // Unknown names.
    check(
        "name: 'm'\nmax_batchsize: 8",
        "2:1: unknown field 'max_batchsize': ModelConfig has no field of this name, did you mean 'max_batch_size'?",
    );
    check(
        "input [\n  { name: 'a' },\n  { nmae: 'b' }\n]",
        "3:5: unknown field 'input.nmae': ModelInput has no field of this name, did you mean 'name'?",
    );
    check(
        "dynamic_batching { priority_queue_policy { key: 1 value { colour: 1 } } }",
        "1:59: unknown field 'dynamic_batching.priority_queue_policy.value.colour': ModelQueuePolicy has no field of \
         this name, expected one of timeout_action, default_timeout_microseconds, allow_timeout_override, max_queue_size",
    );
    check(
        "input { data_type: TYPE_FLOAT32 }",
        "1:20: field 'input.data_type': DataType has no value 'TYPE_FLOAT32', did you mean 'TYPE_FP32'?",
    );
    check("/* é */ name: 'm'", "1:1: expected a field name, but found '/'");
    check("name: 'é' é: 1", "1:11: field 'name': invalid token");
    check("[x.y]: 1", "1:1: extension 'x.y' not found for message 'inference.ModelConfig'");
    check(
        "[a/inference.ModelConfig] {}",
        "1:1: the field type must be 'google.protobuf.Any' to use Any expansion syntax",
    );
    // Wrong types and ranges.
    check(
        "max_batch_size: \"8\"",
        "1:17: field 'max_batch_size': expected an integer, but found '\"8\"'",
    );
    check(
        "max_batch_size: 8.5",
        "1:17: field 'max_batch_size': expected an integer, but found '8.5'",
    );
    check(
        "max_batch_size: eight",
        "1:17: field 'max_batch_size': expected an integer, but found 'eight'",
    );
    check(
        "max_batch_size: 3000000000",
        "1:17: field 'max_batch_size': expected value to be a signed 32-bit integer, but the value 3000000000 is out of range",
    );
    check("name: simple", "1:7: field 'name': expected a string, but found 'simple'");
    check("name: '\\xff'", "1:7: field 'name': string is not valid utf-8");
    check("input: 'INPUT0'", "1:8: field 'input': expected '{' or '<', but found '\"INPUT0\"'");
    check(
        "input { dims: [ 16, x ] }",
        "1:21: field 'input.dims': expected an integer, but found 'x'",
    );
    check(
        "input { optional: maybe }",
        "1:19: field 'input.optional': expected 'true' or 'false', but found 'maybe'",
    );
    check(
        "input { data_type: 'TYPE_FP32' }",
        "1:20: field 'input.data_type': expected an enum value, but found '\"TYPE_FP32\"'",
    );
    // Set twice.
    check("name: 'a'\nname: 'b'", "2:7: field 'name': 'name' is already set");
    check(
        "dynamic_batching {}\nsequence_batching {}",
        "2:19: field 'sequence_batching': a value is already set for oneof 'scheduling_choice'",
    );
    // Syntax. Triton refuses the commas of these lists too.
    check(
        "input { dims: [ 1, 2, ] }",
        "1:23: field 'input.dims': expected an integer, but found ']'",
    );
    check(
        "input { dims: [ 1 2 ] }",
        "1:19: field 'input.dims': expected ',' or ']', but found '2'",
    );
    check(
        "input { name: 'a'",
        "1:18: field 'input': expected '}' or a field name, but reached end of input",
    );
    check(
        "max_batch_size 8",
        "1:16: field 'max_batch_size': expected ':' or a message value, but found '8'",
    );
    check(
        "max_batch_size: 8x",
        "1:17: field 'max_batch_size': whitespace is required between an integer literal and an identifier",
    );
    check("name: 'a\nb'", "1:9: field 'name': invalid string character");
    check("name: 'm' }", "1:11: field 'name': expected a field name, but found '}'");
    check(
        &"[a/inference.ModelConfig] {".repeat(100_000 / 27),
        "1:865: more than 32 messages and lists inside each other",
    );
}

#[test]
fn files_that_are_no_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let good = write("good.pbtxt", b"name: 'm'");
    assert_eq!(read_pbtxt(&good).unwrap().name, "m");

    let check = |path: &Path, code, expect: &str| {
        let error = read_pbtxt(path).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string()),
            (code, expect.replace('@', &path.display().to_string()))
        );
    };
    check(
        &write("latin1.pbtxt", b"name: 'm\xfc'"),
        ErrorCode::InvalidArgument,
        "@: expected UTF-8 text, byte 8 is not",
    );
    check(
        &write("large.pbtxt", &vec![b' '; MAX_CONFIG_BYTES + 1]),
        ErrorCode::InvalidArgument,
        "@: the file has 1048577 bytes, a model configuration at most 1048576",
    );
    check(directory.path(), ErrorCode::Internal, "failed to read '@': expected a regular file");
    check(
        &directory.path().join("absent"),
        ErrorCode::Internal,
        "failed to read '@': No such file or directory (os error 2)",
    );
    check(
        &write("broken.pbtxt", b"nam: 1"),
        ErrorCode::InvalidArgument,
        "@:1:1: unknown field 'nam': ModelConfig has no field of this name, did you mean 'name'?",
    );
    assert!(read_pbtxt(write("limit.pbtxt", &vec![b' '; MAX_CONFIG_BYTES])).is_ok());
}
