//! What somebody did with a recommendation, as it comes and as it is kept.

use crate::{
    catalogue::Catalogue,
    error::AppError,
    ids,
    inference::Technique,
    request::{Fields, technique},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

/// Events of one request.
const MOST_EVENTS: usize = 200;

/// Models whose versions one request names.
const MOST_MODELS: usize = 16;

/// Longest id, name or version, in bytes.
const LONGEST: usize = 64;

/// Places of a list.
const MOST_POSITION: i32 = 10_000;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The film was on the screen.
    Shown,
    /// Somebody opened it.
    Clicked,
    /// Somebody said yes.
    Liked,
    /// Somebody said no.
    Disliked,
    /// Somebody took back what was said.
    Cleared,
}

impl Event {
    const ALL: [Self; 5] = [Self::Shown, Self::Clicked, Self::Liked, Self::Disliked, Self::Cleared];

    /// As clients say it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shown => "shown",
            Self::Clicked => "clicked",
            Self::Liked => "liked",
            Self::Disliked => "disliked",
            Self::Cleared => "cleared",
        }
    }
}

/// A row of the database: one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Unlike any other row's: the client's id of the event within the recommendation, or ours.
    pub(crate) key: String,
    /// The recommendation's id.
    pub(crate) recommendation: String,
    /// The film's id.
    pub(crate) film: String,
    /// What was done.
    pub(crate) event: String,
    /// Where the film stood, from 0.
    pub(crate) position: Option<i32>,
    /// `plot`, `films` or `poster`.
    pub(crate) kind: String,
    /// `minilm` or `bow`.
    pub(crate) technique: String,
    /// Versions by models, as a JSON object.
    pub(crate) models: String,
    /// When it came, in milliseconds since 1970.
    pub(crate) at_ms: i64,
}

/// What `POST /feedback` brings.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    /// One or more.
    pub(crate) rows: Vec<Row>,
    /// What was done, row by row.
    pub(crate) events: Vec<Event>,
    /// Of the recommendation.
    pub(crate) kind: &'static str,
    /// Of the recommendation.
    pub(crate) technique: Technique,
    /// The model asked, and its version if the client told it.
    pub(crate) model: (String, Option<String>),
}

impl Events {
    /// Reads a body.
    ///
    /// # Errors
    /// Which field is wrong, what was expected, what came.
    pub(crate) fn from_json(body: &Value, catalogue: &Catalogue) -> Result<Self, AppError> {
        let fields = Fields::root(body)?;
        fields.known(&["recommendation", "technique", "models", "kind", "events"], &[])?;
        let recommendation = id(&fields, "recommendation")?.ok_or_else(|| {
            AppError::field(
                "recommendation",
                "expected the 'id' of an answer of POST /predict, got nothing",
            )
        })?;
        let technique = technique(&fields)?;
        let kind = kind(&fields)?;
        let models = models(&fields)?;
        let asked = technique.model(&format!("recommend_by_{kind}"));
        let asked = if kind == "poster" { "recommend_by_poster".to_owned() } else { asked };
        let version = models.get(&asked).cloned();
        let models = serde_json::to_string(&models).map_err(AppError::internal)?;
        let Some(Value::Array(given)) = fields.get("events") else {
            return Err(AppError::field(
                "events",
                "expected a list of {\"film\", \"event\", \"position\"}",
            ));
        };
        if given.is_empty() || given.len() > MOST_EVENTS {
            let message = format!("expected 1 to {MOST_EVENTS}, got {}", given.len());
            return Err(AppError::field("events", message));
        }
        let now = now_ms();
        let (mut rows, mut events) = (Vec::new(), Vec::new());
        for value in given {
            let fields = Fields::of("events.", value)?;
            fields.known(&["id", "film", "event", "position"], &[])?;
            let event = event(&fields)?;
            let film = fields.text("film")?.unwrap_or_default();
            if catalogue.position(film).is_none() {
                let film: String = film.chars().take(LONGEST).collect();
                return Err(AppError::field("events.film", format!("no film has the id '{film}'")));
            }
            // A client's id counts within its recommendation, so that no other client can take it.
            let key = match id(&fields, "id")? {
                Some(id) => format!("{recommendation}/{id}"),
                None => ids::new(),
            };
            events.push(event);
            rows.push(Row {
                key,
                recommendation: recommendation.to_owned(),
                film: film.to_owned(),
                event: event.name().to_owned(),
                position: fields.whole("position", 0..=MOST_POSITION)?,
                kind: kind.to_owned(),
                technique: technique.name().to_owned(),
                models: models.clone(),
                // In the order in which they were given.
                at_ms: now.saturating_add(i64::try_from(rows.len()).unwrap_or(i64::MAX)),
            });
        }
        Ok(Self { rows, events, kind, technique, model: (asked, version) })
    }
}

