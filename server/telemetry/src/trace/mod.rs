//! Which requests are traced, and what becomes of their traces. Front-ends ask [`Tracer::sample`]
//! at the start of every request; what happens on its way is written into the [`Trace`] they get, if
//! any; a thread of this module writes it to Triton's file, or sends it to an OpenTelemetry
//! collector.
//!
//! The rules are Triton's (server: src/tracer.cc): a setting counts the requests it sees; a model's
//! own setting takes what it leaves open from the server's.

mod file;
mod json;
mod otlp;
mod setting;
mod settings;
mod spans;
mod writer;

pub use settings::{OtlpOptions, TraceMode, TraceOptions, TraceSettings, TraceUpdate};

use file::Files;
use hippocamp_types::{Clock, Error, Trace, TraceContext};
use otlp::Otlp;
use setting::Setting;
use settings::{Specified, Values};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use writer::{Output, Shared};

/// Time that what was traced has to be written where nobody says.
const LAST_TRACES: Duration = Duration::from_secs(10);

/// Spans have no place for them; Triton's words.
const NO_TENSORS: &str = "Tensor level tracing is not supported by the mode: opentelemetry";

/// Traces requests. Shared by the front-ends, which reach it through `core`.
pub struct Tracer {
    /// Whether any setting traces anything: all that a request pays for while none does.
    on: AtomicBool,
    shared: Arc<Shared>,
    table: RwLock<Table>,
    options: TraceOptions,
}

struct Table {
    server: Entry,
    models: HashMap<String, Entry>,
}

/// A setting, and what of it was set for it.
struct Entry {
    specified: Specified,
    setting: Arc<Setting>,
}

impl Tracer {
    /// A tracer with these settings.
    ///
    /// # Errors
    /// Which of them is wrong, and what was expected.
    pub fn new(options: TraceOptions, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let (output, max_spans) = match options.mode {
            TraceMode::Triton => (Output::Files(Files::new(options.file.clone())), usize::MAX),
            TraceMode::OpenTelemetry => {
                let otlp = Otlp::new(&options.otlp, Arc::clone(&clock))?;
                (Output::Otlp(Box::new(otlp)), options.otlp.max_queue_size)
            }
        };
        let values = values(&options);
        let (has_file, is_otlp) =
            (!options.file.is_empty(), options.mode == TraceMode::OpenTelemetry);
        if !values.level.is_off() {
            if is_otlp && values.level.tensors {
                return Err(format!("{NO_TENSORS}: expected level TIMESTAMPS, got TENSORS"));
            }
            if !has_file && !is_otlp {
                return Err("traces need a file: pass --trace-config triton,file=<FILE>".to_owned());
            }
            if values.rate == 0 && !is_otlp {
                return Err("a trace rate of 0, by which callers decide, needs mode=opentelemetry; expected at least 1".to_owned());
            }
        }
        let shared = Arc::new(Shared::new(options.mode, output, max_spans, clock));
        let server =
            Entry { specified: Specified::default(), setting: Setting::new(&shared, values) };
        let table = RwLock::new(Table { server, models: HashMap::new() });
        let tracer = Self { on: AtomicBool::new(false), shared, table, options };
        if !values.level.is_off() {
            tracer.shared.start().map_err(|error| format!("cannot start a thread: {error}"))?;
            tracer.on.store(true, Ordering::Relaxed);
        }
        Ok(tracer)
    }

    /// A tracer that traces nothing, and cannot be told to: it has no file.
    pub fn off(clock: Arc<dyn Clock>) -> Self {
        Self::new(TraceOptions::default(), clock).expect("what is off needs nothing")
    }

    /// Whether any request may be traced.
    pub fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// The trace of a request to `model` that begins now, if it is to be traced.
    pub fn sample(&self, model: &str, caller: Option<&TraceContext>) -> Option<Trace> {
        if !self.is_on() {
            return None;
        }
        self.read().of(Some(model)).sample(model, caller)
    }

