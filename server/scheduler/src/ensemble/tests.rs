use super::*;
use crate::testing::{Hand, Replies, config, request, tensor};
use hippocamp_types::{
    CorrelationId, ErrorCode, Infer, InferResponse, Parameter, Parameters, SequenceFlags, Tensor,
};
use std::{collections::HashMap, sync::Mutex, time::Duration};

/// Models by name: ensembles have a scheduler; the others are the test's own to answer.
#[derive(Debug, Default)]
struct World {
    configs: HashMap<String, ModelConfig>,
    ensembles: Mutex<HashMap<String, Arc<EnsembleScheduler>>>,
    statistics: Mutex<HashMap<String, Arc<ModelStatistics>>>,
    /// Models that answer at once, each output a tensor of its first input's shape and data.
    prompt: Vec<&'static str>,
    /// Requests to the other models, in the order they came.
    held: Mutex<Vec<(String, InferRequest)>>,
    /// What was asked of whom.
    calls: Mutex<Vec<String>>,
}

/// The way of a request to its steps; the world outlives it.
#[derive(Clone, Debug)]
struct Way(Arc<World>);

impl Infer for Way {
    fn infer(&self, model: &str, _: Option<u64>, mut request: InferRequest) {
        let names = |tensors: &[Tensor]| {
            tensors.iter().map(|t| format!("{}{}", t.name, t.shape)).collect::<Vec<_>>().join(" ")
        };
        let call = format!("{model}({}) -> {}", names(&request.inputs), request.outputs.join(" "));
        self.0.calls.lock().unwrap().push(call);
        let ensemble = self.0.ensembles.lock().unwrap().get(model).map(Arc::clone);
        if let Some(ensemble) = ensemble {
            request.steps = Some(Arc::new(self.clone()));
            ensemble.enqueue(request).unwrap();
        } else if self.0.prompt.contains(&model) {
            let response = echo(&request, 0);
            request.responder.send(Ok(response), true).unwrap();
        } else {
            self.0.held.lock().unwrap().push((model.to_owned(), request));
        }
    }
}

/// Every output that was asked for, but `without` of them.
fn echo(request: &InferRequest, without: usize) -> InferResponse {
    let Some(first) = request.inputs.first() else { return crate::testing::response("") };
    let output = |name: &String| Tensor { name: name.clone(), ..first.clone() };
    let mut response = crate::testing::response(&request.id);
    response.outputs = request.outputs.iter().skip(without).map(output).collect();
    response
}

