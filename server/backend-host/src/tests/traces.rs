//! Traces in the hands of backends: that of a request, and those that they spawn from it.

use super::{
    CONFIG,
    calls::*,
    client::{Client, text},
    fake::Fake,
    instance, request,
};
use crate::{BackendTable, handles::Handle, trace::TraceObject};
use hippocamp_backend_abi::*;
use hippocamp_types::{
    RequestTrace, Timestamp, Trace, TraceContext, TraceId, TraceLevel, TraceSink, TracedRequest,
};
use std::{
    ffi::CStr,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Keeps what is over.
#[derive(Debug, Default)]
struct Recorder {
    ids: AtomicU64,
    finished: Mutex<Vec<TracedRequest>>,
}

impl TraceSink for Recorder {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000)
    }

    fn is_distributed(&self) -> bool {
        true
    }

    fn new_id(&self) -> TraceId {
        let id = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
        TraceId { id, span_id: id }
    }

    fn finished(&self, request: TracedRequest) {
        self.finished.lock().unwrap().push(request);
    }
}

fn trace(recorder: &Arc<Recorder>) -> RequestTrace {
    let context = TraceContext { trace_id: 7, span_id: 9, flags: 1, state: "a=b".to_owned() };
    let level = TraceLevel { timestamps: true, tensors: true };
    let sink = Arc::clone(recorder) as Arc<dyn TraceSink>;
    let trace = Trace::new(sink, level, context, None, "m");
    trace.started("m", 3, "the request", Timestamp::from_nanos(1));
    RequestTrace::new(trace)
}

/// What a getter of a string gives.
macro_rules! read {
    ($getter:ident($trace:expr)) => {{
        let mut got = ptr::null();
        // SAFETY: a live trace, or null, and a place for the result.
        result(unsafe { $getter($trace, &raw mut got) }).map(|()| text(got))
    }};
}

fn report(trace: *mut TRITONSERVER_InferenceTrace, at: u64, name: &CStr) -> Result<(), String> {
    // SAFETY: a live trace, or null, and a C string.
    result(unsafe { TRITONSERVER_InferenceTraceReportActivity(trace, at, name.as_ptr()) })
}

fn spawn(
    trace: *mut TRITONSERVER_InferenceTrace,
) -> Result<*mut TRITONSERVER_InferenceTrace, String> {
    let mut child = ptr::dangling_mut();
    // SAFETY: a live trace, or null, and a place for the result.
    result(unsafe { TRITONSERVER_InferenceTraceSpawnChildTrace(trace, &raw mut child) })?;
    Ok(child)
}

fn delete(trace: *mut TRITONSERVER_InferenceTrace) -> Result<(), String> {
    // SAFETY: a live trace; one that is not ours is refused.
    result(unsafe { TRITONSERVER_InferenceTraceDelete(trace) })
}

fn ids(trace: *mut TRITONSERVER_InferenceTrace) -> Result<(u64, u64, i64), String> {
    let (mut id, mut parent, mut version) = (0, 0, 0);
    // SAFETY: a live trace and a place for the result.
    result(unsafe { TRITONSERVER_InferenceTraceId(trace, &raw mut id) })?;
    // SAFETY: as above.
    result(unsafe { TRITONSERVER_InferenceTraceParentId(trace, &raw mut parent) })?;
    // SAFETY: as above.
    result(unsafe { TRITONSERVER_InferenceTraceModelVersion(trace, &raw mut version) })?;
    Ok((id, parent, version))
}

static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What a backend sees of its request's trace.
fn ask(request: RequestHandle) -> Result<Vec<String>, String> {
    let mut trace = ptr::null_mut();
    // SAFETY: a live request and a place for the result.
    result(unsafe { TRITONBACKEND_RequestTrace(request, &raw mut trace) })?;
    if trace.is_null() {
        return Ok(vec!["none".to_owned()]);
    }
    report(trace, 5, c"MINE")?;
    let child = spawn(trace)?;
    let mut told = vec![
        format!("{:?} {:?}", ids(trace)?, ids(child)?),
        read!(TRITONSERVER_InferenceTraceModelName(trace))?,
        read!(TRITONSERVER_InferenceTraceRequestId(trace))?,
        read!(TRITONSERVER_InferenceTraceContext(trace))?,
        delete(trace).unwrap_err(),
    ];
    // SAFETY: a live trace and a C string.
    result(unsafe { TRITONSERVER_InferenceTraceSetContext(child, c"{}".as_ptr()) })?;
    told.push(read!(TRITONSERVER_InferenceTraceContext(child))?);
    delete(child)?;
    Ok(told)
}

