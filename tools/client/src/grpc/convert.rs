//! Requests and results as messages.

use crate::{
    BatchStatistics, DurationCount, Element, Encoding, Error, IndexEntry, InferInput, InferRequest,
    InferResult, InferStatistics, LoadOverrides, ModelMetadata, ModelStatistics, Parameter,
    ServerMetadata, Tensor, TensorMetadata,
};
use hippocamp_proto::inference::{
    self as proto, InferParameter, InferTensorContents, ModelInferRequest, ModelInferResponse,
    infer_parameter::ParameterChoice,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
    model_repository_parameter::ParameterChoice as RepositoryChoice,
};
use std::collections::BTreeMap;

/// The version as messages name it.
pub(super) fn version(version: Option<u64>) -> String {
    version.map(|version| version.to_string()).unwrap_or_default()
}

/// The message of `request`.
///
/// # Errors
/// If a tensor is to be sent as typed contents and cannot be.
pub(super) fn request(request: &InferRequest) -> Result<ModelInferRequest, Error> {
    let typed = request.inputs.iter().all(|input| input.encoding == Encoding::Json);
    let inputs = request.inputs.iter().map(|input| {
        let contents = if typed { Some(contents(input)?) } else { None };
        Ok(InferInputTensor {
            name: input.tensor.name.clone(),
            datatype: input.tensor.datatype.clone(),
            shape: input.tensor.shape.clone(),
            parameters: parameters(&input.parameters),
            contents,
        })
    });
    let raw = request.inputs.iter().map(|input| input.tensor.data.clone());
    Ok(ModelInferRequest {
        model_name: request.model.clone(),
        model_version: version(request.version),
        id: request.id.clone(),
        parameters: parameters(&request.parameters),
        inputs: inputs.collect::<Result<_, Error>>()?,
        outputs: request
            .outputs
            .iter()
            .map(|output| InferRequestedOutputTensor {
                name: output.name.clone(),
                parameters: parameters(&output.parameters),
            })
            .collect(),
        raw_input_contents: if typed { Vec::new() } else { raw.collect() },
    })
}

fn contents(input: &InferInput) -> Result<InferTensorContents, Error> {
    fn values<T: Element, V: From<T>>(tensor: &Tensor) -> Result<Vec<V>, Error> {
        let values = tensor.values::<T>().map_err(|error| Error::Encode(error.to_string()))?;
        Ok(values.into_iter().map(V::from).collect())
    }
    let tensor = &input.tensor;
    let mut contents = InferTensorContents::default();
    match tensor.datatype.as_str() {
        "BOOL" => contents.bool_contents = values::<bool, _>(tensor)?,
        "INT8" => contents.int_contents = values::<i8, _>(tensor)?,
        "INT16" => contents.int_contents = values::<i16, _>(tensor)?,
        "INT32" => contents.int_contents = values::<i32, _>(tensor)?,
        "INT64" => contents.int64_contents = values::<i64, _>(tensor)?,
        "UINT8" => contents.uint_contents = values::<u8, _>(tensor)?,
        "UINT16" => contents.uint_contents = values::<u16, _>(tensor)?,
        "UINT32" => contents.uint_contents = values::<u32, _>(tensor)?,
        "UINT64" => contents.uint64_contents = values::<u64, _>(tensor)?,
        "FP32" => contents.fp32_contents = values::<f32, _>(tensor)?,
        "FP64" => contents.fp64_contents = values::<f64, _>(tensor)?,
        "BYTES" => {
            contents.bytes_contents =
                tensor.elements().map_err(|error| Error::Encode(error.to_string()))?;
        }
        other => {
            return Err(Error::Encode(format!(
                "'{}' has datatype {other}, which has no typed contents; send it as binary",
                tensor.name
            )));
        }
    }
    Ok(contents)
}

/// The result that `message` holds.
///
/// # Errors
/// If its outputs and their data do not belong together.
pub(super) fn result(message: ModelInferResponse) -> Result<InferResult, Error> {
    let (outputs, data) = (message.outputs.len(), message.raw_output_contents.len());
    if outputs != data {
        return Err(Error::Decode(format!("{outputs} outputs came with {data} raw contents")));
    }
    let outputs = message.outputs.into_iter().zip(message.raw_output_contents);
    Ok(InferResult {
        model_name: message.model_name,
        model_version: message.model_version,
        id: message.id,
        parameters: message
            .parameters
            .into_iter()
            .filter_map(|(name, parameter)| Some((name, value(parameter)?)))
            .collect(),
        outputs: outputs
            .map(|(output, data)| Tensor {
                name: output.name,
                datatype: output.datatype,
                shape: output.shape,
                data,
            })
            .collect(),
    })
}

