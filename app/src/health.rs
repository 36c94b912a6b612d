//! What works, and why the rest does not.

use crate::{
    app::App,
    inference::{BY_PLOT, NEEDED, Served, Technique},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// The answer of `GET /health`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Health {
    /// `ok`, `degraded` if something is missing, `down` if nothing can be recommended.
    pub(crate) status: &'static str,
    app: AppHealth,
    server: ServerHealth,
    database: DatabaseHealth,
    /// `ready`, or the reason.
    models: BTreeMap<&'static str, String>,
}

#[derive(Clone, Debug, Serialize)]
struct AppHealth {
    version: &'static str,
    films: usize,
}

#[derive(Clone, Debug, Serialize)]
struct ServerHealth {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct DatabaseHealth {
    /// `sqlite` or `postgres`.
    kind: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Events that wait on disk for it.
    waiting: u64,
}

/// Looks at everything anew.
pub(crate) async fn health(app: &App) -> Health {
    let (served, database) = tokio::join!(app.inference.look(), app.feedback.look());
    let models: BTreeMap<&'static str, String> =
        NEEDED.into_iter().map(|name| (name, state(&served, name))).collect();
    let some_technique =
        Technique::ALL.into_iter().any(|technique| served.model(&technique.model(BY_PLOT)).is_ok());
    let waiting = app.feedback.waiting().events;
    let whole = served.is_whole() && database.is_ok();
    Health {
        status: match (some_technique, whole) {
            (false, _) => "down",
            (true, false) => "degraded",
            (true, true) => "ok",
        },
        app: AppHealth { version: env!("CARGO_PKG_VERSION"), films: app.catalogue.films().len() },
        server: ServerHealth {
            status: if served.reason().is_none() { "ok" } else { "down" },
            reason: served.reason().map(str::to_owned),
        },
        database: DatabaseHealth {
            kind: app.feedback.kind(),
            status: if database.is_ok() { "ok" } else { "down" },
            reason: database.err().map(|error| error.to_string()),
            waiting,
        },
        models,
    }
}

fn state(served: &Served, name: &str) -> String {
    served.model(name).map_or_else(|reason| reason, |_model| "ready".to_owned())
}
