//! Logs: one line per event, on stderr or in a file, with the settings of Triton's logging
//! extension. [`init`] is called once by the binary; front-ends change settings at run time through
//! its [`LogControl`].

mod line;

use hippocamp_types::{Error, ErrorCode};
use line::LineFormat;
pub(crate) use line::utc_now;
use std::{
    fmt,
    fs::OpenOptions,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tracing::{Level, Metadata, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    Layer, Registry,
    fmt::writer::BoxMakeWriter,
    layer::{Context, Filter, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

/// How a line begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `I0611 10:14:03.291462 target] ...`, the time in UTC.
    #[default]
    Default,
    /// `2026-06-11T10:14:03.291462Z I target] ...`.
    Iso8601,
}

impl LogFormat {
    /// The name in flags and in the logging extension.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Iso8601 => "ISO8601",
        }
    }
}

impl std::str::FromStr for LogFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        [Self::Default, Self::Iso8601].into_iter().find(|format| format.name() == name).ok_or_else(
            || {
                Error::invalid(format!(
                    "invalid argument for log_format, got: {name}; expected default or ISO8601"
                ))
            },
        )
    }
}

/// The settings of the logging extension, with Triton's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Appended to; empty for stderr.
    pub file: String,
    /// Whether INFO is logged.
    pub info: bool,
    /// Whether WARNING is logged.
    pub warning: bool,
    /// Whether ERROR is logged.
    pub error: bool,
    /// 0: nothing verbose; 1: DEBUG; 2 and above: TRACE too. Libraries are held one level lower
    /// than our own code: at 0 only their warnings and errors are shown.
    pub verbose_level: u32,
    /// How a line begins.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            file: String::new(),
            info: true,
            warning: true,
            error: true,
            verbose_level: 0,
            format: LogFormat::Default,
        }
    }
}

/// A change of some settings; `None` leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the same fields as those of LogSettings")]
pub struct LogUpdate {
    pub file: Option<String>,
    pub info: Option<bool>,
    pub warning: Option<bool>,
    pub error: Option<bool>,
    pub verbose_level: Option<u32>,
    pub format: Option<LogFormat>,
}

/// Shows and changes the settings of the log that is running.
#[derive(Clone)]
pub struct LogControl(Arc<Control>);

struct Control {
    settings: Mutex<LogSettings>,
    severities: reload::Handle<Severities, Registry>,
    iso8601: Arc<AtomicBool>,
}

/// Begins to log, for the rest of the process.
///
/// # Errors
/// If the file cannot be opened for appending, or if logging has begun already.
pub fn init(settings: LogSettings) -> Result<LogControl, Error> {
    let writer = if settings.file.is_empty() {
        BoxMakeWriter::new(std::io::stderr)
    } else {
        let file = OpenOptions::new().append(true).create(true).open(&settings.file);
        let file = file.map_err(|cause| {
            Error::invalid(format!(
                "cannot open log file '{}' for appending: {cause}",
                settings.file
            ))
        })?;
        BoxMakeWriter::new(Mutex::new(file))
    };
    let (subscriber, control) = build(settings, writer);
    subscriber
        .try_init()
        .map_err(|_set| Error::new(ErrorCode::AlreadyExists, "logging has begun already"))?;
    Ok(control)
}

fn build(
    settings: LogSettings,
    writer: BoxMakeWriter,
) -> (impl tracing::Subscriber + Send + Sync, LogControl) {
    let (filter, severities) = reload::Layer::new(Severities::of(&settings));
    let iso8601 = Arc::new(AtomicBool::new(settings.format == LogFormat::Iso8601));
    let lines = tracing_subscriber::fmt::layer()
        .event_format(LineFormat { iso8601: Arc::clone(&iso8601) })
        .with_ansi(false)
        .with_writer(writer)
        .with_filter(filter);
    let control = Control { settings: Mutex::new(settings), severities, iso8601 };
    (tracing_subscriber::registry().with(lines), LogControl(Arc::new(control)))
}

impl LogControl {
    /// The settings now.
    pub fn settings(&self) -> LogSettings {
        self.0.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes settings, all or none of them.
    ///
    /// # Errors
    /// If another log file is asked for: where the server writes is not for its clients to say.
    pub fn update(&self, update: LogUpdate) -> Result<(), Error> {
        let mut settings = self.0.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if update.file.is_some_and(|file| file != settings.file) {
            return Err(Error::unsupported(
                "log file location can not be updated through network protocol",
            ));
        }
        let next = LogSettings {
            file: settings.file.clone(),
            info: update.info.unwrap_or(settings.info),
            warning: update.warning.unwrap_or(settings.warning),
            error: update.error.unwrap_or(settings.error),
            verbose_level: update.verbose_level.unwrap_or(settings.verbose_level),
            format: update.format.unwrap_or(settings.format),
        };
        let severities = Severities::of(&next);
        self.0
            .severities
            .reload(severities)
            .map_err(|gone| Error::internal(format!("the log has ended: {gone}")))?;
        self.0.iso8601.store(next.format == LogFormat::Iso8601, Ordering::Relaxed);
        *settings = next;
        Ok(())
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogControl").field("settings", &self.settings()).finish_non_exhaustive()
    }
}

/// Which severities pass. Triton switches each on and off by itself.
#[derive(Clone, Copy, Debug)]
struct Severities {
    info: bool,
    warning: bool,
    error: bool,
    verbose_level: u32,
}

impl Severities {
    fn of(settings: &LogSettings) -> Self {
        let LogSettings { info, warning, error, verbose_level, .. } = *settings;
        Self { info, warning, error, verbose_level }
    }

    fn passes(self, target: &str, level: Level) -> bool {
        // What backends log is asked for as much as our own; it has this target.
        let own = target.starts_with("hippocamp") || target == "backend";
        let library = u32::from(!own);
        match level {
            Level::ERROR => self.error,
            Level::WARN => self.warning,
            Level::INFO => self.info && self.verbose_level >= library,
            Level::DEBUG => self.verbose_level > library,
            _trace => self.verbose_level > library.saturating_add(1),
        }
    }
}

impl<S> Filter<S> for Severities {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        // Spans pass: they give the events inside them their context.
        metadata.is_span() || self.passes(metadata.target(), *metadata.level())
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() || self.passes(metadata.target(), *metadata.level()) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.verbose_level {
            0 => LevelFilter::INFO,
            1 => LevelFilter::DEBUG,
            2.. => LevelFilter::TRACE,
        })
    }
}

#[cfg(test)]
mod tests;
