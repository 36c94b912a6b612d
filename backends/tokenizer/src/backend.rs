//! The backend as the SDK sees it: loads a version's tokenizer and answers each request of a batch.

use crate::{
    config::{Output, Role, complete, options, outputs},
    error::LoadError,
    text::{Encoded, TextTokenizer},
};
use hippocamp_backend::{
    Attributes, Backend, BackendContext, Batch, DataType, Error, ErrorCode, Instance,
    InstanceContext, InstanceGroupHint, InstanceKind, Model, ModelContext, Request, as_bytes,
};
use std::sync::Arc;

/// The tokenizer backend; it has no state.
#[derive(Debug)]
pub struct Tokenizer;

/// One version of a model.
#[derive(Debug)]
pub struct TokenizerModel(Arc<Version>);

/// One instance of a model.
#[derive(Debug)]
pub struct TokenizerInstance(Arc<Version>);

#[derive(Debug)]
struct Version {
    tokenizer: TextTokenizer,
    outputs: Vec<Output>,
    batched: bool,
}

impl Backend for Tokenizer {
    type Model = TokenizerModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<TokenizerModel, Error> {
        let model = context.name().to_owned();
        let options = options(&model, |key| context.parameter(key).map(str::to_owned))?;
        let path = context.model_file("tokenizer.json");
        let tokenizer = TextTokenizer::load(&path, options).map_err(|error| {
            let code = match &error {
                LoadError::Absent { .. } => ErrorCode::NotFound,
                LoadError::Read { .. } => ErrorCode::Internal,
                LoadError::Format { .. } | LoadError::MaxLength { .. } => {
                    ErrorCode::InvalidArgument
                }
            };
            Error::new(code, format!("model '{model}' version {}: {error}", context.version()))
        })?;
        if context.auto_complete()
            && let Some(completed) = complete(context.config())
        {
            context.set_config(&completed)?;
        }
        let outputs = outputs(&model, context.config())?;
        let batched = context.max_batch_size() > 0;
        Ok(TokenizerModel(Arc::new(Version { tokenizer, outputs, batched })))
    }

    fn attributes(&self) -> Attributes {
        let cpu = InstanceGroupHint { kind: InstanceKind::Cpu, count: 1, devices: Vec::new() };
        Attributes { preferred_groups: vec![cpu], parallel_instances: true }
    }
}

impl Model for TokenizerModel {
    type Instance = TokenizerInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<TokenizerInstance, Error> {
        Ok(TokenizerInstance(Arc::clone(&self.0)))
    }
}

impl Instance for TokenizerInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.compute_started();
        for request in batch.requests() {
            // A text that is refused does not fail its neighbours.
            if let Err(error) = self.0.answer(request) {
                request.fail(&error);
            }
        }
        Ok(())
    }
}

impl Version {
    fn answer(&self, request: &Request) -> Result<(), Error> {
        let input = request.input_at(0)?;
        let texts = input.elements()?.collect::<Result<Vec<_>, _>>()?;
        if self.batched && texts.len() != request.rows() {
            return Err(Error::invalid(format!(
                "input '{}' has shape {:?}: expected one text in each of {} rows",
                input.name(),
                input.shape(),
                request.rows()
            )));
        }
        let wanted = request.outputs()?;
        let mut outputs =
            self.outputs.iter().filter(|output| wanted.contains(&output.name.as_str()));
        let encoded = if outputs.clone().any(|output| output.role == Role::Offsets) {
            self.tokenizer.encode_with_offsets(texts)
        } else {
            self.tokenizer.encode(texts)
        };
        let encoded = encoded
            .map_err(|error| Error::invalid(format!("input '{}': {error}", input.name())))?;
        let mut response = request.response()?;
        let size = |size: usize| {
            i64::try_from(size).map_err(|_large| Error::internal("there are too many tokens"))
        };
        let shape = [size(encoded.rows)?, size(encoded.length)?, 2];
        outputs.try_for_each(|output| {
            let values = output.role.of(&encoded);
            let shape = if output.role == Role::Offsets { &shape[..] } else { &shape[..2] };
            if output.datatype == DataType::Int64 {
                response.output(&output.name, DataType::Int64, shape, as_bytes(values))
            } else {
                let narrow = values.iter().map(|&value| i32::try_from(value));
                let narrow: Vec<i32> = narrow
                    .collect::<Result<_, _>>()
                    .map_err(|_large| Error::internal("a token id exceeds INT32"))?;
                response.output(&output.name, DataType::Int32, shape, as_bytes(&narrow))
            }
        })?;
        response.send()
    }
}

impl Role {
    fn of(self, encoded: &Encoded) -> &[i64] {
        match self {
            Self::Ids => &encoded.ids,
            Self::Mask => &encoded.mask,
            Self::Types => &encoded.types,
            Self::Offsets => &encoded.offsets,
        }
    }
}
