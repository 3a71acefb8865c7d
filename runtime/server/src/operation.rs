//! Which call of the API a response belongs to.

use axum::http::Uri;

/// One call of the API, as an extension of its responses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// Its name, the same as in the OpenAPI document.
    pub(crate) name: &'static str,
    /// Whether it is one of the six whose clients are older than this API.
    pub(crate) is_classic: bool,
    /// Whether the second part of the path is the id of a plugin.
    pub(crate) has_id: bool,
}

impl Operation {
    /// What is not a call of the API.
    pub(crate) const NONE: Self = Self {
        name: "request",
        is_classic: false,
        has_id: false,
    };

    /// The plugin that a request of this kind names.
    pub(crate) fn plugin_of(self, uri: &Uri) -> Option<String> {
        if self.has_id {
            return uri.path().split('/').nth(2).map(str::to_owned);
        }
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?.0;
        let of_query = pairs.into_iter().find(|(name, _)| name == "plugin").map(|(_, id)| id);
        of_query.filter(|id| !id.is_empty())
    }
}
