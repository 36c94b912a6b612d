//! The film recommender: arguments -> validated settings -> serve -> stop. Every inference is a
//! request to a server; see docs/recommender.md.

#![forbid(unsafe_code)]

mod answer;
mod app;
mod arguments;
mod because;
mod catalogue;
mod error;
mod explain;
mod feedback;
mod health;
mod ids;
mod inference;
mod labels;
mod listen;
mod metrics;
mod observe;
mod openapi;
mod page;
mod recommend;
mod request;
mod routes;
mod serve;
mod settings;

use clap::Parser as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match settings::Settings::new(arguments).and_then(serve::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
