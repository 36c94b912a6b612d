//! A trace as the spans of OpenTelemetry, in Triton's form: `InferRequest` for the whole, below it a
//! span for each model, below that `compute`, and one for each pair of custom activities that end in
//! `_START` and `_END`. Every mark is an event of the innermost span that is open at its time.

use super::json::in_order;
use hippocamp_types::{Activity, Mark, MarkName, Timestamp, TraceRecord, TracedRequest};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{Event, SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::{borrow::Cow, str::FromStr as _, time::SystemTime};

/// Wall time and the steady clock, read at the same moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Anchor {
    pub(super) wall: SystemTime,
    pub(super) steady: Timestamp,
}

impl Anchor {
    fn wall(&self, at: Timestamp) -> SystemTime {
        let (later, earlier) = (at.since(self.steady), self.steady.since(at));
        self.wall.checked_add(later).and_then(|wall| wall.checked_sub(earlier)).unwrap_or(self.wall)
    }
}

/// The spans of a request; `new_span` gives ids to those that have none yet.
pub(super) fn spans(
    request: &TracedRequest,
    anchor: Anchor,
    mut new_span: impl FnMut() -> SpanId,
) -> Vec<SpanData> {
    let marks = || request.traces.iter().flat_map(|trace| &trace.marks).map(|mark| mark.at);
    let (Some(first), Some(last)) = (marks().min(), marks().max()) else { return Vec::new() };
    let maker = Maker {
        trace_id: TraceId::from_bytes(request.context.trace_id.to_be_bytes()),
        flags: TraceFlags::new(request.context.flags),
        state: TraceState::from_str(&request.context.state).unwrap_or_default(),
        scope: InstrumentationScope::builder("triton-server").build(),
        anchor,
    };
    let root = SpanId::from_bytes(request.context.span_id.to_be_bytes());
    let caller = request.caller.map(u64::to_be_bytes).map(SpanId::from_bytes);
    let mut whole = maker.open("InferRequest", root, caller.unwrap_or(SpanId::INVALID), first);
    whole.parent_span_is_remote = caller.is_some();
    let mut done = Vec::new();
    for trace in &request.traces {
        let (of_front, of_model): (Vec<_>, Vec<_>) =
            in_order(&trace.marks).into_iter().partition(|mark| is_of_front_end(&mark.name));
        whole.events.events.extend(of_front.into_iter().map(|mark| maker.event(mark)));
        // A request that was refused before it reached its model has no more to tell.
        if trace.version.is_some() {
            maker.model(trace, &of_model, &mut new_span, &mut done);
        }
    }
    whole.status = status(request.error.as_deref());
    maker.close(&mut whole, last);
    done.push(whole);
    done
}

fn is_of_front_end(name: &MarkName) -> bool {
    match name {
        MarkName::Custom(_) => false,
        MarkName::Known(activity) => match activity {
            Activity::RequestStart
            | Activity::QueueStart
            | Activity::ComputeStart
            | Activity::ComputeInputEnd
            | Activity::ComputeOutputStart
            | Activity::ComputeEnd
            | Activity::RequestEnd => false,
            Activity::InferResponseComplete
            | Activity::HttpRecvStart
            | Activity::HttpRecvEnd
            | Activity::HttpSendStart
            | Activity::HttpSendEnd
            | Activity::GrpcWaitreadStart
            | Activity::GrpcWaitreadEnd
            | Activity::GrpcSendStart
            | Activity::GrpcSendEnd => true,
        },
    }
}

/// Whether a mark is about the request at its model, whatever happens inside.
fn is_of_request(name: &MarkName) -> bool {
    let of_request = [Activity::RequestStart, Activity::QueueStart, Activity::RequestEnd];
    of_request.into_iter().any(|activity| *name == MarkName::Known(activity))
}

struct Maker {
    trace_id: TraceId,
    flags: TraceFlags,
    state: TraceState,
    scope: InstrumentationScope,
    anchor: Anchor,
}

