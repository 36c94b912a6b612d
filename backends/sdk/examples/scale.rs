//! `libtriton_scale.so`: OUTPUT is INPUT times the parameter `factor`, a whole batch at once.

use hippocamp_backend::{
    Backend, BackendContext, Batch, DataType, Error, Instance, InstanceContext, Model,
    ModelContext, OutputTensor, as_bytes, export_backend,
};
use serde_json::json;

/// Once a process. What all models share would be here.
struct ScaleBackend;

/// Once a model version: what its instances share.
struct ScaleModel {
    factor: f32,
}

/// Once an instance: what one thread needs alone.
struct ScaleInstance {
    factor: f32,
}

impl Backend for ScaleBackend {
    type Model = ScaleModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<ScaleModel, Error> {
        let text = context.parameter("factor").unwrap_or("1");
        let factor = text.parse().map_err(|_invalid| {
            Error::invalid(format!("parameter 'factor' expects a number, got '{text}'"))
        })?;
        // What the configuration leaves out is completed, where the server allows it.
        if context.auto_complete() && context.config()["input"] == json!([]) {
            let mut config = context.config().clone();
            config["max_batch_size"] = json!(64);
            config["input"] = json!([{"name": "INPUT", "data_type": "TYPE_FP32", "dims": [-1]}]);
            config["output"] = json!([{"name": "OUTPUT", "data_type": "TYPE_FP32", "dims": [-1]}]);
            config["dynamic_batching"] = json!({});
            context.set_config(&config)?;
        }
        Ok(ScaleModel { factor })
    }
}

impl Model for ScaleModel {
    type Instance = ScaleInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<ScaleInstance, Error> {
        Ok(ScaleInstance { factor: self.factor })
    }
}

impl Instance for ScaleInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        // The rows of all requests, in one tensor.
        let input = batch.gather("INPUT")?;
        let values = input.values::<f32>()?;
        batch.compute_started();
        let output = compute(&values, self.factor);
        batch.compute_ended();
        // Each request is answered with its own rows.
        batch.scatter(&[OutputTensor {
            name: "OUTPUT",
            datatype: DataType::Fp32,
            shape: &input.shape,
            data: as_bytes(&output),
        }])
    }
}

fn compute(values: &[f32], factor: f32) -> Vec<f32> {
    values.iter().map(|value| value * factor).collect()
}

export_backend!(ScaleBackend);
