//! Responses after the end of their batch: a thread for each request of a decoupled model.

use crate::{Error, Request, Response, ResponseFactory, batch::now, raw::panic_error};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The longest that [`ResponseStream::pause`] goes without asking whether the request is cancelled.
const SLICE: Duration = Duration::from_millis(5);

/// The requests that an instance of a decoupled model answers beside its batches, each on a thread of
/// its own. Dropping it, with the instance, ends the pauses of those that still run and waits for
/// them: no thread outlives its instance.
#[derive(Debug)]
pub struct ResponseStreams {
    most: usize,
    running: Vec<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
}

/// One request that is being answered; see [`ResponseStreams::answer`].
#[derive(Debug)]
pub struct ResponseStream {
    factory: ResponseFactory,
    closing: Arc<AtomicBool>,
}

impl ResponseStreams {
    /// No request yet, and at most so many at a time.
    pub fn new(most: usize) -> Self {
        Self { most, running: Vec::new(), closing: Arc::default() }
    }

    /// Answers `request` on a thread: `work` sends any number of responses, each with
    /// [`Response::send_more`]. What it returns ends the request: `Ok` without a further response,
    /// an error with that one, a panic with INTERNAL. The request itself goes back to the server
    /// when its batch ends, so what `work` needs of it is copied before.
    ///
    /// # Errors
    /// If so many requests are being answered already, or the server refuses; `work` is not called.
    pub fn answer(
        &mut self,
        request: &Request,
        work: impl FnOnce(&ResponseStream) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        self.running.retain(|thread| !thread.is_finished());
        if self.running.len() >= self.most {
            return Err(Error::unavailable(format!(
                "the instance sends responses to {} requests already, as many as it may: try again later",
                self.most
            )));
        }
        let stream =
            ResponseStream { factory: request.factory()?, closing: Arc::clone(&self.closing) };
        let thread = thread::Builder::new()
            .name("responses".to_owned())
            .spawn(move || stream.run(work))
            .map_err(|error| Error::unavailable(format!("no thread for responses: {error}")))?;
        self.running.push(thread);
        Ok(())
    }
}

impl Drop for ResponseStreams {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        for thread in self.running.drain(..) {
            if thread.join().is_err() {
                crate::error!("a thread that sent responses panicked");
            }
        }
    }
}

impl ResponseStream {
    /// Begins a response.
    ///
    /// # Errors
    /// As the server says.
    pub fn response(&self) -> Result<Response<'_>, Error> {
        self.factory.response()
    }

    /// Waits for so long, and no longer than there is somebody to answer.
    ///
    /// # Errors
    /// CANCELLED when nobody waits for responses any more, UNAVAILABLE when the instance goes.
    pub fn pause(&self, duration: Duration) -> Result<(), Error> {
        let started = now();
        loop {
            if self.factory.is_cancelled() {
                return Err(Error::cancelled());
            }
            if self.closing.load(Ordering::Relaxed) {
                return Err(Error::unavailable("the model was unloaded before its last response"));
            }
            let passed = Duration::from_nanos(now().saturating_sub(started));
            match duration.checked_sub(passed) {
                Some(left) if !left.is_zero() => thread::sleep(left.min(SLICE)),
                _ => return Ok(()),
            }
        }
    }

    fn run(self, work: impl FnOnce(&Self) -> Result<(), Error>) {
        let result = catch_unwind(AssertUnwindSafe(|| work(&self)))
            .unwrap_or_else(|panic| Err(panic_error(&*panic)));
        let ended = match result {
            Ok(()) => self.factory.finish(),
            Err(error) => self.factory.fail(&error),
        };
        if let Err(error) = ended {
            crate::error!("failed to end a request: {error}");
        }
    }
}
