//! A wish becomes films: one request to the server's ensemble, and beside it, for a plot whose
//! ensemble does not tell genres, one to the classifier.

use crate::{
    answer::{Parts, Probable, Query, Recommendation, Recommended},
    app::App,
    because::Evidence,
    catalogue::Position,
    error::AppError,
    ids,
    inference::{BY_FILMS, BY_PLOT, BY_POSTER, Failure, GENRES_OF_PLOT, INSIDE, Model, Technique},
    labels,
    request::{Options, Picture, Plot, Subject, Weights, Wish},
};
use hippocamp_client::{InferInput, InferRequest, InferResult, RequestedOutput};
use serde_json::Map;
use std::{collections::BTreeMap, sync::Arc};

/// Genres that an answer names.
const NAMED_GENRES: usize = 5;

/// Below this a picture is refused unless its sender insists.
const POSTER_THRESHOLD: f32 = 0.5;

/// Names that ensembles may give the same output: of their own, or with what it is of.
const GENRES_OUTPUTS: [&str; 3] = ["plot_genres", "poster_genres", "query_genres"];
const YEAR_OUTPUTS: [&str; 1] = ["poster_year"];

/// Answers a wish.
///
/// # Errors
/// What the server refuses, or that it is not there.
pub(crate) async fn recommend(app: &App, wish: Wish) -> Result<Recommendation, AppError> {
    let started = app.now();
    let Wish { subject, options } = wish;
    let (technique, mut warnings) = technique(&subject, &options);
    let name = match &subject {
        Subject::Plot(plot) => {
            warnings.extend(plot.warnings(technique, &app.catalogue));
            technique.model(BY_PLOT)
        }
        Subject::Films { .. } => technique.model(BY_FILMS),
        Subject::Poster(_) => BY_POSTER.to_owned(),
    };
    let model = app.inference.model(&name).await?;
    let request = with_options(
        request(app, &subject, &model),
        &options,
        &model,
        app.inference.served().weights(technique),
        &mut warnings,
    );
    let field = match &subject {
        Subject::Plot(_) => "plot",
        Subject::Films { .. } => "films",
        Subject::Poster(_) => "poster",
    };
    let (answer, genres) =
        tokio::join!(app.inference.infer(&request), genres(app, &subject, technique, &model));
    let answer = answer.map_err(|failure| match (&subject, failure) {
        (Subject::Poster(picture), Failure::Refused(message)) => refused_picture(picture, message),
        (_, failure) => failure.about(field),
    })?;

    let told = |names: &[&str]| -> Option<Vec<f32>> {
        names.iter().find_map(|name| answer.output(name).ok()?.as_f32().ok())
    };
    let is_poster = told(&["is_poster"]).and_then(|values| values.first().copied());
    if let Some(probability) = is_poster.filter(|p| *p < POSTER_THRESHOLD && !options.anyway) {
        return Err(no_poster(probability));
    }
    let genres = match told(&GENRES_OUTPUTS).or(genres) {
        Some(genres) => genres,
        None => shares(app, &subject),
    };
    let year = told(&YEAR_OUTPUTS).and_then(|values| values.first().copied());
    let evidence = Evidence::new(&app.catalogue, &subject, &genres, year);
    let films = films(app, &answer, &evidence, &mut warnings)?;
    if films.is_empty() {
        warnings.push("no film passes the filter".to_owned());
    }
    let query = Query { genres: likeliest(&genres), year: year.map(rounded), is_poster, warnings };
    let models = versions(app, &model, technique, &answer);
    app.metrics.recommended(subject.kind(), technique.name());
    app.metrics.version(&models);
    Ok(Recommendation {
        id: ids::new(),
        kind: subject.kind(),
        technique: technique.name(),
        models,
        query,
        films,
        milliseconds: app.milliseconds_since(started),
    })
}

/// How the subject is looked up, and a warning if not as asked.
fn technique(subject: &Subject, options: &Options) -> (Technique, Vec<String>) {
    match (subject, options.technique) {
        (Subject::Poster(_), Technique::Bow) => {
            let warning = "posters are looked up among the films of 'minilm'; 'bow' was not used";
            (Technique::MiniLm, vec![warning.to_owned()])
        }
        (_, technique) => (technique, Vec::new()),
    }
}

