//! The scheduler of a model with a backend: one queue, one thread per instance. Serves models with
//! `dynamic_batching` and those without a scheduler of their own, whose requests are executed one
//! by one.

use crate::{
    instances::Instances,
    queue::{Queue, QueueOptions},
};
use hippocamp_config::{ModelConfig, Scheduling};
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{Clock, Error, InferRequest, ModelInstance, Rejected, Scheduler};
use std::{fmt, sync::Arc, thread};

/// What a [`BatchScheduler`] is made with.
#[derive(Clone, Debug)]
pub struct BatcherOptions {
    /// The model, for messages.
    pub model: Arc<str>,
    /// What goes together, and how much may wait. A model's own strategy is added here.
    pub queue: QueueOptions,
}

impl BatcherOptions {
    /// What a model's configuration asks for. `default_max_queue_size` is the number of requests
    /// that may wait for a model whose queue policies set no `max_queue_size`.
    pub fn new(config: &ModelConfig, default_max_queue_size: usize) -> Self {
        let batching = match &config.scheduling {
            Scheduling::DynamicBatching(batching) if config.max_batch_size > 0 => {
                Some(batching.clone())
            }
            _alone => None,
        };
        let ragged = config.inputs.iter().filter(|input| input.allow_ragged_batch);
        let queue = QueueOptions {
            max_batch_size: config.max_batch_size.max(1),
            batching,
            ragged_inputs: ragged.map(|input| input.name.clone()).collect(),
            default_max_queue_size,
            strategy: None,
        };
        Self { model: Arc::clone(&config.name), queue }
    }
}

/// Takes the requests of one model version. Dropping it closes the queue: requests in it are still
/// served, then the instances are dropped, each on its own thread. The drop itself does not wait.
pub struct BatchScheduler {
    instances: Arc<Instances>,
}

impl BatchScheduler {
    /// Starts one thread per instance, named after it.
    ///
    /// # Errors
    /// If there is no instance, or if the system starts no more threads.
    pub fn start(
        options: BatcherOptions,
        instances: Vec<Box<dyn ModelInstance>>,
        statistics: Arc<ModelStatistics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let model = options.model;
        if instances.is_empty() {
            return Err(Error::invalid(format!(
                "model '{model}' has no instance that takes requests: at least one instance group must not be passive"
            )));
        }
        let preserve = options.queue.batching.as_ref().is_some_and(|b| b.preserve_ordering);
        let order = preserve.then(Arc::default);
        let queue = Queue::new(options.queue);
        let shared = Arc::new(Instances::new(queue, instances.len(), order, statistics, clock));
        // From here on a failure drops the scheduler, which ends the threads that were started.
        let scheduler = Self { instances: Arc::clone(&shared) };
        for (seat, instance) in instances.into_iter().enumerate() {
            // The system's names hold no zero byte, nor does a thread's.
            let name = instance.name().replace('\0', "");
            let shared = Arc::clone(&shared);
            let thread = thread::Builder::new().name(name.clone());
            thread.spawn(move || shared.serve(seat, instance)).map_err(|cause| {
                Error::internal(format!(
                    "cannot start a thread for instance '{name}' of model '{model}': {cause}"
                ))
            })?;
        }
        Ok(scheduler)
    }
}

impl Scheduler for BatchScheduler {
    fn enqueue(&self, request: InferRequest) -> Result<(), Rejected> {
        self.instances.enqueue(request)
    }
}

impl Drop for BatchScheduler {
    fn drop(&mut self) {
        self.instances.close();
    }
}

impl fmt::Debug for BatchScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchScheduler").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
