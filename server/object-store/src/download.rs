//! One file on its way into the cache: continued where an earlier attempt ended, counted, verified, and
//! only then made a blob.

use crate::{
    StoreError,
    cache::{Cache, Part},
    counters::Counters,
    digest::{Digest, Hasher},
    listing::File,
    store::Origin,
};
use futures_util::TryStreamExt as _;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// Between two attempts, times their number.
const PAUSE: Duration = Duration::from_millis(250);

/// Has the content of `file` in the cache; its digest.
///
/// # Errors
/// If it cannot be had whole. What has come so far is continued by the next call.
pub(crate) async fn download(
    origin: &Origin,
    cache: &Arc<Cache>,
    file: &File,
    retries: usize,
    counters: &Counters,
) -> Result<Digest, StoreError> {
    let url = origin.url();
    let mut part = {
        // Another process may be at it for a while.
        let (cache, url, file) = (Arc::clone(cache), url.to_owned(), file.clone());
        blocking(move || cache.part(&url, &file)).await?
    };
    if let Some(content) = cache.known(url, file) {
        crate::cache::remove(&part.path);
        return Ok(content);
    }
    let failed = |source| storage(source, cache, file);
    let (mut hasher, mut have) = begun(&mut part, file.size).map_err(failed)?;
    if have > 0 {
        tracing::info!(
            object = file.object,
            have,
            size = file.size,
            "a download goes on where it ended"
        );
    }
    // What an earlier download left may be what is wrong.
    let mut doubtful = have > 0;
    let mut attempt = 0;
    loop {
        if have == file.size {
            if !(doubtful && differs(file, &hasher)) {
                break;
            }
            tracing::warn!(
                object = file.object,
                "what an earlier download left does not fit; it is downloaded whole"
            );
            part.file.set_len(0).map_err(failed)?;
            (hasher, have, doubtful) = (Hasher::default(), 0, false);
        }
        attempt += 1;
        let before = have;
        match pull(origin, file, &mut part, &mut hasher, &mut have, counters, cache).await {
            Ok(()) => {}
            // Without an answer it was tried again already.
            Err(error) if is_lasting(&error) || have == before || attempt > retries => {
                if matches!(
                    error,
                    StoreError::Changed { .. }
                        | StoreError::Vanished { .. }
                        | StoreError::Size { .. }
                ) {
                    // Nobody will want the rest of it.
                    crate::cache::remove(&part.path);
                }
                return Err(error);
            }
            Err(error) => {
                tracing::warn!(%error, have, size = file.size, attempt, "a download broke off; it is continued");
                tokio::time::sleep(PAUSE * u32::try_from(attempt).unwrap_or(u32::MAX)).await;
            }
        }
    }
    let content = hasher.finish();
    if file.sha256.is_some_and(|expected| expected != content) {
        crate::cache::remove(&part.path);
        return Err(unfit(origin, file, content.to_string()));
    }
    let (owned, size) = (Arc::clone(cache), file.size);
    let object = file.clone();
    blocking(move || {
        part.file.sync_all().map_err(|source| storage(source, &owned, &object))?;
        owned.commit(part, content, size)
    })
    .await?;
    Ok(content)
}

/// Whether what has come is not what the file is to be.
fn differs(file: &File, hasher: &Hasher) -> bool {
    file.sha256.is_some_and(|expected| expected != hasher.clone().finish())
}

/// Asks for what is missing, and writes it as it comes.
async fn pull(
    origin: &Origin,
    file: &File,
    part: &mut Part,
    hasher: &mut Hasher,
    have: &mut u64,
    counters: &Counters,
    cache: &Cache,
) -> Result<(), StoreError> {
    let mut pieces = origin.read(file, *have).await?;
    while let Some(piece) = pieces.try_next().await? {
        let piece_size = piece.len() as u64;
        counters.downloaded(piece_size);
        if *have + piece_size > file.size {
            return Err(wrong_size(origin, file, *have + piece_size));
        }
        part.file.write_all(&piece).map_err(|source| storage(source, cache, file))?;
        hasher.update(&piece);
        *have += piece_size;
    }
    if *have < file.size {
        // It ended as if it were whole.
        return Err(StoreError::Answer {
            url: origin.url().to_owned(),
            reason: format!("'{}' ended after {have} of {} bytes", file.object, file.size),
        });
    }
    Ok(())
}

/// What an earlier attempt has left of a part, and its state of the digest.
fn begun(part: &mut Part, size: u64) -> io::Result<(Hasher, u64)> {
    let mut hasher = Hasher::default();
    let mut have = 0;
    if part.file.metadata()?.len() > size {
        part.file.set_len(0)?;
    }
    let mut piece = vec![0; 1 << 20];
    let mut written = fs::File::open(&part.path)?;
    loop {
        match written.read(&mut piece)? {
            0 => return Ok((hasher, have)),
            read => {
                hasher.update(&piece[..read]);
                have += read as u64;
            }
        }
    }
}

fn wrong_size(origin: &Origin, file: &File, got: u64) -> StoreError {
    StoreError::Size {
        url: origin.url().to_owned(),
        object: file.object.clone(),
        expected: file.size,
        got,
    }
}

/// Whether another attempt would end the same way.
fn is_lasting(error: &StoreError) -> bool {
    !matches!(error, StoreError::Unreachable { .. } | StoreError::Answer { .. })
}

/// The content is not what it was to be, but this.
pub(crate) fn unfit(origin: &Origin, file: &File, got: String) -> StoreError {
    StoreError::Content {
        url: origin.url().to_owned(),
        object: file.object.clone(),
        expected: file.sha256.map(|expected| expected.to_string()).unwrap_or_default(),
        got,
        source_of_truth: origin.source_of_truth(),
    }
}

/// What a failed write means; a full disk is told with what to do.
pub(crate) fn storage(source: io::Error, cache: &Cache, file: &File) -> StoreError {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    if full.contains(&source.kind()) {
        return no_space(cache.root(), &file.object, file.size, cache.free());
    }
    StoreError::Cache { path: cache.root().join("parts"), source }
}

pub(crate) fn no_space(
    directory: &Path,
    what: &str,
    needed: u64,
    available: Option<u64>,
) -> StoreError {
    StoreError::NoSpace {
        directory: directory.to_owned(),
        what: what.to_owned(),
        needed,
        available,
    }
}

/// Runs what waits for the disk or a lock on a thread of its own, so that other downloads go on.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(StoreError::Runtime { source: io::Error::other(error) }),
        },
    }
}
