//! The management API of Palisade over HTTP: a thin layer in which each call is one method of a
//! [`Supervisor`](palisade::Supervisor).
//!
//! [`router`] makes an [`axum::Router`] that an application can mount; `palisade serve` runs it by itself. Nobody gets in
//! without a [`Token`]; what each call needs, takes and answers is in the OpenAPI document, [`openapi`].

mod api;
mod body;
mod caller;
mod denied;
mod door;
mod duration;
mod endpoint;
mod idempotency;
pub mod listen;
mod metrics;
mod openapi;
mod operation;
mod params;
mod problem;
mod refused;
mod rejection;
mod request_error;
mod routes;
mod service;
mod stream;
mod token;
mod ui;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tower_http::catch_panic::CatchPanicLayer;

use crate::request_error::RequestError;
use crate::service::Service;

pub use crate::service::ServiceSettings;
pub use crate::token::{Identity, Scope, Scopes, Secret, Token, TokenFile, TokenFileError, TokenList, UnknownScope};

/// The API as a router, for a supervisor or for [settings](ServiceSettings) that say more.
///
/// # Examples
///
/// ```no_run
/// # fn of(supervisor: palisade::Supervisor) -> axum::Router {
/// use palisade_server::{Scopes, ServiceSettings, Token};
///
/// let settings = ServiceSettings::new(supervisor)
///     .tokens([Token::new("deployer", "the text of the token", Scopes::ALL)])
///     .hosts(["plugins.example".to_owned()]);
/// axum::Router::new().nest("/admin", palisade_server::router(settings))
/// # }
/// ```
pub fn router(settings: impl Into<ServiceSettings>) -> Router {
    let service = Service::new(settings.into());
    routes::api()
        .into_router()
        .merge(ui::routes(&service))
        .fallback(async || RequestError::NoRoute.reject())
        .layer(CatchPanicLayer::custom(died))
        .layer(from_fn_with_state(service.clone(), door::door))
        .with_state(service)
}

/// The OpenAPI 3.1 document of the API.
#[must_use]
pub fn openapi() -> Value {
    openapi::document(routes::api().endpoints())
}

/// The answer to a request whose handler panicked. What it said is in the log of the process.
fn died(_panic: Box<dyn std::any::Any + Send>) -> Response {
    RequestError::Panicked.reject().into_response()
}
