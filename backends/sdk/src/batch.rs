//! A batch in execution: its requests, its times, and the figures reported from them.

use crate::{
    Error, Gathered, OutputTensor, Request,
    abi::{self, TRITONBACKEND_ModelInstance},
    gather::{concatenate, split},
    raw::check,
    request::Answer,
};
use hippocamp_types::{Clock, MonotonicClock};
use std::cell::Cell;

/// The requests of one execution.
#[derive(Debug)]
pub struct Batch {
    instance: *mut TRITONBACKEND_ModelInstance,
    /// The model has a batch dimension.
    batched: bool,
    requests: Vec<Request>,
    /// Nanoseconds of the steady clock.
    exec_start: u64,
    compute_start: Cell<Option<u64>>,
    compute_end: Cell<Option<u64>>,
}

impl Batch {
    /// A batch that `instance` begins to execute now.
    pub(crate) fn new(
        instance: *mut TRITONBACKEND_ModelInstance,
        batched: bool,
        requests: Vec<Request>,
        exec_start: u64,
    ) -> Self {
        Self {
            instance,
            batched,
            requests,
            exec_start,
            compute_start: Cell::new(None),
            compute_end: Cell::new(None),
        }
    }

    /// The requests; at least one.
    pub fn requests(&self) -> &[Request] {
        &self.requests
    }

    /// Rows of all requests together.
    pub fn rows(&self) -> usize {
        self.requests.iter().map(Request::rows).sum()
    }

    /// Marks the end of preparing inputs: computing begins. Without a mark it begins with the execution.
    pub fn compute_started(&self) {
        self.compute_start.set(Some(now()));
    }

    /// Marks the end of computing: outputs are written from here. Without a mark it is the end of
    /// the execution, or the moment [`Self::scatter`] is called.
    pub fn compute_ended(&self) {
        self.compute_end.set(Some(now()));
    }

    /// The input named `name` of all requests, concatenated along the batch dimension; borrowed
    /// where one request is the batch.
    ///
    /// # Errors
    /// If a request lacks the input, or rows differ in shape between requests.
    pub fn gather(&self, name: &str) -> Result<Gathered<'_>, Error> {
        if !self.batched && self.requests.len() > 1 {
            return Err(Error::internal(
                "several requests cannot be one tensor: the model has no batch dimension",
            ));
        }
        concatenate(
            self.requests.iter().map(|request| request.input(name)).collect::<Result<_, _>>()?,
        )
    }

    /// Answers every request with its rows of `outputs`; outputs that a request does not want are left out.
    ///
    /// # Errors
    /// If an output does not have the batch's rows; then nothing is sent.
    pub fn scatter(&self, outputs: &[OutputTensor<'_>]) -> Result<(), Error> {
        if self.compute_end.get().is_none() {
            self.compute_ended();
        }
        if let [request] = self.requests.as_slice() {
            answer(
                request,
                outputs.iter().map(|output| (output, output.shape.to_vec(), output.data)),
            );
            return Ok(());
        }
        if !self.batched {
            return Err(Error::internal(
                "one tensor cannot answer several requests: the model has no batch dimension",
            ));
        }
        let rows: Vec<usize> = self.requests.iter().map(Request::rows).collect();
        let parts =
            outputs.iter().map(|output| split(output, &rows)).collect::<Result<Vec<_>, _>>()?;
        for (index, request) in self.requests.iter().enumerate() {
            answer(
                request,
                outputs.iter().zip(&parts).map(|(output, parts)| {
                    let mut shape = output.shape.to_vec();
                    shape[0] = i64::try_from(request.rows()).expect("rows were counted in an i64");
                    (output, shape, parts[index])
                }),
            );
        }
        Ok(())
    }

    /// Ends the execution: answers what is unanswered, reports the statistics, and gives the
    /// requests back.
    pub(crate) fn end(self, result: Result<(), Error>) {
        let missing = result
            .err()
            .unwrap_or_else(|| Error::internal("the backend did not answer the request"));
        for request in &self.requests {
            if request.answer() == Answer::Due {
                request.fail(&missing);
            }
        }
        let end = now();
        let start = self.compute_start.get().unwrap_or(self.exec_start).clamp(self.exec_start, end);
        let compute_end = self.compute_end.get().unwrap_or(end).clamp(start, end);
        let rows = self.rows();
        let mut any = false;
        for request in self.requests {
            let success = request.answer() != Answer::Failure;
            any |= success;
            // SAFETY: the instance is live during its execution, and the request is not released yet.
            let reported = unsafe {
                abi::TRITONBACKEND_ModelInstanceReportStatistics(
                    self.instance,
                    request.handle(),
                    success,
                    self.exec_start,
                    start,
                    compute_end,
                    end,
                )
            };
            log_failure(check(reported));
            request.release();
        }
        // As Triton's own backends: an execution that failed for everyone is no execution.
        if any {
            // SAFETY: the instance is live during its execution.
            let reported = unsafe {
                abi::TRITONBACKEND_ModelInstanceReportBatchStatistics(
                    self.instance,
                    rows as u64,
                    self.exec_start,
                    start,
                    compute_end,
                    end,
                )
            };
            log_failure(check(reported));
        }
    }
}

/// Nanoseconds of the steady clock, which the server takes its times from, too.
pub(crate) fn now() -> u64 {
    MonotonicClock.now().as_nanos()
}

/// Answers one request with those `outputs` that it wants, or with the error that this meets.
fn answer<'a>(
    request: &Request,
    outputs: impl Iterator<Item = (&'a OutputTensor<'a>, Vec<i64>, &'a [u8])>,
) {
    let send = || {
        let wanted = request.outputs()?;
        let mut response = request.response()?;
        for (output, shape, data) in outputs {
            if wanted.contains(&output.name) {
                response.output(output.name, output.datatype, &shape, data)?;
            }
        }
        response.send()
    };
    if let Err(error) = send() {
        request.fail(&error);
    }
}

fn log_failure(reported: Result<(), Error>) {
    if let Err(error) = reported {
        crate::error!("failed to report statistics: {error}");
    }
}