fn request(app: &App, subject: &Subject, model: &Model) -> InferRequest {
    let request = InferRequest::new(&model.name);
    let shape = |dims: &[i64]| model.interface.shape(dims);
    match subject {
        Subject::Plot(plot) => {
            request.input(InferInput::bytes("PLOT", &shape(&[1]), &[plot.text()]))
        }
        Subject::Poster(picture) => {
            request.input(InferInput::bytes("IMAGE", &shape(&[1]), &[picture.bytes()]))
        }
        Subject::Films { liked, disliked } => {
            let ids = |films: &[Position]| -> Vec<&str> {
                films.iter().map(|film| app.catalogue.films()[*film].id.as_str()).collect()
            };
            let input = |name, films: &[Position]| {
                let count = i64::try_from(films.len()).expect("a few hundred");
                InferInput::bytes(name, &shape(&[count]), &ids(films))
            };
            let request = request.input(input("LIKED", liked));
            if disliked.is_empty() { request } else { request.input(input("DISLIKED", disliked)) }
        }
    }
}

/// The inputs beside the subject, as far as the model takes them, and the outputs wanted.
fn with_options(
    mut request: InferRequest,
    options: &Options,
    model: &Model,
    defaults: Weights,
    warnings: &mut Vec<String>,
) -> InferRequest {
    let interface = &model.interface;
    let one = interface.shape(&[1]);
    let mut add = |input: InferInput, asked: bool| {
        let name = input.tensor.name.clone();
        if interface.takes(&name) {
            request.inputs.push(input);
        } else if asked {
            warnings.push(format!("'{}' takes no {name}; it was not used", model.name));
        }
    };
    add(InferInput::new("K", &one, &[options.k]), true);
    let filter = options.filter.text();
    if !filter.is_empty() {
        add(InferInput::bytes("FILTER", &one, &[filter]), true);
    }
    if let Some(given) = options.weights {
        let Weights { plot, genres, people, year } = given.over(defaults);
        let weights = [plot, genres, people, year];
        add(InferInput::new("WEIGHTS", &interface.shape(&[4]), &weights), true);
    }
    if let Some(diversity) = options.diversity {
        add(InferInput::new("DIVERSITY", &one, &[diversity]), diversity > 0.0);
    }
    let wanted =
        ["id", "score", "score_plot", "score_genres", "score_people", "score_year", "is_poster"];
    for output in wanted.iter().chain(&GENRES_OUTPUTS).chain(&YEAR_OUTPUTS) {
        if interface.gives(output) {
            request = request.output(RequestedOutput::new(*output));
        }
    }
    request
}

/// Probabilities of genres, of a plot whose ensemble does not tell them.
async fn genres(
    app: &App,
    subject: &Subject,
    technique: Technique,
    model: &Model,
) -> Option<Vec<f32>> {
    let Subject::Plot(plot) = subject else { return None };
    if GENRES_OUTPUTS.iter().any(|output| model.interface.gives(output)) {
        return None;
    }
    // A classifier of the other technique is as good an answer, and better than none.
    let served = app.inference.served();
    let classifier = [technique, Technique::MiniLm, Technique::Bow]
        .into_iter()
        .find_map(|technique| served.model(&technique.model(GENRES_OF_PLOT)).ok())?;
    genres_of(app, &classifier, plot).await
}

async fn genres_of(app: &App, classifier: &Arc<Model>, plot: &Plot) -> Option<Vec<f32>> {
    let shape = classifier.interface.shape(&[1]);
    let request = InferRequest::new(&classifier.name)
        .input(InferInput::bytes("PLOT", &shape, &[plot.text()]))
        .output(RequestedOutput::new("genres"));
    let answer = app.inference.infer(&request).await;
    // Films without their genres are better than none: what ails the server is told by the other
    // request.
    let answer = answer.inspect_err(|error| tracing::debug!(?error, "no genres of a plot")).ok()?;
    answer.output("genres").ok()?.as_f32().ok()
}

/// Of films: which share of the liked ones has a genre.
fn shares(app: &App, subject: &Subject) -> Vec<f32> {
    let Subject::Films { liked, .. } = subject else { return Vec::new() };
    let mut shares = vec![0.0; labels::GENRES.len()];
    let films = app.catalogue.films();
    for genre in liked.iter().flat_map(|film| &films[*film].genres) {
        if let Some(at) = labels::position(genre) {
            shares[at] += 1.0 / liked.len() as f32;
        }
    }
    shares
}

fn likeliest(genres: &[f32]) -> Vec<Probable> {
    let mut likeliest: Vec<Probable> = labels::GENRES
        .into_iter()
        .zip(genres)
        .map(|(genre, probability)| Probable { genre, probability: *probability })
        .filter(|genre| genre.probability > 0.0)
        .collect();
    likeliest.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    likeliest.truncate(NAMED_GENRES);
    likeliest
}

