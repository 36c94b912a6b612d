//! Runs the events of ensembles one after the other on the thread they arise on.
//!
//! A step may be answered before its `infer` call returns, by a step that is an ensemble itself or
//! by a refusal. Handling that answer at once would put a frame of every step and of every
//! nested ensemble on one stack; here it waits until the event before it is done.

use super::run::Job;
use std::{cell::RefCell, collections::VecDeque};

thread_local! {
    /// What arose while an event is being handled; `None` while none is.
    static LATER: RefCell<Option<VecDeque<Job>>> = const { RefCell::new(None) };
}

/// Handles `job` and all that arises from it, or leaves it to the handling that is under way.
pub(super) fn run(job: Job) {
    let Some(job) = defer(job) else { return };
    // A panic must not leave the thread believing for ever that somebody else handles its events.
    let _finish = Finish;
    let mut next = Some(job);
    while let Some(Job { run, event }) = next {
        run.handle(event);
        // Dropping the run may answer its request, which may be a step itself.
        drop(run);
        next = LATER.with_borrow_mut(|later| later.as_mut().and_then(VecDeque::pop_front));
    }
}

/// Gives the job back if the caller is to handle it.
fn defer(job: Job) -> Option<Job> {
    LATER.with_borrow_mut(|later| match later {
        Some(later) => {
            later.push_back(job);
            None
        }
        None => {
            *later = Some(VecDeque::new());
            Some(job)
        }
    })
}

struct Finish;

impl Drop for Finish {
    fn drop(&mut self) {
        // Events left over by a panic are dropped outside of the borrow: they may answer requests.
        drop(LATER.with_borrow_mut(Option::take));
    }
}
