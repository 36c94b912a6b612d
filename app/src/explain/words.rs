//! The exact share of each word in the similarity of a plot and a film's synopsis.
//!
//! The encoders pool by the mean: the plot's vector is the mean m of its n tokens' vectors t, over
//! its length. So the cosine with a film's vector f of length 1 is a sum over tokens, and each has
//! t . f / (n |m|) of it. What special tokens have (start and end of a text) is spread evenly over the
//! others, so that what is shown sums to the whole.

use crate::{
    app::App,
    catalogue::Position,
    error::AppError,
    inference::{EMBED_PLOT, EXPLAIN_PLOT, Technique},
    request::Plot,
};
use hippocamp_client::{InferInput, InferRequest, RequestedOutput};
use serde::Serialize;
use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WordsExplanation {
    pub(crate) film: String,
    pub(crate) technique: &'static str,
    /// Cosine of plot and synopsis.
    pub(crate) similarity: f32,
    /// Put together they are the plot.
    pub(crate) segments: Vec<Segment>,
    pub(crate) milliseconds: f64,
}

/// A piece of a plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Segment {
    pub(crate) text: String,
    /// `None`: no token is there.
    pub(crate) weight: Option<f32>,
}

/// Vectors of synopses, by technique, version of the encoder, and film: at most one for each film.
#[derive(Debug, Default)]
pub(crate) struct FilmVectors(Mutex<Known>);

/// Version of the encoder, and the vector.
type Known = HashMap<(Technique, Position), (String, Arc<[f32]>)>;

/// Explains why a film is near a plot.
///
/// # Errors
/// What the server refuses, or that it is not there.
pub(crate) async fn explain_plot(
    app: &App,
    plot: &Plot,
    film: Position,
    technique: Technique,
) -> Result<WordsExplanation, AppError> {
    let started = app.now();
    let model = app.inference.model(&technique.model(EXPLAIN_PLOT)).await?;
    let request = InferRequest::new(&model.name)
        .input(InferInput::bytes("PLOT", &model.interface.shape(&[1]), &[plot.text()]))
        .output(RequestedOutput::new("token_embeddings"))
        .output(RequestedOutput::new("offsets"));
    let (answer, film_vector) =
        tokio::join!(app.inference.infer(&request), film_vector(app, film, technique));
    let (answer, film_vector) = (answer.map_err(|failure| failure.about("plot"))?, film_vector?);
    let odd = |error| AppError::internal(format!("the server's explanation: {error}"));
    let tokens =
        answer.output("token_embeddings").and_then(|tokens| tokens.as_f32()).map_err(odd)?;
    let offsets = answer.output("offsets").and_then(|offsets| offsets.as_i64()).map_err(odd)?;
    let spans: Vec<Range<usize>> = offsets.chunks_exact(2).map(span).collect();
    let shares = shares(&tokens, spans.len(), &film_vector)
        .ok_or_else(|| AppError::internal("the server's explanation does not fit its vectors"))?;
    let similarity = shares.iter().sum::<f64>();
    Ok(WordsExplanation {
        film: app.catalogue.films()[film].id.clone(),
        technique: technique.name(),
        similarity: single(similarity),
        segments: segments(plot.text(), &spans, &shares),
        milliseconds: app.milliseconds_since(started),
    })
}

/// The vector of a film's synopsis.
async fn film_vector(
    app: &App,
    film: Position,
    technique: Technique,
) -> Result<Arc<[f32]>, AppError> {
    let model = app.inference.model(&technique.model(EMBED_PLOT)).await?;
    let encoder =
        app.inference.served().version(&technique.model("plot_encoder")).map(str::to_owned);
    let version = format!("{}/{}", model.version, encoder.unwrap_or_default());
    let key = (technique, film);
    let known = app.film_vectors.lock().get(&key).cloned();
    if let Some((_, vector)) = known.filter(|(known, _)| *known == version) {
        return Ok(vector);
    }
    let synopsis = app.catalogue.films()[film].synopsis.as_str();
    let request = InferRequest::new(&model.name)
        .input(InferInput::bytes("TEXT", &model.interface.shape(&[1]), &[synopsis]))
        .output(RequestedOutput::new("embedding"));
    let answer = app.inference.infer(&request).await.map_err(|failure| failure.about("film"))?;
    let vector = answer.output("embedding").and_then(|vector| vector.as_f32());
    let vector: Arc<[f32]> =
        vector.map_err(|error| AppError::internal(format!("the film's vector: {error}")))?.into();
    app.film_vectors.lock().insert(key, (version, Arc::clone(&vector)));
    Ok(vector)
}

