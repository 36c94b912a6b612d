//! The inference server as the application sees it: which models serve, what they take, and one way
//! to ask them. Over HTTP: its one port tells of models and infers, refusals carry a status and the
//! server's own text, and connections stay open in a pool.

mod models;
mod served;

pub(crate) use models::{
    BY_FILMS, BY_PLOT, BY_POSTER, EMBED_PLOT, EXPLAIN_PLOT, GENRES_OF_PLOT, INSIDE, NEEDED,
    POSTER_ENCODER, POSTER_PIXELS, Technique,
};
pub(crate) use served::{Model, Served};

use crate::error::AppError;
use hippocamp_client::{Error, HttpClient, InferRequest, InferResult, StatusCode};
use served::look;
use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, Notify, Semaphore, SemaphorePermit};

/// Time that one inference may take, its place in the server's queue included.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pause before the one further try after a broken connection: a server that restarts has a
/// listening socket again by then, or it has not and that is the answer.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Time between two looks at the server.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The same while there is none.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Time that a look may take.
const LOOK_PATIENCE: Duration = Duration::from_secs(3);

/// The server.
#[derive(Debug)]
pub(crate) struct Inference {
    client: HttpClient,
    address: String,
    permits: Semaphore,
    served: RwLock<Arc<Served>>,
    /// Told when an answer did not fit what was known of the server.
    doubt: Notify,
    /// Whether it was told since the last look.
    doubted: AtomicBool,
    /// Held by whoever looks, so that many who miss the same model look once.
    looking: Mutex<()>,
}

impl Inference {
    /// The server at `address`; nothing is connected yet. `most` inferences are made at a time.
    ///
    /// # Errors
    /// If the address is none.
    pub(crate) fn new(address: &str, most: usize) -> Result<Self, Error> {
        Ok(Self {
            client: HttpClient::new(address)?,
            address: address.to_owned(),
            permits: Semaphore::new(most),
            served: RwLock::default(),
            doubt: Notify::new(),
            doubted: AtomicBool::new(false),
            looking: Mutex::new(()),
        })
    }

    /// What was last known of the server.
    pub(crate) fn served(&self) -> Arc<Served> {
        Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the server once, and remembers what it saw.
    pub(crate) async fn look(&self) -> Arc<Served> {
        let before = self.served();
        // A model that was loaded anew as the same version may take something else.
        let known = (!self.doubted.swap(false, Ordering::Relaxed)).then_some(before.as_ref());
        let seen = tokio::time::timeout(LOOK_PATIENCE, look(&self.client, known)).await;
        let seen = Arc::new(seen.unwrap_or_else(|_late| {
            Served::unreachable(format!("no answer within {} s", LOOK_PATIENCE.as_secs()))
        }));
        if seen.reason() != before.reason() {
            match seen.reason() {
                None => tracing::info!(server = self.address, "the inference server answers"),
                Some(reason) => {
                    tracing::warn!(server = self.address, reason, "no inference server");
                }
            }
        }
        *self.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&seen);
        seen
    }

    /// Looks at the server for ever: at intervals, and at once when an answer gives a reason to.
    pub(crate) async fn watch(&self) {
        loop {
            let gone = self.served().reason().is_some();
            let pause = if gone { LOOK_AGAIN } else { LOOK_EVERY };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.doubt.notified() => tokio::time::sleep(RETRY_PAUSE).await,
            }
            self.look().await;
        }
    }

    /// The model of this name. One that was not there at the last look is looked for once more: the
    /// server may be back.
    ///
    /// # Errors
    /// If it does not serve; the reason is the server's.
    pub(crate) async fn model(&self, name: &str) -> Result<Arc<Model>, AppError> {
        let known = self.served();
        if let Ok(model) = known.model(name) {
            return Ok(model);
        }
        let looking = self.looking.lock().await;
        if Arc::ptr_eq(&known, &self.served()) {
            self.look().await;
        }
        drop(looking);
        self.served().model(name).map_err(|reason| {
            AppError::unavailable(format!(
                "expected the inference server at {} to serve '{name}': {reason}",
                self.address
            ))
        })
    }

    /// Infers.
    ///
    /// # Errors
    /// What the client is told: what the server refused, or that it is not there.
    pub(crate) async fn infer(&self, request: &InferRequest) -> Result<InferResult, Failure> {
        let _permit = self.permit()?;
        let mut tried_again = false;
        loop {
            let answer = tokio::time::timeout(PATIENCE, self.client.infer(request)).await;
            match answer {
                Ok(Ok(result)) => return Ok(result),
                Ok(Err(Error::Transport(cause))) if !tried_again => {
                    // A connection of the pool that the server closed looks the same; inferring
                    // twice changes nothing.
                    tracing::debug!(%cause, model = request.model, "asking again");
                    tried_again = true;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Ok(Err(error)) => return Err(self.failure(&request.model, &error)),
                Err(_late) => {
                    return Err(Failure::Unavailable(AppError::unavailable(format!(
                        "the inference server did not answer '{}' within {} s",
                        request.model,
                        PATIENCE.as_secs()
                    ))));
                }
            }
        }
    }

    fn permit(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.permits.try_acquire().map_err(|_none_left| {
            Failure::Unavailable(AppError::unavailable(
                "as many requests as this application makes at a time are under way (--max-inferences)",
            ))
        })
    }

    fn failure(&self, model: &str, error: &Error) -> Failure {
        self.doubted.store(true, Ordering::Relaxed);
        self.doubt.notify_one();
        match error {
            Error::Status { code: StatusCode::Http(503), message } => Failure::Unavailable(
                AppError::unavailable(format!("the inference server is busy: {message}")),
            ),
            Error::Status { code: StatusCode::Http(400), message } if !is_missing(message) => {
                Failure::Refused(message.clone())
            }
            Error::Status { code: StatusCode::Http(400 | 404), message } => {
                Failure::Unavailable(AppError::unavailable(format!(
                    "the inference server has no '{model}' now: {message}"
                )))
            }
            Error::Transport(cause) => {
                tracing::warn!(server = self.address, %cause, "no inference server");
                Failure::Unavailable(AppError::unavailable(format!(
                    "the inference server at {} cannot be reached",
                    self.address
                )))
            }
            other => Failure::Unavailable(AppError::internal(format!("{model}: {other}"))),
        }
    }
}

/// Whether a refusal is about the model rather than the request.
fn is_missing(message: &str) -> bool {
    message.contains("unknown model")
        || message.contains("is not ready")
        || message.contains("no available versions")
}

/// Why an inference has no result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    /// The model does not take this request; the server's text.
    Refused(String),
    /// Not now.
    Unavailable(AppError),
}

impl Failure {
    /// What the client is told; a refusal is about `field`.
    pub(crate) fn about(self, field: &'static str) -> AppError {
        match self {
            Self::Refused(message) => AppError::refused(field, message),
            Self::Unavailable(error) => error,
        }
    }
}
