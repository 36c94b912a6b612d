//! One request on its way through an ensemble's graph.

use super::{
    Permit,
    graph::{Selection, Step},
    trampoline,
};
use hippocamp_types::{
    CorrelationId, Error, Infer, InferRequest, InferResponse, Parameter, Parameters, Reply,
    RequestTrace, Responder, ResponseSink, Tensor, TensorActivity,
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// One request of an ensemble, until it is answered.
pub(super) struct Run {
    ensemble: Arc<super::EnsembleVersion>,
    selection: Arc<Selection>,
    steps: Arc<dyn Infer>,
    /// The ensemble's request, without its inputs.
    request: InferRequest,
    state: Mutex<State>,
    /// The answer is on its way: steps that still run are of no use.
    ended: AtomicBool,
}

/// Something happened to a run.
pub(super) enum Event {
    /// It begins.
    Start { inputs: Vec<Tensor> },
    /// A step replied.
    Replied { step: usize, reply: Reply },
}

/// An event and the run it happened to.
pub(super) struct Job {
    pub(super) run: Arc<Run>,
    pub(super) event: Event,
}

struct State {
    /// By tensor.
    tensors: Vec<Slot>,
    /// By step: inputs it still waits for.
    waiting: Vec<usize>,
    /// By step: whether it has sent a response.
    responded: Vec<bool>,
    /// Wanted outputs that are still to be written.
    outputs_left: usize,
    permit: Option<Permit>,
}

struct Slot {
    /// `None`: not written yet, left out by its writer, or used up.
    tensor: Option<Tensor>,
    /// Inputs and outputs it still goes to.
    uses: usize,
}

/// What follows from an event.
#[derive(Default)]
struct Consequences {
    /// Steps that have all their inputs.
    ready: Vec<(usize, Vec<Tensor>)>,
    /// The ensemble's outputs, once all are there.
    outputs: Option<Vec<Tensor>>,
}

/// Where a step's answers go.
struct StepSink {
    run: Arc<Run>,
    step: usize,
}

impl Run {
    pub(super) fn new(permit: Permit, steps: Arc<dyn Infer>, request: InferRequest) -> Self {
        let ensemble = Arc::clone(&permit.0);
        let graph = &ensemble.graph;
        let selection = graph.select(&request.outputs);
        let slot = |&uses: &usize| Slot { tensor: None, uses };
        let state = State {
            tensors: selection.uses.iter().map(slot).collect(),
            waiting: graph.steps.iter().map(|step| step.inputs.len()).collect(),
            responded: vec![false; graph.steps.len()],
            outputs_left: selection.outputs.len(),
            permit: Some(permit),
        };
        let (state, ended) = (Mutex::new(state), AtomicBool::new(false));
        Self { ensemble, selection, steps, request, state, ended }
    }

    /// Moves the run on; called by the trampoline alone.
    pub(super) fn handle(self: &Arc<Self>, event: Event) {
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let followed = match event {
            Event::Start { inputs } => self.start(inputs),
            Event::Replied { step, reply } => self.replied(step, reply),
        };
        match followed {
            Ok(Consequences { outputs: Some(outputs), .. }) => self.succeed(outputs),
            Ok(Consequences { ready, outputs: None }) => {
                for (step, inputs) in ready {
                    if self.request.responder.is_cancelled() {
                        return self.fail(Error::cancelled());
                    }
                    self.infer(step, inputs);
                }
            }
            Err(error) => self.fail(error),
        }
    }

    fn start(&self, inputs: Vec<Tensor>) -> Result<Consequences, Error> {
        let mut state = self.lock();
        let mut follow = Consequences::default();
        let numbers = &self.ensemble.graph.inputs;
        for tensor in inputs {
            if let Some(&number) = numbers.get(&tensor.name) {
                state.tensors[number].tensor = Some(tensor);
            }
        }
        // Optional inputs that were left out are told on as well: who reads them goes without.
        for &number in numbers.values() {
            self.written(&mut state, number, &mut follow)?;
        }
        self.finish(&mut state, follow)
    }

    fn replied(&self, index: usize, reply: Reply) -> Result<Consequences, Error> {
        let step = &self.ensemble.graph.steps[index];
        let mut state = self.lock();
        let mut follow = Consequences::default();
        if let Some(response) = reply.response {
            let response = response?;
            if std::mem::replace(&mut state.responded[index], true) {
                return Err(Error::unsupported(format!(
                    "model '{}' sent more than one response, and decoupled models are not supported in ensembles",
                    step.model
                )));
            }
            for tensor in response.outputs {
                // A member may send outputs that nobody asked for.
                let number = step.outputs.iter().find(|(name, _)| *name == tensor.name);
                if let Some(&(_, number)) = number
                    && state.tensors[number].uses > 0
                {
                    state.tensors[number].tensor = Some(tensor);
                }
            }
            for &(_, number) in &step.outputs {
                self.written(&mut state, number, &mut follow)?;
            }
        }
        if reply.last && !state.responded[index] {
            return Err(Error::internal(format!("model '{}' sent no response", step.model)));
        }
        self.finish(&mut state, follow)
    }

    /// A tensor's writer is done with it.
    fn written(
        &self,
        state: &mut State,
        number: usize,
        follow: &mut Consequences,
    ) -> Result<(), Error> {
        let graph = &self.ensemble.graph;
        for &reader in &graph.tensors[number].readers {
            if self.selection.steps[reader] {
                state.waiting[reader] -= 1;
                if state.waiting[reader] == 0 {
                    follow.ready.push((reader, self.step_inputs(state, &graph.steps[reader])?));
                }
            }
        }
        let outputs = self.selection.outputs.iter();
        let mine = outputs.filter(|&&output| graph.outputs[output].tensor == number).count();
        state.outputs_left -= mine;
        Ok(())
    }

    fn step_inputs(&self, state: &mut State, step: &Step) -> Result<Vec<Tensor>, Error> {
        let mut inputs = Vec::with_capacity(step.inputs.len());
        for input in &step.inputs {
            match state.tensors[input.tensor].take() {
                Some(tensor) => inputs.push(Tensor {
                    name: input.name.clone(),
                    shape: input.adapt.apply(tensor.shape),
                    datatype: tensor.datatype,
                    data: tensor.data,
                }),
                None if input.optional => {}
                None => {
                    // An optional input of the ensemble may be missing; the member says so itself.
                    if let Some((writer, output)) = self.writer(input.tensor) {
                        return Err(Error::internal(format!(
                            "model '{writer}' did not produce output '{output}', which input '{}' of model '{}' needs",
                            input.name, step.model
                        )));
                    }
                }
            }
        }
        Ok(inputs)
    }

    /// Adds the outputs if all are there.
    fn finish(&self, state: &mut State, mut follow: Consequences) -> Result<Consequences, Error> {
        if state.outputs_left > 0 {
            return Ok(follow);
        }
        let graph = &self.ensemble.graph;
        let mut outputs = Vec::with_capacity(self.selection.outputs.len());
        for &output in &self.selection.outputs {
            let output = &graph.outputs[output];
            match state.tensors[output.tensor].take() {
                Some(tensor) => outputs.push(Tensor {
                    name: output.name.clone(),
                    shape: output.shape(tensor.shape),
                    datatype: tensor.datatype,
                    data: tensor.data,
                }),
                None => {
                    if let Some((writer, missing)) = self.writer(output.tensor) {
                        return Err(Error::internal(format!(
                            "model '{writer}' did not produce output '{missing}', which output '{}' needs",
                            output.name
                        )));
                    }
                }
            }
        }
        follow.outputs = Some(outputs);
        Ok(follow)
    }

    /// The model and output that write a tensor; `None` for an input of the ensemble.
    fn writer(&self, number: usize) -> Option<(&str, &str)> {
        let graph = &self.ensemble.graph;
        let step = &graph.steps[graph.tensors[number].writer?];
        let (output, _) = step.outputs.iter().find(|(_, tensor)| *tensor == number)?;
        Some((&step.model, output))
    }

    /// Passes a step on.
    fn infer(self: &Arc<Self>, index: usize, inputs: Vec<Tensor>) {
        let step = &self.ensemble.graph.steps[index];
        let responder = Responder::new(StepSink { run: Arc::clone(self), step: index });
        let used = |(_, tensor): &&(String, usize)| self.selection.uses[*tensor] > 0;
        let request = InferRequest {
            id: self.request.id.clone(),
            inputs,
            outputs: step.outputs.iter().filter(used).map(|(name, _)| name.clone()).collect(),
            parameters: self.request.parameters.clone(),
            correlation_id: self.request.correlation_id.clone(),
            sequence: self.request.sequence,
            priority: self.request.priority,
            timeout: self.request.timeout,
            account: self.request.account.clone(),
            trace: self.request.trace.as_ref().map(RequestTrace::step),
            ..InferRequest::new(self.ensemble.clock.now(), responder)
        };
        self.steps.infer(&step.model, step.version, request);
    }

    fn succeed(&self, outputs: Vec<Tensor>) {
        let Some(permit) = self.end() else { return };
        let (ensemble, request) = (&self.ensemble, &self.request);
        let from_steps = self.selection.steps.contains(&true);
        let response = InferResponse {
            model_name: Arc::clone(&ensemble.graph.name),
            model_version: ensemble.version,
            id: request.id.clone(),
            parameters: if from_steps { sequence_parameters(request) } else { Parameters::new() },
            outputs,
        };
        if let Some(trace) = &request.trace {
            trace.tensors(TensorActivity::BackendOutput, &response.outputs);
        }
        let now = ensemble.clock.now();
        ensemble.statistics.record_ensemble(request.batch_size, request.received, now);
        // The place is free before the client can know: its next request must find it.
        drop(permit);
        if request.responder.send(Ok(response), true).is_err() {
            tracing::debug!(model = %ensemble.graph.name, id = request.id, "was answered already");
        }
    }

    fn fail(&self, error: Error) {
        let Some(permit) = self.end() else { return };
        drop(permit);
        let prefix = format!("in ensemble '{}', ", self.ensemble.graph.name);
        self.request.responder.fail(error.context(prefix));
    }

    /// `None` if the run has ended before.
    fn end(&self) -> Option<Permit> {
        self.ended.store(true, Ordering::Release);
        let mut state = self.lock();
        // What the remaining steps may still need is none of their business any more.
        state.tensors.iter_mut().for_each(|slot| slot.tensor = None);
        state.permit.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// The tensor for one of its uses: shared while others follow, moved to the last.
    fn take(&mut self) -> Option<Tensor> {
        self.uses = self.uses.saturating_sub(1);
        if self.uses == 0 { self.tensor.take() } else { self.tensor.clone() }
    }
}

/// What Triton adds to the response of an ensemble that ran a step: the sequence of the request.
fn sequence_parameters(request: &InferRequest) -> Parameters {
    let id = match &request.correlation_id {
        CorrelationId::None => Parameter::Int(0),
        CorrelationId::Number(id) => {
            i64::try_from(*id).map_or(Parameter::Uint(*id), Parameter::Int)
        }
        CorrelationId::String(id) => Parameter::String(id.clone()),
    };
    vec![
        ("sequence_id".to_owned(), id),
        ("sequence_start".to_owned(), Parameter::Bool(request.sequence.start)),
        ("sequence_end".to_owned(), Parameter::Bool(request.sequence.end)),
    ]
}

impl ResponseSink for StepSink {
    fn accept(&self, reply: Reply) {
        let event = Event::Replied { step: self.step, reply };
        trampoline::run(Job { run: Arc::clone(&self.run), event });
    }

    fn is_cancelled(&self) -> bool {
        self.run.ended.load(Ordering::Acquire) || self.run.request.responder.is_cancelled()
    }
}
