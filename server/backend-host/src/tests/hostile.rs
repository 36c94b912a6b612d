//! What a backend may do wrong with its requests.

use super::{
    CONFIG,
    calls::{
        RequestHandle, add_output, answer, batch, factory, object, release, response, result, send,
    },
    instance, request, requests, spec,
};
use crate::{in_flight::InFlight, instance::ServingModel, request::LiveRequest};
use hippocamp_backend_abi::*;
use hippocamp_config::{ModelConfig, finish};
use hippocamp_types::{Error, ErrorCode, MonotonicClock};
use std::{
    ptr,
    sync::{Arc, Mutex},
    thread,
};

/// How a backend executes.
trait Behaviour: 'static {
    fn execute(requests: &[RequestHandle]) -> Result<(), String>;
}

unsafe extern "C" fn execute<B: Behaviour>(
    _instance: *mut TRITONBACKEND_ModelInstance,
    requests: *mut *mut TRITONBACKEND_Request,
    count: u32,
) -> *mut TRITONSERVER_Error {
    // SAFETY: the host's arguments.
    object(B::execute(unsafe { batch(requests, count) }))
}

fn table<B: Behaviour>() -> BackendTable {
    BackendTable { model_instance_execute: Some(execute::<B>), ..BackendTable::default() }
}

/// Declares a backend by the body of its execution.
macro_rules! behaviour {
    ($name:ident, |$requests:ident| $body:expr) => {
        struct $name;
        impl Behaviour for $name {
            fn execute($requests: &[RequestHandle]) -> Result<(), String> {
                $body
            }
        }
    };
}

/// Executes three requests: code and text of the answer that each of them gets, `None` for success.
fn outcomes<B: Behaviour>() -> Vec<Option<(ErrorCode, String)>> {
    let (mut instance, _) = instance(table::<B>(), CONFIG);
    let (batch, replies) = requests(3);
    instance.execute(batch);
    drop(instance);
    replies
        .iter()
        .map(|replies| replies.only().err().map(|error| (error.code(), error.message().to_owned())))
        .collect()
}

fn unanswered() -> Option<(ErrorCode, String)> {
    Some((ErrorCode::Internal, "the request was dropped without an answer".to_owned()))
}

#[test]
fn an_error_of_execute_answers_every_request() {
    behaviour!(Refuses, |_requests| Err("not today".to_owned()));
    assert_eq!(
        outcomes::<Refuses>(),
        vec![Some((ErrorCode::Unavailable, "not today".to_owned())); 3]
    );
}

#[test]
fn an_error_after_an_answer_answers_the_others() {
    behaviour!(Breaks, |requests| {
        answer(requests[1])?;
        Err("broken".to_owned())
    });
    let broken = || Some((ErrorCode::Unavailable, "broken".to_owned()));
    assert_eq!(outcomes::<Breaks>(), [broken(), None, broken()]);
}

#[test]
fn a_request_released_without_an_answer_is_internal() {
    behaviour!(Silent, |requests| requests.iter().try_for_each(|&request| release(request)));
    assert_eq!(outcomes::<Silent>(), [unanswered(), unanswered(), unanswered()]);
}

#[test]
fn a_response_that_is_deleted_answers_nothing() {
    behaviour!(Deletes, |requests| requests.iter().try_for_each(|&request| {
        let response = response(request)?;
        // SAFETY: live and ours.
        result(unsafe { TRITONBACKEND_ResponseDelete(response) })?;
        release(request)
    }));
    assert_eq!(outcomes::<Deletes>(), [unanswered(), unanswered(), unanswered()]);
}

#[test]
fn the_second_answer_is_an_error_of_the_backend() {
    static SECOND: Mutex<Vec<String>> = Mutex::new(Vec::new());
    behaviour!(Twice, |requests| requests.iter().try_for_each(|&request| {
        answer(request)?;
        SECOND.lock().unwrap().push(answer(request).unwrap_err());
        release(request)
    }));
    assert_eq!(outcomes::<Twice>(), [None, None, None]);
    assert_eq!(
        *SECOND.lock().unwrap(),
        ["model 'm' has sent the last response of this request already"; 3]
    );
}

