//! Where in a poster a genre is seen, by RISE: the encoder is asked about many copies of the picture,
//! each with other parts hidden; a place matters as much as the genre's probability is higher when it
//! is shown. The copies go to the server as a stream of batches.

use super::masks::{COLUMNS, Mask, ROWS, centre, masks, seed};
use crate::{
    answer::Probable,
    app::App,
    error::AppError,
    inference::{Failure, Model, POSTER_ENCODER, POSTER_PIXELS},
    labels,
    recommend::refused_picture,
    request::Picture,
};
use hippocamp_client::{InferInput, InferRequest, RequestedOutput};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use tokio::task::JoinSet;

/// Copies of a picture in one request: the most that the encoder takes.
const BATCH: usize = 32;

/// Requests of one explanation that are under way at a time: while one is computed the next one is
/// there already.
const UNDER_WAY: usize = 3;

/// Masks that may be asked for.
pub(crate) const MOST_MASKS: i32 = 1024;

/// Values of the answer to a cell of the masks, along each side.
const FINER: usize = 2;

/// Elements of the largest picture that is taken from the server.
const MOST_ELEMENTS: usize = 1 << 20;

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PosterExplanation {
    pub(crate) target: Probable,
    pub(crate) grid: Grid,
    pub(crate) masks: usize,
    pub(crate) milliseconds: f64,
    /// Requests by how many masks each had.
    pub(crate) batches: BTreeMap<String, usize>,
}

/// Values over the picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Grid {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    /// Row by row, 0 to 1.
    pub(crate) values: Vec<f32>,
}

/// What is to be explained of a poster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// Which genre; the likeliest if `None`.
    pub(crate) genre: Option<usize>,
    /// By how many masks.
    pub(crate) masks: usize,
}

/// A picture as the encoder takes it.
#[derive(Debug)]
struct Pixels {
    /// `[channels, height, width]`.
    values: Vec<f32>,
    channels: usize,
    height: usize,
    width: usize,
}

/// Explains where in a poster a genre is seen.
///
/// # Errors
/// What the server refuses, that it is not there, or that enough is explained already.
pub(crate) async fn explain_poster(
    app: &Arc<App>,
    picture: &Picture,
    wanted: Region,
) -> Result<PosterExplanation, AppError> {
    let _permit = app.explanations.try_acquire().map_err(|_none_left| {
        AppError::unavailable(
            "as many posters as this application explains at a time are under way (--max-explanations)",
        )
    })?;
    let started = app.now();
    let pixels = Arc::new(pixels(app, picture).await?);
    let encoder = app.inference.model(POSTER_ENCODER).await?;
    let whole = genres(app, &encoder, to_bytes(&pixels.values), 1, &pixels).await?;
    let target = wanted.genre.unwrap_or_else(|| likeliest(&whole));
    let probability = whole.get(target).copied().unwrap_or(0.0);

    let masks = Arc::new(masks(wanted.masks, seed(picture.bytes())));
    let scores = scores(app, &encoder, &pixels, &masks, target).await?;
    let batches = masks.chunks(BATCH).fold(BTreeMap::new(), |mut batches, batch| {
        *batches.entry(batch.len().to_string()).or_insert(0) += 1;
        batches
    });
    let grid = {
        let masks = Arc::clone(&masks);
        tokio::task::spawn_blocking(move || grid(&masks, &scores))
            .await
            .map_err(AppError::internal)?
    };
    Ok(PosterExplanation {
        target: Probable { genre: labels::GENRES[target], probability },
        grid,
        masks: wanted.masks,
        milliseconds: app.milliseconds_since(started),
        batches,
    })
}

/// The picture, decoded by the server.
async fn pixels(app: &App, picture: &Picture) -> Result<Pixels, AppError> {
    let model = app.inference.model(POSTER_PIXELS).await?;
    let request = InferRequest::new(&model.name).input(InferInput::bytes(
        "IMAGE",
        &model.interface.shape(&[1]),
        &[picture.bytes()],
    ));
    let answer = app.inference.infer(&request).await.map_err(|failure| match failure {
        Failure::Refused(message) => refused_picture(picture, message),
        Failure::Unavailable(error) => error,
    })?;
    let odd = || AppError::internal("the server's pixels are no picture");
    let tensor = answer.outputs.first().ok_or_else(odd)?;
    let values = tensor.as_f32().map_err(|_other_type| odd())?;
    let sizes: Vec<usize> =
        tensor.shape.iter().filter_map(|size| usize::try_from(*size).ok()).collect();
    let [.., channels, height, width] = sizes[..] else { return Err(odd()) };
    if values.len() > MOST_ELEMENTS || values.len() != channels * height * width {
        return Err(odd());
    }
    Ok(Pixels { values, channels, height, width })
}

