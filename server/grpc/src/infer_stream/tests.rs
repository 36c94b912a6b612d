use super::*;
use futures_util::{FutureExt, StreamExt, stream};
use hippocamp_core::{stream_reply, unary_reply};
use hippocamp_proto::inference::infer_parameter::ParameterChoice;
use hippocamp_types::{ErrorCode, Responder};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// A call whose requests the test sends and whose responders it holds.
struct Call {
    requests: Option<mpsc::Sender<Result<ModelInferRequest, Status>>>,
    responders: Arc<Mutex<HashMap<String, Responder>>>,
    draining: CancellationToken,
    responses: stream::BoxStream<'static, Item>,
}

/// Models named `decoupled` answer any number of times, `refused` is never taken.
fn call(errors_end: bool) -> Call {
    let (sender, mut receiver) = mpsc::channel(1024);
    let responders = Arc::new(Mutex::new(HashMap::new()));
    let held = Arc::clone(&responders);
    let start = move |message: ModelInferRequest| {
        let asked = AskedOnStream {
            id: message.id.clone(),
            model_name: message.model_name.clone(),
            model_version: message.model_version,
            asked: Asked {
                empty_final_response: message.id.starts_with("empty"),
                ..Asked::default()
            },
            record: None,
            trace: None,
        };
        let (responder, answer) = match message.model_name.as_str() {
            "refused" => {
                return Answer::One(Single::refused(
                    AskedOnStream { id: message.id, ..AskedOnStream::default() },
                    Error::not_found("no such model"),
                ));
            }
            "decoupled" => {
                let (responder, replies) = stream_reply();
                (responder, Answer::Many { replies, asked })
            }
            _ => {
                let (responder, reply) = unary_reply();
                (responder, Answer::One(Single::awaited(reply, asked)))
            }
        };
        held.lock().unwrap().insert(message.id, responder);
        answer
    };
    let draining = CancellationToken::new();
    let requests = stream::poll_fn(move |context| receiver.poll_recv(context));
    let responses =
        InferStream::new(requests, start, draining.clone().cancelled_owned(), errors_end);
    Call { requests: Some(sender), responders, draining, responses: responses.boxed() }
}

impl Call {
    fn send(&self, model: &str, id: &str) {
        let message =
            ModelInferRequest { model_name: model.into(), id: id.into(), ..Default::default() };
        self.requests.as_ref().unwrap().try_send(Ok(message)).unwrap();
    }

    /// What is there now; `None` if the call waits.
    fn next(&mut self) -> Option<Option<Item>> {
        self.responses.next().now_or_never()
    }

    /// The response that is there now: its error, its id, and whether it is the last.
    fn response(&mut self) -> (String, String, Option<bool>) {
        let response = self
            .next()
            .expect("a response is there")
            .expect("the call goes on")
            .expect("no status");
        let message = response.infer_response.expect("every response is about a request");
        let last = message
            .parameters
            .get(FINAL_RESPONSE)
            .map(|parameter| parameter.parameter_choice == Some(ParameterChoice::BoolParam(true)));
        (response.error_message, message.id, last)
    }

    fn responder(&self, id: &str) -> Responder {
        self.responders.lock().unwrap()[id].clone()
    }

    fn answer(&self, id: &str, last: bool) {
        self.responder(id).send(Ok(response(id)), last).unwrap();
    }

    fn finish_requests(&mut self) {
        self.requests = None;
    }
}

fn response(id: &str) -> InferResponse {
    InferResponse {
        model_name: "m".into(),
        model_version: 1,
        id: id.to_owned(),
        parameters: Vec::new(),
        outputs: Vec::new(),
    }
}

fn good(id: &str, last: bool) -> (String, String, Option<bool>) {
    (String::new(), id.to_owned(), Some(last))
}

#[test]
fn responses_leave_in_the_order_of_their_requests() {
    let mut call = call(false);
    call.send("m", "1");
    call.send("refused", "2");
    call.send("m", "3");
    assert!(call.next().is_none());
    call.answer("3", true);
    assert!(call.next().is_none(), "3 overtook 1");
    call.answer("1", true);
    assert_eq!(call.response(), good("1", true));
    assert_eq!(call.response(), ("no such model".into(), "2".into(), None));
    assert_eq!(call.response(), good("3", true));
    assert!(call.next().is_none());
    call.finish_requests();
    assert!(matches!(call.next(), Some(None)));
}

