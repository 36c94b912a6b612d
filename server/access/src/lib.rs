//! Who may call what: restricted groups of calls (Triton's), and API keys (ours).
//!
//! A front-end asks its [`Guard`] before it reads a body, and with the [`Grant`] it gets asks again
//! once it knows which model a call is for. Nothing here knows a protocol: headers are looked up by
//! a closure, refusals become statuses in the front-ends.
#![forbid(unsafe_code)]

mod category;
mod grant;
mod guard;
mod keys;
mod new_key;
mod restrictions;

pub use category::{Category, UnknownCategory};
pub use grant::{Grant, Refusal, RefusalKind};
pub use guard::Guard;
pub use keys::{ApiKeys, KeyFileError};
pub use new_key::NewKey;
pub use restrictions::{RestrictionError, Restrictions};
