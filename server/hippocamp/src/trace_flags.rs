//! `--trace-config`, and the flags that Triton had before it, become the options of the tracer.

use anyhow::{Context as _, bail, ensure};
use hippocamp_telemetry::{OtlpOptions, TraceMode, TraceOptions};
use std::{env, str::FromStr, time::Duration};

/// What was given.
#[derive(Debug)]
pub(crate) struct TraceFlags<'a> {
    pub(crate) config: &'a [String],
    pub(crate) file: Option<&'a str>,
    pub(crate) levels: &'a [String],
    pub(crate) rate: Option<&'a str>,
    pub(crate) count: Option<&'a str>,
    pub(crate) log_frequency: Option<&'a str>,
}

/// The options; what `--trace-config` says counts before the deprecated flags, as in Triton.
///
/// # Errors
/// Which setting is wrong, what was expected, and what came.
pub(crate) fn options(flags: &TraceFlags<'_>) -> anyhow::Result<TraceOptions> {
    let (mut options, mut off) = (TraceOptions::default(), false);
    options.otlp = from_environment(|name| env::var(name).ok())?;
    let deprecated = [
        ("--trace-file", "file", flags.file),
        ("--trace-rate", "rate", flags.rate),
        ("--trace-count", "count", flags.count),
        ("--trace-log-frequency", "log-frequency", flags.log_frequency),
    ];
    for (flag, key, value) in deprecated {
        if let Some(value) = value {
            set(&mut options, &mut off, key, value).context(flag)?;
        }
    }
    for level in flags.levels {
        set(&mut options, &mut off, "level", level).context("--trace-level")?;
    }
    for text in flags.config {
        one(&mut options, &mut off, text).with_context(|| format!("--trace-config '{text}'"))?;
    }
    if off {
        options.level = <_>::default();
    }
    let OtlpOptions { max_queue_size, max_export_batch_size, .. } = options.otlp;
    ensure!(
        (1..=max_queue_size).contains(&max_export_batch_size),
        "--trace-config opentelemetry: expected bsp_max_export_batch_size from 1 to bsp_max_queue_size ({max_queue_size}), got {max_export_batch_size}"
    );
    Ok(options)
}

/// One `[<mode>,]<key>=<value>`.
fn one(options: &mut TraceOptions, off: &mut bool, text: &str) -> anyhow::Result<()> {
    let expected = "expected <mode>,<key>=<value> or <key>=<value>";
    let (left, value) = text.split_once('=').context(expected)?;
    ensure!(!value.is_empty(), "{expected}");
    let known = match left.split_once(',') {
        None if matches!(left, "level" | "rate" | "count" | "mode") => left,
        None => bail!("expected level, rate, count or mode, got '{left}'"),
        Some((mode, key)) => match mode_named(mode)? {
            TraceMode::Triton if matches!(key, "file" | "log-frequency") => key,
            TraceMode::Triton => bail!("expected file or log-frequency, got '{key}'"),
            TraceMode::OpenTelemetry => return exporter(&mut options.otlp, key, value),
        },
    };
    set(options, off, known, value)
}

fn set(options: &mut TraceOptions, off: &mut bool, key: &str, value: &str) -> anyhow::Result<()> {
    match key {
        "level" => match value.to_ascii_lowercase().as_str() {
            "off" | "false" => *off = true,
            // The other names are those of Triton's past.
            "timestamps" | "true" | "on" | "min" | "max" => options.level.timestamps = true,
            "tensors" => options.level.tensors = true,
            _ => bail!("expected OFF, TIMESTAMPS or TENSORS, got '{value}'"),
        },
        "rate" => options.rate = number(value)?,
        "count" if value == "-1" => options.count = None,
        "count" => {
            let count = value.parse::<i32>().ok().and_then(|count| u32::try_from(count).ok());
            options.count = Some(count.with_context(|| {
                format!("expected a number from -1 to {}, got '{value}'", i32::MAX)
            })?);
        }
        "log-frequency" => options.log_frequency = number(value)?,
        "file" => value.clone_into(&mut options.file),
        _ => options.mode = mode_named(value)?,
    }
    Ok(())
}

fn exporter(otlp: &mut OtlpOptions, key: &str, value: &str) -> anyhow::Result<()> {
    match key {
        "url" => value.clone_into(&mut otlp.url),
        "resource" => {
            let (key, value) = value
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .with_context(|| format!("expected <key>=<value>, got '{value}'"))?;
            otlp.resource.retain(|(known, _)| known != key);
            otlp.resource.push((key.to_owned(), value.to_owned()));
        }
        "bsp_max_queue_size" => otlp.max_queue_size = size(value)?,
        "bsp_schedule_delay" => otlp.schedule_delay = milliseconds(value)?,
        "bsp_max_export_batch_size" => otlp.max_export_batch_size = size(value)?,
        _ => bail!(
            "expected url, resource, bsp_max_queue_size, bsp_schedule_delay or bsp_max_export_batch_size, got '{key}'"
        ),
    }
    Ok(())
}

