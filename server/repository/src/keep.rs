//! The files of a generation that serves, held open: they can be loaded again after they were replaced
//! or removed, with nothing copied. What was written in place is noticed.

use crate::{
    files::{self, Bounds},
    root::Place,
    source::is_of,
};
use std::{
    fs::{self, File},
    io,
    os::{
        fd::AsRawFd as _,
        unix::fs::{MetadataExt as _, symlink},
    },
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};
use tempfile::TempDir;

/// Files that all models together may hold open.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// The files of one generation.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Empty directories are versions, too.
    directories: Vec<PathBuf>,
    files: Vec<KeptFile>,
    /// Counts the files as open until it is dropped.
    _budget: Budget,
}

#[derive(Debug)]
struct KeptFile {
    /// Inside the model's directory.
    path: PathBuf,
    file: File,
    size: u64,
    /// Seconds and nanoseconds; compared for equality.
    modified: (i64, i64),
}

#[derive(Debug)]
struct Budget(usize);

impl Budget {
    fn take(count: usize, most: usize) -> Option<Self> {
        let open = OPEN.fetch_add(count, Ordering::Relaxed);
        let budget = Self(count);
        (open + count <= most).then_some(budget)
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        OPEN.fetch_sub(self.0, Ordering::Relaxed);
    }
}

impl Kept {
    /// Opens every file of these versions of the model, and those that belong to none; all models
    /// together at most `most`.
    ///
    /// # Errors
    /// If a file cannot be opened, or there are too many.
    pub(crate) fn open(place: &Place, versions: &[u64], most: usize) -> io::Result<Self> {
        let (mut directories, mut paths) = files::list(place)?;
        let used = |path: &PathBuf| path.iter().next().is_none_or(|entry| is_of(entry, versions));
        directories.retain(used);
        paths.retain(used);
        let budget = Budget::take(paths.len(), most).ok_or_else(|| {
            let text = format!("more than {most} files would be held open for the way back");
            io::Error::new(io::ErrorKind::QuotaExceeded, text)
        })?;
        let open = |path: PathBuf| {
            let file = File::open(place.directory.join(&path))?;
            let metadata = file.metadata()?;
            let modified = (metadata.mtime(), metadata.mtime_nsec());
            Ok(KeptFile { path, file, size: metadata.size(), modified })
        };
        let files = paths.into_iter().map(open).collect::<io::Result<_>>()?;
        Ok(Self { directories, files, _budget: budget })
    }

    /// A directory of links to the files; they lead to what is held open here, so this has to live as long
    /// as the directory is used.
    ///
    /// # Errors
    /// If the directory cannot be made.
    pub(crate) fn restore(&self, name: &str) -> io::Result<(TempDir, Place)> {
        let root = TempDir::with_prefix("hippocamp-generation-")?;
        let directory = root.path().join(name);
        fs::create_dir(&directory)?;
        for inside in &self.directories {
            fs::create_dir_all(directory.join(inside))?;
        }
        for KeptFile { path, file, .. } in &self.files {
            // By number of the process: backends may open files in a process of their own.
            let held = format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd());
            symlink(held, directory.join(path))?;
        }
        Ok((root, Place { directory, bounds: Bounds::Anywhere }))
    }

    /// A file that the system says was written since it was opened here, or only touched.
    ///
    /// # Errors
    /// If the system does not say.
    pub(crate) fn written(&self) -> io::Result<Option<&Path>> {
        for KeptFile { path, file, size, modified } in &self.files {
            let now = file.metadata()?;
            if now.size() != *size || (now.mtime(), now.mtime_nsec()) != *modified {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(root: &Path) -> Place {
        let directory = root.join("m");
        fs::create_dir_all(directory.join("1/parts")).unwrap();
        fs::create_dir_all(directory.join("2")).unwrap();
        fs::write(directory.join("config.pbtxt"), "config").unwrap();
        fs::write(directory.join("1/parts/model"), "weights").unwrap();
        Place { directory, bounds: Bounds::inside(root).unwrap() }
    }

    #[test]
    fn what_is_gone_can_be_read() {
        let root = TempDir::new().unwrap();
        let place = model(root.path());
        let print = files::contents(&place).unwrap();
        let kept = Kept::open(&place, &[1, 2], 1000).unwrap();
        fs::remove_dir_all(&place.directory).unwrap();
        let (_directory, restored) = kept.restore("m").unwrap();
        assert_eq!(files::contents(&restored).unwrap(), print);
        assert!(restored.directory.ends_with("m"));
    }

    #[test]
    fn what_was_written_in_place_is_noticed() {
        let root = TempDir::new().unwrap();
        let place = model(root.path());
        let kept = Kept::open(&place, &[1, 2], 1000).unwrap();
        assert_eq!(kept.written().unwrap(), None);
        fs::write(place.directory.join("1/parts/model"), "WEIGHTS!").unwrap();
        assert_eq!(kept.written().unwrap(), Some(Path::new("1/parts/model")));
    }

    #[test]
    fn versions_that_do_not_serve_are_left() {
        let root = TempDir::new().unwrap();
        let place = model(root.path());
        fs::create_dir(place.directory.join("3")).unwrap();
        fs::write(place.directory.join("3/model"), "half").unwrap();
        let kept = Kept::open(&place, &[1], 1000).unwrap();
        fs::write(place.directory.join("3/model"), "written on").unwrap();
        let (_directory, restored) = kept.restore("m").unwrap();
        assert!(!restored.directory.join("3").exists() && !restored.directory.join("2").exists());
    }

    #[test]
    fn the_budget_is_held() {
        let root = TempDir::new().unwrap();
        let place = model(root.path());
        let error = Kept::open(&place, &[1, 2], 1).unwrap_err();
        assert!(error.to_string().contains("more than 1 files"), "{error}");
    }
}
