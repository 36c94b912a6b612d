//! Warm-up: what `model_warmup` asks for is run on every instance before its version serves, so that no
//! client pays for first times. A sample whose expected answer stands beside it is an acceptance check:
//! a version that answers otherwise is not taken into service. The loader calls [`warm_up`].

mod expected;
mod sample;

use expected::Expected;
use hippocamp_config::ModelConfig;
use hippocamp_telemetry::ModelStatistics;
use hippocamp_types::{
    Clock, Error, InferRequest, InferResponse, ModelInstance, Reply, Responder, ResponseSink,
};
use sample::Sample;
use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

/// Directory of a model that holds the files of its samples; Triton's name for it.
const DIRECTORY: &str = "warmup";

/// An execution that takes longer than this hangs.
const LONGEST: Duration = Duration::from_secs(600);

/// Runs every sample of the configuration on every instance, and compares what comes with what is
/// expected. Counts into no statistics.
///
/// # Errors
/// If a sample is wrong, fails, or is answered otherwise than expected; in Triton's words where it has some.
pub(crate) fn warm_up(
    config: &ModelConfig,
    directory: &Path,
    instances: &mut [Box<dyn ModelInstance>],
    statistics: &ModelStatistics,
    clock: &dyn Clock,
) -> Result<(), Error> {
    let directory = directory.join(DIRECTORY);
    let mut samples = Vec::new();
    for setting in &config.raw.model_warmup {
        if setting.batch_size == 0 {
            tracing::debug!(model = %config.name, sample = setting.name, "skipped: its batch_size is 0");
            continue;
        }
        let sample = Sample::new(config, setting, &directory)?;
        let expected = Expected::find(config, setting, &directory)?;
        samples.push((sample, expected));
    }
    expected::all_have_samples(config, &directory)?;
    if samples.is_empty() {
        return Ok(());
    }
    let quiet = statistics.quiet();
    for instance in instances {
        for (sample, expected) in &samples {
            let failed = |error: Error| {
                let text = format!("failed to run warmup sample '{}': ", sample.name);
                error.context(text)
            };
            for _ in 0..sample.count {
                let responses = run(&mut **instance, sample, clock).map_err(failed)?;
                if let Some(expected) = expected {
                    responses.iter().try_for_each(|response| expected.check(response.as_ref()))?;
                }
            }
        }
    }
    drop(quiet);
    let accepted = samples.iter().filter(|(_, expected)| expected.is_some()).count();
    tracing::debug!(model = %config.name, samples = samples.len(), accepted, "warmed up");
    Ok(())
}

/// Executes the sample once; the first response to each of its requests, if there is one.
fn run(
    instance: &mut dyn ModelInstance,
    sample: &Sample,
    clock: &dyn Clock,
) -> Result<Vec<Option<InferResponse>>, Error> {
    let answers: Vec<Arc<Answer>> = (0..sample.batch_size).map(|_| Arc::default()).collect();
    let now = clock.now();
    let batch = answers.iter().map(|answer| {
        let mut request = InferRequest::new(now, Responder::new(Sink(Arc::clone(answer))));
        request.inputs.clone_from(&sample.inputs);
        request
    });
    instance.execute(batch.collect());
    answers.iter().map(|answer| answer.wait()).collect()
}

/// What came for one request.
#[derive(Default)]
struct Answer {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    first: Option<Result<InferResponse, Error>>,
    ended: bool,
}

impl Answer {
    fn wait(&self) -> Result<Option<InferResponse>, Error> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _timed_out) = self
            .ended
            .wait_timeout_while(state, LONGEST, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if !state.ended {
            let text = format!("no answer within {} seconds", LONGEST.as_secs());
            return Err(Error::internal(text));
        }
        // A decoupled model may end without a response.
        state.first.take().transpose()
    }
}

struct Sink(Arc<Answer>);

impl ResponseSink for Sink {
    fn accept(&self, reply: Reply) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = matches!(reply.response, Some(Err(_)));
        if state.first.is_none() || failed {
            state.first = reply.response.or(state.first.take());
        }
        state.ended |= reply.last;
        drop(state);
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests;
