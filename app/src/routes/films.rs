//! The catalogue: `GET /films`, `/films/{id}`, `/search`, `/facets`.

use super::json;
use crate::{
    app::App,
    catalogue::{Facets, Selection, Sort},
    error::AppError,
    inference::Technique,
    labels,
    openapi::{ErrorBody, FacetsBody, FilmBody, FilmsBody, FoundBody},
    request::{DEFAULT_K, MOST_FILMS, MOST_PLOT_BYTES, Weights, body::MOST_POSTER_BYTES},
};
use axum::{
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    response::Response,
};
use hippocamp_catalogue::Film;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};
use utoipa::IntoParams;

/// Films of one page, at most and without a number.
const MOST: usize = 100;
const DEFAULT: usize = 24;

/// Titles that a search finds, without a number and at most.
const FOUND: usize = 10;
const MOST_FOUND: usize = 50;

/// What `GET /films` may be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilmsQuery {
    /// Films to leave out at the beginning.
    offset: Option<usize>,
    /// Films of the page, 1 to 100; 24 without it.
    limit: Option<usize>,
    /// Only of this genre.
    genre: Option<String>,
    /// Only of this year and later.
    from: Option<i32>,
    /// Only of this year and earlier.
    to: Option<i32>,
    /// `title`, `year`, `-year` or `runtime`.
    sort: Option<String>,
}

/// What `GET /search` may be asked.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// What was typed so far.
    q: String,
    /// Films at most, 1 to 50; 10 without it.
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Films<'a> {
    total: usize,
    films: Vec<&'a Film>,
}

#[derive(Serialize)]
struct Found<'a> {
    films: Vec<Title<'a>>,
}

#[derive(Serialize)]
struct Title<'a> {
    id: &'a str,
    title: &'a str,
    year: i32,
}

/// The facets, and what else a page must know to ask.
#[derive(Serialize)]
struct AllFacets<'a> {
    #[serde(flatten)]
    facets: &'a Facets,
    /// Genres that plots and posters are told to have.
    labels: [&'static str; 22],
    techniques: Vec<TechniqueFacet>,
    /// Those that count if none are given, by technique.
    weights: BTreeMap<&'static str, Weights>,
    limits: Limits,
}

#[derive(Serialize)]
struct TechniqueFacet {
    name: &'static str,
    title: &'static str,
    /// About so many words of a plot count.
    words: usize,
    /// Whether its model serves now.
    ready: bool,
}

#[derive(Serialize)]
struct Limits {
    plot_bytes: usize,
    poster_bytes: usize,
    films: usize,
    k: i32,
}

/// Films, page by page
#[utoipa::path(
    get,
    path = "/films",
    tag = "Catalogue",
    params(FilmsQuery),
    responses(
        (status = 200, description = "A page.", body = FilmsBody),
        (status = 400, description = "A parameter is not what it must be.", body = ErrorBody),
    ),
)]
pub(crate) async fn films(
    State(app): State<Arc<App>>,
    query: Result<Query<FilmsQuery>, QueryRejection>,
) -> Result<Response, AppError> {
    let query = parameters(query)?;
    let limit = within("limit", query.limit, DEFAULT, MOST)?;
    let genre = query.genre.filter(|genre| !genre.is_empty());
    let known = &app.catalogue.facets().genres;
    if let Some(genre) = genre.as_ref().filter(|genre| !known.contains(genre)) {
        let message = format!(
            "expected one of {}, got '{}'",
            known.join(", "),
            genre.chars().take(40).collect::<String>()
        );
        return Err(AppError::field("genre", message));
    }
    let sort = match query.sort.as_deref() {
        None | Some("") => Sort::default(),
        Some(name) => {
            let sort = Sort::NAMES.iter().find(|(known, _)| *known == name);
            let names = Sort::NAMES.map(|(name, _)| name).join(", ");
            sort.ok_or_else(|| AppError::field("sort", format!("expected one of {names}")))?.1
        }
    };
    let selection = Selection { genre, from: query.from, to: query.to, sort };
    let chosen = app.catalogue.select(&selection);
    let total = chosen.len();
    let page = chosen.into_iter().skip(query.offset.unwrap_or(0)).take(limit);
    json(&Films { total, films: page.map(|film| film.as_ref()).collect() })
}

/// One film
#[utoipa::path(
    get,
    path = "/films/{id}",
    tag = "Catalogue",
    params(("id" = String, Path, description = "Such as `the-kid-1921`.")),
    responses(
        (status = 200, description = "The film.", body = FilmBody),
        (status = 404, description = "There is none of this id.", body = ErrorBody),
    ),
)]
pub(crate) async fn film(
    State(app): State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, AppError> {
    let id = super::path(id)?;
    let film = app.catalogue.film(&id).ok_or_else(|| {
        let id: String = id.chars().take(100).collect();
        AppError::NotFound(format!("no film has the id '{id}'; GET /search finds ids by title"))
    })?;
    json(film.as_ref())
}

/// Films by title, while somebody types
///
/// Words in any order, the last ones not finished, without case and accents, with small typos.
#[utoipa::path(
    get,
    path = "/search",
    tag = "Catalogue",
    params(SearchQuery),
    responses(
        (status = 200, description = "Best first.", body = FoundBody),
        (status = 400, description = "A parameter is not what it must be.", body = ErrorBody),
    ),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    query: Result<Query<SearchQuery>, QueryRejection>,
) -> Result<Response, AppError> {
    let query = parameters(query)?;
    let limit = within("limit", query.limit, FOUND, MOST_FOUND)?;
    let found = app.catalogue.search(&query.q, limit);
    let films = found
        .into_iter()
        .map(|film| Title { id: &film.id, title: &film.title, year: film.year })
        .collect();
    json(&Found { films })
}

/// What may be asked for
///
/// The values that films have, techniques, default weights and limits.
#[utoipa::path(
    get,
    path = "/facets",
    tag = "Catalogue",
    responses((status = 200, description = "Everything.", body = FacetsBody)),
)]
pub(crate) async fn facets(State(app): State<Arc<App>>) -> Result<Response, AppError> {
    let served = app.inference.served();
    let technique = |technique: Technique| TechniqueFacet {
        name: technique.name(),
        title: technique.title(),
        words: technique.words_read(),
        ready: served.model(&technique.model(crate::inference::BY_PLOT)).is_ok(),
    };
    json(&AllFacets {
        facets: app.catalogue.facets(),
        labels: labels::GENRES,
        techniques: Technique::ALL.into_iter().map(technique).collect(),
        weights: Technique::ALL
            .into_iter()
            .map(|technique| (technique.name(), served.weights(technique)))
            .collect(),
        limits: Limits {
            plot_bytes: MOST_PLOT_BYTES,
            poster_bytes: MOST_POSTER_BYTES,
            films: MOST_FILMS,
            k: DEFAULT_K,
        },
    })
}

fn parameters<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, AppError> {
    query
        .map(|Query(query)| query)
        .map_err(|rejection| AppError::Invalid(format!("query: {}", rejection.body_text())))
}

fn within(
    name: &'static str,
    given: Option<usize>,
    default: usize,
    most: usize,
) -> Result<usize, AppError> {
    let number = given.unwrap_or(default);
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(AppError::field(name, format!("expected 1 to {most}, got {number}")))
}