fn parameters(parameters: &BTreeMap<String, Parameter>) -> BTreeMap<String, InferParameter> {
    let parameter = |parameter: &Parameter| InferParameter {
        parameter_choice: Some(match parameter {
            Parameter::Bool(value) => ParameterChoice::BoolParam(*value),
            Parameter::Int(value) => ParameterChoice::Int64Param(*value),
            Parameter::Uint(value) => ParameterChoice::Uint64Param(*value),
            Parameter::Double(value) => ParameterChoice::DoubleParam(*value),
            Parameter::String(value) => ParameterChoice::StringParam(value.clone()),
        }),
    };
    parameters.iter().map(|(name, value)| (name.clone(), parameter(value))).collect()
}

fn value(parameter: InferParameter) -> Option<Parameter> {
    Some(match parameter.parameter_choice? {
        ParameterChoice::BoolParam(value) => Parameter::Bool(value),
        ParameterChoice::Int64Param(value) => Parameter::Int(value),
        ParameterChoice::Uint64Param(value) => Parameter::Uint(value),
        ParameterChoice::DoubleParam(value) => Parameter::Double(value),
        ParameterChoice::StringParam(value) => Parameter::String(value),
    })
}

/// The parameters of a load call.
pub(super) fn overrides(
    overrides: &LoadOverrides,
) -> BTreeMap<String, proto::ModelRepositoryParameter> {
    let config = overrides
        .config
        .iter()
        .map(|config| ("config".to_owned(), RepositoryChoice::StringParam(config.to_string())));
    let files = overrides.files.iter().map(|(path, contents)| {
        (format!("file:{path}"), RepositoryChoice::BytesParam(contents.clone()))
    });
    config
        .chain(files)
        .map(|(name, choice)| {
            (name, proto::ModelRepositoryParameter { parameter_choice: Some(choice) })
        })
        .collect()
}

pub(super) fn server_metadata(message: proto::ServerMetadataResponse) -> ServerMetadata {
    ServerMetadata { name: message.name, version: message.version, extensions: message.extensions }
}

pub(super) fn model_metadata(message: proto::ModelMetadataResponse) -> ModelMetadata {
    let tensors = |tensors: Vec<proto::model_metadata_response::TensorMetadata>| {
        tensors
            .into_iter()
            .map(|tensor| TensorMetadata {
                name: tensor.name,
                datatype: tensor.datatype,
                shape: tensor.shape,
            })
            .collect()
    };
    ModelMetadata {
        name: message.name,
        versions: message.versions,
        platform: message.platform,
        inputs: tensors(message.inputs),
        outputs: tensors(message.outputs),
    }
}

pub(super) fn index(message: proto::RepositoryIndexResponse) -> Vec<IndexEntry> {
    message
        .models
        .into_iter()
        .map(|model| IndexEntry {
            name: model.name,
            version: model.version,
            state: model.state,
            reason: model.reason,
        })
        .collect()
}

pub(super) fn statistics(message: proto::ModelStatisticsResponse) -> Vec<ModelStatistics> {
    let batch = |batch: proto::InferBatchStatistics| BatchStatistics {
        batch_size: batch.batch_size,
        compute_input: duration(batch.compute_input),
        compute_infer: duration(batch.compute_infer),
        compute_output: duration(batch.compute_output),
    };
    message
        .model_stats
        .into_iter()
        .map(|model| ModelStatistics {
            name: model.name,
            version: model.version,
            last_inference: model.last_inference,
            inference_count: model.inference_count,
            execution_count: model.execution_count,
            inference_stats: requests(model.inference_stats.unwrap_or_default()),
            batch_stats: model.batch_stats.into_iter().map(batch).collect(),
        })
        .collect()
}

fn requests(stats: proto::InferStatistics) -> InferStatistics {
    InferStatistics {
        success: duration(stats.success),
        fail: duration(stats.fail),
        queue: duration(stats.queue),
        compute_input: duration(stats.compute_input),
        compute_infer: duration(stats.compute_infer),
        compute_output: duration(stats.compute_output),
        cache_hit: duration(stats.cache_hit),
        cache_miss: duration(stats.cache_miss),
    }
}

