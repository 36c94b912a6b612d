//! The schemas of the document. The types here only describe; what is read is in `request` and
//! `feedback`, what is written in `answer` and at the handlers.
#![expect(dead_code, reason = "describes JSON, is never made")]

use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An error: what was expected, what came, what to do.
#[derive(ToSchema)]
#[schema(example = json!({"error": "k: expected a whole number of 1 to 50, got 0", "field": "k"}))]
pub(crate) struct ErrorBody {
    error: String,
    /// The field that it is about.
    field: Option<String>,
    /// With 422 about a poster: how likely the picture is one.
    is_poster: Option<f32>,
}

/// Exactly one of `plot` and `films`, and what else is wanted.
#[derive(ToSchema)]
#[schema(example = json!({"plot": "an ageing mafia boss hands the family business to his reluctant youngest son", "k": 5}))]
pub(crate) struct PredictRequest {
    /// In one's own words, at most 65536 bytes.
    plot: Option<String>,
    films: Option<FilmsChoice>,
    #[schema(inline)]
    #[serde(flatten)]
    options: PredictOptions,
}

/// Films by their ids, at most 200 each.
#[derive(ToSchema)]
pub(crate) struct FilmsChoice {
    /// One or more.
    liked: Vec<String>,
    disliked: Option<Vec<String>>,
}

/// What may be said beside the question; all optional.
#[derive(ToSchema)]
pub(crate) struct PredictOptions {
    /// `minilm` (meaning; default) or `bow` (words).
    technique: Option<String>,
    /// How many films, 1 to 50; 10 without it.
    k: Option<u32>,
    filter: Option<FilterBody>,
    weights: Option<WeightsBody>,
    /// 0, the nearest, to 1, the most different from each other.
    diversity: Option<f32>,
    /// Look a picture up even if it does not look like a poster.
    anyway: Option<bool>,
}

/// Which films; lists mean any of them. Values are those of `GET /facets`.
#[derive(ToSchema)]
pub(crate) struct FilterBody {
    genres: Option<Vec<String>>,
    /// [from, to]; null leaves an end open.
    years: Option<[Option<i32>; 2]>,
    languages: Option<Vec<String>>,
    countries: Option<Vec<String>>,
    /// Minutes, [from, to]; null leaves an end open.
    runtime: Option<[Option<i32>; 2]>,
}

/// How much each part of the score counts, 0 to 10.
#[derive(ToSchema)]
pub(crate) struct WeightsBody {
    plot: Option<f32>,
    genres: Option<f32>,
    people: Option<f32>,
    year: Option<f32>,
}

/// A poster and what else is wanted.
#[derive(ToSchema)]
pub(crate) struct PredictForm {
    /// A JPEG, PNG or WebP file of at most 10 MB.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    poster: String,
    /// `PredictOptions` as JSON.
    options: Option<String>,
}

/// Films, best first, and why.
#[derive(ToSchema)]
pub(crate) struct RecommendationBody {
    /// Goes back with feedback.
    id: String,
    /// `plot`, `films` or `poster`.
    kind: String,
    technique: String,
    /// Versions by models; they go back with feedback.
    models: BTreeMap<String, String>,
    query: QueryBody,
    films: Vec<RecommendedBody>,
    milliseconds: f64,
}

/// What was understood of the question.
#[derive(ToSchema)]
pub(crate) struct QueryBody {
    /// The five likeliest.
    genres: Vec<ProbableBody>,
    /// Of a poster: when the film may have come out.
    year: Option<i32>,
    /// Of a poster: how likely it is one.
    is_poster: Option<f32>,
    warnings: Vec<String>,
}

/// A genre and how likely it is.
#[derive(ToSchema)]
pub(crate) struct ProbableBody {
    genre: String,
    probability: f32,
}

/// A film, its score and why.
#[derive(ToSchema)]
pub(crate) struct RecommendedBody {
    #[schema(inline)]
    #[serde(flatten)]
    film: FilmBody,
    score: f32,
    /// What the score is the sum of.
    parts: Option<WeightsBody>,
    /// One sentence.
    because: String,
}

/// A film.
#[derive(ToSchema)]
pub(crate) struct FilmBody {
    id: String,
    title: String,
    year: i32,
    directors: Vec<String>,
    cast: Vec<String>,
    genres: Vec<String>,
    /// ISO 3166-1 alpha-2.
    countries: Vec<String>,
    /// ISO 639-1.
    languages: Vec<String>,
    /// Minutes.
    runtime: i32,
    synopsis: String,
}

/// A page of films.
#[derive(ToSchema)]
pub(crate) struct FilmsBody {
    /// Films of all pages.
    total: usize,
    films: Vec<FilmBody>,
}

/// Titles.
#[derive(ToSchema)]
pub(crate) struct FoundBody {
    films: Vec<TitleBody>,
}

/// A title.
#[derive(ToSchema)]
pub(crate) struct TitleBody {
    id: String,
    title: String,
    year: i32,
}

