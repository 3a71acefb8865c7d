//! Another version of a plugin: looked at first, with what it asks for beyond the one that serves.

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, RawQuery};
use axum::http::HeaderMap;
use axum::response::Response;
use palisade::{Approval, Digest, Downgrade, UpgradeOptions, UpgradePreview};

use crate::caller::scope::Install;
use crate::rejection::Rejection;
use crate::ui::form::Form;
use crate::ui::shell::shown;
use crate::ui::upload;
use crate::ui::visitor::Visitor;
use crate::ui::words;

#[derive(Template)]
#[template(path = "upgrade_review.html")]
struct Review {
    at: String,
    preview: UpgradePreview,
    file: String,
}

impl Review {
    /// What is asked of a limit, in its unit.
    fn amount(name: &str, amount: u64) -> String {
        match name {
            "fuel" => words::count(amount),
            name if name.contains("time") => format!("{} ms", words::count(amount)),
            _ => words::bytes(amount),
        }
    }

    fn raised(&self) -> Vec<(&'static str, String, String)> {
        let raised = self.preview.difference.raised.iter();
        let row = |limit: &palisade::manifest::RaisedLimit| {
            let from = limit
                .from
                .map_or_else(|| "the default".to_owned(), |from| Self::amount(limit.name, from));
            (limit.name, from, Self::amount(limit.name, limit.to))
        };
        raised.map(row).collect()
    }

    fn is_the_same(&self) -> bool {
        let difference = &self.preview.difference;
        difference.asks_for_nothing_new() && difference.removed.is_empty()
    }
}

/// Checks everything and changes nothing.
pub(super) async fn check(
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let installer = visitor.caller::<Install>()?;
    let bundle = upload::received(&headers, sent).await?;
    let file = Digest::of(&bundle).to_string();
    let preview = installer
        .supervisor()
        .preview_upgrade(&id, bundle, Downgrade::Refuse)
        .await?;
    shown(&Review {
        at: visitor.place.at.clone(),
        preview,
        file,
    })
}

/// Upgrades to the bundle that was looked at; whoever sends it has seen what it asks for.
pub(super) async fn upgrade(
    visitor: Visitor,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    sent: Body,
) -> Result<Response, Rejection> {
    let installer = visitor.caller::<Install>()?;
    let choices = Form::of_query(query.as_deref());
    let bundle = upload::received_again(&headers, sent, choices.text("digest").unwrap_or_default()).await?;
    let options = UpgradeOptions {
        approval: if choices.filled("approve").is_some() {
            Approval::Given
        } else {
            Approval::Ask
        },
        downgrade: Downgrade::Refuse,
    };
    installer.supervisor().upgrade(&id, bundle, options).await?;
    Ok(visitor.place.go_to(&format!("/plugins/{id}?done=upgrade")))
}
