//! A configuration as lines of the text format, in the order of the `.proto`.

use super::origin::origin;
use crate::view::ModelView;
use hippocamp_proto::{DESCRIPTORS, inference as proto};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value};

/// Origins stand behind this column, where lines are shorter.
pub(super) const WIDTH: usize = 56;

/// One line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    /// The path of its field.
    pub(super) path: String,
    /// `None` for brackets.
    pub(super) origin: Option<String>,
}

/// The same message as written and as prepared, where it was there.
#[derive(Clone, Default)]
struct Before {
    written: Option<DynamicMessage>,
    prepared: Option<DynamicMessage>,
}

struct Printer<'v> {
    view: &'v ModelView,
    lines: Vec<Line>,
}

pub(super) fn lines(view: &ModelView, config: &proto::ModelConfig) -> Vec<Line> {
    let before = Before {
        written: view.written.as_ref().map(dynamic),
        prepared: view.prepared.as_ref().map(dynamic),
    };
    let mut printer = Printer { view, lines: Vec::new() };
    printer.message(&dynamic(config), &before, "", 0);
    printer.lines
}

fn dynamic(config: &proto::ModelConfig) -> DynamicMessage {
    let descriptor = DESCRIPTORS
        .get_message_by_name("inference.ModelConfig")
        .expect("our descriptor set holds model_config.proto");
    let mut message = DynamicMessage::new(descriptor);
    message.transcode_from(config).expect("the type is generated from the same descriptors");
    message
}

