//! What the tests of this crate share: a clock moved by hand, requests whose replies are written
//! down, and configurations from text.

use hippocamp_config::{ModelConfig, finish, parse_pbtxt};
use hippocamp_types::{
    Clock, DataType, InferRequest, InferResponse, Parameters, Reply, Responder, ResponseSink,
    Shape, Tensor, Timestamp,
};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Microseconds after the clock's origin.
pub(crate) fn at(us: u64) -> Timestamp {
    Timestamp::from_nanos(us * 1_000)
}

/// A clock that stands still.
#[derive(Debug, Default)]
pub(crate) struct Hand(AtomicU64);

impl Hand {
    pub(crate) fn set(&self, us: u64) {
        self.0.store(us, Ordering::Relaxed);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        at(self.0.load(Ordering::Relaxed))
    }
}

/// What clients were told, in order, and who of them has gone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replies {
    log: Arc<Mutex<Vec<String>>>,
    responses: Arc<Mutex<Vec<InferResponse>>>,
    gone: Arc<Mutex<HashSet<String>>>,
}

impl Replies {
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn responses(&self) -> Vec<InferResponse> {
        self.responses.lock().unwrap().clone()
    }

    pub(crate) fn leave(&self, id: &str) {
        self.gone.lock().unwrap().insert(id.to_owned());
    }
}

struct Client {
    id: String,
    replies: Replies,
}

impl ResponseSink for Client {
    fn accept(&self, reply: Reply) {
        let mut words = vec![format!("{}:", self.id)];
        match &reply.response {
            Some(Ok(response)) => words.push(response.id.clone()),
            Some(Err(error)) => words.push(format!("{:?} {error}", error.code())),
            None => {}
        }
        words.extend(reply.last.then(|| "end".to_owned()));
        self.replies.responses.lock().unwrap().extend(reply.response.and_then(Result::ok));
        self.replies.log.lock().unwrap().push(words.join(" "));
    }

    fn is_cancelled(&self) -> bool {
        self.replies.gone.lock().unwrap().contains(&self.id)
    }
}

/// A request without inputs that came at 0.
pub(crate) fn request(id: &str, replies: &Replies) -> InferRequest {
    let client = Client { id: id.to_owned(), replies: replies.clone() };
    let mut request = InferRequest::new(at(0), Responder::new(client));
    id.clone_into(&mut request.id);
    request
}

/// A response without outputs.
pub(crate) fn response(id: &str) -> InferResponse {
    InferResponse {
        model_name: "m".into(),
        model_version: 1,
        id: id.to_owned(),
        parameters: Parameters::new(),
        outputs: Vec::new(),
    }
}

/// An FP32 tensor of zeros.
pub(crate) fn tensor(name: &str, dims: &[i64]) -> Tensor {
    let shape = Shape::new(dims);
    let data = vec![0; 4 * shape.element_count().unwrap()].into();
    Tensor { name: name.to_owned(), datatype: DataType::Fp32, shape, data }
}

pub(crate) fn config(text: &str) -> ModelConfig {
    let config =
        parse_pbtxt(text, "config.pbtxt").unwrap_or_else(|error| panic!("{error}: {text}"));
    ModelConfig::new(finish(config, &[])).unwrap_or_else(|error| panic!("{error}: {text}"))
}
