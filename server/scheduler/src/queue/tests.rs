use super::*;
use crate::testing::{Replies, at, request, tensor};
use hippocamp_config::TimeoutAction;
use hippocamp_types::PendingBatch;
use std::{sync::Mutex, time::Duration};

fn us(us: u64) -> Duration {
    Duration::from_micros(us)
}

fn batching(preferred: &[usize], delay_us: u64) -> DynamicBatching {
    DynamicBatching {
        preferred_batch_sizes: preferred.to_vec(),
        max_queue_delay: us(delay_us),
        ..DynamicBatching::default()
    }
}

fn queue(max_batch_size: usize, batching: Option<DynamicBatching>) -> Queue {
    let ragged_inputs = vec!["RAGGED".to_owned()];
    Queue::new(QueueOptions {
        max_batch_size,
        batching,
        ragged_inputs,
        default_max_queue_size: 100,
        strategy: None,
    })
}

/// A request of `rows` rows that was queued at `us`.
fn sized(id: &str, rows: usize, us: u64, replies: &Replies) -> InferRequest {
    let mut request = request(id, replies);
    request.batch_size = rows;
    request.queued = at(us);
    request
}

fn show(next: &Next) -> String {
    match next {
        Next::Ready(batch) => {
            batch.iter().map(|request| request.id.as_str()).collect::<Vec<_>>().join(" ")
        }
        Next::WaitUntil(time) => format!("until {}", time.as_nanos() as f64 / 1_000.0),
        Next::Idle => "idle".to_owned(),
    }
}

fn refused(queue: &mut Queue) -> Vec<String> {
    let text = |r: Rejected| format!("{}: {:?} {}", r.request.id, r.error.code(), r.error);
    queue.take_refused().into_iter().map(text).collect()
}

#[test]
fn a_model_without_batching_takes_one_request_at_a_time() {
    let replies = Replies::default();
    let mut queue = queue(8, None);
    assert_eq!(show(&queue.next_batch(at(0))), "idle");
    for id in ["a", "b"] {
        queue.push(sized(id, 2, 0, &replies)).unwrap();
    }
    assert_eq!(show(&queue.next_batch(at(0))), "a");
    assert_eq!(queue.len(), 1);
    assert_eq!(show(&queue.next_batch(at(0))), "b");
    assert_eq!(show(&queue.next_batch(at(0))), "idle");
    assert!(queue.is_empty());
}

#[test]
fn batches_grow_to_preferred_sizes_or_until_the_delay_is_over() {
    /// Requests of these rows, queued 10 us apart from 0 on, looked at the given times.
    #[track_caller]
    fn check(options: (usize, &[usize], u64), rows: &[usize], looks: &[(u64, &str)]) {
        let (max, preferred, delay_us) = options;
        let replies = Replies::default();
        let mut queue = queue(max, Some(batching(preferred, delay_us)));
        for (i, &rows) in rows.iter().enumerate() {
            let id = char::from(b'a' + u8::try_from(i).unwrap()).to_string();
            queue.push(sized(&id, rows, 10 * i as u64, &replies)).unwrap();
        }
        for &(now, expect) in looks {
            assert_eq!(show(&queue.next_batch(at(now))), expect, "{options:?} {rows:?} at {now}");
        }
    }
    // Without a delay whatever is there goes, up to the limit.
    check((8, &[8], 0), &[1, 1, 1], &[(50, "a b c"), (50, "idle")]);
    check((4, &[4], 0), &[1, 1, 1, 1, 1], &[(50, "a b c d"), (50, "e")]);
    check((4, &[], 0), &[3, 2, 2], &[(50, "a"), (50, "b c")]);
    // A preferred size that can be had now is taken first, also without a delay.
    check((8, &[2, 4], 0), &[1; 7], &[(90, "a b c d"), (90, "e f"), (90, "g")]);
    // With a delay a batch waits for a preferred size, then goes as it is.
    check((8, &[4], 100), &[1, 1, 1], &[(20, "until 100"), (99, "until 100"), (100, "a b c")]);
    check((8, &[4], 100), &[1, 1, 1, 1, 1], &[(40, "a b c d"), (40, "until 140"), (140, "e")]);
    // Past the delay the whole run goes, not only its preferred part.
    check((8, &[4], 30), &[1, 1, 1, 1, 1], &[(40, "a b c d e")]);
    check((8, &[], 100), &[4, 4, 1], &[(20, "a b"), (20, "until 120")]);
    // What does not fit ends the batch at once.
    check((8, &[], 100), &[5, 4], &[(20, "a"), (20, "until 110")]);
    // A batch that would pass all preferred sizes is cut before it does.
    check((8, &[4], 100), &[3, 2, 2], &[(20, "a"), (20, "b c"), (20, "idle")]);
    // A single request may be larger than anything preferred, and even than the limit.
    check((8, &[2], 100), &[5], &[(0, "a")]);
    check((4, &[], 100), &[9, 1], &[(10, "a"), (10, "until 110")]);
}

