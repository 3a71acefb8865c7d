//! The dashboard: pages for operators, made on the server. Each button is the call of the supervisor that the API makes,
//! on behalf of the token that its user logged in with.
//!
//! `visitor` is the only way to the plugins and lets no form in that is not of its session; `shell` is what is around a
//! page, `notice` how a failure is shown in it.

mod assets;
mod audit;
mod chain;
mod difference;
mod events;
mod form;
mod install;
mod login;
mod notice;
mod overview;
mod plugin;
mod plugins;
mod schema;
mod session;
mod shell;
mod stream;
mod trust;
mod upload;
mod visitor;
mod words;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use self::chain::ChainCheck;
use self::session::Sessions;
use crate::request_error::RequestError;
use crate::service::Service;

/// What the dashboard remembers between two requests.
#[derive(Default)]
pub(crate) struct Dashboard {
    sessions: Sessions,
    chain: ChainCheck,
}

/// The pages of the dashboard.
pub(crate) fn routes(service: &Service) -> Router<Service> {
    let about_all = Router::new()
        .route("/ui", get(overview::page))
        .route("/ui/", get(overview::page))
        .route("/ui/login", get(login::form).post(login::log_in))
        .route("/ui/logout", post(login::log_out))
        .route("/ui/assets/{*path}", get(assets::asset))
        .route("/ui/plugins", get(plugins::page))
        .route("/ui/install", get(install::page).post(install::install))
        .route("/ui/install/check", post(install::check))
        .route("/ui/events", get(events::page))
        .route("/ui/events/live", get(events::live))
        .route("/ui/audit", get(audit::page))
        .route("/ui/trust", get(trust::page))
        .route("/ui/{*path}", get(nothing_here));
    about_all
        .merge(plugin::routes())
        .layer(from_fn_with_state(service.clone(), notice::dress))
}

async fn nothing_here() -> Response {
    RequestError::NoRoute.reject().into_response()
}
