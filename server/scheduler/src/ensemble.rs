//! The scheduler of an ensemble: each request walks the graph of steps, driven by the answers of
//! the steps themselves. No thread of its own.

mod adapt;
mod graph;
mod run;
mod trampoline;
mod validate;

pub use validate::validate_ensemble;

use graph::Graph;
use hippocamp_config::{ModelConfig, Scheduling};
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{Activity, Clock, Error, InferRequest, Rejected, Scheduler, TensorActivity};
use run::{Event, Job, Run};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Takes the requests of one version of an ensemble.
pub struct EnsembleScheduler {
    ensemble: Arc<EnsembleVersion>,
}

/// What all requests of the ensemble share.
struct EnsembleVersion {
    graph: Graph,
    version: u64,
    statistics: Arc<ModelStatistics>,
    clock: Arc<dyn Clock>,
    in_flight: AtomicUsize,
}

/// A request's place among those in flight.
struct Permit(Arc<EnsembleVersion>);

impl EnsembleScheduler {
    /// A scheduler for `version` of an ensemble whose members `members` looks up, in a version or
    /// in the latest one.
    ///
    /// # Errors
    /// If the ensemble does not fit its members: see [`validate_ensemble`].
    pub fn new(
        config: &ModelConfig,
        version: u64,
        members: impl Fn(&str, Option<u64>) -> Option<ModelConfig>,
        statistics: Arc<ModelStatistics>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        validate_ensemble(config, &members)?;
        let Scheduling::Ensemble(ensemble) = &config.scheduling else {
            return Err(Error::internal(format!("model '{}' is no ensemble", config.name)));
        };
        let graph = Graph::new(config, ensemble, members)?;
        let in_flight = AtomicUsize::new(0);
        let ensemble = EnsembleVersion { graph, version, statistics, clock, in_flight };
        Ok(Self { ensemble: Arc::new(ensemble) })
    }
}

impl Scheduler for EnsembleScheduler {
    fn enqueue(&self, mut request: InferRequest) -> Result<(), Rejected> {
        request.queued = self.ensemble.clock.now();
        if let Some(trace) = &request.trace {
            trace.record(Activity::QueueStart, request.queued);
            trace.tensors(TensorActivity::QueueInput, &request.inputs);
        }
        let Some(steps) = request.steps.take() else {
            let error = Error::internal("a request to an ensemble came without a way to its steps");
            return Err(Rejected::new(request, error));
        };
        let Some(permit) = Permit::take(&self.ensemble) else {
            let graph = &self.ensemble.graph;
            let error = Error::unavailable(format!(
                "{}ensemble '{}' has {} requests in flight, which is its max_inflight_requests",
                request.log_id(),
                graph.name,
                graph.max_inflight_requests
            ));
            request.steps = Some(steps);
            return Err(Rejected::new(request, error));
        };
        let inputs = std::mem::take(&mut request.inputs);
        let run = Arc::new(Run::new(permit, steps, request));
        trampoline::run(Job { run, event: Event::Start { inputs } });
        Ok(())
    }
}

impl Permit {
    /// `None` if there are as many requests in flight as there may be.
    fn take(ensemble: &Arc<EnsembleVersion>) -> Option<Self> {
        let limit = match ensemble.graph.max_inflight_requests {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let enter = |inside: usize| (inside < limit).then_some(inside + 1);
        let entered = ensemble.in_flight.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter);
        entered.is_ok().then(|| Self(Arc::clone(ensemble)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for EnsembleScheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnsembleScheduler")
            .field("ensemble", &self.ensemble.graph.name)
            .field("version", &self.ensemble.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
