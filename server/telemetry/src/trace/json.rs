//! Triton's JSON of a trace: for each model that took part an object that names it, one for each
//! point in time, one for each tensor.

use hippocamp_types::{
    BytesElements, DataType, Mark, Tensor, TensorActivity, TraceRecord, TracedRequest,
};
use serde_json::json;
use std::{fmt::Write as _, io::Write as _};

/// Appends the objects of a request, separated by commas.
pub(super) fn write(text: &mut Vec<u8>, request: &TracedRequest) {
    for (index, trace) in request.traces.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        write_trace(text, trace);
    }
}

fn write_trace(text: &mut Vec<u8>, trace: &TraceRecord) {
    let id = trace.id;
    let version = trace.version.map_or(-1, |version| i64::try_from(version).unwrap_or(i64::MAX));
    push(
        text,
        format_args!(
            "{{\"id\":{id},\"model_name\":{},\"model_version\":{version}",
            json!(trace.model)
        ),
    );
    if !trace.request_id.is_empty() {
        push(text, format_args!(",\"request_id\":{}", json!(trace.request_id)));
    }
    if trace.parent_id != 0 {
        push(text, format_args!(",\"parent_id\":{}", trace.parent_id));
    }
    text.push(b'}');
    for Mark { name, at } in in_order(&trace.marks) {
        let (name, ns) = (json!(name.as_str()), at.as_nanos());
        push(
            text,
            format_args!(",{{\"id\":{id},\"timestamps\":[{{\"name\":{name},\"ns\":{ns}}}]}}"),
        );
    }
    for (activity, tensor) in &trace.tensors {
        write_tensor(text, id, *activity, tensor);
    }
}

/// Marks by time: those that a backend reports come late.
pub(super) fn in_order(marks: &[Mark]) -> Vec<&Mark> {
    let mut marks: Vec<_> = marks.iter().collect();
    marks.sort_by_key(|mark| mark.at);
    marks
}

fn write_tensor(text: &mut Vec<u8>, id: u64, activity: TensorActivity, tensor: &Tensor) {
    let shape: Vec<_> = tensor.shape.dims().iter().map(i64::to_string).collect();
    push(
        text,
        format_args!(
            ",{{\"id\":{id},\"activity\":\"{}\",\"tensor\":{{\"name\":{},\"data\":{},\"shape\":\"{}\",\"dtype\":\"{}\"}}}}",
            activity.name(),
            json!(tensor.name),
            json!(elements(tensor)),
            shape.join(","),
            tensor.datatype
        ),
    );
}

/// The elements, separated by commas; BYTES in quotes. FP16 and BF16 are left out, as in Triton.
fn elements(tensor: &Tensor) -> String {
    /// `$size` bytes each, read by `$read`.
    macro_rules! numbers {
        ($type:ty, $size:literal) => {
            join(tensor.data.chunks_exact($size).map(|bytes| {
                <$type>::from_le_bytes(bytes.try_into().expect("chunks have that size"))
            }))
        };
    }
    match tensor.datatype {
        DataType::Bool => join(tensor.data.iter().map(|byte| u8::from(*byte != 0))),
        DataType::Uint8 => numbers!(u8, 1),
        DataType::Uint16 => numbers!(u16, 2),
        DataType::Uint32 => numbers!(u32, 4),
        DataType::Uint64 => numbers!(u64, 8),
        DataType::Int8 => numbers!(i8, 1),
        DataType::Int16 => numbers!(i16, 2),
        DataType::Int32 => numbers!(i32, 4),
        DataType::Int64 => numbers!(i64, 8),
        DataType::Fp32 => numbers!(f32, 4),
        DataType::Fp64 => numbers!(f64, 8),
        DataType::Fp16 | DataType::Bf16 => String::new(),
        DataType::Bytes => join(
            BytesElements::new(&tensor.data)
                .map_while(Result::ok)
                .map(|element| format!("\"{}\"", String::from_utf8_lossy(element))),
        ),
    }
}

fn join<T: std::fmt::Display>(elements: impl Iterator<Item = T>) -> String {
    let mut joined = String::new();
    for (index, element) in elements.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(joined, "{comma}{element}").expect("a string takes all");
    }
    joined
}

fn push(text: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a vector takes all");
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::{Activity, MarkName, Shape, Timestamp, TraceContext, push_bytes_element};

    fn tensor(datatype: DataType, dims: &[i64], data: &[u8]) -> Tensor {
        Tensor {
            name: "x".to_owned(),
            datatype,
            shape: Shape::new(dims),
            data: data.to_vec().into(),
        }
    }

    #[test]
    fn elements_are_numbers_and_quoted_texts() {
        let check = |datatype, data: &[u8], expect: &str| {
            assert_eq!(elements(&tensor(datatype, &[1], data)), expect);
        };
        check(DataType::Bool, &[0, 2], "0,1");
        check(DataType::Uint8, &[65, 255], "65,255");
        check(DataType::Int16, &[0xfe, 0xff], "-2");
        check(DataType::Fp32, &0.1_f32.to_le_bytes(), "0.1");
        check(DataType::Fp16, &[1, 2], "");
        let mut texts = Vec::new();
        push_bytes_element(&mut texts, b"a\"b");
        push_bytes_element(&mut texts, &[0xff]);
        check(DataType::Bytes, &texts, "\"a\"b\",\"\u{fffd}\"");
        check(DataType::Bytes, &[9, 0, 0, 0], "");
    }

    #[test]
    fn a_request_is_a_list_of_objects() {
        let mark =
            |activity, ns| Mark { name: MarkName::Known(activity), at: Timestamp::from_nanos(ns) };
        let parent = TraceRecord {
            id: 4,
            model: "a \"model\"".to_owned(),
            version: Some(2),
            request_id: "r\n".to_owned(),
            marks: vec![mark(Activity::RequestEnd, 9), mark(Activity::RequestStart, 3)],
            ..TraceRecord::default()
        };
        let child = TraceRecord {
            id: 5,
            parent_id: 4,
            tensors: vec![(TensorActivity::QueueInput, tensor(DataType::Int8, &[1, 2], &[1, 2]))],
            ..TraceRecord::default()
        };
        let context = TraceContext { trace_id: 1, span_id: 1, flags: 1, state: String::new() };
        let mut text = b"[".to_vec();
        write(
            &mut text,
            &TracedRequest { context, caller: None, traces: vec![parent, child], error: None },
        );
        text.push(b']');
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(
            read,
            json!([
                {"id": 4, "model_name": "a \"model\"", "model_version": 2, "request_id": "r\n"},
                {"id": 4, "timestamps": [{"name": "REQUEST_START", "ns": 3}]},
                {"id": 4, "timestamps": [{"name": "REQUEST_END", "ns": 9}]},
                {"id": 5, "model_name": "", "model_version": -1, "parent_id": 4},
                {"id": 5, "activity": "TENSOR_QUEUE_INPUT", "tensor":
                    {"name": "x", "data": "1,2", "shape": "1,2", "dtype": "INT8"}},
            ])
        );
    }
}
