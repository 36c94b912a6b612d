//! The platforms that have names of their own, the backends they stand for, and the file each
//! expects in a version's directory.

/// `platform` of an ensemble, which has no backend.
pub(crate) const ENSEMBLE: &str = "ensemble";

/// One platform, as Triton knows it (core `src/constants.h`).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Platform {
    /// Empty where a backend has no platform name.
    pub(crate) platform: &'static str,
    /// The backend that runs it.
    pub(crate) backend: &'static str,
    /// The model's file in a version's directory.
    pub(crate) filename: &'static str,
}

/// In the order in which a version's directory is searched.
pub(crate) const PLATFORMS: [Platform; 8] = [
    row("tensorflow_savedmodel", "tensorflow", "model.savedmodel"),
    row("tensorflow_graphdef", "tensorflow", "model.graphdef"),
    row("tensorrt_plan", "tensorrt", "model.plan"),
    row("onnxruntime_onnx", "onnxruntime", "model.onnx"),
    row("", "openvino", "model.xml"),
    row("pytorch_libtorch", "pytorch", "model.pt"),
    row("torch_aoti", "pytorch", "model.pt2"),
    row("", "python", "model.py"),
];

/// The platforms and backends that have names of their own; a platform may be empty.
pub fn platforms() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLATFORMS.iter().map(|known| (known.platform, known.backend))
}

/// An older name of `pytorch_libtorch`.
const LIBTORCH: &str = "libtorch";

const fn row(platform: &'static str, backend: &'static str, filename: &'static str) -> Platform {
    Platform { platform, backend, filename }
}

/// The platform of this name.
pub(crate) fn by_name(platform: &str) -> Option<&'static Platform> {
    let name = if platform == LIBTORCH { "pytorch_libtorch" } else { platform };
    PLATFORMS.iter().find(|known| !known.platform.is_empty() && known.platform == name)
}

/// The platform whose model file has this name.
pub(crate) fn by_filename(filename: &str) -> Option<&'static Platform> {
    PLATFORMS.iter().find(|known| known.filename == filename)
}

/// Whether `platform` may stand beside `backend`: a backend that is not in the table runs anything.
pub(crate) fn is_pair(platform: &str, backend: &str) -> bool {
    let named = |known: &&Platform| !known.platform.is_empty() && known.backend == backend;
    platform.is_empty()
        || !PLATFORMS.iter().any(|known| named(&known))
        || by_name(platform).is_some_and(|known| known.backend == backend)
}
