//! What someone who waits sees: a bar or a spinner on a terminal, one line per step anywhere else.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Redraws per second are few: the work shares its cores with the drawing.
const TICK: Duration = Duration::from_millis(120);

/// One step that takes long. Dropped before [`Step::done`], it leaves its last state on the
/// screen, above the error that follows.
#[derive(Debug)]
pub(crate) struct Step {
    bar: ProgressBar,
}

impl Step {
    /// A step whose amount of work is known: `total` bytes.
    pub(crate) fn bytes(what: &str, total: u64) -> Self {
        let template =
            "{msg} [{bar:30}] {decimal_bytes} of {decimal_total_bytes} {decimal_bytes_per_sec}";
        Self::start(what, || ProgressBar::new(total), template)
    }

    /// A step whose amount of work is known: `total` texts, vectors or the like.
    pub(crate) fn count(what: &str, total: usize) -> Self {
        let template = "{msg} [{bar:30}] {pos} of {len}, {eta} left";
        Self::start(what, || ProgressBar::new(total as u64), template)
    }

    /// Says that so much more is done, on any thread.
    pub(crate) fn add(&self, more: usize) {
        self.bar.inc(more as u64);
    }

    /// A step of unknown length.
    pub(crate) fn spinner(what: &str) -> Self {
        Self::start(what, ProgressBar::new_spinner, "{spinner} {msg} {elapsed}")
    }

    /// Says how far a step made by [`Step::bytes`] is.
    pub(crate) fn set(&self, bytes: u64) {
        self.bar.set_position(bytes.min(self.bar.length().unwrap_or(u64::MAX)));
    }

    /// Ends the step: its line stays on the terminal.
    pub(crate) fn done(self) {
        if let Some(total) = self.bar.length() {
            self.bar.set_position(total);
        }
        self.bar.finish();
    }

    fn start(what: &str, bar: impl FnOnce() -> ProgressBar, template: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            eprintln!("{what}");
            return Self { bar: ProgressBar::hidden() };
        }
        let style = ProgressStyle::with_template(template).expect("the templates are ours");
        let bar = bar().with_style(style).with_message(Cow::Owned(what.to_owned()));
        bar.enable_steady_tick(TICK);
        Self { bar }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.bar.is_finished() {
            self.bar.abandon();
        }
    }
}
