use super::*;
use crate::{LoadOrder, ModelVersion};
use hippocamp_config::ModelConfig;
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{InferRequest, Rejected, Scheduler};
use std::fs;
use tempfile::TempDir;

/// Loads anything, except models whose version directory holds a file `broken`.
#[derive(Default)]
struct FakeLoader {
    loads: Mutex<Vec<String>>,
    ended: Mutex<Vec<String>>,
}

struct Nothing;

impl Scheduler for Nothing {
    fn enqueue(&self, request: InferRequest) -> Result<(), Rejected> {
        Err(Rejected::new(request, Error::unavailable("this scheduler is a test's")))
    }
}

impl ModelLoader for FakeLoader {
    fn load(&self, order: LoadOrder<'_>) -> Result<ModelVersion, Error> {
        let loaded = format!("{}/{}", order.name, order.version);
        self.loads.lock().unwrap().push(loaded);
        if order.directory.join(order.version.to_string()).join("broken").exists() {
            return Err(Error::invalid("the model is broken"));
        }
        // A file that is written while it is loaded.
        let growing = order.directory.join(order.version.to_string()).join("growing");
        if let Ok(text) = fs::read_to_string(&growing) {
            fs::write(growing, text + ".").unwrap();
        }
        // One that fails at first.
        let shy = order.directory.join(order.version.to_string()).join("shy");
        if fs::remove_file(shy).is_ok() {
            return Err(Error::unavailable("not yet"));
        }
        let mut config = order.config;
        // As a backend completes what its files say.
        if let Ok(space) =
            fs::read_to_string(order.directory.join(format!("{}/space", order.version)))
        {
            config.parameters.entry("space".to_owned()).or_default().string_value = space;
        }
        let config = ModelConfig::new(hippocamp_config::finish(config, &[]))?;
        if let hippocamp_config::Scheduling::Ensemble(ensemble) = &config.scheduling {
            for step in &ensemble.steps {
                let member = (order.member)(&step.model, step.version);
                let member = member.expect("members are loaded first");
                let space = |path| fs::read_to_string(path).ok();
                let wants = space(order.directory.join("1/needs"));
                let has =
                    member.raw.parameters.get("space").map(|space| space.string_value.clone());
                if wants.is_some() && wants != has {
                    return Err(Error::invalid("another space"));
                }
            }
        }
        Ok(ModelVersion {
            statistics: Arc::new(ModelStatistics::new(order.name, order.version, 0, false)),
            config,
            version: order.version,
            directory: order.directory.to_owned(),
            scheduler: Box::new(Nothing),
            labels: Arc::default(),
            temporary: None,
            retirement: order.retirement,
        })
    }

    fn ended(&self, model: &str, failed: Option<&Error>) {
        let ended = format!("{model} {}", if failed.is_some() { "failed" } else { "loaded" });
        self.ended.lock().unwrap().push(ended);
    }
}

struct Fixture {
    root: TempDir,
    loader: Arc<FakeLoader>,
    repository: Repository,
}

impl Fixture {
    /// `m` and `n`, and the ensemble `e` of `m`.
    fn new() -> Self {
        let root = TempDir::new().unwrap();
        let loader = Arc::new(FakeLoader::default());
        let repository = Repository::new(options(&[root.path()]), loader.clone());
        let fixture = Self { root, loader, repository };
        fixture.write("m/config.pbtxt", &model("m", ""));
        fixture.write("m/1/model", "");
        fixture.write("n/config.pbtxt", &model("n", ""));
        fixture.write("n/1/model", "");
        let steps = r#"ensemble_scheduling { step { model_name: "m" model_version: -1
            input_map { key: "X" value: "X" } output_map { key: "Y" value: "Y" } } }"#;
        fixture.write("e/config.pbtxt", &model("e", steps));
        fixture.write("e/1/.keep", "");
        fixture
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, name: &str) -> Result<(), Error> {
        self.repository.load(name, &LoadOverrides::default())
    }

    fn loads(&self) -> Vec<String> {
        std::mem::take(&mut *self.loader.loads.lock().unwrap())
    }

    fn serves(&self, name: &str) -> bool {
        self.repository.snapshot().resolve(name, None).is_ok()
    }

    /// `name state reason` of every line of the index that has a state.
    fn index(&self) -> Vec<String> {
        let entries = self.repository.index(false).unwrap();
        let line = |e: &IndexEntry| {
            Some(format!("{} {} {}", e.name, e.state?, e.reason).trim_end().to_owned())
        };
        entries.iter().filter_map(line).collect()
    }
}

