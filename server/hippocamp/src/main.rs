//! The binary: arguments -> validated settings -> build -> serve -> drain.

#![forbid(unsafe_code)]

mod arguments;
mod build;
mod endpoint;
mod examples;
mod flag;
mod serve;
mod settings;

// The functions of the backend C API are exported from this executable; nothing else names the crate.
use hippocamp_backend_host as _;

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    let served = settings::Settings::new(arguments).and_then(serve::run);
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            // The log may go to a file, or not be set up yet.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
