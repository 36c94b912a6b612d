//! The threads of a model's instances: each pulls a batch from the shared queue when it is free.
//! Decisions are the queue's; here is who sleeps and who is woken.
//!
//! At most one thread watches the clock for requests that wait for company, the others sleep until
//! they are needed. A thread that takes a batch and leaves requests behind wakes the next one.

use crate::{
    ordering::ResponseOrder,
    queue::{Next, Queue},
};
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{
    Activity, Clock, InferRequest, ModelInstance, Rejected, TensorActivity, Timestamp,
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

/// What the threads of one model version share with its scheduler.
pub(crate) struct Instances {
    state: Mutex<State>,
    /// One per thread, so that a particular one can be woken.
    seats: Vec<Condvar>,
    order: Option<Arc<ResponseOrder>>,
    statistics: Arc<ModelStatistics>,
    clock: Arc<dyn Clock>,
}

struct State {
    queue: Queue,
    /// Seats of threads that sleep until they are woken; the last one to sleep is woken first.
    idle: Vec<usize>,
    /// The seat of the thread that sleeps until a certain time.
    timed: Option<usize>,
    /// Threads that were woken and have not looked at the queue yet.
    waking: usize,
}

impl Instances {
    pub(crate) fn new(
        queue: Queue,
        seats: usize,
        order: Option<Arc<ResponseOrder>>,
        statistics: Arc<ModelStatistics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let state = State { queue, idle: Vec::with_capacity(seats), timed: None, waking: 0 };
        let seats = (0..seats).map(|_| Condvar::new()).collect();
        Self { state: Mutex::new(state), seats, order, statistics, clock }
    }

    /// Takes a request into the queue and wakes an instance if that helps.
    pub(crate) fn enqueue(&self, mut request: InferRequest) -> Result<(), Rejected> {
        let now = self.clock.now();
        request.queued = now;
        if let Some(trace) = &request.trace {
            trace.record(Activity::QueueStart, now);
            trace.tensors(TensorActivity::QueueInput, &request.inputs);
        }
        let mut state = self.lock();
        let queued = state.queue.push(request)?;
        if let Some(order) = &self.order {
            order.join(queued);
        }
        self.statistics.pending_changed(1);
        let seat = state.seat_to_wake(now);
        let refused = state.queue.take_refused();
        drop(state);
        self.wake(seat);
        self.refuse(refused);
        Ok(())
    }

    /// Refuses requests from now on; the threads serve what waits and end.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.queue.close();
        state.waking += state.idle.len() + usize::from(state.timed.is_some());
        state.idle.clear();
        state.timed = None;
        drop(state);
        for seat in &self.seats {
            seat.notify_one();
        }
    }

    /// The life of the thread on `seat`. The instance is dropped at its end.
    pub(crate) fn serve(&self, seat: usize, mut instance: Box<dyn ModelInstance>) {
        while let Some(batch) = self.next(seat) {
            // Requests that the instance has not answered are answered by their responders' drop.
            let executed = catch_unwind(AssertUnwindSafe(|| instance.execute(batch)));
            if let Err(panic) = executed {
                let panic = panic_text(&*panic);
                tracing::error!(instance = instance.name(), panic, "execution panicked");
            }
        }
    }

    /// Waits for the next batch; `None` when the queue is closed and empty.
    fn next(&self, seat: usize) -> Option<Vec<InferRequest>> {
        let mut state = self.lock();
        loop {
            let now = self.clock.now();
            let next = state.queue.next_batch(now);
            let refused = state.queue.take_refused();
            match next {
                Next::Ready(batch) => {
                    let another = state.seat_to_wake(now);
                    drop(state);
                    self.wake(another);
                    self.statistics.pending_changed(-signed(batch.len()));
                    self.refuse(refused);
                    return Some(batch);
                }
                _other if !refused.is_empty() => {
                    drop(state);
                    self.refuse(refused);
                    state = self.lock();
                }
                Next::Idle if state.queue.is_closed() => return None,
                Next::WaitUntil(time) if state.timed.is_none() => {
                    state = self.sleep_until(state, seat, time, now);
                }
                Next::Idle | Next::WaitUntil(_) => state = self.sleep(state, seat),
            }
        }
    }

    fn sleep<'a>(&'a self, mut state: MutexGuard<'a, State>, seat: usize) -> MutexGuard<'a, State> {
        state.idle.push(seat);
        state = self.seats[seat].wait(state).unwrap_or_else(PoisonError::into_inner);
        match state.idle.iter().position(|&idle| idle == seat) {
            // A thread may wake for no reason at all.
            Some(index) => drop(state.idle.remove(index)),
            None => state.waking -= 1,
        }
        state
    }

    fn sleep_until<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        seat: usize,
        time: Timestamp,
        now: Timestamp,
    ) -> MutexGuard<'a, State> {
        state.timed = Some(seat);
        let slept = self.seats[seat].wait_timeout(state, time.since(now));
        (state, _) = slept.unwrap_or_else(PoisonError::into_inner);
        if state.timed == Some(seat) {
            state.timed = None;
        } else {
            state.waking -= 1;
        }
        state
    }

    fn wake(&self, seat: Option<usize>) {
        if let Some(seat) = seat {
            self.seats[seat].notify_one();
        }
    }

    /// Answers requests that were let go. Never called with the lock held.
    fn refuse(&self, refused: Vec<Rejected>) {
        if !refused.is_empty() {
            self.statistics.pending_changed(-signed(refused.len()));
            refused.into_iter().for_each(Rejected::answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The thread that should look at the queue now, if one is to be woken for it. It counts as
    /// woken from here on.
    fn seat_to_wake(&mut self, now: Timestamp) -> Option<usize> {
        if self.queue.is_empty() || (self.waking > 0 && self.queue.fits_executions(self.waking)) {
            return None;
        }
        let seat = match self.timed {
            // Somebody watches the clock already, and there is nothing to do before it strikes.
            Some(_) if !self.queue.is_ready(now) => None,
            Some(_) => self.timed.take(),
            None => self.idle.pop(),
        }?;
        self.waking += 1;
        Some(seat)
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).expect("a queue is bounded far below that")
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
