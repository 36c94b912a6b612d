//! Arguments become validated settings, once.

use crate::{arguments::Arguments, feedback::DatabaseUrl};
use anyhow::{Context as _, bail, ensure};
use hippocamp_net::Address;
use hippocamp_telemetry::log::LogSettings;
use std::{num::NonZero, path::PathBuf, thread, time::Duration};

/// Everything the application needs to know, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) listen: Address,
    /// Host and port of the inference server, for people.
    pub(crate) server: String,
    pub(crate) database: DatabaseUrl,
    pub(crate) data_dir: PathBuf,
    pub(crate) catalogue: Option<PathBuf>,
    pub(crate) page_dir: Option<PathBuf>,
    pub(crate) max_inferences: usize,
    pub(crate) max_explanations: usize,
    pub(crate) max_journal_bytes: u64,
    pub(crate) threads: usize,
    pub(crate) exit_timeout: Duration,
    /// A file, or "-" for standard output.
    pub(crate) access_log: Option<String>,
    pub(crate) log: LogSettings,
}

impl Settings {
    /// Checks the arguments.
    ///
    /// # Errors
    /// Which one is wrong, what was expected, and what came.
    pub(crate) fn new(given: Arguments) -> anyhow::Result<Self> {
        let database = match &given.database_url {
            Some(url) => DatabaseUrl::parse(url).context("--database-url (or DATABASE_URL)")?,
            None => DatabaseUrl::sqlite(given.data_dir.join("feedback.db")),
        };
        for (flag, value) in [
            ("--max-inferences", given.max_inferences),
            ("--max-explanations", given.max_explanations),
        ] {
            ensure!((1..=100_000).contains(&value), "{flag}: expected 1 to 100000, got {value}");
        }
        if let Some(directory) = &given.page_dir {
            ensure!(directory.is_dir(), "--page-dir: '{}' is no directory", directory.display());
        }
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self {
            listen: address(&given.listen)?,
            server: given.server,
            database,
            data_dir: given.data_dir,
            catalogue: given.catalogue,
            page_dir: given.page_dir,
            max_inferences: given.max_inferences,
            max_explanations: given.max_explanations,
            max_journal_bytes: given.max_journal_bytes,
            threads: given.threads.unwrap_or(cores).max(1),
            exit_timeout: Duration::from_secs(given.exit_timeout_secs),
            access_log: given.access_log,
            log: LogSettings { verbose_level: given.log_verbose, ..LogSettings::default() },
        })
    }
}

/// `<host>:<port>` or `unix:<path>`.
fn address(text: &str) -> anyhow::Result<Address> {
    if text.starts_with("unix:") {
        return Address::new(text, 0).context("--listen");
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        bail!("--listen: expected <host>:<port> or unix:<path>, got '{text}'");
    };
    let port = port
        .parse()
        .with_context(|| format!("--listen: expected a port of 0 to 65535, got '{port}'"))?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Address::new(host, port).context("--listen")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn settings(flags: &[&str]) -> Result<Settings, String> {
        let arguments = Arguments::parse_from(["hippocamp-app"].iter().chain(flags));
        Settings::new(arguments).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn addresses() {
        let listen =
            |text| settings(&["--listen", text]).map(|settings| settings.listen.to_string());
        assert_eq!(listen("127.0.0.1:0").as_deref(), Ok("127.0.0.1:0"));
        assert_eq!(listen("[::1]:8080").as_deref(), Ok("[::1]:8080"));
        assert_eq!(listen("unix:/tmp/a.sock").as_deref(), Ok("unix:/tmp/a.sock"));
        assert!(listen("8080").unwrap_err().contains("expected <host>:<port>"));
        assert!(listen("h:99999").unwrap_err().contains("expected a port of 0 to 65535"));
    }

    #[test]
    fn bounds() {
        assert!(settings(&["--max-explanations", "0"]).unwrap_err().contains("expected 1 to"));
        assert!(settings(&["--page-dir", "/nowhere"]).unwrap_err().contains("is no directory"));
        assert!(settings(&["--database-url", "mysql://h/d"]).unwrap_err().contains("sqlite:"));
    }
}
