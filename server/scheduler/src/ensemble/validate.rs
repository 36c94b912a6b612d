//! Whether an ensemble fits its members. The flow of tensors within its configuration was checked
//! when that was read; here come the members' inputs, outputs, datatypes, shapes and batch sizes,
//! in Triton's order and words (core: src/ensemble_scheduler/ensemble_utils.cc).

use super::adapt::compatible;
use hippocamp_config::{Ensemble, EnsembleStep, ModelConfig, Scheduling};
use hippocamp_types::{DataType, Error, Shape};
use std::collections::{BTreeMap, BTreeSet};

/// Ensembles within ensembles. Each level costs stack when a request is cancelled or dropped.
const MAX_NESTING: usize = 32;

/// Checks an ensemble against its members, which `members` looks up in a version or in the latest
/// one; they must be completed and validated.
///
/// Decoupled members are refused: an ensemble answers each request once.
///
/// # Errors
/// INVALID_ARG, in Triton's words where it has some; UNSUPPORTED for a decoupled member.
pub fn validate_ensemble(
    ensemble: &ModelConfig,
    members: impl Fn(&str, Option<u64>) -> Option<ModelConfig>,
) -> Result<(), Error> {
    let Scheduling::Ensemble(steps) = &ensemble.scheduling else {
        return Err(Error::invalid(format!("model '{}' is no ensemble", ensemble.name)));
    };
    let found: Vec<_> = steps.steps.iter().map(|step| members(&step.model, step.version)).collect();
    let missing: BTreeSet<&str> = steps
        .steps
        .iter()
        .zip(&found)
        .filter_map(|(step, member)| member.is_none().then_some(&*step.model))
        .collect();
    if !missing.is_empty() {
        return Err(Error::invalid(format!(
            "ensemble {} contains models that are not available or ambiguous: {}",
            ensemble.name,
            missing.into_iter().collect::<Vec<_>>().join(", ")
        )));
    }

    let mut check = Check { ensemble, tensors: BTreeMap::new() };
    check.add_ensemble();
    for (step, member) in steps.steps.iter().zip(found.iter().flatten()) {
        check.step(step, member)?;
    }
    check.written(steps)?;
    check_spaces(ensemble, steps, &found)?;
    nesting(ensemble, steps, members)
}

/// The check of one ensemble.
struct Check<'a> {
    ensemble: &'a ModelConfig,
    tensors: BTreeMap<&'a str, Tensor<'a>>,
}

/// What is known of an ensemble tensor, from the first model that mentions it.
#[derive(Clone, Copy)]
struct Tensor<'a> {
    model: &'a str,
    datatype: DataType,
    dims: &'a Shape,
    batches: bool,
}

impl<'a> Check<'a> {
    fn add_ensemble(&mut self) {
        let (model, batches) = (&*self.ensemble.name, self.ensemble.max_batch_size > 0);
        let inputs = self.ensemble.inputs.iter();
        let inputs =
            inputs.map(|io| (&io.name, io.datatype, io.reshape.as_ref().unwrap_or(&io.dims)));
        let outputs = self.ensemble.outputs.iter();
        let outputs =
            outputs.map(|io| (&io.name, io.datatype, io.reshape.as_ref().unwrap_or(&io.dims)));
        for (name, datatype, dims) in inputs.chain(outputs) {
            self.tensors.entry(name).or_insert(Tensor { model, datatype, dims, batches });
        }
    }

    fn step(&mut self, step: &'a EnsembleStep, member: &'a ModelConfig) -> Result<(), Error> {
        let name = &self.ensemble.name;
        let fault = |text: String| Err(Error::invalid(format!("in ensemble {name}, {text}")));
        if member.max_batch_size != 0 && member.max_batch_size < self.ensemble.max_batch_size {
            return Err(Error::invalid(format!(
                "ensemble {name} allows maximum batch size {}, but it contains model {} which only allows maximum \
                 batch size to be {}",
                self.ensemble.max_batch_size, step.model, member.max_batch_size
            )));
        }
        if member.decoupled {
            return Err(Error::unsupported(format!(
                "ensemble {name} contains decoupled model {}, which is not supported",
                step.model
            )));
        }
        for (input, tensor) in &step.input_map {
            if !member.inputs.iter().any(|known| known.name == *input) {
                return fault(format!(
                    "ensemble tensor {tensor} is mapping to non-existing input {input} in model {}",
                    step.model
                ));
            }
        }
        for input in &member.inputs {
            match step.input_map.get(&input.name) {
                Some(tensor) => self.agree(tensor, member, input.datatype, &input.dims)?,
                None if input.optional => {}
                None => {
                    return fault(format!(
                        "input {} in model {} is not mapped to any ensemble tensors",
                        input.name, step.model
                    ));
                }
            }
        }
        for (output, tensor) in &step.output_map {
            let Some(known) = member.outputs.iter().find(|known| known.name == *output) else {
                return fault(format!(
                    "ensemble tensor {tensor} is mapped from non-existing output {output} in model {}",
                    step.model
                ));
            };
            self.agree(tensor, member, known.datatype, &known.dims)?;
        }
        Ok(())
    }

