//! The model's configuration: completes what it leaves out, and refuses what does not fit the index.
//! Pure: JSON in, JSON out.

use crate::{
    columns::datatype_of,
    facets::{Facet, Facets},
    index::SearchOptions,
    items::describe,
    manifest::Manifest,
    query::Limits,
};
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

/// The parameter that says what makes items alike beside their vectors.
pub(crate) const FACETS: &str = "facets";

pub(crate) const QUERY: &str = "QUERY";
pub(crate) const K: &str = "K";
pub(crate) const FILTER: &str = "FILTER";
pub(crate) const LIKED: &str = "LIKED";
pub(crate) const DISLIKED: &str = "DISLIKED";
pub(crate) const WEIGHTS: &str = "WEIGHTS";
pub(crate) const DIVERSITY: &str = "DIVERSITY";

/// Before the name of a facet: its part of the score.
const PART: &str = "score_";

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
    /// A facet's part of that.
    Part(usize),
    /// A column of the item table.
    Column(usize),
}

/// What the parameters of the configuration set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) id_column: String,
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
        limits: Limits {
            default_k: number("default_k", max_k.min(10), 1, max_k)?,
            max_k,
            max_liked: number("max_liked", 256, 1, 10_000)?,
        },
        id_column: parameter("id_column").unwrap_or_else(|| "id".to_owned()),
        search: SearchOptions {
            exact_vectors: number("exact_vectors", search.exact_vectors, 0, 100_000_000)?,
            expansion_search: number("expansion_search", search.expansion_search, 1, 100_000)?,
            whole_weight,
        },
    })
}

/// The configuration with inputs, outputs and the parameter `embedding_space`; `None` if it has
/// them already.
pub(crate) fn complete(
    config: &Value,
    manifest: &Manifest,
    schema: &Schema,
    facets: Option<&Facets>,
) -> Option<Value> {
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
        let input = |name: &str, datatype: &str, dims: usize| json!({"name": name, "data_type": datatype, "dims": [dims], "optional": true});
        let query = json!({"name": QUERY, "data_type": "TYPE_FP32", "dims": [manifest.dimensions]});
        let mut inputs = vec![query, input(K, "TYPE_INT32", 1), input(FILTER, "TYPE_STRING", 1)];
        if let Some(facets) = facets {
            inputs.push(input(WEIGHTS, "TYPE_FP32", facets.iter().len()));
            let own = facets.iter().filter_map(Facet::input);
            inputs.extend(own.map(|(name, size)| input(&name, "TYPE_FP32", size)));
        }
        completed["input"] = json!(inputs);
    }
    if no_outputs {
        let output = |name: &str, datatype: DataType| json!({"name": name, "data_type": datatype.config_name(), "dims": [-1]});
        let mut outputs = vec![output("key", DataType::Int64), output("score", DataType::Fp32)];
        for facet in facets.into_iter().flat_map(Facets::iter) {
            outputs.push(output(&format!("{PART}{}", facet.name()), DataType::Fp32));
        }
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
    facets: Option<&Facets>,
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
    check_inputs(config, manifest, facets).map_err(refuse)?;
    let outputs = list(config, "output");
    if outputs.is_empty() {
        return Err(refuse(format!(
            "the configuration names no outputs, expected some of {}",
            names(schema, facets)
        )));
    }
    outputs.iter().map(|output| bind(output, schema, facets).map_err(refuse)).collect()
}

fn check_inputs(
    config: &Value,
    manifest: &Manifest,
    facets: Option<&Facets>,
) -> Result<(), String> {
    let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
    let inputs = list(config, "input");
    for input in inputs {
        let (name, datatype, dims) =
            (text(input, "name"), text(input, "data_type"), sizes(input, "dims"));
        let own = || {
            let own = facets.into_iter().flat_map(Facets::iter).filter_map(Facet::input);
            own.collect::<Vec<_>>()
        };
        let (datatypes, expected): (&[&str], i64) = match name {
            QUERY => (&["TYPE_FP32"], size(manifest.dimensions)),
            K => (&["TYPE_INT32", "TYPE_INT64"], 1),
            FILTER => (&["TYPE_STRING"], 1),
            LIKED | DISLIKED => (&["TYPE_STRING"], -1),
            DIVERSITY => (&["TYPE_FP32"], 1),
            WEIGHTS if facets.is_some() => {
                (&["TYPE_FP32"], size(facets.map_or(0, |facets| facets.iter().len())))
            }
            other => match own().into_iter().find(|(name, _)| name == other) {
                Some((_, elements)) => (&["TYPE_FP32"], size(elements)),
                None => return Err(unknown_input(other, facets.is_some(), &own())),
            },
        };
        if !datatypes.contains(&datatype) {
            return Err(format!(
                "input '{name}' has data_type {datatype}, expected {}",
                datatypes.join(" or ")
            ));
        }
        if dims != [expected] {
            let why = match name {
                QUERY => ": the index has vectors of that size",
                LIKED | DISLIKED => ": as many ids as the client gives",
                WEIGHTS => ": one for each facet",
                _ => "",
            };
            return Err(format!("input '{name}' has dims {dims:?}, expected [{expected}]{why}"));
        }
        // One of the two that say what is looked for may be required.
        let required = name == QUERY || (name == LIKED && !has(inputs, QUERY));
        if !required && input["optional"] != true {
            return Err(format!("input '{name}' may be left out: write optional: true"));
        }
    }
    if has(inputs, QUERY) || has(inputs, LIKED) {
        Ok(())
    } else {
        Err("there is neither an input QUERY, the vector whose neighbours are looked for, nor LIKED, the items whose are"
            .to_owned())
    }
}

fn has(inputs: &[Value], name: &str) -> bool {
    inputs.iter().any(|input| text(input, "name") == name)
}

fn unknown_input(name: &str, facets: bool, own: &[(String, usize)]) -> String {
    let mut others = vec![K, FILTER, LIKED, DISLIKED, DIVERSITY];
    if facets {
        others.push(WEIGHTS);
    }
    others.extend(own.iter().map(|(name, _)| name.as_str()));
    let (last, others) = others.split_last().expect("there are five at least");
    format!(
        "input '{name}' is unknown: the usearch backend expects QUERY, and takes {} and {last}",
        others.join(", ")
    )
}

/// Whether the configuration has inputs that name items.
pub(crate) fn takes_ids(config: &Value) -> bool {
    let inputs = list(config, "input");
    has(inputs, LIKED) || has(inputs, DISLIKED)
}

fn bind(output: &Value, schema: &Schema, facets: Option<&Facets>) -> Result<Output, String> {
    let name = text(output, "name");
    let part = || facets?.position(name.strip_prefix(PART)?);
    let (source, datatype) = match name {
        "key" => (Source::Key, DataType::Int64),
        "score" => (Source::Score, DataType::Fp32),
        _ if let Some(facet) = part() => (Source::Part(facet), DataType::Fp32),
        _ => {
            let (index, field) = schema.column_with_name(name).ok_or_else(|| {
                format!(
                    "output '{name}' is no column of items.parquet, expected some of {}",
                    names(schema, facets)
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

fn names(schema: &Schema, facets: Option<&Facets>) -> String {
    let parts = facets.into_iter().flat_map(Facets::iter);
    let parts: String = parts.map(|facet| format!("{PART}{} (Float32), ", facet.name())).collect();
    format!("key (Int64), score (Float32), {parts}{}", describe(schema))
}

#[cfg(test)]
mod tests;
