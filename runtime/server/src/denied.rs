//! Why a request got no further than the door.

use palisade::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::token::Scope;

/// A request that was not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Denied {
    /// It came without a token.
    #[error("a token is needed")]
    NoToken { scope: Scope },
    /// Its token is not known, or not any more.
    #[error("the token is not accepted")]
    BadToken { scope: Scope },
    /// Its token may not be used for this.
    #[error("the token lacks the scope `{scope}`")]
    Scope { scope: Scope },
    /// It called this server by a name that is not its own.
    #[error("this server does not answer to the name in `Host`")]
    Host,
    /// A page of somebody else sent it.
    #[error("requests of other origins are refused")]
    Origin,
    /// A form of the dashboard came without the token of its session.
    #[error("the form is not of this session; load the page again")]
    Csrf,
}

impl Coded for Denied {
    fn code(&self) -> Code {
        match self {
            Self::NoToken { .. } | Self::BadToken { .. } => Code::Unauthorized,
            Self::Scope { .. } | Self::Host | Self::Origin | Self::Csrf => Code::Forbidden,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::NoToken { .. }
            | Self::BadToken { .. }
            | Self::Scope { .. }
            | Self::Host
            | Self::Origin
            | Self::Csrf => Blame::Policy,
        }
    }

    fn details(&self) -> Map<String, Value> {
        match self {
            Self::NoToken { scope } | Self::BadToken { scope } | Self::Scope { scope } => {
                Map::from_iter([("scope".to_owned(), json!(scope.as_str()))])
            }
            Self::Host | Self::Origin | Self::Csrf => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        let create = |scope: &Scope| format!("palisade token create NAME --scope {scope}");
        match self {
            Self::NoToken { scope } | Self::Scope { scope } => vec![create(scope)],
            Self::Host => vec!["name the host with `palisade serve --host NAME`".to_owned()],
            Self::BadToken { .. } | Self::Origin | Self::Csrf => Vec::new(),
        }
    }
}
