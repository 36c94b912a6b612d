//! One priority level: requests in the order they came, then those that are late and were delayed.

use hippocamp_config::{QueuePolicy, TimeoutAction};
use hippocamp_types::{InferRequest, Timestamp};
use std::{collections::VecDeque, time::Duration};

/// Requests of one priority.
#[derive(Debug)]
pub(super) struct Level {
    policy: QueuePolicy,
    in_time: VecDeque<Waiting>,
    /// Served after the others; they expire no more.
    delayed: VecDeque<InferRequest>,
}

#[derive(Debug)]
struct Waiting {
    request: InferRequest,
    deadline: Option<Timestamp>,
}

/// What becomes of the request at an index.
pub(super) enum Verdict {
    Serve,
    /// Its client is gone.
    Cancelled,
    /// It waited too long and is to be refused.
    Expired,
    /// It waited too long and was put behind the others; another one has its index now.
    Delayed,
    /// There is none.
    End,
}

impl Level {
    pub(super) fn new(policy: QueuePolicy) -> Self {
        Self { policy, in_time: VecDeque::new(), delayed: VecDeque::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.in_time.len() + self.delayed.len()
    }

    pub(super) fn push(&mut self, request: InferRequest) -> &mut InferRequest {
        let deadline = self.timeout(&request).map(|timeout| request.queued + timeout);
        &mut self.in_time.push_back_mut(Waiting { request, deadline }).request
    }

    pub(super) fn get(&self, index: usize) -> Option<(&InferRequest, Option<Timestamp>)> {
        match self.in_time.get(index) {
            Some(waiting) => Some((&waiting.request, waiting.deadline)),
            None => self.delayed.get(index - self.in_time.len()).map(|request| (request, None)),
        }
    }

    /// Looks at the request at `index`, and delays it if that is what its policy says.
    pub(super) fn judge(&mut self, index: usize, now: Timestamp) -> Verdict {
        let Some((request, deadline)) = self.get(index) else { return Verdict::End };
        if request.responder.is_cancelled() {
            return Verdict::Cancelled;
        }
        if deadline.is_none_or(|deadline| now <= deadline) {
            return Verdict::Serve;
        }
        match self.policy.timeout_action {
            TimeoutAction::Reject => Verdict::Expired,
            TimeoutAction::Delay => {
                self.delayed.extend(self.in_time.remove(index).map(|waiting| waiting.request));
                Verdict::Delayed
            }
        }
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<InferRequest> {
        match index.checked_sub(self.in_time.len()) {
            None => self.in_time.remove(index).map(|waiting| waiting.request),
            Some(index) => self.delayed.remove(index),
        }
    }

    /// Removes the first request.
    pub(super) fn pop(&mut self) -> Option<InferRequest> {
        let first = self.in_time.pop_front().map(|waiting| waiting.request);
        first.or_else(|| self.delayed.pop_front())
    }

    /// How long the request may wait. Its own timeout counts if the policy lets it and only if it
    /// is the shorter one.
    fn timeout(&self, request: &InferRequest) -> Option<Duration> {
        let default = Some(self.policy.default_timeout).filter(|timeout| !timeout.is_zero());
        let own = request.timeout.filter(|timeout| !timeout.is_zero());
        match own.filter(|_| self.policy.allow_timeout_override) {
            Some(own) => Some(default.map_or(own, |default| default.min(own))),
            None => default,
        }
    }
}