    /// The settings of a model, or of the server.
    pub fn settings(&self, model: Option<&str>) -> TraceSettings {
        let values = self.read().of(model).current();
        let OtlpOptions { url, resource, max_queue_size, schedule_delay, max_export_batch_size } =
            &self.options.otlp;
        let of_mode = match self.options.mode {
            TraceMode::Triton => vec![("trace_file", self.options.file.clone())],
            TraceMode::OpenTelemetry => {
                let resource: Vec<_> =
                    resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
                vec![
                    ("url", url.clone()),
                    ("resource", resource.join(",")),
                    ("bsp_max_queue_size", max_queue_size.to_string()),
                    ("bsp_schedule_delay", schedule_delay.as_millis().to_string()),
                    ("bsp_max_export_batch_size", max_export_batch_size.to_string()),
                ]
            }
        };
        TraceSettings { values, mode: self.options.mode, of_mode }
    }

    /// Changes the settings of a model, or of the server and of every model that has not its own.
    ///
    /// # Errors
    /// If the settings would trace and cannot; then nothing is changed.
    pub fn update(&self, model: Option<&str>, update: &TraceUpdate) -> Result<(), Error> {
        let mode = self.options.mode.name();
        if update.mode.as_deref().is_some_and(|asked| asked != mode) {
            return Err(Error::unsupported(format!(
                "trace mode can not be updated through network protocol: it is '{mode}'"
            )));
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let current = match model {
            None => Some(&table.server),
            Some(model) => table.models.get(model),
        };
        // What was set stays set, to the traces that are left of it.
        let mut specified = current.map(Entry::remaining).unwrap_or_default();
        update.apply(&mut specified);
        let below = match model {
            None => values(&self.options),
            Some(_) => table.server.setting.current(),
        };
        let new = specified.over(below);
        self.check(new)?;
        if !new.level.is_off() {
            self.shared.start().map_err(|error| {
                tracing::error!(%error, "cannot start a thread");
                Error::internal("cannot start a thread that writes traces")
            })?;
        }
        let entry = Entry { specified, setting: Setting::new(&self.shared, new) };
        match model {
            None => {
                table.server = entry;
                let below = table.server.setting.current();
                for entry in table.models.values_mut() {
                    let specified = entry.remaining();
                    let setting = Setting::new(&self.shared, specified.over(below));
                    *entry = Entry { specified, setting };
                }
            }
            Some(model) if specified == Specified::default() => drop(table.models.remove(model)),
            Some(model) => drop(table.models.insert(model.to_owned(), entry)),
        }
        self.on.store(table.traces(), Ordering::Relaxed);
        drop(table);
        self.shared.changed();
        Ok(())
    }

    /// Writes, or sends, every trace that is over, and ends. Blocks. What is over later is lost.
    pub fn shut_down(&self, limit: Duration) {
        self.on.store(false, Ordering::Relaxed);
        self.shared.stop(limit);
    }

    /// Requests whose traces were lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost()
    }

    /// Whether `values` can be in force.
    fn check(&self, values: Values) -> Result<(), Error> {
        let reason = match values {
            Values { level, .. } if level.is_off() => return Ok(()),
            Values { level, .. } if level.tensors && self.is_otlp() => NO_TENSORS,
            Values { rate: 0, .. } => "sample rate must be non-zero",
            _ if !self.is_otlp() && self.options.file.is_empty() => "trace file name is not given",
            Values { count: Some(0), .. } => "trace count must be non-zero",
            _ => return Ok(()),
        };
        Err(Error::invalid(format!("Attempting to set invalid trace setting :{reason}")))
    }

    fn is_otlp(&self) -> bool {
        self.options.mode == TraceMode::OpenTelemetry
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn values(options: &TraceOptions) -> Values {
    let &TraceOptions { level, rate, count, log_frequency, .. } = options;
    Values { level, rate, count, log_frequency }
}

impl Table {
    fn of(&self, model: Option<&str>) -> &Arc<Setting> {
        // Without settings of models, nothing is looked up.
        let own =
            model.filter(|_| !self.models.is_empty()).and_then(|model| self.models.get(model));
        &own.unwrap_or(&self.server).setting
    }

    /// Whether any setting traces.
    fn traces(&self) -> bool {
        let mut all = self.models.values().chain([&self.server]);
        all.any(|entry| !entry.setting.initial().level.is_off())
    }
}

impl Entry {
    /// What was set, with the count as far as it is used up.
    fn remaining(&self) -> Specified {
        let count = self.specified.count.map(|_| self.setting.current().count);
        Specified { count, ..self.specified }
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.shut_down(LAST_TRACES);
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("options", &self.options).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
