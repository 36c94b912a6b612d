//! `model_warmup`: each sample must be a request that the model takes.

pub(super) mod expected;
pub(super) mod unused;

use super::{Context, hint};
use crate::{
    Rule, Severity,
    finding::Findings,
    view::{FileState, ModelView, Tensor, brackets, datatype, inputs, state_of},
};
use hippocamp_proto::inference::{
    ModelWarmup,
    model_warmup::{Input, input::InputDataType},
};
use hippocamp_types::DataType;
use std::path::{Component, Path};

const SAMPLE: Rule = Rule {
    id: "warmup-sample",
    severity: Severity::Error,
    summary: "a warm-up sample without a name of its own, or with a batch size that the model does not take",
    help: "Each sample has a name of its own and a batch_size from 1 to max_batch_size (1 for a model without batches).",
};

const INPUT: Rule = Rule {
    id: "warmup-input",
    severity: Severity::Error,
    summary: "a warm-up sample lacks an input, or has one that the model does not take",
    help: "A sample gives every input that is not optional, with its datatype and fixed dims without the batch dimension.",
};

const FILE: Rule = Rule {
    id: "warmup-file",
    severity: Severity::Error,
    summary: "a warm-up file is missing or has the wrong size",
    help: "input_data_file is below <model>/warmup/ and holds the elements of one row, little-endian; BYTES elements each behind their length in 4 bytes.",
};

pub(super) const RULES: [&Rule; 5] = [&SAMPLE, &INPUT, &FILE, &expected::EXPECTED, &unused::UNUSED];

pub(super) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(written), Some(config)) = (&view.written, &view.completed) else { return };
    let known = inputs(config);
    for (i, sample) in written.model_warmup.iter().enumerate() {
        let path = format!("model_warmup[{i}]");
        let twice = written.model_warmup[..i].iter().any(|other| other.name == sample.name);
        let named = match sample.name.as_str() {
            "" => Some("a sample must have a name".to_owned()),
            name if twice => Some(format!("there are two samples '{name}'")),
            _ => None,
        };
        if let Some(message) = named {
            let path = format!("{path}.name");
            view.report_as(Severity::Warning, findings, &SAMPLE, &path, message);
        }
        batch_size(view, sample, &path, config.max_batch_size, findings);
        // It is left out, whatever stands in it.
        if sample.batch_size == 0 {
            continue;
        }
        // What a foreign backend completes is not known here.
        if !known.is_empty() {
            given(view, sample, &path, &known, findings);
        }
        if !context.options.strictness.config_only {
            for (name, input) in &sample.inputs {
                file(view, input, &format!("{path}.inputs[\"{name}\"]"), findings);
            }
        }
    }
}

fn batch_size(
    view: &ModelView,
    sample: &ModelWarmup,
    path: &str,
    max_batch_size: i32,
    findings: &mut Findings,
) {
    let most = u32::try_from(max_batch_size).unwrap_or(0).max(1);
    let path = format!("{path}.batch_size");
    if sample.batch_size == 0 {
        let message = format!(
            "sample '{}' has batch_size 0 and is left out: write batch_size: 1, or up to {most}",
            sample.name
        );
        view.report_as(Severity::Warning, findings, &SAMPLE, &path, message);
    } else if sample.batch_size > most {
        let message = format!(
            "sample '{}' has batch_size {}, the model takes at most {most}",
            sample.name, sample.batch_size
        );
        view.report(findings, &SAMPLE, &path, message);
    }
}