#[test]
fn the_second_release_is_an_error_of_the_backend() {
    static SECOND: Mutex<Vec<String>> = Mutex::new(Vec::new());
    behaviour!(Releases, |requests| requests.iter().try_for_each(|&request| {
        answer(request)?;
        release(request)?;
        SECOND.lock().unwrap().push(release(request).unwrap_err());
        SECOND.lock().unwrap().push(answer(request).unwrap_err());
        Ok(())
    }));
    assert_eq!(outcomes::<Releases>(), [None, None, None]);
    assert_eq!(*SECOND.lock().unwrap(), ["the request was released already"; 6]);
}

#[test]
fn a_model_that_is_not_decoupled_sends_one_final_response() {
    static REFUSED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    behaviour!(Streams, |requests| requests.iter().try_for_each(|&request| {
        REFUSED.lock().unwrap().push(send(response(request)?, 0).unwrap_err());
        let factory = factory(request)?;
        // SAFETY: live and ours.
        let finished =
            unsafe { TRITONBACKEND_ResponseFactorySendFlags(factory, RESPONSE_COMPLETE_FINAL) };
        REFUSED.lock().unwrap().push(result(finished).unwrap_err());
        // SAFETY: live and ours.
        result(unsafe { TRITONBACKEND_ResponseFactoryDelete(factory) })?;
        release(request)
    }));
    assert_eq!(outcomes::<Streams>(), [unanswered(), unanswered(), unanswered()]);
    let refused = REFUSED.lock().unwrap();
    assert_eq!(refused.len(), 6);
    assert!(
        refused.iter().all(|text| text.starts_with("model 'm' is not decoupled")),
        "{refused:?}"
    );
}

#[test]
fn outputs_that_do_not_fill_their_shape_are_internal() {
    behaviour!(Short, |requests| requests.iter().try_for_each(|&request| {
        let response = response(request)?;
        add_output(response, c"OUT", 3)?;
        send(response, RESPONSE_COMPLETE_FINAL).unwrap_err();
        release(request)
    }));
    let text = "output 'OUT' of datatype INT32 and shape [1,1] does not fit its 3 bytes: 4 bytes were expected";
    assert_eq!(outcomes::<Short>(), vec![Some((ErrorCode::Internal, text.to_owned())); 3]);
}

#[test]
fn outputs_are_checked_when_they_are_added() {
    static REFUSED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    behaviour!(Wrong, |requests| requests.iter().try_for_each(|&request| {
        let response = response(request)?;
        let mut refused = REFUSED.lock().unwrap();
        refused.push(add_output(response, c"NONE", 4).unwrap_err());
        add_output(response, c"OUT", 4)?;
        refused.push(add_output(response, c"OUT", 4).unwrap_err());
        send(response, RESPONSE_COMPLETE_FINAL)?;
        release(request)
    }));
    assert_eq!(outcomes::<Wrong>(), [None, None, None]);
    let expect = [
        "unexpected inference output 'NONE' for model 'm'",
        "output 'OUT' was added to the response already",
    ];
    assert_eq!(REFUSED.lock().unwrap()[..2], expect);
}

