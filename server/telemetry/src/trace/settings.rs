//! What is traced, and where it goes: the settings of the server, and changes of them as the two
//! protocols bring them.

use hippocamp_types::{Error, TraceLevel};
use std::time::Duration;

/// Where traces go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMode {
    /// Into a file, in Triton's JSON.
    #[default]
    Triton,
    /// To a collector, over OTLP.
    OpenTelemetry,
}

impl TraceMode {
    /// As flags and protocols write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Triton => "triton",
            Self::OpenTelemetry => "opentelemetry",
        }
    }
}

/// What a server begins with; `Default` is Triton's, which traces nothing.
#[derive(Clone, Debug)]
pub struct TraceOptions {
    /// What is recorded.
    pub level: TraceLevel,
    /// Of so many requests one is traced. 0: only those whose callers are traced, in mode
    /// OpenTelemetry.
    pub rate: u32,
    /// Requests that are traced at all; `None` is no limit.
    pub count: Option<u32>,
    /// Traces in one file; 0 is one file for all.
    pub log_frequency: u32,
    /// Where traces go.
    pub mode: TraceMode,
    /// The file of mode Triton.
    pub file: String,
    /// The collector of mode OpenTelemetry.
    pub otlp: OtlpOptions,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            level: TraceLevel::default(),
            rate: 1000,
            count: None,
            log_frequency: 0,
            mode: TraceMode::Triton,
            file: String::new(),
            otlp: OtlpOptions::default(),
        }
    }
}

/// How spans reach their collector; `Default` is OpenTelemetry's.
#[derive(Clone, Debug)]
pub struct OtlpOptions {
    /// Where the collector takes traces; `http://` may be left out.
    pub url: String,
    /// Attributes of this server.
    pub resource: Vec<(String, String)>,
    /// Spans that may wait to be sent; more are dropped, and counted.
    pub max_queue_size: usize,
    /// The longest that a span waits for company.
    pub schedule_delay: Duration,
    /// Spans in one message.
    pub max_export_batch_size: usize,
}

impl Default for OtlpOptions {
    fn default() -> Self {
        Self {
            url: "http://localhost:4318/v1/traces".to_owned(),
            resource: Vec::new(),
            max_queue_size: 2048,
            schedule_delay: Duration::from_millis(5000),
            max_export_batch_size: 512,
        }
    }
}

/// The values that may change while the server runs, of the server or of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) level: TraceLevel,
    pub(crate) rate: u32,
    /// Requests still to be traced.
    pub(crate) count: Option<u32>,
    pub(crate) log_frequency: u32,
}

/// Values that were set for the server or for one model; the others come from below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Specified {
    pub(crate) level: Option<TraceLevel>,
    pub(crate) rate: Option<u32>,
    pub(crate) count: Option<Option<u32>>,
    pub(crate) log_frequency: Option<u32>,
}

impl Specified {
    pub(crate) fn over(&self, below: Values) -> Values {
        Values {
            level: self.level.unwrap_or(below.level),
            rate: self.rate.unwrap_or(below.rate),
            count: self.count.unwrap_or(below.count),
            log_frequency: self.log_frequency.unwrap_or(below.log_frequency),
        }
    }
}

/// A change of one setting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Change<T> {
    #[default]
    Keep,
    /// The setting is what it would be had it not been set.
    Clear,
    Set(T),
}

impl<T> Change<T> {
    fn apply(self, value: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *value = None,
            Self::Set(new) => *value = Some(new),
        }
    }
}

/// Changes of settings, as a client asks for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceUpdate {
    level: Change<TraceLevel>,
    rate: Change<u32>,
    count: Change<Option<u32>>,
    log_frequency: Change<u32>,
    pub(crate) mode: Option<String>,
}

impl TraceUpdate {
    /// Sets `name` to `values`, or clears it if there is none. Names that are no settings change
    /// nothing, as in Triton.
    ///
    /// # Errors
    /// UNSUPPORTED: the setting cannot be changed while the server runs. INVALID_ARG: the value is
    /// none of this setting's.
    pub fn set(&mut self, name: &str, values: &[String]) -> Result<(), Error> {
        match name {
            "trace_file" => {
                return Err(Error::unsupported(
                    "trace file location can not be updated through network protocol",
                ));
            }
            "trace_mode" => self.mode = values.first().cloned(),
            "trace_level" => {
                self.level =
                    if values.is_empty() { Change::Clear } else { Change::Set(levels(values)?) };
            }
            "trace_rate" => self.rate = number(name, values, 0, u32::MAX.into())?,
            "log_frequency" => self.log_frequency = number(name, values, 0, u32::MAX.into())?,
            "trace_count" => {
                self.count = match number::<i64>(name, values, -1, i32::MAX.into())? {
                    Change::Keep => Change::Keep,
                    Change::Clear => Change::Clear,
                    Change::Set(count) => Change::Set(u32::try_from(count).ok()),
                };
            }
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn apply(&self, specified: &mut Specified) {
        self.level.apply(&mut specified.level);
        self.rate.apply(&mut specified.rate);
        self.count.apply(&mut specified.count);
        self.log_frequency.apply(&mut specified.log_frequency);
    }
}

fn levels(values: &[String]) -> Result<TraceLevel, Error> {
    let mut level = TraceLevel::default();
    for value in values {
        match value.as_str() {
            "OFF" if values.len() == 1 => {}
            "OFF" => {
                return Err(Error::invalid("Expect only one trace level 'OFF' is specified"));
            }
            "TIMESTAMPS" => level.timestamps = true,
            "TENSORS" => level.tensors = true,
            other => {
                return Err(Error::invalid(format!(
                    "Unable to parse 'trace_level': expected OFF, TIMESTAMPS or TENSORS, got {other}"
                )));
            }
        }
    }
    Ok(level)
}

fn number<T: TryFrom<i64>>(
    name: &str,
    values: &[String],
    minimum: i64,
    maximum: i64,
) -> Result<Change<T>, Error> {
    let text = match values {
        [] => return Ok(Change::Clear),
        [text] => text,
        _ => return Err(Error::invalid(format!("expect only 1 value for '{name}'"))),
    };
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid(format!("Unable to parse '{name}', got: {text}")));
    }
    let value = text.parse::<i64>().ok().filter(|value| (minimum..=maximum).contains(value));
    match value.and_then(|value| T::try_from(value).ok()) {
        Some(value) => Ok(Change::Set(value)),
        None => Err(Error::invalid(format!(
            "Unable to parse '{name}', value is out of range [ {minimum}, {maximum} ], got: {text}"
        ))),
    }
}

