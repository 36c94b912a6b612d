//! Counts what a store is asked for: each request that goes out, retries and redirects included.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A page of a listing.
    List = 0,
    /// An object, or a part of it.
    Get = 1,
    /// Facts of one object.
    Head = 2,
    /// A credential of the place that this process runs in.
    Credential = 3,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Status below 400.
    Answered = 0,
    /// A status of 400 to 499.
    Refused = 1,
    /// A status from 500 on, or no answer.
    Failed = 2,
}

const KINDS: [&str; 4] = ["list", "get", "head", "credential"];
const OUTCOMES: [&str; 3] = ["answered", "refused", "failed"];

/// How many requests there were of one kind with one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// `list`, `get`, `head` or `credential`.
    pub kind: &'static str,
    /// `answered`, `refused` (status 4xx) or `failed` (status 5xx, or no answer).
    pub outcome: &'static str,
    /// Since the store was opened.
    pub count: u64,
}

/// The counts of one store.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: [[AtomicU64; OUTCOMES.len()]; KINDS.len()],
    bytes: AtomicU64,
}

impl Counters {
    pub(crate) fn request(&self, kind: Kind, outcome: Outcome) {
        self.requests[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn downloaded(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// All of them, those that are zero, too.
    pub(crate) fn requests(&self) -> Vec<RequestCount> {
        let of_kind = |kind: usize| {
            (0..OUTCOMES.len()).map(move |outcome| RequestCount {
                kind: KINDS[kind],
                outcome: OUTCOMES[outcome],
                count: self.requests[kind][outcome].load(Ordering::Relaxed),
            })
        };
        (0..KINDS.len()).flat_map(of_kind).collect()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
