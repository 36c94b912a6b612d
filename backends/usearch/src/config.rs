//! The model's configuration: completes what it leaves out, and refuses what does not fit the index.
//! Pure: JSON in, JSON out.

use crate::{columns::datatype_of, index::SearchOptions, items::describe, manifest::Manifest};
use arrow_schema::Schema;
use hippocamp_backend::{
    DataType, Error,
    config::{list, sizes, text},
};
use serde_json::{Value, json};

/// `max_batch_size` of a configuration that has neither inputs nor outputs.
const DEFAULT_MAX_BATCH_SIZE: u64 = 64;

/// The parameter that names the encoder whose vectors the index takes.
pub(crate) const EMBEDDING_SPACE: &str = "embedding_space";

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) datatype: DataType,
    pub(crate) source: Source,
}

/// Where an output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The item's row in the table.
    Key,
    /// How near the item is.
    Score,
    /// A column of the item table.
    Column(usize),
}

/// What the parameters of the configuration set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) default_k: usize,
    pub(crate) max_k: usize,
    pub(crate) search: SearchOptions,
}

/// Reads the parameters.
///
/// # Errors
/// If a value is not what it should be.
pub(crate) fn settings(
    model: &str,
    parameter: impl Fn(&str) -> Option<String>,
) -> Result<Settings, Error> {
    let number = |key: &str, default: usize, least: usize, most: usize| match parameter(key) {
        None => Ok(default),
        Some(text) => match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(number),
            _ => Err(Error::invalid(format!(
                "model '{model}': parameter '{key}' expects a number from {least} to {most}, got '{text}'"
            ))),
        },
    };
    let whole_weight = match parameter("whole_weight") {
        None => 0.0,
        Some(text) => match text.parse() {
            Ok(weight) if (0.0..=1.0).contains(&weight) => weight,
            _ => {
                return Err(Error::invalid(format!(
                    "model '{model}': parameter 'whole_weight' expects a number from 0 to 1, got '{text}'"
                )));
            }
        },
    };
    let search = SearchOptions::default();
    let max_k = number("max_k", 1000, 1, 1_000_000)?;
    Ok(Settings {
        default_k: number("default_k", max_k.min(10), 1, max_k)?,
        max_k,
        search: SearchOptions {
            exact_vectors: number("exact_vectors", search.exact_vectors, 0, 100_000_000)?,
            expansion_search: number("expansion_search", search.expansion_search, 1, 100_000)?,
            whole_weight,
        },
    })
}

/// The configuration with inputs, outputs and the parameter `embedding_space`; `None` if it has
/// them already.
pub(crate) fn complete(config: &Value, manifest: &Manifest, schema: &Schema) -> Option<Value> {
    let (no_inputs, no_outputs) =
        (list(config, "input").is_empty(), list(config, "output").is_empty());
    let stated = config["parameters"][EMBEDDING_SPACE].is_object();
    if !no_inputs && !no_outputs && stated {
        return None;
    }
    let mut completed = config.clone();
    if !stated {
        completed["parameters"][EMBEDDING_SPACE] =
            json!({"string_value": manifest.embedding_space});
    }
    if no_inputs && no_outputs && config["max_batch_size"].as_u64().unwrap_or(0) == 0 {
        completed["max_batch_size"] = json!(DEFAULT_MAX_BATCH_SIZE);
    }
    if no_inputs {
        completed["input"] = json!([
            {"name": "QUERY", "data_type": "TYPE_FP32", "dims": [manifest.dimensions]},
            {"name": "K", "data_type": "TYPE_INT32", "dims": [1], "optional": true},
            {"name": "FILTER", "data_type": "TYPE_STRING", "dims": [1], "optional": true},
        ]);
    }
    if no_outputs {
        let output = |name: &str, datatype: DataType| json!({"name": name, "data_type": datatype.config_name(), "dims": [-1]});
        let mut outputs = vec![output("key", DataType::Int64), output("score", DataType::Fp32)];
        for field in schema.fields() {
            if let Some(datatype) = datatype_of(field.data_type()) {
                outputs.push(output(field.name(), datatype));
            }
        }
        completed["output"] = json!(outputs);
    }
    Some(completed)
}

