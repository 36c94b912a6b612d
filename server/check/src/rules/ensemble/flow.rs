//! The flow of tensors: each is written once and read, and no step waits for itself.

use super::{CYCLE, TWICE, UNREAD, UNWRITTEN, entry};
use crate::{
    finding::Findings,
    rules::{Context, hint},
    view::ModelView,
};
use hippocamp_proto::inference::{self as proto, model_ensembling::Step};
use std::collections::{BTreeMap, BTreeSet};

/// Who writes and who reads each tensor: step and the model's tensor.
struct Flow<'e> {
    steps: &'e [Step],
    inputs: BTreeSet<&'e str>,
    outputs: BTreeSet<&'e str>,
    writers: BTreeMap<&'e str, Vec<(usize, &'e str)>>,
    readers: BTreeMap<&'e str, Vec<(usize, &'e str)>>,
}

pub(crate) fn check(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    let (Some(config), true) = (&view.written, view.is_ensemble()) else { return };
    let flow = Flow::new(config, view.steps());
    flow.written(view, findings);
    flow.ends(view, config, findings);
    if let Some(cycle) = flow.cycle() {
        let names: Vec<_> =
            cycle.iter().map(|&step| flow.steps[step].model_name.as_str()).collect();
        let message = format!(
            "the steps {} wait for each other's outputs, so that none can begin",
            names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
        );
        let path = format!("ensemble_scheduling.step[{}]", cycle[0]);
        view.report(findings, &CYCLE, &path, message);
    }
    nesting(context, view, findings);
}

impl<'e> Flow<'e> {
    fn new(config: &'e proto::ModelConfig, steps: &'e [Step]) -> Self {
        let mut flow = Self {
            steps,
            inputs: config.input.iter().map(|input| input.name.as_str()).collect(),
            outputs: config.output.iter().map(|output| output.name.as_str()).collect(),
            writers: BTreeMap::new(),
            readers: BTreeMap::new(),
        };
        for (i, step) in steps.iter().enumerate() {
            for (key, tensor) in &step.output_map {
                flow.writers.entry(tensor).or_default().push((i, key));
            }
            for (key, tensor) in &step.input_map {
                flow.readers.entry(tensor).or_default().push((i, key));
            }
        }
        flow
    }

    /// What is written twice, and what nobody reads.
    fn written(&self, view: &ModelView, findings: &mut Findings) {
        for (tensor, writers) in &self.writers {
            let others = if self.inputs.contains(tensor) { writers } else { &writers[1..] };
            for (step, key) in others {
                let first = match self.inputs.contains(tensor) {
                    true => "an input of the ensemble".to_owned(),
                    false => format!("written by step {} already", writers[0].0),
                };
                let message = format!("tensor '{tensor}' is {first}: give this one another name");
                view.report(findings, &TWICE, &entry(*step, "output_map", key), message);
            }
            if self.readers.contains_key(tensor) || self.outputs.contains(tensor) {
                continue;
            }
            let (step, key) = writers[0];
            let unwritten =
                self.readers.keys().chain(&self.outputs).filter(|name| !self.is_written(name));
            let message = match hippocamp_config::nearest(tensor, unwritten.copied()) {
                Some(near) => {
                    format!(
                        "nobody reads tensor '{tensor}', and nobody writes '{near}': give them one name"
                    )
                }
                None => format!(
                    "nobody reads tensor '{tensor}': leave '{key}' out of the output_map, or make it an output of the ensemble"
                ),
            };
            view.report(findings, &UNREAD, &entry(step, "output_map", key), message);
        }
    }

    /// Inputs that nobody reads, and what is read or promised without being written.
    fn ends(&self, view: &ModelView, config: &proto::ModelConfig, findings: &mut Findings) {
        let known: Vec<&str> = self.inputs.iter().chain(self.writers.keys()).copied().collect();
        for (i, input) in config.input.iter().enumerate() {
            if !self.readers.contains_key(input.name.as_str()) {
                let message = format!(
                    "no step reads the ensemble's input '{}': map it to a step, or leave it out",
                    input.name
                );
                view.report(findings, &UNREAD, &format!("input[{i}].name"), message);
            }
        }
        for (i, output) in config.output.iter().enumerate() {
            if !self.is_written(&output.name) {
                let message = format!(
                    "no step writes the ensemble's output '{}': {}",
                    output.name,
                    hint(&output.name, known.iter().copied())
                );
                view.report(findings, &UNWRITTEN, &format!("output[{i}].name"), message);
            }
        }
        for (tensor, readers) in &self.readers {
            if self.is_written(tensor) {
                continue;
            }
            for (step, key) in readers {
                let message = format!(
                    "tensor '{tensor}' is neither an input of the ensemble nor written by a step: {}",
                    hint(tensor, known.iter().copied())
                );
                view.report(findings, &UNWRITTEN, &entry(*step, "input_map", key), message);
            }
        }
    }

    fn is_written(&self, tensor: &str) -> bool {
        self.inputs.contains(tensor) || self.writers.contains_key(tensor)
    }

    /// Steps that wait for each other, in a round; tensors that nobody writes keep none waiting.
    fn cycle(&self) -> Option<Vec<usize>> {
        let mut done: BTreeSet<usize> = BTreeSet::new();
        let waits_for = |step: usize, done: &BTreeSet<usize>| {
            let read = self.steps[step].input_map.values();
            let tensors = read.filter(|tensor| !self.inputs.contains(tensor.as_str()));
            let writers = tensors.filter_map(|tensor| self.writers.get(tensor.as_str()));
            writers.flatten().map(|(writer, _)| *writer).find(|writer| !done.contains(writer))
        };
        loop {
            let free = |step: &usize| !done.contains(step) && waits_for(*step, &done).is_none();
            match (0..self.steps.len()).find(free) {
                Some(step) => drop(done.insert(step)),
                None => break,
            }
        }
        let mut at = (0..self.steps.len()).find(|step| !done.contains(step))?;
        let mut way = Vec::new();
        while !way.contains(&at) {
            way.push(at);
            at = waits_for(at, &done)?;
        }
        let mut round = way.split_off(way.iter().position(|step| *step == at)?);
        round.sort_unstable();
        Some(round)
    }
}

/// An ensemble that comes to itself through its steps.
fn nesting(context: &Context<'_>, view: &ModelView, findings: &mut Findings) {
    for (i, step) in view.steps().iter().enumerate() {
        let mut seen = BTreeSet::new();
        let mut next = vec![step.model_name.as_str()];
        while let Some(name) = next.pop() {
            if !seen.insert(name) {
                continue;
            }
            let member = context.member(view, name);
            next.extend(
                member
                    .iter()
                    .flat_map(|member| member.steps())
                    .map(|step| step.model_name.as_str()),
            );
        }
        if seen.contains(view.name.as_str()) {
            let message =
                format!("the ensemble contains itself, through step {i}, '{}'", step.model_name);
            let path = format!("ensemble_scheduling.step[{i}].model_name");
            view.report(findings, &CYCLE, &path, message);
        }
    }
}
