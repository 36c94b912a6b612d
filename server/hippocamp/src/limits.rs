//! What the system lets this process have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are kept open for the way back, where the system sets no limit.
const UNLIMITED: u64 = 1 << 20;

/// Raises the limit of open files to what the system allows: connections, model files and those that
/// are kept for the way back count into it.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err()
    {
        tracing::debug!(?current, ?maximum, "the limit of open files stays as it is");
    }
}

/// Files that all models together may keep open for the way back: half of what may be open.
pub(crate) fn kept_files() -> usize {
    let most = getrlimit(Resource::Nofile).current.unwrap_or(UNLIMITED).min(UNLIMITED) / 2;
    usize::try_from(most).unwrap_or(usize::MAX)
}