#[test]
fn wrong_handles_are_errors() {
    behaviour!(Confused, |requests| requests.iter().try_for_each(|&request| {
        let mut id = ptr::null();
        // SAFETY: null is allowed to come.
        let text =
            result(unsafe { TRITONBACKEND_RequestId(ptr::null_mut(), &raw mut id) }).unwrap_err();
        assert_eq!(text, "request was nullptr");
        // SAFETY: null is allowed to come.
        let text =
            result(unsafe { TRITONBACKEND_RequestId(request, ptr::null_mut()) }).unwrap_err();
        assert_eq!(text, "the place for a result was nullptr");
        let mut name = ptr::null();
        // SAFETY: a live object of another kind, which the tag tells.
        let text =
            result(unsafe { TRITONBACKEND_ModelName(request.cast(), &raw mut name) }).unwrap_err();
        assert_eq!(
            text,
            "model is no live object of this server: it was freed or is of another kind"
        );
        answer(request)?;
        release(request)
    }));
    assert_eq!(outcomes::<Confused>(), [None, None, None]);
}

#[test]
fn a_panic_of_a_rust_backend_is_internal() {
    use hippocamp_backend::{
        Backend, BackendContext, Batch, Error, Instance, InstanceContext, Model, ModelContext,
    };
    struct Panics;
    impl Backend for Panics {
        type Model = Self;
        fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
            Ok(Self)
        }
        fn load(&self, _: &mut ModelContext<'_>) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    impl Model for Panics {
        type Instance = Self;
        fn instance(&self, _: &InstanceContext<'_>) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    impl Instance for Panics {
        fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
            panic!("on request {}", batch.requests().len());
        }
    }
    let (mut instance, statistics) = instance(hippocamp_backend::backend!(Panics), CONFIG);
    // The instance lives on.
    for _ in 0..2 {
        let (batch, replies) = requests(2);
        instance.execute(batch);
        for replies in replies {
            let error = replies.only().unwrap_err();
            assert_eq!(
                (error.code(), error.message()),
                (ErrorCode::Internal, "the backend panicked: on request 2")
            );
        }
    }
    let report = statistics.report();
    assert_eq!((report.success.count, report.execution_count), (0, 0));
}

#[test]
fn requests_that_never_come_back_are_answered_when_the_model_goes() {
    behaviour!(Keeps, |_requests| Ok(()));
    let unloaded = Some((
        ErrorCode::Unavailable,
        "the model was unloaded before the backend answered".to_owned(),
    ));
    assert_eq!(outcomes::<Keeps>(), [unloaded.clone(), unloaded.clone(), unloaded]);
}

#[test]
fn requests_whose_response_is_forgotten_are_answered_when_the_model_goes() {
    behaviour!(Leaks, |requests| {
        // Of the others the response, or the factory, is left behind.
        answer(requests[0])?;
        response(requests[1])?;
        factory(requests[2])?;
        requests.iter().try_for_each(|&request| release(request))
    });
    let unloaded = Some((
        ErrorCode::Unavailable,
        "the model was unloaded before the backend answered".to_owned(),
    ));
    assert_eq!(outcomes::<Leaks>(), [None, unloaded.clone(), unloaded]);
}

#[test]
fn requests_that_outlived_their_release_are_not_remembered_for_ever() {
    let in_flight = Arc::new(InFlight::default());
    let spec = spec(CONFIG);
    let config = Arc::new(ModelConfig::new(finish(spec.config, &[])).unwrap());
    let clock = Arc::new(MonotonicClock);
    let serving = Arc::new(ServingModel::new("m".into(), 1, config, spec.statistics, clock));
    for number in 0..1_000 {
        let (request, replies) = request(number);
        let live = LiveRequest::new(request, &serving, in_flight.ticket());
        let held = Arc::clone(&live.context);
        drop(live);
        // The last answer, after which nobody holds it.
        held.fail(Error::internal("late"));
        assert_eq!(replies.only().unwrap_err().message(), "late");
    }
    assert!(in_flight.remembered() <= 8, "{}", in_flight.remembered());
}

