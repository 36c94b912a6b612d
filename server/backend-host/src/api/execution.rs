//! The figures that a backend reports about requests and batches, and the server's log.

use crate::{
    handles::{Arg, Text, guard},
    instance::InstanceObject,
    request::RequestObject,
};
use hippocamp_backend_abi::{TRITONSERVER_Error, TRITONSERVER_LogLevel};
use hippocamp_telemetry::ExecutionTimes;
use hippocamp_types::{Error, Timestamp};
use std::ffi::c_int;

/// Before the request is released, which stays the backend's. Failures are counted where their
/// answers leave; here they are only accepted.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceReportStatistics(
    instance: Arg<InstanceObject>,
    request: Arg<RequestObject>,
    success: bool,
    exec_start_ns: u64,
    compute_start_ns: u64,
    compute_end_ns: u64,
    exec_end_ns: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let instance = instance.get()?;
        request.get()?.with(|request| {
            let times = times(exec_start_ns, compute_start_ns, compute_end_ns, exec_end_ns);
            if let Some(trace) = &request.trace {
                trace.computed(&times);
            }
            if success {
                instance.report_success(request, times);
            }
            Ok(())
        })
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceReportBatchStatistics(
    instance: Arg<InstanceObject>,
    batch_size: u64,
    exec_start_ns: u64,
    compute_start_ns: u64,
    compute_end_ns: u64,
    exec_end_ns: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let batch_size = usize::try_from(batch_size)
            .map_err(|_large| Error::invalid("the batch size is too large"))?;
        let times = times(exec_start_ns, compute_start_ns, compute_end_ns, exec_end_ns);
        instance.get()?.report_batch(batch_size, times);
        Ok(())
    })
}

fn times(exec_start: u64, compute_start: u64, compute_end: u64, exec_end: u64) -> ExecutionTimes {
    ExecutionTimes {
        exec_start: Timestamp::from_nanos(exec_start),
        compute_start: Timestamp::from_nanos(compute_start),
        compute_end: Timestamp::from_nanos(compute_end),
        exec_end: Timestamp::from_nanos(exec_end),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_LogIsEnabled(level: TRITONSERVER_LogLevel) -> bool {
    match level {
        TRITONSERVER_LogLevel::INFO => tracing::enabled!(target: "backend", tracing::Level::INFO),
        TRITONSERVER_LogLevel::WARN => tracing::enabled!(target: "backend", tracing::Level::WARN),
        TRITONSERVER_LogLevel::ERROR => tracing::enabled!(target: "backend", tracing::Level::ERROR),
        TRITONSERVER_LogLevel::VERBOSE => {
            tracing::enabled!(target: "backend", tracing::Level::DEBUG)
        }
        _ => false,
    }
}

/// The texts stay the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONSERVER_LogMessage(
    level: TRITONSERVER_LogLevel,
    filename: Text,
    line: c_int,
    message: Text,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let (file, message) = (filename.or_empty(), message.get()?);
        match level {
            TRITONSERVER_LogLevel::INFO => {
                tracing::info!(target: "backend", file, line, "{message}")
            }
            TRITONSERVER_LogLevel::WARN => {
                tracing::warn!(target: "backend", file, line, "{message}")
            }
            TRITONSERVER_LogLevel::ERROR => {
                tracing::error!(target: "backend", file, line, "{message}")
            }
            TRITONSERVER_LogLevel::VERBOSE => {
                tracing::debug!(target: "backend", file, line, "{message}")
            }
            unknown => return Err(Error::invalid(format!("there is no log level {}", unknown.0))),
        }
        Ok(())
    })
}
