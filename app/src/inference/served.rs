//! What the server serves at a moment: seen from outside, and remembered until the next look.

use super::models::{INSIDE, NEEDED, Technique};
use crate::request::Weights;
use hippocamp_client::{Error, HttpClient, IndexEntry, ModelMetadata};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The index of a technique; its weights are those that count.
const INDEX: &str = "film_index";

/// The server at the time of a look.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    /// Why there is no server, if there is none.
    unreachable: Option<String>,
    /// Models that are known of, ready or not.
    models: BTreeMap<String, Result<Arc<Model>, String>>,
    /// The weights that each technique's index goes by if none are given.
    weights: BTreeMap<Technique, Weights>,
}

/// A model that is ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// Its name.
    pub(crate) name: String,
    /// The version that answers.
    pub(crate) version: String,
    /// What it takes and gives.
    pub(crate) interface: Interface,
}

/// Names of inputs and outputs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    inputs: BTreeSet<String>,
    outputs: BTreeMap<String, Vec<i64>>,
    /// Whether the first dimension is that of the batch.
    batched: bool,
}

impl Interface {
    fn new(metadata: ModelMetadata) -> Self {
        Self {
            batched: metadata.inputs.iter().all(|input| input.shape.first() == Some(&-1)),
            inputs: metadata.inputs.into_iter().map(|input| input.name).collect(),
            outputs: metadata
                .outputs
                .into_iter()
                .map(|output| (output.name, output.shape))
                .collect(),
        }
    }

    /// Whether it takes this input.
    pub(crate) fn takes(&self, input: &str) -> bool {
        self.inputs.contains(input)
    }

    /// Whether it gives this output.
    pub(crate) fn gives(&self, output: &str) -> bool {
        self.outputs.contains_key(output)
    }

    /// The shape of a request's input that is `[dims]` for one: with the batch dimension before it,
    /// if the model has one.
    pub(crate) fn shape(&self, dims: &[i64]) -> Vec<i64> {
        let batch = self.batched.then_some(1);
        batch.into_iter().chain(dims.iter().copied()).collect()
    }
}

impl Default for Served {
    fn default() -> Self {
        Self::unreachable("nobody has looked yet".to_owned())
    }
}

impl Served {
    pub(super) fn unreachable(reason: String) -> Self {
        Self { unreachable: Some(reason), models: BTreeMap::new(), weights: BTreeMap::new() }
    }

    /// Why there is no server.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.unreachable.as_deref()
    }

    /// Whether every model serves that something here asks.
    pub(crate) fn is_whole(&self) -> bool {
        NEEDED.iter().all(|name| matches!(self.models.get(*name), Some(Ok(_))))
    }

    /// The model of this name, if it is ready, or the reason.
    pub(crate) fn model(&self, name: &str) -> Result<Arc<Model>, String> {
        if let Some(reason) = &self.unreachable {
            return Err(reason.clone());
        }
        self.models.get(name).cloned().unwrap_or_else(|| Err("no such model is there".to_owned()))
    }

    /// The weights that the index of a technique goes by if none are given.
    pub(crate) fn weights(&self, technique: Technique) -> Weights {
        self.weights.get(&technique).copied().unwrap_or_default()
    }

    /// The version of a model that is ready.
    pub(crate) fn version(&self, name: &str) -> Option<&str> {
        let model = self.models.get(name)?.as_ref().ok()?;
        Some(&model.version)
    }
}

/// Asks the server for its models. What `before` knew of the same versions is not asked for again.
pub(super) async fn look(client: &HttpClient, before: Option<&Served>) -> Served {
    let nothing = Served::default();
    let before = before.unwrap_or(&nothing);
    let index = match client.index(false).await {
        Ok(index) => index,
        Err(error) => return Served::unreachable(in_short(&error)),
    };
    let mut models = BTreeMap::new();
    for (name, entry) in newest(index) {
        if !NEEDED.contains(&name.as_str()) && !INSIDE.contains(&name.as_str()) {
            continue;
        }
        let model = if entry.state == "READY" {
            ready(client, before, &name, entry.version).await
        } else {
            let reason = if entry.reason.is_empty() { "no reason told" } else { &entry.reason };
            Err(format!("{}: {reason}", entry.state.to_lowercase()))
        };
        models.insert(name, model);
    }
    let mut known = BTreeMap::new();
    for technique in Technique::ALL {
        let index = technique.model(INDEX);
        let same = before.models.get(&index).is_some_and(|known| models.get(&index) == Some(known));
        let weights = match before.weights.get(&technique) {
            Some(weights) if same => Some(*weights),
            _ => weights(client, &index).await,
        };
        known.extend(weights.map(|weights| (technique, weights)));
    }
    Served { unreachable: None, models, weights: known }
}

