//! What is said about something that was done, or could not be: [`Notice`].

use askama::Template;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::shell::{Section, Shell, shown_as};
use super::visitor::{Place, session_of};
use crate::rejection::Rejection;
use crate::service::Service;

/// A message in a page.
#[derive(Template)]
#[template(path = "notice.html")]
pub(super) struct Notice {
    /// `ok` or `bad`.
    pub(super) tone: &'static str,
    pub(super) title: String,
    pub(super) message: String,
    /// The stable word of an error.
    pub(super) code: Option<&'static str>,
    /// What could be done about it.
    pub(super) help: Vec<String>,
    /// What is known of it, by name.
    pub(super) facts: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    notice: Notice,
}

impl Notice {
    pub(super) fn done(title: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            tone: "ok",
            title: title.into(),
            message: message.into(),
            code: None,
            help: Vec::new(),
            facts: Vec::new(),
        }
    }

    pub(super) fn of(rejection: &Rejection) -> Self {
        let details = rejection.error().details();
        let is_told = |name: &str| !matches!(name, "pointer" | "expected" | "errors" | "backtrace");
        let facts = details.iter().filter(|(name, _)| is_told(name));
        Self {
            tone: "bad",
            title: rejection.code().meaning().to_owned(),
            message: rejection.message(),
            code: Some(rejection.code().as_str()),
            help: rejection.error().help(),
            facts: facts
                .filter_map(|(name, value)| Some((name.replace('_', " "), text_of(value)?)))
                .collect(),
        }
    }
}

/// A fact in words; `None` for one that says nothing.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => Some(values.iter().filter_map(text_of).collect::<Vec<_>>().join(", ")),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => Some(value.to_string()),
    }
    .filter(|text| !text.is_empty())
}

/// The middleware around the dashboard: a rejection becomes a message in the page, or a page with it.
pub(super) async fn dress(State(service): State<Service>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (place, session) = (Place::of(&parts), session_of(&service, &parts.headers));
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(rejection) = response.extensions_mut().remove::<Rejection>() {
        if rejection.is_of_the_host() {
            tracing::error!(error = rejection.full(), "a call of the dashboard failed");
        }
        let (status, notice) = (rejection.status(), Notice::of(&rejection));
        let shown = match place.is_fragment {
            true => shown_as(status, &notice),
            false => {
                let title = notice.title.clone();
                let shell = Shell::of(&place, session.as_ref(), Section::Elsewhere, title);
                shown_as(status, &ProblemPage { shell, notice })
            }
        };
        response = shown.unwrap_or_else(IntoResponse::into_response);
    }
    let headers = response.headers_mut();
    // With "no-referrer", browsers hide the origin of a form from the very server whose form it is.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
