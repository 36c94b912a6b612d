//! The queue of one model version: which requests go together, and when. Pure: no clock, no lock,
//! no thread; the caller brings the time and answers what the queue lets go.
//!
//! Behaviour follows Triton's dynamic batcher (core: src/dynamic_batch_scheduler.cc
//! `GetDynamicBatch`, src/scheduler_utils.cc `PriorityQueue`).

mod level;

use hippocamp_config::{DynamicBatching, QueuePolicy};
use hippocamp_types::{BatchStrategy, Error, InferRequest, Rejected, Tensor, Timestamp};
use level::{Level, Verdict};
use std::{collections::BTreeMap, sync::Arc};

/// What a queue is made with.
#[derive(Clone, Debug)]
pub struct QueueOptions {
    /// Rows that one execution may have; at least 1.
    pub max_batch_size: usize,
    /// `None`: each request is executed alone.
    pub batching: Option<DynamicBatching>,
    /// Inputs that may differ in shape within a batch.
    pub ragged_inputs: Vec<String>,
    /// Requests that may wait, over all priority levels, where a level's policy sets no
    /// `max_queue_size` of its own. What comes on top is refused: overload never becomes memory.
    pub default_max_queue_size: usize,
    /// Has the last word on a batch that sizes and shapes allow; asked only where there is `batching`.
    pub strategy: Option<Arc<dyn BatchStrategy>>,
}

/// What to do next.
#[derive(Debug)]
pub enum Next {
    /// Execute these now, as one batch.
    Ready(Vec<InferRequest>),
    /// Nothing is ready before this time, unless more requests come.
    WaitUntil(Timestamp),
    /// The queue is empty.
    Idle,
}

/// Requests that wait for an instance.
#[derive(Debug)]
pub struct Queue {
    options: QueueOptions,
    /// By priority level, 0 where the model has none; created when first used, so that a model
    /// may have any number of levels.
    levels: BTreeMap<u64, Level>,
    requests: usize,
    rows: usize,
    closed: bool,
    refused: Vec<Rejected>,
}

/// The longest run of requests, from the front of the queue, that may be executed together.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    requests: usize,
    rows: usize,
    /// The part of it that makes the largest preferred batch.
    preferred: usize,
    /// The next request does not fit: the run cannot grow.
    complete: bool,
    oldest: Option<Timestamp>,
    /// The first of its deadlines.
    deadline: Option<Timestamp>,
}

/// What a look at the queue tells, before anything is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    /// This many requests from the front.
    Take(usize),
    WaitUntil(Timestamp),
    Idle,
}

/// Empty levels that may stay, so that those in use need not be made again.
const SPARE_LEVELS: usize = 16;

/// A place in the queue: a level, and an index into its requests.
type Place = (u64, usize);

impl Queue {
    /// An empty queue.
    pub fn new(options: QueueOptions) -> Self {
        Self {
            options,
            levels: BTreeMap::new(),
            requests: 0,
            rows: 0,
            closed: false,
            refused: Vec::new(),
        }
    }

    /// Takes a request at its `queued` time, or gives it back. The reference is to the request in
    /// its place.
    ///
    /// # Errors
    /// UNAVAILABLE if the queue is full or closed.
    pub fn push(&mut self, request: InferRequest) -> Result<&mut InferRequest, Rejected> {
        if self.closed {
            let text = "Server is stopping, scheduler for model has stopped accepting new inference requests";
            return Err(refuse(request, text));
        }
        let number = self.level_of(request.priority);
        let policy = self.policy(number).clone();
        let full = match policy.max_queue_size {
            0 => self.requests >= self.options.default_max_queue_size,
            limit => self.levels.get(&number).is_some_and(|level| level.len() >= limit),
        };
        if full {
            return Err(refuse(request, "Exceeds maximum queue size"));
        }
        // Levels are left behind empty; a peer that tries every priority must not fill the memory.
        if self.levels.len() > self.requests + SPARE_LEVELS {
            self.levels.retain(|_, level| level.len() > 0);
        }
        self.requests += 1;
        self.rows = self.rows.saturating_add(request.batch_size);
        Ok(self.levels.entry(number).or_insert_with(|| Level::new(policy)).push(request))
    }