/// The sample's inputs against the model's.
fn given(
    view: &ModelView,
    sample: &ModelWarmup,
    path: &str,
    known: &[Tensor],
    findings: &mut Findings,
) {
    for (name, input) in &sample.inputs {
        let path = format!("{path}.inputs[\"{name}\"]");
        let Some(tensor) = known.iter().find(|tensor| tensor.name == *name) else {
            let names = known.iter().map(|tensor| tensor.name.as_str());
            let message = format!("the model has no input '{name}': {}", hint(name, names));
            view.report(findings, &INPUT, &path, message);
            continue;
        };
        let stated = datatype(input.data_type);
        if stated.is_none() || stated != tensor.datatype {
            let message = format!(
                "input '{name}' is {}, the sample says {}",
                tensor.datatype_name(),
                stated.map_or_else(|| "no data_type".to_owned(), DataType::config_name)
            );
            view.report(findings, &INPUT, &format!("{path}.value.data_type"), message);
        }
        let takes = |(&model, &size): (&i64, &i64)| model == -1 || model == size;
        let agrees =
            tensor.dims.len() == input.dims.len() && tensor.dims.iter().zip(&input.dims).all(takes);
        if input.dims.iter().any(|&dim| dim < 1) || !agrees {
            let message = format!(
                "input '{name}' has dims {}, the sample says {}: expected fixed sizes that agree, without the batch dimension",
                brackets(&tensor.dims),
                brackets(&input.dims)
            );
            view.report(findings, &INPUT, &format!("{path}.value.dims"), message);
        }
        if input.input_data_type.is_none() {
            let message =
                format!("input '{name}' needs one of zero_data, random_data and input_data_file");
            view.report(findings, &INPUT, &path, message);
        }
    }
    let missing = known.iter().filter(|tensor| !tensor.optional);
    for tensor in missing.filter(|tensor| !sample.inputs.contains_key(&tensor.name)) {
        let message = format!("sample '{}' lacks the input '{}'", sample.name, tensor.name);
        view.report(findings, &INPUT, &format!("{path}.inputs"), message);
    }
}

fn file(view: &ModelView, input: &Input, path: &str, findings: &mut Findings) {
    let Some(InputDataType::InputDataFile(name)) = &input.input_data_type else { return };
    let path = format!("{path}.value.input_data_file");
    let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || !Path::new(name).components().all(inside) {
        let message =
            format!("'{name}' must be a path below '{}'", view.directory.join("warmup").display());
        return view.report(findings, &FILE, &path, message);
    }
    let file = view.directory.join("warmup").join(name);
    let shown = file.display();
    match state_of(&file) {
        FileState::File | FileState::Empty => {}
        FileState::LfsPointer => {
            let message = format!("'{shown}' is a pointer that Git LFS left: run git lfs pull");
            return view.report(findings, &FILE, &path, message);
        }
        FileState::Absent => {
            return view.report(findings, &FILE, &path, format!("there is no '{shown}'"));
        }
        _ => {
            return view.report(
                findings,
                &FILE,
                &path,
                format!("'{shown}' is no file that can be read"),
            );
        }
    }
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let elements = input
        .dims
        .iter()
        .try_fold(1_u64, |count, &dim| count.checked_mul(u64::try_from(dim).ok()?));
    let (Some(elements), Some(datatype)) = (elements, datatype(input.data_type)) else { return };
    let wanted = datatype.byte_size().and_then(|bytes| elements.checked_mul(bytes as u64));
    if let Some(wanted) = wanted.filter(|&wanted| size > wanted) {
        let message =
            format!("'{shown}' has {size} bytes, of which only the first {wanted} are read");
        return view.report_as(Severity::Warning, findings, &FILE, &path, message);
    }
    let message = match datatype.byte_size() {
        Some(bytes) if wanted != Some(size) => format!(
            "'{shown}' has {size} bytes, {elements} elements of {} are {}",
            datatype.config_name(),
            elements.saturating_mul(bytes as u64)
        ),
        None if bytes_elements(&std::fs::read(&file).unwrap_or_default()) != Some(elements) => {
            format!(
                "'{shown}' does not hold {elements} BYTES elements, each behind its length in 4 bytes, little-endian"
            )
        }
        _ => return,
    };
    view.report(findings, &FILE, &path, message);
}

/// How many BYTES elements there are; `None` if it does not come out even.
fn bytes_elements(mut data: &[u8]) -> Option<u64> {
    let mut count = 0;
    while !data.is_empty() {
        let (length, rest) = data.split_first_chunk::<4>()?;
        data = rest.get(usize::try_from(u32::from_le_bytes(*length)).ok()?..)?;
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_counted() {
        assert_eq!(bytes_elements(b""), Some(0));
        assert_eq!(bytes_elements(b"\x01\0\0\0a\0\0\0\0"), Some(2));
        assert_eq!(bytes_elements(b"\x02\0\0\0a"), None);
        assert_eq!(bytes_elements(b"abc"), None);
    }
}
