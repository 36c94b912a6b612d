//! Rows on disk that wait for the database: a JSON object a line, appended and on the disk before
//! anybody is told that they are kept. Bounded. What was torn by a crash was promised to nobody, and
//! is cut off.

use super::Row;
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The journal of one directory.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    /// Largest file, in bytes.
    most_bytes: u64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    /// Length of the file: whole lines.
    bytes: u64,
    /// Bytes at the beginning that are delivered. After a crash they are delivered again, which
    /// changes nothing.
    delivered: u64,
    /// Lines that are not.
    events: u64,
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Rows.
    pub(crate) events: u64,
    /// Length of the file.
    pub(crate) bytes: u64,
}

/// Some rows from the beginning of what waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    /// In the order in which they came.
    pub(super) rows: Vec<Row>,
    /// Lines that are no rows.
    pub(super) unreadable: Vec<String>,
    /// Where the next batch begins.
    end: u64,
}

/// Rows are not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum JournalError {
    /// There is no room.
    #[error("the journal has {bytes} bytes, and takes {most_bytes} at most (--max-journal-bytes)")]
    Full {
        /// What is there.
        bytes: u64,
        /// The limit.
        most_bytes: u64,
    },
    /// The system says why.
    #[error("the journal cannot be written: {0}")]
    Disk(#[from] io::Error),
}

