//! What a backend reports of one response, as it fills it in.

use crate::{
    handles::{Object, tag},
    instance::ServingModel,
    response::RequestContext,
};
use hippocamp_backend_abi::TRITONBACKEND_ModelInstanceResponseStatistics;
use hippocamp_telemetry::ResponseTimes;
use hippocamp_types::Error;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// `TRITONBACKEND_ModelInstanceResponseStatistics`.
#[derive(Debug, Default)]
pub(crate) struct ResponseStatisticsObject {
    draft: Mutex<Draft>,
}

/// What was set so far.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// Whose statistics.
    pub(crate) serving: Option<Arc<ServingModel>>,
    /// Whose response; not kept alive for its statistics.
    pub(crate) context: Weak<RequestContext>,
    pub(crate) times: ResponseTimes,
}

impl Object for ResponseStatisticsObject {
    type Opaque = TRITONBACKEND_ModelInstanceResponseStatistics;
    const TAG: u64 = tag(b"hc rstat");
    const NAME: &'static str = "response_statistics";
}

impl ResponseStatisticsObject {
    pub(crate) fn edit(&self, change: impl FnOnce(&mut Draft)) {
        change(&mut self.draft.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts the response under its place among those of its request.
    pub(crate) fn report(&self) -> Result<(), Error> {
        let draft = self.draft.lock().unwrap_or_else(PoisonError::into_inner);
        let serving = draft.serving.as_ref().ok_or_else(|| {
            Error::invalid("the statistics of a response have no model instance: set one first")
        })?;
        let context = draft.context.upgrade().ok_or_else(|| {
            Error::invalid("the statistics of a response have no response factory, or it is gone")
        })?;
        serving.statistics.record_response(context.next_place(), &draft.times)
    }
}