impl FilmVectors {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of a token; empty for special ones.
fn span(offsets: &[i64]) -> Range<usize> {
    let at = |offset: i64| usize::try_from(offset).unwrap_or(0);
    at(offsets[0])..at(offsets[1])
}

/// What each of `count` tokens has of the cosine, if the sizes fit.
fn shares(tokens: &[f32], count: usize, film: &[f32]) -> Option<Vec<f64>> {
    let dimensions = film.len();
    if count == 0 || dimensions == 0 || tokens.len() != count * dimensions {
        return None;
    }
    let mut sum = vec![0.0f64; dimensions];
    for token in tokens.chunks_exact(dimensions) {
        for (sum, value) in sum.iter_mut().zip(token) {
            *sum += f64::from(*value);
        }
    }
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    // n |m| is the length of the sum.
    let scale =
        length(&mut sum.iter().copied()) * length(&mut film.iter().map(|value| f64::from(*value)));
    if scale == 0.0 || !scale.is_finite() {
        return None;
    }
    let dot = |token: &[f32]| -> f64 {
        token.iter().zip(film).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    Some(tokens.chunks_exact(dimensions).map(|token| dot(token) / scale).collect())
}

/// The plot in pieces: words, whose tokens are put together, and what stands between them.
fn segments(plot: &str, spans: &[Range<usize>], shares: &[f64]) -> Vec<Segment> {
    let fits = |span: &Range<usize>| {
        span.start < span.end
            && plot.is_char_boundary(span.start)
            && plot.is_char_boundary(span.end)
    };
    let shown = spans.iter().filter(|span| fits(span)).count();
    let special: f64 =
        spans.iter().zip(shares).filter(|(span, _)| !fits(span)).map(|(_, share)| share).sum();
    let each = if shown == 0 { 0.0 } else { special / shown as f64 };
    // Tokens that touch within a word belong together.
    let mut words: Vec<(Range<usize>, f64)> = Vec::new();
    for (span, share) in spans.iter().zip(shares).filter(|(span, _)| fits(span)) {
        let share = share + each;
        match words.last_mut() {
            Some((word, sum)) if span.start < word.end || is_inside(plot, word.end, span.start) => {
                word.end = word.end.max(span.end);
                *sum += share;
            }
            _ => words.push((span.clone(), share)),
        }
    }
    let mut segments = Vec::new();
    let mut end = 0;
    let mut push = |text: &str, weight| {
        if !text.is_empty() {
            segments.push(Segment { text: text.to_owned(), weight });
        }
    };
    for (word, share) in words {
        push(&plot[end..word.start], None);
        push(&plot[word.clone()], Some(single(share)));
        end = word.end;
    }
    push(&plot[end..], None);
    segments
}

/// Whether a token that begins at `start` goes on with the word that ends at `end`.
fn is_inside(plot: &str, end: usize, start: usize) -> bool {
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    end == start
        && is_letter(plot[..end].chars().next_back())
        && is_letter(plot[start..].chars().next())
}

#[expect(clippy::cast_possible_truncation, reason = "a share of a cosine")]
fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shares_sum_to_the_cosine() {
        let tokens = [1.0f32, 0.0, 2.0, 0.5, -1.0, 0.25, 0.0, 1.0, 1.0];
        let film = [0.6f32, 0.0, 0.8];
        let shares = shares(&tokens, 3, &film).unwrap();
        let mean = [1.5f64, 0.0, 3.25].map(|sum| sum / 3.0);
        let length = mean.iter().map(|v| v * v).sum::<f64>().sqrt();
        let cosine = (mean[0] * 0.6 + mean[2] * 0.8) / length;
        assert!((shares.iter().sum::<f64>() - cosine).abs() < 1e-6);
        // The second token's: (0.5 * 0.6 + 0.25 * 0.8) over three times the length of the mean.
        assert!((shares[1] - 0.5 / (3.0 * length)).abs() < 1e-6);
        assert!(
            super::shares(&tokens, 2, &film).is_none()
                && super::shares(&[0.0; 3], 1, &film).is_none()
        );
    }

    #[test]
    fn segments_put_together_are_the_plot() {
        let plot = " Häxan’s mafia-boss 🎬 rests";
        let at = |text: &str| {
            let start = plot.find(text).expect("it is there");
            start..start + text.len()
        };
        let spans = [
            0..0,
            at("Hä"),
            at("xan"),
            at("’"),
            at("s"),
            at("ma"),
            at("fia"),
            at("-"),
            at("boss"),
            0..0,
        ];
        let shares = [0.2, 0.1, 0.1, 0.0, 0.05, 0.1, 0.1, 0.0, 0.15, 0.2];
        let pieces = segments(plot, &spans, &shares);
        let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(whole, plot);
        let sum: f32 = pieces.iter().filter_map(|piece| piece.weight).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        let shown: Vec<(&str, bool)> =
            pieces.iter().map(|piece| (piece.text.as_str(), piece.weight.is_some())).collect();
        assert_eq!(
            shown,
            [
                (" ", false),
                ("Häxan", true),
                ("’", true),
                ("s", true),
                (" ", false),
                ("mafia", true),
                ("-", true),
                ("boss", true),
                (" 🎬 rests", false)
            ]
        );
        let mafia = pieces.iter().find(|piece| piece.text == "mafia").unwrap();
        assert!((mafia.weight.unwrap() - (0.2 + 2.0 * 0.05)).abs() < 1e-6);
    }

    proptest! {
        /// Whatever a server tells of offsets, the pieces are the plot and nothing is out of bounds.
        #[test]
        fn any_offsets_leave_the_plot_whole(
            plot in "[a-c é🎬.]{0,12}",
            offsets in prop::collection::vec((-2i64..20, -2i64..20), 0..12),
        ) {
            let spans: Vec<Range<usize>> =
                offsets.iter().map(|(start, end)| span(&[*start, *end])).collect();
            let pieces = segments(&plot, &spans, &vec![0.1; spans.len()]);
            let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
            prop_assert_eq!(whole, plot);
        }
    }

    #[test]
    fn offsets_that_do_not_fit_are_no_tokens() {
        let backwards = Range { start: 5, end: 2 };
        let pieces = segments("é", &[1..2, 0..9, backwards], &[0.5, 0.25, 0.25]);
        assert_eq!(pieces, [Segment { text: "é".to_owned(), weight: None }]);
    }
}