#[test]
fn only_requests_with_the_same_inputs_go_together() {
    let check = |one: &[(&str, &[i64])], other: &[(&str, &[i64])], together: bool| {
        let replies = Replies::default();
        let mut queue = queue(8, Some(batching(&[], 0)));
        for (id, inputs) in [("a", one), ("b", other)] {
            let mut request = sized(id, 1, 0, &replies);
            request.inputs = inputs.iter().map(|(name, dims)| tensor(name, dims)).collect();
            queue.push(request).unwrap();
        }
        let expect = if together { "a b" } else { "a" };
        assert_eq!(show(&queue.next_batch(at(0))), expect, "{one:?} {other:?}");
    };
    check(&[("X", &[1, 16])], &[("X", &[3, 16])], true);
    check(&[("X", &[1, 16])], &[("X", &[1, 17])], false);
    check(&[("X", &[1, 16])], &[("X", &[1, 16, 1])], false);
    check(&[("X", &[1, 16])], &[("Y", &[1, 16])], false);
    check(&[("X", &[1, 16])], &[("X", &[1, 16]), ("Y", &[1, 1])], false);
    check(&[("RAGGED", &[1, 16]), ("X", &[1, 2])], &[("RAGGED", &[1, 9]), ("X", &[1, 2])], true);
    check(&[("RAGGED", &[1, 16]), ("X", &[1, 2])], &[("RAGGED", &[1, 9]), ("X", &[1, 3])], false);

    let replies = Replies::default();
    let mut queue = queue(8, Some(batching(&[], 0)));
    for (id, datatype) in [("a", "FP32"), ("b", "INT32")] {
        let mut request = sized(id, 1, 0, &replies);
        request.inputs = vec![tensor("X", &[1, 1])];
        request.inputs[0].datatype = hippocamp_types::DataType::from_name(datatype).unwrap();
        queue.push(request).unwrap();
    }
    assert_eq!(show(&queue.next_batch(at(0))), "a", "datatypes differ");
}

#[test]
fn a_batch_that_another_shape_cuts_does_not_wait() {
    let replies = Replies::default();
    let mut queue = queue(8, Some(batching(&[], 100)));
    for (id, dim) in [("a", 1), ("b", 1), ("c", 2)] {
        let mut request = sized(id, 1, 0, &replies);
        request.inputs = vec![tensor("X", &[1, dim])];
        queue.push(request).unwrap();
    }
    assert!(queue.is_ready(at(0)));
    assert_eq!(show(&queue.next_batch(at(0))), "a b");
    assert!(!queue.is_ready(at(0)));
    assert_eq!(show(&queue.next_batch(at(0))), "until 100");
}

/// At most two requests whose names begin alike.
#[derive(Debug, Default)]
struct Pairs {
    asked: Arc<Mutex<Vec<String>>>,
}

struct Pair<'a> {
    strategy: &'a Pairs,
    joined: Vec<String>,
}

impl BatchStrategy for Pairs {
    fn begin(&self) -> Box<dyn PendingBatch + '_> {
        Box::new(Pair { strategy: self, joined: Vec::new() })
    }
}

impl PendingBatch for Pair<'_> {
    fn include(&mut self, request: &InferRequest) -> bool {
        self.strategy.asked.lock().unwrap().push(request.id.clone());
        let alike = |other: &String| other.as_bytes()[0] == request.id.as_bytes()[0];
        // Nothing named "no" goes anywhere, not even first.
        let joins = self.joined.len() < 2 && self.joined.iter().all(alike) && request.id != "no";
        self.joined.extend(joins.then(|| request.id.clone()));
        joins
    }
}

