//! Why a request is not answered with what it asked for: [`Rejection`].

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use palisade::{Blame, Code, Coded};

/// An error on its way out. The door writes it as a problem document.
#[derive(Clone, Debug)]
pub(crate) struct Rejection {
    error: Arc<dyn Coded + Send + Sync>,
    status: StatusCode,
}

impl<E: Coded + Send + Sync + 'static> From<E> for Rejection {
    fn from(error: E) -> Self {
        let status = match StatusCode::from_u16(error.code().http_status()) {
            // A plugin's own error is no success where nothing else can be answered.
            Ok(status) if status.is_success() => StatusCode::UNPROCESSABLE_ENTITY,
            status => status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        };
        Self {
            status,
            error: Arc::new(error),
        }
    }
}

impl Rejection {
    /// `error` under another status than its code has, where HTTP has one for the case.
    pub(crate) fn with_status(error: impl Coded + Send + Sync + 'static, status: StatusCode) -> Self {
        Self { status, ..error.into() }
    }

    pub(crate) fn error(&self) -> &(dyn Coded + Send + Sync) {
        &*self.error
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// What may be told to whoever asked. What went wrong in the host holds paths, and is for its log.
    pub(crate) fn message(&self) -> String {
        match self.is_of_the_host() {
            true => self.error.code().meaning().to_owned(),
            false => with_causes(&*self.error),
        }
    }

    pub(crate) fn is_of_the_host(&self) -> bool {
        self.error.blame() == Blame::Host
    }

    /// The error and its causes, for the log.
    pub(crate) fn full(&self) -> String {
        with_causes(&*self.error)
    }

    pub(crate) fn code(&self) -> Code {
        self.error.code()
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The error and its causes, joined as one sentence.
fn with_causes(error: &(dyn Coded + Send + Sync)) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(message, ": {cause}");
        source = <dyn Error>::source(cause);
    }
    message
}
