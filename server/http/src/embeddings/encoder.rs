//! Encoders: models, ensembles most of the time, that make one vector of a text.

use hippocamp_config::ModelConfig;
use hippocamp_core::{InferenceServer, UnaryReply, unary_reply};
use hippocamp_types::{
    DataType, Error, InferRequest, InferResponse, Shape, Tensor, push_bytes_element,
};
use std::{collections::VecDeque, sync::Arc};

/// The parameter of a configuration that names the output with the vector, where there are several.
const OUTPUT_PARAMETER: &str = "embedding_output";

/// An output of this name marks with ones the tokens that the encoder reads.
const MASK: &str = "attention_mask";

/// Requests of one call that are on their way at once.
const MAX_IN_FLIGHT: usize = 32;

/// A model that makes one vector of each text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoder {
    /// The model.
    pub(crate) name: Arc<str>,
    /// Elements of a vector.
    pub(crate) size: usize,
    input: String,
    output: String,
    counts_tokens: bool,
    /// Texts of one request; `None`: one, without a batch dimension.
    max_batch_size: Option<usize>,
}

/// What became of texts.
#[derive(Debug)]
pub(crate) struct Embeddings {
    /// One vector after the other, in the order of the texts.
    values: Vec<f32>,
    size: usize,
    /// Tokens that the encoder read; 0 where it does not tell.
    pub(crate) tokens: u64,
}

impl Embeddings {
    #[cfg(test)]
    pub(crate) fn new(values: Vec<f32>, size: usize, tokens: u64) -> Self {
        Self { values, size, tokens }
    }

    /// One vector for each text.
    pub(crate) fn vectors(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.size)
    }

    /// Keeps the first `dimensions` elements of each vector, and gives it the length 1 again.
    pub(crate) fn shorten(&mut self, dimensions: usize) {
        let mut values = Vec::with_capacity(self.values.len() / self.size * dimensions);
        for vector in self.values.chunks_exact(self.size) {
            let kept = &vector[..dimensions];
            let length = dot(kept, kept).sqrt();
            let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
            #[expect(
                clippy::cast_possible_truncation,
                reason = "back to the precision it came in"
            )]
            values.extend(kept.iter().map(|value| (f64::from(*value) * scale) as f32));
        }
        self.values = values;
        self.size = dimensions;
    }
}

/// The sum of products, in double precision.
pub(crate) fn dot(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(one, other)| f64::from(*one) * f64::from(*other)).sum()
}

impl Encoder {
    /// The encoder that a model is.
    ///
    /// # Errors
    /// What the model would have to be.
    pub(crate) fn of(config: &ModelConfig) -> Result<Self, String> {
        if config.decoupled {
            return Err("it is decoupled".to_owned());
        }
        let mut required = config.inputs.iter().filter(|input| !input.optional);
        let input = match (required.next(), required.next()) {
            (Some(input), None)
                if input.datatype == DataType::Bytes && input.dims.dims() == [1] =>
            {
                input
            }
            _ => {
                return Err(
                    "its one required input is not one text (TYPE_STRING, dims [ 1 ])".to_owned()
                );
            }
        };
        let vector = |datatype, dims: &Shape| match dims.dims() {
            [size] if datatype == DataType::Fp32 => usize::try_from(*size).ok().filter(|&n| n > 0),
            _ => None,
        };
        let named = config.raw.parameters.get(OUTPUT_PARAMETER).map(|named| &named.string_value);
        let mut outputs = config.outputs.iter().filter(|output| match named {
            Some(name) => output.name == **name,
            None => output.name != MASK,
        });
        let (Some(output), None) = (outputs.next(), outputs.next()) else {
            return Err(format!(
                "it has not one output beside {MASK}, and no parameter {OUTPUT_PARAMETER} that names one"
            ));
        };
        let size = vector(output.datatype, &output.dims).ok_or_else(|| {
            format!("its output '{}' is not one vector of a fixed size (TYPE_FP32)", output.name)
        })?;
        let is_mask = |datatype, dims: &Shape| datatype == DataType::Int64 && dims.rank() == 1;
        Ok(Self {
            name: Arc::clone(&config.name),
            size,
            input: input.name.clone(),
            output: output.name.clone(),
            counts_tokens: config
                .outputs
                .iter()
                .any(|output| output.name == MASK && is_mask(output.datatype, &output.dims)),
            max_batch_size: (config.max_batch_size > 0).then_some(config.max_batch_size),
        })
    }