/// The films of an answer.
fn films(
    app: &App,
    answer: &InferResult,
    evidence: &Evidence<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<Recommended>, AppError> {
    let odd = |error| AppError::internal(format!("the server's answer: {error}"));
    let ids = answer.output("id").and_then(|ids| ids.strings()).map_err(odd)?;
    let scores = numbers(answer, "score", ids.len()).unwrap_or_else(|| vec![0.0; ids.len()]);
    let part = |name| numbers(answer, name, ids.len());
    let parts = match (
        part("score_plot"),
        part("score_genres"),
        part("score_people"),
        part("score_year"),
    ) {
        (Some(plot), Some(genres), Some(people), Some(year)) => Some((plot, genres, people, year)),
        _ => None,
    };
    let mut films = Vec::with_capacity(ids.len());
    let mut unknown = 0;
    for (at, id) in ids.iter().enumerate() {
        let Some(position) = app.catalogue.position(id) else {
            unknown += 1;
            continue;
        };
        films.push(Recommended {
            film: Arc::clone(&app.catalogue.films()[position]),
            score: scores[at],
            parts: parts.as_ref().map(|(plot, genres, people, year)| Parts {
                plot: plot[at],
                genres: genres[at],
                people: people[at],
                year: year[at],
            }),
            because: evidence.of(position),
        });
    }
    if unknown > 0 {
        tracing::warn!(
            unknown,
            "the server recommends films that the catalogue has not: --catalogue"
        );
        warnings.push(format!(
            "{unknown} films are left out: this application's catalogue has them not"
        ));
    }
    Ok(films)
}

/// An output of one number a film.
fn numbers(answer: &InferResult, name: &str, films: usize) -> Option<Vec<f32>> {
    answer.output(name).ok()?.as_f32().ok().filter(|values| values.len() == films)
}

/// The versions of the models that answered.
fn versions(
    app: &App,
    model: &Model,
    technique: Technique,
    answer: &InferResult,
) -> BTreeMap<String, String> {
    let served = app.inference.served();
    let bow = technique == Technique::Bow;
    let poster = model.name == BY_POSTER;
    let inside = INSIDE
        .into_iter()
        .filter(|name| name.ends_with("_bow") == bow)
        .filter(|name| !poster || *name == "film_index")
        .chain(poster.then_some(crate::inference::POSTER_ENCODER));
    let mut versions: BTreeMap<String, String> = inside
        .filter_map(|name| Some((name.to_owned(), served.version(name)?.to_owned())))
        .collect();
    let version =
        if answer.model_version.is_empty() { &model.version } else { &answer.model_version };
    versions.insert(model.name.clone(), version.clone());
    versions
}

/// What the server says of a picture, with the status of its cause.
pub(crate) fn refused_picture(picture: &Picture, message: String) -> AppError {
    let too_large = ["max_pixels", "max_memory_bytes", "max_file_bytes", "65,535", "65535"];
    if too_large.iter().any(|limit| message.contains(limit)) {
        return AppError::TooLarge { field: "poster", message };
    }
    let message = format!("{message} ({} bytes came)", picture.bytes().len());
    AppError::Field { field: "poster".to_owned(), message }
}

/// A picture that is none of a film.
pub(crate) fn no_poster(probability: f32) -> AppError {
    let facts = Map::from_iter([("is_poster".to_owned(), f64::from(probability).into())]);
    AppError::Refused {
        field: "poster",
        message: format!(
            "this does not look like a film poster (probability {probability:.2}, expected at least {POSTER_THRESHOLD}); send \"anyway\": true in options to look it up all the same"
        ),
        facts,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a year, or nonsense that saturates")]
fn rounded(year: f32) -> i32 {
    year.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_genres_come_first() {
        let mut genres = vec![0.0; 22];
        for (at, p) in [(3, 0.5), (21, 0.9), (0, 0.1), (1, 0.2), (2, 0.3), (4, 0.05)] {
            genres[at] = p;
        }
        let named: Vec<&str> = likeliest(&genres).iter().map(|genre| genre.genre).collect();
        assert_eq!(named, ["Western", "Biography", "Animation", "Adventure", "Action"]);
        assert!(likeliest(&[]).is_empty());
    }

    #[test]
    fn refusals_of_pictures_have_the_status_of_their_cause() {
        let mut file = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(40, 60).write_to(&mut file, image::ImageFormat::Png).expect("fits");
        let picture = Picture::new(file.into_inner().into()).expect("it is one");
        let status =
            |message: &str| refused_picture(&picture, message.to_owned()).status().as_u16();
        assert_eq!(
            status(
                "picture 0 is a PNG of 10000x10000 pixels, 100000000 in all: expected at most 50000000 (parameter max_pixels)"
            ),
            413
        );
        assert_eq!(status("picture 0 is a damaged JPEG: it is cut off before its end marker"), 400);
        assert_eq!(no_poster(0.25).status(), 422);
    }
}
