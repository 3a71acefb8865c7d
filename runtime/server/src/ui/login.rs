//! Logging in with a token, and out.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::form::Form;
use super::notice::Notice;
use super::session::SESSION_SECONDS;
use super::shell::{Section, Shell, shown, shown_as};
use super::visitor::{COOKIE_NAME, Place, Sent, held, session_of};
use crate::denied::Denied;
use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;
use crate::token::Scope;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    shell: Shell,
    /// Where to go afterwards, as the link said it.
    next: String,
    notice: Option<Notice>,
}

/// The form, or the overview for whoever is logged in already.
pub(super) async fn form(State(service): State<Service>, request: Request) -> Result<Response, Rejection> {
    let (parts, _) = request.into_parts();
    let place = Place::of(&parts);
    if session_of(&service, &parts.headers).is_some() {
        return Ok(place.go_to(""));
    }
    let query = Form::of_query(parts.uri.query());
    shown(&LoginPage {
        shell: Shell::of(&place, None, Section::Elsewhere, "Log in".to_owned()),
        next: query.text("next").unwrap_or_default().to_owned(),
        notice: None,
    })
}

/// Begins a session for whoever has a token.
pub(super) async fn log_in(State(service): State<Service>, request: Request) -> Result<Response, Rejection> {
    let (parts, body) = request.into_parts();
    let place = Place::of(&parts);
    let form = Form::read(body).await?;
    let next = form.text("next").unwrap_or_default().to_owned();
    let Some(identity) = service.identify(form.text("token").unwrap_or_default().trim()) else {
        service.refused().note(service.now());
        let refused = Rejection::from(Denied::BadToken { scope: Scope::Read });
        let message = "It is not known, has expired, or was revoked.";
        let mut notice = Notice::done("The token is not accepted", message);
        notice.tone = "bad";
        let page = LoginPage {
            shell: Shell::of(&place, None, Section::Elsewhere, "Log in".to_owned()),
            next,
            notice: Some(notice),
        };
        return shown_as(refused.status(), &page);
    };
    // A session that the browser held before is not needed any more.
    if let Some(secret) = held(&parts.headers) {
        service.dashboard().sessions.end(secret);
    }
    let begun = service.dashboard().sessions.begin(identity, service.now());
    let secret = begun.map_err(|_| RequestError::Panicked.reject())?;
    let cookie = cookie(&place, &secret, SESSION_SECONDS, &parts.headers);
    let location = HeaderValue::try_from(after(&place, &next)).unwrap_or(HeaderValue::from_static("/"));
    Ok((StatusCode::SEE_OTHER, [(LOCATION, location), (SET_COOKIE, cookie)]).into_response())
}

/// Ends the session.
pub(super) async fn log_out(State(service): State<Service>, headers: HeaderMap, sent: Sent) -> Response {
    if let Some(secret) = held(&headers) {
        service.dashboard().sessions.end(secret);
    }
    let mut response = sent.visitor.place.go_to("/login");
    let gone = cookie(&sent.visitor.place, "", 0, &headers);
    response.headers_mut().insert(SET_COOKIE, gone);
    response
}

/// Where to go after logging in: a page of the dashboard, whatever the link said.
fn after(place: &Place, next: &str) -> String {
    let decoded = data_encoding::BASE64URL_NOPAD.decode(next.as_bytes()).ok();
    let path = decoded
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    let rest = path.strip_prefix(place.at.as_str());
    match rest.is_some_and(|rest| rest.starts_with('/') && !rest.contains("//") && !rest.contains('\\')) {
        true => path,
        false => place.at.clone(),
    }
}

/// What the browser holds from now on. It is sent over TLS alone if that is how it came.
fn cookie(place: &Place, secret: &str, seconds: i64, headers: &HeaderMap) -> HeaderValue {
    let is_tls = headers
        .get(ORIGIN)
        .is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if is_tls { "; Secure" } else { "" };
    let path = &place.at;
    let text = format!("{COOKIE_NAME}={secret}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(COOKIE_NAME))
}
