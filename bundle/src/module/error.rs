//! Why a module is refused before it is compiled.

use serde_json::{Map, Value, json};

use super::{Foreign, ModuleLimit};
use crate::text::printable;
use crate::{Blame, Code, Coded};

/// Why bytes are no module a plugin may have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// They are something else.
    #[error("not a core WASM module: this is {0}")]
    Foreign(Foreign),
    /// They are a module that passes a limit.
    #[error("the module has {actual} {}, {maximum} are allowed{}", limit.counted(), in_function(*function))]
    Limit {
        /// Which limit.
        limit: ModuleLimit,
        /// How much the module has, at least.
        actual: u64,
        /// How much it may have.
        maximum: u64,
        /// The function the limit is about, counted like functions of the module, imports first.
        function: Option<u32>,
    },
    /// They use a WASM feature that is off for plugins.
    #[error("the module uses {feature}, which is off for plugins, at byte {offset}: {reason}")]
    Feature {
        /// The proposal, such as `threads`.
        feature: String,
        /// Where in the file.
        offset: u64,
        /// What the validator says.
        reason: String,
    },
    /// They break the rules of WASM.
    #[error("the module is malformed at byte {offset}: {reason}")]
    Malformed {
        /// Where in the file.
        offset: u64,
        /// What the validator says.
        reason: String,
    },
}

impl ModuleError {
    pub(super) fn limit(limit: ModuleLimit, actual: u64) -> Self {
        Self::Limit {
            limit,
            actual,
            maximum: limit.maximum(),
            function: None,
        }
    }

    pub(super) fn in_body(limit: ModuleLimit, actual: u64, function: u32) -> Self {
        Self::Limit {
            limit,
            actual,
            maximum: limit.maximum(),
            function: Some(function),
        }
    }
}

impl From<wasmparser::Error> for ModuleError {
    fn from(error: wasmparser::Error) -> Self {
        let offset = u64::try_from(error.offset()).unwrap_or(u64::MAX);
        let reason = printable(error.message());
        match error.missing_wasm_feature() {
            Some(features) => {
                let names = features
                    .iter_names()
                    .map(|(name, _)| name.to_ascii_lowercase().replace('_', "-"));
                Self::Feature {
                    feature: names.collect::<Vec<_>>().join(", "),
                    offset,
                    reason,
                }
            }
            None => Self::Malformed { offset, reason },
        }
    }
}

impl Coded for ModuleError {
    fn code(&self) -> Code {
        match self {
            Self::Foreign(_) | Self::Limit { .. } | Self::Feature { .. } | Self::Malformed { .. } => {
                Code::CorruptedData
            }
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Foreign(_) | Self::Limit { .. } | Self::Feature { .. } | Self::Malformed { .. } => Blame::Bundle,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Foreign(foreign) => json!({ "reason": "not_a_module", "found": foreign.to_string() }),
            Self::Limit {
                limit,
                actual,
                maximum,
                function,
            } => {
                json!({
                    "reason": "limit",
                    "limit": limit.as_str(),
                    "actual": actual,
                    "maximum": maximum,
                    "function": function
                })
            }
            Self::Feature { feature, offset, .. } => {
                json!({ "reason": "feature", "feature": feature, "offset": offset })
            }
            Self::Malformed { offset, reason } => json!({ "reason": reason, "offset": offset }),
        };
        match details {
            Value::Object(details) => details.into_iter().filter(|(_, value)| !value.is_null()).collect(),
            _ => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        let help = match self {
            Self::Foreign(foreign) => foreign.help(),
            Self::Limit { limit, .. } => Some(limit.help()),
            Self::Feature { .. } => Some("build for the target wasm32-wasip1 with its default features"),
            Self::Malformed { .. } => Some("build the module again; the file is damaged, or its compiler has a bug"),
        };
        help.map(str::to_owned).into_iter().collect()
    }
}

fn in_function(function: Option<u32>) -> String {
    function.map(|index| format!(" (function {index})")).unwrap_or_default()
}
