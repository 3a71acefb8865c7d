//! How values look in `plugin.json`: texts with a rule of their own, and the JSON Schema of foreign types.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serializer;

use crate::format_duration;

/// Declares a text with a rule: the type, how it is read, printed and described in the JSON Schema.
macro_rules! textual {
    (
        $(#[$doc:meta])* $name:ident,
        expected: $expected:literal,
        pattern: $pattern:expr,
        accepts: $accepts:path,
        suggest: $suggest:path
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub(super) fn read(
                at: &$crate::manifest::read::At<'_>,
                problems: &mut $crate::manifest::read::Problems<'_>,
            ) -> Option<Self> {
                $crate::manifest::values::text(at, problems, $expected, |text| {
                    if $accepts(text) {
                        Ok(Self(text.to_owned()))
                    } else {
                        Err($suggest(text).filter(|meant: &String| $accepts(meant)))
                    }
                })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "description": concat!("Expected: ", $expected, ".")
                })
            }
        }
    };
}
pub(super) use textual;

pub(super) fn serialize_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_duration(*duration))
}

pub(super) fn serialize_optional_duration<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serialize_duration(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// Declares the JSON Schema of a type that is not ours.
macro_rules! described {
    ($name:ident, $schema:tt) => {
        pub(super) struct $name;

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

described!(DurationText, {
    "description": "A duration: text such as \"30s\", \"250ms\" or \"2m\", or a number of seconds.",
    "type": ["number", "string"],
    "exclusiveMinimum": 0,
    "pattern": r"^[0-9]{1,19}(\.[0-9]{1,6})? ?(ms|s|m|h|d)?$"
});

described!(SemVer, {
    "description": "A SemVer 2 version such as 1.2.0.",
    "type": "string",
    "pattern": r"^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$"
});

described!(SemVerRange, {
    "description": "A range of SemVer 2 versions such as \"^1.2\" or \">=1.2, <3\".",
    "type": "string",
    "minLength": 1
});

described!(JsonSchemaDocument, {
    "description": "A JSON Schema (draft 2020-12 unless it says otherwise) without references to other documents.",
    "type": ["object", "boolean"]
});