impl Maker {
    fn open(&self, name: &str, id: SpanId, parent: SpanId, at: Timestamp) -> SpanData {
        let start = self.anchor.wall(at);
        SpanData {
            span_context: SpanContext::new(
                self.trace_id,
                id,
                self.flags,
                false,
                self.state.clone(),
            ),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Server,
            name: Cow::Owned(name.to_owned()),
            start_time: start,
            end_time: start,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: self.scope.clone(),
        }
    }

    fn close(&self, span: &mut SpanData, at: Timestamp) {
        // A clock that was set back meanwhile must not make a span end before it begins.
        span.end_time = self.anchor.wall(at).max(span.start_time);
    }

    fn event(&self, mark: &Mark) -> Event {
        Event::new(mark.name.as_str().to_owned(), self.anchor.wall(mark.at), Vec::new(), 0)
    }

    /// The spans of one model.
    fn model(
        &self,
        trace: &TraceRecord,
        marks: &[&Mark],
        new_span: &mut impl FnMut() -> SpanId,
        done: &mut Vec<SpanData>,
    ) {
        let (Some(first), Some(last)) = (marks.first(), marks.last()) else { return };
        let id = SpanId::from_bytes(trace.span_id.to_be_bytes());
        let parent = SpanId::from_bytes(trace.parent_span_id.to_be_bytes());
        let mut model = self.open(&trace.model, id, parent, first.at);
        model.attributes = attributes(trace);
        model.status = status(trace.error.as_deref());
        // The model's own span lies at the bottom.
        let mut open = vec![model];
        for mark in marks {
            let (begins, ends) = begins_or_ends(&mark.name);
            if let Some(name) = begins {
                let parent = open.last().map_or(id, |span| span.span_context.span_id());
                open.push(self.open(name, new_span(), parent, mark.at));
            }
            let ended = ends.and_then(|name| open.iter().rposition(|span| span.name == name));
            // The model's own span, whose name a backend may use, ends last.
            let ended = ended.filter(|&index| index > 0);
            let place = if is_of_request(&mark.name) { 0 } else { open.len() - 1 };
            open[ended.unwrap_or(place)].events.events.push(self.event(mark));
            if let Some(index) = ended {
                let mut span = open.remove(index);
                self.close(&mut span, mark.at);
                done.push(span);
            }
        }
        for mut span in open {
            self.close(&mut span, last.at);
            done.push(span);
        }
    }
}

/// Unset where nothing failed, as OpenTelemetry asks of those who only report.
fn status(error: Option<&str>) -> Status {
    error.map_or(Status::Unset, |error| Status::error(error.to_owned()))
}

fn attributes(trace: &TraceRecord) -> Vec<KeyValue> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("triton.model_name", trace.model.clone()),
        KeyValue::new("triton.model_version", number(trace.version.unwrap_or(0))),
        KeyValue::new("triton.trace_id", number(trace.id)),
        KeyValue::new("triton.trace_parent_id", number(trace.parent_id)),
    ];
    if !trace.request_id.is_empty() {
        attributes.push(KeyValue::new("triton.request_id", trace.request_id.clone()));
    }
    attributes
}

