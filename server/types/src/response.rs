//! An inference response on its way up.

use crate::{Parameters, Tensor};
use std::sync::Arc;

/// One response to a request; a decoupled model may send several.
#[derive(Clone, Debug, PartialEq)]
pub struct InferResponse {
    /// The model that answered.
    pub model_name: Arc<str>,
    /// Its version.
    pub model_version: u64,
    /// The request's id.
    pub id: String,
    /// Parameters set by the backend.
    pub parameters: Parameters,
    /// Outputs, in the order the backend wrote them; only those asked for.
    pub outputs: Vec<Tensor>,
}
