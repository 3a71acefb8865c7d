//! What a token may be used for.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// One row a scope: variant, word, what it opens.
macro_rules! scopes {
    ($($variant:ident $word:literal $meaning:literal;)*) => {
        /// One thing a token may be used for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Scope {
            $(#[doc = $meaning] $variant,)*
        }

        impl Scope {
            /// Every scope, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word itself, such as `plugin:read`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What it opens, one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

scopes! {
    Read "plugin:read" "Look at plugins, their configuration, logs and events.";
    Install "plugin:install" "Install and upgrade plugins.";
    Manage "plugin:manage" "Start, stop, configure, grant, roll back and remove plugins.";
    Execute "plugin:execute" "Run commands of plugins.";
    Audit "audit:read" "Read the audit trail.";
    Metrics "metrics:read" "Read the metrics.";
}

impl Scope {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(word: &str) -> Result<Self, UnknownScope> {
        let found = Self::ALL.iter().find(|scope| scope.as_str() == word);
        found.copied().ok_or_else(|| UnknownScope {
            word: word.to_owned(),
            suggestion: palisade::closest(word, Self::ALL.iter().map(|scope| scope.as_str())).map(str::to_owned),
        })
    }
}

/// A scope that there is not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no scope `{word}`{}", did_you_mean(suggestion.as_deref()))]
pub struct UnknownScope {
    /// What was asked for.
    pub word: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion
        .map(|word| format!("; did you mean `{word}`?"))
        .unwrap_or_default()
}

/// Several scopes. Written as a list of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// Everything.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);

    /// Whether `scope` is among them.
    #[must_use]
    pub fn hold(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// They, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.hold(*scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(Scope::as_str))
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        words
            .iter()
            .map(|word| word.parse())
            .collect::<Result<_, _>>()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scope_opens_itself_and_no_other() {
        for scope in Scope::ALL {
            let scopes = Scopes::from_iter([*scope]);
            assert_eq!(scopes.iter().collect::<Vec<_>>(), [*scope]);
            assert!(Scopes::ALL.hold(*scope) && !Scopes::NONE.hold(*scope));
        }
    }

    #[test]
    fn an_unknown_scope_gets_a_suggestion() {
        let error = "plugin:reed".parse::<Scope>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no scope `plugin:reed`; did you mean `plugin:read`?"
        );
    }
}