#[test]
fn a_strategy_ends_batches_that_sizes_allow() {
    #[track_caller]
    fn check(delay_us: u64, ids: &[&str], batches: &[&str], asked: &[&str]) {
        let replies = Replies::default();
        let strategy = Arc::new(Pairs::default());
        let mut queue = queue(8, Some(batching(&[4], delay_us)));
        queue.options.strategy = Some(strategy.clone());
        for id in ids {
            queue.push(sized(id, 1, 0, &replies)).unwrap();
        }
        for expect in batches {
            assert_eq!(show(&queue.next_batch(at(0))), *expect, "{ids:?}");
        }
        assert_eq!(*strategy.asked.lock().unwrap(), asked, "{ids:?}");
    }
    check(0, &["a1", "a2", "a3"], &["a1 a2", "a3", "idle"], &["a1", "a2", "a3", "a3"]);
    check(0, &["a1", "b1", "b2"], &["a1", "b1 b2"], &["a1", "b1", "b1", "b2"]);
    // A batch that cannot grow is not kept waiting; one that can is.
    check(100, &["a1", "b1"], &["a1", "until 100"], &["a1", "b1", "b1"]);
    // Refused as the first one, a request goes alone, or it would stay for ever.
    check(100, &["no", "a1"], &["no", "until 100"], &["no", "a1"]);
    // Nothing is asked about a request that does not fit anyway.
    let replies = Replies::default();
    let strategy = Arc::new(Pairs::default());
    let mut queue = queue(2, Some(batching(&[], 0)));
    queue.options.strategy = Some(strategy.clone());
    queue.push(sized("a1", 1, 0, &replies)).unwrap();
    queue.push(sized("a2", 2, 0, &replies)).unwrap();
    assert_eq!(show(&queue.next_batch(at(0))), "a1");
    assert_eq!(*strategy.asked.lock().unwrap(), ["a1"]);
}

#[test]
fn a_model_that_does_not_batch_asks_no_strategy() {
    let replies = Replies::default();
    let strategy = Arc::new(Pairs::default());
    let mut queue = queue(8, None);
    queue.options.strategy = Some(strategy.clone());
    queue.push(sized("a", 1, 0, &replies)).unwrap();
    assert_eq!(show(&queue.next_batch(at(0))), "a");
    assert!(strategy.asked.lock().unwrap().is_empty());
}

#[test]
fn priorities_are_served_from_1_on() {
    let replies = Replies::default();
    let levels =
        DynamicBatching { priority_levels: 3, default_priority_level: 2, ..batching(&[], 0) };
    let mut queue = queue(8, Some(levels));
    for (id, priority) in [("a", 3), ("b", 0), ("c", 1), ("d", 2), ("e", 99), ("f", 1)] {
        queue.push(InferRequest { priority, ..sized(id, 1, 0, &replies) }).unwrap();
    }
    assert_eq!(show(&queue.next_batch(at(0))), "c f b d e a");
    assert_eq!(show(&queue.next_batch(at(0))), "idle");
}

#[test]
fn late_requests_are_refused_or_delayed() {
    #[track_caller]
    fn check(policy: QueuePolicy, own: Option<Duration>, looks: &[(u64, &str, &[&str])]) {
        let replies = Replies::default();
        let options = DynamicBatching { default_queue_policy: policy.clone(), ..batching(&[], 0) };
        let mut queue = queue(2, Some(options));
        queue.push(InferRequest { timeout: own, ..sized("a", 1, 0, &replies) }).unwrap();
        queue.push(sized("b", 1, 40, &replies)).unwrap();
        queue.push(sized("c", 1, 40, &replies)).unwrap();
        for &(now, expect, gone) in looks {
            assert_eq!(show(&queue.next_batch(at(now))), expect, "{policy:?} {own:?} at {now}");
            assert_eq!(refused(&mut queue), gone, "{policy:?} {own:?} at {now}");
        }
    }
    let policy = |action, timeout, allow_timeout_override| QueuePolicy {
        timeout_action: action,
        default_timeout: us(timeout),
        allow_timeout_override,
        max_queue_size: 0,
    };
    let (reject, delay) = (TimeoutAction::Reject, TimeoutAction::Delay);
    let expired: &[&str] = &["a: Unavailable Request timeout expired"];
    check(policy(reject, 50, false), None, &[(50, "a b", &[]), (50, "c", &[])]);
    check(policy(reject, 50, false), None, &[(51, "b c", expired), (51, "idle", &[])]);
    check(policy(delay, 50, false), None, &[(51, "b c", &[]), (51, "a", &[])]);
    check(policy(reject, 0, false), Some(us(5)), &[(51, "a b", &[])]);
    check(policy(reject, 0, true), Some(us(5)), &[(51, "b c", expired)]);
    check(policy(reject, 50, true), Some(us(80)), &[(51, "b c", expired)]);
    check(policy(reject, 90, true), Some(us(0)), &[(51, "a b", &[])]);
}

