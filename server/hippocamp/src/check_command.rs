//! `hippocamp check`: a repository looked through before it is served. Prints; `hippocamp-check` finds.

use crate::{build, flag::boolean, settings::DEFAULT_BACKEND_DIRECTORY};
use clap::{Args, ValueEnum};
use hippocamp_check::{CheckOptions, Report, Strictness, check, rules};
use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    num::NonZero,
    path::PathBuf,
    process::ExitCode,
    thread,
};

/// Nothing stands in the way of serving.
pub(crate) const CLEAN: u8 = 0;
/// Something does.
pub(crate) const FOUND: u8 = 1;
/// The check could not run; clap ends with the same where it is called wrongly.
pub(crate) const CANNOT_RUN: u8 = 2;

/// What is checked, and how it is told.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code: 0 if the repository may be served (there may be warnings), 1 if there are errors (with \
--strict: or warnings), 2 if the check could not run.")]
pub(crate) struct CheckRepository {
    /// Model repositories, as for --model-repository, but directories only
    #[arg(value_name = "REPO", required_unless_present = "list_rules")]
    pub(crate) repositories: Vec<PathBuf>,

    /// Check this model, and the members of an ensemble with it; may be given several times [default:
    /// all]
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Vec<String>,

    /// How findings are told
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

    /// Let warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,

    /// Look at configurations alone: versions and model files may be missing
    #[arg(long)]
    pub(crate) config_only: bool,

    /// Take a backend that is not here for a note: another server has it
    #[arg(long)]
    pub(crate) any_backend: bool,

    /// List the rules and end
    #[arg(long)]
    pub(crate) list_rules: bool,

    /// What the server will be started with
    #[command(flatten)]
    pub(crate) server: ServerFlags,
}

/// The server's flags that a model's configuration is judged by.
#[derive(Debug, Args)]
pub(crate) struct ServerFlags {
    /// Use configs/<NAME>.pbtxt of the models that have it
    #[arg(long, value_name = "NAME")]
    pub(crate) model_config_name: Option<String>,

    /// Directory of backends: <DIR>/<name>/libtriton_<name>.so
    #[arg(long, value_name = "DIR", default_value = DEFAULT_BACKEND_DIRECTORY)]
    pub(crate) backend_directory: PathBuf,

    /// Repositories are namespaces: two may hold models of one name [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) model_namespacing: bool,

    /// Links may lead out of a repository [default: false]
    #[arg(long, value_name = "BOOL", value_parser = boolean, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) allow_external_links: bool,

    /// Cores that the server will have [default: those of this machine or container]
    #[arg(long, value_name = "N")]
    pub(crate) cores: Option<NonZero<usize>>,
}

/// How findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line each, with the place first
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0, which code hosts show beside the lines
    Sarif,
}

impl ServerFlags {
    /// As the crate takes them.
    pub(crate) fn options(&self, models: &[String], strictness: Strictness) -> CheckOptions {
        let cores = self.cores.or_else(|| thread::available_parallelism().ok());
        let linked = build::linked().into_iter().map(|(name, _)| name.to_owned());
        let alias = |(name, linked): (&str, &str)| (name.to_owned(), linked.to_owned());
        CheckOptions {
            models: models.to_vec(),
            config_name: self.model_config_name.clone(),
            cores: cores.map_or(1, NonZero::get),
            backends: linked.collect(),
            aliases: build::ALIASES.into_iter().map(alias).collect(),
            backend_directory: self.backend_directory.clone(),
            namespaces: self.model_namespacing,
            external_links: self.allow_external_links,
            strictness,
        }
    }
}

/// Checks, prints, and says how the process ends.
pub(crate) fn run(wanted: &CheckRepository) -> ExitCode {
    let (text, code) = if wanted.list_rules {
        (list_rules(wanted.format), CLEAN)
    } else {
        let strictness =
            Strictness { any_backend: wanted.any_backend, config_only: wanted.config_only };
        let options = wanted.server.options(&wanted.model, strictness);
        match check(&wanted.repositories, &options) {
            Ok(report) => {
                let code = if report.is_clean(wanted.strict) { CLEAN } else { FOUND };
                (shown(&report, wanted.format), code)
            }
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(CANNOT_RUN);
            }
        }
    };
    print(&text, code)
}

/// Prints, and ends with `code` if that works.
pub(crate) fn print(text: &str, code: u8) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(code),
        // Whoever reads may have heard enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: cannot write the report: {error}");
            ExitCode::from(CANNOT_RUN)
        }
    }
}

fn shown(report: &Report, format: Format) -> String {
    match format {
        Format::Text => {
            let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            report.to_text(io::stdout().is_terminal() && !plain)
        }
        Format::Json => format!("{:#}\n", report.to_json()),
        Format::Sarif => {
            let base = env::current_dir().unwrap_or_default();
            format!("{:#}\n", report.to_sarif(&base))
        }
    }
}

fn list_rules(format: Format) -> String {
    match format {
        // A report without findings has the rules in it.
        Format::Json | Format::Sarif => {
            let report = Report { models: 0, findings: Vec::new() };
            shown(&report, Format::Sarif)
        }
        Format::Text => rules()
            .map(|rule| {
                format!(
                    "{:<30} {:<8} {}\n    {}\n",
                    rule.id,
                    rule.severity.name(),
                    rule.summary,
                    rule.help
                )
            })
            .collect(),
    }
}
