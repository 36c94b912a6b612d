//! The backend as the SDK sees it: loads a version's plan, completes and checks its configuration,
//! and runs batches.

use crate::config::{check_embedding_space, complete, validate, with_embedding_space};
use crate::error::{LoadError, RunError};
use crate::onnx::TensorInfo;
use crate::plan::{Plan, Runner};
use crate::tensor::{bytes_of, from_parts};
use hippocamp_backend::{
    Attributes, Backend, BackendContext, Batch, Error, ErrorCode, Input, Instance, InstanceContext,
    InstanceGroupHint, InstanceKind, Model, ModelContext, OutputTensor, Request,
};
use std::{borrow::Cow, sync::Arc};
use tract_core::internal::{TValue, TVec};

/// `max_batch_size` that completed configurations get, where `--backend-config` says nothing.
pub(crate) const DEFAULT_MAX_BATCH_SIZE: u64 = 4;

/// The tract backend.
#[derive(Debug)]
pub struct Tract {
    default_max_batch_size: u64,
}

/// One version of a model.
#[derive(Debug)]
pub struct TractModel {
    plan: Arc<Plan>,
    batched: bool,
}

/// One instance of a model.
#[derive(Debug)]
pub struct TractInstance {
    runner: Runner,
    batched: bool,
}

impl Backend for Tract {
    type Model = TractModel;

    fn initialize(context: &BackendContext<'_>) -> Result<Self, Error> {
        let default_max_batch_size = match context.setting("default-max-batch-size") {
            None => DEFAULT_MAX_BATCH_SIZE,
            Some(text) => text.parse().map_err(|_invalid| {
                Error::invalid(format!(
                    "backend setting 'default-max-batch-size' expects a number of 0 or more, got '{text}'"
                ))
            })?,
        };
        Ok(Self { default_max_batch_size })
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<TractModel, Error> {
        let plan = Plan::load(&context.model_file("model.onnx")).map_err(|error| {
            let (name, version) = (context.name(), context.version());
            Error::new(code_of(&error), format!("model '{name}' version {version}: {error}"))
        })?;
        let (inputs, outputs) = (plan.inputs(), plan.outputs());
        if context.auto_complete() {
            let default = self.default_max_batch_size;
            let completed = complete(context.name(), context.config(), inputs, outputs, default)?;
            let named = with_embedding_space(
                completed.as_ref().unwrap_or(context.config()),
                plan.embedding_space(),
            );
            if let Some(completed) = named.or(completed) {
                context.set_config(&completed)?;
            }
        }
        let (config, auto_complete) = (context.config(), context.auto_complete());
        check_embedding_space(context.name(), config, plan.embedding_space(), auto_complete)?;
        validate(context.name(), context.config(), inputs, outputs)?;
        // Its weights, which are most of its file; as they are packed for the kernels it may be more.
        context.report_memory(context.version_bytes()?)?;
        Ok(TractModel { plan: Arc::new(plan), batched: context.max_batch_size() > 0 })
    }

    fn attributes(&self) -> Attributes {
        let cpu = InstanceGroupHint { kind: InstanceKind::Cpu, count: 1, devices: Vec::new() };
        Attributes { preferred_groups: vec![cpu], parallel_instances: true }
    }
}

impl Model for TractModel {
    type Instance = TractInstance;

    fn instance(&self, context: &InstanceContext<'_>) -> Result<TractInstance, Error> {
        if context.kind() == InstanceKind::Gpu {
            return Err(Error::unsupported(format!(
                "instance '{}' is KIND_GPU, but the tract backend runs on CPU only: use KIND_CPU",
                context.name()
            )));
        }
        Ok(TractInstance { runner: self.plan.runner(), batched: self.batched })
    }
}

impl Instance for TractInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        let requests = batch.requests();
        if self.batched || requests.len() == 1 {
            match self.infer(batch, requests) {
                Ok(values) => return self.give(&values, |outputs| batch.scatter(outputs)),
                Err(error) if requests.len() == 1 => return Err(error),
                // Which request is at fault shows below; the others are not to suffer from it.
                Err(_) => {}
            }
        }
        for request in requests {
            let answered = self
                .infer(batch, std::slice::from_ref(request))
                .and_then(|values| self.give(&values, |outputs| respond(request, outputs)));
            if let Err(error) = answered {
                request.fail(&error);
            }
        }
        Ok(())
    }
}