#[test]
fn a_deadline_shortens_the_wait() {
    let replies = Replies::default();
    let options = DynamicBatching {
        default_queue_policy: QueuePolicy { default_timeout: us(30), ..QueuePolicy::default() },
        ..batching(&[], 100)
    };
    let mut queue = queue(8, Some(options));
    queue.push(sized("a", 1, 0, &replies)).unwrap();
    assert_eq!(show(&queue.next_batch(at(0))), "until 30.001");
    assert_eq!(show(&queue.next_batch(at(31))), "idle");
    assert_eq!(refused(&mut queue), ["a: Unavailable Request timeout expired"]);
}

#[test]
fn requests_whose_client_is_gone_are_let_go() {
    let replies = Replies::default();
    let mut queue = queue(2, Some(batching(&[], 0)));
    for id in ["a", "b", "c", "d"] {
        queue.push(sized(id, 1, 0, &replies)).unwrap();
    }
    replies.leave("a");
    replies.leave("c");
    assert_eq!(show(&queue.next_batch(at(0))), "b d");
    assert_eq!(
        refused(&mut queue),
        ["a: Cancelled request was cancelled", "c: Cancelled request was cancelled"]
    );
    assert!(queue.is_empty());
}

#[test]
fn a_full_queue_refuses() {
    let replies = Replies::default();
    let full = "Exceeds maximum queue size";
    let mut own = queue(
        8,
        Some(DynamicBatching {
            priority_levels: 2,
            default_priority_level: 1,
            priority_queue_policy: BTreeMap::from([(
                2,
                QueuePolicy { max_queue_size: 1, ..QueuePolicy::default() },
            )]),
            ..batching(&[], 0)
        }),
    );
    own.options.default_max_queue_size = 3;
    let mut push = |id: &str, priority| {
        let request = InferRequest { priority, ..sized(id, 1, 0, &replies) };
        own.push(request).map(drop).map_err(|r| (r.request.id.clone(), r.error.to_string()))
    };
    assert_eq!(push("a", 2), Ok(()));
    assert_eq!(push("b", 2), Err(("b".to_owned(), format!("[request id: b] {full}"))));
    assert_eq!(push("c", 1), Ok(()));
    assert_eq!(push("d", 1), Ok(()));
    assert_eq!(push("", 1), Err((String::new(), format!("[request id: <id_unknown>] {full}"))));
    assert_eq!(own.len(), 3);
}

#[test]
fn a_closed_queue_serves_what_it_has_at_once() {
    let replies = Replies::default();
    let mut queue = queue(8, Some(batching(&[], 1_000)));
    queue.push(sized("a", 1, 0, &replies)).unwrap();
    assert_eq!(show(&queue.next_batch(at(0))), "until 1000");
    queue.close();
    let rejected = queue.push(sized("b", 1, 0, &replies)).unwrap_err();
    assert!(rejected.error.message().contains("stopped accepting"), "{}", rejected.error);
    assert_eq!(show(&queue.next_batch(at(0))), "a");
    assert_eq!(show(&queue.next_batch(at(0))), "idle");
}

#[test]
fn levels_are_not_kept_for_every_priority_that_was_ever_used() {
    let replies = Replies::default();
    let levels = DynamicBatching {
        priority_levels: u64::MAX,
        default_priority_level: 1,
        ..batching(&[], 0)
    };
    let mut queue = queue(8, Some(levels));
    for priority in 1..=1_000 {
        let id = priority.to_string();
        queue.push(InferRequest { priority, ..sized(&id, 1, 0, &replies) }).unwrap();
        replies.leave(&id);
        assert_eq!(show(&queue.next_batch(at(0))), "idle");
        drop(queue.take_refused());
    }
    assert!(queue.levels.len() <= SPARE_LEVELS + 2, "{}", queue.levels.len());
}
