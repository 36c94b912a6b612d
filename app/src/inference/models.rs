//! The models that the application asks, by their names in `model_repository`.

/// How a text becomes a vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Technique {
    /// all-MiniLM-L6-v2: what is meant.
    #[default]
    MiniLm,
    /// Our own bag of words: which words are there.
    Bow,
}

impl Technique {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::MiniLm, Self::Bow];

    /// As clients say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MiniLm => "minilm",
            Self::Bow => "bow",
        }
    }

    /// What a client called so means.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|technique| technique.name() == name)
    }

    /// What it is, for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::MiniLm => "Meaning (MiniLM sentence encoder)",
            Self::Bow => "Words (bag of words)",
        }
    }

    /// The model of this name for this technique.
    pub(crate) fn model(self, name: &str) -> String {
        match self {
            Self::MiniLm => name.to_owned(),
            Self::Bow => format!("{name}_bow"),
        }
    }

    /// About so many words of a plot count: those that fit the encoder's longest text of 256 tokens
    /// (a word is 1.3 of them), and of 512 words.
    pub(crate) fn words_read(self) -> usize {
        match self {
            Self::MiniLm => 190,
            Self::Bow => 510,
        }
    }
}

/// A plot to films.
pub(crate) const BY_PLOT: &str = "recommend_by_plot";
/// Films to films.
pub(crate) const BY_FILMS: &str = "recommend_by_films";
/// A poster to films.
pub(crate) const BY_POSTER: &str = "recommend_by_poster";
/// A plot to probabilities of genres.
pub(crate) const GENRES_OF_PLOT: &str = "genres_of_plot";
/// A plot to vectors of its tokens.
pub(crate) const EXPLAIN_PLOT: &str = "explain_plot";
/// A text to its vector.
pub(crate) const EMBED_PLOT: &str = "embed_plot";
/// A picture's bytes to its pixels.
pub(crate) const POSTER_PIXELS: &str = "poster_pixels";
/// Pixels to what is in them.
pub(crate) const POSTER_ENCODER: &str = "poster_encoder";

/// Every model that something here asks; without one, that does not work.
pub(crate) const NEEDED: [&str; 13] = [
    BY_PLOT,
    "recommend_by_plot_bow",
    BY_FILMS,
    "recommend_by_films_bow",
    BY_POSTER,
    GENRES_OF_PLOT,
    "genres_of_plot_bow",
    EXPLAIN_PLOT,
    "explain_plot_bow",
    EMBED_PLOT,
    "embed_plot_bow",
    POSTER_PIXELS,
    POSTER_ENCODER,
];

/// Models inside the ensembles, whose versions are told with recommendations: a better encoder is to
/// be told from a better index afterwards.
pub(crate) const INSIDE: [&str; 6] = [
    "plot_encoder",
    "plot_encoder_bow",
    "film_index",
    "film_index_bow",
    "plot_genres",
    "plot_genres_bow",
];