fn duration(duration: Option<proto::StatisticDuration>) -> DurationCount {
    let proto::StatisticDuration { count, ns } = duration.unwrap_or_default();
    DurationCount { count, ns }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RequestedOutput;
    use bytes::Bytes;
    use hippocamp_proto::inference::model_infer_response::InferOutputTensor;

    #[test]
    fn binary_inputs_are_raw_contents_and_shared() {
        let input = InferInput::new("A", &[2], &[1i32, 2]);
        let at = input.tensor.data.as_ptr();
        let request = InferRequest::new("m")
            .version(3)
            .id("x")
            .parameter("timeout", 5i64)
            .input(input)
            .input(InferInput::new("B", &[1], &[1.5f32]).json())
            .output(RequestedOutput::new("O").classification(2));
        let message = super::request(&request).unwrap();
        assert_eq!((message.model_name.as_str(), message.model_version.as_str()), ("m", "3"));
        assert_eq!(message.raw_input_contents.len(), 2, "one binary input makes all of them so");
        assert_eq!(message.raw_input_contents[0].as_ptr(), at);
        assert!(message.inputs.iter().all(|input| input.contents.is_none()));
        let choice = |parameters: &BTreeMap<String, InferParameter>, name| {
            parameters[name].parameter_choice.clone()
        };
        assert_eq!(choice(&message.parameters, "timeout"), Some(ParameterChoice::Int64Param(5)));
        let classification = choice(&message.outputs[0].parameters, "classification");
        assert_eq!(classification, Some(ParameterChoice::Int64Param(2)));
    }

    #[test]
    fn json_inputs_are_typed_contents() {
        let contents = |input: InferInput| {
            let message = super::request(&InferRequest::new("m").input(input.json()));
            message.map(|message| {
                assert!(message.raw_input_contents.is_empty());
                message.inputs[0].contents.clone().unwrap()
            })
        };
        let of = |input| contents(input).unwrap();
        assert_eq!(of(InferInput::new("A", &[1], &[-1i8])).int_contents, [-1]);
        assert_eq!(of(InferInput::new("A", &[1], &[9u16])).uint_contents, [9]);
        assert_eq!(of(InferInput::new("A", &[1], &[true])).bool_contents, [true]);
        assert_eq!(of(InferInput::new("A", &[1], &[1.5f64])).fp64_contents, [1.5]);
        let bytes = of(InferInput::bytes("A", &[2], &["hi", ""])).bytes_contents;
        assert_eq!(bytes, [Bytes::from_static(b"hi"), Bytes::new()]);
        let refused = contents(InferInput::raw("A", &[1], "FP16", vec![0, 0]));
        assert!(matches!(refused, Err(Error::Encode(_))));
    }

    #[test]
    fn results() {
        let output = |name: &str| InferOutputTensor {
            name: name.to_owned(),
            datatype: "INT32".to_owned(),
            shape: vec![1],
            ..InferOutputTensor::default()
        };
        let message = ModelInferResponse {
            model_version: "3".into(),
            parameters: [(
                "triton_final_response".to_owned(),
                InferParameter { parameter_choice: Some(ParameterChoice::BoolParam(false)) },
            )]
            .into(),
            outputs: vec![output("A"), output("B")],
            raw_output_contents: [1i32, 2].map(|value| value.to_le_bytes().to_vec().into()).into(),
            ..ModelInferResponse::default()
        };
        let result = super::result(message.clone()).unwrap();
        assert_eq!(result.output("B").unwrap().as_i32().unwrap(), [2]);
        assert!(!result.is_last());
        let cut = ModelInferResponse { raw_output_contents: Vec::new(), ..message };
        assert!(matches!(super::result(cut), Err(Error::Decode(_))));
    }

    #[test]
    fn overrides_are_parameters() {
        let overrides = LoadOverrides::config(serde_json::json!({"a": 1}))
            .file("1/model.onnx", Bytes::from_static(b"x"));
        let parameters = super::overrides(&overrides);
        let choice = |name: &str| parameters[name].parameter_choice.clone().unwrap();
        assert_eq!(choice("config"), RepositoryChoice::StringParam(r#"{"a":1}"#.into()));
        assert_eq!(
            choice("file:1/model.onnx"),
            RepositoryChoice::BytesParam(Bytes::from_static(b"x"))
        );
    }
}