/// What may be asked for.
#[derive(ToSchema)]
pub(crate) struct FacetsBody {
    genres: Vec<String>,
    /// The commonest first.
    languages: Vec<NamedBody>,
    /// The commonest first.
    countries: Vec<NamedBody>,
    /// Oldest and newest.
    years: [i32; 2],
    /// Shortest and longest, in minutes.
    runtime: [i32; 2],
    /// Genres that plots and posters are told to have.
    labels: Vec<String>,
    techniques: Vec<TechniqueBody>,
    /// Those that count if none are given, by technique.
    weights: BTreeMap<String, WeightsBody>,
    limits: LimitsBody,
}

/// A code, its meaning, and how many films have it.
#[derive(ToSchema)]
pub(crate) struct NamedBody {
    code: String,
    name: String,
    films: usize,
}

/// A way from texts to vectors.
#[derive(ToSchema)]
pub(crate) struct TechniqueBody {
    name: String,
    title: String,
    /// About so many words of a plot count.
    words: usize,
    /// Whether its model serves now.
    ready: bool,
}

/// What requests may bring.
#[derive(ToSchema)]
pub(crate) struct LimitsBody {
    plot_bytes: usize,
    poster_bytes: usize,
    /// Films liked, and films disliked.
    films: usize,
    /// Films without a number.
    k: i32,
}

/// A plot and a film.
#[derive(ToSchema)]
#[schema(example = json!({"plot": "an ageing mafia boss hands the family business to his reluctant youngest son", "film": "the-godfather-1972"}))]
pub(crate) struct ExplainRequest {
    plot: String,
    /// The film's id.
    film: String,
    /// `minilm` or `bow`.
    technique: Option<String>,
}

/// A poster and what is to be explained of it.
#[derive(ToSchema)]
pub(crate) struct ExplainForm {
    /// A JPEG, PNG or WebP file of at most 10 MB.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    poster: String,
    /// JSON: `{"genre": "Horror", "masks": 480}`; without `genre` the likeliest.
    options: Option<String>,
}

/// Of a plot: how much each word counts. Of a poster: where in it a genre is seen.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum ExplanationBody {
    Words(WordsBody),
    Regions(RegionsBody),
}

/// How much each word of a plot counts for one film.
#[derive(ToSchema)]
pub(crate) struct WordsBody {
    film: String,
    technique: String,
    /// Cosine of the plot and the film's synopsis: the sum of all weights.
    similarity: f32,
    /// Put together they are the plot.
    segments: Vec<SegmentBody>,
    milliseconds: f64,
}

/// A piece of the plot.
#[derive(ToSchema)]
pub(crate) struct SegmentBody {
    text: String,
    /// Null: the encoder does not see it.
    weight: Option<f32>,
}

/// Where in a poster a genre is seen.
#[derive(ToSchema)]
pub(crate) struct RegionsBody {
    target: ProbableBody,
    grid: GridBody,
    masks: usize,
    milliseconds: f64,
    /// Requests to the encoder, by how many masks each had.
    batches: BTreeMap<String, usize>,
}

/// Values over the whole picture.
#[derive(ToSchema)]
pub(crate) struct GridBody {
    columns: usize,
    rows: usize,
    /// Row by row, 0 to 1.
    values: Vec<f32>,
}

/// What somebody did with a recommendation.
#[derive(ToSchema)]
#[schema(example = json!({"recommendation": "0123456789abcdef0123456789abcdef", "kind": "plot", "technique": "minilm", "models": {"recommend_by_plot": "1"}, "events": [{"film": "the-godfather-1972", "event": "liked", "position": 0}]}))]
pub(crate) struct FeedbackRequest {
    /// `id` of the recommendation.
    recommendation: String,
    /// `plot`, `films` or `poster`.
    kind: String,
    technique: Option<String>,
    /// `models` of the recommendation.
    models: Option<BTreeMap<String, String>>,
    /// 1 to 200.
    events: Vec<EventBody>,
}

/// One event.
#[derive(ToSchema)]
pub(crate) struct EventBody {
    /// Unlike any other of this recommendation; an event sent again with the same one counts once.
    id: Option<String>,
    /// The film's id.
    film: String,
    /// `shown`, `clicked`, `liked`, `disliked` or `cleared`.
    event: String,
    /// Where the film stood, from 0.
    position: Option<i32>,
}

/// Events that are kept.
#[derive(ToSchema)]
pub(crate) struct AcceptedBody {
    accepted: usize,
}

/// What works.
#[derive(ToSchema)]
pub(crate) struct HealthBody {
    /// `ok`, `degraded` or `down`.
    status: String,
    app: AppHealthBody,
    server: PartBody,
    database: DatabaseBody,
    /// `ready`, or the reason.
    models: BTreeMap<String, String>,
}

/// The application.
#[derive(ToSchema)]
pub(crate) struct AppHealthBody {
    version: String,
    films: usize,
}

/// The inference server.
#[derive(ToSchema)]
pub(crate) struct PartBody {
    /// `ok` or `down`.
    status: String,
    reason: Option<String>,
}

/// The database.
#[derive(ToSchema)]
pub(crate) struct DatabaseBody {
    /// `sqlite` or `postgres`.
    kind: String,
    /// `ok` or `down`.
    status: String,
    reason: Option<String>,
    /// Events that wait on disk for it.
    waiting: u64,
}

/// It runs.
#[derive(ToSchema)]
pub(crate) struct LiveBody {
    live: bool,
}