/// The settings of the server or of one model, as the protocols show them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceSettings {
    pub(crate) values: Values,
    pub(crate) mode: TraceMode,
    /// Of the mode: in mode Triton the file, in mode OpenTelemetry the options of the exporter.
    pub(crate) of_mode: Vec<(&'static str, String)>,
}

impl TraceSettings {
    /// Each with its name; `trace_level` alone is a list.
    pub fn shown(&self) -> Vec<(&'static str, Vec<String>)> {
        let Values { level, rate, count, log_frequency } = self.values;
        let mut levels = Vec::new();
        if level.timestamps {
            levels.push("TIMESTAMPS".to_owned());
        }
        if level.tensors {
            levels.push("TENSORS".to_owned());
        }
        if levels.is_empty() {
            levels.push("OFF".to_owned());
        }
        let count = count.map_or_else(|| "-1".to_owned(), |count| count.to_string());
        let mut shown = vec![
            ("trace_level", levels),
            ("trace_rate", vec![rate.to_string()]),
            ("trace_count", vec![count]),
        ];
        let of_mode = self.of_mode.iter().map(|(name, value)| (*name, vec![value.clone()]));
        let mode = ("trace_mode", vec![self.mode.name().to_owned()]);
        match self.mode {
            TraceMode::Triton => {
                shown.push(("log_frequency", vec![log_frequency.to_string()]));
                shown.extend(of_mode);
                shown.push(mode);
            }
            TraceMode::OpenTelemetry => {
                shown.push(mode);
                shown.extend(of_mode);
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::ErrorCode;

    fn update(name: &str, values: &[&str]) -> Result<Specified, Error> {
        let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        let mut update = TraceUpdate::default();
        update.set(name, &values)?;
        let mut specified = Specified { rate: Some(7), ..Specified::default() };
        update.apply(&mut specified);
        Ok(specified)
    }

    #[test]
    fn values_are_checked() {
        let base = Specified { rate: Some(7), ..Specified::default() };
        let level = |timestamps, tensors| Specified {
            level: Some(TraceLevel { timestamps, tensors }),
            ..base
        };
        let check = |name, values: &[&str], expect: Specified| {
            assert_eq!(update(name, values), Ok(expect), "{name} {values:?}");
        };
        check("trace_level", &["OFF"], level(false, false));
        check("trace_level", &["TENSORS", "TIMESTAMPS"], level(true, true));
        check("trace_level", &[], base);
        check("trace_rate", &["4294967295"], Specified { rate: Some(u32::MAX), ..base });
        check("trace_rate", &[], Specified { rate: None, ..base });
        check("trace_count", &["-1"], Specified { count: Some(None), ..base });
        check("trace_count", &["2147483647"], Specified { count: Some(Some(0x7fff_ffff)), ..base });
        check("log_frequency", &["50"], Specified { log_frequency: Some(50), ..base });
        check("unknown", &["x"], base);
    }

    #[test]
    fn what_is_wrong_is_said_in_tritons_words() {
        let check = |name, values: &[&str], expect: &str| {
            let error = update(name, values).unwrap_err();
            assert_eq!((error.code(), error.message()), (ErrorCode::InvalidArgument, expect));
        };
        check("trace_level", &["OFF", "TENSORS"], "Expect only one trace level 'OFF' is specified");
        check(
            "trace_level",
            &["x"],
            "Unable to parse 'trace_level': expected OFF, TIMESTAMPS or TENSORS, got x",
        );
        check("trace_rate", &["x"], "Unable to parse 'trace_rate', got: x");
        check("trace_rate", &["1", "2"], "expect only 1 value for 'trace_rate'");
        check(
            "trace_rate",
            &["-1"],
            "Unable to parse 'trace_rate', value is out of range [ 0, 4294967295 ], got: -1",
        );
        check(
            "trace_count",
            &["99999999999999999999"],
            "Unable to parse 'trace_count', value is out of range [ -1, 2147483647 ], got: 99999999999999999999",
        );
        check("log_frequency", &[""], "Unable to parse 'log_frequency', got: ");
        assert_eq!(update("trace_file", &["x"]).unwrap_err().code(), ErrorCode::Unsupported);
    }
}
