//! Answers that go on: server-sent events.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// What is sent when nothing happens, so that whoever is between both ends knows that it goes on: a line that says
/// nothing, more often than the shortest time after which proxies give up (30 s).
const SIGN_OF_LIFE: (Duration, &[u8]) = (Duration::from_secs(15), b":\n\n");

/// Where the events of a stream come from.
pub(crate) trait Source: Send + 'static {
    /// The next one as it is sent, from [`event`]; `None` when there are no more. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Option<Vec<u8>>> + Send;
}

/// One event of a stream. `data` is one line.
pub(crate) fn event(id: Option<&str>, kind: &str, data: &str) -> Vec<u8> {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {kind}\ndata: {data}\n\n").into_bytes()
}

/// The answer that sends what `source` has until `ending`, and ends in order.
pub(crate) fn answer(source: impl Source, ending: &CancellationToken) -> Response {
    let body = Stream {
        ending: ending.clone(),
        next: Some(Box::pin(step(source, ending.clone()))),
    };
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, Body::new(body)).into_response()
}

type Step<S> = Pin<Box<dyn Future<Output = Option<(Vec<u8>, S)>> + Send>>;

struct Stream<S> {
    ending: CancellationToken,
    /// `None` once it has ended.
    next: Option<Step<S>>,
}

async fn step<S: Source>(mut source: S, ending: CancellationToken) -> Option<(Vec<u8>, S)> {
    let (patience, sign) = SIGN_OF_LIFE;
    let next = ending.run_until_cancelled(timeout(patience, source.next())).await?;
    let sent = match next {
        Ok(event) => event?,
        Err(_nothing) => sign.to_vec(),
    };
    Some((sent, source))
}

impl<S: Source> HttpBody for Stream<S> {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(next) = &mut self.next else {
            return Poll::Ready(None);
        };
        let Poll::Ready(sent) = next.as_mut().poll(context) else {
            return Poll::Pending;
        };
        let Some((sent, source)) = sent else {
            self.next = None;
            return Poll::Ready(None);
        };
        self.next = Some(Box::pin(step(source, self.ending.clone())));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(sent)))))
    }
}
