//! `grpc.health.v1.Health`: whether the server takes requests. Like Triton it answers the same for
//! every service name, also for those it does not serve.

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
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
        let ticks = stream::unfold(tokio::time::interval(WATCH_INTERVAL), async |mut interval| {
            interval.tick().await;
            Some(((), interval))
        });
        let is_ready = move || server.is_ready();
        let changes = changes(ticks.boxed(), is_ready, self.draining.clone());
        Ok(Response::new(changes.map(|ready| Ok(state(ready))).boxed()))
    }
}

/// What `is_ready` answers, at the first of `ticks` and whenever it has changed at one; ends with
/// `false` once `draining`.
fn changes(
    ticks: BoxStream<'static, ()>,
    is_ready: impl FnMut() -> bool + Send + 'static,
    draining: CancellationToken,
) -> impl Stream<Item = bool> + Send {
    let told: Option<bool> = None;
    stream::unfold(Some((ticks, is_ready, draining, told)), async |state| {
        let (mut ticks, mut is_ready, draining, told) = state?;
        loop {
            tokio::select! {
                biased;
                () = draining.cancelled() => return Some((false, None)),
                Some(()) = ticks.next() => {
                    let ready = is_ready();
                    if told != Some(ready) {
                        return Some((ready, Some((ticks, is_ready, draining, Some(ready)))));
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_of_changes_only_and_of_the_end() {
        let draining = CancellationToken::new();
        let mut states = [false, false, true].into_iter();
        let is_ready = move || states.next().expect("asked no further than the change");
        let changes = changes(stream::repeat(()).boxed(), is_ready, draining.clone());
        let mut changes = changes.boxed();
        assert_eq!(changes.next().await, Some(false));
        assert_eq!(changes.next().await, Some(true));
        draining.cancel();
        assert_eq!(changes.next().await, Some(false));
        assert_eq!(changes.next().await, None);
    }
}
