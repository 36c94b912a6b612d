//! Configurations as JSON: the `config` parameter of a load call coming in, `/config` going out.
//!
//! Both over the descriptors. Coming in, protobuf's JSON mapping holds (either spelling of a field,
//! 64-bit integers as strings or numbers), and errors name the field's path. Going out, the form is
//! Triton's: the `.proto`'s own names in its order, every scalar, list and map whether set or not,
//! messages and members of a `oneof` only when set, 64-bit integers as numbers.

use crate::{ConfigError, MAX_CONFIG_BYTES, pbtxt::descriptor, suggest::hint};
use hippocamp_proto::inference as proto;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _,
    Value as ProtoValue,
};
use serde_json::{Map, Number, Value};

/// Fields younger than Triton 2.51, which clients were recorded with: written only when set, so that
/// a configuration which does not use them reads as it always did.
const ONLY_WHEN_SET: [&str; 1] = ["inference.ModelEnsembling.max_inflight_requests"];

/// Parses a model configuration in protobuf's JSON form.
///
/// # Errors
/// With the path of the field: unknown fields and enum values, wrong types, numbers out of range,
/// fields set twice, malformed JSON.
pub fn from_json(text: &str) -> Result<proto::ModelConfig, ConfigError> {
    let fail = |reason: String| ConfigError::Json { path: String::new(), reason };
    if text.len() > MAX_CONFIG_BYTES {
        let size = text.len();
        return Err(fail(format!(
            "the configuration has {size} bytes, expected at most {MAX_CONFIG_BYTES}"
        )));
    }
    let value: Value = serde_json::from_str(text).map_err(|error| fail(error.to_string()))?;
    let message = message_from(descriptor(), value, "")?;
    message.transcode_to().map_err(|error| fail(error.to_string()))
}

/// Writes `config` in the form that Triton's `/config` answers.
pub fn to_json(config: &proto::ModelConfig) -> String {
    let mut message = DynamicMessage::new(descriptor());
    message.transcode_from(config).expect("the type is generated from the same descriptors");
    message_to(&message).to_string()
}

fn message_from(
    descriptor: MessageDescriptor,
    value: Value,
    path: &str,
) -> Result<DynamicMessage, ConfigError> {
    let Value::Object(object) = value else {
        return Err(wrong_type(path, "an object", &value));
    };
    let mut message = DynamicMessage::new(descriptor.clone());
    let mut seen: Vec<FieldDescriptor> = Vec::new();
    for (key, value) in object {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let field = descriptor
            .get_field_by_json_name(&key)
            .or_else(|| descriptor.get_field_by_name(&key))
            .ok_or_else(|| unknown_field(&descriptor, &key, &path))?;
        // null is "not set" in protobuf's JSON.
        if value.is_null() {
            continue;
        }
        let twice = |other: &FieldDescriptor| {
            *other == field
                || (field.containing_oneof().is_some()
                    && other.containing_oneof() == field.containing_oneof())
        };
        if let Some(other) = seen.iter().find(|other| twice(other)) {
            let reason = format!("'{}' is already set, at most one of them may be", other.name());
            return Err(ConfigError::Json { path, reason });
        }
        let parsed = field_from(&field, &key, value, &path)?;
        message.set_field(&field, parsed);
        seen.push(field);
    }
    Ok(message)
}

fn field_from(
    field: &FieldDescriptor,
    key: &str,
    value: Value,
    path: &str,
) -> Result<ProtoValue, ConfigError> {
    match field.kind() {
        Kind::Message(inner) if field.is_list() => {
            let Value::Array(elements) = value else {
                return Err(wrong_type(path, "an array", &value));
            };
            elements
                .into_iter()
                .enumerate()
                .map(|(i, element)| {
                    message_from(inner.clone(), element, &format!("{path}[{i}]"))
                        .map(ProtoValue::Message)
                })
                .collect::<Result<_, _>>()
                .map(ProtoValue::List)
        }
        Kind::Message(inner) if !field.is_map() => {
            message_from(inner, value, path).map(ProtoValue::Message)
        }
        kind => {
            let value = any_case(&kind, value);
            // prost-reflect's errors do not say where: one field at a time, they need not.
            let object = Value::Object(Map::from_iter([(key.to_owned(), value)]));
            let message =
                DynamicMessage::deserialize(field.parent_message().clone(), object).map_err(
                    |error| ConfigError::Json { path: path.to_owned(), reason: error.to_string() },
                )?;
            Ok(message.get_field(field).into_owned())
        }
    }
}

