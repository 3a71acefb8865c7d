//! The three classic groups of failure, for callers that match on a few words: load, execution, cleanup.
//!
//! Every load, execution and cleanup error converts into its group, and carries the whole error along.

use palisade_bundle::{Code, Coded, OpenError, VerifyError};
use thiserror::Error;

use crate::policy::PolicyError;
use crate::sandbox::{CallError, LoadError};

macro_rules! group {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $meaning:literal $($code:ident)|+;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Error)]
        #[non_exhaustive]
        pub enum $name {
            $(
                #[doc = $meaning]
                #[error("{0}")]
                $variant(Box<dyn Coded + Send + Sync>),
            )*
            /// Any other reason; its code says which.
            #[error("{0}")]
            Other(Box<dyn Coded + Send + Sync>),
        }

        impl $name {
            fn group(error: impl Coded + Send + Sync + 'static) -> Self {
                match error.code() {
                    $($(Code::$code)|+ => Self::$variant(Box::new(error)),)*
                    _ => Self::Other(Box::new(error)),
                }
            }

            /// The stable word of the error inside.
            #[must_use]
            pub fn code(&self) -> Code {
                match self {
                    $(Self::$variant(error))|* | Self::Other(error) => error.code(),
                }
            }
        }
    };
}

group! {
    /// Why a bundle did not become a plugin.
    PluginLoadError {
        InvalidSignature "It is not vouched for."
            SignatureMissing | InvalidSignature | UntrustedKey | KeyRevoked | KeyExpired | BundleRevoked;
        CorruptedData "It is malformed." CorruptedData | InvalidManifest | AbiViolation | PackageTooLarge;
        UnsupportedVersion "It was made for another version." UnsupportedVersion | DowngradeRefused;
        PermissionDenied "It is not allowed here." PermissionDenied | UnknownPermission | ApprovalRequired;
        ResourceExhausted "It needs more than it may have."
            ResourceExhausted | FuelExhausted | MemoryLimitExceeded | InitializationTimeout;
    }
}

group! {
    /// Why a command was not carried out.
    PluginExecutionError {
        FuelExhausted "It used up its instruction budget." FuelExhausted;
        MemoryLimitExceeded "It needed more memory than it may have." MemoryLimitExceeded;
        NetworkTimeout "A network request did not end in time." NetworkTimeout;
        InvalidCommand "There is no such command." InvalidCommand;
        SecurityViolation "It tried what no plugin may do." SecurityViolation | PermissionDenied;
    }
}

group! {
    /// Why a plugin did not end in order.
    PluginCleanupError {
        ResourceLeak "A resource could not be released." ResourceLeak;
        MemoryNotFreed "Memory could not be released." MemoryNotFreed;
        NetworkConnectionOpen "A connection was left open." NetworkConnectionOpen;
        AuditLogFailed "The audit record could not be written." AuditLogFailed;
    }
}

macro_rules! converts {
    ($($error:ty => $group:ident),* $(,)?) => {
        $(impl From<$error> for $group {
            fn from(error: $error) -> Self {
                Self::group(error)
            }
        })*
    };
}

converts! {
    OpenError => PluginLoadError,
    VerifyError => PluginLoadError,
    PolicyError => PluginLoadError,
    LoadError => PluginLoadError,
    CallError => PluginExecutionError,
    CallError => PluginCleanupError,
}