/// A short text of letters, digits and what ids are made of.
fn id<'a>(fields: &Fields<'a>, name: &str) -> Result<Option<&'a str>, AppError> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if text.is_empty() || text.len() > LONGEST || !text.chars().all(plain) {
        return Err(AppError::field(
            fields.name(name),
            format!("expected 1 to {LONGEST} letters, digits or -_.:, got {} bytes", text.len()),
        ));
    }
    Ok(Some(text))
}

fn kind(fields: &Fields<'_>) -> Result<&'static str, AppError> {
    let given = fields.text("kind")?.unwrap_or_default();
    ["plot", "films", "poster"].into_iter().find(|kind| *kind == given).ok_or_else(|| {
        AppError::field("kind", "expected 'plot', 'films' or 'poster', as in the recommendation")
    })
}

fn event(fields: &Fields<'_>) -> Result<Event, AppError> {
    let given = fields.text("event")?.unwrap_or_default();
    Event::ALL.into_iter().find(|event| event.name() == given).ok_or_else(|| {
        let names = Event::ALL.map(|event| format!("'{}'", event.name()));
        AppError::field("events.event", format!("expected one of {}", names.join(", ")))
    })
}

/// Versions by models.
fn models(fields: &Fields<'_>) -> Result<BTreeMap<String, String>, AppError> {
    let Some(value) = fields.get("models") else { return Ok(BTreeMap::new()) };
    let expected = || {
        AppError::field(
            "models",
            format!(
                "expected 'models' of the recommendation: an object of at most {MOST_MODELS} short texts"
            ),
        )
    };
    let models =
        value.as_object().filter(|models| models.len() <= MOST_MODELS).ok_or_else(expected)?;
    let short = |text: &str| text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic());
    models
        .iter()
        .map(|(model, version)| {
            let version = version.as_str().filter(|version| short(version) && short(model));
            Ok((model.clone(), version.ok_or_else(expected)?.to_owned()))
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "rows say when they came, for people to read")]
fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::tests::catalogue;
    use serde_json::json;

    fn read(body: &Value) -> Result<Events, String> {
        Events::from_json(body, catalogue()).map_err(|error| error.to_string())
    }

    #[test]
    fn events_become_rows() {
        let body = json!({"recommendation": "r1", "technique": "bow", "kind": "plot",
            "models": {"recommend_by_plot_bow": "2"},
            "events": [{"film": "the-kid-1921", "event": "shown", "position": 0},
                       {"film": "haxan-1922", "event": "liked", "position": 1, "id": "e1"}]});
        let events = read(&body).unwrap();
        assert_eq!(events.model, ("recommend_by_plot_bow".to_owned(), Some("2".to_owned())));
        assert_eq!(events.rows[1].key, "r1/e1");
        assert_eq!(events.rows[0].key.len(), 32);
        assert_eq!(events.rows[0].models, r#"{"recommend_by_plot_bow":"2"}"#);
        assert_eq!((events.rows[1].event.as_str(), events.rows[1].position), ("liked", Some(1)));
        assert!(events.rows[0].at_ms > 1_700_000_000_000);
    }

    #[test]
    fn what_is_refused() {
        let with = |key: &str, value: Value| {
            let mut body = json!({"recommendation": "r1", "kind": "plot",
                "events": [{"film": "the-kid-1921", "event": "shown"}]});
            body[key] = value;
            read(&body).unwrap_err()
        };
        let event = |event: Value| with("events", json!([event]));
        assert!(with("recommendation", json!("")).contains("recommendation: expected 1 to 64"));
        assert!(
            with("recommendation", json!("'; drop table")).contains("recommendation: expected")
        );
        assert!(with("recommendation", Value::Null).contains("got nothing"));
        assert!(with("kind", json!("song")).contains("kind: expected 'plot'"));
        assert!(with("events", json!([])).contains("events: expected 1 to 200, got 0"));
        assert!(with("events", json!("x")).contains("events: expected a list"));
        assert!(with("models", json!({"a": 1})).contains("models: expected"));
        assert!(with("more", json!(1)).contains("more: no such field"));
        assert!(
            event(json!({"film": "nope", "event": "liked"})).contains("no film has the id 'nope'")
        );
        assert!(
            event(json!({"film": "the-kid-1921", "event": "loved"}))
                .contains("expected one of 'shown'")
        );
        assert!(
            event(json!({"film": "the-kid-1921", "event": "liked", "position": -1}))
                .contains("events.position")
        );
        assert!(event(json!("x")).contains("events: expected an object"));
        let many = vec![json!({"film": "the-kid-1921", "event": "shown"}); 201];
        assert!(with("events", json!(many)).contains("got 201"));
    }
}
