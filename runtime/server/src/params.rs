//! What a request says beside its body: [`Params`].

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use palisade::closest;

use crate::rejection::Rejection;
use crate::request_error::RequestError;
use crate::service::Service;

/// The parameters of a request, of its path and its query alike. What a call does not take is refused by name.
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// The plugin that the call is about.
    pub(crate) fn plugin(&mut self) -> Result<String, Rejection> {
        let id = self.text("plugin")?.filter(|id| !id.is_empty());
        id.ok_or_else(|| RequestError::NoPlugin.reject())
    }

    /// A parameter that may be missing.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Rejection> {
        let value = self.take(name);
        match value.is_some() && self.0.iter().any(|(other, _)| other == name) {
            true => Err(RequestError::Twice { name: name.to_owned() }.reject()),
            false => Ok(value),
        }
    }

    /// A parameter that has to be there.
    pub(crate) fn required(&mut self, name: &'static str) -> Result<String, Rejection> {
        let value = self.text(name)?.filter(|value| !value.is_empty());
        value.ok_or_else(|| RequestError::Missing { name }.reject())
    }

    /// Every value of a parameter that may be there several times.
    pub(crate) fn all(&mut self, name: &str) -> Vec<String> {
        std::iter::from_fn(|| self.take(name)).collect()
    }

    /// A yes or no; no when it is missing.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Rejection> {
        let is = self.parsed(name, "true or false")?;
        Ok(is.unwrap_or(false))
    }

    /// A parameter of a type that is read from text.
    pub(crate) fn parsed<T: std::str::FromStr>(
        &mut self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, Rejection> {
        let value = self.text(name)?;
        let parse = |value: String| {
            value
                .parse()
                .map_err(|_| RequestError::Parameter { name, expected }.reject())
        };
        value.map(parse).transpose()
    }

    /// Refuses what is left, of which only those of `names` would have been known. Comes before anything is done.
    pub(crate) fn end(self, names: &[&str]) -> Result<(), Rejection> {
        let Some((name, _)) = self.0.into_iter().next() else {
            return Ok(());
        };
        let suggestion = closest(&name, names.iter().copied()).map(str::to_owned);
        Err(RequestError::UnknownParameter { name, suggestion }.reject())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.remove(index).1)
    }
}

impl FromRequestParts<Service> for Params {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Rejection> {
        let not_text = |_| {
            RequestError::Parameter {
                name: "path",
                expected: "percent-encoded UTF-8",
            }
            .reject()
        };
        let of_path = RawPathParams::from_request_parts(parts, service)
            .await
            .map_err(not_text)?;
        let plugin = |name: &str| if name == "id" { "plugin" } else { name }.to_owned();
        let mut pairs: Vec<_> = of_path
            .iter()
            .map(|(name, value)| (plugin(name), value.to_owned()))
            .collect();
        if parts.uri.query().is_some() {
            let malformed = |_| {
                RequestError::Parameter {
                    name: "query",
                    expected: "percent-encoded UTF-8",
                }
                .reject()
            };
            let of_query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map_err(malformed)?;
            pairs.extend(of_query.0);
        }
        Ok(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[track_caller]
    fn check(result: Result<impl std::fmt::Debug, Rejection>, message: &str) {
        assert_eq!(result.unwrap_err().message(), message);
    }

    #[test]
    fn a_call_about_a_plugin_needs_its_name() {
        check(params(&[]).plugin(), "Plugin name is required");
        check(params(&[("plugin", "")]).plugin(), "Plugin name is required");
        assert_eq!(params(&[("plugin", "a")]).plugin().unwrap(), "a");
    }

    #[test]
    fn what_is_there_twice_is_refused_unless_it_may_be() {
        check(
            params(&[("plugin", "a"), ("plugin", "b")]).plugin(),
            "the parameter `plugin` is there twice",
        );
        assert_eq!(params(&[("grant", "a"), ("grant", "b")]).all("grant"), ["a", "b"]);
    }

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        let left = params(&[("enabel", "true")]).end(&["enable", "grant"]);
        check(left, "there is no parameter `enabel`; did you mean `enable`?");
    }

    #[test]
    fn a_flag_is_true_or_false() {
        check(
            params(&[("force", "yes")]).flag("force"),
            "the parameter `force` is not true or false",
        );
        assert!(params(&[("force", "true")]).flag("force").unwrap());
        assert!(!params(&[]).flag("force").unwrap());
    }
}
