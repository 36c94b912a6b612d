//! The model repository: which models stand in it, which are wanted, which serve.
//!
//! The way of a load: [`Repository::load`] reads what stands on disk, [`plan`] (pure) says what is to
//! be done, the [`ModelLoader`] of `core` does it, and one swap publishes a new [`ModelSnapshot`].
//! Knows no backend, no scheduler and no protocol.
#![forbid(unsafe_code)]

mod error;
mod files;
mod index;
mod keep;
mod lifecycle;
mod loader;
mod overrides;
mod plan;
mod poll;
mod root;
mod snapshot;
mod source;
mod states;

pub use error::RepositoryError;
pub use index::{IndexEntry, ModelState};
pub use lifecycle::{PollOutcome, Repository, RepositoryOptions, RolledBack};
pub use loader::{LoadOrder, ModelLoader};
pub use overrides::LoadOverrides;
pub use plan::{Blocked, Plan, Wanted, plan};
pub use root::Root;
pub use snapshot::{ModelSnapshot, ModelVersion, ServingModel};
pub use states::Retirement;
