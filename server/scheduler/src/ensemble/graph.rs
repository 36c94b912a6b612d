//! An ensemble's configuration as a graph of numbered tensors and steps; made once per version.

use super::adapt::{Adapt, reshape};
use hippocamp_config::{Ensemble, ModelConfig};
use hippocamp_types::{Error, Shape};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Steps connected by tensors. Every tensor is an input of the ensemble or written by one step.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) name: Arc<str>,
    /// 0: no limit.
    pub(super) max_inflight_requests: u32,
    /// Input name -> tensor.
    pub(super) inputs: HashMap<String, usize>,
    /// In the order of the configuration.
    pub(super) outputs: Vec<Output>,
    /// In the order of the configuration.
    pub(super) steps: Vec<Step>,
    /// By tensor.
    pub(super) tensors: Vec<TensorNode>,
    /// What runs when every output is wanted.
    everything: Arc<Selection>,
}

/// One output of the ensemble.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) name: String,
    pub(super) tensor: usize,
    adapt: Adapt,
    /// Written in the first shape, shown in the second.
    reshape: Option<(Shape, Shape)>,
    has_batch: bool,
}

/// One step of the ensemble.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) model: Arc<str>,
    pub(super) version: Option<u64>,
    pub(super) inputs: Vec<StepInput>,
    /// Output of the member -> tensor.
    pub(super) outputs: Vec<(String, usize)>,
}

/// What one input of a member is fed with.
#[derive(Debug)]
pub(super) struct StepInput {
    pub(super) name: String,
    pub(super) tensor: usize,
    pub(super) adapt: Adapt,
    pub(super) optional: bool,
}

/// Who writes a tensor and who reads it.
#[derive(Debug, Default)]
pub(super) struct TensorNode {
    /// The step that writes it; `None` for an input of the ensemble.
    pub(super) writer: Option<usize>,
    /// The steps that read it, once for each of their inputs.
    pub(super) readers: Vec<usize>,
}

/// The part of the graph that some of the outputs need.
#[derive(Debug)]
pub(super) struct Selection {
    /// Indices of the wanted outputs, in the order they are answered.
    pub(super) outputs: Vec<usize>,
    /// By step: whether it runs.
    pub(super) steps: Vec<bool>,
    /// By tensor: how many step inputs and outputs it goes to. 0: nobody needs it.
    pub(super) uses: Vec<usize>,
}

impl Graph {
    /// # Errors
    /// If a member is not there, or if a step waits for its own outputs.
    pub(super) fn new(
        config: &ModelConfig,
        ensemble: &Ensemble,
        members: impl Fn(&str, Option<u64>) -> Option<ModelConfig>,
    ) -> Result<Self, Error> {
        let fault = |text: String| Error::invalid(format!("in ensemble {}, {text}", config.name));
        let mut names = Names::default();
        let ensemble_batches = config.max_batch_size > 0;
        let inputs: HashMap<String, usize> = config
            .inputs
            .iter()
            .map(|input| (input.name.clone(), names.number(&input.name, ensemble_batches)))
            .collect();

        let mut configs = Vec::with_capacity(ensemble.steps.len());
        for step in &ensemble.steps {
            let member = members(&step.model, step.version)
                .ok_or_else(|| fault(format!("model {} is not available", step.model)))?;
            for tensor in step.output_map.values() {
                names.number(tensor, member.max_batch_size > 0);
            }
            configs.push(member);
        }

        let known = |tensor: &String| {
            let found = names.numbers.get(tensor.as_str()).copied();
            found.ok_or_else(|| fault(format!("ensemble tensor {tensor} is not written")))
        };
        let mut tensors: Vec<TensorNode> = Vec::new();
        tensors.resize_with(names.batched.len(), TensorNode::default);
        let mut steps = Vec::with_capacity(ensemble.steps.len());
        for (index, (step, member)) in ensemble.steps.iter().zip(&configs).enumerate() {
            let mut step_inputs = Vec::with_capacity(step.input_map.len());
            for (name, tensor) in &step.input_map {
                let tensor = known(tensor)?;
                let input = member.inputs.iter().find(|input| input.name == *name);
                let input = input
                    .ok_or_else(|| fault(format!("model {} has no input {name}", member.name)))?;
                tensors[tensor].readers.push(index);
                step_inputs.push(StepInput {
                    name: name.clone(),
                    tensor,
                    adapt: Adapt::between(
                        names.batched[tensor],
                        member.max_batch_size > 0,
                        &input.dims,
                    ),
                    optional: input.optional,
                });
            }
            let mut step_outputs = Vec::with_capacity(step.output_map.len());
            for (name, tensor) in &step.output_map {
                let tensor = known(tensor)?;
                tensors[tensor].writer = Some(index);
                step_outputs.push((name.clone(), tensor));
            }
            steps.push(Step {
                model: Arc::clone(&step.model),
                version: step.version,
                inputs: step_inputs,
                outputs: step_outputs,
            });
        }

        let mut outputs = Vec::with_capacity(config.outputs.len());
        for output in &config.outputs {
            let tensor = known(&output.name)?;
            let written = output.reshape.as_ref().unwrap_or(&output.dims);
            outputs.push(Output {
                name: output.name.clone(),
                tensor,
                adapt: Adapt::between(names.batched[tensor], ensemble_batches, written),
                reshape: output.reshape.clone().map(|from| (from, output.dims.clone())),
                has_batch: ensemble_batches,
            });
        }

        let wanted = (0..outputs.len()).collect();
        let everything = Arc::new(Selection::new(&steps, &tensors, &outputs, wanted));
        let graph = Self {
            name: Arc::clone(&config.name),
            max_inflight_requests: ensemble.max_inflight_requests,
            inputs,
            outputs,
            steps,
            tensors,
            everything,
        };
        match graph.first_in_a_cycle() {
            Some(step) => {
                Err(fault(format!("the step of model {} waits for its own outputs", step.model)))
            }
            None => Ok(graph),
        }
    }

