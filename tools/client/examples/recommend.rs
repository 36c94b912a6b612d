//! Asks a server for films by a sentence: `cargo run --release --example recommend -- "a heist that goes wrong"`.
//! `HIPPOCAMP_HTTP` is its address, `localhost:8000` without it.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "an example answers on standard output")]

use hippocamp_client::{HttpClient, InferInput, InferRequest};
use std::{env, error::Error};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let plot = env::args().nth(1).ok_or("say what the film is about, in quotes")?;
    let address = env::var("HIPPOCAMP_HTTP").unwrap_or_else(|_unset| "localhost:8000".to_owned());
    let client = HttpClient::new(&address)?;
    let request = InferRequest::new("recommend_by_plot")
        .input(InferInput::bytes("PLOT", &[1, 1], &[plot]))
        .input(InferInput::new("K", &[1, 1], &[3]));
    let answer = client.infer(&request).await?;
    let (titles, years) = (answer.output("title")?.strings()?, answer.output("year")?.as_i32()?);
    for (title, year) in titles.iter().zip(years) {
        println!("{title} ({year})");
    }
    Ok(())
}