impl Printer<'_> {
    fn message(&mut self, message: &DynamicMessage, before: &Before, path: &str, depth: usize) {
        let descriptor = message.descriptor();
        // The descriptor goes by number, a reader by the order in which they are declared.
        let declared = descriptor.descriptor_proto().field.iter();
        for field in declared.filter_map(|field| descriptor.get_field_by_name(field.name())) {
            // What is not set says nothing, but for this one.
            if !message.has_field(&field)
                && field.full_name() != "inference.ModelConfig.max_batch_size"
            {
                continue;
            }
            let name = field.name();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            match message.get_field(&field).as_ref() {
                Value::List(values) if matches!(field.kind(), Kind::Message(_)) => {
                    for (i, value) in values.iter().enumerate() {
                        let inner = before.step(&field, |value| match value {
                            Value::List(values) => values.get(i),
                            _ => None,
                        });
                        self.block(name, value, &inner, &format!("{path}[{i}]"), depth);
                    }
                }
                Value::List(values) => {
                    let values: Vec<_> = values.iter().map(|value| scalar(&field, value)).collect();
                    let text = format!("{name}: [ {} ]", values.join(", "));
                    self.leaf(&text, message, &field, before, &path, depth);
                }
                Value::Map(entries) => {
                    let mut keys: Vec<_> = entries.keys().collect();
                    keys.sort_by_key(|key| shown_key(key));
                    for key in keys {
                        self.entry(&field, key, &entries[key], before, &path, depth);
                    }
                }
                value @ Value::Message(_) => {
                    let inner = before.step(&field, |value| Some(value));
                    self.block(name, value, &inner, &path, depth);
                }
                value => {
                    let text = format!("{name}: {}", scalar(&field, value));
                    self.leaf(&text, message, &field, before, &path, depth);
                }
            }
        }
    }

    fn entry(
        &mut self,
        field: &FieldDescriptor,
        key: &MapKey,
        value: &Value,
        before: &Before,
        path: &str,
        depth: usize,
    ) {
        let inner = before.step(field, |value| match value {
            Value::Map(entries) => entries.get(key),
            _ => None,
        });
        let bare = match key {
            MapKey::String(text) => text.clone(),
            other => shown_key(other),
        };
        let path = format!("{path}[\"{bare}\"]");
        let (name, shown) = (field.name(), shown_key(key));
        let Kind::Message(entry) = field.kind() else { return };
        if let Value::Message(message) = value {
            self.bracket(depth, &format!("{name} {{"), &path);
            let known = inner.equal(value);
            self.push(depth + 1, &format!("key: {shown}"), &path, Some(known));
            self.block(
                "value",
                &Value::Message(message.clone()),
                &inner,
                &format!("{path}.value"),
                depth + 1,
            );
            self.bracket(depth, "}", &path);
        } else {
            let text = scalar(&entry.map_entry_value_field(), value);
            let has = |stage: &Option<DynamicMessage>| {
                let map = stage.as_ref().map(|message| message.get_field(field));
                map.is_some_and(|map| map.as_map().and_then(|map| map.get(key)) == Some(value))
            };
            let known = (has(&before.written), has(&before.prepared));
            self.push(
                depth,
                &format!("{name} {{ key: {shown} value: {text} }}"),
                &path,
                Some(known),
            );
        }
    }

    fn block(&mut self, name: &str, value: &Value, before: &Before, path: &str, depth: usize) {
        let Value::Message(message) = value else { return };
        if message.fields().next().is_none() {
            let known = before.equal(value);
            return self.push(depth, &format!("{name} {{ }}"), path, Some(known));
        }
        self.bracket(depth, &format!("{name} {{"), path);
        self.message(message, before, path, depth + 1);
        self.bracket(depth, "}", path);
    }

    fn leaf(
        &mut self,
        text: &str,
        message: &DynamicMessage,
        field: &FieldDescriptor,
        before: &Before,
        path: &str,
        depth: usize,
    ) {
        let value = message.get_field(field);
        let same = |stage: &Option<DynamicMessage>| {
            stage.as_ref().is_some_and(|stage| stage.get_field(field) == value)
        };
        // A default that was not written is not the text's.
        let set = before.written.as_ref().is_some_and(|written| written.has_field(field));
        let written = same(&before.written) && (set || self.view.positions.at(path).is_some());
        self.push(depth, text, path, Some((written, same(&before.prepared))));
    }

    fn bracket(&mut self, depth: usize, text: &str, path: &str) {
        self.push(depth, text, path, None);
    }

    fn push(&mut self, depth: usize, text: &str, path: &str, known: Option<(bool, bool)>) {
        self.lines.push(Line {
            text: format!("{}{text}", "  ".repeat(depth)),
            path: path.to_owned(),
            origin: known.map(|(written, prepared)| origin(self.view, path, written, prepared)),
        });
    }
}

impl Before {
    /// The messages that `pick` finds in a field.
    fn step(&self, field: &FieldDescriptor, pick: impl Fn(&Value) -> Option<&Value>) -> Self {
        let inner = |stage: &Option<DynamicMessage>| {
            let stage = stage.as_ref().filter(|stage| stage.has_field(field))?;
            pick(&stage.get_field(field))?.as_message().cloned()
        };
        Self { written: inner(&self.written), prepared: inner(&self.prepared) }
    }

    fn equal(&self, value: &Value) -> (bool, bool) {
        let same = |stage: &Option<DynamicMessage>| {
            stage.as_ref().is_some_and(|stage| Some(stage) == value.as_message())
        };
        (same(&self.written), same(&self.prepared))
    }
}

fn shown_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
        MapKey::String(value) => quoted(value.as_bytes()),
    }
}

fn scalar(field: &FieldDescriptor, value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => quoted(value.as_bytes()),
        Value::Bytes(value) => quoted(value),
        Value::EnumNumber(number) => match field.kind() {
            Kind::Enum(kind) => kind
                .get_value(*number)
                .map_or_else(|| number.to_string(), |known| known.name().to_owned()),
            _ => number.to_string(),
        },
        Value::Message(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// A string of the text format, on one line.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                c if c.is_ascii_control() => text.push_str(&format!("\\{:03o}", u32::from(c))),
                c => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\{byte:03o}"));
        }
    }
    text.push('"');
    text
}
