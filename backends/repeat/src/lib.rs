//! The repeat backend: each element of an input is a response of its own, after a delay of its own. It
//! serves tests of decoupled models, and as an example of one.
//!
//! Inputs are `IN` (INT32, any number), `DELAY` (UINT32, as many; milliseconds before each response)
//! and `WAIT` (UINT32, one; milliseconds that the instance is held). Outputs of each response are
//! `OUT` (INT32 `[1]`, the element) and `IDX` (UINT32 `[1]`, its place). Responses go on after the
//! instance has taken its next request. A cancelled request is not answered any further.
#![forbid(unsafe_code)]

mod config;

use config::{check, complete};
use hippocamp_backend::{
    Backend, BackendContext, Batch, DataType, Error, Instance, InstanceContext, Model,
    ModelContext, Request, ResponseStream, ResponseStreams, as_bytes,
};
use std::{thread, time::Duration};

/// Requests that one instance answers at a time.
const MOST_REQUESTS: usize = 256;

/// The backend; it has no state.
#[derive(Debug)]
pub struct Repeat;

/// A model; it has no state.
#[derive(Debug)]
pub struct RepeatModel;

/// An instance: the requests that it answers.
#[derive(Debug)]
pub struct RepeatInstance(ResponseStreams);

impl Backend for Repeat {
    type Model = RepeatModel;

    fn initialize(_: &BackendContext<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    fn load(&self, context: &mut ModelContext<'_>) -> Result<RepeatModel, Error> {
        if context.auto_complete()
            && let Some(completed) = complete(context.config())
        {
            context.set_config(&completed)?;
        }
        check(context.name(), context.config())?;
        Ok(RepeatModel)
    }
}

impl Model for RepeatModel {
    type Instance = RepeatInstance;

    fn instance(&self, _: &InstanceContext<'_>) -> Result<RepeatInstance, Error> {
        Ok(RepeatInstance(ResponseStreams::new(MOST_REQUESTS)))
    }
}

impl Instance for RepeatInstance {
    fn execute(&mut self, batch: &Batch) -> Result<(), Error> {
        batch.compute_started();
        let mut wait = Duration::ZERO;
        for request in batch.requests() {
            match self.begin(request) {
                Ok(longest) => wait = wait.max(longest),
                Err(error) => request.fail(&error),
            }
        }
        // As long as the client says, even where all is answered before.
        thread::sleep(wait);
        Ok(())
    }
}

impl RepeatInstance {
    /// Begins to answer a request; gives the time that the instance is to be held.
    fn begin(&mut self, request: &Request) -> Result<Duration, Error> {
        let (values, delays, wait) =
            (request.input("IN")?, request.input("DELAY")?, request.input("WAIT")?);
        let &[wait] = &*wait.values::<u32>()? else {
            return Err(Error::invalid(format!(
                "expected WAIT shape to be [1], got {:?}",
                wait.shape()
            )));
        };
        if values.shape() != delays.shape() {
            return Err(Error::invalid(format!(
                "expected IN and DELAY shape to match, got {:?} and {:?}",
                values.shape(),
                delays.shape()
            )));
        }
        // The tensors are the request's, which is gone before its last response.
        let (values, delays) =
            (values.values::<i32>()?.into_owned(), delays.values::<u32>()?.into_owned());
        let wanted: Vec<bool> = ["OUT", "IDX"].map(|name| request.wants(name)).into();
        self.0.answer(request, move |stream| repeat(stream, &values, &delays, &wanted))?;
        Ok(Duration::from_millis(wait.into()))
    }
}

/// Sends a response for each value, after its delay. `wanted`: OUT, IDX.
fn repeat(
    stream: &ResponseStream,
    values: &[i32],
    delays: &[u32],
    wanted: &[bool],
) -> Result<(), Error> {
    for ((value, delay), index) in values.iter().zip(delays).zip(0_u32..) {
        stream.pause(Duration::from_millis((*delay).into()))?;
        let mut response = stream.response()?;
        if wanted[0] {
            response.output("OUT", DataType::Int32, &[1], as_bytes(&[*value]))?;
        }
        if wanted[1] {
            response.output("IDX", DataType::Uint32, &[1], as_bytes(&[index]))?;
        }
        response.send_more()?;
    }
    Ok(())
}
