//! The server under test, as a process of its own: started on free ports, its log kept and shown when
//! the test fails, stopped in bounded time whatever happens.
//!
//! The contract with the binary: when it serves, it prints one line to its standard output,
//! `ready http=HOST:PORT grpc=HOST:PORT metrics=HOST:PORT` (without the endpoints that are switched
//! off); everything else goes to its standard error.

use crate::workspace_root;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    ffi::OsString,
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Only bounds a hang: models may be large, and the machine busy with other tests.
const START_LIMIT: Duration = Duration::from_secs(120);
/// Above the server's own default of 30 s for requests in flight.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// The server's executable: `$HIPPOCAMP_BIN`, or the one built beside the test.
///
/// # Panics
/// If it is not there.
pub fn server_binary() -> PathBuf {
    if let Some(path) = env::var_os("HIPPOCAMP_BIN") {
        return path.into();
    }
    let test = env::current_exe().expect("a running test has a path");
    // target/release/deps/<test>
    let directory = test.ancestors().nth(2).expect("tests lie in target/<profile>/deps");
    let binary = directory.join("hippocamp");
    assert!(binary.exists(), "{} is missing: run `make build` first", binary.display());
    binary
}

/// How to start a server; see [`Sandbox::start`] for the usual case.
#[derive(Debug)]
pub struct Settings {
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
}

impl Settings {
    /// The server over `repository`, each endpoint on a free port of the loopback address.
    pub fn new(repository: &Path) -> Self {
        let settings = Self { arguments: Vec::new(), variables: Vec::new() };
        let mut settings = settings.option("--model-repository", repository.as_os_str());
        for endpoint in ["http", "grpc", "metrics"] {
            settings = settings
                .option(&format!("--{endpoint}-address"), "127.0.0.1")
                .option(&format!("--{endpoint}-port"), "0");
        }
        settings
    }

    /// Adds `name=value`; the last one of a name counts.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.arguments.retain(|argument| {
            argument.to_str().is_none_or(|text| !text.starts_with(&format!("{name}=")))
        });
        let mut argument = OsString::from(name);
        argument.push("=");
        argument.push(value.into());
        self.arguments.push(argument);
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Adds an option that may be given several times.
    #[must_use]
    pub fn and(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Errors
    /// If it ends instead, with what it said.
    ///
    /// # Panics
    /// If it neither serves nor ends within two minutes.
    pub fn start(self) -> Result<Sandbox, Refusal> {
        let scratch = tempfile::tempdir().expect("the temporary directory is writable");
        let log = scratch.path().join("server.log");
        let mut child = Command::new(server_binary())
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace_root())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("the temporary directory is writable"))
            .spawn()
            .expect("the server's binary can be executed");
        let pid = Pid::from_child(&child);
        let output = child.stdout.take().expect("the output is piped");
        let mut sandbox = Sandbox {
            pid,
            ended: wait_for(child),
            status: None,
            http: None,
            grpc: None,
            metrics: None,
            log,
            _scratch: scratch,
        };
        match first_line(output).recv_timeout(START_LIMIT) {
            Ok(line) if !line.is_empty() => {
                sandbox.take_addresses(&line);
                Ok(sandbox)
            }
            // The output was closed: the server has ended, or is about to.
            Ok(_) | Err(RecvTimeoutError::Disconnected) => {
                let status = sandbox.wait();
                Err(Refusal { status, log: sandbox.log() })
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!("the server neither serves nor ends; its log:\n{}", sandbox.log())
            }
        }
    }
}

/// A server that ended instead of serving.
#[derive(Debug)]
pub struct Refusal {
    /// How it ended.
    pub status: ExitStatus,
    /// What it said.
    pub log: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server did not start ({}); its log:\n{}", self.status, self.log)
    }
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct Sandbox {
    pid: Pid,
    /// Tells the exit status, once.
    ended: Receiver<ExitStatus>,
    status: Option<ExitStatus>,
    http: Option<String>,
    grpc: Option<String>,
    metrics: Option<String>,
    log: PathBuf,
    _scratch: TempDir,
}

