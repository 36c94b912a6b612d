//! `grpc.health.v1.Health`: whether the server takes requests. Like Triton it answers the same for
//! every service name, also for those it does not serve.

use futures_util::stream::{self, BoxStream, StreamExt};
use hippocamp_core::InferenceServer;
use hippocamp_proto::health::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// How often a watched state is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The health service.
#[derive(Debug)]
pub(crate) struct HealthService {
    pub(crate) server: Arc<InferenceServer>,
    /// Cancelled when the front-end shuts down: watchers are told, and their calls end.
    pub(crate) draining: CancellationToken,
}

fn state(ready: bool) -> HealthCheckResponse {
    let status = if ready { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        Ok(Response::new(state(self.server.is_ready())))
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        _request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let server = Arc::clone(&self.server);
        let changes = changes(move || server.is_ready(), self.draining.clone());
        Ok(Response::new(changes.map(|ready| Ok(state(ready))).boxed()))
    }
}

/// What `is_ready` answers, now and whenever it changes; ends with `false` once `draining`.
fn changes(
    is_ready: impl Fn() -> bool + Send + 'static,
    draining: CancellationToken,
) -> impl stream::Stream<Item = bool> + Send {
    let ticks = tokio::time::interval(WATCH_INTERVAL);
    let told: Option<bool> = None;
    stream::unfold(
        (ticks, is_ready, draining, told, false),
        |(mut ticks, is_ready, draining, told, ended)| async move {
            if ended {
                return None;
            }
            loop {
                tokio::select! {
                    biased;
                    () = draining.cancelled() => return Some((false, (ticks, is_ready, draining, told, true))),
                    _ = ticks.tick() => {
                        let ready = is_ready();
                        if told != Some(ready) {
                            return Some((ready, (ticks, is_ready, draining, Some(ready), false)));
                        }
                    }
                }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_watcher_hears_of_changes_only_and_of_the_end() {
        let ready = Arc::new(AtomicBool::new(false));
        let draining = CancellationToken::new();
        let watched = Arc::clone(&ready);
        let mut changes =
            Box::pin(changes(move || watched.load(Ordering::Relaxed), draining.clone()));
        assert_eq!(changes.next().await, Some(false));
        ready.store(true, Ordering::Relaxed);
        assert_eq!(changes.next().await, Some(true));
        draining.cancel();
        assert_eq!(changes.next().await, Some(false));
        assert_eq!(changes.next().await, None);
    }
}
