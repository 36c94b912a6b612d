//! The OpenAPI document of one model: the routes it has, with its own tensors in their schemas, and
//! with requests that can be sent as they stand.

use crate::codec::{DecodedRequest, Target, generate::decode_generate, push_data};
use bytes::Bytes;
use hippocamp_config::ModelConfig;
use hippocamp_types::{DataType, Shape, Tensor, push_bytes_element};
use serde_json::{Map, Value, json};

/// Where the routes of one model begin, in the table of all.
const ROUTES: &str = "/v2/models/{model}";

/// The parameter of a configuration that holds the body of a `generate` request.
const EXAMPLE: &str = "example";

/// Elements of all inputs that an example may have: more are no help to a reader, and a page shows
/// each on a line of its own.
const MAX_EXAMPLE_ELEMENTS: usize = 4096;

/// The document of the model of `config`, which `name` stands for in paths, made from that of all
/// routes.
pub(crate) fn document(all: Value, name: &str, config: &ModelConfig) -> Bytes {
    let examples = Examples::new(config);
    let Value::Object(mut document) = all else { return Bytes::new() };
    if let Some(info) = document.get_mut("info").and_then(Value::as_object_mut) {
        info.insert("title".to_owned(), json!(format!("Model {}", config.name)));
        info.insert("description".to_owned(), json!(describe(config, &examples)));
    }
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        let of_all = std::mem::take(paths);
        for (path, mut item) in of_all {
            let Some(rest) = path.strip_prefix(ROUTES) else { continue };
            if is_wanted(rest, &item, config) {
                fill_in(rest, &mut item, config, &examples);
                paths.insert(format!("/v2/models/{name}{rest}"), item);
            }
        }
    }
    Value::from(document).to_string().into()
}

/// Bodies that can be sent as they stand; `None` where JSON has no place for the inputs, or they are
/// too large to show.
struct Examples {
    infer: Option<Value>,
    generate: Option<Value>,
}

impl Examples {
    fn new(config: &ModelConfig) -> Self {
        let given = config.raw.parameters.get(EXAMPLE).and_then(|parameter| {
            let body = parameter.string_value.as_bytes();
            let target =
                Target { model: &config.name, max_input_size: parameter.string_value.len() * 8 };
            let request = decode_generate(body, config, target).ok()?;
            Some((infer_body(&request)?, serde_json::from_slice(body).ok()?))
        });
        if let Some((infer, generate)) = given {
            return Self { infer: Some(infer), generate: Some(generate) };
        }
        let Some(inputs) = zeros(config) else { return Self { infer: None, generate: None } };
        let request = DecodedRequest { inputs, ..DecodedRequest::default() };
        Self { infer: infer_body(&request), generate: generate_body(&request) }
    }
}

/// Every input that is not optional, all zeros, each variable size 1.
fn zeros(config: &ModelConfig) -> Option<Vec<Tensor>> {
    let mut left = MAX_EXAMPLE_ELEMENTS;
    let wanted = config.inputs.iter().filter(|input| !input.optional);
    wanted
        .map(|input| {
            let dims = input.dims.dims().iter().map(|&dim| if dim < 0 { 1 } else { dim });
            let batch = (config.max_batch_size > 0).then_some(1);
            let shape: Shape = batch.into_iter().chain(dims).collect();
            let elements = shape.element_count().ok()?;
            left = left.checked_sub(elements)?;
            let mut data = Vec::new();
            match input.datatype.byte_size() {
                Some(size) => data.resize(elements * size, 0),
                None => (0..elements).for_each(|_| push_bytes_element(&mut data, b"")),
            }
            let (name, datatype) = (input.name.clone(), input.datatype);
            Some(Tensor { name, datatype, shape, data: data.into() })
        })
        .collect()
}

/// The elements as JSON has them; `None` for datatypes that it has no place for.
fn elements(tensor: &Tensor) -> Option<Value> {
    let mut json = Vec::new();
    push_data(&mut json, tensor).ok()?;
    serde_json::from_slice(&json).ok()
}

fn infer_body(request: &DecodedRequest) -> Option<Value> {
    let input = |tensor: &Tensor| {
        Some(json!({
            "name": tensor.name,
            "datatype": tensor.datatype.name(),
            "shape": tensor.shape.dims(),
            "data": elements(tensor)?,
        }))
    };
    let inputs = request.inputs.iter().map(input).collect::<Option<Vec<_>>>()?;
    Some(json!({ "inputs": inputs }))
}

fn generate_body(request: &DecodedRequest) -> Option<Value> {
    let mut body = Map::new();
    for tensor in &request.inputs {
        let mut data = elements(tensor)?;
        if let Some([element]) = data.as_array().map(Vec::as_slice) {
            data = element.clone();
        }
        body.insert(tensor.name.clone(), data);
    }
    Some(body.into())
}

fn describe(config: &ModelConfig, examples: &Examples) -> String {
    let tensor = |name: &str, datatype: DataType, dims: &Shape, note: &str| {
        format!("\n- `{name}`: {datatype} {}{note}", shape_of(dims, config))
    };
    let mut text = "Inputs:\n".to_owned();
    for input in &config.inputs {
        let note = if input.optional { ", optional" } else { "" };
        text += &tensor(&input.name, input.datatype, &input.dims, note);
    }
    text += "\n\nOutputs:\n";
    for output in &config.outputs {
        text += &tensor(&output.name, output.datatype, &output.dims, "");
    }
    text += "\n\nA size of -1 is any";
    if config.max_batch_size > 0 {
        text += &format!("; the first one is the batch, at most {}", config.max_batch_size);
    }
    text += ".";
    if examples.infer.is_none() {
        text += " The inputs are too large for an example here, or have a datatype that is sent in binary alone.";
    }
    text
}