impl Journal {
    /// Opens the file at `path`, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened, or another process has it.
    pub(super) fn open(path: &Path, most_bytes: u64) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        // Two that cut the same file would lose each other's lines.
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another application uses this directory"),
            TryLockError::Error(error) => error,
        })?;
        let (mut bytes, mut events) = (0, 0);
        let mut line = Vec::new();
        let mut reader = BufReader::new(&mut file);
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.ends_with(b"\n") {
                bytes += line.len() as u64;
                events += 1;
            }
            line.clear();
        }
        if file.metadata()?.len() > bytes {
            tracing::warn!(file = %path.display(), "the last line of the journal was torn, and is cut off");
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        if events > 0 {
            tracing::info!(events, "feedback of an earlier run waits for the database");
        }
        let inner = Mutex::new(Inner { file, bytes, delivered: 0, events });
        Ok(Self { path: path.to_owned(), most_bytes, inner })
    }

    /// Writes rows behind the others, to the disk.
    ///
    /// # Errors
    /// If there is no room, or the disk fails; then none is kept.
    pub(super) fn append(&self, rows: &[Row]) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row).map_err(io::Error::from)?;
            lines.push(b'\n');
        }
        let mut inner = self.lock();
        let bytes = inner.bytes;
        let after = bytes + lines.len() as u64;
        if after > self.most_bytes {
            return Err(JournalError::Full { bytes, most_bytes: self.most_bytes });
        }
        let written = inner.file.write_all(&lines).and_then(|()| inner.file.sync_data());
        if let Err(error) = written {
            // No part of it is to be read as kept.
            if let Err(error) = inner.file.set_len(bytes) {
                tracing::error!(%error, "the journal cannot be cut back");
            }
            return Err(error.into());
        }
        inner.bytes = after;
        inner.events += rows.len() as u64;
        Ok(())
    }

    /// The first rows that wait, `most` at most.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn batch(&self, most: usize) -> io::Result<Batch> {
        let mut inner = self.lock();
        let (begin, length) = (inner.delivered, inner.bytes - inner.delivered);
        inner.file.seek(SeekFrom::Start(begin))?;
        let mut batch = Batch { end: begin, ..Batch::default() };
        let mut reader = BufReader::new((&mut inner.file).take(length));
        let mut line = Vec::new();
        while batch.rows.len() + batch.unreadable.len() < most
            && reader.read_until(b'\n', &mut line)? > 0
        {
            match serde_json::from_slice(&line) {
                Ok(row) => batch.rows.push(row),
                Err(_) => batch.unreadable.push(String::from_utf8_lossy(&line).trim().to_owned()),
            }
            batch.end += line.len() as u64;
            line.clear();
        }
        Ok(batch)
    }

    /// The rows of a batch are in the database. Lines that are no rows are put into a file beside
    /// the journal.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub(super) fn delivered(&self, batch: &Batch) -> io::Result<()> {
        if !batch.unreadable.is_empty() {
            let path = self.path.with_extension("unreadable");
            tracing::error!(lines = batch.unreadable.len(), file = %path.display(), "the journal has lines that are no feedback");
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            writeln!(file, "{}", batch.unreadable.join("\n"))?;
            file.sync_all()?;
        }
        let mut inner = self.lock();
        let lines = (batch.rows.len() + batch.unreadable.len()) as u64;
        inner.delivered = batch.end;
        inner.events = inner.events.saturating_sub(lines);
        if inner.delivered == inner.bytes {
            inner.file.set_len(0)?;
            inner.file.sync_all()?;
            (inner.bytes, inner.delivered, inner.events) = (0, 0, 0);
        }
        Ok(())
    }

    /// What waits.
    pub(super) fn waiting(&self) -> Waiting {
        let inner = self.lock();
        Waiting { events: inner.events, bytes: inner.bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::row, *};

    #[test]
    fn rows_come_back_in_order_and_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        let journal = Journal::open(&path, 1 << 20).unwrap();
        assert_eq!(journal.batch(10).unwrap().rows, []);
        journal.append(&[row("a"), row("b")]).unwrap();
        journal.append(&[row("c")]).unwrap();
        assert_eq!(journal.waiting().events, 3);
        let first = journal.batch(2).unwrap();
        assert_eq!(first.rows, [row("a"), row("b")]);
        assert_eq!(journal.batch(2).unwrap(), first, "not delivered yet");
        journal.delivered(&first).unwrap();
        assert_eq!(journal.waiting().events, 1);
        // What comes meanwhile is not lost when the file is cut.
        journal.append(&[row("d")]).unwrap();
        let rest = journal.batch(10).unwrap();
        assert_eq!(rest.rows, [row("c"), row("d")]);
        journal.delivered(&rest).unwrap();
        assert_eq!(journal.waiting(), Waiting::default());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    }

    #[test]
    fn what_waits_survives_the_process_and_a_torn_line_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        Journal::open(&path, 1 << 20).unwrap().append(&[row("a"), row("b")]).unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"key\":\"c\",\"rec").unwrap();
        let journal = Journal::open(&path, 1 << 20).unwrap();
        journal.append(&[row("d")]).unwrap();
        assert_eq!(journal.waiting().events, 3);
        assert_eq!(journal.batch(10).unwrap().rows, [row("a"), row("b"), row("d")]);
    }

    #[test]
    fn lines_that_are_no_rows_are_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        std::fs::write(&path, "not a row\n").unwrap();
        let journal = Journal::open(&path, 1 << 20).unwrap();
        journal.append(&[row("a")]).unwrap();
        let batch = journal.batch(10).unwrap();
        assert_eq!(
            (batch.rows.as_slice(), batch.unreadable.as_slice()),
            (&[row("a")][..], &["not a row".to_owned()][..])
        );
        journal.delivered(&batch).unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join("j.unreadable")).unwrap(),
            "not a row\n"
        );
        assert_eq!(journal.waiting(), Waiting::default());
    }

    #[test]
    fn a_journal_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        let journal = Journal::open(&path, 500).unwrap();
        let error = Journal::open(&path, 500).unwrap_err();
        assert!(error.to_string().contains("another application"), "{error}");
        drop(journal);
        Journal::open(&path, 500).unwrap();
    }

    #[test]
    fn a_full_journal_takes_all_or_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(&directory.path().join("j"), 500).unwrap();
        journal.append(&[row("a")]).unwrap();
        let before = journal.waiting();
        let many: Vec<Row> = (0..10).map(|n| row(&n.to_string())).collect();
        assert!(matches!(journal.append(&many), Err(JournalError::Full { .. })));
        assert_eq!(journal.waiting(), before);
        assert_eq!(journal.batch(10).unwrap().rows, [row("a")]);
    }
}
