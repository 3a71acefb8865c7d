//! "No", said by a plugin: [`Reject`].

use std::fmt;

use palisade_abi::GuestError;
use serde::Serialize;
use serde_json::{Map, Value};

/// The plugin's own error: the caller sees code, message and details unchanged.
///
/// Text becomes a `Reject` with the code `REJECTED`, so `Err("no such note")?` works; so do the usual errors of `std` and
/// `serde_json`. For an error type of your own write `impl From<MyError> for Reject`.
///
/// # Examples
///
/// ```
/// use palisade_sdk::Reject;
///
/// fn half(text: &str) -> Result<u32, Reject> {
///     let number: u32 = text.trim().parse()?;
///     if number % 2 == 1 {
///         return Err(Reject::new("ODD", format!("{number} is odd")).with_detail("number", number));
///     }
///     Ok(number / 2)
/// }
///
/// assert_eq!(half("7").unwrap_err().code, "ODD");
/// assert_eq!(half("seven").unwrap_err().code, "INVALID_ARGUMENT");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// A stable word for programs, such as `NAME_EMPTY`.
    pub code: String,
    /// One sentence for a person.
    pub message: String,
    /// Facts for programs.
    pub details: Map<String, Value>,
}

impl Reject {
    /// The code of a `Reject` made from mere text.
    pub const REJECTED: &'static str = "REJECTED";

    /// The code for arguments that do not fit.
    pub const INVALID_ARGUMENT: &'static str = "INVALID_ARGUMENT";

    /// Makes one of a code and a message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            details: Map::new(),
        }
    }

    /// The argument does not fit: code `INVALID_ARGUMENT`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Self::INVALID_ARGUMENT, message)
    }

    /// Any error as text, with the code `REJECTED`: `.map_err(Reject::because)?`.
    pub fn because(error: impl fmt::Display) -> Self {
        Self::new(Self::REJECTED, error.to_string())
    }

    /// Adds a fact to the details. A value that is no JSON, such as a map with keys that are not text, is left out.
    #[must_use]
    pub fn with_detail(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.details.insert(name.into(), value);
        }
        self
    }

    /// The bytes of an error reply; the bare message should JSON fail.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let Self { code, message, details } = self;
        let error = GuestError { code, message, details };
        serde_json::to_vec(&error).unwrap_or_else(|_| error.message.into_bytes())
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Reject {}

impl From<&str> for Reject {
    fn from(message: &str) -> Self {
        Self::because(message)
    }
}

impl From<String> for Reject {
    fn from(message: String) -> Self {
        Self::new(Self::REJECTED, message)
    }
}

macro_rules! from_errors {
    ($($code:ident: $($error:ty),*;)*) => {$($(
        impl From<$error> for Reject {
            fn from(error: $error) -> Self {
                Self::new(Self::$code, error.to_string())
            }
        }
    )*)*};
}

from_errors! {
    INVALID_ARGUMENT: serde_json::Error, std::str::Utf8Error, std::string::FromUtf8Error, std::num::ParseIntError,
        std::num::ParseFloatError, std::num::TryFromIntError, std::str::ParseBoolError, std::char::ParseCharError;
    REJECTED: std::io::Error, std::fmt::Error, Box<dyn std::error::Error>, Box<dyn std::error::Error + Send + Sync>;
}