    /// Makes the vectors of texts: in requests as large as the model takes, several of them at once,
    /// each of which `equip` may add to.
    /// Dropping the future cancels those that have not begun.
    ///
    /// # Errors
    /// The first error of a request; INTERNAL if the model answers something else than its
    /// configuration says.
    pub(crate) async fn embed(
        &self,
        server: &InferenceServer,
        texts: &[String],
        mut equip: impl FnMut(&mut InferRequest) -> Result<(), Error>,
    ) -> Result<Embeddings, Error> {
        let mut embeddings = Embeddings { values: Vec::new(), size: self.size, tokens: 0 };
        let mut waiting: VecDeque<(usize, UnaryReply)> = VecDeque::with_capacity(MAX_IN_FLIGHT);
        let mut chunks = texts.chunks(self.max_batch_size.unwrap_or(1));
        let mut done = 0;
        loop {
            while waiting.len() < MAX_IN_FLIGHT
                && let Some(chunk) = chunks.next()
            {
                let (responder, reply) = unary_reply();
                let mut request = InferRequest::new(server.now(), responder);
                request.inputs.push(self.tensor(chunk));
                request.outputs.push(self.output.clone());
                request.outputs.extend(self.counts_tokens.then(|| MASK.to_owned()));
                equip(&mut request)?;
                server.infer(&self.name, None, request);
                waiting.push_back((chunk.len(), reply));
            }
            let Some((rows, reply)) = waiting.pop_front() else { return Ok(embeddings) };
            let response = reply.await.map_err(|error| {
                if rows == texts.len() {
                    return error;
                }
                // The model knows its own rows only.
                let last = done + rows - 1;
                Error::new(error.code(), format!("texts {done} to {last}: {}", error.message()))
            })?;
            self.take(&mut embeddings, rows, &response)?;
            done += rows;
        }
    }

    fn tensor(&self, texts: &[String]) -> Tensor {
        let mut data = Vec::with_capacity(texts.iter().map(|text| 4 + text.len()).sum());
        for text in texts {
            push_bytes_element(&mut data, text.as_bytes());
        }
        let rows = i64::try_from(texts.len()).expect("the number of texts is bounded");
        let shape =
            if self.max_batch_size.is_some() { Shape::new(&[rows, 1]) } else { Shape::new(&[1]) };
        Tensor { name: self.input.clone(), datatype: DataType::Bytes, shape, data: data.into() }
    }