fn options(roots: &[&std::path::Path]) -> RepositoryOptions {
    RepositoryOptions {
        roots: roots.iter().map(|&root| Root::Directory(root.to_owned())).collect(),
        external_links: false,
        namespaces: false,
        config_name: None,
        load_threads: 2,
        load_retries: 0,
        kept_files: 10_000,
    }
}

fn model(name: &str, scheduling: &str) -> String {
    let backend =
        if scheduling.is_empty() { "backend: \"fake\"" } else { "platform: \"ensemble\"" };
    format!(
        r#"name: "{name}" {backend}
        input {{ name: "X" data_type: TYPE_INT32 dims: 1 }}
        output {{ name: "Y" data_type: TYPE_INT32 dims: 1 }}
        {scheduling}"#
    )
}

mod earlier;
mod polling;
mod start_up;
mod together;

#[test]
fn files_that_are_made_are_missed_with_the_way_to_make_them() {
    let fixture = Fixture::new();
    let made = r#"parameters { key: "made_by" value { string_value: "make models" } }"#;
    fixture.write("n/config.pbtxt", &model("n", made));
    fixture.write("n/1/broken", "");
    fixture.write("o/config.pbtxt", &model("o", made));
    let failed = fixture.repository.load_all().unwrap();
    let text = |name: &str| failed[name].message().to_owned();
    assert_eq!(text("n"), "the model is broken (its files are made by: make models)");
    assert!(
        text("o").ends_with("named 1, 2, ...) (its files are made by: make models)"),
        "{}",
        text("o")
    );
    let reasons = fixture.repository.index(false).unwrap();
    assert!(reasons.iter().any(|entry| entry.name == "n" && entry.reason == text("n")));
}

#[test]
fn everything_loads_members_first() {
    let fixture = Fixture::new();
    assert!(fixture.repository.load_all().unwrap().is_empty());
    assert_eq!(fixture.index(), ["e READY", "m READY", "n READY"]);
    assert_eq!(fixture.loads().last().unwrap(), "e/1");
    assert!(fixture.repository.all_ready());
}

#[test]
fn an_ensemble_brings_its_members_and_goes_with_them() {
    let fixture = Fixture::new();
    fixture.load("e").unwrap();
    assert_eq!(fixture.loads(), ["m/1", "e/1"]);
    fixture.repository.unload("m", false);
    assert!(!fixture.serves("m") && !fixture.serves("e"));
    assert_eq!(fixture.index(), ["e UNAVAILABLE unloaded", "m UNAVAILABLE unloaded"]);
    let text = fixture.repository.snapshot().resolve("e", None).unwrap_err().to_string();
    assert_eq!(text, "Request for unknown model: 'e' has no available versions");
    fixture.load("m").unwrap();
    assert!(fixture.serves("e"), "it was never unloaded by name, so it comes back with its member");
}

#[test]
fn dependents_go_only_if_nobody_asked_for_them() {
    let fixture = Fixture::new();
    fixture.load("e").unwrap();
    fixture.repository.unload("e", true);
    assert!(!fixture.serves("m"), "it came with the ensemble");

    fixture.load("m").unwrap();
    fixture.load("e").unwrap();
    fixture.repository.unload("e", true);
    assert!(fixture.serves("m"), "it was asked for by name");

    fixture.load("e").unwrap();
    fixture.repository.unload("e", false);
    assert!(fixture.serves("m"));
}

#[test]
fn what_did_not_change_is_not_loaded_again() {
    let fixture = Fixture::new();
    fixture.load("m").unwrap();
    fixture.loads();
    fixture.load("m").unwrap();
    assert!(fixture.loads().is_empty());
    fixture.write("m/1/model", "changed");
    fixture.load("m").unwrap();
    assert_eq!(fixture.loads(), ["m/1"]);
}

#[test]
fn a_failed_reload_changes_nothing_that_serves() {
    let fixture = Fixture::new();
    fixture.load("m").unwrap();
    fixture.write("m/1/broken", "");
    let error = fixture.load("m").unwrap_err();
    assert_eq!(error.message(), "load failed for model 'm': the model is broken");
    assert!(fixture.serves("m"));
    assert_eq!(fixture.index(), ["m READY the model is broken"]);
    fixture.write("m/config.pbtxt", "nonsense: 1");
    assert!(fixture.load("m").is_err() && fixture.serves("m"));
}

