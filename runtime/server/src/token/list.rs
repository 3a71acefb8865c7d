//! Tokens that are not in a file: [`TokenList`].

use std::sync::{Arc, PoisonError, RwLock};

use super::Token;

/// Tokens that can be exchanged while a server accepts them. Cheap to clone; the clones are one list.
#[derive(Clone, Debug, Default)]
pub struct TokenList(Arc<RwLock<Arc<[Token]>>>);

impl TokenList {
    /// The tokens as they are now.
    #[must_use]
    pub fn tokens(&self) -> Arc<[Token]> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Accepts `tokens` from now on, and no others of this list.
    pub fn replace(&self, tokens: Vec<Token>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tokens.into();
    }
}

impl From<Vec<Token>> for TokenList {
    fn from(tokens: Vec<Token>) -> Self {
        Self(Arc::new(RwLock::new(tokens.into())))
    }
}
