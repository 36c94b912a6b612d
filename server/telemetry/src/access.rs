//! The access log: a line of JSON for each call, written by a thread of its own.
//!
//! A front-end opens a [`AccessRecord`] when a call comes and gives it to the request as its
//! [`Account`]. The line is made when nobody holds the record any more: backends report what an
//! execution took just after they have answered; and written with those of the next milliseconds.

use crate::log::utc_now;
use hippocamp_types::Account;
use serde::Serialize;
use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Lines that may wait for the disk; more are left out, and counted in the log.
const WAITING_LINES: usize = 16_384;

/// Time between two looks whether the file was moved away, as those who rotate logs do.
const ROTATION_INTERVAL: Duration = Duration::from_secs(1);

/// Time that a line waits for company: so often at most is the thread woken, and the file written.
const GATHERING: Duration = Duration::from_millis(5);

/// Stands for standard output.
const STDOUT: &str = "-";

/// The access log. Clones write the same one.
#[derive(Clone)]
pub struct AccessLog {
    lines: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

enum Message {
    Line(Vec<u8>),
    /// Dropped once every line before it is written.
    Flush(SyncSender<()>),
}

/// What is known of a call when it comes.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Call {
    /// `http` or `grpc`.
    pub protocol: &'static str,
    /// Who calls.
    pub peer: String,
    /// The verb; `POST` for gRPC.
    pub method: String,
    /// The path, for gRPC that of the method.
    pub path: String,
    /// The status of a call that its client did not wait for.
    #[serde(skip)]
    pub unanswered: u16,
    /// Length of the request's body, as announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_bytes: Option<u64>,
}

/// What becomes known of a call; times in microseconds.
#[derive(Debug, Default, Serialize)]
struct Outcome {
    /// An HTTP status, or a gRPC code; of a call that was not answered, what tells so.
    status: Option<u16>,
    /// The name of the caller's API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_size: Option<usize>,
    /// Over the steps of an ensemble: the sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compute_us: Option<u64>,
    /// Until the answer, or the last one, left the server's code.
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    #[serde(flatten)]
    call: &'a Call,
    #[serde(flatten)]
    outcome: &'a Outcome,
}

/// One call.
pub struct AccessRecord {
    log: AccessLog,
    call: Call,
    time: String,
    started: Instant,
    outcome: Mutex<Outcome>,
}

impl AccessLog {
    /// Appends to the file at `path`, or to standard output for `-`. A file that is moved away is
    /// made anew.
    ///
    /// # Errors
    /// If the file cannot be opened, or the thread not be started.
    pub fn open(path: &str) -> io::Result<Self> {
        let mut target: Box<dyn Target> = match path {
            STDOUT => Box::new(io::stdout()),
            path => Box::new(LogFile::open(path.into())?),
        };
        let (lines, waiting) = sync_channel(WAITING_LINES);
        let left_out = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&left_out);
        thread::Builder::new()
            .name("hippocamp-access-log".to_owned())
            .spawn(move || write_lines(&waiting, target.as_mut(), &counted))?;
        Ok(Self { lines, left_out })
    }

    /// Waits until what was logged before is written, or for `limit`.
    pub fn flush(&self, limit: Duration) {
        let (done, waiting) = sync_channel(0);
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            // Nothing is sent: it is dropped, or late.
            waiting.recv_timeout(limit).unwrap_or_default();
        }
    }

    /// Opens the record of a call that just came.
    #[expect(
        clippy::disallowed_methods,
        reason = "the log measures whole calls, and takes their time here"
    )]
    pub fn begin(&self, mut call: Call) -> Arc<AccessRecord> {
        call.path = shortened(&call.path);
        Arc::new(AccessRecord {
            log: self.clone(),
            call,
            time: utc_now(),
            started: Instant::now(),
            outcome: Mutex::default(),
        })
    }
}

impl AccessRecord {
    /// The caller showed the API key of this name.
    pub fn caller(&self, key: &str) {
        self.edit(|outcome| outcome.key = Some(key.to_owned()));
    }

