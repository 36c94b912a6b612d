//! What a backend reports of single responses, and of the memory it uses.

use crate::{
    attributes::BufferAttributes,
    handles::{Arg, Array, Handle, Out, guard},
    instance::InstanceObject,
    message::ErrorObject,
    model::ModelObject,
    response::FactoryObject,
    response_statistics::ResponseStatisticsObject,
};
use hippocamp_backend_abi::{
    TRITONBACKEND_ModelInstanceResponseStatistics, TRITONSERVER_BufferAttributes,
    TRITONSERVER_Error, TRITONSERVER_MemoryType,
};
use hippocamp_telemetry::MemoryUsage;
use hippocamp_types::{Error, Timestamp};
use std::sync::Arc;

/// Bound of the buffers in one report of memory.
const MAX_BUFFERS: u32 = 1024;

/// The object is new and the backend's; it may report many responses, one after another.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsNew(
    statistics: Out<*mut TRITONBACKEND_ModelInstanceResponseStatistics>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let object = Handle::give(ResponseStatisticsObject::default());
        statistics
            .set(object)
            .inspect_err(|_no_place| drop(Arg::<ResponseStatisticsObject>::new(object).take()))
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsDelete(
    statistics: Arg<ResponseStatisticsObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| statistics.take().map(drop))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsSetModelInstance(
    statistics: Arg<ResponseStatisticsObject>,
    instance: Arg<InstanceObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let serving = Arc::clone(instance.get()?.serving());
        statistics.get()?.edit(|draft| draft.serving = Some(serving));
        Ok(())
    })
}

/// The factory stays the backend's, and must be there when the response is reported.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseFactory(
    statistics: Arg<ResponseStatisticsObject>,
    factory: Arg<FactoryObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let context = Arc::downgrade(&factory.get()?.context);
        statistics.get()?.edit(|draft| draft.context = context);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseStart(
    statistics: Arg<ResponseStatisticsObject>,
    response_start: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        statistics.get()?.edit(|draft| draft.times.start = Timestamp::from_nanos(response_start));
        Ok(())
    })
}

/// 0 for a response without outputs.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsSetComputeOutputStart(
    statistics: Arg<ResponseStatisticsObject>,
    compute_output_start: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let start = (compute_output_start > 0).then(|| Timestamp::from_nanos(compute_output_start));
        statistics.get()?.edit(|draft| draft.times.output_start = start);
        Ok(())
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsSetResponseEnd(
    statistics: Arg<ResponseStatisticsObject>,
    response_end: u64,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        statistics.get()?.edit(|draft| draft.times.end = Timestamp::from_nanos(response_end));
        Ok(())
    })
}

/// The error stays the backend's; null for none.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceResponseStatisticsSetError(
    statistics: Arg<ResponseStatisticsObject>,
    error: Arg<ErrorObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let code = if error.is_null() { None } else { Some(error.get()?.to_error().code()) };
        statistics.get()?.edit(|draft| draft.times.error = code);
        Ok(())
    })
}

/// Counts one response; the object stays the backend's.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceReportResponseStatistics(
    statistics: Arg<ResponseStatisticsObject>,
) -> *mut TRITONSERVER_Error {
    guard(|| statistics.get()?.report())
}

/// The attributes stay the backend's; they stand in for what it reported before.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelReportMemoryUsage(
    model: Arg<ModelObject>,
    usage: Array<*mut TRITONSERVER_BufferAttributes>,
    usage_size: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        model.get()?.statistics.set_memory_usage("", memory(&usage, usage_size)?);
        Ok(())
    })
}

/// As above, for an instance.
#[unsafe(no_mangle)]
unsafe extern "C" fn TRITONBACKEND_ModelInstanceReportMemoryUsage(
    instance: Arg<InstanceObject>,
    usage: Array<*mut TRITONSERVER_BufferAttributes>,
    usage_size: u32,
) -> *mut TRITONSERVER_Error {
    guard(|| {
        let instance = instance.get()?;
        instance
            .serving()
            .statistics
            .set_memory_usage(&instance.setting.name, memory(&usage, usage_size)?);
        Ok(())
    })
}

fn memory(
    usage: &Array<*mut TRITONSERVER_BufferAttributes>,
    count: u32,
) -> Result<Vec<MemoryUsage>, Error> {
    if count > MAX_BUFFERS {
        return Err(Error::invalid(format!(
            "a report of memory has at most {MAX_BUFFERS} buffers, got {count}"
        )));
    }
    usage
        .copy(count as usize)?
        .into_iter()
        .map(|attributes| {
            let attributes = Arg::<BufferAttributes>::new(attributes);
            let attributes = attributes.get()?;
            let kind = match attributes.memory_type() {
                TRITONSERVER_MemoryType::CPU => "CPU",
                TRITONSERVER_MemoryType::CPU_PINNED => "CPU_PINNED",
                TRITONSERVER_MemoryType::GPU => "GPU",
                unknown => {
                    return Err(Error::invalid(format!("there is no memory type {}", unknown.0)));
                }
            };
            Ok(MemoryUsage {
                kind,
                id: attributes.memory_type_id(),
                byte_size: attributes.byte_size() as u64,
            })
        })
        .collect()
}