/// Triton takes the names of enum values in any case.
fn any_case(kind: &Kind, value: Value) -> Value {
    match (kind, value) {
        (Kind::Enum(kind), Value::String(name)) => {
            let known = kind.values().find(|value| value.name().eq_ignore_ascii_case(&name));
            Value::String(known.map_or(name, |value| value.name().to_owned()))
        }
        (_, value) => value,
    }
}

fn unknown_field(descriptor: &MessageDescriptor, key: &str, path: &str) -> ConfigError {
    let names: Vec<String> = descriptor.fields().map(|field| field.name().to_owned()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reason =
        format!("unknown field: {} has no field '{key}', {}", descriptor.name(), hint(key, &names));
    ConfigError::Json { path: path.to_owned(), reason }
}

fn wrong_type(path: &str, expected: &str, value: &Value) -> ConfigError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    ConfigError::Json {
        path: path.to_owned(),
        reason: format!("expected {expected}, but found {found}"),
    }
}

fn message_to(message: &DynamicMessage) -> Value {
    let descriptor = message.descriptor();
    let mut object = Map::new();
    // `fields()` goes by number; Triton's order is that of the declarations.
    for declared in &descriptor.descriptor_proto().field {
        let Some(field) = descriptor.get_field_by_name(declared.name()) else { continue };
        let optional = field.supports_presence() || ONLY_WHEN_SET.contains(&field.full_name());
        if optional && !message.has_field(&field) {
            continue;
        }
        object.insert(field.name().to_owned(), value_to(&field.kind(), &message.get_field(&field)));
    }
    Value::Object(object)
}

fn value_to(kind: &Kind, value: &ProtoValue) -> Value {
    match value {
        ProtoValue::Bool(value) => Value::Bool(*value),
        ProtoValue::I32(value) => Value::from(*value),
        ProtoValue::I64(value) => Value::from(*value),
        ProtoValue::U32(value) => Value::from(*value),
        ProtoValue::U64(value) => Value::from(*value),
        // By its shortest text, so that 0.1 stays 0.1.
        ProtoValue::F32(value) => float(value.to_string().parse().unwrap_or(f64::from(*value))),
        ProtoValue::F64(value) => float(*value),
        ProtoValue::String(text) => Value::from(text.as_str()),
        // No configuration has a field of bytes.
        ProtoValue::Bytes(bytes) => Value::from(String::from_utf8_lossy(bytes)),
        ProtoValue::EnumNumber(number) => enum_name(kind, *number),
        ProtoValue::Message(message) => message_to(message),
        ProtoValue::List(values) => values.iter().map(|value| value_to(kind, value)).collect(),
        ProtoValue::Map(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            let value_kind = kind
                .as_message()
                .map_or_else(|| kind.clone(), |entry| entry.map_entry_value_field().kind());
            entries
                .into_iter()
                .map(|(key, value)| (map_key(key), value_to(&value_kind, value)))
                .collect()
        }
    }
}

fn enum_name(kind: &Kind, number: i32) -> Value {
    let value = kind.as_enum().and_then(|kind| kind.get_value(number));
    value.map_or_else(|| Value::from(number), |value| Value::from(value.name()))
}

/// JSON has no numbers beyond the finite ones; protobuf writes those as strings.
fn float(value: f64) -> Value {
    Number::from_f64(value).map_or_else(
        || {
            Value::from(match value {
                f64::INFINITY => "Infinity",
                f64::NEG_INFINITY => "-Infinity",
                _ => "NaN",
            })
        },
        Value::Number,
    )
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

#[cfg(test)]
mod tests;
