//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::Service as _;
use tracing::debug;

use super::ListenSettings;
use super::activity::Activity;
use super::body::{Answering, Request, Timed};
use super::crowd::Place;
use super::watched::Watched;

pub(super) struct Connection {
    pub(super) place: Place,
    pub(super) client: SocketAddr,
    pub(super) router: Router,
    pub(super) settings: ListenSettings,
}

impl Connection {
    /// Answers requests until the client leaves, is too slow, or is asked to leave.
    pub(super) async fn serve(self, stream: TcpStream) {
        let Self {
            place,
            client,
            router,
            settings,
        } = self;
        let activity = &place.activity;
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let begun = Request::begin(activity);
            let mut request = request.map(|body| Body::new(Timed::new(body, settings.body_time, Arc::clone(activity))));
            request.extensions_mut().insert(ConnectInfo(client));
            // Ready at any time, as every router is.
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await?;
                Ok::<_, Infallible>(answer.map(|body| Answering { body, _request: begun }))
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                // Here, because its time would run between two requests as well.
                .header_read_timeout(None)
                .max_header_size(settings.header_bytes)
                .serve_connection(Watched::new(stream, Arc::clone(activity)), service)
        );
        let mut leave = pin!(activity.leave.cancelled());
        let mut clock = pin!(Clock::new(activity, &settings));
        let mut stays = true;
        poll_fn(|context| {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                told(ended);
                return Poll::Ready(());
            }
            if stays && leave.as_mut().poll(context).is_ready() {
                stays = false;
                connection.as_mut().graceful_shutdown();
                // What it had sent by now was looked at above.
                if activity.waiting_since().is_some() {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
            }
            clock.as_mut().poll_over(context)
        })
        .await;
    }
}

/// What a client does wrong is its own business.
fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        debug!(%error, "a connection ended early");
    }
}

/// Ends a connection whose time is up.
struct Clock<'a> {
    activity: &'a Activity,
    settings: &'a ListenSettings,
    timer: Pin<Box<Sleep>>,
}

impl<'a> Clock<'a> {
    fn new(activity: &'a Activity, settings: &'a ListenSettings) -> Self {
        let first = activity.deadline(settings).unwrap_or_else(Instant::now);
        Self {
            activity,
            settings,
            timer: Box::pin(sleep_until(first)),
        }
    }

    /// Looks at the deadline as it is now, after whatever has happened on the connection.
    fn poll_over(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        while let Some(deadline) = self.activity.deadline(self.settings) {
            // A later one is looked at when the timer rings: most of them are moved before.
            if deadline < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(deadline);
            }
            std::task::ready!(self.timer.as_mut().poll(context));
            if self
                .activity
                .deadline(self.settings)
                .is_some_and(|deadline| deadline <= Instant::now())
            {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
