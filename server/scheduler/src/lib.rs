//! Schedulers: how requests reach the instances of their model, or the steps of their ensemble.
//!
//! [`BatchScheduler`] serves models with a backend: a pure [`Queue`] decides what goes together and
//! when, and one thread per instance pulls from it. [`EnsembleScheduler`] serves ensembles: each
//! request walks a graph of steps, and every answer of a step moves it on.
#![forbid(unsafe_code)]

mod batch_scheduler;
mod ensemble;
mod instances;
mod ordering;
mod queue;

#[cfg(test)]
mod testing;

pub use batch_scheduler::{BatchScheduler, BatcherOptions};
pub use ensemble::{EnsembleScheduler, validate_ensemble};
pub use queue::{Next, Queue, QueueOptions};