    /// The call is about `model`, and its client calls it `id`.
    pub fn request(&self, id: &str, model: &str) {
        self.edit(|outcome| {
            outcome.id = (!id.is_empty()).then(|| shortened(id));
            outcome.model = Some(shortened(model));
        });
    }

    /// The id of the call, where its body has none.
    pub fn identify(&self, id: &str) {
        self.edit(|outcome| {
            outcome.id.get_or_insert_with(|| shortened(id));
        });
    }

    /// The answer leaves; of several, the last one counts.
    pub fn answered(&self, status: u16, bytes: Option<u64>) {
        let took = self.started.elapsed();
        self.edit(|outcome| {
            outcome.status = Some(status);
            outcome.duration_us = micros(took);
            outcome.response_bytes = bytes;
        });
    }

    /// The answer that was on its way has left.
    pub fn ended(&self) {
        let took = self.started.elapsed();
        self.edit(|outcome| outcome.duration_us = micros(took));
    }

    fn edit(&self, change: impl FnOnce(&mut Outcome)) {
        change(&mut self.outcome.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Account for AccessRecord {
    fn resolved(&self, version: u64, batch_size: usize) {
        self.edit(|outcome| {
            outcome.version.get_or_insert(version);
            outcome.batch_size.get_or_insert(batch_size);
        });
    }

    fn executed(&self, queued: Duration, computed: Duration) {
        self.edit(|outcome| {
            *outcome.queue_us.get_or_insert(0) += micros(queued);
            *outcome.compute_us.get_or_insert(0) += micros(computed);
        });
    }
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let took = self.started.elapsed();
        let outcome = self.outcome.get_mut().unwrap_or_else(PoisonError::into_inner);
        if outcome.status.is_none() {
            // Its client went away, and what was to answer it with it.
            outcome.status = Some(self.call.unanswered);
            outcome.duration_us = micros(took);
        }
        let line = Line { time: &self.time, call: &self.call, outcome };
        let Ok(mut line) = serde_json::to_vec(&line) else { return };
        line.push(b'\n');
        if self.log.lines.try_send(Message::Line(line)).is_err() {
            self.log.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// As much of a client's text as a line has room for: lines wait in memory.
fn shortened(text: &str) -> String {
    const MOST: usize = 512;
    text[..text.floor_char_boundary(MOST)].to_owned()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Where lines go.
trait Target: Write + Send {
    /// Makes the file anew if it was moved away.
    fn follow(&mut self) {}
}

impl Target for io::Stdout {}

struct LogFile {
    path: PathBuf,
    file: File,
    /// Opening it anew failed before, which is told once.
    lost: bool,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { file: append(&path)?, path, lost: false })
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Target for LogFile {
    fn follow(&mut self) {
        let same = |found: &std::fs::Metadata, ours: &std::fs::Metadata| {
            (found.dev(), found.ino()) == (ours.dev(), ours.ino())
        };
        let (found, ours) = (std::fs::metadata(&self.path), self.file.metadata());
        if matches!((&found, &ours), (Ok(found), Ok(ours)) if same(found, ours)) {
            return;
        }
        match append(&self.path) {
            Ok(file) => (self.file, self.lost) = (file, false),
            Err(error) => {
                if std::mem::replace(&mut self.lost, true) {
                    return;
                }
                tracing::error!(file = %self.path.display(), %error, "cannot open the access log anew");
            }
        }
    }
}

/// Writes lines until nobody can send any more.
fn write_lines(lines: &Receiver<Message>, target: &mut dyn Target, left_out: &AtomicU64) {
    let mut failed = false;
    loop {
        let first = match lines.recv_timeout(ROTATION_INTERVAL) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if matches!(first, Some(Message::Line(_))) {
            // Nobody has to wake a thread that sleeps.
            thread::sleep(GATHERING);
        }
        // What waits goes to the disk at once.
        let (mut batch, mut waiting) = (Vec::new(), Vec::new());
        for message in first.into_iter().chain(lines.try_iter().take(WAITING_LINES)) {
            match message {
                Message::Line(line) => batch.extend(line),
                Message::Flush(done) => waiting.push(done),
            }
        }
        target.follow();
        let written = target.write_all(&batch).and_then(|()| target.flush());
        if let Err(error) = &written
            && !failed
        {
            tracing::error!(%error, "cannot write the access log");
        }
        failed = written.is_err();
        tell_left_out(left_out);
        // Dropping them tells who waits.
        drop(waiting);
    }
}

fn tell_left_out(left_out: &AtomicU64) {
    let lines = left_out.swap(0, Ordering::Relaxed);
    if lines > 0 {
        tracing::warn!(lines, "lines of the access log were left out: the disk is too slow");
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessRecord").field("call", &self.call).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (AccessLog, Receiver<Message>) {
        let (lines, waiting) = sync_channel(1);
        (AccessLog { lines, left_out: Arc::default() }, waiting)
    }

    #[test]
    fn a_line_tells_what_became_of_a_call() {
        let (log, lines) = log();
        let record = log.begin(Call {
            protocol: "http",
            peer: "unix".to_owned(),
            method: "POST".to_owned(),
            path: "/v2/models/m/infer".to_owned(),
            unanswered: 499,
            request_bytes: Some(7),
        });
        let account: Arc<dyn Account> = Arc::clone(&record) as _;
        record.request("i\"1", "m");
        account.resolved(3, 2);
        account.resolved(9, 1);
        record.answered(200, Some(12));
        drop(record);
        assert!(lines.try_recv().is_err(), "the backend has not reported yet");
        account.executed(Duration::from_micros(5), Duration::from_micros(70));
        account.executed(Duration::from_micros(1), Duration::from_micros(10));
        drop(account);
        let Message::Line(line) = lines.try_recv().ok().unwrap() else { panic!("no line") };
        let line = String::from_utf8(line).unwrap();
        let (time, rest) = line.split_once(",\"protocol\"").unwrap();
        assert!(time.starts_with("{\"time\":\"20") && time.ends_with("Z\""), "{line}");
        let (before, after) = rest.split_once("\"duration_us\":").unwrap();
        assert_eq!(
            before,
            r#":"http","peer":"unix","method":"POST","path":"/v2/models/m/infer","request_bytes":7,"status":200,"id":"i\"1","model":"m","version":3,"batch_size":2,"queue_us":6,"compute_us":80,"#
        );
        assert!(after.ends_with(",\"response_bytes\":12}\n"), "{line}");
    }

    #[test]
    fn a_slow_disk_costs_lines_and_no_time() {
        let (log, lines) = log();
        for _ in 0..3 {
            drop(log.begin(Call::default()));
        }
        assert_eq!(log.left_out.load(Ordering::Relaxed), 2);
        assert_eq!(lines.try_iter().count(), 1);
    }

    #[test]
    fn a_file_that_was_moved_is_made_anew() {
        let path =
            std::env::temp_dir().join(format!("hippocamp-access-{}.log", std::process::id()));
        let moved = path.with_extension("1");
        let mut file = LogFile::open(path.clone()).unwrap();
        file.write_all(b"first\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.follow();
        file.write_all(b"second\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second\n");
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "first\n");
        std::fs::remove_file(&path).unwrap();
        std::fs::remove_file(&moved).unwrap();
    }

    #[test]
    fn a_call_without_an_answer_is_no_success() {
        let (log, lines) = log();
        let mut record =
            log.begin(Call { unanswered: 499, path: "ä".repeat(1000), ..Call::default() });
        Arc::get_mut(&mut record).unwrap().started -= Duration::from_secs(5);
        record.request(&"i".repeat(1000), "m");
        drop(record);
        let Message::Line(line) = lines.try_recv().ok().unwrap() else { panic!("no line") };
        let line = String::from_utf8(line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told["status"], 499, "{line}");
        assert!(told["duration_us"].as_u64().is_some_and(|us| us >= 5_000_000), "{line}");
        assert!(line.len() < 2048, "what a client sends is cut: {}", line.len());
    }
}
