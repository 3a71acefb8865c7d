//! What a client sends, within its time, and what it is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Phase};

/// The body of a request did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the body did not come within {} s", time.as_secs())]
pub struct BodyTooSlow {
    /// The time it had.
    pub time: Duration,
}

impl BodyTooSlow {
    /// Whether it is the cause of an error, such as the rejection of an extractor.
    #[must_use]
    pub fn is_why(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|cause| cause.is::<Self>())
    }
}

/// The body of a request, with a time for all of it.
pub(super) struct Timed {
    body: Incoming,
    deadline: Instant,
    time: Duration,
    /// Made when there is something to wait for, which for most bodies there is not.
    timer: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
}

impl Timed {
    pub(super) fn new(body: Incoming, time: Duration, activity: Arc<Activity>) -> Self {
        Self {
            body,
            deadline: Instant::now() + time,
            time,
            timer: None,
            activity,
        }
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let deadline = this.deadline;
        let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer
            .as_mut()
            .poll(context)
            .map(|()| Some(Err(BodyTooSlow { time: this.time }.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.activity.leaves_unread();
        }
    }
}

/// The body of an answer. While it is there, the request is not over.
pub(super) struct Answering {
    pub(super) body: axum::body::Body,
    pub(super) _request: Request,
}

impl Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request on a connection, from its head to the end of its answer.
pub(super) struct Request(Arc<Activity>);

impl Request {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.enter(Phase::Request, Instant::now());
        Self(Arc::clone(activity))
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle, Instant::now());
    }
}
