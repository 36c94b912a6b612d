//! `<model>/warmup/<sample>.expected.json`: the outputs that a sample must give, in the JSON of an
//! infer response, with an optional `tolerance`.

use super::hint;
use crate::{
    Rule, Severity,
    finding::{Findings, Place},
    rules::Context,
    view::{ModelView, outputs, read_text},
};
use hippocamp_config::Position;
use hippocamp_proto::inference::{ModelWarmup, model_warmup::input::InputDataType};
use hippocamp_types::{DataType, quote_names_of_no_number};
use serde_json::Value;
use std::{fs, path::Path};

pub(super) const EXPECTED: Rule = Rule {
    id: "warmup-expected",
    severity: Severity::Error,
    summary: "expected outputs of a warm-up sample that do not parse, or name no sample or output",
    help: "<model>/warmup/<sample>.expected.json is {\"outputs\": [{\"name\", \"datatype\", \"shape\", \"data\"}], \"tolerance\": 1e-3}; tolerance may be left out.",
};

pub(super) const END: &str = ".expected.json";

/// What stands at the top of an infer response, and the tolerance.
const FIELDS: [&str; 6] =
    ["model_name", "model_version", "id", "parameters", "outputs", "tolerance"];

pub(crate) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(written), false) = (&view.written, context.options.strictness.config_only) else {
        return;
    };
    let directory = view.directory.join("warmup");
    let mut files: Vec<_> = fs::read_dir(&directory).into_iter().flatten().flatten().collect();
    files.sort_by_key(fs::DirEntry::file_name);
    for entry in files {
        let name = entry.file_name();
        let Some(sample) = name.to_str().and_then(|name| name.strip_suffix(END)) else { continue };
        let file = entry.path();
        let samples = written.model_warmup.iter().map(|sample| sample.name.as_str());
        if !samples.clone().any(|known| known == sample) {
            let message =
                format!("there is no warm-up sample '{sample}': {}", hint(sample, samples));
            view.report_file(findings, &EXPECTED, &file, message);
        }
        let random = |sample: &ModelWarmup| {
            let mut inputs = sample.inputs.values();
            inputs.any(|input| matches!(input.input_data_type, Some(InputDataType::RandomData(_))))
        };
        if written.model_warmup.iter().any(|known| known.name == sample && random(known)) {
            let message = format!(
                "sample '{sample}' has random_data, whose numbers no contract fixes (here they are the same at each load, in Triton others): an expected answer needs zero_data or input_data_file"
            );
            view.report_file(findings, &EXPECTED, &file, message);
        }
        // A sample of no requests is not sent.
        if !written.model_warmup.iter().any(|known| known.name == sample && known.batch_size == 0) {
            look(view, &file, findings);
        }
    }
}

fn look(view: &ModelView, file: &Path, findings: &mut Findings) {
    let mut report = |message: String| view.report_file(findings, &EXPECTED, file, message);
    let text = match read_text(file) {
        Ok(text) => text,
        Err(error) => return report(format!("the file cannot be read: {error}")),
    };
    let quoted = quote_names_of_no_number(&text);
    let value: Value = match serde_json::from_str(&quoted) {
        Ok(value) => value,
        Err(error) => {
            // Quotes move what stands behind them.
            let column = if quoted == text { error.column().max(1) } else { 1 };
            let position = Some(Position { line: error.line(), column });
            let place = Place { file: file.to_owned(), position };
            let message = format!("this is no JSON: {error}");
            return findings.add(&EXPECTED, Some(&view.name), place, message);
        }
    };
    if let Some(error) = value.get("error") {
        return report(format!(
            "this is an error answer, not outputs: {error}; record it again, with curl -f, which writes none"
        ));
    }
    for key in value.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !FIELDS.contains(&key.as_str()) {
            let message = format!("field '{key}' has no effect: {}", hint(key, FIELDS));
            let place = file.to_owned().into();
            findings.add_as(Severity::Warning, &EXPECTED, Some(&view.name), place, message);
        }
    }
    let mut report = |message: String| view.report_file(findings, &EXPECTED, file, message);
    if let Some(tolerance) = value.get("tolerance").filter(|tolerance| !tolerance.is_null())
        && !tolerance.as_f64().is_some_and(|number| number >= 0.0)
    {
        report(format!("tolerance must be a number from 0, got {tolerance}"));
    }
    let Some(listed) = value["outputs"].as_array().filter(|listed| !listed.is_empty()) else {
        return report(
            "expected {\"outputs\": [{\"name\", \"datatype\", \"shape\", \"data\"}]}".to_owned(),
        );
    };
    let known = view.completed.as_ref().map(outputs).unwrap_or_default();
    for output in listed {
        let name = output["name"].as_str().unwrap_or_default();
        let datatype = output["datatype"].as_str().and_then(DataType::from_name);
        match known.iter().find(|tensor| tensor.name == name) {
            // What a foreign backend completes is not known here.
            None if known.is_empty() => {}
            None => {
                let names = known.iter().map(|tensor| tensor.name.as_str());
                report(format!("the model has no output '{name}': {}", hint(name, names)));
            }
            Some(tensor) if datatype.is_none() || datatype != tensor.datatype => report(format!(
                "output '{name}' is {}, the file says datatype {}",
                tensor.datatype.map_or("without data_type", DataType::name),
                output["datatype"]
            )),
            Some(_) if matches!(datatype, Some(DataType::Fp16 | DataType::Bf16)) => {
                let datatype = &output["datatype"].as_str().unwrap_or_default();
                report(format!("output '{name}': {datatype} is not written in JSON"));
            }
            Some(_) => {}
        }
        let dims = output["shape"].as_array().map(|dims| dims.iter().map(Value::as_u64));
        let elements =
            dims.and_then(|mut dims| dims.try_fold(1_u64, |count, dim| count.checked_mul(dim?)));
        let count = output["data"].as_array().map(|data| data.iter().map(leaves).sum::<u64>());
        match (elements, count) {
            (None, _) => report(format!("output '{name}' needs a shape, such as [1, 16]")),
            (_, None) => report(format!("output '{name}' needs data, a list of its elements")),
            (Some(elements), Some(count)) if elements != count => report(format!(
                "output '{name}' has {count} elements in data, its shape {} says {elements}",
                output["shape"]
            )),
            _ => {}
        }
    }
}

/// Elements of nested lists.
fn leaves(value: &Value) -> u64 {
    value.as_array().map_or(1, |list| list.iter().map(leaves).sum())
}