    /// The batch that is to be executed at `now`, if there is one. Requests that were cancelled or
    /// have expired leave the queue on the way: see [`Queue::take_refused`].
    pub fn next_batch(&mut self, now: Timestamp) -> Next {
        match self.plan(now) {
            Plan::Take(requests) => Next::Ready(self.take(requests)),
            Plan::WaitUntil(time) => Next::WaitUntil(time),
            Plan::Idle => Next::Idle,
        }
    }

    /// Whether [`Queue::next_batch`] would give a batch at `now`.
    pub fn is_ready(&mut self, now: Timestamp) -> bool {
        matches!(self.plan(now), Plan::Take(_))
    }

    /// Requests that left the queue unserved since the last call, each with its reason. The caller
    /// answers them, outside of any lock: an answer may bring new requests.
    pub fn take_refused(&mut self) -> Vec<Rejected> {
        std::mem::take(&mut self.refused)
    }

    /// Refuses requests from now on, and keeps none waiting for company.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the queue refuses requests.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Requests in the queue.
    pub fn len(&self) -> usize {
        self.requests
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// Whether one execution may take everything that waits, as far as sizes tell.
    pub(crate) fn fits_executions(&self, executions: usize) -> bool {
        match self.options.batching {
            None => self.requests <= executions,
            Some(_) => self.rows <= executions.saturating_mul(self.options.max_batch_size),
        }
    }

    fn plan(&mut self, now: Timestamp) -> Plan {
        let run = self.run(now);
        let Some(oldest) = run.oldest else { return Plan::Idle };
        let Some(batching) = &self.options.batching else { return Plan::Take(1) };
        let delay = batching.max_queue_delay;
        let delay_exceeded = !delay.is_zero() && now.since(oldest) >= delay;
        if run.preferred > 0 && !delay_exceeded {
            return Plan::Take(run.preferred);
        }
        let large = run.rows >= self.largest_preferred();
        if run.complete || large || delay.is_zero() || delay_exceeded || self.closed {
            return Plan::Take(run.requests);
        }
        let served = oldest + delay;
        // One nanosecond past a deadline the request has expired, and the run is another one.
        let expired =
            |deadline: Timestamp| Timestamp::from_nanos(deadline.as_nanos().saturating_add(1));
        Plan::WaitUntil(run.deadline.map_or(served, |deadline| served.min(expired(deadline))))
    }

    /// Sweeps bad requests off the front and measures what follows.
    fn run(&mut self, now: Timestamp) -> Run {
        let mut run = Run::default();
        let mut first: Option<Place> = None;
        let strategy = self.options.strategy.clone().filter(|_| self.options.batching.is_some());
        let mut pending = strategy.as_ref().map(|strategy| strategy.begin());
        let mut at = self.sweep((0, 0), now);
        while let Some(place) = at {
            let (request, deadline) = self.get(place);
            let rows = run.rows.saturating_add(request.batch_size);
            if let Some(first) = first {
                // Triton's rule: with no preferred size reached yet, a batch that would pass all of
                // them is cut here, so that it is sent without waiting.
                if run.preferred == 0 && rows > self.largest_preferred() {
                    run.preferred = run.requests;
                }
                if rows > self.options.max_batch_size || !self.agree(first, place) {
                    run.complete = true;
                    break;
                }
            } else {
                first = Some(place);
            }
            let included = pending.as_mut().is_none_or(|pending| pending.include(request));
            if !included && run.requests > 0 {
                run.complete = true;
                break;
            }
            run.requests += 1;
            run.rows = rows;
            let queued = request.queued;
            run.oldest = Some(run.oldest.map_or(queued, |oldest| oldest.min(queued)));
            run.deadline = match (run.deadline, deadline) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            let Some(batching) = &self.options.batching else { break };
            if batching.preferred_batch_sizes.binary_search(&rows).is_ok() {
                run.preferred = run.requests;
            }
            if rows >= self.options.max_batch_size || !included {
                run.complete = true;
                break;
            }
            at = self.sweep((place.0, place.1 + 1), now);
        }
        run
    }

    /// The first place from `place` on that holds a request to be served. Requests before it that
    /// were cancelled or have expired are let go or put behind the others of their level.
    fn sweep(&mut self, place: Place, now: Timestamp) -> Option<Place> {
        let (start, mut index) = place;
        for (&number, level) in self.levels.range_mut(start..) {
            if number != start {
                index = 0;
            }
            loop {
                let error = match level.judge(index, now) {
                    Verdict::Serve => return Some((number, index)),
                    Verdict::End => break,
                    Verdict::Delayed => continue,
                    Verdict::Cancelled => Error::cancelled(),
                    Verdict::Expired => Error::unavailable("Request timeout expired"),
                };
                let request = level.remove(index).expect("it was judged just now");
                self.requests -= 1;
                self.rows = self.rows.saturating_sub(request.batch_size);
                self.refused.push(Rejected::new(request, error));
            }
        }
        None
    }

    /// Removes requests from the front. They are good: a run was measured just now.
    fn take(&mut self, requests: usize) -> Vec<InferRequest> {
        let mut batch = Vec::with_capacity(requests);
        while batch.len() < requests
            && let Some(mut level) = self.levels.first_entry()
        {
            match level.get_mut().pop() {
                Some(request) => batch.push(request),
                None => drop(level.remove()),
            }
        }
        self.requests -= batch.len();
        for request in &batch {
            self.rows = self.rows.saturating_sub(request.batch_size);
        }
        batch
    }

    fn get(&self, (number, index): Place) -> (&InferRequest, Option<Timestamp>) {
        self.levels.get(&number).and_then(|level| level.get(index)).expect("a place that was swept")
    }

    /// Whether two requests have the same inputs: names, datatypes, and shapes without the batch
    /// dimension. `core::normalise` put the inputs into one order.
    fn agree(&self, one: Place, other: Place) -> bool {
        let (one, other) = (&self.get(one).0.inputs, &self.get(other).0.inputs);
        one.len() == other.len()
            && one.iter().zip(other).all(|(one, other)| {
                one.name == other.name
                    && one.datatype == other.datatype
                    && (row(one) == row(other) || self.options.ragged_inputs.contains(&one.name))
            })
    }

    fn largest_preferred(&self) -> usize {
        let preferred =
            self.options.batching.as_ref().map(|batching| &batching.preferred_batch_sizes);
        preferred.and_then(|sizes| sizes.last()).copied().unwrap_or(self.options.max_batch_size)
    }

    fn level_of(&self, priority: u64) -> u64 {
        match &self.options.batching {
            Some(batching) if batching.priority_levels > 0 => {
                if (1..=batching.priority_levels).contains(&priority) {
                    priority
                } else {
                    batching.default_priority_level
                }
            }
            _none => 0,
        }
    }

    fn policy(&self, level: u64) -> &QueuePolicy {
        const NONE: &QueuePolicy = &QueuePolicy {
            timeout_action: hippocamp_config::TimeoutAction::Reject,
            default_timeout: std::time::Duration::ZERO,
            allow_timeout_override: false,
            max_queue_size: 0,
        };
        let Some(batching) = &self.options.batching else { return NONE };
        batching.priority_queue_policy.get(&level).unwrap_or(&batching.default_queue_policy)
    }
}

/// The shape of one row.
fn row(tensor: &Tensor) -> &[i64] {
    tensor.shape.dims().get(1..).unwrap_or_default()
}

fn refuse(request: InferRequest, text: &str) -> Rejected {
    let error = Error::unavailable(format!("{}{text}", request.log_id()));
    Rejected::new(request, error)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
