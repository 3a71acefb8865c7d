//! Who sent a request of the dashboard: [`Visitor`].

use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::http::header::{COOKIE, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::form::Form;
use super::session::Session;
use super::shell::{Section, Shell};
use crate::caller::{Caller, scope};
use crate::denied::Denied;
use crate::rejection::Rejection;
use crate::service::Service;
use crate::token::Scope;

/// The cookie that holds a session.
pub(super) const COOKIE_NAME: &str = "palisade_session";

/// What scripts send instead of the field `csrf` of a form.
const FORM_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// Sent by htmx and by the scripts of the dashboard, which put the answer into the page they are on.
const FROM_SCRIPT: HeaderName = HeaderName::from_static("hx-request");

/// Where htmx is to go instead.
const GO_TO: HeaderName = HeaderName::from_static("hx-redirect");

/// Somebody who is logged in. Of a request that changes something, only when it carries the token of the session's forms.
pub(super) struct Visitor {
    service: Service,
    session: Session,
    pub(super) place: Place,
}

/// Where the dashboard is mounted, and what kind of answer is wanted.
#[derive(Clone)]
pub(super) struct Place {
    /// The path of the dashboard, such as `/ui`.
    pub(super) at: String,
    /// Whether a script puts the answer into the page it is on.
    pub(super) is_fragment: bool,
    /// What was asked for, with its query.
    asked: String,
}

/// A form that somebody sent who is logged in, and whose page it is from.
pub(super) struct Sent {
    pub(super) visitor: Visitor,
    pub(super) form: Form,
}

impl Place {
    pub(super) fn of(parts: &Parts) -> Self {
        let original = parts
            .extensions
            .get::<OriginalUri>()
            .map_or(&parts.uri, |original| &original.0);
        let mount = original.path().strip_suffix(parts.uri.path()).unwrap_or_default();
        Self {
            at: format!("{mount}/ui"),
            is_fragment: parts.headers.contains_key(FROM_SCRIPT),
            asked: original.path_and_query().map_or_else(String::new, ToString::to_string),
        }
    }

    /// Sends the browser somewhere in the dashboard.
    pub(super) fn go_to(&self, path: &str) -> Response {
        let path = format!("{}{path}", self.at);
        let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
        match self.is_fragment {
            true => (StatusCode::OK, [(GO_TO, location)]).into_response(),
            false => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        }
    }

    fn go_to_login(&self, method: &Method) -> Response {
        let next = if method == Method::GET && !self.is_fragment {
            data_encoding::BASE64URL_NOPAD.encode(self.asked.as_bytes())
        } else {
            String::new()
        };
        self.go_to(&format!("/login?next={next}"))
    }
}

/// Where everybody is sent who is not logged in.
fn to_login(parts: &Parts) -> Response {
    Place::of(parts).go_to_login(&parts.method)
}

/// What the browser holds.
pub(super) fn held(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE_NAME).map(|(_, secret)| secret)
}

/// The session of a request, as long as its token is accepted.
pub(super) fn session_of(service: &Service, headers: &HeaderMap) -> Option<Session> {
    let session = service.dashboard().sessions.find(held(headers)?, service.now())?;
    service.is_current(&session.identity).then_some(session)
}

impl Visitor {
    fn of(service: &Service, parts: &Parts) -> Option<Self> {
        Some(Self {
            service: service.clone(),
            session: session_of(service, &parts.headers)?,
            place: Place::of(parts),
        })
    }

    /// The plugins, on behalf of whoever is logged in, if their token holds the scope.
    ///
    /// # Errors
    ///
    /// [`Denied::Scope`].
    pub(super) fn caller<S: scope::Needed>(&self) -> Result<Caller<S>, Rejection> {
        Caller::of(&self.service, &self.session.identity)
    }

    pub(super) fn may(&self, scope: Scope) -> bool {
        self.session.identity.scopes.hold(scope)
    }

    /// Why a button cannot be used; `None` when it can.
    pub(super) fn lacks(&self, scope: Scope) -> Option<String> {
        (!self.may(scope)).then(|| format!("your token lacks the scope {scope}"))
    }

    pub(super) fn shell(&self, section: Section, title: impl Into<String>) -> Shell {
        Shell::of(&self.place, Some(&self.session), section, title.into())
    }

    /// Whether the session is still going on; a stream ends with it.
    pub(super) fn is_still_here(&self, secret: &str) -> bool {
        let kept = self.service.dashboard().sessions.find(secret, self.service.now());
        kept.is_some_and(|session| self.service.is_current(&session.identity))
    }
}

impl FromRequestParts<Service> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Response> {
        let visitor = Self::of(service, parts).ok_or_else(|| to_login(parts))?;
        if parts.method == Method::GET || parts.method == Method::HEAD {
            return Ok(visitor);
        }
        let sent = parts.headers.get(FORM_TOKEN).and_then(|token| token.to_str().ok());
        match sent.is_some_and(|token| visitor.session.sent(token)) {
            true => Ok(visitor),
            false => Err(Rejection::from(Denied::Csrf).into_response()),
        }
    }
}

impl FromRequest<Service> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, service: &Service) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visitor = Visitor::of(service, &parts).ok_or_else(|| to_login(&parts))?;
        let form = Form::read(body).await.map_err(IntoResponse::into_response)?;
        match form.text("csrf").is_some_and(|token| visitor.session.sent(token)) {
            true => Ok(Self { visitor, form }),
            false => Err(Rejection::from(Denied::Csrf).into_response()),
        }
    }
}
