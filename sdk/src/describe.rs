//! Commands and their JSON Schemas, when the feature `describe` is on; nothing at all when it is off.
//!
//! Only here is the feature looked at: the macros write the same for both, and what they write is expanded by the
//! `macro_rules` of this file. So a plugin's own `Cargo.toml` knows nothing of it.

#[cfg(feature = "describe")]
pub use described::{Probe, WithSchema, WithoutSchema};

/// What `#[data]` writes.
#[cfg(not(feature = "describe"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __data {
    ($($item:tt)*) => {
        #[derive($crate::serde::Serialize, $crate::serde::Deserialize)]
        #[serde(crate = "::palisade_sdk::serde")]
        $($item)*
    };
}

/// What `#[data]` writes.
#[cfg(feature = "describe")]
#[doc(hidden)]
#[macro_export]
macro_rules! __data {
    ($($item:tt)*) => {
        #[derive($crate::serde::Serialize, $crate::serde::Deserialize, $crate::schemars::JsonSchema)]
        #[serde(crate = "::palisade_sdk::serde")]
        #[schemars(crate = "::palisade_sdk::schemars")]
        $($item)*
    };
}

/// What `#[plugin]` writes about its commands, inside its `impl Plugin`.
#[cfg(not(feature = "describe"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __describe {
    ($($commands:tt)*) => {};
}

/// What `#[plugin]` writes about its commands, inside its `impl Plugin`.
#[cfg(feature = "describe")]
#[doc(hidden)]
#[macro_export]
macro_rules! __describe {
    ($({
        name: $name:literal, description: $description:literal, idempotent: $idempotent:literal,
        encoding: $encoding:ident, input: [$($input:ty)?], output: [$($output:ty)?]
    })*) => {
        fn describe() -> $crate::__private::Description {
            let commands = [$($crate::__private::CommandDescription {
                name: ::std::string::String::from($name),
                description: ::std::string::String::from($description),
                input_schema: $crate::__schema!($($input)?),
                output_schema: $crate::__schema!($($output)?),
                idempotent: $idempotent,
                encoding: $crate::__private::Encoding::$encoding,
            }),*];
            $crate::__private::Description { commands: ::std::vec::Vec::from(commands) }
        }
    };
}

/// The schema of a type: `Some` when it implements `JsonSchema`, whatever else it is.
#[cfg(feature = "describe")]
#[doc(hidden)]
#[macro_export]
macro_rules! __schema {
    () => {
        ::std::option::Option::None
    };
    ($value:ty) => {{
        use $crate::__private::{WithSchema as _, WithoutSchema as _};
        (&$crate::__private::Probe::<$value>::NEW).schema()
    }};
}

#[cfg(feature = "describe")]
mod described {
    use std::marker::PhantomData;

    use schemars::JsonSchema;
    use schemars::generate::SchemaSettings;
    use serde_json::Value;

    /// Asks whether `T` has a schema. Method lookup tries `Probe<T>` before `&Probe<T>`, so [`WithSchema`] wins where it
    /// applies ("autoref specialisation").
    #[derive(Debug)]
    pub struct Probe<T: ?Sized>(PhantomData<T>);

    impl<T: ?Sized> Probe<T> {
        /// The only value.
        pub const NEW: Self = Self(PhantomData);
    }

    /// The answer for types that implement `JsonSchema`.
    pub trait WithSchema {
        /// The schema, without the `$schema` that every one of them would repeat.
        fn schema(&self) -> Option<Value>;
    }

    impl<T: JsonSchema + ?Sized> WithSchema for Probe<T> {
        fn schema(&self) -> Option<Value> {
            let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
            Some(settings.into_generator().into_root_schema_for::<T>().to_value())
        }
    }

    /// The answer for all others.
    pub trait WithoutSchema {
        /// Nothing.
        fn schema(&self) -> Option<Value>;
    }

    impl<T: ?Sized> WithoutSchema for &Probe<T> {
        fn schema(&self) -> Option<Value> {
            None
        }
    }
}
