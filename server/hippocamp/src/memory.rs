//! Memory goes back to the system soon after models have ended.

use anyhow::Context as _;
use hippocamp_backend_host::give_back_memory;
use hippocamp_core::InferenceServer;
use std::{sync::Arc, thread, time::Duration};

/// Versions that end together are waited for: each time costs some milliseconds of a core.
const TOGETHER: Duration = Duration::from_millis(200);

/// Starts the thread that gives memory back; it waits until the process ends.
///
/// # Errors
/// If there is no thread to be had.
pub(crate) fn give_back(server: Arc<InferenceServer>) -> anyhow::Result<()> {
    let work = move || {
        let mut seen = 0;
        loop {
            seen = server.wait_ended(seen);
            thread::sleep(TOGETHER);
            give_back_memory();
            // Each thread gives back what it holds itself, when it does not load.
            server.on_each_loader(give_back_memory);
        }
    };
    thread::Builder::new()
        .name("memory".to_owned())
        .spawn(work)
        .context("cannot start the thread that gives memory back")?;
    Ok(())
}
