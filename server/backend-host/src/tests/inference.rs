//! Requests that backends make of their server, from the setters to the release callback.

use super::{
    calls::result,
    client::{Client, Memory, Seen, add_input, append, infer},
    fake::Fake,
};
use crate::{handles::Handle, server::ServerObject};
use hippocamp_backend_abi::*;
use hippocamp_types::{CorrelationId, ErrorCode, Parameter, SequenceFlags};
use std::{ptr, sync::Arc, time::Duration};

const LAST: u32 = RESPONSE_COMPLETE_FINAL;

#[test]
fn everything_that_was_set_reaches_the_server() {
    let (fake, client) = (Arc::new(Fake::default()), Client::default());
    let server = fake.server();
    let (request, _allocator) = client.request(&server, c"held");
    add_input(request, c"X", &[1, 2, 3]).unwrap();
    let check = |error| result(error).unwrap();
    // SAFETY: a live request and C strings.
    check(unsafe { TRITONSERVER_InferenceRequestSetId(request, c"id".as_ptr()) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestSetFlags(request, REQUEST_FLAG_SEQUENCE_END) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestSetCorrelationId(request, 7) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(request, 9) });
    // SAFETY: as above.
    check(unsafe {
        TRITONSERVER_InferenceRequestSetStringParameter(request, c"s".as_ptr(), c"t".as_ptr())
    });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestSetIntParameter(request, c"i".as_ptr(), -1) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestSetBoolParameter(request, c"b".as_ptr(), true) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestSetDoubleParameter(request, c"d".as_ptr(), 0.5) });
    // SAFETY: as above.
    check(unsafe { TRITONSERVER_InferenceRequestAddRequestedOutput(request, c"Y".as_ptr()) });
    infer(&server, request).unwrap();
    let seen = fake.held.lock().unwrap().pop().unwrap();
    assert_eq!(seen.id, "id");
    assert_eq!(seen.sequence, SequenceFlags { start: false, end: true });
    assert_eq!(seen.correlation_id, CorrelationId::Number(7));
    assert_eq!(seen.timeout, Some(Duration::from_micros(9)));
    assert_eq!(seen.received.as_nanos(), 17);
    assert_eq!(seen.outputs, ["Y"]);
    let parameter = |name: &str, value| (name.to_owned(), value);
    assert_eq!(
        seen.parameters,
        [
            parameter("s", Parameter::String("t".to_owned())),
            parameter("i", Parameter::Int(-1)),
            parameter("b", Parameter::Bool(true)),
            parameter("d", Parameter::Double(0.5)),
        ]
    );
    assert_eq!((seen.inputs[0].name.as_str(), seen.inputs[0].shape.dims()), ("X", [3].as_slice()));
    let bytes: Vec<u8> = [1_i32, 2, 3].into_iter().flat_map(i32::to_le_bytes).collect();
    assert_eq!(seen.inputs[0].data, bytes);
    drop(seen);
    // Nobody answered it: an error says so, and the request is ours again.
    let text = "the request was dropped without an answer".to_owned();
    let code = ErrorCode::Internal as u32;
    assert_eq!(*client.seen.lock().unwrap(), [Seen::Error { flags: LAST, code, text }]);
    assert_eq!(client.counts(), (0, 0, 1));
}

#[test]
fn outputs_lie_in_memory_of_the_callers_allocator() {
    let (fake, client) = (Arc::new(Fake::default()), Client::default());
    let server = fake.server();
    let (request, _allocator) = client.request(&server, c"echo");
    add_input(request, c"X", &[5, -6]).unwrap();
    // SAFETY: a live request and a C string.
    result(unsafe {
        TRITONSERVER_InferenceRequestSetCorrelationIdString(request, c"sequence".as_ptr())
    })
    .unwrap();
    // SAFETY: a live request and C strings.
    result(unsafe {
        TRITONSERVER_InferenceRequestSetStringParameter(request, c"p".as_ptr(), c"q".as_ptr())
    })
    .unwrap();
    infer(&server, request).unwrap();
    let data = [5_i32.to_le_bytes(), (-6_i32).to_le_bytes()].concat();
    let datatype = TRITONSERVER_DataType::INT32.0;
    let outputs = vec![("X".to_owned(), datatype, vec![2], data)];
    let parameters = vec!["p".to_owned()];
    assert_eq!(*client.seen.lock().unwrap(), [Seen::Outputs { flags: LAST, outputs, parameters }]);
    assert_eq!(client.counts(), (1, 1, 1));
    assert_eq!(client.begun.into_inner(), 1);
}

