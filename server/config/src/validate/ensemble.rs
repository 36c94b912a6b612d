//! `ensemble_scheduling`: its steps, and the flow of tensors through them. What needs the members'
//! own configurations (datatypes, shapes, whether they exist) is checked by `core` at load.

use crate::{ConfigError, Direction, Ensemble, EnsembleStep, StepFault, platform::ENSEMBLE};
use hippocamp_proto::inference::{self as proto, ModelEnsembling};
use std::collections::{BTreeMap, BTreeSet, HashSet};

pub(super) fn validate(
    config: &proto::ModelConfig,
    ensemble: &ModelEnsembling,
) -> Result<Ensemble, ConfigError> {
    let model = || config.name.clone();
    if config.platform != ENSEMBLE {
        return Err(ConfigError::NotAnEnsemble { model: model() });
    }
    for (set, setting, verb) in [
        (!config.instance_group.is_empty(), "instance group", "should"),
        (config.optimization.is_some(), "optimization", "should"),
        (!config.model_warmup.is_empty(), "model_warmup", "can"),
    ] {
        if set {
            return Err(ConfigError::EnsembleSetting { setting, verb, model: model() });
        }
    }
    if ensemble.step.is_empty() {
        return Err(ConfigError::NoSteps { model: model() });
    }
    let steps = ensemble
        .step
        .iter()
        .enumerate()
        .map(|(i, step)| ensemble_step(config, i, step))
        .collect::<Result<Vec<_>, _>>()?;
    Flow::new(config, &steps)?.check()?;
    Ok(Ensemble { steps, max_inflight_requests: ensemble.max_inflight_requests })
}

fn ensemble_step(
    config: &proto::ModelConfig,
    i: usize,
    step: &proto::model_ensembling::Step,
) -> Result<EnsembleStep, ConfigError> {
    let model = || config.name.clone();
    for (empty, field) in [
        (step.model_name.is_empty(), "model_name"),
        (step.input_map.is_empty(), "input_map"),
        (step.output_map.is_empty(), "output_map"),
    ] {
        if empty {
            return Err(ConfigError::StepField { field, step: i, model: model() });
        }
    }
    let version = match (step.model_version, u64::try_from(step.model_version)) {
        (-1, _) => None,
        (_, Ok(version)) if version > 0 => Some(version),
        (version, _) => {
            return Err(ConfigError::Step {
                fault: StepFault::Version { version },
                model: model(),
                step: i,
            });
        }
    };
    Ok(EnsembleStep {
        model: step.model_name.as_str().into(),
        version,
        input_map: step.input_map.clone(),
        output_map: step.output_map.clone(),
    })
}

/// Which step writes and which steps read each tensor.
struct Flow<'a> {
    config: &'a proto::ModelConfig,
    steps: &'a [EnsembleStep],
    writer: BTreeMap<&'a str, usize>,
    readers: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Flow<'a> {
    fn new(config: &'a proto::ModelConfig, steps: &'a [EnsembleStep]) -> Result<Self, ConfigError> {
        let inputs: HashSet<&str> = config.input.iter().map(|input| input.name.as_str()).collect();
        let mut writer = BTreeMap::new();
        let mut readers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, step) in steps.iter().enumerate() {
            let fail = |fault| ConfigError::Step { fault, model: config.name.clone(), step: i };
            for tensor in step.output_map.values() {
                if inputs.contains(tensor.as_str()) {
                    return Err(fail(StepFault::WritesInput { tensor: tensor.clone() }));
                }
                if writer.insert(tensor.as_str(), i).is_some() {
                    return Err(fail(StepFault::WrittenTwice { tensor: tensor.clone() }));
                }
            }
            // Two inputs of a member may be fed by one tensor: one edge.
            for tensor in step.input_map.values().collect::<BTreeSet<_>>() {
                readers.entry(tensor).or_default().push(i);
            }
        }
        Ok(Self { config, steps, writer, readers })
    }

    fn check(&self) -> Result<(), ConfigError> {
        let model = || self.config.name.clone();
        for input in &self.config.input {
            if !self.readers.contains_key(input.name.as_str()) {
                return Err(self.not_used(Direction::Input, &input.name));
            }
        }
        let ready = self.ready();
        let mut outputs = HashSet::new();
        for output in &self.config.output {
            let name = output.name.as_str();
            if !self.writer.contains_key(name) && !self.readers.contains_key(name) {
                return Err(self.not_used(Direction::Output, name));
            }
            if !ready.contains(name) {
                let missing = self.missing_for(name, &ready).map(str::to_owned);
                return Err(ConfigError::EnsembleOutputNotWritten {
                    output: name.to_owned(),
                    model: model(),
                    missing,
                });
            }
            outputs.insert(name);
        }
        let between = |tensor: &str| ready.contains(tensor) && self.readers.contains_key(tensor);
        let unused = |tensor: &&&str| !outputs.contains(**tensor) && !between(tensor);
        if let Some(tensor) = self.writer.keys().chain(self.readers.keys()).find(unused) {
            return Err(ConfigError::EnsembleTensorUnused {
                tensor: (*tensor).to_owned(),
                model: model(),
            });
        }
        Ok(())
    }

    /// The tensors that can be computed from the inputs; those of a cycle cannot.
    fn ready(&self) -> HashSet<&'a str> {
        let distinct = |step: &EnsembleStep| step.input_map.values().collect::<BTreeSet<_>>().len();
        let mut waiting: Vec<usize> = self.steps.iter().map(distinct).collect();
        let mut queue: Vec<&'a str> =
            self.config.input.iter().map(|input| input.name.as_str()).collect();
        let mut ready: HashSet<&'a str> = HashSet::new();
        while let Some(tensor) = queue.pop() {
            if !ready.insert(tensor) {
                continue;
            }
            for &step in self.readers.get(tensor).into_iter().flatten() {
                waiting[step] -= 1;
                if waiting[step] == 0 {
                    queue.extend(self.steps[step].output_map.values().map(String::as_str));
                }
            }
        }
        ready
    }

    /// Follows a tensor that cannot be computed up to one that nothing leads to.
    fn missing_for(&self, output: &'a str, ready: &HashSet<&'a str>) -> Option<&'a str> {
        let mut seen = HashSet::from([output]);
        let mut missing = None;
        let mut at = output;
        while let Some(&step) = self.writer.get(at) {
            let absent = |tensor: &&str| !ready.contains(tensor) && !seen.contains(tensor);
            let Some(next) = self.steps[step].input_map.values().map(String::as_str).find(absent)
            else {
                break;
            };
            seen.insert(next);
            missing = Some(next);
            at = next;
        }
        missing
    }

    fn not_used(&self, direction: Direction, tensor: &str) -> ConfigError {
        ConfigError::EnsembleTensorNotUsed {
            direction,
            tensor: tensor.to_owned(),
            model: self.config.name.clone(),
        }
    }
}