/// The name of the span that begins, and of the one that ends, with a mark.
fn begins_or_ends(name: &MarkName) -> (Option<&str>, Option<&str>) {
    match name {
        MarkName::Known(Activity::ComputeStart) => (Some("compute"), None),
        MarkName::Known(Activity::ComputeEnd) => (None, Some("compute")),
        MarkName::Known(_) => (None, None),
        MarkName::Custom(name) => {
            let cut = |end| name.strip_suffix(end).filter(|name| !name.is_empty());
            (cut("_START"), cut("_END"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::TraceContext;
    use std::time::Duration;

    fn mark(name: &str, ns: u64) -> Mark {
        let known = [
            Activity::RequestStart,
            Activity::ComputeStart,
            Activity::ComputeEnd,
            Activity::RequestEnd,
            Activity::HttpRecvStart,
            Activity::HttpSendEnd,
        ];
        let known = known.into_iter().find(|activity| activity.name() == name);
        let name = known.map_or_else(|| MarkName::Custom(name.to_owned()), MarkName::Known);
        Mark { name, at: Timestamp::from_nanos(ns) }
    }

    #[test]
    fn spans_nest_by_time() {
        let parent = TraceRecord {
            id: 1,
            span_id: 21,
            parent_span_id: 20,
            model: "m".to_owned(),
            version: Some(3),
            request_id: "r".to_owned(),
            marks: vec![
                mark("HTTP_RECV_START", 1),
                mark("REQUEST_START", 2),
                mark("MY_START", 4),
                mark("EVENT", 5),
                mark("MY_END", 6),
                mark("LEFT_START", 7),
                // Reported last, though they happened before.
                mark("COMPUTE_START", 3),
                mark("COMPUTE_END", 8),
                mark("REQUEST_END", 9),
                mark("HTTP_SEND_END", 10),
            ],
            ..TraceRecord::default()
        };
        let child = TraceRecord {
            id: 2,
            parent_id: 1,
            span_id: 22,
            parent_span_id: 21,
            model: "n".to_owned(),
            version: Some(1),
            marks: vec![mark("REQUEST_START", 4), mark("REQUEST_END", 5)],
            error: Some("no".to_owned()),
            ..TraceRecord::default()
        };
        let refused = TraceRecord { id: 3, parent_id: 1, ..TraceRecord::default() };
        let context = TraceContext { trace_id: 7, span_id: 20, flags: 1, state: "a=b".into() };
        let traces = vec![parent, child, refused];
        let error = Some("told".to_owned());
        let request = TracedRequest { context, caller: Some(19), traces, error };
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let anchor = Anchor { wall, steady: Timestamp::from_nanos(10) };
        let mut next = 100_u64;
        let made = spans(&request, anchor, || {
            next += 1;
            SpanId::from_bytes(next.to_be_bytes())
        });
        let ns = |time: SystemTime| match wall.duration_since(time) {
            Ok(before) => 10 - before.as_nanos(),
            Err(after) => 10 + after.duration().as_nanos(),
        };
        let id = |id: SpanId| u64::from_be_bytes(id.to_bytes());
        let shown: Vec<_> = made
            .iter()
            .map(|span| {
                assert_eq!(span.span_context.trace_state().header(), "a=b");
                let events: Vec<_> = span.events.iter().map(|event| event.name.as_ref()).collect();
                let ids = (id(span.span_context.span_id()), id(span.parent_span_id));
                (span.name.as_ref(), ids, (ns(span.start_time), ns(span.end_time)), events)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("MY", (102, 101), (4, 6), vec!["MY_START", "EVENT", "MY_END"]),
                ("compute", (101, 21), (3, 8), vec!["COMPUTE_START", "COMPUTE_END"]),
                ("m", (21, 20), (2, 9), vec!["REQUEST_START", "REQUEST_END"]),
                ("LEFT", (103, 101), (7, 9), vec!["LEFT_START"]),
                ("n", (22, 21), (4, 5), vec!["REQUEST_START", "REQUEST_END"]),
                ("InferRequest", (20, 19), (1, 10), vec!["HTTP_RECV_START", "HTTP_SEND_END"]),
            ]
        );
        assert!(made[5].parent_span_is_remote);
        let statuses: Vec<_> = made.iter().map(|span| span.status.clone()).collect();
        let mut expect = vec![Status::Unset; 4];
        expect.extend([Status::error("no"), Status::error("told")]);
        assert_eq!(statuses, expect);
        let attributes: Vec<_> =
            made[2].attributes.iter().map(|a| format!("{}={}", a.key, a.value)).collect();
        assert_eq!(
            attributes,
            [
                "triton.model_name=m",
                "triton.model_version=3",
                "triton.trace_id=1",
                "triton.trace_parent_id=0",
                "triton.request_id=r"
            ]
        );
    }
}