#[test]
fn a_model_that_fails_is_told_with_the_ensembles_it_fails() {
    let fixture = Fixture::new();
    fixture.write("m/1/broken", "");
    let failed = fixture.repository.load_all().unwrap();
    assert_eq!(failed.keys().collect::<Vec<_>>(), ["e", "m"]);
    assert!(failed["e"].message().contains("depends on 'm'"), "{}", failed["e"]);
    assert!(fixture.serves("n") && !fixture.repository.all_ready());
    assert_eq!(fixture.index()[1], "m UNAVAILABLE the model is broken");
}

#[test]
fn unknown_models_and_members() {
    let fixture = Fixture::new();
    let error = fixture.load("nope").unwrap_err();
    assert_eq!(error.message(), "failed to load 'nope', failed to poll from model repository");
    fixture.repository.unload("nope", false);

    fs::remove_dir_all(fixture.root.path().join("m")).unwrap();
    for _again in 0..2 {
        let error = fixture.load("e").unwrap_err();
        assert!(error.message().contains("contains models that are not available: m"), "{error}");
    }
}

#[test]
fn overrides_replace_the_configuration_and_the_files() {
    let fixture = Fixture::new();
    let config = r#"{"backend": "fake", "max_batch_size": 4,
        "input": [{"name": "X", "data_type": "TYPE_INT32", "dims": [1]}],
        "output": [{"name": "Y", "data_type": "TYPE_INT32", "dims": [1]}]}"#;
    let with = LoadOverrides {
        config: Some(config.to_owned()),
        files: vec![("file:7/model".to_owned(), bytes::Bytes::from_static(b"x"))],
    };
    fixture.repository.load("m", &with).unwrap();
    let loaded = fixture.repository.snapshot().resolve("m", None).unwrap().clone();
    assert_eq!((loaded.version, loaded.config.max_batch_size), (7, 4));
    assert_eq!(fs::read(loaded.directory.join("7/model")).unwrap(), b"x");
    let directory = loaded.directory.clone();
    drop(loaded);
    fixture.load("m").unwrap();
    assert_eq!(fixture.repository.snapshot().resolve("m", None).unwrap().version, 1);
    assert!(directory.exists(), "the files live as long as they can be gone back to");
    fixture.repository.unload("m", false);
    assert!(!directory.exists());
}

#[test]
fn no_version_is_an_error_that_says_what_is_expected() {
    let fixture = Fixture::new();
    fs::remove_dir_all(fixture.root.path().join("m/1")).unwrap();
    fs::create_dir(fixture.root.path().join("m/01")).unwrap();
    let error = fixture.load("m").unwrap_err();
    assert!(error.message().contains("at least one version must be available"), "{error}");
}

#[test]
fn stopping_waits_for_what_is_still_held() {
    let fixture = Fixture::new();
    fixture.repository.load_all().unwrap();
    let held = fixture.repository.snapshot().resolve("m", None).unwrap().clone();
    fixture.repository.unload_all();
    assert!(!fixture.repository.wait_retired(Duration::ZERO));
    assert!(fixture.index().contains(&"m UNLOADING".to_owned()));
    drop(held);
    assert!(fixture.repository.wait_retired(Duration::ZERO));
}

#[test]
fn an_ensemble_is_loaded_anew_with_its_members_or_not_at_all() {
    let fixture = Fixture::new();
    fixture.write("m/1/space", "one");
    fixture.write("e/1/needs", "one");
    fixture.load("e").unwrap();
    let versions = || {
        let snapshot = fixture.repository.snapshot();
        snapshot.resolve("m", None).unwrap().version
    };
    // The member alone would leave the ensemble behind.
    fixture.write("m/2/space", "two");
    let error = fixture.load("m").unwrap_err();
    assert!(error.message().contains("ensemble 'e', which is made of it, would not"), "{error}");
    assert_eq!(versions(), 1);
    // The ensemble brings it along.
    fixture.replace("e/1/needs", "two");
    fixture.load("e").unwrap();
    assert_eq!(versions(), 2);
    assert_eq!(fixture.roll_back("m"), ["e", "m"]);
}
