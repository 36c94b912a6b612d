//! Sampling, settings and files, without a server.

use super::*;
use hippocamp_types::{Activity, ErrorCode, RequestTrace, Timestamp, TraceLevel};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_nanos(1_000)
    }
}

const TIMESTAMPS: TraceLevel = TraceLevel { timestamps: true, tensors: false };

/// A tracer that writes `trace.json` in `directory`.
fn tracer(directory: &Path, options: TraceOptions) -> Tracer {
    let file = directory.join("trace.json").to_str().expect("a temporary path is UTF-8").to_owned();
    Tracer::new(TraceOptions { level: TIMESTAMPS, file, ..options }, Arc::new(Stopped)).unwrap()
}

/// Makes `count` requests to `model`, and tells which of them were traced.
fn request(tracer: &Tracer, model: &str, count: usize) -> Vec<usize> {
    (1..=count)
        .filter(|_| {
            let trace = tracer.sample(model, None).map(RequestTrace::new);
            if let Some(trace) = &trace {
                trace.started(model, 1, "", Timestamp::from_nanos(1));
            }
            trace.is_some()
        })
        .collect()
}

fn update(tracer: &Tracer, model: Option<&str>, changes: &[(&str, &str)]) -> Result<(), Error> {
    let mut update = TraceUpdate::default();
    for (name, value) in changes {
        let values = if value.is_empty() { vec![] } else { vec![(*value).to_owned()] };
        update.set(name, &values)?;
    }
    tracer.update(model, &update)
}

fn shown(tracer: &Tracer, model: Option<&str>, name: &str) -> String {
    let shown = tracer.settings(model).shown();
    shown.iter().find(|(shown, _)| *shown == name).expect("it is shown").1.join(",")
}

/// The ids of the traces in a file.
fn ids(path: PathBuf) -> Vec<u64> {
    let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let Value::Array(objects) = serde_json::from_slice(&text).expect("a JSON document") else {
        panic!("no list")
    };
    let named = objects.iter().filter(|object| object.get("model_name").is_some());
    named.map(|object| object["id"].as_u64().expect("a number")).collect()
}

#[test]
fn one_of_so_many_until_the_count_is_used_up() {
    let directory = tempfile::tempdir().unwrap();
    let tracer =
        tracer(directory.path(), TraceOptions { rate: 3, count: Some(2), ..<_>::default() });
    assert_eq!(request(&tracer, "m", 4), [3]);
    assert_eq!(shown(&tracer, None, "trace_count"), "1");
    assert_eq!(request(&tracer, "m", 10), [2], "the sixth of all");
    assert_eq!(shown(&tracer, None, "trace_count"), "0");
    tracer.shut_down(Duration::from_secs(60));
    assert_eq!(ids(directory.path().join("trace.json.0")), [1, 2]);
    assert!(!directory.path().join("trace.json").exists());
}

#[test]
fn nothing_is_traced_before_it_is_asked_for() {
    let tracer = Tracer::off(Arc::new(Stopped));
    assert!(!tracer.is_on() && tracer.sample("m", None).is_none());
    let error = update(&tracer, None, &[("trace_level", "TIMESTAMPS")]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert_eq!(
        error.message(),
        "Attempting to set invalid trace setting :trace file name is not given"
    );
    assert!(!tracer.is_on());
}

#[test]
fn a_log_frequency_makes_files_and_the_rest_goes_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let options = TraceOptions { rate: 1, log_frequency: 2, ..<_>::default() };
    let tracer = tracer(directory.path(), options);
    request(&tracer, "m", 5);
    tracer.shut_down(Duration::from_secs(60));
    for (index, expect) in [&[1, 2][..], &[3, 4], &[5]].into_iter().enumerate() {
        assert_eq!(ids(directory.path().join(format!("trace.json.{index}"))), expect);
    }
    assert!(!directory.path().join("trace.json").exists());
}

#[test]
fn the_file_is_whole_after_each_setting() {
    let directory = tempfile::tempdir().unwrap();
    let tracer = tracer(directory.path(), TraceOptions { rate: 1, ..<_>::default() });
    request(&tracer, "m", 2);
    // One that is not over is told when it is, by the setting that it began with.
    let late = tracer.sample("m", None).unwrap();
    update(&tracer, None, &[("trace_count", "1")]).unwrap();
    assert_eq!(request(&tracer, "m", 3), [1]);
    drop(late);
    update(&tracer, None, &[("trace_level", "OFF")]).unwrap();
    assert!(!tracer.is_on());
    assert!(request(&tracer, "m", 3).is_empty());
    tracer.shut_down(Duration::from_secs(60));
    assert_eq!(ids(directory.path().join("trace.json")), [1, 2, 3]);
    assert_eq!(ids(directory.path().join("trace.json.0")), [4]);
    assert_eq!(tracer.lost(), 0);
}

