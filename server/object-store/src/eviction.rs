//! Makes room in the cache: what nobody uses goes first, that which was used longest ago before the
//! rest, until the cache is as small as it is to be. What is handed out is locked, by this process or
//! another, and stays; so does what the last listing names.

use crate::{
    cache::{self, Cache},
    digest::Digest,
};
use std::{
    collections::HashSet,
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Removes until at most `limit` bytes are left, or all that is left is needed.
pub(crate) fn make_room(cache: &Cache, limit: u64, needed: &HashSet<Digest>) {
    if limit == 0 {
        return;
    }
    let mut total: u64 =
        blobs(cache).iter().chain(&parts(cache)).map(|(_, found)| found.len()).sum();
    if total <= limit {
        return;
    }
    let before = total;
    for (part, found) in oldest_first(parts(cache)) {
        // Only the writer of a part has a lock on it.
        if total > limit && fs::File::open(&part).is_ok_and(|file| file.try_lock().is_ok()) {
            cache::remove(&part);
            total -= found.len();
        }
    }
    total -= remove_blobs(cache, total.saturating_sub(limit), needed);
    for (directory, _) in oldest_first(with_facts(cache::entries(&cache.models()))) {
        if total <= limit {
            break;
        }
        if cache::is_digest(&directory) && !keeps_needed(&directory, cache, needed) {
            let Ok(held) = fs::File::open(&directory) else { continue };
            if held.try_lock().is_ok() {
                cache.take_away(&directory);
                total -= remove_blobs(cache, total.saturating_sub(limit), needed);
            }
        }
    }
    tracing::info!(
        removed_bytes = before - total,
        bytes = total,
        limit,
        "made room in the model cache"
    );
    if total > limit {
        tracing::warn!(
            bytes = total,
            limit,
            "the model cache is larger than --model-cache-bytes: all that is in it is needed"
        );
    }
}

/// Removes blobs that no model's directory links to and nobody needs, until so many bytes are freed;
/// how many were.
fn remove_blobs(cache: &Cache, bytes: u64, needed: &HashSet<Digest>) -> u64 {
    let mut freed = 0;
    for (blob, found) in oldest_first(blobs(cache)) {
        if freed >= bytes {
            break;
        }
        let content = blob.file_name().and_then(|name| Digest::parse(name.to_str()?));
        if found.nlink() == 1 && content.is_some_and(|content| !needed.contains(&content)) {
            cache::remove(&blob);
            freed += found.len();
        }
    }
    freed
}

/// Whether a model's directory has a file that is needed; by what its blobs are, so a copy is not.
fn keeps_needed(directory: &Path, cache: &Cache, needed: &HashSet<Digest>) -> bool {
    let needed: HashSet<u64> = needed
        .iter()
        .filter_map(|content| Some(fs::metadata(cache.blob(*content)).ok()?.ino()))
        .collect();
    files(directory, 0).iter().any(|(_, found)| needed.contains(&found.ino()))
}

fn files(directory: &Path, depth: usize) -> Vec<(PathBuf, Metadata)> {
    const MAX_DEPTH: usize = 20;
    let mut found = Vec::new();
    for (path, facts) in with_facts(cache::entries(directory)) {
        if facts.is_dir() && depth < MAX_DEPTH {
            found.extend(files(&path, depth + 1));
        } else if facts.is_file() {
            found.push((path, facts));
        }
    }
    found
}

fn blobs(cache: &Cache) -> Vec<(PathBuf, Metadata)> {
    cache::entries(&cache.blobs())
        .iter()
        .flat_map(|directory| with_facts(cache::entries(directory)))
        .collect()
}

fn parts(cache: &Cache) -> Vec<(PathBuf, Metadata)> {
    with_facts(cache::entries(&cache.root().join("parts")))
}

fn with_facts(paths: Vec<PathBuf>) -> Vec<(PathBuf, Metadata)> {
    let facts = |path: PathBuf| fs::symlink_metadata(&path).ok().map(|facts| (path, facts));
    paths.into_iter().filter_map(facts).collect()
}

fn oldest_first(mut paths: Vec<(PathBuf, Metadata)>) -> Vec<(PathBuf, Metadata)> {
    paths.sort_by_key(|(_, facts)| facts.modified().unwrap_or(SystemTime::UNIX_EPOCH));
    paths
}
