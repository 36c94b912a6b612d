//! The trace and logging extensions.

use hippocamp_proto::inference::{
    LogSettingsResponse, TraceSettingResponse,
    log_settings_request::{self, setting_value::ParameterChoice as Given},
    log_settings_response::{self, setting_value::ParameterChoice as Shown},
    trace_setting_request,
    trace_setting_response::SettingValue as TraceValue,
};
use hippocamp_telemetry::{
    TraceSettings, TraceUpdate,
    log::{LogControl, LogSettings, LogUpdate},
};
use hippocamp_types::Error;
use std::collections::BTreeMap;

/// The changes that a TraceSetting asks for: a setting without a value is cleared.
///
/// # Errors
/// If a value is none of its setting's.
pub(crate) fn trace_update(
    changes: &BTreeMap<String, trace_setting_request::SettingValue>,
) -> Result<TraceUpdate, Error> {
    let mut update = TraceUpdate::default();
    for (name, change) in changes {
        update.set(name, &change.value)?;
    }
    Ok(update)
}

/// Answer to TraceSetting.
pub(crate) fn trace_shown(settings: &TraceSettings) -> TraceSettingResponse {
    let settings = settings.shown().into_iter();
    let settings = settings.map(|(name, value)| (name.to_owned(), TraceValue { value })).collect();
    TraceSettingResponse { settings }
}

/// Answer to LogSettings: the settings after `changes`.
///
/// # Errors
/// If a change has the wrong type or a value that does not exist; then nothing is changed.
pub(crate) fn log(
    changes: &BTreeMap<String, log_settings_request::SettingValue>,
    control: &LogControl,
) -> Result<LogSettingsResponse, Error> {
    if !changes.is_empty() {
        control.update(log_update(changes, &control.settings().file)?)?;
    }
    Ok(log_shown(control.settings()))
}

/// The update that `changes` ask for; names that do not exist change nothing, as in Triton.
fn log_update(
    changes: &BTreeMap<String, log_settings_request::SettingValue>,
    file: &str,
) -> Result<LogUpdate, Error> {
    let given = |name: &str| changes.get(name).map(|value| value.parameter_choice.as_ref());
    let wrong_type =
        |name: &str, expected: &str| Error::invalid(format!("expect {expected} for '{name}'"));
    let boolean = |name: &str| match given(name) {
        None => Ok(None),
        Some(Some(Given::BoolParam(value))) => Ok(Some(*value)),
        Some(_other) => Err(wrong_type(name, "boolean")),
    };
    // A client may send back what it was shown.
    let same_file =
        |given: Option<&Given>| matches!(given, Some(Given::StringParam(name)) if name == file);
    if given("log_file").is_some_and(|given| !same_file(given)) {
        return Err(Error::unsupported(
            "log file location can not be updated through network protocol",
        ));
    }
    Ok(LogUpdate {
        file: None,
        info: boolean("log_info")?,
        warning: boolean("log_warning")?,
        error: boolean("log_error")?,
        verbose_level: match given("log_verbose_level") {
            None => None,
            Some(Some(Given::Uint32Param(level))) => Some(*level),
            Some(_other) => return Err(wrong_type("log_verbose_level", "int32")),
        },
        format: match given("log_format") {
            None => None,
            Some(Some(Given::StringParam(format))) => Some(format.parse()?),
            Some(_other) => return Err(wrong_type("log_format", "string")),
        },
    })
}

fn log_shown(settings: LogSettings) -> LogSettingsResponse {
    let LogSettings { file, info, warning, error, verbose_level, format } = settings;
    let settings = [
        ("log_file", Shown::StringParam(file)),
        ("log_info", Shown::BoolParam(info)),
        ("log_warning", Shown::BoolParam(warning)),
        ("log_error", Shown::BoolParam(error)),
        ("log_verbose_level", Shown::Uint32Param(verbose_level)),
        ("log_format", Shown::StringParam(format.name().to_owned())),
    ]
    .map(|(name, value)| {
        (name.to_owned(), log_settings_response::SettingValue { parameter_choice: Some(value) })
    })
    .into();
    LogSettingsResponse { settings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_telemetry::{Tracer, log::LogFormat};
    use hippocamp_types::{ErrorCode, MonotonicClock};
    use std::sync::Arc;

    #[test]
    fn trace_settings_are_shown_and_changed() {
        let tracer = Tracer::off(Arc::new(MonotonicClock));
        let shown = trace_shown(&tracer.settings(None)).settings;
        assert_eq!(shown.len(), 6);
        assert_eq!(shown["trace_level"].value, ["OFF"]);
        assert_eq!(shown["trace_file"].value, [""]);
        let change = |name: &str, value: &[&str]| {
            let value = value.iter().map(|value| (*value).to_owned()).collect();
            let change = trace_setting_request::SettingValue { value };
            trace_update(&BTreeMap::from([(name.to_owned(), change)]))
        };
        assert_eq!(change("trace_rate", &["x"]).unwrap_err().code(), ErrorCode::InvalidArgument);
        assert_eq!(change("trace_file", &[]).unwrap_err().code(), ErrorCode::Unsupported);
        tracer.update(None, &change("trace_rate", &["7"]).unwrap()).unwrap();
        let rate =
            |tracer: &Tracer| trace_shown(&tracer.settings(None)).settings["trace_rate"].clone();
        assert_eq!(rate(&tracer).value, ["7"]);
        tracer.update(None, &change("trace_rate", &[]).unwrap()).unwrap();
        assert_eq!(rate(&tracer).value, ["1000"]);
    }

    #[test]
    fn log_changes() {
        let check = |pairs: &[(&str, Given)], expect: Result<LogUpdate, (ErrorCode, &str)>| {
            let changes = pairs
                .iter()
                .map(|(name, value)| {
                    let value = log_settings_request::SettingValue {
                        parameter_choice: Some(value.clone()),
                    };
                    ((*name).to_owned(), value)
                })
                .collect();
            let update = log_update(&changes, "now.log");
            let update = update.as_ref().map_err(|error| (error.code(), error.message()));
            assert_eq!(update, expect.as_ref().map_err(|expected| *expected), "{pairs:?}");
        };
        check(
            &[
                ("log_file", Given::StringParam("now.log".into())),
                ("other", Given::BoolParam(true)),
            ],
            Ok(LogUpdate::default()),
        );
        check(
            &[
                ("log_info", Given::BoolParam(false)),
                ("log_verbose_level", Given::Uint32Param(2)),
                ("log_format", Given::StringParam("ISO8601".into())),
            ],
            Ok(LogUpdate {
                info: Some(false),
                verbose_level: Some(2),
                format: Some(LogFormat::Iso8601),
                ..LogUpdate::default()
            }),
        );
        check(
            &[("log_file", Given::StringParam("other.log".into()))],
            Err((
                ErrorCode::Unsupported,
                "log file location can not be updated through network protocol",
            )),
        );
        check(
            &[("log_error", Given::StringParam("yes".into()))],
            Err((ErrorCode::InvalidArgument, "expect boolean for 'log_error'")),
        );
        check(
            &[("log_verbose_level", Given::BoolParam(true))],
            Err((ErrorCode::InvalidArgument, "expect int32 for 'log_verbose_level'")),
        );
    }

    #[test]
    fn log_settings_are_shown_under_tritons_names() {
        let shown = log_shown(LogSettings::default()).settings;
        let names: Vec<_> = shown.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["log_error", "log_file", "log_format", "log_info", "log_verbose_level", "log_warning"]
        );
        assert_eq!(
            shown["log_format"].parameter_choice,
            Some(Shown::StringParam("default".into()))
        );
    }
}
