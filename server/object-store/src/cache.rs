//! The cache on disk, by content. Several processes may share it: what is whole appears by one rename,
//! what is being written is locked by its writer, and a lock goes with its process.
//!
//! ```text
//! blobs/<aa>/<sha256>           the content of a file, whole and verified
//! known/<id>                    the SHA-256 of an object with that name, size and tag
//! parts/<id>                    a download, continued by whoever wants that object next
//! models/<digest>/<model>/...   a model's directory, its files being links to blobs
//! tmp/<process>/                what one process builds
//! lock                          held while directories in tmp come and go
//! ```

use crate::{StoreError, digest::Digest, listing::File};
use std::{
    ffi::OsStr,
    fs::{self, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tempfile::TempDir;

/// A download that nobody has continued for so long is given up.
const PART_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// A directory that models are kept in.
#[derive(Debug)]
pub(crate) struct Cache {
    root: PathBuf,
    /// Removed with this; if the process is killed, by the next that opens the cache.
    tmp: TempDir,
    /// Says that `tmp` is in use.
    _tmp_lock: fs::File,
    next: AtomicU64,
}

impl Cache {
    /// Opens the cache, making it if it is not there, and clears what ended processes have left.
    ///
    /// # Errors
    /// If it cannot be made or written.
    pub(crate) fn open(root: &Path) -> Result<Self, StoreError> {
        for part in ["blobs", "known", "parts", "models", "tmp"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(StoreError::cache(&path))?;
        }
        // The repository wants paths that stay the same wherever the process goes.
        let root = root.canonicalize().map_err(StoreError::cache(root))?;
        let path = root.join("lock");
        let lock = fs::File::create(&path).map_err(StoreError::cache(&path))?;
        lock.lock().map_err(StoreError::cache(&path))?;
        let all = root.join("tmp");
        for left in entries(&all) {
            if fs::File::open(&left).is_ok_and(|left| left.try_lock().is_ok()) {
                remove(&left);
            }
        }
        let tmp = tempfile::Builder::new().prefix("").tempdir_in(&all);
        let tmp = tmp.map_err(StoreError::cache(&all))?;
        let tmp_lock = fs::File::open(tmp.path()).map_err(StoreError::cache(tmp.path()))?;
        tmp_lock.lock().map_err(StoreError::cache(tmp.path()))?;
        drop(lock);
        let cache = Self { root, tmp, _tmp_lock: tmp_lock, next: AtomicU64::new(0) };
        cache.give_up_parts();
        Ok(cache)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// A path that nobody else uses, for what is being built.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.tmp.path().join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Where the blob of this content is, if it is there.
    pub(crate) fn blob(&self, content: Digest) -> PathBuf {
        let name = content.to_string();
        self.blobs().join(&name[..2]).join(name)
    }

    /// Whether this content is there; a blob of another size is none, and goes.
    pub(crate) fn has(&self, content: Digest, size: u64) -> bool {
        let path = self.blob(content);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() && found.len() == size => true,
            Ok(_) => {
                tracing::warn!(path = %path.display(), expected = size, "a file in the model cache is not what it was; it is fetched again");
                remove(&path);
                false
            }
            Err(_) => false,
        }
    }

    /// The content of this file of the store `url`, if it is there.
    pub(crate) fn known(&self, url: &str, file: &File) -> Option<Digest> {
        let content = match file.sha256 {
            Some(content) => content,
            None => {
                let known = self.root.join("known").join(id(url, file).to_string());
                Digest::parse(&fs::read_to_string(known).ok()?)?
            }
        };
        self.has(content, file.size).then_some(content)
    }

    /// Where a download of this file goes, which may have begun already. Blocks while another thread
    /// or process downloads it.
    pub(crate) fn part(&self, url: &str, file: &File) -> Result<Part, StoreError> {
        let id = id(url, file);
        let path = self.root.join("parts").join(id.to_string());
        loop {
            let opened = fs::File::options().read(true).append(true).create(true).open(&path);
            let opened = opened.map_err(StoreError::cache(&path))?;
            opened.lock().map_err(StoreError::cache(&path))?;
            let mine = opened.metadata().map_err(StoreError::cache(&path))?;
            // Whoever had the lock before may have made a blob of it.
            if fs::metadata(&path).is_ok_and(|there| there.ino() == mine.ino()) {
                return Ok(Part { file: opened, path, id });
            }
        }
    }

    /// Bytes of this file that an earlier download has left.
    pub(crate) fn begun(&self, url: &str, file: &File) -> u64 {
        let part = self.root.join("parts").join(id(url, file).to_string());
        fs::metadata(part).map_or(0, |part| part.len().min(file.size))
    }

    /// Makes a blob of a part that is whole and on disk.
    pub(crate) fn commit(&self, part: Part, content: Digest, size: u64) -> Result<(), StoreError> {
        // Told before the part goes: whoever waits for the part looks there next. While the blob is not
        // there yet it says nothing.
        let scratch = self.scratch();
        let known = self.root.join("known").join(part.id.to_string());
        fs::write(&scratch, content.to_string())
            .and_then(|()| fs::rename(&scratch, &known))
            .map_err(StoreError::cache(&known))?;
        let blob = self.blob(content);
        if self.has(content, size) {
            remove(&part.path);
            return Ok(());
        }
        let directory = blob.parent().expect("a blob is in a directory");
        fs::create_dir_all(directory).map_err(StoreError::cache(directory))?;
        // Not before: a part that was left read-only could not be continued.
        let read_only = fs::Permissions::from_mode(0o444);
        fs::rename(&part.path, &blob)
            .and_then(|()| fs::set_permissions(&blob, read_only))
            .map_err(StoreError::cache(&blob))?;
        sync(directory)
    }

    /// Keeps a blob that no model is made of yet from those who make room; `None` if it needs no keeping,
    /// or cannot be kept.
    pub(crate) fn pin(&self, content: Digest) -> Option<Pin> {
        let (blob, pin) = (self.blob(content), self.scratch());
        let alone = fs::symlink_metadata(&blob).is_ok_and(|found| found.nlink() == 1);
        (alone && fs::hard_link(&blob, &pin).is_ok()).then_some(Pin(pin))
    }

    /// Bytes that are free where the cache is.
    pub(crate) fn free(&self) -> Option<u64> {
        let told = rustix::fs::statvfs(&self.root).ok()?;
        Some(told.f_bavail.saturating_mul(told.f_frsize))
    }

    /// Removes a directory or file in such a way that nobody sees a part of it.
    pub(crate) fn take_away(&self, path: &Path) {
        let scratch = self.scratch();
        if fs::rename(path, &scratch).is_ok() {
            remove(&scratch);
        }
    }

    fn give_up_parts(&self) {
        // Time as the disk has it, so that no clock has to be right.
        let now = fs::metadata(self.tmp.path()).and_then(|tmp| tmp.modified());
        for part in entries(&self.root.join("parts")) {
            let written = fs::metadata(&part).and_then(|part| part.modified());
            let (Ok(now), Ok(written)) = (&now, written) else { continue };
            let old = now.duration_since(written).is_ok_and(|age| age > PART_LIFETIME);
            if old && fs::File::open(&part).is_ok_and(|file| file.try_lock().is_ok()) {
                remove(&part);
            }
        }
    }
}

/// A link to a blob, which whoever makes room takes for a model's.
#[derive(Debug)]
pub(crate) struct Pin(PathBuf);

impl Drop for Pin {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// A download that is under way in this thread.
#[derive(Debug)]
pub(crate) struct Part {
    /// At its end; locked.
    pub(crate) file: fs::File,
    pub(crate) path: PathBuf,
    id: Digest,
}

/// Which object it is, and which content of it.
fn id(url: &str, file: &File) -> Digest {
    let size = file.size.to_string();
    // Content that is known beforehand is the same in every store.
    match file.sha256.map(|content| content.to_string()) {
        Some(content) => Digest::of_parts(["sha256", &content, &size]),
        None => Digest::of_parts([url, &file.object, &file.tag, &size]),
    }
}

/// What stands in a directory, as far as it can be read.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Removes a file or a directory; what cannot go stays, with a warning.
pub(crate) fn remove(path: &Path) {
    let removed = if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "cannot be removed from the model cache");
        }
        _ => {}
    }
}

/// Has the names in a directory on disk.
pub(crate) fn sync(directory: &Path) -> Result<(), StoreError> {
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(StoreError::cache(directory))
}

/// A shared lock on a directory, if nobody removes it.
pub(crate) fn hold(directory: &Path) -> io::Result<Option<fs::File>> {
    let held = fs::File::open(directory)?;
    match held.try_lock_shared() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        // A file system that knows no locks: nothing is removed there, either.
        Err(TryLockError::Error(_)) => return Ok(Some(held)),
    }
    let same = fs::metadata(directory).is_ok_and(|there| {
        held.metadata().is_ok_and(|mine| there.ino() == mine.ino() && there.dev() == mine.dev())
    });
    Ok(same.then_some(held))
}

/// Whether a name in the cache is a digest, so that nothing else is taken for one.
pub(crate) fn is_digest(path: &Path) -> bool {
    path.file_name().and_then(OsStr::to_str).is_some_and(|name| Digest::parse(name).is_some())
}