#[test]
fn decoupled_responses_leave_as_they_come() {
    let mut call = call(false);
    call.send("m", "slow");
    call.send("decoupled", "d");
    call.send("decoupled", "empty");
    assert!(call.next().is_none());
    call.answer("d", false);
    call.answer("empty", false);
    call.answer("d", false);
    assert_eq!(call.response(), good("d", false));
    assert_eq!(call.response(), good("empty", false), "one request held up another");
    assert_eq!(call.response(), good("d", false));
    call.responder("d").finish().unwrap();
    assert!(call.next().is_none(), "an empty final response was not asked for");
    call.responder("empty").finish().unwrap();
    assert_eq!(call.response(), good("empty", true));
    call.finish_requests();
    assert!(call.next().is_none(), "a request is in flight");
    call.answer("slow", true);
    assert_eq!(call.response(), good("slow", true));
    assert!(matches!(call.next(), Some(None)));
}

#[test]
fn errors_are_responses_unless_the_client_wants_a_status() {
    for errors_end in [false, true] {
        let mut call = call(errors_end);
        call.send("m", "1");
        call.send("m", "2");
        assert!(call.next().is_none());
        call.responder("1").fail(Error::unavailable("overloaded"));
        if errors_end {
            let status = call.next().unwrap().unwrap().unwrap_err();
            assert_eq!((status.code(), status.message()), (tonic::Code::Unavailable, "overloaded"));
            assert!(matches!(call.next(), Some(None)));
            assert!(call.responder("2").is_cancelled());
        } else {
            assert_eq!(call.response(), ("overloaded".into(), "1".into(), Some(true)));
            assert!(call.next().is_none());
        }
    }
}

#[test]
fn what_a_model_drops_is_answered() {
    let mut call = call(false);
    call.send("decoupled", "d");
    assert!(call.next().is_none());
    call.responders.lock().unwrap().clear();
    let (error, id, last) = call.response();
    assert!(!error.is_empty());
    assert_eq!((id.as_str(), last), ("d", Some(true)));
}

#[test]
fn a_slow_reader_is_told_of_the_overrun() {
    let mut call = call(false);
    call.send("decoupled", "d");
    assert!(call.next().is_none());
    let responder = call.responder("d");
    call.responders.lock().unwrap().clear();
    let sent = (0..100_000).take_while(|_| {
        responder.send(Ok(response("d")), false).unwrap();
        !responder.is_cancelled()
    });
    let sent = sent.count();
    assert!(sent < 10_000, "nothing bounds the responses that wait");
    drop(responder);
    for _ in 0..sent {
        assert_eq!(call.response(), good("d", false));
    }
    let (error, id, last) = call.response();
    assert_eq!((error.as_str(), id.as_str(), last), (overrun().message(), "d", Some(true)));
}

#[test]
fn in_flight_requests_are_bounded() {
    let mut call = call(false);
    for id in 0..MAX_IN_FLIGHT + 1 {
        call.send("m", &id.to_string());
    }
    assert!(call.next().is_none());
    assert_eq!(call.responders.lock().unwrap().len(), MAX_IN_FLIGHT);
    call.answer("0", true);
    assert_eq!(call.response(), good("0", true));
    assert!(call.next().is_none());
    assert_eq!(call.responders.lock().unwrap().len(), MAX_IN_FLIGHT + 1);
}

#[test]
fn dropping_the_call_cancels_its_requests() {
    let mut call = call(false);
    call.send("m", "1");
    call.send("decoupled", "2");
    assert!(call.next().is_none());
    let responders = [call.responder("1"), call.responder("2")];
    drop(call);
    assert!(responders.iter().all(Responder::is_cancelled));
}

#[test]
fn a_broken_request_ends_the_call() {
    let mut call = call(false);
    call.send("m", "1");
    assert!(call.next().is_none());
    call.requests
        .as_ref()
        .unwrap()
        .try_send(Err(Status::internal("Unable to parse request")))
        .unwrap();
    assert_eq!(call.next().unwrap().unwrap().unwrap_err().code(), tonic::Code::Internal);
    assert!(matches!(call.next(), Some(None)));
}

#[test]
fn shutting_down_answers_what_is_in_flight_and_ends_the_call() {
    let mut call = call(false);
    call.send("m", "1");
    assert!(call.next().is_none());
    call.draining.cancel();
    call.send("m", "2");
    assert!(call.next().is_none(), "1 is in flight");
    call.answer("1", true);
    assert_eq!(call.response(), good("1", true));
    let status = call.next().unwrap().unwrap().unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(matches!(call.next(), Some(None)));
    assert_eq!(call.responders.lock().unwrap().len(), 1, "2 was read");
}

#[test]
fn an_error_that_is_there_at_once_names_only_the_request() {
    let (responder, reply) = unary_reply();
    responder.fail(Error::new(ErrorCode::InvalidArgument, "wrong shape"));
    let asked =
        AskedOnStream { id: "x".into(), model_name: "m".into(), ..AskedOnStream::default() };
    assert!(Single::awaited(reply, asked).refused);
}
