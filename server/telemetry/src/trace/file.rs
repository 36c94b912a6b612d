//! The files of mode Triton. Without a `log_frequency` or a `trace_count`, traces are appended to
//! the trace file itself as they come, which is a whole JSON document after each of them. With one
//! of the two they are collected, and written to `<file>.0`, `<file>.1`, ...

use super::{json, setting::Setting, settings::Values, writer::Shared};
use hippocamp_types::TracedRequest;
use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    sync::{Arc, Weak},
};

/// Bytes that one setting collects before it writes a file early.
const COLLECTED_BYTES: usize = 64 << 20;

#[derive(Debug)]
pub(crate) struct Files {
    path: String,
    main: Option<Main>,
    /// Of the next numbered file.
    index: u32,
    collected: Vec<Collected>,
    /// The last attempt failed; the reason was logged.
    failing: bool,
}

/// The trace file itself.
#[derive(Debug)]
struct Main {
    file: File,
    /// Where its closing bracket stands.
    end: u64,
}

/// Traces of one setting that are not written yet.
#[derive(Debug)]
struct Collected {
    setting: Weak<Setting>,
    number: u64,
    log_frequency: u32,
    /// Separated by commas.
    text: Vec<u8>,
    /// In `text`.
    waiting: u32,
    /// Since the setting began.
    count: u32,
}

impl Files {
    pub(crate) fn new(path: String) -> Self {
        Self { path, main: None, index: 0, collected: Vec::new(), failing: false }
    }

    pub(crate) fn accept(
        &mut self,
        shared: &Shared,
        setting: &Arc<Setting>,
        request: &TracedRequest,
    ) {
        let Values { log_frequency, count, .. } = setting.initial();
        let mut text = Vec::new();
        json::write(&mut text, request);
        if log_frequency == 0 && count.is_none() {
            let written = self.append(text);
            return self.told(shared, written, 1);
        }
        let known = self.collected.iter().position(|some| some.number == setting.number);
        let known = known.unwrap_or_else(|| {
            self.collected.push(Collected {
                setting: Arc::downgrade(setting),
                number: setting.number,
                log_frequency,
                text: Vec::new(),
                waiting: 0,
                count: 0,
            });
            self.collected.len() - 1
        });
        let some = &mut self.collected[known];
        if some.waiting > 0 {
            some.text.push(b',');
        }
        some.text.append(&mut text);
        some.waiting += 1;
        some.count = some.count.saturating_add(1);
        let complete = log_frequency > 0 && some.waiting >= log_frequency;
        if complete || count == Some(some.count) || some.text.len() > COLLECTED_BYTES {
            let (text, waiting) =
                (std::mem::take(&mut some.text), std::mem::take(&mut some.waiting));
            let written = self.write_numbered(&text);
            self.told(shared, written, waiting);
        }
    }

    /// Writes what settings that are gone have left.
    pub(crate) fn settle(&mut self, shared: &Shared) {
        let gone = |some: &mut Collected| some.setting.strong_count() == 0;
        let left: Vec<_> = self.collected.extract_if(.., gone).collect();
        self.write_left(shared, left);
    }

    /// Writes everything.
    pub(crate) fn finish(&mut self, shared: &Shared) {
        let left = std::mem::take(&mut self.collected);
        self.write_left(shared, left);
    }

    fn write_left(&mut self, shared: &Shared, left: Vec<Collected>) {
        for some in left {
            if some.waiting > 0 {
                let written = if some.log_frequency > 0 {
                    self.write_numbered(&some.text)
                } else {
                    self.append(some.text)
                };
                self.told(shared, written, some.waiting);
            }
        }
    }

    fn write_numbered(&mut self, text: &[u8]) -> io::Result<()> {
        let path = format!("{}.{}", self.path, self.index);
        self.index += 1;
        fs::write(path, [b"[", text, b"]"].concat())
    }

    fn append(&mut self, mut text: Vec<u8>) -> io::Result<()> {
        let main = match &mut self.main {
            Some(main) => {
                text.insert(0, b',');
                main
            }
            None => {
                text.insert(0, b'[');
                self.main.insert(Main { file: File::create(&self.path)?, end: 0 })
            }
        };
        text.push(b']');
        main.file.seek(SeekFrom::Start(main.end))?;
        if let Err(error) = main.file.write_all(&text) {
            // What was cut short is written over next time, or cut off here.
            if main.end > 0 {
                main.file.seek(SeekFrom::Start(main.end))?;
                main.file.write_all(b"]")?;
                main.file.set_len(main.end + 1)?;
            } else {
                self.main = None;
            }
            return Err(error);
        }
        main.end += text.len() as u64 - 1;
        Ok(())
    }

    fn told(&mut self, shared: &Shared, written: io::Result<()>, traces: u32) {
        match written {
            Ok(()) => self.failing = false,
            Err(error) => {
                shared.lose(traces.into());
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(file = self.path, %error, "failed writing traces");
                }
            }
        }
    }
}
