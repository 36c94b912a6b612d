//! The binary: arguments -> validated settings -> build -> serve -> drain; or a subcommand.

#![forbid(unsafe_code)]

mod access;
mod arguments;
mod build;
mod check_command;
mod command;
mod endpoint;
mod examples;
mod explain_command;
mod flag;
mod install_python;
mod limits;
mod listening;
mod memory;
mod new_backend;
mod polling;
mod reloaded;
mod rollback;
mod serve;
mod settings;
mod stores;
mod systemd;
mod trace_flags;
mod triton_flags;

// The functions of the backend C API are exported from this executable; nothing else names the crate.
use hippocamp_backend_host as _;

use arguments::Arguments;
use clap::Parser as _;
use command::{BackendCommand, Command, CommandLine, Installable};
use std::{
    io::{self, Write as _},
    process::ExitCode,
};
use triton_flags::TritonFlags;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let CommandLine { command, serve, triton } = CommandLine::parse();
    let done = match command {
        None => start(serve, &triton),
        Some(Command::Check(wanted)) => return check_command::run(&wanted),
        Some(Command::Explain(wanted)) => return explain_command::run(&wanted),
        Some(Command::Key(command)) => access::key_command(command).and_then(|told| tell(&told)),
        Some(Command::Manifest(wanted)) => stores::manifest(&wanted).and_then(|told| tell(&told)),
        Some(Command::Rollback(wanted)) => rollback::run(&wanted).and_then(|told| tell(&told)),
        Some(Command::Backend(BackendCommand::New(wanted))) => {
            new_backend::run(&wanted).and_then(|told| tell(&told))
        }
        Some(Command::Backend(BackendCommand::Install(Installable::Python(wanted)))) => {
            install_python::run(&wanted).and_then(|told| tell(&told))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            // The log may go to a file, or not be set up yet.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until it is told to end.
fn start(arguments: Arguments, triton: &TritonFlags) -> anyhow::Result<()> {
    limits::raise();
    let warnings = triton.warnings()?;
    serve::run(settings::Settings::new(arguments)?, &warnings)
}

fn tell(text: &str) -> anyhow::Result<()> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}