impl World {
    fn new(configs: &[String], prompt: &[&'static str]) -> Arc<Self> {
        let configs: HashMap<_, _> =
            configs.iter().map(|text| config(text)).map(|c| (c.name.to_string(), c)).collect();
        let world = Self { configs, prompt: prompt.to_vec(), ..Self::default() };
        let find = |name: &str, _: Option<u64>| world.configs.get(name).cloned();
        for (name, config) in &world.configs {
            if matches!(config.scheduling, Scheduling::Ensemble(_)) {
                let statistics = Arc::new(ModelStatistics::new(name, 3, 8, false));
                let clock = Arc::new(Hand::default());
                clock.set(70);
                let scheduler =
                    EnsembleScheduler::new(config, 3, find, Arc::clone(&statistics), clock);
                world.ensembles.lock().unwrap().insert(name.clone(), Arc::new(scheduler.unwrap()));
                world.statistics.lock().unwrap().insert(name.clone(), statistics);
            }
        }
        Arc::new(world)
    }

    fn infer(self: &Arc<Self>, model: &str, mut request: InferRequest) -> Result<(), Rejected> {
        request.steps = Some(Arc::new(Way(Arc::clone(self))));
        let ensemble = self.ensembles.lock().unwrap().get(model).map(Arc::clone);
        ensemble.unwrap().enqueue(request)
    }

    fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// The oldest request held for `model`.
    fn held(&self, model: &str) -> InferRequest {
        let mut held = self.held.lock().unwrap();
        let index = held.iter().position(|(name, _)| name == model).unwrap();
        held.remove(index).1
    }

    fn answer(&self, model: &str) {
        let request = self.held(model);
        let response = echo(&request, 0);
        request.responder.send(Ok(response), true).unwrap();
    }

    fn in_flight(&self, model: &str) -> usize {
        self.ensembles.lock().unwrap()[model].ensemble.in_flight.load(Ordering::Relaxed)
    }
}

/// A model with these inputs (`?`: optional) and outputs, all FP32 of `dims`.
fn leaf(name: &str, settings: &str, inputs: &[&str], outputs: &[&str], dims: &str) -> String {
    let io = |kind: &str, names: &[&str]| -> String {
        let one = |name: &&str| {
            let optional = if name.ends_with('?') { "optional: true" } else { "" };
            let name = name.trim_end_matches('?');
            format!(r#"{kind} {{ name: "{name}" data_type: TYPE_FP32 dims: {dims} {optional} }} "#)
        };
        names.iter().map(one).collect()
    };
    let body = io("input", inputs) + &io("output", outputs);
    format!(r#"name: "{name}" {settings} {body}"#)
}

/// Steps: `model: input=tensor ... -> output=tensor ...`.
fn ensemble(
    name: &str,
    settings: &str,
    inputs: &[&str],
    outputs: &[&str],
    dims: &str,
    steps: &[&str],
) -> String {
    let maps = |kind: &str, maps: &str| -> String {
        let one = |map: &str| {
            let (key, value) = map.split_once('=').unwrap();
            format!(r#"{kind} {{ key: "{key}" value: "{value}" }} "#)
        };
        maps.split_whitespace().map(one).collect()
    };
    let steps: String = steps
        .iter()
        .map(|step| {
            let (model, rest) = step.split_once(':').unwrap();
            let (reads, writes) = rest.split_once("->").unwrap();
            let maps = maps("input_map", reads) + &maps("output_map", writes);
            format!(r#"step {{ model_name: "{model}" model_version: -1 {maps} }} "#)
        })
        .collect();
    let settings = format!(r#"platform: "ensemble" {settings}"#);
    let (scheduling, settings) = match settings.split_once("inflight") {
        Some((settings, limit)) => (format!("max_inflight_requests: {limit}"), settings.to_owned()),
        None => (String::new(), settings),
    };
    let head = leaf(name, &settings, inputs, outputs, dims);
    format!("{head} ensemble_scheduling {{ {steps} {scheduling} }}")
}

const BATCHED: &str = r#"backend: "b" max_batch_size: 8"#;

/// a and b read the input, c joins them; a has a second output that is an output as well.
fn diamond() -> Vec<String> {
    vec![
        leaf("a", BATCHED, &["X"], &["Y", "EXTRA"], "2"),
        leaf("b", BATCHED, &["X"], &["Y"], "2"),
        leaf("c", BATCHED, &["L", "R"], &["Y"], "2"),
        ensemble(
            "e",
            "max_batch_size: 8 inflight 2",
            &["IN"],
            &["OUT", "SIDE"],
            "2",
            &["a: X=IN -> Y=l EXTRA=SIDE", "b: X=IN -> Y=r", "c: L=l R=r -> Y=OUT"],
        ),
    ]
}

fn with_input(id: &str, replies: &Replies) -> InferRequest {
    let mut request = request(id, replies);
    request.inputs = vec![tensor("IN", &[1, 2])];
    request
}

#[test]
fn steps_run_when_their_inputs_are_there() {
    let world = World::new(&diamond(), &[]);
    let replies = Replies::default();
    world.infer("e", InferRequest { batch_size: 2, ..with_input("q", &replies) }).unwrap();
    assert_eq!(world.calls(), ["a(X[1,2]) -> EXTRA Y", "b(X[1,2]) -> Y"]);
    world.answer("b");
    assert_eq!(world.calls(), [""; 0]);
    world.answer("a");
    assert_eq!(world.calls(), ["c(L[1,2] R[1,2]) -> Y"]);
    assert_eq!(replies.log(), [""; 0]);
    assert_eq!(world.in_flight("e"), 1);
    world.answer("c");
    assert_eq!(replies.log(), ["q: q end"]);
    assert_eq!(world.in_flight("e"), 0);

    let response = replies.responses().remove(0);
    assert_eq!((&*response.model_name, response.model_version), ("e", 3));
    let names: Vec<_> = response.outputs.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["OUT", "SIDE"]);
    let parameter = |name: &str, value| (name.to_owned(), value);
    assert_eq!(
        response.parameters,
        [
            parameter("sequence_id", Parameter::Int(0)),
            parameter("sequence_start", Parameter::Bool(false)),
            parameter("sequence_end", Parameter::Bool(false)),
        ]
    );
    let report = world.statistics.lock().unwrap()["e"].report();
    assert_eq!((report.inference_count, report.execution_count), (2, 1));
    assert_eq!((report.success.count, report.success.ns), (1, 70_000));
}

#[test]
fn data_is_shared_and_never_copied() {
    let world = World::new(&diamond(), &["a", "b", "c"]);
    let replies = Replies::default();
    let request = with_input("q", &replies);
    let data = request.inputs[0].data.as_ptr();
    world.infer("e", request).unwrap();
    for output in &replies.responses()[0].outputs {
        assert_eq!(output.data.as_ptr(), data);
    }
}

#[test]
fn only_what_is_asked_for_runs() {
    let check = |outputs: &[&str], calls: &[&str], answered: &[&str]| {
        let world = World::new(&diamond(), &["a", "b", "c"]);
        let replies = Replies::default();
        let mut request = with_input("q", &replies);
        request.outputs = outputs.iter().map(|&name| name.to_owned()).collect();
        world.infer("e", request).unwrap();
        assert_eq!(world.calls(), calls, "{outputs:?}");
        let response = replies.responses().remove(0);
        let names: Vec<_> = response.outputs.iter().map(|tensor| tensor.name.clone()).collect();
        assert_eq!(names, answered);
    };
    check(&["SIDE"], &["a(X[1,2]) -> EXTRA"], &["SIDE"]);
    let all = ["b(X[1,2]) -> Y", "c(L[1,2] R[1,2]) -> Y"];
    check(&["OUT"], &["a(X[1,2]) -> Y", all[0], all[1]], &["OUT"]);
    check(&["SIDE", "OUT"], &["a(X[1,2]) -> EXTRA Y", all[0], all[1]], &["SIDE", "OUT"]);
}

#[test]
fn the_first_error_ends_the_ensemble() {
    let world = World::new(&diamond(), &[]);
    let replies = Replies::default();
    world.infer("e", with_input("q", &replies)).unwrap();
    let (a, b) = (world.held("a"), world.held("b"));
    assert!(!b.responder.is_cancelled());
    a.responder.fail(Error::invalid("bad rows"));
    assert_eq!(replies.log(), ["q: InvalidArgument in ensemble 'e', bad rows end"]);
    assert!(b.responder.is_cancelled(), "nobody needs it any more");
    assert_eq!(world.in_flight("e"), 0);
    b.responder.fail(Error::internal("worse"));
    assert_eq!(replies.log().len(), 1);
    assert_eq!(world.calls().len(), 2, "no further step");
    assert_eq!(world.statistics.lock().unwrap()["e"].report().success.count, 0);
}

#[test]
fn a_step_that_does_not_keep_its_word_is_named() {
    let check = |spoil: fn(InferRequest), expect: &str| {
        let world = World::new(&diamond(), &["b", "c"]);
        let replies = Replies::default();
        world.infer("e", with_input("q", &replies)).unwrap();
        spoil(world.held("a"));
        assert_eq!(replies.log(), [format!("q: {expect} end")]);
        assert_eq!(world.in_flight("e"), 0);
    };
    check(drop, "Internal in ensemble 'e', the request was dropped without an answer");
    check(
        |request| request.responder.finish().unwrap(),
        "Internal in ensemble 'e', model 'a' sent no response",
    );
    check(
        |request| {
            let response = echo(&request, 2);
            request.responder.send(Ok(response), true).unwrap();
        },
        "Internal in ensemble 'e', model 'a' did not produce output 'Y', which input 'L' of model 'c' needs",
    );
    check(
        |request| {
            let mut response = echo(&request, 0);
            response.outputs.retain(|output| output.name == "Y");
            request.responder.send(Ok(response), true).unwrap();
        },
        "Internal in ensemble 'e', model 'a' did not produce output 'EXTRA', which output 'SIDE' needs",
    );
}

#[test]
fn a_second_response_is_an_error() {
    let world = World::new(&diamond(), &[]);
    let replies = Replies::default();
    world.infer("e", with_input("q", &replies)).unwrap();
    let a = world.held("a");
    for _ in 0..2 {
        let response = echo(&a, 0);
        a.responder.send(Ok(response), false).unwrap();
    }
    let expect = "q: Unsupported in ensemble 'e', model 'a' sent more than one response, \
                  and decoupled models are not supported in ensembles end";
    assert_eq!(replies.log(), [expect]);
}

#[test]
fn cancellation_is_seen_between_steps() {
    let world = World::new(&diamond(), &[]);
    let replies = Replies::default();
    world.infer("e", with_input("q", &replies)).unwrap();
    world.calls();
    replies.leave("q");
    world.answer("b");
    let a = world.held("a");
    assert!(a.responder.is_cancelled(), "queued steps are dropped by their own queues");
    let response = echo(&a, 0);
    a.responder.send(Ok(response), true).unwrap();
    assert_eq!(world.calls(), [""; 0]);
    assert_eq!(replies.log(), ["q: Cancelled in ensemble 'e', request was cancelled end"]);
}

#[test]
fn requests_in_flight_are_limited() {
    let world = World::new(&diamond(), &[]);
    let replies = Replies::default();
    for id in ["1", "2"] {
        world.infer("e", with_input(id, &replies)).unwrap();
    }
    let rejected = world.infer("e", with_input("3", &replies)).unwrap_err();
    assert_eq!(rejected.error.code(), ErrorCode::Unavailable);
    assert_eq!(
        rejected.error.message(),
        "[request id: 3] ensemble 'e' has 2 requests in flight, which is its max_inflight_requests"
    );
    assert!(rejected.request.steps.is_some(), "given back as it came");
    drop(world.held("a"));
    world.infer("e", *rejected.request).unwrap();
}

#[test]
fn what_belongs_to_the_request_is_forwarded() {
    let world = World::new(&diamond(), &[]);
    let replies = Replies::default();
    let mut request = with_input("q", &replies);
    request.parameters = vec![("k".to_owned(), Parameter::Double(0.5))];
    request.priority = 7;
    request.timeout = Some(Duration::from_micros(9));
    request.correlation_id = CorrelationId::String("s".to_owned());
    request.sequence = SequenceFlags { start: true, end: false };
    world.infer("e", request).unwrap();
    let step = world.held("a");
    assert_eq!(step.id, "q");
    assert_eq!(step.parameters, [("k".to_owned(), Parameter::Double(0.5))]);
    assert_eq!((step.priority, step.timeout), (7, Some(Duration::from_micros(9))));
    assert_eq!(step.correlation_id, CorrelationId::String("s".to_owned()));
    assert!(step.sequence.start && !step.sequence.end);
    assert_eq!(step.received, crate::testing::at(70), "its statistics begin now");
}

#[test]
fn optional_inputs_may_be_left_out() {
    let world = World::new(
        &[
            leaf("a", r#"backend: "b""#, &["X", "HINT?"], &["Y"], "2"),
            ensemble("e", "", &["IN", "HINT?"], &["OUT"], "2", &["a: X=IN HINT=HINT -> Y=OUT"]),
        ],
        &["a"],
    );
    let replies = Replies::default();
    let mut request = request("q", &replies);
    request.inputs = vec![tensor("IN", &[2])];
    world.infer("e", request).unwrap();
    assert_eq!(world.calls(), ["a(X[2]) -> Y"]);
    assert_eq!(replies.log(), ["q: q end"]);
}

#[test]
fn batch_dimensions_come_and_go_between_members() {
    let world = World::new(
        &[
            leaf("with", BATCHED, &["X"], &["Y"], "2"),
            leaf("without", r#"backend: "b""#, &["X"], &["Y"], "2"),
            ensemble(
                "e",
                "",
                &["IN"],
                &["OUT"],
                "2",
                &["with: X=IN -> Y=t", "without: X=t -> Y=u", "with: X=u -> Y=OUT"],
            ),
        ],
        &["with", "without"],
    );
    let replies = Replies::default();
    let mut request = request("q", &replies);
    request.inputs = vec![tensor("IN", &[2])];
    world.infer("e", request).unwrap();
    assert_eq!(world.calls(), ["with(X[1,2]) -> Y", "without(X[2]) -> Y", "with(X[1,2]) -> Y"]);
    assert_eq!(replies.responses()[0].outputs[0].shape.dims(), [2]);
}

#[test]
fn a_request_without_a_way_to_its_steps_is_given_back() {
    let world = World::new(&diamond(), &[]);
    let ensemble = world.ensembles.lock().unwrap()["e"].clone();
    let rejected = ensemble.enqueue(with_input("q", &Replies::default())).unwrap_err();
    assert_eq!(rejected.error.code(), ErrorCode::Internal);
}

/// On a stack of 256 KiB, which a frame per step would overrun many times over.
#[test]
fn long_chains_and_deep_nests_need_no_stack() {
    const STEPS: usize = 3_000;
    const DEPTH: usize = 30;
    let mut configs = vec![leaf("leaf", r#"backend: "b""#, &["X"], &["Y"], "1")];
    let steps: Vec<String> = (0..STEPS)
        .map(|i| {
            let from = if i == 0 { "X".to_owned() } else { format!("t{i}") };
            let to = if i + 1 == STEPS { "Y".to_owned() } else { format!("t{}", i + 1) };
            format!("leaf: X={from} -> Y={to}")
        })
        .collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    configs.push(ensemble("n0", "", &["X"], &["Y"], "1", &steps));
    for depth in 1..=DEPTH {
        let member = format!("n{}: X=X -> Y=Y", depth - 1);
        configs.push(ensemble(&format!("n{depth}"), "", &["X"], &["Y"], "1", &[&member]));
    }
    let world = World::new(&configs, &["leaf"]);
    let replies = Replies::default();
    let mut request = request("q", &replies);
    request.inputs = vec![tensor("X", &[1])];
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        let run = || world.infer(&format!("n{DEPTH}"), request).unwrap();
        thread.spawn_scoped(scope, run).unwrap();
    });
    assert_eq!(replies.log(), ["q: q end"]);
    assert_eq!(world.calls().len(), STEPS + DEPTH);
}

#[test]
fn a_panic_in_a_step_does_not_stop_the_next_request() {
    #[derive(Debug)]
    struct Broken;
    impl Infer for Broken {
        fn infer(&self, _: &str, _: Option<u64>, _: InferRequest) {
            panic!("for the test");
        }
    }
    let world = World::new(&diamond(), &["a", "b", "c"]);
    let replies = Replies::default();
    let mut broken = with_input("broken", &replies);
    broken.steps = Some(Arc::new(Broken));
    let ensemble = world.ensembles.lock().unwrap()["e"].clone();
    let enqueue = std::panic::AssertUnwindSafe(|| ensemble.enqueue(broken));
    assert!(std::panic::catch_unwind(enqueue).is_err());
    assert!(replies.log()[0].starts_with("broken: Internal"), "{:?}", replies.log());
    world.infer("e", with_input("q", &replies)).unwrap();
    assert_eq!(replies.log()[1], "q: q end");
    assert_eq!(world.in_flight("e"), 0);
}

#[test]
fn parameters_are_absent_where_no_step_ran() {
    let world = World::new(
        &[
            leaf("a", r#"backend: "b""#, &["X"], &["Y"], "2"),
            ensemble("e", "", &["IN"], &["IN", "OUT"], "2", &["a: X=IN -> Y=OUT"]),
        ],
        &["a"],
    );
    let replies = Replies::default();
    let mut request = request("q", &replies);
    request.inputs = vec![tensor("IN", &[2])];
    request.outputs = vec!["IN".to_owned()];
    world.infer("e", request).unwrap();
    assert_eq!(world.calls(), [""; 0]);
    let response = replies.responses().remove(0);
    assert_eq!((response.parameters, response.outputs.len()), (Parameters::new(), 1));
}