/// OpenTelemetry's own variables for what `--trace-config` leaves open.
fn from_environment(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<OtlpOptions> {
    let mut otlp = OtlpOptions::default();
    let read =
        |name: &'static str| get(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    if let Some((name, value)) = read("OTEL_BSP_MAX_QUEUE_SIZE") {
        otlp.max_queue_size = size(&value).context(name)?;
    }
    if let Some((name, value)) = read("OTEL_BSP_SCHEDULE_DELAY") {
        otlp.schedule_delay = milliseconds(&value).context(name)?;
    }
    if let Some((name, value)) = read("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") {
        otlp.max_export_batch_size = size(&value).context(name)?;
    }
    Ok(otlp)
}

fn mode_named(name: &str) -> anyhow::Result<TraceMode> {
    let modes = [TraceMode::Triton, TraceMode::OpenTelemetry];
    let found = modes.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name));
    found.with_context(|| format!("expected mode triton or opentelemetry, got '{name}'"))
}

fn milliseconds(value: &str) -> anyhow::Result<Duration> {
    number::<u32>(value).map(|number| Duration::from_millis(number.into()))
}

fn size(value: &str) -> anyhow::Result<usize> {
    let size = number::<u32>(value)?;
    usize::try_from(size).with_context(|| format!("{size} is too large"))
}

fn number<T: FromStr>(value: &str) -> anyhow::Result<T> {
    let number = value.parse().ok();
    number.with_context(|| format!("expected a number from 0 to {}, got '{value}'", u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_types::TraceLevel;

    fn given(config: &[&str], flags: TraceFlags<'_>) -> anyhow::Result<TraceOptions> {
        let config: Vec<_> = config.iter().map(|text| (*text).to_owned()).collect();
        options(&TraceFlags { config: &config, ..flags })
    }

    const NONE: TraceFlags<'static> = TraceFlags {
        config: &[],
        file: None,
        levels: &[],
        rate: None,
        count: None,
        log_frequency: None,
    };

    #[test]
    fn settings_are_tritons() {
        let options = given(&[], NONE).unwrap();
        assert!(options.level.is_off() && options.mode == TraceMode::Triton);
        assert_eq!((options.rate, options.count, options.log_frequency), (1000, None, 0));
        let config = [
            "triton,file=/tmp/t.json",
            "Triton,log-frequency=50",
            "rate=100",
            "level=TIMESTAMPS",
            "level=tensors",
            "count=7",
        ];
        let options = given(&config, NONE).unwrap();
        assert_eq!(options.level, TraceLevel { timestamps: true, tensors: true });
        assert_eq!((options.rate, options.count, options.log_frequency), (100, Some(7), 50));
        assert_eq!(options.file, "/tmp/t.json");
        let off = given(&["level=OFF", "level=TIMESTAMPS"], NONE).unwrap();
        assert!(off.level.is_off(), "OFF wins, as in Triton");
    }

    #[test]
    fn deprecated_flags_come_first() {
        let levels = ["MAX".to_owned()];
        let flags = TraceFlags {
            file: Some("a"),
            levels: &levels,
            rate: Some("5"),
            count: Some("-1"),
            log_frequency: Some("2"),
            ..NONE
        };
        let options = given(&["triton,file=b", "count=3"], flags).unwrap();
        assert!(options.level.timestamps);
        assert_eq!((options.file.as_str(), options.rate, options.count), ("b", 5, Some(3)));
        assert_eq!(options.log_frequency, 2);
    }

    #[test]
    fn exporters() {
        let config = [
            "mode=opentelemetry",
            "opentelemetry,url=localhost:1/x",
            "opentelemetry,resource=service.name=a=b",
            "opentelemetry,resource=k=v",
            "opentelemetry,bsp_schedule_delay=7",
        ];
        let options = given(&config, NONE).unwrap();
        assert_eq!(options.mode, TraceMode::OpenTelemetry);
        let own = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        assert_eq!(options.otlp.resource, [own("service.name", "a=b"), own("k", "v")]);
        assert_eq!(options.otlp.schedule_delay, Duration::from_millis(7));
        let read = |name: &str| (name == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "9".to_owned());
        assert_eq!(from_environment(read).unwrap().max_queue_size, 9);
        assert!(from_environment(|_| Some("x".to_owned())).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |config: &str, expect: &str| {
            let error = format!("{:#}", given(&[config], NONE).unwrap_err());
            assert!(error.starts_with("--trace-config") && error.contains(expect), "{error}");
        };
        check("level", "expected <mode>,<key>=<value> or <key>=<value>");
        check("level=", "expected <mode>,<key>=<value> or <key>=<value>");
        check("level=x", "expected OFF, TIMESTAMPS or TENSORS, got 'x'");
        check("lvl=x", "expected level, rate, count or mode, got 'lvl'");
        check("file=x", "expected level, rate, count or mode, got 'file'");
        check("triton,x=1", "expected file or log-frequency, got 'x'");
        check("jaeger,x=1", "expected mode triton or opentelemetry, got 'jaeger'");
        check("opentelemetry,x=1", "expected url, resource,");
        check("opentelemetry,resource=x", "expected <key>=<value>, got 'x'");
        check(
            "opentelemetry,bsp_max_export_batch_size=0",
            "from 1 to bsp_max_queue_size (2048), got 0",
        );
        check("rate=-1", "expected a number from 0 to 4294967295, got '-1'");
        check("count=-2", "expected a number from -1 to 2147483647, got '-2'");
    }
}
