//! Malformed messages over gRPC: bytes that a codec of its own sends as they are.

use super::random::Random;
use crate::clients::within_limit;
use bytes::{Buf as _, BufMut as _};
use hippocamp_proto::inference::{
    InferParameter, InferTensorContents, ModelInferRequest,
    infer_parameter::ParameterChoice,
    model_infer_request::{InferInputTensor, InferRequestedOutputTensor},
};
use http::uri::PathAndQuery;
use prost::Message as _;
use std::{collections::BTreeMap, ops::Range};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};

/// Codes that would blame the server.
const BLAME: [Code; 3] = [Code::Unknown, Code::Internal, Code::DataLoss];

const METHODS: [&str; 12] = [
    "ModelInfer",
    "ModelInfer",
    "ModelInfer",
    "ModelInfer",
    "ModelStreamInfer",
    "ModelStreamInfer",
    "ModelMetadata",
    "ModelStatistics",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "SystemSharedMemoryRegister",
    "CudaSharedMemoryRegister",
];

const WORDS: [&[u8]; 7] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
    b"\x3a\xff\xff\xff\xff\x0f",
    b"\x2a\x00",
    b"\x00\x00\x00\x00",
    b"\xff\xff\xff\xff",
    b"\x07",
];

fn message(random: &mut Random) -> Vec<u8> {
    let datatype = random.pick(&["INT32", "BYTES", "FP16", "FP32", "BOOL", "", "int32"]);
    let side = |random: &mut Random| {
        let common = [1, 1, 2, 16, 16, 0, -1, 8];
        let rare = [i64::MAX, i64::MIN, 1 << 32, 9];
        if random.once_in(8) { random.pick(&rare) } else { random.pick(&common) }
    };
    let input = |random: &mut Random, name: &str| InferInputTensor {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: (0..random.below(4)).map(|_| side(random)).collect(),
        parameters: parameters(random),
        contents: random.once_in(3).then(|| InferTensorContents {
            int_contents: vec![1; random.below(20)],
            bytes_contents: vec![random.bytes(4).into(); random.below(3)],
            ..InferTensorContents::default()
        }),
    };
    let names = ["INPUT0", "INPUT1", "INPUT0", "", "NONE"];
    let count = random.below(4);
    let request = ModelInferRequest {
        model_name: random.pick(&["simple", "text", "half", "ensemble", "missing"]).to_owned(),
        model_version: random.pick(&["", "", "1", "2", "x", "-1"]).to_owned(),
        id: String::from_utf8_lossy(&random.bytes(4)).into_owned(),
        parameters: parameters(random),
        inputs: (0..count).map(|at| input(random, names[at])).collect(),
        outputs: (0..random.below(3))
            .map(|at| InferRequestedOutputTensor {
                name: ["OUTPUT0", "NONE"][at].to_owned(),
                parameters: parameters(random),
            })
            .collect(),
        raw_input_contents: (0..random.below(3))
            .map(|_| {
                let length = random.pick(&[0, 1, 4, 8, 64, 64, 128]);
                vec![random.next().to_le_bytes()[0]; length].into()
            })
            .collect(),
    };
    let mut bytes = request.encode_to_vec();
    if random.once_in(2) {
        random.damage(&mut bytes, &WORDS);
    }
    bytes
}

fn parameters(random: &mut Random) -> BTreeMap<String, InferParameter> {
    if !random.once_in(4) {
        return BTreeMap::new();
    }
    let name = random.pick(&[
        "classification",
        "binary_data_size",
        "shared_memory_region",
        "shared_memory_byte_size",
        "shared_memory_offset",
        "sequence_id",
        "sequence_start",
        "priority",
        "timeout",
        "triton_x",
        "x",
    ]);
    let choice = match random.below(5) {
        0 => Some(ParameterChoice::BoolParam(true)),
        1 => Some(ParameterChoice::Int64Param(random.pick(&[-1, 0, 1, i64::MAX]))),
        2 => Some(ParameterChoice::StringParam("r".to_owned())),
        3 => Some(ParameterChoice::DoubleParam(f64::NAN)),
        _ => None,
    };
    BTreeMap::from([(name.to_owned(), InferParameter { parameter_choice: choice })])
}

/// Sends bytes, and counts those that come.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = usize;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = usize;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<usize>, Status> {
        let length = buffer.remaining();
        buffer.advance(length);
        Ok(Some(length))
    }
}

/// Sends the messages of these seeds, each of which has to be answered.
pub(super) async fn client(address: String, seeds: Range<u64>) {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    let mut client = Grpc::new(endpoint.connect().await.expect("the server listens"));
    for seed in seeds {
        let random = &mut Random::new(seed);
        let (method, message) = (random.pick(&METHODS), message(random));
        if let Err(status) = within_limit(call(&mut client, method, message)).await {
            // What gRPC itself, and Triton with it, answers to bytes that are no message.
            let no_message = status.message() == "Unable to parse request";
            assert!(
                !BLAME.contains(&status.code()) || no_message,
                "seed {seed}: {method} was answered {status:?}"
            );
        }
    }
}

async fn call(client: &mut Grpc<Channel>, method: &str, message: Vec<u8>) -> Result<(), Status> {
    client.ready().await.expect("the connection lives");
    let path = PathAndQuery::try_from(format!("/inference.GRPCInferenceService/{method}"))
        .expect("a method is a path");
    if method != "ModelStreamInfer" {
        return client.unary(Request::new(message), path, Raw).await.map(drop);
    }
    let messages = Request::new(tokio_stream::iter([message]));
    let mut answers = client.streaming(messages, path, Raw).await?.into_inner();
    while answers.message().await?.is_some() {}
    Ok(())
}