    /// A member's tensor against what is known of it so far.
    fn agree(
        &mut self,
        tensor: &'a str,
        member: &'a ModelConfig,
        datatype: DataType,
        dims: &'a Shape,
    ) -> Result<(), Error> {
        let (model, batches) = (&*member.name, member.max_batch_size > 0);
        let here = Tensor { model, datatype, dims, batches };
        let ensemble = &self.ensemble.name;
        let known = self.tensors.entry(tensor).or_insert(here);
        let differ = |what: &str, one: &dyn std::fmt::Display, other: &dyn std::fmt::Display| {
            Err(Error::invalid(format!(
                "in ensemble {ensemble}, ensemble tensor {tensor}: inconsistent {what}: {one} is inferred from model \
                 {} while {other} is inferred from model {model}",
                known.model
            )))
        };
        if known.datatype != here.datatype {
            let names = [known.datatype, here.datatype].map(DataType::config_name);
            return differ("data type", &names[0], &names[1]);
        }
        let (one, other) = (known.full_dims(), here.full_dims());
        // A model without a batch dimension may spell it out in its dims.
        if !compatible(known.dims.dims(), here.dims.dims()) && !compatible(one.dims(), other.dims())
        {
            return differ("shape", &one, &other);
        }
        Ok(())
    }

    /// Every output, and every tensor that a step reads, has exactly one origin.
    fn written(&self, steps: &'a Ensemble) -> Result<(), Error> {
        let name = &self.ensemble.name;
        let mut written: BTreeSet<&str> =
            self.ensemble.inputs.iter().map(|input| input.name.as_str()).collect();
        for (index, step) in steps.steps.iter().enumerate() {
            for tensor in step.output_map.values() {
                if !written.insert(tensor) {
                    return Err(Error::invalid(format!(
                        "ensemble tensor '{tensor}' can appear in an output map only once for ensemble '{name}' step \
                         {index}"
                    )));
                }
            }
        }
        let missing = |tensor: &&str| !written.contains(tensor);
        let mut outputs = self.ensemble.outputs.iter().map(|output| output.name.as_str());
        if let Some(output) = outputs.find(missing) {
            return Err(Error::invalid(format!(
                "output '{output}' for ensemble '{name}' is not written"
            )));
        }
        let mut read =
            steps.steps.iter().flat_map(|step| step.input_map.values()).map(String::as_str);
        if let Some(tensor) = read.find(missing) {
            return Err(Error::invalid(format!(
                "ensemble tensor '{tensor}' is unused in ensemble '{name}'"
            )));
        }
        Ok(())
    }
}

impl Tensor<'_> {
    fn full_dims(&self) -> Shape {
        self.batches.then_some(-1).into_iter().chain(self.dims.dims().iter().copied()).collect()
    }
}

/// Vectors are compared with those of the same encoder: where an FP32 output of one step goes straight
/// into another step, and the configurations of both models name an encoder (parameter
/// `embedding_space`), it must be the same one. An ensemble as a step names none.
fn check_spaces(
    ensemble: &ModelConfig,
    steps: &Ensemble,
    members: &[Option<ModelConfig>],
) -> Result<(), Error> {
    let space = |index: usize| -> Option<&str> {
        let parameters = &members[index].as_ref()?.raw.parameters;
        parameters.get("embedding_space").map(|parameter| parameter.string_value.as_str())
    };
    let vector = |index: usize, output: &str| {
        let outputs = members[index].iter().flat_map(|member| &member.outputs);
        outputs.into_iter().any(|known| known.name == output && known.datatype == DataType::Fp32)
    };
    for (reader, step) in steps.steps.iter().enumerate() {
        for tensor in step.input_map.values() {
            let writes = |&writer: &usize| {
                let mut outputs = steps.steps[writer].output_map.iter();
                outputs.any(|(output, written)| written == tensor && vector(writer, output))
            };
            let Some(writer) = (0..steps.steps.len()).find(writes) else { continue };
            if let (Some(made), Some(taken)) = (space(writer), space(reader))
                && made != taken
            {
                return Err(Error::invalid(format!(
                    "in ensemble {}, ensemble tensor {tensor} holds vectors of encoder '{made}' (model {}), but model {} \
                     was made with encoder '{taken}': build it again with the encoder that is served, or serve that one",
                    ensemble.name, steps.steps[writer].model, step.model
                )));
            }
        }
    }
    Ok(())
}

/// Follows the ensembles among the members, level by level.
fn nesting(
    ensemble: &ModelConfig,
    steps: &Ensemble,
    members: impl Fn(&str, Option<u64>) -> Option<ModelConfig>,
) -> Result<(), Error> {
    let of = |steps: &Ensemble| -> BTreeSet<(String, Option<u64>)> {
        steps.steps.iter().map(|step| (step.model.to_string(), step.version)).collect()
    };
    let mut level = of(steps);
    for _ in 0..MAX_NESTING {
        let mut next = BTreeSet::new();
        for (name, version) in level {
            if let Some(Scheduling::Ensemble(steps)) =
                members(&name, version).map(|member| member.scheduling)
            {
                next.extend(of(&steps));
            }
        }
        if next.is_empty() {
            return Ok(());
        }
        level = next;
    }
    Err(Error::invalid(format!(
        "ensemble {} contains itself, or ensembles nested deeper than {MAX_NESTING}",
        ensemble.name
    )))
}

#[cfg(test)]
mod tests;
