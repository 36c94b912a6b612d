//! Makes one version of a model serve: backend or steps, validated configuration, scheduler,
//! statistics. The repository calls it for every version that it loads.

use crate::warm_up::warm_up;
use hippocamp_backend_host::{BackendHost, ModelSpec};
use hippocamp_config::{ModelConfig, finish};
use hippocamp_proto::inference as proto;
use hippocamp_repository::{LoadOrder, ModelLoader, ModelVersion, Retirement};
use hippocamp_scheduler::{BatchScheduler, BatcherOptions, EnsembleScheduler};
use hippocamp_telemetry::{Metrics, ModelSeries, ModelStatistics};
use hippocamp_types::{
    BatchStrategy, Clock, Error, InferRequest, ModelInstance, PendingBatch, Scheduler,
};
use std::{collections::HashMap, fs, path::Path, sync::Arc};

/// What every version of every model is made with.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) host: BackendHost,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `--disable-auto-complete-config` reversed.
    pub(crate) auto_complete: bool,
    /// Requests that may wait for a model that sets no `max_queue_size`.
    pub(crate) default_max_queue_size: usize,
}

impl ModelLoader for Loader {
    fn load(&self, order: LoadOrder<'_>) -> Result<ModelVersion, Error> {
        let started = self.clock.now();
        let is_ensemble = matches!(
            order.config.scheduling_choice,
            Some(proto::model_config::SchedulingChoice::EnsembleScheduling(_))
        );
        let (name, version, directory) = (order.name, order.version, order.directory);
        let loaded = if is_ensemble { self.ensemble(order)? } else { self.model(order)? };
        let (config, statistics, scheduler, retirement) = loaded;
        for warning in &config.warnings {
            tracing::warn!(model = %name, version, "{warning}");
        }
        let labels = labels(&config, directory)?;
        let took = self.clock.now().since(started);
        statistics.set_load_duration(took);
        tracing::info!(model = %name, version, load_ms = took.as_millis(), "model ready");
        Ok(ModelVersion {
            config,
            version,
            directory: directory.to_owned(),
            scheduler,
            statistics,
            labels: Arc::new(labels),
            temporary: None,
            retirement,
        })
    }

    fn ended(&self, model: &str, failed: Option<&Error>) {
        self.metrics.load_ended(model, failed.is_none());
    }
}

type Loaded = (ModelConfig, Arc<ModelStatistics>, Box<dyn Scheduler>, Retirement);

impl Loader {
    fn model(&self, order: LoadOrder<'_>) -> Result<Loaded, Error> {
        let raw = &order.config;
        let statistics = self.statistics(&order, raw);
        let loaded = self.host.load_model(ModelSpec {
            name: order.name.to_owned(),
            version: order.version,
            repository_dir: order.directory.to_owned(),
            config: order.config,
            auto_complete: self.auto_complete,
            statistics: Arc::clone(&statistics),
        })?;
        let completed = finish(loaded.config().clone(), loaded.preferred_instance_groups());
        let config = ModelConfig::new(completed)?;
        let validated = Arc::new(config.clone());
        let strategy = loaded.batch_strategy(&validated)?;
        let mut instances = loaded.instances(&validated)?;
        warm_up(&config, order.directory, &mut instances, &statistics, &*self.clock)
            .map_err(|error| error.context(format_args!("version {}: ", order.version)))?;
        let instances = instances
            .into_iter()
            .map(|instance| -> Box<dyn ModelInstance> {
                Box::new(RetiringInstance { instance, _retirement: order.retirement.clone() })
            })
            .collect();
        let mut options = BatcherOptions::new(&config, self.default_max_queue_size);
        options.queue.strategy = strategy.map(|strategy| -> Arc<dyn BatchStrategy> {
            Arc::new(RetiringStrategy { strategy, _retirement: order.retirement.clone() })
        });
        let scheduler = BatchScheduler::start(
            options,
            instances,
            Arc::clone(&statistics),
            Arc::clone(&self.clock),
        )?;
        Ok((config, statistics, Box::new(scheduler), order.retirement))
    }

    fn ensemble(&self, order: LoadOrder<'_>) -> Result<Loaded, Error> {
        let raw = finish(order.config.clone(), &[]);
        let statistics = self.statistics(&order, &raw);
        let config = ModelConfig::new(raw)?;
        let scheduler = EnsembleScheduler::new(
            &config,
            order.version,
            order.member,
            Arc::clone(&statistics),
            Arc::clone(&self.clock),
        )?;
        Ok((config, statistics, Box::new(scheduler), order.retirement))
    }

    fn statistics(&self, order: &LoadOrder<'_>, raw: &proto::ModelConfig) -> Arc<ModelStatistics> {
        let decoupled = raw.model_transaction_policy.is_some_and(|policy| policy.decoupled);
        let max_batch_size = usize::try_from(raw.max_batch_size).unwrap_or(0);
        let series = ModelSeries {
            name: order.name,
            namespace: order.namespace,
            version: order.version,
            tags: &raw.metric_tags,
        };
        self.metrics.model_statistics(&series, max_batch_size, decoupled)
    }
}

/// An instance that tells the repository when it has ended, on the thread it ended on.
struct RetiringInstance {
    instance: Box<dyn ModelInstance>,
    _retirement: Retirement,
}

impl ModelInstance for RetiringInstance {
    fn name(&self) -> &str {
        self.instance.name()
    }

    fn execute(&mut self, batch: Vec<InferRequest>) {
        self.instance.execute(batch);
    }
}

/// A batching strategy that tells the repository when it has ended.
#[derive(Debug)]
struct RetiringStrategy {
    strategy: Arc<dyn BatchStrategy>,
    _retirement: Retirement,
}

impl BatchStrategy for RetiringStrategy {
    fn begin(&self) -> Box<dyn PendingBatch + '_> {
        self.strategy.begin()
    }
}

/// Labels of the outputs that name a label file: one a line, by class index.
fn labels(config: &ModelConfig, directory: &Path) -> Result<HashMap<String, Vec<String>>, Error> {
    let mut labels = HashMap::new();
    for output in &config.outputs {
        let Some(file) = &output.label_filename else { continue };
        let path = directory.join(file);
        let text = fs::read_to_string(&path).map_err(|error| {
            Error::invalid(format!(
                "output '{}' of model '{}': cannot read its label_filename '{}': {error}",
                output.name,
                config.name,
                path.display()
            ))
        })?;
        labels.insert(output.name.clone(), text.lines().map(str::to_owned).collect());
    }
    Ok(labels)
}