    /// Adds the vectors of one response.
    fn take(
        &self,
        embeddings: &mut Embeddings,
        rows: usize,
        response: &InferResponse,
    ) -> Result<(), Error> {
        let output = |name: &str| response.outputs.iter().find(|output| output.name == name);
        let vectors = output(&self.output)
            .filter(|output| {
                output.datatype == DataType::Fp32 && output.data.len() == rows * self.size * 4
            })
            .ok_or_else(|| {
                Error::internal(format!(
                    "model '{}' did not answer {rows} vectors of {} FP32 in '{}'",
                    self.name, self.size, self.output
                ))
            })?;
        for bytes in vectors.data.as_chunks::<4>().0 {
            let value = f32::from_le_bytes(*bytes);
            if !value.is_finite() {
                return Err(Error::internal(format!(
                    "model '{}' answered a vector with an element that is no number: {value}",
                    self.name
                )));
            }
            embeddings.values.push(value);
        }
        if let Some(mask) = output(MASK).filter(|mask| mask.datatype == DataType::Int64) {
            let ones = mask.data.as_chunks::<8>().0.iter().filter(|bytes| **bytes != [0; 8]);
            embeddings.tokens += ones.count() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_config::{finish, parse_pbtxt};

    fn config(text: &str) -> ModelConfig {
        let config = parse_pbtxt(&format!("name: \"m\" backend: \"b\" {text}"), "config.pbtxt");
        ModelConfig::new(finish(config.unwrap(), &[])).unwrap()
    }

    const TEXT: &str = "{ name: \"TEXT\" data_type: TYPE_STRING dims: [ 1 ] }";
    const VECTOR: &str = "{ name: \"v\" data_type: TYPE_FP32 dims: [ 3 ] }";
    const MASK_OUTPUT: &str = "{ name: \"attention_mask\" data_type: TYPE_INT64 dims: [ -1 ] }";

    #[test]
    fn encoders_are_told_by_their_tensors() {
        let of = |inputs: &str, outputs: &str, more: &str| {
            Encoder::of(&config(&format!("input [ {inputs} ] output [ {outputs} ] {more}")))
        };
        let encoder = of(TEXT, VECTOR, "max_batch_size: 8").unwrap();
        assert_eq!((encoder.size, encoder.counts_tokens), (3, false));
        assert_eq!(encoder.max_batch_size, Some(8));
        let optional = "{ name: \"more\" data_type: TYPE_FP32 dims: [ 1 ] optional: true }";
        let encoder =
            of(&format!("{TEXT}, {optional}"), &format!("{MASK_OUTPUT}, {VECTOR}"), "").unwrap();
        assert_eq!((encoder.output.as_str(), encoder.counts_tokens), ("v", true));
        assert_eq!(encoder.max_batch_size, None);

        let other = "{ name: \"w\" data_type: TYPE_FP32 dims: [ 5 ] }";
        let two = format!("{VECTOR}, {other}");
        let names = |output: &str| {
            format!(
                "parameters {{ key: \"embedding_output\" value {{ string_value: \"{output}\" }} }}"
            )
        };
        assert_eq!(of(TEXT, &two, &names("w")).unwrap().size, 5);
        let refused = |inputs: &str, outputs: &str, more: &str, expect: &str| {
            let reason = of(inputs, outputs, more).unwrap_err();
            assert!(reason.contains(expect), "{reason}");
        };
        refused(TEXT, &two, "", "not one output");
        refused(TEXT, &two, &names("x"), "not one output");
        refused(TEXT, &VECTOR.replace("[ 3 ]", "[ -1 ]"), "", "'v' is not one vector");
        refused(TEXT, &VECTOR.replace("[ 3 ]", "[ 3, 4 ]"), "", "'v' is not one vector");
        refused(TEXT, &VECTOR.replace("FP32", "FP64"), "", "'v' is not one vector");
        refused(&TEXT.replace("[ 1 ]", "[ -1 ]"), VECTOR, "", "one required input");
        refused(&TEXT.replace("STRING", "INT64"), VECTOR, "", "one required input");
        refused(
            &format!("{TEXT}, {}", TEXT.replace("\"TEXT\"", "\"MORE\"")),
            VECTOR,
            "",
            "one required input",
        );
        let decoupled = "model_transaction_policy { decoupled: true }";
        refused(TEXT, VECTOR, decoupled, "decoupled");
    }

    fn answer(values: &[f32], mask: &[i64]) -> InferResponse {
        let tensor = |name: &str, datatype, length: usize, data: Vec<u8>| Tensor {
            name: name.to_owned(),
            datatype,
            shape: Shape::new(&[1, i64::try_from(length).unwrap()]),
            data: data.into(),
        };
        let bytes = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
        InferResponse {
            model_name: "m".into(),
            model_version: 1,
            id: String::new(),
            parameters: Vec::new(),
            outputs: vec![
                tensor("v", DataType::Fp32, values.len(), bytes(values)),
                tensor(
                    MASK,
                    DataType::Int64,
                    mask.len(),
                    mask.iter().flat_map(|value| value.to_le_bytes()).collect(),
                ),
            ],
        }
    }

    #[test]
    fn vectors_are_checked_counted_and_shortened() {
        let outputs = format!("output [ {VECTOR}, {MASK_OUTPUT} ]");
        let encoder = Encoder::of(&config(&format!("input [ {TEXT} ] {outputs}"))).unwrap();
        let mut embeddings = Embeddings { values: Vec::new(), size: 3, tokens: 0 };
        encoder.take(&mut embeddings, 1, &answer(&[3.0, 4.0, 12.0], &[1, 1, 0])).unwrap();
        encoder.take(&mut embeddings, 1, &answer(&[0.0, 0.0, 2.0], &[1])).unwrap();
        assert_eq!(embeddings.tokens, 3);
        assert_eq!(embeddings.vectors().collect::<Vec<_>>(), [[3.0, 4.0, 12.0], [0.0, 0.0, 2.0]]);
        embeddings.shorten(2);
        // What is left of the second has no direction.
        assert_eq!(embeddings.vectors().collect::<Vec<_>>(), [[0.6, 0.8], [0.0, 0.0]]);

        let mut refused = |values: &[f32], expect: &str| {
            let error = encoder.take(&mut embeddings, 1, &answer(values, &[])).unwrap_err();
            assert!(error.message().contains(expect), "{error}");
        };
        refused(&[1.0, 2.0], "did not answer 1 vectors of 3 FP32 in 'v'");
        refused(&[1.0, f32::NAN, 2.0], "no number: NaN");
    }

    #[test]
    fn texts_become_one_tensor() {
        let text = format!("input [ {TEXT} ] output [ {VECTOR} ]");
        let batched = Encoder::of(&config(&format!("{text} max_batch_size: 4"))).unwrap();
        let tensor = batched.tensor(&["a".to_owned(), "bc".to_owned()]);
        assert_eq!(tensor.shape.dims(), [2, 1]);
        assert_eq!(&tensor.data[..], b"\x01\0\0\0a\x02\0\0\0bc");
        let alone = Encoder::of(&config(&text)).unwrap();
        assert_eq!(alone.tensor(&["a".to_owned()]).shape.dims(), [1]);
    }
}
