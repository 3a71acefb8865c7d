//! Installing a plugin: a bundle is looked at first, with what it asks for.

use askama::Template;
use axum::body::Body;
use axum::extract::RawQuery;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use palisade::InstallOptions;

use super::form::Form;
use super::shell::{Section, Shell, shown, shown_as};
use super::upload::{self, Reviewed};
use super::visitor::Visitor;
use crate::caller::scope::{Install, Read};
use crate::rejection::Rejection;
use crate::token::Scope;

#[derive(Template)]
#[template(path = "install.html")]
struct InstallPage {
    shell: Shell,
    lacks: Option<String>,
}

#[derive(Template)]
#[template(path = "install_review.html")]
struct Review {
    at: String,
    bundle: Reviewed,
    lacks: Option<String>,
}

pub(super) async fn page(visitor: Visitor) -> Result<Response, Rejection> {
    shown(&InstallPage {
        lacks: visitor.lacks(Scope::Install),
        shell: visitor.shell(Section::Install, "Install a plugin"),
    })
}

/// What this host thinks of a bundle; nothing is kept.
pub(super) async fn check(visitor: Visitor, headers: HeaderMap, sent: Body) -> Result<Response, Rejection> {
    let reader = visitor.caller::<Read>()?;
    let bundle = upload::received(&headers, sent).await?;
    match upload::reviewed(reader.supervisor(), bundle).await {
        Ok(bundle) => shown(&Review {
            at: visitor.place.at.clone(),
            lacks: visitor.lacks(Scope::Install),
            bundle,
        }),
        Err(refused) => shown_as(StatusCode::UNPROCESSABLE_ENTITY, &refused),
    }
}

/// Installs the bundle that was looked at, with what was granted there.
pub(super) async fn install(
    visitor: Visitor,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let installer = visitor.caller::<Install>()?;
    let choices = Form::of_query(query.as_deref());
    let bundle = upload::received_again(&headers, sent, choices.text("digest").unwrap_or_default()).await?;
    let options = InstallOptions {
        grants: choices.all("grant").map(str::to_owned).collect(),
        config: None,
    };
    let status = installer.supervisor().install(bundle, options).await?;
    if choices.filled("enable").is_some() {
        installer.supervisor().enable(&status.id).await?;
    }
    Ok(visitor.place.go_to(&format!("/plugins/{}?done=install", status.id)))
}