impl TractInstance {
    /// Runs `requests`, which are of `batch`, as one.
    fn infer(&mut self, batch: &Batch, requests: &[Request]) -> Result<TVec<TValue>, Error> {
        let infos = self.runner.plan().inputs();
        let values =
            infos.iter().map(|info| gather(info, requests)).collect::<Result<TVec<_>, _>>()?;
        batch.compute_started();
        let ran = self.runner.run(values).map_err(to_error);
        batch.compute_ended();
        ran
    }

    /// Hands the outputs to `send`, as the protocol has them.
    fn give(
        &self,
        values: &[TValue],
        send: impl FnOnce(&[OutputTensor<'_>]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let infos = self.runner.plan().outputs();
        let mut parts: TVec<(TVec<i64>, Cow<'_, [u8]>)> = TVec::new();
        for value in values {
            let dims = value.shape().iter().map(|&dim| i64::try_from(dim));
            let shape = dims
                .collect::<Result<_, _>>()
                .map_err(|_large| Error::internal("an output is larger than the protocol says"))?;
            parts.push((shape, bytes_of(value).map_err(to_error)?));
        }
        let outputs: TVec<_> = infos
            .iter()
            .zip(&parts)
            .map(|(info, (shape, data))| OutputTensor {
                name: &info.name,
                datatype: info.datatype,
                shape,
                data,
            })
            .collect();
        send(&outputs)
    }
}

/// One input of `requests`, copied once: from each request into tract's tensor.
fn gather(info: &TensorInfo, requests: &[Request]) -> Result<TValue, Error> {
    let inputs = requests
        .iter()
        .map(|request| request.input(&info.name))
        .collect::<Result<TVec<Input<'_>>, _>>()?;
    let Some((first, others)) = inputs.split_first() else {
        return Err(Error::internal("a batch has no requests"));
    };
    let mut shape = sizes(first)?;
    for other in others {
        let other_shape = sizes(other)?;
        match (shape.split_first_mut(), other_shape.split_first()) {
            (Some((rows, row)), Some((more, other_row))) if row == other_row => {
                *rows = rows
                    .checked_add(*more)
                    .ok_or_else(|| Error::invalid("a batch has too many rows"))?;
            }
            _ => {
                return Err(Error::invalid(format!(
                    "input '{}' has shapes of different rows in the requests of a batch: {:?} and {:?}",
                    info.name,
                    first.shape(),
                    other.shape()
                )));
            }
        }
    }
    let tensor = from_parts(info, &shape, inputs.iter().map(Input::data)).map_err(to_error)?;
    Ok(tensor.into())
}

fn sizes(input: &Input<'_>) -> Result<TVec<usize>, Error> {
    let sizes: Result<_, _> = input.shape().iter().map(|&dim| usize::try_from(dim)).collect();
    sizes.map_err(|_negative| {
        Error::invalid(format!("input '{}' has shape {:?}", input.name(), input.shape()))
    })
}

/// Answers one request of several with all of `outputs` that it wants.
fn respond(request: &Request, outputs: &[OutputTensor<'_>]) -> Result<(), Error> {
    let wanted = request.outputs()?;
    let mut response = request.response()?;
    for output in outputs.iter().filter(|output| wanted.contains(&output.name)) {
        response.output(output.name, output.datatype, output.shape, output.data)?;
    }
    response.send()
}

fn to_error(error: RunError) -> Error {
    let code =
        if error.is_invalid_request() { ErrorCode::InvalidArgument } else { ErrorCode::Internal };
    Error::new(code, error.to_string())
}

fn code_of(error: &LoadError) -> ErrorCode {
    match error {
        LoadError::Absent { .. } => ErrorCode::NotFound,
        LoadError::Read { .. } => ErrorCode::Internal,
        LoadError::Operators(_) | LoadError::Datatype { .. } => ErrorCode::Unsupported,
        LoadError::Empty { .. }
        | LoadError::Decode { .. }
        | LoadError::NotTensor { .. }
        | LoadError::Rank { .. }
        | LoadError::Build { .. } => ErrorCode::InvalidArgument,
    }
}
