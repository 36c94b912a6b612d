//! The binary: checks a catalogue, or counts what is in it.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use hippocamp_catalogue::{check, read, stats, this_year};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Checks the film catalogue, or counts what is in it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints every problem with its line, film and field; exits with 1 if there are any
    Check {
        /// Films, one JSON object a line
        #[arg(default_value = "catalogue/films.jsonl")]
        file: PathBuf,
    },
    /// Prints the numbers of the dataset card: films per decade, genres, countries, languages, lengths
    Stats {
        /// Films, one JSON object a line
        #[arg(default_value = "catalogue/films.jsonl")]
        file: PathBuf,
    },
}

const EXAMPLES: &str = "\
Examples:
  hippocamp-catalogue check                  catalogue/films.jsonl, from the repository's root
  hippocamp-catalogue check ~/films.jsonl    another file
  hippocamp-catalogue stats                  the numbers of the dataset card, as Markdown";

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Check { file } => run_check(&file),
        Command::Stats { file } => run_stats(&file),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::from(2)
    })
}

fn run_check(file: &Path) -> Result<ExitCode, String> {
    let bytes = contents(file)?;
    let (entries, mut problems) = read(&bytes);
    problems.extend(check(&entries, this_year()));
    problems.sort_by_key(|problem| problem.line);
    let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    let count = |n: usize, of: &str| format!("{n} {of}{}", if n == 1 { "" } else { "s" });
    text += &format!(
        "{}: {}, {}\n",
        file.display(),
        count(entries.len(), "film"),
        count(problems.len(), "problem")
    );
    print(&text)?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_stats(file: &Path) -> Result<ExitCode, String> {
    let (entries, problems) = read(&contents(file)?);
    let films: Vec<_> = entries.into_iter().map(|entry| entry.film).collect();
    print(&stats(&films).to_string())?;
    if problems.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} lines hold no film: see hippocamp-catalogue check", problems.len());
    Ok(ExitCode::FAILURE)
}

fn contents(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| {
        format!(
            "cannot read {}: {error}; run this in the repository's root, or name the file",
            file.display()
        )
    })
}

fn print(text: &str) -> Result<(), String> {
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    match written {
        // `| head` has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| format!("cannot write the result: {error}")),
    }
}
