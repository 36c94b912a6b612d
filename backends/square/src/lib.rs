//! The square backend: a request with `IN` = n (INT32 `[1]`) gets n responses whose `OUT` (INT32
//! `[1]`) is n. It serves tests of decoupled models.
//!
//! Parameters of the configuration, numbers all, make it slow or wrong on purpose:
//! `CUSTOM_INFER_DELAY_NS` and `CUSTOM_OUTPUT_DELAY_NS` before each response, `CUSTOM_CANCEL_DELAY_NS`
//! before a cancelled request ends; of the responses the last `CUSTOM_EMPTY_COUNT` are not sent, and
//! `CUSTOM_FAIL_COUNT` before these are errors.
#![forbid(unsafe_code)]

mod config;

use config::{Outcome, Settings, check, complete, settings};
use hippocamp_backend::{
    Backend, BackendContext, Batch, DataType, Error, ErrorCode, Instance, InstanceContext, Model,
    ModelContext, Request, ResponseStream, ResponseStreams, as_bytes,
};

/// Requests that one instance answers at a time.
const MOST_REQUESTS: usize = 256;

/// The backend; it has no state.
#[derive(Debug)]
pub struct Square;

/// A model: what its parameters say.
#[derive(Debug)]
pub struct SquareModel(Settings);

/// An instance: the requests that it answers.
#[derive(Debug)]
pub struct SquareInstance {
    settings: Settings,
    streams: ResponseStreams,
}

impl Backend for Square {
    type Model = SquareModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<SquareModel, Error> {
        let name = context.name().to_owned();
        let settings = settings(&name, |key| context.parameter(key).map(str::to_owned))?;
        if context.auto_complete()
            && let Some(completed) = complete(context.config())
        {
            context.set_config(&completed)?;
        }
        check(&name, context.config())?;
        Ok(SquareModel(settings))
    }
}

impl Model for SquareModel {
    type Instance = SquareInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<SquareInstance, Error> {
        let streams = ResponseStreams::new(MOST_REQUESTS);
        Ok(SquareInstance { settings: self.0, streams })
    }
}

impl Instance for SquareInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.compute_started();
        for request in batch.requests() {
            if let Err(error) = self.begin(request) {
                request.fail(&error);
            }
        }
        Ok(())
    }
}

impl SquareInstance {
    fn begin(&mut self, request: &Request) -> Result<(), Error> {
        let input = request.input("IN")?;
        let &[value] = &*input.values::<i32>()? else {
            return Err(Error::invalid(format!(
                "unexpected shape {:?} for IN input: expected one element",
                input.shape()
            )));
        };
        let count = u32::try_from(value).map_err(|_negative| {
            Error::invalid(format!("IN is {value}: expected a number of responses, 0 or more"))
        })?;
        // With a batch dimension as without one.
        let shape = vec![1; input.shape().len()];
        let settings = self.settings;
        self.streams.answer(request, move |stream| {
            (0..count).try_for_each(|index| send(stream, &settings, value, &shape, index, count))
        })
    }
}

/// Sends response `index` of `count`.
fn send(
    stream: &ResponseStream,
    settings: &Settings,
    value: i32,
    shape: &[i64],
    index: u32,
    count: u32,
) -> Result<(), Error> {
    stream.pause(settings.infer_delay).inspect_err(|_gone| settings.clean_up())?;
    let outcome = settings.outcome(index, count);
    if outcome == Outcome::Nothing {
        return Ok(());
    }
    let mut response = stream.response()?;
    response.output("OUT", DataType::Int32, shape, as_bytes(&[value]))?;
    stream.pause(settings.output_delay).inspect_err(|_gone| settings.clean_up())?;
    if outcome == Outcome::Failure {
        return response.fail_more(&Error::new(ErrorCode::Unknown, "simulated failure"));
    }
    response.send_more()
}
