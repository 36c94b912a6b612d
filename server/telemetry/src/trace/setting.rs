//! One setting in force, of the server or of a model: which requests it samples, and where their
//! traces go. It is replaced, never changed, so that a trace belongs to the setting it was sampled by.

use super::{
    settings::{TraceMode, Values},
    writer::Shared,
};
use hippocamp_types::{Timestamp, Trace, TraceContext, TraceId, TraceSink, TracedRequest};
use std::sync::{
    Arc, Weak,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

/// `left` of a setting without a limit.
const UNLIMITED: i64 = -1;

#[derive(Debug)]
pub(crate) struct Setting {
    me: Weak<Self>,
    shared: Arc<Shared>,
    values: Values,
    /// Tells settings apart.
    pub(crate) number: u64,
    /// Requests that came so far.
    seen: AtomicU64,
    /// Requests still to be traced.
    left: AtomicI64,
}

impl Setting {
    pub(crate) fn new(shared: &Arc<Shared>, values: Values) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            shared: Arc::clone(shared),
            values,
            number: shared.next_number(),
            seen: AtomicU64::new(0),
            left: AtomicI64::new(values.count.map_or(UNLIMITED, i64::from)),
        })
    }

    /// As it was set.
    pub(crate) fn initial(&self) -> Values {
        self.values
    }

    /// As it is now: with the traces that are still to come.
    pub(crate) fn current(&self) -> Values {
        Values { count: u32::try_from(self.left.load(Ordering::Relaxed)).ok(), ..self.values }
    }

    /// The trace of a request to `model`, if it is to be traced.
    pub(crate) fn sample(
        self: &Arc<Self>,
        model: &str,
        caller: Option<&TraceContext>,
    ) -> Option<Trace> {
        if self.values.level.is_off() {
            return None;
        }
        // A caller that takes part in a distributed trace decides for the whole of it.
        let chosen = match (self.shared.mode, caller) {
            (TraceMode::OpenTelemetry, Some(caller)) => caller.is_sampled(),
            (TraceMode::OpenTelemetry, None) | (TraceMode::Triton, _) => self.is_due(),
        };
        if !chosen {
            return None;
        }
        let TraceId { span_id, .. } = self.shared.new_id();
        let context = TraceContext {
            trace_id: caller.map_or_else(|| self.shared.new_trace_id(), |caller| caller.trace_id),
            span_id,
            flags: caller.map_or(0, |caller| caller.flags) | 1,
            state: caller.map(|caller| caller.state.clone()).unwrap_or_default(),
        };
        let sink = Arc::clone(self) as Arc<dyn TraceSink>;
        let caller = caller.map(|caller| caller.span_id);
        Some(Trace::new(sink, self.values.level, context, caller, model))
    }

    /// Whether the request that comes now is the one of so many, and a trace is left for it.
    fn is_due(&self) -> bool {
        if self.values.rate == 0 || self.left.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let take = |left: i64| match left {
            UNLIMITED => Some(UNLIMITED),
            0 => None,
            left => Some(left - 1),
        };
        seen.is_multiple_of(u64::from(self.values.rate))
            && self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl TraceSink for Setting {
    fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    fn is_distributed(&self) -> bool {
        self.shared.mode == TraceMode::OpenTelemetry
    }

    fn new_id(&self) -> TraceId {
        TraceId { id: self.shared.next_trace(), ..self.shared.new_id() }
    }

    fn finished(&self, request: TracedRequest) {
        let setting = self.me.upgrade().expect("a trace holds its setting");
        self.shared.hand_over(setting, request);
    }
}
