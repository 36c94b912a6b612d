//! What the files of a model are: told cheaply, by what the system knows of them, and surely, by their
//! content. A file is read again only when what the system knows of it has changed. Times are compared
//! for equality alone, so no clock has to be right. Links that lead out of the repository are refused.

use crate::root::Place;
use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fs::{self, File, Metadata},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
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
    is_directory: bool,
}

impl Stat {
    fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
            is_directory: file.is_dir(),
        }
    }
}

/// Where the links of a model may lead.
#[derive(Clone, Debug)]
pub(crate) enum Bounds {
    /// Into this directory, which is free of links itself.
    Inside(PathBuf),
    /// Anywhere: the links are our own.
    Anywhere,
}

impl Bounds {
    /// Links may lead to what is below `directory`.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn inside(directory: &Path) -> io::Result<Self> {
        Ok(Self::Inside(directory.canonicalize()?))
    }

    /// Refuses `path` if it is a link that leads out.
    fn check(&self, path: &Path) -> io::Result<()> {
        let Self::Inside(within) = self else { return Ok(()) };
        let leads = path.canonicalize()?;
        if leads.starts_with(within) {
            return Ok(());
        }
        let text = format!(
            "'{}' is a link that leads out of the repository, to '{}': expected one to a file below '{}'; copy the file, mount its directory there, or allow it with --allow-external-links",
            path.display(),
            leads.display(),
            within.display(),
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }
}

/// Contents that were read before.
#[derive(Debug, Default)]
pub(crate) struct Prints {
    /// By model, then by path.
    models: HashMap<String, HashMap<PathBuf, (Stat, u64)>>,
}

/// What the system knows of a model's files, by what stands in its directory: a version, the
/// configuration, ...
pub(crate) type Stats = BTreeMap<OsString, u64>;

/// Changes whenever a file of the model is written, replaced, added or removed.
///
/// # Errors
/// If a directory cannot be listed, a file vanished meanwhile, or a link leads out of the repository.
pub(crate) fn stats(place: &Place) -> io::Result<u64> {
    Ok(total(&stats_by_entry(place)?))
}

/// The same of each entry of the model's directory.
///
/// # Errors
/// As [`stats`].
pub(crate) fn stats_by_entry(place: &Place) -> io::Result<Stats> {
    by_entry(place, |_, stat| Ok(stat))
}

/// What `tell` says of each file and directory, and their paths, hashed by entry of the model's directory.
fn by_entry<T: Hash>(
    place: &Place,
    mut tell: impl FnMut(&Path, Stat) -> io::Result<T>,
) -> io::Result<Stats> {
    let mut hashers: BTreeMap<OsString, DefaultHasher> = BTreeMap::new();
    walk(place, &mut |path, stat| {
        let told = tell(path, stat)?;
        let inside = inside(place, path);
        let entry = inside.iter().next().unwrap_or_default();
        (inside, told).hash(hashers.entry(entry.to_owned()).or_default());
        Ok(())
    })?;
    Ok(hashers.into_iter().map(|(entry, hasher)| (entry, hasher.finish())).collect())
}

/// Of all entries together.
pub(crate) fn total(stats: &Stats) -> u64 {
    let mut hasher = DefaultHasher::new();
    stats.hash(&mut hasher);
    hasher.finish()
}

/// Every directory and every file of the model, by their paths inside it.
///
/// # Errors
/// As [`stats`].
pub(crate) fn list(place: &Place) -> io::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut directories, mut files) = (Vec::new(), Vec::new());
    walk(place, &mut |path, stat| {
        let list = if stat.is_directory { &mut directories } else { &mut files };
        list.push(inside(place, path).to_owned());
        Ok(())
    })?;
    Ok((directories, files))
}

/// Whether a file below `directory` was written less than `age` ago; told from the system's own times, so
/// a clock that jumps makes it wrong for once, and no more than that.
#[expect(
    clippy::disallowed_methods,
    reason = "the system's times of files are wall time, and nothing else tells their age"
)]
pub(crate) fn written_within(place: &Place, directory: &Path, age: Duration) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut young = false;
    let below = Place { directory: directory.to_owned(), bounds: place.bounds.clone() };
    let walked = walk(&below, &mut |_, stat| {
        let (Ok(seconds), Ok(nanos)) =
            (u64::try_from(stat.changed.0), u32::try_from(stat.changed.1))
        else {
            return Ok(());
        };
        let written = Duration::new(seconds, nanos);
        young |= !stat.is_directory && now.checked_sub(written).is_some_and(|since| since < age);
        Ok(())
    });
    // What vanishes meanwhile is being written, too.
    young || walked.is_err()
}