#[test]
fn a_model_may_have_settings_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let tracer = tracer(directory.path(), TraceOptions { rate: 2, ..<_>::default() });
    update(&tracer, Some("own"), &[("trace_rate", "1"), ("trace_count", "3")]).unwrap();
    assert_eq!(request(&tracer, "own", 2), [1, 2]);
    assert_eq!(request(&tracer, "other", 2), [2], "each setting counts for itself");
    // A change of the server reaches what the model left open, and no more.
    update(&tracer, None, &[("trace_rate", "7"), ("log_frequency", "5")]).unwrap();
    let of = |model, name| shown(&tracer, model, name);
    assert_eq!((of(None, "trace_rate"), of(Some("own"), "trace_rate")), ("7".into(), "1".into()));
    assert_eq!(of(Some("own"), "log_frequency"), "5");
    assert_eq!(of(Some("own"), "trace_count"), "1", "what is left of it");
    // Off for one model.
    update(&tracer, Some("own"), &[("trace_level", "OFF")]).unwrap();
    assert!(request(&tracer, "own", 3).is_empty() && tracer.is_on());
    // Nothing of its own is left.
    let clear = [("trace_level", ""), ("trace_rate", ""), ("trace_count", "")];
    update(&tracer, Some("own"), &clear).unwrap();
    assert!(tracer.read().models.is_empty());
    assert_eq!(of(Some("own"), "trace_rate"), "7");
    update(&tracer, None, &[("trace_rate", "")]).unwrap();
    assert_eq!(of(None, "trace_rate"), "2", "as the server was started");
}

#[test]
fn settings_that_cannot_be_are_refused_whole() {
    let directory = tempfile::tempdir().unwrap();
    let tracer = tracer(directory.path(), TraceOptions::default());
    let check = |changes: &[(&str, &str)], code, expect: &str| {
        let error = update(&tracer, None, changes).unwrap_err();
        assert_eq!((error.code(), error.message()), (code, expect));
        assert_eq!(shown(&tracer, None, "trace_rate"), "1000");
    };
    let invalid = ErrorCode::InvalidArgument;
    let prefix = "Attempting to set invalid trace setting :";
    check(&[("trace_rate", "0")], invalid, &format!("{prefix}sample rate must be non-zero"));
    check(
        &[("trace_rate", "5"), ("trace_count", "0")],
        invalid,
        &format!("{prefix}trace count must be non-zero"),
    );
    check(
        &[("trace_mode", "opentelemetry")],
        ErrorCode::Unsupported,
        "trace mode can not be updated through network protocol: it is 'triton'",
    );
    update(&tracer, None, &[("trace_mode", "triton")]).unwrap();
    let without_file = TraceOptions { level: TIMESTAMPS, ..TraceOptions::default() };
    assert!(Tracer::new(without_file.clone(), Arc::new(Stopped)).is_err());
    let rate = TraceOptions { rate: 0, file: "f".to_owned(), ..without_file };
    assert!(Tracer::new(rate, Arc::new(Stopped)).is_err());
}

#[test]
fn callers_decide_in_mode_opentelemetry() {
    let caller = |flags| TraceContext { trace_id: 7, span_id: 8, flags, state: "a=b".into() };
    let make = |mode| {
        let options = TraceOptions { level: TIMESTAMPS, mode, file: "f".into(), ..<_>::default() };
        Tracer::new(TraceOptions { rate: 2, count: Some(1), ..options }, Arc::new(Stopped)).unwrap()
    };
    let otlp = make(TraceMode::OpenTelemetry);
    for _ in 0..3 {
        let trace = otlp.sample("m", Some(&caller(1))).expect("the caller is traced");
        let context = trace.request_context().unwrap();
        assert_eq!((context.trace_id, context.flags, context.state.as_str()), (7, 1, "a=b"));
        assert!(context.span_id != 8 && context.span_id != 0);
        // What is not over is not sent: nobody listens.
        std::mem::forget(trace);
        assert!(otlp.sample("m", Some(&caller(0))).is_none(), "the caller is not traced");
    }
    let error = update(&otlp, None, &[("trace_level", "TENSORS")]).unwrap_err();
    assert!(error.message().contains("Tensor level tracing is not supported"), "{error}");
    assert!(otlp.sample("m", None).is_none(), "the first of two");
    let own = otlp.sample("m", None).expect("the second of two");
    assert_ne!(own.request_context().unwrap().trace_id, 0);
    std::mem::forget(own);
    let file = make(TraceMode::Triton);
    assert!(file.sample("m", Some(&caller(1))).is_none(), "counted like any other");
    let trace = file.sample("m", Some(&caller(0))).expect("the second of two");
    assert!(trace.request_context().is_none() && trace.context().is_none(), "there is no span");
    std::mem::forget(trace);
}

#[test]
fn what_cannot_be_written_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("none/trace.json").to_str().unwrap().to_owned();
    let options = TraceOptions { level: TIMESTAMPS, rate: 1, file, ..TraceOptions::default() };
    let tracer = Tracer::new(options, Arc::new(Stopped)).unwrap();
    request(&tracer, "m", 2);
    let late = tracer.sample("m", None).unwrap();
    tracer.shut_down(Duration::from_secs(60));
    assert_eq!(tracer.lost(), 2);
    late.record(Activity::HttpRecvStart, Timestamp::from_nanos(1));
    drop(late);
    assert_eq!(tracer.lost(), 3, "over after the end");
}