#[test]
fn a_decoupled_model_answers_as_often_as_it_likes() {
    let (fake, client) = (Arc::new(Fake::default()), Client::default());
    let server = fake.server();
    let (request, _allocator) = client.request(&server, c"streams");
    infer(&server, request).unwrap();
    let code = ErrorCode::Internal as u32;
    assert_eq!(
        *client.seen.lock().unwrap(),
        [
            Seen::Outputs { flags: 0, outputs: Vec::new(), parameters: Vec::new() },
            Seen::Error { flags: 0, code, text: "one was bad".to_owned() },
            Seen::End { flags: LAST },
        ]
    );
    assert_eq!(client.counts(), (0, 0, 1));
}

#[test]
fn refusals_come_as_responses() {
    let (fake, client) = (Arc::new(Fake::default()), Client::default());
    let server = fake.server();
    let (request, _allocator) = client.request(&server, c"refuses");
    infer(&server, request).unwrap();
    let (code, text) = (ErrorCode::Unavailable as u32, "come back later".to_owned());
    assert_eq!(*client.seen.lock().unwrap(), [Seen::Error { flags: LAST, code, text }]);
    assert_eq!(client.counts(), (0, 0, 1));
}

#[test]
fn a_request_that_the_server_holds_is_not_the_callers() {
    let (fake, client) = (Arc::new(Fake::default()), Client::default());
    let server = fake.server();
    let (request, _allocator) = client.request(&server, c"held");
    infer(&server, request).unwrap();
    let refused = [
        infer(&server, request),
        add_input(request, c"X", &[1]),
        // SAFETY: a live request.
        result(unsafe { TRITONSERVER_InferenceRequestSetFlags(request, 0) }),
        // SAFETY: as above; it is not deleted.
        result(unsafe { TRITONSERVER_InferenceRequestDelete(request) }),
    ];
    for error in refused.map(Result::unwrap_err) {
        assert!(error.starts_with("the inference request is being executed"), "{error}");
    }
    let held = fake.held.lock().unwrap().pop().unwrap();
    assert!(!held.responder.is_cancelled());
    // SAFETY: a live request.
    result(unsafe { TRITONSERVER_InferenceRequestCancel(request) }).unwrap();
    assert!(held.responder.is_cancelled());
    drop(held);
    assert_eq!(client.counts(), (0, 0, 1));
}

#[test]
fn memory_that_is_not_there_is_an_error_response() {
    let check = |memory, code: ErrorCode, expect: &str, buffers| {
        let (fake, client) = (Arc::new(Fake::default()), Client { memory, ..Client::default() });
        let server = fake.server();
        let (request, _allocator) = client.request(&server, c"echo");
        add_input(request, c"X", &[5]).unwrap();
        infer(&server, request).unwrap();
        let error = Seen::Error { flags: LAST, code: code as u32, text: expect.to_owned() };
        assert_eq!(*client.seen.lock().unwrap(), [error]);
        assert_eq!(client.counts(), (buffers, buffers, 1), "{memory:?}");
    };
    check(Memory::Fails, ErrorCode::Unavailable, "out of memory", 0);
    check(
        Memory::Null,
        ErrorCode::Internal,
        "output 'X' has 4 bytes, but no buffer was allocated for it",
        0,
    );
    check(
        Memory::Gpu,
        ErrorCode::Unsupported,
        "output 'X' lies in CPU memory, but its buffer was allocated in GPU memory",
        1,
    );
}