/// The probability of the target for each mask, by a stream of batches.
async fn scores(
    app: &Arc<App>,
    encoder: &Arc<Model>,
    pixels: &Arc<Pixels>,
    masks: &Arc<Vec<Mask>>,
    target: usize,
) -> Result<Vec<f32>, AppError> {
    let mut scores = vec![0.0; masks.len()];
    let mut under_way = JoinSet::new();
    let mut starts = (0..masks.len()).step_by(BATCH);
    loop {
        while under_way.len() < UNDER_WAY
            && let Some(start) = starts.next()
        {
            let (app, encoder) = (Arc::clone(app), Arc::clone(encoder));
            let (pixels, masks) = (Arc::clone(pixels), Arc::clone(masks));
            under_way.spawn(async move {
                let end = (start + BATCH).min(masks.len());
                let copies = {
                    let pixels = Arc::clone(&pixels);
                    tokio::task::spawn_blocking(move || hidden(&pixels, &masks[start..end]))
                };
                let copies = copies.await.map_err(AppError::internal)?;
                let genres = genres(&app, &encoder, copies, end - start, &pixels).await?;
                Ok::<_, AppError>((start, genres))
            });
        }
        let Some(done) = under_way.join_next().await else { return Ok(scores) };
        // An error ends the explanation; what is under way is dropped with the set.
        let (start, genres) = done.map_err(AppError::internal)??;
        for (at, genres) in genres.chunks_exact(labels::GENRES.len()).enumerate() {
            scores[start + at] = genres[target];
        }
    }
}

/// Probabilities of genres for each of `count` pictures.
async fn genres(
    app: &App,
    encoder: &Model,
    pictures: Vec<u8>,
    count: usize,
    pixels: &Pixels,
) -> Result<Vec<f32>, AppError> {
    let shape = [count, pixels.channels, pixels.height, pixels.width]
        .map(|size| i64::try_from(size).expect("sizes are small"));
    let request = InferRequest::new(&encoder.name)
        .input(InferInput::raw("pixels", &shape, "FP32", pictures))
        .output(RequestedOutput::new("genres"));
    let answer = app.inference.infer(&request).await.map_err(|failure| failure.about("poster"))?;
    let genres = answer.output("genres").and_then(|genres| genres.as_f32());
    let genres = genres.map_err(|error| AppError::internal(format!("the encoder: {error}")))?;
    if genres.len() == count * labels::GENRES.len() {
        return Ok(genres);
    }
    Err(AppError::internal("the encoder gives another number of genres than there are"))
}

/// Copies of the picture, each behind its mask, as the bytes of a tensor.
fn hidden(pixels: &Pixels, masks: &[Mask]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(masks.len() * pixels.values.len() * 4);
    for mask in masks {
        let mask = mask.over(pixels.width, pixels.height);
        for channel in pixels.values.chunks_exact(mask.len()) {
            for (value, shown) in channel.iter().zip(&mask) {
                bytes.extend_from_slice(&(value * shown).to_le_bytes());
            }
        }
    }
    bytes
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// How much each place matters: the mean probability of the masks that show it, from the least, 0, to
/// the most, 1.
fn grid(masks: &[Mask], scores: &[f32]) -> Grid {
    let (columns, rows) = (COLUMNS * FINER, ROWS * FINER);
    let mut values = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let (x, y) = (centre(column, columns), centre(row, rows));
            let (mut sum, mut shown) = (0.0f64, 0.0f64);
            for (mask, score) in masks.iter().zip(scores) {
                let seen = f64::from(mask.at(x, y));
                sum += seen * f64::from(*score);
                shown += seen;
            }
            values.push(if shown > 0.0 { sum / shown } else { 0.0 });
        }
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let range = most - least;
    #[expect(clippy::cast_possible_truncation, reason = "a number of 0 to 1")]
    let values = values
        .into_iter()
        .map(|value| if range > 0.0 { ((value - least) / range) as f32 } else { 0.0 })
        .collect();
    Grid { columns, rows, values }
}

fn likeliest(genres: &[f32]) -> usize {
    let likeliest = genres.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    likeliest.map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An encoder that sees a genre exactly as far as one place of the picture is shown.
    #[test]
    fn the_place_that_matters_is_found() {
        let masks = masks(480, 1);
        let (x, y) = (centre(11, 16), centre(5, 24));
        let scores: Vec<f32> = masks.iter().map(|mask| mask.at(x, y)).collect();
        let grid = grid(&masks, &scores);
        assert_eq!((grid.columns, grid.rows, grid.values.len()), (16, 24, 384));
        let most = likeliest(&grid.values);
        assert_eq!((most % 16, most / 16), (11, 5));
        assert_eq!(grid.values[most], 1.0);
        assert!(grid.values.iter().all(|value| (0.0..=1.0).contains(value)));
    }

    #[test]
    fn an_encoder_that_sees_nothing_has_no_places() {
        let masks = masks(32, 1);
        assert!(
            grid(&masks, &[0.25; 32]).values.iter().all(|value| *value < 1e-3 || *value <= 1.0)
        );
        assert!(grid(&masks, &[0.0; 32]).values.iter().all(|value| *value == 0.0));
    }

    #[test]
    fn copies_are_hidden_by_their_masks() {
        let pixels = Pixels { values: vec![0.5; 3 * 6 * 4], channels: 3, height: 6, width: 4 };
        let masks = masks(2, 3);
        let bytes = hidden(&pixels, &masks);
        assert_eq!(bytes.len(), 2 * 3 * 6 * 4 * 4);
        let values: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four")))
            .collect();
        let expected: Vec<f32> = masks[1].over(4, 6).iter().map(|shown| shown * 0.5).collect();
        assert_eq!(values[4 * 6 * 3..4 * 6 * 4], expected);
        assert_eq!(to_bytes(&[1.0]), 1.0f32.to_le_bytes());
    }
}
