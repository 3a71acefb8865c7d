//! What is around every page, and how a page becomes an answer.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};

use super::session::Session;
use super::visitor::Place;
use crate::rejection::Rejection;
use crate::request_error::RequestError;

/// The parts of the dashboard, in the order of its navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Plugins,
    Install,
    Events,
    Audit,
    Trust,
    /// A page that is in no part of it.
    Elsewhere,
}

impl Section {
    const ALL: [Self; 6] = [
        Self::Overview,
        Self::Plugins,
        Self::Install,
        Self::Events,
        Self::Audit,
        Self::Trust,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Plugins => "Plugins",
            Self::Install => "Install",
            Self::Events => "Events",
            Self::Audit => "Audit",
            Self::Trust => "Trust",
            Self::Elsewhere => "",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview | Self::Elsewhere => "",
            Self::Plugins => "/plugins",
            Self::Install => "/install",
            Self::Events => "/events",
            Self::Audit => "/audit",
            Self::Trust => "/trust",
        }
    }

    fn icon(self) -> &'static str {
        match self {
            Self::Overview | Self::Elsewhere => "overview",
            Self::Plugins => "plugins",
            Self::Install => "install",
            Self::Events => "events",
            Self::Audit => "audit",
            Self::Trust => "trust",
        }
    }
}

/// What is around a page: title, navigation, who is logged in.
pub(super) struct Shell {
    /// The path of the dashboard.
    pub(super) at: String,
    pub(super) title: String,
    pub(super) section: Section,
    pub(super) who: Option<Who>,
}

/// Who is logged in, as the page shows it.
pub(super) struct Who {
    pub(super) name: String,
    pub(super) scopes: String,
    pub(super) form_token: String,
}

/// One entry of the navigation.
pub(super) struct Link {
    pub(super) path: &'static str,
    pub(super) label: &'static str,
    pub(super) icon: &'static str,
    pub(super) is_here: bool,
}

impl Shell {
    pub(super) fn of(place: &Place, session: Option<&Session>, section: Section, title: String) -> Self {
        let who = session.map(|session| Who {
            name: session.identity.name.to_string(),
            scopes: session
                .identity
                .scopes
                .iter()
                .map(|scope| scope.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            form_token: session.form_token.clone(),
        });
        Self {
            at: place.at.clone(),
            title,
            section,
            who,
        }
    }

    /// What every form of the page carries.
    pub(super) fn form_token(&self) -> &str {
        self.who.as_ref().map_or("", |who| &who.form_token)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = Link> {
        Section::ALL.into_iter().map(|section| Link {
            path: section.path(),
            label: section.label(),
            icon: section.icon(),
            is_here: section == self.section,
        })
    }
}

/// A page, or part of one, as an answer.
pub(super) fn shown(page: &impl Template) -> Result<Response, Rejection> {
    shown_as(StatusCode::OK, page)
}

/// A page that says that something did not go well.
pub(super) fn shown_as(status: StatusCode, page: &impl Template) -> Result<Response, Rejection> {
    let html = page.render().map_err(|_| RequestError::Panicked.reject())?;
    Ok((status, Html(html)).into_response())
}
