//! Files that may change while the server runs: API keys and certificates. They are looked at every
//! second; what cannot be read is told, and what was read before stays.

use hippocamp_access::ApiKeys;
use hippocamp_net::Tls;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two looks at the files.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is read again.
pub(crate) struct Reloaded {
    keys: Option<Arc<ApiKeys>>,
    /// With the protocol they are for.
    tls: Vec<(&'static str, Arc<Tls>)>,
    /// What was last told of files that cannot be used, so that it is told once.
    faults: Vec<String>,
}

impl Reloaded {
    pub(crate) fn new(keys: Option<Arc<ApiKeys>>) -> Self {
        Self { keys, tls: Vec::new(), faults: Vec::new() }
    }

    /// The certificates of an endpoint, if it has any.
    pub(crate) fn tls(&mut self, protocol: &'static str, tls: Option<Arc<Tls>>) {
        self.tls.extend(tls.map(|tls| (protocol, tls)));
    }

    /// Looks at the files for ever; at once done if there are none.
    pub(crate) async fn watch(mut self) {
        if self.keys.is_none() && self.tls.is_empty() {
            return;
        }
        let mut interval = interval(INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            match looked.await {
                Ok(back) => self = back,
                Err(error) => {
                    tracing::error!(%error, "API keys and certificates are no longer read again");
                    return;
                }
            }
        }
    }

    fn look(&mut self) {
        let mut faults = Vec::new();
        if let Some(keys) = &self.keys {
            match keys.reload() {
                Ok(None) => {}
                Ok(Some(count)) => tracing::info!(keys = count, "API keys were read again"),
                Err(error) => faults.push(format!("API keys stay as they were: {error}")),
            }
        }
        for (protocol, tls) in &self.tls {
            match tls.reload() {
                Ok(false) => {}
                Ok(true) => tracing::info!(protocol, "the certificate was read again"),
                Err(error) => {
                    faults.push(format!("the certificate of {protocol} stays as it was: {error}"));
                }
            }
        }
        for fault in faults.iter().filter(|fault| !self.faults.contains(fault)) {
            tracing::error!("{fault}");
        }
        self.faults = faults;
    }
}
