//! Directories of models: links to blobs, built aside and put in place by one rename. The same files
//! under the same name are the same directory, in every process.

use crate::{
    StoreError,
    cache::{self, Cache, Pin},
    digest::Digest,
};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// What a model's directory is made of.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) model: String,
    /// Content and size, by path.
    pub(crate) files: BTreeMap<String, (Digest, u64)>,
    pub(crate) directories: BTreeSet<String>,
    /// Until the directory has them.
    pub(crate) _pins: Vec<Pin>,
}

/// A model's directory, kept as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) path: PathBuf,
    /// `models/<digest>`, locked against whoever makes room.
    _held: fs::File,
}

impl Contents {
    fn digest(&self) -> Digest {
        let files = self.files.iter().flat_map(|(path, (content, _))| {
            ["file".to_owned(), path.clone(), content.to_string()]
        });
        let directories =
            self.directories.iter().flat_map(|path| ["directory".to_owned(), path.clone()]);
        let parts: Vec<_> = files.chain(directories).collect();
        Digest::of_parts([self.model.as_str()].into_iter().chain(parts.iter().map(String::as_str)))
    }

    /// Whether the directory has all of it.
    fn is_whole(&self, directory: &Path) -> bool {
        let has = |path: &String, size: u64| {
            fs::symlink_metadata(directory.join(path))
                .is_ok_and(|found| found.is_file() && found.len() == size)
        };
        self.files.iter().all(|(path, (_, size))| has(path, *size))
            && self.directories.iter().all(|path| directory.join(path).is_dir())
    }

    /// The directory with these contents; `None` if a blob has gone meanwhile.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub(crate) fn directory(&self, cache: &Cache) -> Result<Option<Directory>, StoreError> {
        const ATTEMPTS: usize = 8;
        let outer = cache.models().join(self.digest().to_string());
        let path = outer.join(&self.model);
        // Another process may take it away between two steps.
        for _ in 0..ATTEMPTS {
            if let Some(held) = held(&outer)? {
                if self.is_whole(&path) {
                    return Ok(Some(Directory { path, _held: held }));
                }
                drop(held);
                tracing::warn!(path = %path.display(), "a model in the cache is not what it was; it is built again");
                cache.take_away(&outer);
            }
            let scratch = cache.scratch();
            let built = self.build(cache, &scratch.join(&self.model));
            let placed = match built {
                Ok(true) => place(&scratch, &outer),
                Ok(false) => {
                    cache::remove(&scratch);
                    return Ok(None);
                }
                Err(error) => {
                    cache::remove(&scratch);
                    return Err(error);
                }
            };
            if !placed? {
                cache::remove(&scratch);
            }
        }
        let source = io::Error::other("other processes remove it again and again");
        Err(StoreError::Cache { path: outer, source })
    }

    /// Whether every blob was there.
    fn build(&self, cache: &Cache, directory: &Path) -> Result<bool, StoreError> {
        let make = |path: &Path| fs::create_dir_all(path).map_err(StoreError::cache(path));
        make(directory)?;
        let mut made = BTreeSet::from([directory.to_owned()]);
        for path in &self.directories {
            made.insert(directory.join(path));
        }
        for path in self.files.keys() {
            let within = directory.join(path);
            let parents = within.ancestors().skip(1).take_while(|above| *above != directory);
            made.extend(parents.map(Path::to_owned));
        }
        made.iter().try_for_each(|path| make(path))?;
        for (path, (content, _)) in &self.files {
            let to = directory.join(path);
            match link(&cache.blob(*content), &to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                linked => linked.map_err(StoreError::cache(&to))?,
            }
        }
        made.iter().try_for_each(|path| cache::sync(path))?;
        Ok(true)
    }
}

/// Puts what was built in place; false if something is there already.
fn place(scratch: &Path, outer: &Path) -> Result<bool, StoreError> {
    cache::sync(scratch)?;
    match fs::rename(scratch, outer) {
        Ok(()) => {
            cache::sync(outer.parent().expect("it is in models"))?;
            Ok(true)
        }
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
            ) =>
        {
            Ok(false)
        }
        Err(source) => Err(StoreError::Cache { path: outer.to_owned(), source }),
    }
}

/// A lock on it, if it is there and stays.
fn held(outer: &Path) -> Result<Option<fs::File>, StoreError> {
    match cache::hold(outer) {
        Ok(held) => {
            // When it was used last, for whoever makes room.
            if let Some(Err(error)) = held.as_ref().map(touch) {
                tracing::debug!(path = %outer.display(), %error, "its time of use cannot be kept");
            }
            Ok(held)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Cache { path: outer.to_owned(), source }),
    }
}

/// Sets its times to now, as the kernel's clock has it.
fn touch(directory: &fs::File) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    rustix::fs::futimens(directory, &times).map_err(io::Error::from)
}

/// A hard link, or a copy where there are none.
fn link(blob: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(blob, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            fs::copy(blob, to).and_then(|_| fs::File::open(to)).and_then(|file| file.sync_all())
        }
        linked => linked,
    }
}