    /// What has to run for the outputs that are asked for; all of them if none is named.
    pub(super) fn select(&self, outputs: &[String]) -> Arc<Selection> {
        if outputs.is_empty() {
            return Arc::clone(&self.everything);
        }
        let find = |name: &String| self.outputs.iter().position(|output| output.name == *name);
        let wanted = outputs.iter().filter_map(find).collect();
        Arc::new(Selection::new(&self.steps, &self.tensors, &self.outputs, wanted))
    }

    fn first_in_a_cycle(&self) -> Option<&Step> {
        let mut waiting: Vec<usize> = self.steps.iter().map(|step| step.inputs.len()).collect();
        let mut written: Vec<usize> = self.inputs.values().copied().collect();
        while let Some(tensor) = written.pop() {
            for &step in &self.tensors[tensor].readers {
                waiting[step] -= 1;
                if waiting[step] == 0 {
                    written.extend(self.steps[step].outputs.iter().map(|(_, tensor)| tensor));
                }
            }
        }
        self.steps.iter().zip(waiting).find(|(_, waiting)| *waiting > 0).map(|(step, _)| step)
    }
}

impl Output {
    /// The shape that the client sees.
    pub(super) fn shape(&self, shape: Shape) -> Shape {
        let shape = self.adapt.apply(shape);
        match &self.reshape {
            Some((from, to)) => reshape(&shape, from, to, self.has_batch),
            None => shape,
        }
    }
}

impl Selection {
    fn new(steps: &[Step], tensors: &[TensorNode], outputs: &[Output], wanted: Vec<usize>) -> Self {
        let mut selected = vec![false; steps.len()];
        let mut uses = vec![0; tensors.len()];
        let mut needed: Vec<usize> = wanted.iter().map(|&output| outputs[output].tensor).collect();
        while let Some(tensor) = needed.pop() {
            uses[tensor] += 1;
            if let Some(step) = tensors[tensor].writer
                && !std::mem::replace(&mut selected[step], true)
            {
                needed.extend(steps[step].inputs.iter().map(|input| input.tensor));
            }
        }
        Self { outputs: wanted, steps: selected, uses }
    }
}

/// Numbers for names.
#[derive(Default)]
struct Names<'a> {
    numbers: BTreeMap<&'a str, usize>,
    /// By number: whether the writer has a batch dimension.
    batched: Vec<bool>,
}

impl<'a> Names<'a> {
    fn number(&mut self, name: &'a str, batched: bool) -> usize {
        *self.numbers.entry(name).or_insert_with(|| {
            self.batched.push(batched);
            self.batched.len() - 1
        })
    }
}
