//! Instances that share a thread: those of one GPU, where the backend's execution policy is
//! DEVICE_BLOCKING (Triton core src/backend_model_instance.h `ShareBackendThread`). They execute one
//! after the other, in turns.

use crate::instance::{Instance, InstanceSetting};
use hippocamp_backend_abi::TRITONBACKEND_ExecutionPolicy;
use hippocamp_config::InstanceKind;
use hippocamp_types::{InferRequest, ModelInstance};

/// The device whose thread an instance shares; `None` if it has a thread of its own.
pub(crate) fn shared_device(
    setting: &InstanceSetting,
    policy: TRITONBACKEND_ExecutionPolicy,
) -> Option<i32> {
    let shares = policy == TRITONBACKEND_ExecutionPolicy::DEVICE_BLOCKING
        && setting.kind == InstanceKind::Gpu;
    shares.then_some(setting.device_id)
}

/// One value for each thread, in the order of the first instances.
pub(crate) fn by_thread(instances: Vec<(Option<i32>, Instance)>) -> Vec<Box<dyn ModelInstance>> {
    let mut threads: Vec<(Option<i32>, Vec<Instance>)> = Vec::new();
    for (device, instance) in instances {
        match threads.iter_mut().find(|(of, _)| device.is_some() && *of == device) {
            Some((_, those)) => those.push(instance),
            None => threads.push((device, vec![instance])),
        }
    }
    let one = |(_, mut those): (Option<i32>, Vec<Instance>)| -> Box<dyn ModelInstance> {
        match (those.len(), those.pop()) {
            (1, Some(only)) => Box::new(only),
            (_, last) => {
                those.extend(last);
                Box::new(Turns { instances: those, next: 0 })
            }
        }
    };
    threads.into_iter().map(one).collect()
}

/// Several instances, never empty, on one thread.
#[derive(Debug)]
struct Turns {
    instances: Vec<Instance>,
    next: usize,
}

impl ModelInstance for Turns {
    fn name(&self) -> &str {
        self.instances[0].name()
    }

    fn execute(&mut self, batch: Vec<InferRequest>) {
        self.instances[self.next].execute(batch);
        self.next = (self.next + 1) % self.instances.len();
    }
}