/// The outputs of a configuration, which is checked against the index on the way.
///
/// # Errors
/// What is wrong, what was expected, and what came.
pub(crate) fn outputs(
    model: &str,
    config: &Value,
    manifest: &Manifest,
    schema: &Schema,
) -> Result<Vec<Output>, Error> {
    let refuse = |text: String| Error::invalid(format!("model '{model}': {text}"));
    if let Some(stated) = config["parameters"][EMBEDDING_SPACE]["string_value"].as_str()
        && stated != manifest.embedding_space
    {
        return Err(refuse(format!(
            "the index was made by encoder '{}', but the configuration's parameter '{EMBEDDING_SPACE}' is '{stated}': \
             build the index again with that encoder, or serve the one it was made by",
            manifest.embedding_space
        )));
    }
    check_inputs(config, manifest).map_err(refuse)?;
    let outputs = list(config, "output");
    if outputs.is_empty() {
        return Err(refuse(format!(
            "the configuration names no outputs, expected some of {}",
            names(schema)
        )));
    }
    outputs.iter().map(|output| bind(output, schema).map_err(refuse)).collect()
}

fn check_inputs(config: &Value, manifest: &Manifest) -> Result<(), String> {
    let inputs = list(config, "input");
    for input in inputs {
        let (name, datatype, dims) =
            (text(input, "name"), text(input, "data_type"), sizes(input, "dims"));
        let (datatypes, expected): (&[&str], i64) = match name {
            "QUERY" => {
                let dimensions = i64::try_from(manifest.dimensions).unwrap_or(i64::MAX);
                (&["TYPE_FP32"], dimensions)
            }
            "K" => (&["TYPE_INT32", "TYPE_INT64"], 1),
            "FILTER" => (&["TYPE_STRING"], 1),
            other => {
                return Err(format!(
                    "input '{other}' is unknown: the usearch backend expects QUERY, and takes K and FILTER"
                ));
            }
        };
        if !datatypes.contains(&datatype) {
            return Err(format!(
                "input '{name}' has data_type {datatype}, expected {}",
                datatypes.join(" or ")
            ));
        }
        if dims != [expected] {
            let why = if name == "QUERY" { ": the index has vectors of that size" } else { "" };
            return Err(format!("input '{name}' has dims {dims:?}, expected [{expected}]{why}"));
        }
        if name != "QUERY" && input["optional"] != true {
            return Err(format!("input '{name}' may be left out: write optional: true"));
        }
    }
    if inputs.iter().any(|input| text(input, "name") == "QUERY") {
        Ok(())
    } else {
        Err("there is no input QUERY, the vector whose neighbours are looked for".to_owned())
    }
}

fn bind(output: &Value, schema: &Schema) -> Result<Output, String> {
    let name = text(output, "name");
    let (source, datatype) = match name {
        "key" => (Source::Key, DataType::Int64),
        "score" => (Source::Score, DataType::Fp32),
        _ => {
            let (index, field) = schema.column_with_name(name).ok_or_else(|| {
                format!(
                    "output '{name}' is no column of items.parquet, expected some of {}",
                    names(schema)
                )
            })?;
            let datatype = datatype_of(field.data_type()).ok_or_else(|| {
                format!(
                    "output '{name}' is a column of {}, which has no datatype to serve it as",
                    field.data_type()
                )
            })?;
            (Source::Column(index), datatype)
        }
    };
    let (stated, expected) = (text(output, "data_type"), datatype.config_name());
    if stated != expected {
        return Err(format!("output '{name}' has data_type {stated}, expected {expected}"));
    }
    let dims = sizes(output, "dims");
    if dims != [-1] {
        return Err(format!(
            "output '{name}' has dims {dims:?}, expected [ -1 ]: as many items as are found"
        ));
    }
    Ok(Output { name: name.to_owned(), datatype, source })
}

fn names(schema: &Schema) -> String {
    format!("key (Int64), score (Float32), {}", describe(schema))
}

#[cfg(test)]
mod tests;