/// The weights in the configuration of an index.
async fn weights(client: &HttpClient, index: &str) -> Option<Weights> {
    let config = client.model_config(index, None).await.ok()?;
    read_weights(config["parameters"]["facets"]["string_value"].as_str()?)
}

/// The weights of `[{"name": "plot", "weight": 1}, ...]`; of facets that are not there, none.
fn read_weights(facets: &str) -> Option<Weights> {
    #[derive(Deserialize)]
    struct Facet {
        name: String,
        weight: f32,
    }
    let facets: Vec<Facet> = serde_json::from_str(facets).ok()?;
    let weight = |name: &str| {
        facets.iter().find(|facet| facet.name == name).map_or(0.0, |facet| facet.weight)
    };
    Some(Weights {
        plot: weight("plot"),
        genres: weight("genres"),
        people: weight("people"),
        year: weight("year"),
    })
}

async fn ready(
    client: &HttpClient,
    before: &Served,
    name: &str,
    version: String,
) -> Result<Arc<Model>, String> {
    if let Some(Ok(known)) = before.models.get(name)
        && known.version == version
    {
        return Ok(Arc::clone(known));
    }
    let metadata = client.model_metadata(name, None).await.map_err(|error| in_short(&error))?;
    Ok(Arc::new(Model { name: name.to_owned(), version, interface: Interface::new(metadata) }))
}

/// Of several versions of a model the newest that is ready, else the newest.
fn newest(index: Vec<IndexEntry>) -> BTreeMap<String, IndexEntry> {
    let rank =
        |entry: &IndexEntry| (entry.state == "READY", entry.version.parse::<u64>().unwrap_or(0));
    let mut newest: BTreeMap<String, IndexEntry> = BTreeMap::new();
    for entry in index {
        match newest.get(&entry.name) {
            Some(known) if rank(known) >= rank(&entry) => {}
            _ => {
                newest.insert(entry.name.clone(), entry);
            }
        }
    }
    newest
}

/// For people: the innermost cause of a broken connection, which names it.
fn in_short(error: &Error) -> String {
    let Error::Transport(cause) = error else { return error.to_string() };
    let mut cause: &dyn std::error::Error = cause.as_ref();
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hippocamp_client::TensorMetadata;

    #[test]
    fn the_newest_version_that_is_ready_counts() {
        let entry = |name: &str, version: &str, state: &str| IndexEntry {
            name: name.to_owned(),
            version: version.to_owned(),
            state: state.to_owned(),
            reason: String::new(),
        };
        let chosen = newest(vec![
            entry("a", "1", "READY"),
            entry("a", "10", "READY"),
            entry("a", "9", "READY"),
            entry("a", "11", "UNAVAILABLE"),
            entry("b", "1", "UNAVAILABLE"),
        ]);
        assert_eq!(chosen["a"].version, "10");
        assert_eq!(chosen["b"].state, "UNAVAILABLE");
    }

    #[test]
    fn weights_are_those_of_the_index() {
        let facets = r#"[{"name": "plot", "kind": "cosine", "weight": 1},
            {"name": "genres", "kind": "jaccard", "columns": ["genres"], "weight": 0.4}]"#;
        let weights = Weights { plot: 1.0, genres: 0.4, people: 0.0, year: 0.0 };
        assert_eq!(read_weights(facets), Some(weights));
        assert_eq!(read_weights("{"), None);
    }

    #[test]
    fn shapes_follow_the_batch_dimension() {
        let tensor = |name: &str, shape: &[i64]| TensorMetadata {
            name: name.to_owned(),
            datatype: "BYTES".to_owned(),
            shape: shape.to_vec(),
        };
        let interface = |shape: &[i64]| {
            Interface::new(ModelMetadata {
                name: "m".to_owned(),
                versions: Vec::new(),
                platform: String::new(),
                inputs: vec![tensor("PLOT", shape)],
                outputs: vec![tensor("id", &[-1, -1])],
            })
        };
        assert_eq!(interface(&[-1, 1]).shape(&[1]), [1, 1]);
        assert_eq!(interface(&[1]).shape(&[1]), [1]);
        assert!(interface(&[1]).takes("PLOT") && !interface(&[1]).takes("K"));
        assert!(interface(&[1]).gives("id"));
    }
}