#[test]
fn a_factory_that_is_forgotten_keeps_no_instance_loaded() {
    static FINALIZED: Mutex<u32> = Mutex::new(0);
    unsafe extern "C" fn finalize(_: *mut TRITONBACKEND_ModelInstance) -> *mut TRITONSERVER_Error {
        *FINALIZED.lock().unwrap() += 1;
        object(Ok(()))
    }
    behaviour!(Forgets, |requests| requests.iter().try_for_each(|&request| {
        factory(request)?;
        answer(request)?;
        release(request)
    }));
    let table = BackendTable { model_instance_finalize: Some(finalize), ..table::<Forgets>() };
    let (mut instance, _) = instance(table, CONFIG);
    let (batch, replies) = requests(2);
    instance.execute(batch);
    assert!(replies.iter().all(|replies| replies.only().is_ok()));
    drop(instance);
    assert_eq!(*FINALIZED.lock().unwrap(), 1);
}

#[test]
fn a_factory_outlives_its_request_and_its_batch() {
    static THREADS: Mutex<Vec<thread::JoinHandle<()>>> = Mutex::new(Vec::new());
    behaviour!(Decoupled, |requests| requests.iter().try_for_each(|&request| {
        let factory = factory(request)? as usize;
        release(request)?;
        let sender = thread::spawn(move || {
            let factory = factory as *mut TRITONBACKEND_ResponseFactory;
            for _ in 0..3 {
                let mut response = ptr::null_mut();
                // SAFETY: live and ours.
                result(unsafe { TRITONBACKEND_ResponseNewFromFactory(&raw mut response, factory) })
                    .unwrap();
                add_output(response, c"OUT", 4).unwrap();
                send(response, 0).unwrap();
            }
            // SAFETY: live and ours.
            result(unsafe {
                TRITONBACKEND_ResponseFactorySendFlags(factory, RESPONSE_COMPLETE_FINAL)
            })
            .unwrap();
            // SAFETY: live and ours.
            result(unsafe { TRITONBACKEND_ResponseFactoryDelete(factory) }).unwrap();
        });
        THREADS.lock().unwrap().push(sender);
        Ok(())
    }));
    let config = format!("{CONFIG} model_transaction_policy {{ decoupled: true }}");
    let (mut instance, _) = instance(table::<Decoupled>(), &config);
    let (batch, replies) = requests(2);
    instance.execute(batch);
    for thread in THREADS.lock().unwrap().drain(..) {
        thread.join().unwrap();
    }
    for replies in replies {
        let replies = replies.0.lock().unwrap();
        let seen: Vec<_> =
            replies.iter().map(|reply| (reply.response.is_some(), reply.last)).collect();
        assert_eq!(seen, [(true, false), (true, false), (true, false), (false, true)]);
    }
}

#[test]
fn only_wanted_outputs_are_kept() {
    behaviour!(Generous, |requests| requests.iter().try_for_each(|&request| {
        let mut count = 0;
        // SAFETY: live.
        result(unsafe { TRITONBACKEND_RequestOutputCount(request, &raw mut count) })?;
        assert!(count == 1 || count == 2);
        let response = response(request)?;
        let buffer = add_output(response, c"MORE", 4)?;
        // SAFETY: 4 bytes to write.
        unsafe { buffer.cast::<i32>().write(7) };
        add_output(response, c"OUT", 4)?;
        send(response, RESPONSE_COMPLETE_FINAL)?;
        release(request)
    }));
    let (mut instance, _) = instance(table::<Generous>(), CONFIG);
    let (mut batch, replies) = requests(2);
    batch[1].outputs.push("MORE".to_owned());
    instance.execute(batch);
    let names = |index: usize| -> Vec<_> {
        let response = replies[index].only().unwrap();
        assert_eq!(response.id, format!("request {index}"));
        let more = response.outputs.iter().find(|output| output.name == "MORE").unwrap();
        assert_eq!(*more.data, 7_i32.to_le_bytes());
        assert_eq!(more.data.as_ptr().addr() % 64, 0);
        response.outputs.into_iter().map(|output| output.name).collect()
    };
    assert_eq!(names(0), ["MORE", "OUT"]);
    assert_eq!(names(1), ["MORE"]);
}
