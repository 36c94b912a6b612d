//! What backends report of responses and memory, and the implicit state that there is not.

use super::{
    CONFIG,
    calls::{RequestHandle, batch, factory, object, release, result},
    instance, requests,
};
use crate::BackendTable;
use hippocamp_backend_abi::*;
use hippocamp_telemetry::{DurationCount, MemoryUsage};
use std::ptr;

/// Sets the points of one response and reports it.
fn report(
    statistics: *mut TRITONBACKEND_ModelInstanceResponseStatistics,
    [start, output, end]: [u64; 3],
    error: *mut TRITONSERVER_Error,
) -> Result<(), String> {
    // SAFETY: live statistics; the error stays ours.
    result(unsafe {
        TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(statistics, start)
    })?;
    // SAFETY: as above.
    result(unsafe {
        TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(statistics, output)
    })?;
    // SAFETY: as above.
    result(unsafe {
        TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(statistics, end)
    })?;
    // SAFETY: as above.
    result(unsafe { TRITONBACKEND_ModelInstanceResponseStatisticsSetError(statistics, error) })?;
    // SAFETY: as above.
    result(unsafe { TRITONBACKEND_ModelInstanceReportResponseStatistics(statistics) })
}

fn stream(
    instance: *mut TRITONBACKEND_ModelInstance,
    request: RequestHandle,
) -> Result<(), String> {
    let mut statistics = ptr::null_mut();
    // SAFETY: a place for the result.
    result(unsafe { TRITONBACKEND_ModelInstanceResponseStatisticsNew(&raw mut statistics) })?;
    let early = report(statistics, [1, 2, 3], ptr::null_mut()).unwrap_err();
    assert!(early.contains("no model instance"), "{early}");
    // SAFETY: both are live.
    result(unsafe {
        TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(statistics, instance)
    })?;
    let early = report(statistics, [1, 2, 3], ptr::null_mut()).unwrap_err();
    assert!(early.contains("no response factory"), "{early}");
    let factory = factory(request)?;
    // SAFETY: both are live.
    result(unsafe {
        TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(statistics, factory)
    })?;
    report(statistics, [10, 30, 35], ptr::null_mut())?;
    let error = object(Err("bad".to_owned()));
    report(statistics, [10, 20, 25], error)?;
    // SAFETY: still ours, deleted once.
    unsafe { TRITONSERVER_ErrorDelete(error) };
    report(statistics, [40, 0, 41], ptr::null_mut())?;
    report(statistics, [9, 8, 7], ptr::null_mut()).unwrap_err();
    // SAFETY: live and ours.
    result(unsafe { TRITONBACKEND_ResponseFactorySendFlags(factory, RESPONSE_COMPLETE_FINAL) })?;
    release(request)?;
    // SAFETY: live and ours.
    result(unsafe { TRITONBACKEND_ResponseFactoryDelete(factory) })?;
    let late = report(statistics, [1, 2, 3], ptr::null_mut()).unwrap_err();
    assert!(late.contains("or it is gone"), "{late}");
    // SAFETY: ours, deleted once.
    result(unsafe { TRITONBACKEND_ModelInstanceResponseStatisticsDelete(statistics) })?;
    use_memory(instance)
}

/// Reports 100 bytes for the model, then 30 for the instance.
fn use_memory(instance: *mut TRITONBACKEND_ModelInstance) -> Result<(), String> {
    let (mut model, mut attributes) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: a live instance.
    result(unsafe { TRITONBACKEND_ModelInstanceModel(instance, &raw mut model) })?;
    // SAFETY: a place for the result.
    result(unsafe { TRITONSERVER_BufferAttributesNew(&raw mut attributes) })?;
    // SAFETY: live attributes.
    result(unsafe { TRITONSERVER_BufferAttributesSetByteSize(attributes, 100) })?;
    let mut usage = [attributes];
    // SAFETY: a live model and one live object.
    result(unsafe { TRITONBACKEND_ModelReportMemoryUsage(model, usage.as_mut_ptr(), 1) })?;
    // SAFETY: live attributes.
    result(unsafe { TRITONSERVER_BufferAttributesSetByteSize(attributes, 30) })?;
    // SAFETY: a live instance and one live object.
    result(unsafe {
        TRITONBACKEND_ModelInstanceReportMemoryUsage(instance, usage.as_mut_ptr(), 1)
    })?;
    let kind = TRITONSERVER_MemoryType(9);
    // SAFETY: live attributes.
    result(unsafe { TRITONSERVER_BufferAttributesSetMemoryType(attributes, kind) })?;
    // SAFETY: a live model and one live object.
    result(unsafe { TRITONBACKEND_ModelReportMemoryUsage(model, usage.as_mut_ptr(), 1) })
        .unwrap_err();
    // SAFETY: a live model; the bound is met before the array is read.
    result(unsafe { TRITONBACKEND_ModelReportMemoryUsage(model, usage.as_mut_ptr(), 1025) })
        .unwrap_err();
    // SAFETY: ours, deleted once.
    result(unsafe { TRITONSERVER_BufferAttributesDelete(attributes) })
}

