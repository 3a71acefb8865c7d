//! The steps of a verification, by name and in order.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! steps {
    ($($(#[$doc:meta])* $variant:ident $word:literal;)*) => {
        /// A step of opening and verifying a bundle. Nothing after a failing step runs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Step {
            $($(#[$doc])* $variant,)*
        }

        impl Step {
            /// Every step in the order in which they run.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }
    };
}

steps! {
    /// At most 50 MiB.
    Size "size";
    /// The fixed header of the first entry.
    Header "header";
    /// The envelope in its one spelling.
    Envelope "envelope";
    /// The trust document is not past its end.
    TrustDocument "trust_document";
    /// A signature is by a key of the trust store.
    Key "key";
    /// The key may be used now.
    Validity "validity";
    /// The key is not revoked.
    Revocation "revocation";
    /// Every signature by a known key verifies.
    Signature "signature";
    /// The signed statement can be read, still holds, and is not revoked.
    Statement "statement";
    /// Enough keys that may sign for this plugin have signed.
    Threshold "threshold";
    /// End record, length and digest of the content.
    Content "content";
    /// The strict walk over the container.
    Structure "structure";
    /// Central directory and end record are those of the entries.
    Directory "directory";
    /// The entries are the signed files.
    Files "files";
    /// Every file unpacks to its signed size and digest.
    Digests "digests";
    /// The manifest is valid and says what the statement says.
    Manifest "manifest";
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One step and how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The step.
    pub name: Step,
    /// Whether it passed.
    pub ok: bool,
}

/// The steps taken so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace {
    checks: Vec<Check>,
}

impl Trace {
    /// Notes how a step went and hands its result on.
    pub(crate) fn note<T, E>(&mut self, step: Step, result: Result<T, E>) -> Result<T, E> {
        self.checks.push(Check {
            name: step,
            ok: result.is_ok(),
        });
        result
    }

    /// Notes a step that passed before.
    pub(crate) fn passed(&mut self, step: Step) {
        self.checks.push(Check { name: step, ok: true });
    }

    /// The steps in order.
    pub(crate) fn checks(&self) -> Vec<Check> {
        self.checks.clone()
    }
}
