//! `preserve_ordering`: responses leave in the order in which their requests were queued, whichever
//! instance is done first.

use hippocamp_types::{InferRequest, Reply, Responder, ResponseSink};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The requests whose responses have not all left, in order. Holds no more replies than there are
/// requests queued or executing.
#[derive(Debug, Default)]
pub(crate) struct ResponseOrder {
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    places: VecDeque<Place>,
    /// Requests that have left the line: the ticket of the first that is in it.
    left: u64,
    /// A thread is sending; it sends what others add meanwhile.
    sending: bool,
}

#[derive(Debug)]
struct Place {
    responder: Responder,
    replies: VecDeque<Reply>,
}

/// The responder of one request in line.
struct Turn {
    order: Arc<ResponseOrder>,
    ticket: u64,
    /// The request's own.
    responder: Responder,
}

impl ResponseOrder {
    /// Puts a request that was just queued at the end of the line.
    pub(crate) fn join(self: &Arc<Self>, request: &mut InferRequest) {
        let responder = request.responder.clone();
        let mut line = self.lock();
        let ticket = line.left + line.places.len() as u64;
        line.places.push_back(Place { responder: responder.clone(), replies: VecDeque::new() });
        drop(line);
        request.responder = Responder::new(Turn { order: Arc::clone(self), ticket, responder });
    }

    /// Adds a reply and sends what may leave. One thread sends at a time, outside of the lock: a
    /// reply may lead to a new request for the same model.
    fn accept(&self, ticket: u64, reply: Reply) {
        let mut line = self.lock();
        let place = ticket.checked_sub(line.left).and_then(|index| usize::try_from(index).ok());
        let Some(place) = place.and_then(|index| line.places.get_mut(index)) else { return };
        place.replies.push_back(reply);
        if line.sending {
            return;
        }
        line.sending = true;
        let sending = Sending(self);
        while let Some((responder, reply)) = line.next() {
            drop(line);
            send(&responder, reply);
            line = self.lock();
        }
        // Under the same lock as the look that found nothing.
        line.sending = false;
        drop(line);
        std::mem::forget(sending);
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// The next reply of the first request in line.
    fn next(&mut self) -> Option<(Responder, Reply)> {
        let first = self.places.front_mut()?;
        let reply = first.replies.pop_front()?;
        let responder = first.responder.clone();
        if reply.last {
            self.places.pop_front();
            self.left += 1;
        }
        Some((responder, reply))
    }
}

/// Lets another thread send if the one that does panics in a sink.
struct Sending<'a>(&'a ResponseOrder);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.lock().sending = false;
    }
}

impl ResponseSink for Turn {
    fn accept(&self, reply: Reply) {
        self.order.accept(self.ticket, reply);
    }

    fn is_cancelled(&self) -> bool {
        self.responder.is_cancelled()
    }
}

fn send(responder: &Responder, reply: Reply) {
    let sent = match reply.response {
        Some(response) => responder.send(response, reply.last),
        None if reply.last => responder.finish(),
        None => Ok(()),
    };
    if sent.is_err() {
        tracing::debug!("a request was answered out of turn");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Replies, request, response};
    use hippocamp_types::Error;

    #[test]
    fn responses_leave_in_the_order_of_their_requests() {
        let order = Arc::new(ResponseOrder::default());
        let replies = Replies::default();
        let mut requests: Vec<_> = ["a", "b", "c"]
            .map(|id| {
                let mut request = request(id, &replies);
                order.join(&mut request);
                request
            })
            .into();
        requests[2].responder.send(Ok(response("c")), true).unwrap();
        assert_eq!(replies.log(), [""; 0]);
        requests[0].responder.send(Ok(response("a1")), false).unwrap();
        assert_eq!(replies.log(), ["a: a1"], "the first in line need not wait");
        requests[1].responder.fail(Error::internal("no"));
        assert_eq!(replies.log(), ["a: a1"]);
        requests[0].responder.finish().unwrap();
        let all = ["a: a1", "a: end", "b: Internal no end", "c: c end"];
        assert_eq!(replies.log(), all);
        requests.clear();
        assert_eq!(replies.log(), all, "nothing is answered twice");
        assert_eq!(order.lock().places.len(), 0);
    }

    #[test]
    fn a_request_that_is_dropped_does_not_hold_up_the_others() {
        let order = Arc::new(ResponseOrder::default());
        let replies = Replies::default();
        let [mut first, mut second] = ["a", "b"].map(|id| request(id, &replies));
        order.join(&mut first);
        order.join(&mut second);
        second.responder.send(Ok(response("b")), true).unwrap();
        drop(first);
        let log = replies.log();
        assert_eq!(log[0], "a: Internal the request was dropped without an answer end");
        assert_eq!(log[1], "b: b end");
    }
}
