//! Streams of the dashboard, which end with the session they belong to.

use std::time::Duration;

use askama::Template;
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::timeout;

use super::visitor::{Visitor, held};
use crate::service::Service;
use crate::stream::{self, Source};

/// How often it is looked at whether the session goes on: who was locked out sees nothing new after this.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The answer that sends what `source` has, as long as its visitor is logged in and the server goes on.
pub(super) fn answer(service: &Service, visitor: Visitor, headers: &HeaderMap, source: impl Source) -> Response {
    let secret = held(headers).unwrap_or_default().to_owned();
    stream::answer(
        WhileHere {
            visitor,
            secret,
            source,
        },
        service.ending(),
    )
}

/// A part of a page as an event. Its data is one line.
pub(super) fn part(kind: &str, part: &impl Template) -> Option<Vec<u8>> {
    let html = part.render().ok()?.replace(['\n', '\r'], " ");
    Some(stream::event(None, kind, &html))
}

struct WhileHere<S> {
    visitor: Visitor,
    secret: String,
    source: S,
}

impl<S: Source> Source for WhileHere<S> {
    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            let next = timeout(LOOK_EVERY, self.source.next()).await;
            if !self.visitor.is_still_here(&self.secret) {
                return None;
            }
            if let Ok(next) = next {
                return next;
            }
        }
    }
}
