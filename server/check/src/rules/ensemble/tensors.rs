//! Datatypes and shapes from who writes a tensor to who reads it.

use super::{DATATYPE, SHAPE, entry};
use crate::{
    finding::Findings,
    rules::Context,
    view::{ModelView, Tensor, brackets, inputs, outputs},
};
use hippocamp_proto::inference as proto;
use hippocamp_types::DataType;
use std::collections::BTreeMap;

/// One end of a tensor.
struct End {
    /// `the ensemble`, or a model.
    whose: String,
    datatype: Option<DataType>,
    dims: Vec<i64>,
    batches: bool,
    /// Its place in the ensemble's configuration.
    path: String,
}

pub(super) fn check(
    context: &Context<'_>,
    view: &ModelView,
    ensemble: &proto::ModelConfig,
    findings: &mut Findings,
) {
    let of_ensemble = |tensor: Tensor| End {
        whose: "the ensemble".to_owned(),
        datatype: tensor.datatype,
        batches: ensemble.max_batch_size > 0,
        path: tensor.path.clone(),
        dims: tensor.shape,
    };
    let mut writers: BTreeMap<String, End> = BTreeMap::new();
    for input in inputs(ensemble) {
        writers.entry(input.name.clone()).or_insert_with(|| of_ensemble(input));
    }
    let mut readers: Vec<(String, End)> = Vec::new();
    for (i, step) in view.steps().iter().enumerate() {
        let member =
            context.member(view, &step.model_name).filter(|member| member.name != view.name);
        let config = member.and_then(|member| member.meant(step.model_version));
        let Some(config) = config else { continue };
        let of_member = |tensor: Tensor, path: String| End {
            whose: format!("model '{}'", step.model_name),
            datatype: tensor.datatype,
            batches: config.max_batch_size > 0,
            dims: tensor.dims,
            path,
        };
        for output in outputs(config) {
            if let Some(tensor) = step.output_map.get(&output.name) {
                let path = entry(i, "output_map", &output.name);
                writers.entry(tensor.clone()).or_insert_with(|| of_member(output, path));
            }
        }
        for input in inputs(config) {
            if let Some(tensor) = step.input_map.get(&input.name) {
                let path = entry(i, "input_map", &input.name);
                readers.push((tensor.clone(), of_member(input, path)));
            }
        }
    }
    readers.extend(
        outputs(ensemble).into_iter().map(|output| (output.name.clone(), of_ensemble(output))),
    );
    for (tensor, reader) in &readers {
        if let Some(writer) = writers.get(tensor) {
            agree(view, tensor, writer, reader, findings);
        }
    }
}

fn agree(view: &ModelView, tensor: &str, writer: &End, reader: &End, findings: &mut Findings) {
    if let (Some(written), Some(read)) = (writer.datatype, reader.datatype)
        && written != read
    {
        let message = format!(
            "tensor '{tensor}' is {} by {}, but {} by {}",
            written.config_name(),
            writer.whose,
            read.config_name(),
            reader.whose
        );
        let path = format!("{}.data_type", reader.path);
        view.report(findings, &DATATYPE, &path, message);
    }
    // A model without a batch dimension may spell it out in its dims.
    let fits = compatible(&writer.dims, &reader.dims) || compatible(&full(writer), &full(reader));
    if !fits && !writer.dims.is_empty() && !reader.dims.is_empty() {
        let message = format!(
            "tensor '{tensor}' has shape {} by {}, but {} by {}",
            brackets(&full(writer)),
            writer.whose,
            brackets(&full(reader)),
            reader.whose
        );
        view.report(findings, &SHAPE, &format!("{}.dims", reader.path), message);
    }
}

fn full(end: &End) -> Vec<i64> {
    end.batches.then_some(-1).into_iter().chain(end.dims.iter().copied()).collect()
}

/// Whether two lists of dimensions may be the same; -1 is any size.
fn compatible(one: &[i64], other: &[i64]) -> bool {
    let same = |(&one, &other): (&i64, &i64)| one == other || one == -1 || other == -1;
    one.len() == other.len() && one.iter().zip(other).all(same)
}