/// The path below the model's directory: a model that is fetched anew stands in another one.
fn inside<'a>(place: &Place, path: &'a Path) -> &'a Path {
    path.strip_prefix(&place.directory).unwrap_or(path)
}

impl Prints {
    /// The files of a model that is gone need not be known any more.
    pub(crate) fn forget(&mut self, model: &str) {
        self.models.remove(model);
    }

    /// What the model's files say, by entry of its directory: changes whenever that does.
    ///
    /// # Errors
    /// If a file cannot be read, or a link leads out of the repository.
    pub(crate) fn contents(&mut self, model: &str, place: &Place) -> io::Result<Stats> {
        let mut known = self.models.remove(model).unwrap_or_default();
        let mut read = HashMap::with_capacity(known.len());
        let told = by_entry(place, |path, stat| {
            let content = match known.get(path) {
                Some((before, content)) if *before == stat => *content,
                _ => content(path)?,
            };
            read.insert(path.to_owned(), (stat, content));
            Ok(content)
        });
        if told.is_err() {
            // What could be read need not be read again when the rest can.
            known.extend(read);
            read = known;
        }
        self.models.insert(model.to_owned(), read);
        told
    }
}

/// What the files of a model say, read whole.
#[cfg(test)]
pub(crate) fn contents(place: &Place) -> io::Result<Stats> {
    Prints::default().contents("", place)
}

/// Every file and directory of a model, in a fixed order. Links inside the repository are followed: it
/// may be made of them.
fn walk(place: &Place, visit: &mut dyn FnMut(&Path, Stat) -> io::Result<()>) -> io::Result<()> {
    // The model's own directory may be a link.
    place.bounds.check(&place.directory)?;
    walk_below(&place.directory, &place.bounds, 0, visit)
}

fn walk_below(
    directory: &Path,
    bounds: &Bounds,
    depth: usize,
    visit: &mut dyn FnMut(&Path, Stat) -> io::Result<()>,
) -> io::Result<()> {
    if depth > MAX_DEPTH {
        let text = format!("'{}' lies deeper than {MAX_DEPTH} directories", directory.display());
        return Err(io::Error::other(text));
    }
    let mut entries = fs::read_dir(directory)
        .map_err(|error| of(directory, &error))?
        .collect::<io::Result<Vec<_>>>()
        .map_err(|error| of(directory, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            bounds.check(&path).map_err(|error| of(&path, &error))?;
        }
        let metadata = fs::metadata(&path).map_err(|error| of(&path, &error))?;
        let stat = Stat::of(&metadata);
        if metadata.is_dir() {
            // Python writes there what it makes of the files beside it, while it loads them.
            if entry.file_name() == "__pycache__" {
                continue;
            }
            // An empty version directory is one, too.
            visit(&path, Stat { size: 0, modified: (0, 0), changed: (0, 0), ..stat })?;
            walk_below(&path, bounds, depth + 1, visit)?;
        } else if metadata.is_file() {
            visit(&path, stat)?;
        } else {
            // Reading a pipe would wait for a writer.
            let text = "expected a file or a directory, got a pipe, a socket or a device";
            return Err(of(&path, &io::Error::new(io::ErrorKind::InvalidInput, text)));
        }
    }
    Ok(())
}

/// The error with the path that it is about.
fn of(path: &Path, error: &io::Error) -> io::Error {
    let text = error.to_string();
    let named = text.contains(&*path.to_string_lossy());
    let text = if named { text } else { format!("'{}': {text}", path.display()) };
    io::Error::new(error.kind(), text)
}

