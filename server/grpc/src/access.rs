//! Who may make a call: the group it belongs to before it is decoded, its model after.

use crate::services::{HEALTH, INFERENCE};
use hippocamp_access::{Category, Grant, Guard, Refusal, RefusalKind};
use tonic::{Code, Request, Status};

/// Whether the call may be made; the grant travels with it, for [`model`].
///
/// # Errors
/// The status that refuses it.
pub(crate) fn admit<B>(guard: &Guard, request: &mut http::Request<B>) -> Result<(), Status> {
    let headers = request.headers();
    let header = |name: &str| headers.get(name).map(http::HeaderValue::as_bytes);
    let grant = guard.admit(category(request.uri().path()), header).map_err(|e| status(&e))?;
    // Without one, a grant permits all: the rule, and not worth the memory.
    if grant.key().is_some() {
        request.extensions_mut().insert(grant);
    }
    Ok(())
}

/// Whether the caller may use `model`; an empty name stands for all models.
///
/// # Errors
/// The status that refuses it.
pub(crate) fn model<T>(request: &Request<T>, model: &str) -> Result<(), Status> {
    grant(request).model(model).map_err(|refusal| status(&refusal))
}

/// What the caller may do; nothing is asked where no guard stood.
pub(crate) fn grant<T>(request: &Request<T>) -> Grant {
    request.extensions().get().cloned().unwrap_or_default()
}

/// The status that tells of a refusal; a restricted group is UNAVAILABLE, as in Triton.
pub(crate) fn status(refusal: &Refusal) -> Status {
    match refusal.kind() {
        RefusalKind::Restricted => {
            Status::new(Code::Unavailable, format!("This protocol is restricted, {refusal}"))
        }
        RefusalKind::Unauthenticated => Status::new(Code::Unauthenticated, refusal.to_string()),
        RefusalKind::Forbidden => Status::new(Code::PermissionDenied, refusal.to_string()),
    }
}

/// The group of calls that a method belongs to.
fn category(path: &str) -> Category {
    if path.starts_with(HEALTH) {
        return Category::Health;
    }
    let Some(method) = path.strip_prefix(INFERENCE) else { return Category::Documentation };
    match method {
        "ServerLive" | "ServerReady" | "ModelReady" => Category::Health,
        "ModelInfer" | "ModelStreamInfer" => Category::Inference,
        "ModelConfig" => Category::ModelConfig,
        "ModelStatistics" => Category::Statistics,
        "RepositoryIndex" | "RepositoryModelLoad" | "RepositoryModelUnload" => {
            Category::ModelRepository
        }
        "TraceSetting" => Category::Trace,
        "LogSettings" => Category::Logging,
        _ if method.contains("SharedMemory") => Category::SharedMemory,
        // ServerMetadata, ModelMetadata, and what is not there.
        _ => Category::Metadata,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_belongs_to_a_group() {
        for (path, expect) in [
            ("/inference.GRPCInferenceService/ModelInfer", Category::Inference),
            ("/inference.GRPCInferenceService/ModelReady", Category::Health),
            ("/inference.GRPCInferenceService/CudaSharedMemoryStatus", Category::SharedMemory),
            ("/inference.GRPCInferenceService/ModelMetadata", Category::Metadata),
            ("/grpc.health.v1.Health/Watch", Category::Health),
            ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Category::Documentation),
        ] {
            assert_eq!(category(path), expect, "{path}");
        }
    }

    #[test]
    fn refusals_have_tritons_statuses() {
        let restricted = status(&Refusal::Restricted { header: "h".to_owned() });
        assert_eq!(restricted.code(), Code::Unavailable);
        assert_eq!(restricted.message(), "This protocol is restricted, expecting header 'h'");
        assert_eq!(status(&Refusal::UnknownKey).code(), Code::Unauthenticated);
        assert_eq!(status(&Refusal::All { key: "k".into() }).code(), Code::PermissionDenied);
    }
}
