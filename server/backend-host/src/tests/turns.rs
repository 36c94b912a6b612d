//! Execution policies: which instances share a thread.

use super::{
    CONFIG,
    calls::{answer, batch, object, release, result},
    host, requests, spec, validated,
};
use crate::BackendTable;
use hippocamp_backend_abi::*;
use hippocamp_config::{InstanceKind, ModelConfig};
use std::{
    ffi::CStr,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

static POLICY: AtomicU32 = AtomicU32::new(0);
static EXECUTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" fn initialize(backend: *mut TRITONBACKEND_Backend) -> *mut TRITONSERVER_Error {
    let policy = TRITONBACKEND_ExecutionPolicy(POLICY.load(Ordering::Relaxed));
    // SAFETY: a live backend.
    unsafe { TRITONBACKEND_BackendSetExecutionPolicy(backend, policy) }
}

unsafe extern "C" fn execute(
    instance: *mut TRITONBACKEND_ModelInstance,
    requests: *mut *mut TRITONBACKEND_Request,
    count: u32,
) -> *mut TRITONSERVER_Error {
    let (mut name, mut device) = (ptr::null(), 0);
    // SAFETY: a live instance.
    result(unsafe { TRITONBACKEND_ModelInstanceName(instance, &raw mut name) }).unwrap();
    // SAFETY: a live instance.
    result(unsafe { TRITONBACKEND_ModelInstanceDeviceId(instance, &raw mut device) }).unwrap();
    // SAFETY: a C string of the instance.
    let name = unsafe { CStr::from_ptr(name) }.to_str().unwrap();
    EXECUTED.lock().unwrap().push(format!("{name} on {device}"));
    // SAFETY: the arguments of execute.
    for &request in unsafe { batch(requests, count) } {
        answer(request).unwrap();
        release(request).unwrap();
    }
    object(Ok(()))
}

/// What the instances of each thread are called that execute, in the order of eight batches which
/// the threads take in turns.
fn executed(policy: TRITONBACKEND_ExecutionPolicy, kind: InstanceKind) -> Vec<Vec<String>> {
    POLICY.store(policy.0, Ordering::Relaxed);
    let table = BackendTable {
        initialize: Some(initialize),
        model_instance_execute: Some(execute),
        ..BackendTable::default()
    };
    let config = format!("{CONFIG} instance_group [ {{ name: \"g\" count: 2 kind: KIND_CPU }} ]");
    let loaded = host(table).load_model(spec(&config)).unwrap();
    // No validated configuration has a GPU yet; the host is made for both.
    let mut config: ModelConfig = (*validated(&loaded)).clone();
    config.instance_groups[0].kind = kind;
    if kind == InstanceKind::Gpu {
        config.instance_groups[0].gpus = vec![0, 3];
    }
    let mut instances = loaded.instances(&Arc::new(config)).unwrap();
    instances
        .iter_mut()
        .map(|instance| {
            for _ in 0..3 {
                let (batch, replies) = requests(1);
                instance.execute(batch);
                replies[0].only().unwrap();
            }
            std::mem::take(&mut *EXECUTED.lock().unwrap())
        })
        .collect()
}

#[test]
fn instances_of_one_gpu_share_a_thread_where_the_policy_says_so() {
    use TRITONBACKEND_ExecutionPolicy as Policy;
    let turns =
        |first: &str, second: &str| vec![first.to_owned(), second.to_owned(), first.to_owned()];
    let alone = |name: &str| vec![name.to_owned(); 3];
    assert_eq!(
        executed(Policy::DEVICE_BLOCKING, InstanceKind::Gpu),
        [turns("g_0 on 0", "g_1 on 0"), turns("g_0 on 3", "g_1 on 3")]
    );
    assert_eq!(
        executed(Policy::BLOCKING, InstanceKind::Gpu),
        [alone("g_0 on 0"), alone("g_0 on 3"), alone("g_1 on 0"), alone("g_1 on 3")]
    );
    // As in Triton, those on CPUs have threads of their own under either policy.
    for policy in [Policy::BLOCKING, Policy::DEVICE_BLOCKING] {
        assert_eq!(executed(policy, InstanceKind::Cpu), [alone("g_0 on 0"), alone("g_1 on 0")]);
    }
}