#[test]
fn what_is_incomplete_or_wrong_is_refused_and_stays_the_callers() {
    let fake = Arc::new(Fake::default());
    let server = fake.server();
    let mut request = ptr::null_mut();
    let mut new = |model: *const _, version| {
        // SAFETY: a live server, and a C string or null.
        result(unsafe {
            TRITONSERVER_InferenceRequestNew(&raw mut request, server.as_raw(), model, version)
        })
    };
    assert_eq!(new(c"none".as_ptr(), -1).unwrap_err(), "no none");
    assert_eq!(new(c"echo".as_ptr(), 2).unwrap_err(), "no echo");
    assert_eq!(
        new(c"echo".as_ptr(), -2).unwrap_err(),
        "a model version is -1 or not negative, got -2"
    );
    assert_eq!(new(ptr::null(), -1).unwrap_err(), "a text was nullptr");
    new(c"echo".as_ptr(), 1).unwrap();
    let missing = "the inference request has no release callback: set one first";
    assert_eq!(infer(&server, request).unwrap_err(), missing);
    // SAFETY: a live request.
    let error = result(unsafe {
        TRITONSERVER_InferenceRequestSetReleaseCallback(request, None, ptr::null_mut())
    });
    assert_eq!(error.unwrap_err(), "the release function was nullptr");
    // SAFETY: a live request; null stands for what is missing.
    let error = result(unsafe {
        TRITONSERVER_InferenceRequestSetResponseCallback(
            request,
            ptr::null_mut(),
            ptr::null_mut(),
            None,
            ptr::null_mut(),
        )
    });
    assert_eq!(error.unwrap_err(), "the response function was nullptr");
    let mut allocator = ptr::null_mut();
    // SAFETY: null stands for what is missing.
    let error =
        result(unsafe { TRITONSERVER_ResponseAllocatorNew(&raw mut allocator, None, None, None) });
    assert_eq!(error.unwrap_err(), "the allocation function was nullptr");
    add_input(request, c"X", &[1]).unwrap();
    assert_eq!(add_input(request, c"X", &[1]).unwrap_err(), "input 'X' already exists in request");
    assert_eq!(
        append(request, c"Y", &[1], TRITONSERVER_MemoryType::CPU).unwrap_err(),
        "input 'Y' does not exist in request: add it first"
    );
    let error = append(request, c"X", &[1], TRITONSERVER_MemoryType::GPU).unwrap_err();
    assert!(error.contains("must lie in CPU memory"), "{error}");
    let shape = [1; 65];
    for (datatype, rank) in [(0, 1), (15, 1), (8, 65)] {
        // SAFETY: a live request, a C string, a shape of that many dimensions.
        let error = result(unsafe {
            TRITONSERVER_InferenceRequestAddInput(
                request,
                c"Z".as_ptr(),
                TRITONSERVER_DataType(datatype),
                shape.as_ptr(),
                rank,
            )
        });
        assert!(error.unwrap_err().starts_with("input 'Z'"));
    }
    // SAFETY: still ours, deleted once; then null, which is no error.
    result(unsafe { TRITONSERVER_InferenceRequestDelete(request) }).unwrap();
    // SAFETY: as above.
    result(unsafe { TRITONSERVER_InferenceRequestDelete(ptr::null_mut()) }).unwrap();
}

#[test]
fn a_server_that_is_gone_is_unavailable() {
    let fake = Arc::new(Fake::default());
    let server = fake.server();
    drop(fake);
    for server in [server, Arc::new(Handle::new(ServerObject::default()))] {
        let mut ready = true;
        // SAFETY: a live handle.
        let error = result(unsafe {
            TRITONSERVER_ServerModelIsReady(server.as_raw(), c"echo".as_ptr(), -1, &raw mut ready)
        });
        assert!(error.unwrap_err().starts_with("there is no server behind this handle"));
    }
}
