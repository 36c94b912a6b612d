//! What became of one request, for whoever writes it down.

use std::{fmt, time::Duration};

/// Learns what a request cost on its way. It travels with the request and with the steps it leads
/// to; whoever drops it last closes the account, which may be after the answer has left.
pub trait Account: Send + Sync + fmt::Debug {
    /// The model's version that serves the request, and the request's rows. Called for the request
    /// itself first, and for its steps after.
    fn resolved(&self, version: u64, batch_size: usize);

    /// One execution that the request, or a step of it, was part of: how long it waited for it, and
    /// how long it took.
    fn executed(&self, queued: Duration, computed: Duration);
}
