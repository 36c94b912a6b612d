//! Where models come from if not from a directory: a bucket, a hub. The repository asks it on the
//! threads that load, never on those that serve.

use crate::Error;
use std::{collections::BTreeSet, fmt, path::PathBuf};

/// A place that models are fetched from.
pub trait ModelStore: fmt::Debug + Send + Sync {
    /// The models that stand in it now. Blocks for few requests, whatever the number of models; what
    /// [`Self::fetch`] gives afterwards is what this call has seen.
    ///
    /// # Errors
    /// If it cannot be listed; what was fetched before stays usable.
    fn list(&self) -> Result<BTreeSet<String>, Error>;

    /// A directory that holds the model as the last [`Self::list`] has seen it: whole, verified, and
    /// never written again. Other content is another directory; the same content is the same one, and
    /// costs no request. Blocks while files are downloaded.
    ///
    /// # Errors
    /// If the model is not there, or cannot be fetched whole.
    fn fetch(&self, model: &str) -> Result<PathBuf, Error>;
}
