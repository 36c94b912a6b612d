//! Tells systemd how the server is, where it was started by it (`Type=notify`): ready, stopping, alive.

use sd_notify::{NotifyState, notify};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The models are loaded, or on their way out.
pub(crate) fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        tracing::warn!(%error, "systemd cannot be told");
    }
}

/// Tells that the server is alive, twice as often as systemd asks for; done at once if it does not ask.
pub(crate) async fn keep_alive() {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else {
        return;
    };
    let mut interval = interval((period / 2).max(Duration::from_millis(10)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}