unsafe extern "C" fn execute(
    instance: *mut TRITONBACKEND_ModelInstance,
    requests: *mut RequestHandle,
    count: u32,
) -> *mut TRITONSERVER_Error {
    // SAFETY: as the host gives them.
    for &request in unsafe { batch(requests, count) } {
        let asked = ask(request).unwrap_or_else(|error| vec![error]);
        ASKED.lock().unwrap().extend(asked);
        let answered = answer(request);
        // SAFETY: live handles.
        let reported = result(unsafe {
            TRITONBACKEND_ModelInstanceReportStatistics(instance, request, true, 2, 3, 4, 6)
        });
        if let Err(error) = answered.and(reported).and_then(|()| release(request)) {
            return object(Err(error));
        }
    }
    ptr::null_mut()
}

#[test]
fn a_backend_reads_and_marks_the_trace_of_its_request() {
    let recorder = Arc::new(Recorder::default());
    let table = BackendTable { model_instance_execute: Some(execute), ..BackendTable::default() };
    let (mut instance, _statistics) = instance(table, CONFIG);
    let (untraced, _replies) = request(1);
    let (mut traced, replies) = request(2);
    traced.trace = Some(trace(&recorder));
    instance.execute(vec![untraced, traced]);
    replies.only().unwrap();
    assert_eq!(
        ASKED.lock().unwrap().as_slice(),
        [
            "none",
            "(1, 0, 3) (2, 1, 0)",
            "m",
            "the request",
            r#"{"traceparent":"00-00000000000000000000000000000007-0000000000000001-01","tracestate":"a=b"}"#,
            "the trace is its request's: spawn one to give to a request, and delete only that",
            "{}",
        ]
    );
    let finished = recorder.finished.lock().unwrap();
    let [TracedRequest { traces, .. }] = finished.as_slice() else { panic!("{finished:?}") };
    let [record] = traces.as_slice() else { panic!("a trace that nobody used: {traces:?}") };
    let marks: Vec<_> =
        record.marks.iter().map(|mark| (mark.name.as_str(), mark.at.as_nanos())).collect();
    assert_eq!(
        marks,
        [
            ("REQUEST_START", 1),
            ("MINE", 5),
            ("COMPUTE_START", 2),
            ("COMPUTE_INPUT_END", 3),
            ("COMPUTE_OUTPUT_START", 4),
            ("COMPUTE_END", 6),
            ("REQUEST_END", 1_000),
        ]
    );
    let [(activity, tensor)] = record.tensors.as_slice() else { panic!("{:?}", record.tensors) };
    assert_eq!((activity.name(), tensor.name.as_str()), ("TENSOR_BACKEND_OUTPUT", "OUT"));
}

#[test]
fn a_spawned_trace_goes_with_a_request() {
    let recorder = Arc::new(Recorder::default());
    let parent = Handle::new(TraceObject::new(trace(&recorder)));
    let (fake, client) = (Arc::new(Fake::default()), Client::default());
    let server = fake.server();
    let (request, _allocator) = client.request(&server, c"held");
    let infer = |request, trace| {
        // SAFETY: live handles; the trace is a live one of ours, or one that is refused.
        result(unsafe { TRITONSERVER_ServerInferAsync(server.as_raw(), request, trace) })
    };
    // The request's own trace is not ours to give.
    assert!(infer(request, parent.as_raw()).unwrap_err().contains("spawn one"));
    infer(request, spawn(parent.as_raw()).unwrap()).unwrap();
    let held = fake.held.lock().unwrap().pop().unwrap();
    let child = held.trace.as_ref().expect("it goes with the request");
    assert_eq!((child.id(), child.parent_id()), (2, 1));
    // A trace is the server's also where its request is refused.
    let lost = spawn(parent.as_raw()).unwrap();
    let error = infer(ptr::null_mut(), lost).unwrap_err();
    assert!(error.contains("inference_request was nullptr"), "{error}");
    drop(held);
    drop(parent);
    assert_eq!(recorder.finished.lock().unwrap().len(), 1, "nobody holds any of them");
}

#[test]
fn nothing_leads_to_nothing() {
    assert_eq!(report(ptr::null_mut(), 1, c"x"), Ok(()));
    assert_eq!(spawn(ptr::null_mut()), Ok(ptr::null_mut()));
    let error = read!(TRITONSERVER_InferenceTraceContext(ptr::null_mut())).unwrap_err();
    assert_eq!(error, "trace was nullptr");
    assert_eq!(delete(ptr::null_mut()).unwrap_err(), "trace was nullptr");
}
