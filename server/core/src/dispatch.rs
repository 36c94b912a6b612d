//! Hops 4 to 6 of a request's way: from a name to a scheduler, in one snapshot of the repository.

use crate::{admission::InFlight, normalise::normalise};
use hippocamp_config::Scheduling;
use hippocamp_repository::ModelSnapshot;
use hippocamp_telemetry::{FailureReason, RequestStatistics};
use hippocamp_types::{Clock, Infer, InferRequest, Outcome, RequestObserver, Trace};
use std::{fmt, sync::Arc};

/// Resolves, checks, enqueues. A step of an ensemble takes the same
/// way, over the snapshot its request came through.
pub(crate) fn dispatch(
    snapshot: &Arc<ModelSnapshot>,
    clock: &Arc<dyn Clock>,
    name: &str,
    version: Option<u64>,
    mut request: InferRequest,
    in_flight: Option<InFlight>,
) {
    let model = match snapshot.resolve(name, version) {
        Ok(model) => model,
        Err(error) => {
            if let Some(trace) = &request.trace {
                trace.failed(error.message());
            }
            return request.responder.fail(error);
        }
    };
    if let Some(trace) = &request.trace {
        trace.started(&model.config.name, model.version, &request.id, clock.now());
    }
    if let Err(error) = normalise(&mut request, &model.config) {
        let after = clock.now().since(request.received);
        model.statistics.record_failure(FailureReason::Other, after);
        if let Some(trace) = &request.trace {
            trace.failed(error.message());
        }
        return request.responder.fail(error);
    }
    if let Some(account) = &request.account {
        account.resolved(model.version, request.batch_size);
    }
    let is_ensemble = matches!(model.config.scheduling, Scheduling::Ensemble(_));
    let observe = if is_ensemble { RequestStatistics::of_ensemble } else { RequestStatistics::new };
    let statistics = observe(Arc::clone(&model.statistics), request.received, Arc::clone(clock));
    let trace = request.trace.as_deref().cloned();
    request.responder.observe(Observer { statistics, trace, _in_flight: in_flight });
    if is_ensemble {
        let (snapshot, clock) = (Arc::clone(snapshot), Arc::clone(clock));
        request.steps = Some(Arc::new(Steps { snapshot, clock }));
    }
    if let Err(rejected) = model.scheduler.enqueue(request) {
        rejected.answer();
    }
}

/// Statistics of one request, its trace, and its place among the requests in flight for as long as it lives.
struct Observer {
    statistics: RequestStatistics,
    /// Of a request that is traced: learns of its failure.
    trace: Option<Trace>,
    _in_flight: Option<InFlight>,
}

impl RequestObserver for Observer {
    fn replied(&self, outcome: Outcome<'_>, last: bool) {
        if let (Some(trace), Outcome::Failure(error)) = (&self.trace, outcome) {
            trace.failed(error.message());
        }
        self.statistics.replied(outcome, last);
    }
}

/// Runs an ensemble's steps in the snapshot that its request was resolved in.
struct Steps {
    snapshot: Arc<ModelSnapshot>,
    clock: Arc<dyn Clock>,
}

impl Infer for Steps {
    fn infer(&self, model: &str, version: Option<u64>, request: InferRequest) {
        dispatch(&self.snapshot, &self.clock, model, version, request, None);
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("models", &self.snapshot.models.len()).finish_non_exhaustive()
    }
}
