//! Where one value of the effective configuration comes from.

use crate::view::{Engine, ModelView};
use hippocamp_proto::inference as proto;

const FROM_FILE: &str = "from the model file (auto-completed)";
const DEFAULT: &str = "default";
const FROM_BACKEND: &str = "from the backend";

/// The origin of the value at `path`; `written` if the configuration's text has the same value there,
/// `prepared` if the directory's look made it.
pub(super) fn origin(view: &ModelView, path: &str, written: bool, prepared: bool) -> String {
    if written && let Some(position) = view.positions.near(path) {
        let file = view.config_path.strip_prefix(&view.directory).unwrap_or(&view.config_path);
        return format!("{}:{}", file.display(), position.line);
    }
    let field = path.split(['.', '[']).next().unwrap_or(path);
    let known = view.written.as_ref();
    let text = match field {
        "name" => "from the directory's name",
        "backend" | "platform" | "default_model_filename" => known.map_or(DEFAULT, of_backend),
        "version_policy" | "optimization" | "model_transaction_policy" => DEFAULT,
        "instance_group" if path.ends_with(".name") => "from the model's name",
        "instance_group" if matches!(view.engine, Engine::Linked(_)) => FROM_BACKEND,
        "instance_group" => DEFAULT,
        "dynamic_batching" if path.contains("preferred_batch_size") => "from max_batch_size",
        "max_batch_size" if prepared => DEFAULT,
        _ => FROM_FILE,
    };
    text.to_owned()
}

/// What told the backend, its platform and its file.
fn of_backend(written: &proto::ModelConfig) -> &'static str {
    if !written.platform.is_empty() {
        "from the platform"
    } else if !written.backend.is_empty() {
        FROM_BACKEND
    } else if !written.default_model_filename.is_empty() {
        "from default_model_filename"
    } else if matches!(
        written.scheduling_choice,
        Some(proto::model_config::SchedulingChoice::EnsembleScheduling(_))
    ) {
        "from ensemble_scheduling"
    } else {
        "from the model file's name"
    }
}
