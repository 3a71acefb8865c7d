//! The management API of Palisade over HTTP.

pub mod listen;
mod token;

pub use token::{Identity, Scope, Scopes, Secret, Token, TokenFile, TokenFileError, UnknownScope};