fn content(path: &Path) -> io::Result<u64> {
    if path.is_dir() {
        return Ok(0);
    }
    let mut hasher = DefaultHasher::new();
    let mut file = File::open(path).map_err(|error| of(path, &error))?;
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece).map_err(|error| of(path, &error))? {
            0 => return Ok(hasher.finish()),
            read => hasher.write(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn place(directory: &Path, root: &Path) -> Place {
        Place { directory: directory.to_owned(), bounds: Bounds::inside(root).unwrap() }
    }

    #[test]
    fn contents_count_and_not_times() {
        let model = tempfile::tempdir().unwrap();
        let file = |name: &str| model.path().join(name);
        let place = place(model.path(), model.path());
        let mut prints = Prints::default();
        fs::create_dir(file("1")).unwrap();
        fs::write(file("1/model.onnx"), "weights").unwrap();
        let (stat, print) = (stats(&place).unwrap(), prints.contents("m", &place).unwrap());
        assert_eq!(prints.contents("m", &place).unwrap(), print);

        // Written anew with what it said before: another file to the system, the same to us.
        fs::write(file("1/copy"), "weights").unwrap();
        fs::rename(file("1/copy"), file("1/model.onnx")).unwrap();
        assert_ne!(stats(&place).unwrap(), stat);
        assert_eq!(prints.contents("m", &place).unwrap(), print);

        // Other content of the same size, with the same time. The time of the change is another, where file
        // systems tell it by ticks of the kernel, only after the next of them.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let time = fs::metadata(file("1/model.onnx")).unwrap().modified().unwrap();
        let stat = stats(&place).unwrap();
        let handle = File::options().write(true).open(file("1/model.onnx")).unwrap();
        std::io::Write::write_all(&mut &handle, b"WEIGHTS").unwrap();
        handle.set_modified(time).unwrap();
        assert_ne!(stats(&place).unwrap(), stat);
        let other = prints.contents("m", &place).unwrap();
        assert_ne!(other, print);

        fs::create_dir(file("2")).unwrap();
        assert_ne!(prints.contents("m", &place).unwrap(), other, "an empty version is one");
        fs::remove_dir(file("2")).unwrap();
        assert_eq!(prints.contents("m", &place).unwrap(), other);
        fs::remove_file(file("1/model.onnx")).unwrap();
        assert_ne!(prints.contents("m", &place).unwrap(), other);
        assert!(stats(&Place { directory: file("nowhere"), ..place }).is_err());
    }

    #[test]
    fn a_model_in_another_directory_is_the_same() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let print = |root: &Path| {
            fs::create_dir_all(root.join("m/1")).unwrap();
            fs::write(root.join("m/1/model"), "weights").unwrap();
            contents(&place(&root.join("m"), root)).unwrap()
        };
        assert_eq!(print(here.path()), print(there.path()));
    }

    #[test]
    fn links_stay_in_the_repository() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let model = root.path().join("m");
        fs::create_dir_all(model.join("1")).unwrap();
        fs::create_dir(root.path().join(".blobs")).unwrap();
        fs::write(root.path().join(".blobs/a"), "weights").unwrap();
        symlink("../../.blobs/a", model.join("1/model")).unwrap();
        let place = place(&model, root.path());
        assert_eq!(list(&place).unwrap().1, [Path::new("1/model")]);

        let refused = |place: &Place| {
            let error = stats(place).unwrap_err().to_string();
            assert!(error.contains("leads out of the repository"), "{error}");
            assert!(contents(place).is_err() && list(place).is_err());
            fs::remove_file(model.join("1/out")).unwrap();
        };
        fs::write(outside.path().join("secret"), "secret").unwrap();
        symlink(outside.path().join("secret"), model.join("1/out")).unwrap();
        refused(&place);
        symlink(outside.path(), model.join("1/out")).unwrap();
        refused(&place);
        symlink("/etc/passwd", root.path().join(".blobs/b")).unwrap();
        symlink("../../.blobs/b", model.join("1/out")).unwrap();
        refused(&place);

        // The model itself may be a link, to what stands in the repository.
        symlink("m", root.path().join("same")).unwrap();
        let same = Place { directory: root.path().join("same"), ..place.clone() };
        assert_eq!(contents(&same).unwrap(), contents(&place).unwrap());
        symlink(outside.path(), root.path().join("other")).unwrap();
        let other = Place { directory: root.path().join("other"), ..place };
        assert!(stats(&other).unwrap_err().to_string().contains("leads out of the repository"));
    }

    #[test]
    fn a_link_to_its_own_directory_ends() {
        let model = tempfile::tempdir().unwrap();
        symlink(model.path(), model.path().join("1")).unwrap();
        let error = stats(&place(model.path(), model.path())).unwrap_err();
        assert!(error.to_string().contains("deeper than 32 directories"), "{error}");
    }
}