unsafe extern "C" fn execute(
    instance: *mut TRITONBACKEND_ModelInstance,
    requests: *mut *mut TRITONBACKEND_Request,
    count: u32,
) -> *mut TRITONSERVER_Error {
    // SAFETY: the host's arguments.
    let requests = unsafe { batch(requests, count) };
    object(requests.iter().try_for_each(|&request| stream(instance, request)))
}

#[test]
fn responses_and_memory_are_counted() {
    let table = BackendTable { model_instance_execute: Some(execute), ..BackendTable::default() };
    let config = format!("{CONFIG} model_transaction_policy {{ decoupled: true }}");
    let (mut instance, statistics) = instance(table, &config);
    let (batch, replies) = requests(2);
    instance.execute(batch);
    for replies in replies {
        let replies = replies.0.lock().unwrap();
        assert!(replies[0].response.is_none() && replies[0].last, "{replies:?}");
    }
    let report = statistics.report();
    let of = |count, ns| DurationCount { count, ns };
    let [first, second, third] = report.responses.as_slice() else {
        panic!("{:?}", report.responses)
    };
    assert_eq!(
        (first.success, first.compute_infer, first.compute_output),
        (of(2, 50), of(2, 40), of(2, 10))
    );
    assert_eq!((second.success, second.fail), (of(0, 0), of(2, 30)));
    assert_eq!((third.success, third.empty_response), (of(0, 0), of(2, 2)));
    assert_eq!(report.memory_usage, [MemoryUsage { kind: "CPU", id: 0, byte_size: 130 }]);
}

#[test]
fn there_is_no_implicit_state_yet() {
    unsafe extern "C" fn ask(
        _: *mut TRITONBACKEND_ModelInstance,
        requests: *mut *mut TRITONBACKEND_Request,
        count: u32,
    ) -> *mut TRITONSERVER_Error {
        // SAFETY: the host's arguments.
        let requests = unsafe { batch(requests, count) };
        let (mut state, mut buffer) = (ptr::dangling_mut(), ptr::dangling_mut());
        let mut attributes = ptr::dangling_mut();
        let (shape, mut memory, mut id) = ([1_i64], TRITONSERVER_MemoryType::CPU, 0);
        // SAFETY: a live request, a C string, a shape of one dimension.
        let made = result(unsafe {
            TRITONBACKEND_StateNew(
                &raw mut state,
                requests[0],
                c"S".as_ptr(),
                TRITONSERVER_DataType::INT32,
                shape.as_ptr(),
                1,
            )
        });
        assert!(state.is_null());
        let others = [
            // SAFETY: there is no state; places for the results.
            result(unsafe {
                TRITONBACKEND_StateBuffer(state, &raw mut buffer, 4, &raw mut memory, &raw mut id)
            }),
            // SAFETY: as above.
            result(unsafe { TRITONBACKEND_StateBufferAttributes(state, &raw mut attributes) }),
            // SAFETY: as above.
            result(unsafe { TRITONBACKEND_StateUpdate(state) }),
        ];
        assert!(others.iter().all(Result::is_err) && buffer.is_null() && attributes.is_null());
        object(made)
    }
    let table = BackendTable { model_instance_execute: Some(ask), ..BackendTable::default() };
    let (mut instance, _) = instance(table, CONFIG);
    let (batch, replies) = requests(1);
    instance.execute(batch);
    assert_eq!(
        replies[0].only().unwrap_err().message(),
        "[request id: request 0] state 'S': implicit state needs sequence batching, which this server does not have yet"
    );
}
