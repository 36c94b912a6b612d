//! The model repository: which models stand in it, which are wanted, which serve.
//!
//! The way of a load: [`Repository::load`] reads what stands on disk, [`plan`] (pure) says what is to
//! be done, the [`ModelLoader`] of `core` does it, and one swap publishes a new [`ModelSnapshot`].
//! Knows no backend, no scheduler and no protocol.
#![forbid(unsafe_code)]

mod error;
mod index;
mod lifecycle;
mod overrides;
mod plan;
mod poll;
mod prints;
mod snapshot;
mod source;
mod states;

pub use error::RepositoryError;
pub use index::{IndexEntry, ModelState};
pub use lifecycle::{LoadOrder, ModelLoader, PollOutcome, Repository, RepositoryOptions};
pub use overrides::LoadOverrides;
pub use plan::{Blocked, Plan, Wanted, plan};
pub use snapshot::{ModelSnapshot, ModelVersion, ServingModel};
pub use states::Retirement;
