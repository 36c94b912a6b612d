//! Reading tensors in a configuration's JSON, as a backend does that completes or checks it. Pure; what is absent
//! or of another type reads as empty, for the backend to say what it expected.

use serde_json::Value;

/// The elements of the list `key`, such as `input` of a configuration or `dims` of a tensor.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

/// The text `key` of a tensor: its `name`, or its `data_type` such as `TYPE_FP32`.
pub fn text<'a>(tensor: &'a Value, key: &str) -> &'a str {
    tensor[key].as_str().unwrap_or_default()
}

/// The sizes in the list `key` of a tensor or of its reshape; -1 is any. Protobuf's JSON has 64-bit
/// integers as strings.
pub fn sizes(tensor: &Value, key: &str) -> Vec<i64> {
    let number = |size: &Value| size.as_i64().or_else(|| size.as_str()?.parse().ok());
    list(tensor, key).iter().filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_there_is_read_and_the_rest_is_empty() {
        let config = json!({"input": [{"name": "IN", "dims": ["16", -1, "many"]}], "output": null});
        let [input] = list(&config, "input") else { panic!("one input") };
        assert_eq!((text(input, "name"), text(input, "data_type")), ("IN", ""));
        assert_eq!(sizes(input, "dims"), [16, -1]);
        assert_eq!(sizes(&input["reshape"], "shape"), [0_i64; 0]);
        for key in ["output", "parameters"] {
            assert_eq!(list(&config, key), [] as [Value; 0]);
        }
    }
}