impl Sandbox {
    /// A server over `repository` with the default settings.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(repository: &Path) -> Self {
        Settings::new(repository).start().unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// A server over `repository` in explicit mode, nothing loaded.
    ///
    /// # Panics
    /// If it does not start.
    pub fn explicit(repository: &Path) -> Self {
        Settings::new(repository)
            .option("--model-control-mode", "explicit")
            .start()
            .unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// `host:port` of the HTTP endpoint.
    ///
    /// # Panics
    /// If it is switched off.
    pub fn http(&self) -> &str {
        self.http.as_deref().expect("HTTP is on")
    }

    /// `host:port` of the gRPC endpoint.
    ///
    /// # Panics
    /// If it is switched off.
    pub fn grpc(&self) -> &str {
        self.grpc.as_deref().expect("gRPC is on")
    }

    /// `host:port` of the metrics endpoint.
    ///
    /// # Panics
    /// If it is switched off.
    pub fn metrics(&self) -> &str {
        self.metrics.as_deref().expect("metrics are on")
    }

    /// The server's process id, as a path of /proc has it.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// The server's resident memory: from a walk over its pages, as `VmRSS` is inexact by what each core
    /// has not added yet.
    ///
    /// # Panics
    /// If the server is gone.
    pub fn resident_kib(&self) -> u64 {
        let memory = format!("/proc/{}/smaps_rollup", self.pid());
        let memory = fs::read_to_string(memory).expect("the server is running");
        let line = memory.lines().find_map(|line| line.strip_prefix("Rss:")).expect("Linux tells");
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number of KiB")
    }

    /// What the server has written to its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| format!("(no log: {error})"))
    }

    /// Asks the server to end: SIGTERM, as a supervisor sends it. Returns at once.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn terminate(&self) {
        kill_process(self.pid, Signal::TERM).expect("the server is running");
    }

    /// Waits for the server's end.
    ///
    /// # Panics
    /// If it does not come within 40 s.
    pub fn wait(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        match self.ended.recv_timeout(STOP_LIMIT) {
            Ok(status) => *self.status.insert(status),
            Err(error) => panic!("the server does not end ({error}); its log:\n{}", self.log()),
        }
    }

    /// Asks the server to end and waits for it.
    ///
    /// # Panics
    /// If it does not end cleanly.
    pub fn stop(mut self) {
        self.terminate();
        let status = self.wait();
        assert!(status.success(), "the server ended with {status}; its log:\n{}", self.log());
    }

    fn take_addresses(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("ready"), "not a ready line: {line:?}");
        for word in words {
            let (endpoint, address) =
                word.split_once('=').unwrap_or_else(|| panic!("not a ready line: {line:?}"));
            let place = match endpoint {
                "http" => &mut self.http,
                "grpc" => &mut self.grpc,
                "metrics" => &mut self.metrics,
                other => panic!("endpoint {other} in the ready line {line:?}"),
            };
            *place = Some(address.to_owned());
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
        if self.status.is_some() {
            return;
        }
        for (signal, limit) in [(Signal::TERM, STOP_LIMIT), (Signal::KILL, STOP_LIMIT)] {
            // Fails when the process has just ended; the status is in the channel then.
            kill_process(self.pid, signal).ok();
            if self.ended.recv_timeout(limit).is_ok() {
                return;
            }
        }
    }
}

/// Waits for the child in a thread, so that a test can wait with a limit.
fn wait_for(mut child: Child) -> Receiver<ExitStatus> {
    let (sender, ended) = sync_channel(1);
    thread::spawn(move || {
        let status = child.wait().expect("the child was not waited for before");
        // Nobody listens after a failed test.
        sender.send(status).ok();
    });
    ended
}

/// Reads the first line in a thread, then drains the rest so that the server never blocks on it.
fn first_line(output: ChildStdout) -> Receiver<String> {
    let (sender, line) = sync_channel(1);
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut text = String::new();
        // An error ends the line where it stands; the test then sees that it is none.
        drop(output.read_line(&mut text));
        drop(sender.send(text));
        drop(output.read_to_end(&mut Vec::new()));
    });
    line
}
