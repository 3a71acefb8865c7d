//! Bearer tokens: who may ask for what.
//!
//! A token is 32 random bytes in text, shown once. What is kept is its SHA-256 digest, its name and its scopes, so that
//! a copy of the file opens nothing.

mod file;
mod list;
mod scope;

use std::sync::Arc;

use palisade::{Digest, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

pub use self::file::{TokenFile, TokenFileError};
pub use self::list::TokenList;
pub use self::scope::{Scope, Scopes, UnknownScope};

/// What every token begins with, so that a scanner for leaked secrets recognises one.
const PREFIX: &str = "pal_";

/// Random bytes of a token. As long as its digest, so that guessing either is as hard.
const TOKEN_BYTES: usize = 32;

/// A token as it is handed to whoever will send it. Not kept anywhere.
pub struct Secret(String);

impl Secret {
    /// Makes a token of random bytes.
    #[must_use]
    pub fn of(random: &[u8; TOKEN_BYTES]) -> Self {
        Self(format!("{PREFIX}{}", data_encoding::BASE64URL_NOPAD.encode(random)))
    }

    /// The text that goes after `Bearer`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// What it is called; the audit trail names whoever used it by this.
    pub name: String,
    /// SHA-256 of its text.
    pub digest: Digest,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made; `None` for one that an operator brought along.
    pub created: Option<Timestamp>,
    /// Until when it is accepted; `None` for ever.
    pub expires: Option<Timestamp>,
}

/// Whoever sent a token that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name of the token.
    pub name: Arc<str>,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Which token it was, so that what was begun with it ends with it.
    pub digest: Digest,
}

impl Token {
    /// What is kept of a token whose text is `secret`.
    #[must_use]
    pub fn new(name: &str, secret: &str, scopes: Scopes) -> Self {
        Self {
            name: name.to_owned(),
            digest: Digest::of(secret.as_bytes()),
            scopes,
            created: None,
            expires: None,
        }
    }

    fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now <= expires)
    }
}

/// Whose token it is. How long it takes says nothing of how close a wrong one came.
pub(crate) fn identify(tokens: &[Token], secret: &str, now: Timestamp) -> Option<Identity> {
    let digest = Digest::of(secret.as_bytes());
    let mut found = u64::MAX;
    for (index, token) in (0_u64..).zip(tokens) {
        let is_it: Choice = token.digest.as_bytes().ct_eq(digest.as_bytes());
        found.conditional_assign(&index, is_it);
    }
    let token = tokens.get(usize::try_from(found).ok()?)?;
    token.is_valid_at(now).then(|| Identity {
        name: Arc::from(token.name.as_str()),
        scopes: token.scopes,
        digest: token.digest,
    })
}

/// Whether a token is still accepted that was before.
pub(crate) fn is_current<'a>(tokens: impl IntoIterator<Item = &'a Token>, identity: &Identity, now: Timestamp) -> bool {
    let mut tokens = tokens.into_iter();
    tokens.any(|token| token.digest == identity.digest && token.is_valid_at(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).unwrap()
    }

    #[test]
    fn a_token_is_known_by_its_text_alone() {
        let tokens = [
            Token::new("first", "pal_a", Scopes::ALL),
            Token::new("second", "pal_b", Scopes::NONE),
        ];
        let names = |secret| identify(&tokens, secret, at(0)).map(|identity| identity.name.to_string());
        assert_eq!(names("pal_a").as_deref(), Some("first"));
        assert_eq!(names("pal_b").as_deref(), Some("second"));
        assert_eq!(names("pal_c"), None);
        assert_eq!(names(""), None);
        assert_eq!(names(&tokens[0].digest.to_string()), None);
    }

    #[test]
    fn a_token_is_accepted_through_the_second_it_expires_in() {
        let mut token = Token::new("short", "pal_a", Scopes::ALL);
        token.expires = Some(at(100));
        assert!(identify(std::slice::from_ref(&token), "pal_a", at(100)).is_some());
        assert!(identify(&[token], "pal_a", at(101)).is_none());
    }
}