/// With the batch dimension.
fn shape_of(dims: &Shape, config: &ModelConfig) -> Shape {
    let batch = (config.max_batch_size > 0).then_some(-1);
    batch.into_iter().chain(dims.dims().iter().copied()).collect()
}

/// A model that may answer any number of times has neither `infer` nor `generate` here.
fn is_wanted(rest: &str, item: &Value, config: &ModelConfig) -> bool {
    let documentation = |operation: &Value| operation["tags"][0] == "Documentation";
    let about_itself = item.as_object().is_some_and(|verbs| verbs.values().any(documentation));
    let one_answer = matches!(rest, "/infer" | "/generate");
    (rest.is_empty() || rest.starts_with('/'))
        && !rest.contains("{version}")
        && !about_itself
        && !(config.decoupled && one_answer)
}

fn fill_in(rest: &str, item: &mut Value, config: &ModelConfig, examples: &Examples) {
    let Some(verbs) = item.as_object_mut() else { return };
    for operation in verbs.values_mut() {
        if let Some(parameters) = operation["parameters"].as_array_mut() {
            parameters.retain(|parameter| parameter["name"] != "model");
        }
        let (schema, example, answer) = match rest {
            "/infer" => (infer_request(config), &examples.infer, Some(infer_response(config))),
            "/generate" | "/generate_stream" => {
                (generate_request(config), &examples.generate, None)
            }
            _ => continue,
        };
        let mut content = json!({ "schema": schema });
        if let Some(example) = example {
            content["example"] = example.clone();
        }
        operation["requestBody"]["content"]["application/json"] = content;
        if let Some(answer) = answer {
            operation["responses"]["200"]["content"]["application/json"] =
                json!({ "schema": answer });
        }
    }
}

fn infer_request(config: &ModelConfig) -> Value {
    let inputs: Vec<Value> = config
        .inputs
        .iter()
        .map(|input| {
            let shape = shape_of(&input.dims, config);
            let sizes: Vec<Value> = shape
                .dims()
                .iter()
                .map(|&dim| match dim {
                    -1 => json!({ "type": "integer", "minimum": 0 }),
                    dim => json!({ "const": dim }),
                })
                .collect();
            let rank = sizes.len();
            let shape = json!({
                "type": "array", "minItems": rank, "maxItems": rank, "prefixItems": sizes,
            });
            tensor(&input.name, input.datatype, shape, "InputParameters")
        })
        .collect();
    let names: Vec<&str> = config.outputs.iter().map(|output| output.name.as_str()).collect();
    let required = config.inputs.iter().filter(|input| !input.optional).count();
    json!({
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": { "type": "string" },
            "parameters": { "type": "object" },
            "inputs": {
                "type": "array",
                "minItems": required,
                "maxItems": inputs.len(),
                "items": { "oneOf": inputs },
            },
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": { "enum": names },
                        "parameters": { "$ref": "#/components/schemas/OutputParameters" },
                    },
                },
            },
        },
    })
}

fn infer_response(config: &ModelConfig) -> Value {
    let mut outputs: Vec<Value> = config
        .outputs
        .iter()
        .map(|output| {
            let rank = shape_of(&output.dims, config).rank();
            let shape = json!({
                "type": "array", "minItems": rank, "maxItems": rank, "items": { "type": "integer" },
            });
            tensor(&output.name, output.datatype, shape, "BinaryData")
        })
        .collect();
    // As classes an output has another datatype and shape.
    outputs.push(json!({ "$ref": "#/components/schemas/ResponseOutput" }));
    json!({
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "id": { "type": "string" },
            "model_name": { "const": &*config.name },
            "model_version": { "type": "string" },
            "parameters": { "type": "object" },
            "outputs": { "type": "array", "items": { "anyOf": outputs } },
        },
    })
}

fn tensor(name: &str, datatype: DataType, shape: Value, parameters: &str) -> Value {
    json!({
        "type": "object",
        "title": name,
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": { "const": name },
            "datatype": { "const": datatype.name() },
            "shape": shape,
            "parameters": { "$ref": format!("#/components/schemas/{parameters}") },
            "data": { "type": "array", "items": { "type": [element(datatype), "array"] } },
        },
    })
}

fn generate_request(config: &ModelConfig) -> Value {
    let properties: Map<String, Value> = config
        .inputs
        .iter()
        .map(|input| {
            let shape = shape_of(&input.dims, config);
            let schema = json!({
                "type": [element(input.datatype), "array"],
                "description": format!("{} {shape}", input.datatype),
            });
            (input.name.clone(), schema)
        })
        .collect();
    let required: Vec<&str> = config
        .inputs
        .iter()
        .filter(|input| !input.optional)
        .map(|input| input.name.as_str())
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// The JSON type of an element.
fn element(datatype: DataType) -> &'static str {
    match datatype {
        DataType::Bool => "boolean",
        DataType::Bytes => "string",
        DataType::Fp16 | DataType::Bf16 | DataType::Fp32 | DataType::Fp64 => "number",
        _ => "integer",
    }
}

#[cfg(test)]
mod tests;
