use super::*;
use crate::testing::{Hand, Replies, config, request, response};
use hippocamp_telemetry::{Metrics, MetricsOptions, ModelSeries};
use hippocamp_types::{ErrorCode, MonotonicClock};
use std::{
    collections::BTreeMap,
    sync::{
        Barrier, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::ThreadId,
    time::Duration,
};

/// What an instance tells the test.
#[derive(Debug, PartialEq)]
enum Told {
    /// It begins to execute these requests.
    Executes(usize, Vec<String>),
    Dropped(ThreadId),
}

/// An instance that waits for the test's word before it answers a batch.
struct Held {
    name: String,
    number: usize,
    told: SyncSender<Told>,
    go: Receiver<Verdict>,
}

enum Verdict {
    Answer,
    Panic,
}

impl ModelInstance for Held {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, batch: Vec<InferRequest>) {
        let ids = batch.iter().map(|request| request.id.clone()).collect();
        self.told.send(Told::Executes(self.number, ids)).unwrap();
        match self.go.recv().unwrap() {
            Verdict::Answer => {
                for request in batch {
                    request.responder.send(Ok(response("done")), true).unwrap();
                }
            }
            Verdict::Panic => panic!("for the test"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.told.send(Told::Dropped(thread::current().id())).unwrap();
    }
}

struct Bench {
    scheduler: Option<BatchScheduler>,
    metrics: Metrics,
    _statistics: Arc<ModelStatistics>,
    told: Receiver<Told>,
    go: Vec<SyncSender<Verdict>>,
    replies: Replies,
}

impl Bench {
    fn new(settings: &str, instances: usize) -> Self {
        let text = format!(
            r#"name: "m" backend: "b" max_batch_size: 4
               input {{ name: "X" data_type: TYPE_FP32 dims: 1 }}
               output {{ name: "Y" data_type: TYPE_FP32 dims: 1 }} {settings}"#
        );
        let metrics = Metrics::new(MetricsOptions::default());
        let statistics = metrics.model_statistics(
            &ModelSeries { name: "m", namespace: None, version: 1, tags: &BTreeMap::new() },
            4,
            false,
        );
        let (tell, told) = sync_channel(100);
        let (go, instances): (Vec<_>, Vec<_>) = (0..instances)
            .map(|number| {
                let (go, wait) = sync_channel(100);
                let name = format!("m_{number}");
                let held = Held { name, number, told: tell.clone(), go: wait };
                (go, Box::new(held) as Box<dyn ModelInstance>)
            })
            .unzip();
        let options = BatcherOptions::new(&config(&text), 6);
        let clock = Arc::new(Hand::default());
        let scheduler = BatchScheduler::start(options, instances, Arc::clone(&statistics), clock);
        let scheduler = Some(scheduler.unwrap());
        Self { scheduler, metrics, _statistics: statistics, told, go, replies: Replies::default() }
    }

    fn enqueue(&self, ids: &[&str]) -> Vec<Rejected> {
        let scheduler = self.scheduler.as_ref().unwrap();
        let enqueue = |id: &&str| scheduler.enqueue(request(id, &self.replies)).err();
        ids.iter().filter_map(enqueue).collect()
    }

    #[track_caller]
    fn executes(&self) -> (usize, String) {
        match self.told.recv_timeout(Duration::from_secs(60)).unwrap() {
            Told::Executes(instance, ids) => (instance, ids.join(" ")),
            told @ Told::Dropped(_) => panic!("{told:?}"),
        }
    }

    fn go(&self, instance: usize, verdict: Verdict) {
        self.go[instance].send(verdict).unwrap();
    }

    fn pending(&self) -> String {
        let text = self.metrics.render();
        let line = text.lines().find(|l| l.starts_with("nv_inference_pending_request_count{"));
        line.unwrap().rsplit(' ').next().unwrap().to_owned()
    }
}

#[test]
fn without_batching_requests_are_executed_one_by_one() {
    let bench = Bench::new("", 1);
    assert!(bench.enqueue(&["a", "b"]).is_empty());
    assert_eq!(bench.executes(), (0, "a".to_owned()));
    assert_eq!(bench.pending(), "1");
    bench.go(0, Verdict::Answer);
    assert_eq!(bench.executes(), (0, "b".to_owned()));
    assert_eq!(bench.pending(), "0");
    assert_eq!(bench.replies.log(), ["a: done end"]);
    bench.go(0, Verdict::Answer);
}

#[test]
fn requests_that_come_while_the_instance_is_busy_go_together() {
    let bench = Bench::new("dynamic_batching {}", 1);
    assert!(bench.enqueue(&["a"]).is_empty());
    assert_eq!(bench.executes(), (0, "a".to_owned()));
    assert!(bench.enqueue(&["b", "c", "d", "e", "f"]).is_empty());
    bench.go(0, Verdict::Answer);
    assert_eq!(bench.executes(), (0, "b c d e".to_owned()));
    bench.go(0, Verdict::Answer);
    assert_eq!(bench.executes(), (0, "f".to_owned()));
    bench.go(0, Verdict::Answer);
}

#[test]
fn every_free_instance_gets_work() {
    let bench = Bench::new("", 3);
    assert!(bench.enqueue(&["a", "b", "c"]).is_empty());
    let mut busy: Vec<_> = (0..3).map(|_| bench.executes()).collect();
    busy.sort();
    let instances: Vec<_> = busy.iter().map(|(instance, _)| *instance).collect();
    assert_eq!(instances, [0, 1, 2]);
    (0..3).for_each(|instance| bench.go(instance, Verdict::Answer));
}

#[test]
fn overload_is_refused() {
    let bench = Bench::new("", 1);
    assert!(bench.enqueue(&["busy"]).is_empty());
    bench.executes();
    assert!(bench.enqueue(&["1", "2", "3", "4", "5", "6"]).is_empty());
    let rejected = bench.enqueue(&["7"]);
    assert_eq!(rejected[0].error.code(), ErrorCode::Unavailable);
    assert_eq!(rejected[0].error.message(), "[request id: 7] Exceeds maximum queue size");
    assert_eq!(bench.pending(), "6");
    (0..7).for_each(|_| bench.go(0, Verdict::Answer));
}

#[test]
fn a_panic_costs_its_batch_and_nothing_else() {
    let bench = Bench::new("", 1);
    assert!(bench.enqueue(&["a", "b"]).is_empty());
    bench.executes();
    bench.go(0, Verdict::Panic);
    assert_eq!(bench.executes(), (0, "b".to_owned()));
    assert_eq!(bench.replies.log(), ["a: Internal the request was dropped without an answer end"]);
    bench.go(0, Verdict::Answer);
}

#[test]
fn dropping_the_scheduler_serves_the_queue_and_ends_the_instances_on_their_threads() {
    let mut bench = Bench::new("dynamic_batching { max_queue_delay_microseconds: 60000000 }", 2);
    assert!(bench.enqueue(&["a", "b"]).is_empty());
    bench.scheduler = None;
    let (mut executed, mut dropped) = (Vec::new(), Vec::new());
    // The instance that has nothing to do may be the first to tell.
    for _ in 0..3 {
        match bench.told.recv_timeout(Duration::from_secs(60)).unwrap() {
            Told::Dropped(thread) => dropped.push(thread),
            Told::Executes(instance, ids) => {
                executed.push(ids.join(" "));
                bench.go(instance, Verdict::Answer);
            }
        }
    }
    assert_eq!(executed, ["a b"], "there is no company to wait for any more");
    assert_eq!(bench.replies.log(), ["a: done end", "b: done end"]);
    assert_ne!(dropped[0], dropped[1]);
    assert!(!dropped.contains(&thread::current().id()));
}

#[test]
fn ordered_responses_wait_for_those_before_them() {
    let bench = Bench::new("dynamic_batching { preserve_ordering: true }", 2);
    assert!(bench.enqueue(&["a"]).is_empty());
    let (first, _) = bench.executes();
    assert!(bench.enqueue(&["b"]).is_empty());
    let (second, _) = bench.executes();
    assert_ne!(first, second);
    bench.go(second, Verdict::Answer);
    // `second` has answered b when it takes the next request.
    assert!(bench.enqueue(&["c"]).is_empty());
    assert_eq!(bench.executes(), (second, "c".to_owned()));
    assert_eq!(bench.replies.log(), [""; 0]);
    bench.go(first, Verdict::Answer);
    assert!(bench.enqueue(&["d"]).is_empty());
    assert_eq!(bench.executes(), (first, "d".to_owned()));
    assert_eq!(bench.replies.log(), ["a: done end", "b: done end"]);
    bench.go(first, Verdict::Answer);
    bench.go(second, Verdict::Answer);
}

#[test]
fn a_cancelled_request_is_not_executed() {
    let bench = Bench::new("", 1);
    assert!(bench.enqueue(&["a", "b", "c"]).is_empty());
    bench.executes();
    bench.replies.leave("b");
    bench.go(0, Verdict::Answer);
    assert_eq!(bench.executes(), (0, "c".to_owned()));
    assert_eq!(bench.replies.log()[1], "b: Cancelled request was cancelled end");
    assert_eq!(bench.pending(), "0");
    bench.go(0, Verdict::Answer);
}

#[test]
fn a_model_without_instances_does_not_start() {
    let config = config(
        r#"name: "m" backend: "b" input { name: "X" data_type: TYPE_FP32 dims: 1 }
           output { name: "Y" data_type: TYPE_FP32 dims: 1 }"#,
    );
    let statistics = Arc::new(ModelStatistics::new("m", 1, 0, false));
    let clock = Arc::new(Hand::default());
    let options = BatcherOptions::new(&config, 1);
    let error = BatchScheduler::start(options, Vec::new(), statistics, clock).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert!(error.message().starts_with("model 'm' has no instance"), "{error}");
}

/// An instance that answers at once and adds up the sizes of its batches.
struct Quick(Arc<Mutex<(usize, usize)>>);

impl ModelInstance for Quick {
    fn name(&self) -> &'static str {
        "quick"
    }

    fn execute(&mut self, batch: Vec<InferRequest>) {
        let mut sizes = self.0.lock().unwrap();
        sizes.0 += 1;
        sizes.1 += batch.len();
        drop(sizes);
        for request in batch {
            request.responder.send(Ok(response("done")), true).unwrap();
        }
    }
}

#[test]
fn every_request_of_many_threads_is_answered() {
    for settings in [
        "",
        "dynamic_batching {}",
        "dynamic_batching { max_queue_delay_microseconds: 200 preferred_batch_size: [ 2, 4 ] }",
        "dynamic_batching { max_queue_delay_microseconds: 50 preserve_ordering: true }",
    ] {
        const PRODUCERS: usize = 4;
        const EACH: usize = 2_000;
        let text = format!(
            r#"name: "m" backend: "b" max_batch_size: 8
               input {{ name: "X" data_type: TYPE_FP32 dims: 1 }}
               output {{ name: "Y" data_type: TYPE_FP32 dims: 1 }} {settings}"#
        );
        let sizes = Arc::new(Mutex::new((0, 0)));
        let instances: Vec<Box<dyn ModelInstance>> =
            (0..3).map(|_| Box::new(Quick(Arc::clone(&sizes))) as _).collect();
        let options = BatcherOptions::new(&config(&text), PRODUCERS * EACH);
        let statistics = Arc::new(ModelStatistics::new("m", 1, 8, false));
        let clock = Arc::new(MonotonicClock);
        let scheduler = BatchScheduler::start(options, instances, statistics, clock).unwrap();
        let replies = Replies::default();
        let (answered, wait) = sync_channel(1);
        let start = Barrier::new(PRODUCERS);
        thread::scope(|scope| {
            for producer in 0..PRODUCERS {
                let (scheduler, replies, start) = (&scheduler, &replies, &start);
                let answered = answered.clone();
                scope.spawn(move || {
                    start.wait();
                    for i in 0..EACH {
                        let mut request = request(&format!("{producer}-{i}"), replies);
                        request.responder.observe(Answered(answered.clone()));
                        request.batch_size = 1 + i % 2;
                        scheduler.enqueue(request).unwrap();
                    }
                });
            }
            for _ in 0..PRODUCERS * EACH {
                wait.recv_timeout(Duration::from_secs(60)).unwrap();
            }
        });
        let (executions, requests) = *sizes.lock().unwrap();
        assert_eq!(requests, PRODUCERS * EACH, "{settings}");
        assert!(executions <= requests && (executions == requests || !settings.is_empty()));
    }
}

/// Tells that a request has ended.
struct Answered(SyncSender<()>);

impl hippocamp_types::RequestObserver for Answered {
    fn replied(&self, _: hippocamp_types::Outcome<'_>, last: bool) {
        if last {
            self.0.send(()).unwrap();
        }
    }
}
