//! What the files of a model are: told cheaply, by what the system knows of them, and surely, by their
//! content. A file is read again only when what the system knows of it has changed. Times are compared
//! for equality alone, so no clock has to be right.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Levels of directories that a model may have; a link that leads back up ends here.
const MAX_DEPTH: usize = 32;

/// Bytes of a file that are read at a time.
const PIECE: usize = 1 << 20;

/// What the system knows of a file. A write changes `changed`, which nobody can set.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Stat {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stat {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
        }
    }
}

/// Contents that were read before.
#[derive(Debug, Default)]
pub(crate) struct Prints {
    files: HashMap<PathBuf, (Stat, u64)>,
}

/// Changes whenever a file of the model is written, replaced, added or removed.
///
/// # Errors
/// If a directory cannot be listed, or a file vanished meanwhile.
pub(crate) fn stats(directory: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    walk(directory, 0, &mut |path, stat| {
        (path, stat).hash(&mut hasher);
        Ok(())
    })?;
    Ok(hasher.finish())
}

impl Prints {
    /// The files of a model that is gone need not be known any more.
    pub(crate) fn forget(&mut self, model: &str) {
        let of_model = |path: &Path| path.components().any(|part| part.as_os_str() == model);
        self.files.retain(|path, _| !of_model(path));
    }

    /// Changes whenever what the model's files say does.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn contents(&mut self, directory: &Path) -> io::Result<u64> {
        let mut hasher = DefaultHasher::new();
        let before = std::mem::take(&mut self.files);
        let (mine, others) =
            before.into_iter().partition(|(path, _): &(PathBuf, _)| path.starts_with(directory));
        let mine: HashMap<PathBuf, (Stat, u64)> = mine;
        self.files = others;
        walk(directory, 0, &mut |path, stat| {
            let content = match mine.get(path) {
                Some((known, content)) if *known == stat => *content,
                _ => content(path)?,
            };
            self.files.insert(path.to_owned(), (stat, content));
            (path, content).hash(&mut hasher);
            Ok(())
        })?;
        Ok(hasher.finish())
    }
}

/// Every file below `directory`, in a fixed order. Links are followed: a repository may be made of them.
fn walk(
    directory: &Path,
    depth: usize,
    visit: &mut dyn FnMut(&Path, Stat) -> io::Result<()>,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        let text = format!("'{}' lies deeper than {MAX_DEPTH} directories", directory.display());
        return Err(io::Error::other(text));
    }
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            // An empty version directory is one, too.
            visit(
                &path,
                Stat { size: 0, modified: (0, 0), changed: (0, 0), ..Stat::of(&metadata) },
            )?;
            walk(&path, depth + 1, visit)?;
        } else {
            visit(&path, Stat::of(&metadata))?;
        }
    }
    Ok(())
}

fn content(path: &Path) -> io::Result<u64> {
    if path.is_dir() {
        return Ok(0);
    }
    let mut hasher = DefaultHasher::new();
    let mut file = File::open(path)?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            read => hasher.write(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_count_and_not_times() {
        let model = tempfile::tempdir().unwrap();
        let file = |name: &str| model.path().join(name);
        let mut prints = Prints::default();
        fs::create_dir(file("1")).unwrap();
        fs::write(file("1/model.onnx"), "weights").unwrap();
        let (stat, print) = (stats(model.path()).unwrap(), prints.contents(model.path()).unwrap());
        assert_eq!(prints.contents(model.path()).unwrap(), print);

        // Written anew with what it said before: another file to the system, the same to us.
        fs::write(file("1/copy"), "weights").unwrap();
        fs::rename(file("1/copy"), file("1/model.onnx")).unwrap();
        assert_ne!(stats(model.path()).unwrap(), stat);
        assert_eq!(prints.contents(model.path()).unwrap(), print);

        // Other content of the same size, with the same time.
        let time = fs::metadata(file("1/model.onnx")).unwrap().modified().unwrap();
        let (stat, _) = (stats(model.path()).unwrap(), ());
        let handle = File::options().write(true).open(file("1/model.onnx")).unwrap();
        std::io::Write::write_all(&mut &handle, b"WEIGHTS").unwrap();
        handle.set_modified(time).unwrap();
        assert_ne!(stats(model.path()).unwrap(), stat);
        let other = prints.contents(model.path()).unwrap();
        assert_ne!(other, print);

        fs::create_dir(file("2")).unwrap();
        assert_ne!(prints.contents(model.path()).unwrap(), other, "an empty version is one");
        fs::remove_dir(file("2")).unwrap();
        assert_eq!(prints.contents(model.path()).unwrap(), other);
        fs::remove_file(file("1/model.onnx")).unwrap();
        assert_ne!(prints.contents(model.path()).unwrap(), other);
        assert!(stats(&file("nowhere")).is_err());
    }

    #[test]
    fn a_link_to_its_own_directory_ends() {
        let model = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(model.path(), model.path().join("1")).unwrap();
        let error = stats(model.path()).unwrap_err();
        assert!(error.to_string().contains("deeper than 32 directories"), "{error}");
    }
}
