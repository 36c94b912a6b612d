//! The backend as the SDK sees it: reads a model's configuration and answers each request of a batch.

use crate::{
    config::{Options, Output, complete, options, outputs},
    decode::decode,
};
use hippocamp_backend::{
    Attributes, Backend, BackendContext, Batch, DataType, Error, Instance, InstanceContext,
    InstanceGroupHint, InstanceKind, Model, ModelContext, Request, as_bytes,
};
use std::sync::Arc;

/// The image backend; it has no state.
#[derive(Debug)]
pub struct Image;

/// One version of a model.
#[derive(Debug)]
pub struct ImageModel(Arc<Version>);

/// One instance of a model: decodes on its own thread.
#[derive(Debug)]
pub struct ImageInstance(Arc<Version>);

#[derive(Debug)]
struct Version {
    options: Options,
    outputs: Vec<Output>,
    batched: bool,
}

impl Backend for Image {
    type Model = ImageModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<ImageModel, Error> {
        let model = context.name().to_owned();
        let options = options(&model, |key| context.parameter(key).map(str::to_owned))?;
        let completed = if context.auto_complete() { complete(context.config()) } else { None };
        let config = completed.as_ref().unwrap_or(context.config());
        let outputs = outputs(&model, config, options.layout)?;
        if let Some(completed) = completed {
            context.set_config(&completed)?;
        }
        let batched = context.max_batch_size() > 0;
        Ok(ImageModel(Arc::new(Version { options, outputs, batched })))
    }

    fn attributes(&self) -> Attributes {
        let cpu = InstanceGroupHint { kind: InstanceKind::Cpu, count: 1, devices: Vec::new() };
        Attributes { preferred_groups: vec![cpu], parallel_instances: true }
    }
}

impl Model for ImageModel {
    type Instance = ImageInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<ImageInstance, Error> {
        Ok(ImageInstance(Arc::clone(&self.0)))
    }
}

impl Instance for ImageInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.compute_started();
        for request in batch.requests() {
            // A picture that is refused does not fail its neighbours.
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
        let pictures = input.elements()?.collect::<Result<Vec<_>, _>>()?;
        if pictures.len() != request.rows() {
            return Err(Error::invalid(format!(
                "input '{}' has shape {:?}: expected one picture{}",
                input.name(),
                input.shape(),
                if self.batched {
                    format!(" in each of {} rows", request.rows())
                } else {
                    String::new()
                }
            )));
        }
        let wanted = request.outputs()?;
        let wanted: Vec<_> =
            self.outputs.iter().filter(|output| wanted.contains(&output.name.as_str())).collect();
        let mut tensors = vec![Vec::new(); wanted.len()];
        let Options { preparation, limits, .. } = &self.options;
        for (index, bytes) in pictures.iter().enumerate() {
            let picture = decode(bytes, limits, preparation.background).map_err(|fault| {
                Error::invalid(format!("input '{}': picture {index} {fault}", input.name()))
            })?;
            for (output, tensor) in wanted.iter().zip(&mut tensors) {
                preparation.append(&picture, output.size, tensor);
            }
        }
        let rows = i64::try_from(pictures.len())
            .map_err(|_many| Error::internal("there are too many pictures"))?;
        let mut response = request.response()?;
        for (output, tensor) in wanted.iter().zip(&tensors) {
            let shape = if self.batched {
                [&[rows][..], &output.dims].concat()
            } else {
                output.dims.to_vec()
            };
            response.output(&output.name, DataType::Fp32, &shape, as_bytes(tensor))?;
        }
        response.send()
    }
}
