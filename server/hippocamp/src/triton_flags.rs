//! Flags of tritonserver that have no effect here, so that its command lines can be used as they
//! are: taken with a warning where nothing is lost, refused where the server would serve, or guard,
//! something else than was asked for. Flags with an effect are in [`crate::arguments`].

use crate::flag::boolean;
use Meaning::{NoEffect, Refused};
use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// One flag of tritonserver.
struct Flag {
    name: &'static str,
    takes: Value,
    meaning: Meaning,
}

/// What may stand behind a flag.
#[derive(Clone, Copy)]
enum Value {
    /// As [`boolean`]; may be left out.
    Boolean,
    Integer,
    Number,
    Text,
    /// Two integers, or an integer and a fraction: `<device>:<value>`.
    OfDevice,
}

/// What comes of a flag.
enum Meaning {
    /// A warning that says why.
    NoEffect(&'static str),
    /// An error that says why and what to do instead, unless the value is the one that asks for
    /// nothing, if there is one.
    Refused { unless: Option<&'static str>, why: &'static str },
}

const NO_GPU: &str = "no memory of GPUs is used here";
const PINGS: &str = "the pings of clients are answered and not counted";
const PLATFORM: &str = "there is no front-end for this platform";
const MEMORY: &str =
    "requests and responses are allocated as they come, and bounded by --max-queue-size";

const FLAGS: &[Flag] = &[
    flag(
        "allow-gpu-metrics",
        Value::Boolean,
        NoEffect("no GPU is used here, so there is none to show"),
    ),
    flag(
        "grpc-keepalive-permit-without-calls",
        Value::Boolean,
        NoEffect("clients are pinged whether or not they have calls in flight"),
    ),
    flag("grpc-http2-max-pings-without-data", Value::Integer, NoEffect(PINGS)),
    flag("grpc-http2-min-recv-ping-interval-without-data", Value::Integer, NoEffect(PINGS)),
    flag("grpc-http2-max-ping-strikes", Value::Integer, NoEffect(PINGS)),
    flag(
        "grpc-infer-thread-count",
        Value::Integer,
        NoEffect("--http-thread-count sets the threads of all protocols"),
    ),
    flag("grpc-infer-allocation-pool-size", Value::Integer, NoEffect(MEMORY)),
    flag(
        "grpc-max-response-pool-size",
        Value::Integer,
        NoEffect("at most 1024 responses wait for a client that reads too slowly"),
    ),
    flag(
        "buffer-manager-thread-count",
        Value::Integer,
        NoEffect("inputs are not copied, and each instance writes its outputs itself"),
    ),
    flag("pinned-memory-pool-byte-size", Value::Integer, NoEffect(NO_GPU)),
    flag("cuda-memory-pool-byte-size", Value::OfDevice, NoEffect(NO_GPU)),
    flag("cuda-virtual-address-size", Value::OfDevice, NoEffect(NO_GPU)),
    flag("min-supported-compute-capability", Value::Number, NoEffect(NO_GPU)),
    flag("model-load-gpu-limit", Value::OfDevice, NoEffect(NO_GPU)),
    flag("enable-peer-access", Value::Boolean, NoEffect(NO_GPU)),
    flag(
        "host-policy",
        Value::Text,
        NoEffect(
            "instances are not bound to cores or NUMA nodes; bind the process, with taskset, numactl or a cpuset",
        ),
    ),
    flag("cache-directory", Value::Text, NoEffect("no cache is loaded from a library")),
    flag("sagemaker-port", Value::Integer, NoEffect(PLATFORM)),
    flag("sagemaker-safe-port-range", Value::Text, NoEffect(PLATFORM)),
    flag("sagemaker-thread-count", Value::Integer, NoEffect(PLATFORM)),
    flag("vertex-ai-port", Value::Integer, NoEffect(PLATFORM)),
    flag("vertex-ai-thread-count", Value::Integer, NoEffect(PLATFORM)),
    flag("vertex-ai-default-model", Value::Text, NoEffect(PLATFORM)),
    flag(
        "allow-sagemaker",
        Value::Boolean,
        Refused {
            unless: Some("false"),
            why: "SageMaker's front-end is not offered; use the HTTP one behind a proxy that maps its routes",
        },
    ),
    flag(
        "allow-vertex-ai",
        Value::Boolean,
        Refused {
            unless: Some("false"),
            why: "Vertex AI's front-end is not offered; use the HTTP one behind a proxy that maps its routes",
        },
    ),
    flag(
        "cache-config",
        Value::Text,
        Refused {
            unless: None,
            why: "responses are not cached; leave the flag out to have every request computed",
        },
    ),
    flag(
        "response-cache-byte-size",
        Value::Integer,
        Refused {
            unless: Some("0"),
            why: "responses are not cached; leave the flag out to have every request computed",
        },
    ),
    flag(
        "rate-limit",
        Value::Text,
        Refused {
            unless: Some("off"),
            why: "rates are not limited; bound instances with instance_group, and queues with max_queue_size",
        },
    ),
    flag(
        "rate-limit-resource",
        Value::Text,
        Refused {
            unless: None,
            why: "rates are not limited; bound instances with instance_group, and queues with max_queue_size",
        },
    ),
    flag(
        "repoagent-directory",
        Value::Text,
        Refused {
            unless: None,
            why: "repository agents are not run; check and prepare models before they are put in the repository",
        },
    ),
];

const fn flag(name: &'static str, takes: Value, meaning: Meaning) -> Flag {
    Flag { name, takes, meaning }
}

/// The flags of [`FLAGS`] that were given, as they came: (name, value).
#[derive(Clone, Debug, Default)]
pub(crate) struct TritonFlags(Vec<(&'static str, String)>);

impl TritonFlags {
    /// One warning for each flag that is ignored.
    ///
    /// # Errors
    /// At the first flag that cannot be ignored: why, and what to do instead.
    pub(crate) fn warnings(&self) -> anyhow::Result<Vec<String>> {
        let mut warnings = Vec::new();
        for (name, value) in &self.0 {
            let Some(flag) = FLAGS.iter().find(|flag| flag.name == *name) else { continue };
            match flag.meaning {
                NoEffect(why) => warnings.push(format!("--{name} has no effect: {why}")),
                Refused { unless: Some(nothing), .. } if flag.takes.equal(value, nothing) => {}
                Refused { unless, why } => {
                    let or =
                        unless.map_or(String::new(), |value| format!(" (or --{name}={value})"));
                    bail!("--{name} is not offered: {why}{or}; got '{value}'");
                }
            }
        }
        Ok(warnings)
    }
}

impl Value {
    fn check(self, text: &str) -> Result<String, String> {
        let two = |parts: Option<(&str, &str)>| {
            parts.is_some_and(|(device, value)| {
                device.parse::<u32>().is_ok() && value.parse::<f64>().is_ok_and(f64::is_finite)
            })
        };
        let (fits, expected) = match self {
            Self::Boolean => (boolean(text).is_ok(), "true or false"),
            Self::Integer => (text.parse::<i64>().is_ok(), "an integer"),
            Self::Number => (text.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
            Self::Text => (!text.is_empty(), "a value"),
            Self::OfDevice => (two(text.split_once(':')), "<device>:<value>"),
        };
        if fits { Ok(text.to_owned()) } else { Err(format!("expected {expected}")) }
    }

    fn equal(self, value: &str, other: &str) -> bool {
        match self {
            Self::Boolean => boolean(value).is_ok() && boolean(value) == boolean(other),
            _ => value == other,
        }
    }
}

impl clap::Args for TritonFlags {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, flag| {
            let takes = flag.takes;
            let arg = Arg::new(flag.name)
                .long(flag.name)
                .hide(true)
                .action(ArgAction::Append)
                .allow_negative_numbers(true)
                .value_parser(move |text: &str| takes.check(text));
            command.arg(match takes {
                Value::Boolean => arg.num_args(0..=1).default_missing_value("true"),
                _ => arg.num_args(1),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TritonFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for flag in FLAGS {
            let values = matches.get_many::<String>(flag.name).into_iter().flatten();
            given.extend(values.map(|value| (flag.name, value.clone())));
        }
        Ok(Self(given))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::command::CommandLine;
    use clap::Parser as _;

    fn warnings(flags: &[&str]) -> anyhow::Result<Vec<String>> {
        CommandLine::try_parse_from(["hippocamp"].iter().chain(flags))?.triton.warnings()
    }

    #[test]
    fn what_has_no_effect_is_told_once_with_its_name() {
        let flags = ["--pinned-memory-pool-byte-size", "1024", "--host-policy=a,numa-node=0"];
        let told = warnings(&flags).unwrap();
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("--pinned-memory-pool-byte-size has no effect: no memory"));
        assert!(told[1].starts_with("--host-policy has no effect: instances"));
        assert!(warnings(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_would_be_missed_is_refused_unless_it_asks_for_nothing() {
        for (flag, expect) in [
            ("--rate-limit=execution_count", Some("--rate-limit is not offered: rates")),
            ("--rate-limit=off", None),
            ("--allow-sagemaker", Some("--allow-sagemaker is not offered")),
            ("--allow-sagemaker=OFF", None),
            ("--allow-vertex-ai=1", Some("(or --allow-vertex-ai=false); got '1'")),
            ("--cache-config=local,size=1048576", Some("responses are not cached")),
        ] {
            let refusal = warnings(&[flag]).map_err(|error| error.to_string());
            match expect {
                None => assert_eq!(refusal, Ok(Vec::new()), "{flag}"),
                Some(text) => assert!(
                    refusal.as_ref().is_err_and(|got| got.contains(text)),
                    "{flag}: {refusal:?}"
                ),
            }
        }
    }

    #[test]
    fn values_are_checked() {
        for (flag, fits) in [
            ("--grpc-infer-thread-count=2", true),
            ("--grpc-infer-thread-count=two", false),
            ("--min-supported-compute-capability=6.0", true),
            ("--min-supported-compute-capability=nan", false),
            ("--cuda-memory-pool-byte-size=0:67108864", true),
            ("--cuda-memory-pool-byte-size=67108864", false),
            ("--model-load-gpu-limit=0:0.8", true),
            ("--enable-peer-access=maybe", false),
            ("--grpc-http2-max-ping-strikes=-1", true),
            ("--cache-directory=", false),
        ] {
            assert_eq!(warnings(&[flag]).is_ok(), fits, "{flag}");
        }
    }
}
