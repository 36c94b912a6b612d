//! What holds for every queue, whatever comes and whenever it is looked at.

use super::*;
use crate::testing::{Replies, at, request, tensor};
use hippocamp_config::TimeoutAction;
use proptest::{collection::vec, prelude::*};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Push { rows: usize, dim: i64, priority: u64, timeout_us: Option<u64> },
    Cancel(usize),
    Look { after_us: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..5usize, 1..3i64, 0..4u64, proptest::option::of(1..50u64)).prop_map(
            |(rows, dim, priority, timeout_us)| Step::Push { rows, dim, priority, timeout_us }
        ),
        1 => (0..64usize).prop_map(Step::Cancel),
        2 => (0..60u64).prop_map(|after_us| Step::Look { after_us }),
    ]
}

fn policy() -> impl Strategy<Value = QueuePolicy> {
    (any::<bool>(), 0..40u64, any::<bool>(), 0..6usize).prop_map(
        |(delay, timeout_us, allow_timeout_override, max_queue_size)| QueuePolicy {
            timeout_action: if delay { TimeoutAction::Delay } else { TimeoutAction::Reject },
            default_timeout: Duration::from_micros(timeout_us),
            allow_timeout_override,
            max_queue_size,
        },
    )
}

fn options() -> impl Strategy<Value = QueueOptions> {
    let preferred = prop_oneof![Just(vec![]), Just(vec![4]), Just(vec![2, 6]), Just(vec![8])];
    let batching = (preferred, 0..50u64, 0..4u64, policy(), policy()).prop_map(
        |(preferred_batch_sizes, delay_us, priority_levels, default, other)| DynamicBatching {
            preferred_batch_sizes,
            max_queue_delay: Duration::from_micros(delay_us),
            preserve_ordering: false,
            priority_levels,
            default_priority_level: priority_levels.min(1),
            default_queue_policy: default,
            priority_queue_policy: BTreeMap::from([(2, other)]),
        },
    );
    (proptest::option::of(batching), 1..20usize).prop_map(|(batching, default_max_queue_size)| {
        QueueOptions {
            max_batch_size: 8,
            batching,
            ragged_inputs: Vec::new(),
            default_max_queue_size,
            strategy: None,
        }
    })
}

/// What became of each request, by its number.
struct Fates {
    seen: Vec<usize>,
    last_served: BTreeMap<u64, u64>,
}

fn check_batch(queue: &Queue, batch: &[InferRequest], fates: &mut Fates) {
    assert!(!batch.is_empty());
    let rows: usize = batch.iter().map(|request| request.batch_size).sum();
    assert!(rows <= queue.options.max_batch_size, "{rows} rows");
    assert!(queue.options.batching.is_some() || batch.len() == 1);
    for request in batch {
        assert_eq!(request.inputs[0].shape.dims()[1..], batch[0].inputs[0].shape.dims()[1..]);
        let level = queue.level_of(request.priority);
        let number: u64 = request.id.parse().unwrap();
        // Delayed requests may be overtaken; the others are served in the order they came.
        if queue.policy(level).timeout_action == TimeoutAction::Reject {
            let last = fates.last_served.insert(level, number);
            assert!(last.is_none_or(|last| last < number), "{number} after {last:?}");
        }
    }
    let levels: Vec<_> = batch.iter().map(|request| queue.level_of(request.priority)).collect();
    assert!(levels.is_sorted(), "priorities {levels:?}");
    fates.seen.extend(batch.iter().map(|request| request.id.parse::<usize>().unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_request_is_served_or_refused_exactly_once(
        options in options(),
        steps in vec(step(), 0..80),
    ) {
        let replies = Replies::default();
        let mut queue = Queue::new(options);
        let mut fates = Fates { seen: Vec::new(), last_served: BTreeMap::new() };
        let (mut pushed, mut now) = (0, 0);
        let mut look = |queue: &mut Queue, now: u64| {
            let ready = queue.is_ready(at(now));
            let next = queue.next_batch(at(now));
            assert_eq!(ready, matches!(next, Next::Ready(_)));
            for rejected in queue.take_refused() {
                fates.seen.push(rejected.request.id.parse().unwrap());
            }
            match &next {
                Next::Ready(batch) => check_batch(queue, batch, &mut fates),
                Next::WaitUntil(time) => assert!(*time > at(now), "a wait has an end ahead"),
                Next::Idle => assert!(queue.is_empty()),
            }
            next
        };
        let mut refused: Vec<usize> = Vec::new();
        for step in steps {
            match step {
                Step::Push { rows, dim, priority, timeout_us } => {
                    let mut request = request(&pushed.to_string(), &replies);
                    pushed += 1;
                    request.queued = at(now);
                    request.batch_size = rows;
                    request.inputs = vec![tensor("X", &[i64::try_from(rows).unwrap(), dim])];
                    request.priority = priority;
                    request.timeout = timeout_us.map(Duration::from_micros);
                    let rejected = queue.push(request).err();
                    refused.extend(rejected.map(|r| r.request.id.parse::<usize>().unwrap()));
                }
                Step::Cancel(number) => replies.leave(&number.to_string()),
                Step::Look { after_us } => {
                    now += after_us;
                    drop(look(&mut queue, now));
                }
            }
        }
        queue.close();
        while matches!(look(&mut queue, now), Next::Ready(_)) {}
        prop_assert_eq!((queue.len(), queue.rows), (0, 0));
        let mut seen = fates.seen;
        seen.extend(refused);
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..pushed).collect::<Vec<usize>>());
    }
}
