//! The stable vocabulary of failure: [`Code`], [`Blame`], [`Severity`].
//!
//! Every error enum in the workspace implements [`Coded`] by a `match` without `_`, so a new variant cannot be
//! forgotten. The code is the same word in the Rust error, the HTTP body, the event and `--json` output.

use std::fmt;

use serde_json::{Map, Value};

/// An error that knows its stable code, whose fault it is, and the facts a program needs to react to it.
pub trait Coded: std::error::Error {
    /// The stable word for this failure.
    fn code(&self) -> Code;

    /// Whose fault it is; decides the exit code of a command.
    fn blame(&self) -> Blame;

    /// The facts, as the members of `details` in a problem object. Holds no host path, key or backtrace.
    fn details(&self) -> Map<String, Value> {
        Map::new()
    }

    /// What the reader can do next, one sentence or pasteable command a line.
    fn help(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Blame {
    /// The caller asked for something malformed.
    Request,
    /// What the caller named does not exist.
    Missing,
    /// The bundle cannot be trusted: signature, key, revocation, downgrade.
    Trust,
    /// The bundle, manifest, module or configuration is malformed.
    Bundle,
    /// It is well formed and trusted, but not allowed here.
    Policy,
    /// The plugin trapped, broke the ABI or hit a limit.
    Plugin,
    /// The plugin answered with an error of its own.
    Answer,
    /// Something else is going on: state, dependency, another operation.
    Conflict,
    /// The server cannot be reached or did not answer in time.
    Connection,
    /// A bug or an I/O failure of the host.
    Host,
}

impl Blame {
    /// Every one of them.
    pub const ALL: &'static [Self] = &[
        Self::Request,
        Self::Missing,
        Self::Trust,
        Self::Bundle,
        Self::Policy,
        Self::Plugin,
        Self::Answer,
        Self::Conflict,
        Self::Connection,
        Self::Host,
    ];

    /// The lower-case word used on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Missing => "missing",
            Self::Trust => "trust",
            Self::Bundle => "bundle",
            Self::Policy => "policy",
            Self::Plugin => "plugin",
            Self::Answer => "answer",
            Self::Conflict => "conflict",
            Self::Connection => "connection",
            Self::Host => "host",
        }
    }
}

/// How bad a failure is for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Ordinary use; nobody needs to be woken.
    Low,
    /// Worth a look.
    Medium,
    /// Something is broken.
    High,
    /// Trust or integrity is at stake.
    Critical,
}

impl Severity {
    /// The lower-case word used on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row a code: variant, word, HTTP status, severity, whether a later try can succeed, what it means.
macro_rules! codes {
    ($($variant:ident $word:literal $http:literal $severity:ident $recoverable:literal $meaning:literal;)*) => {
        /// The stable word for a failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, in the order of `docs/errors.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word itself, such as `FUEL_EXHAUSTED`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The HTTP status a management API answers with.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }

            /// How bad it is for the operator.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)* }
            }

            /// Whether the same request can succeed later or with another argument.
            #[must_use]
            pub fn is_recoverable(self) -> bool {
                match self { $(Self::$variant => $recoverable,)* }
            }

            /// What it means, one sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    SignatureMissing "SIGNATURE_MISSING" 422 Critical false "The bundle carries no signature.";
    InvalidSignature "INVALID_SIGNATURE" 422 Critical false "A signature does not verify, or too few do.";
    UntrustedKey "UNTRUSTED_KEY" 422 Critical false "No signature is by a key this host trusts for this plugin.";
    KeyRevoked "KEY_REVOKED" 422 Critical false "The signing key was revoked.";
    KeyExpired "KEY_EXPIRED" 422 Critical false "The signing key or the signature is outside its time of validity.";
    BundleRevoked "BUNDLE_REVOKED" 422 Critical false "This very bundle was revoked.";
    CorruptedData "CORRUPTED_DATA" 422 High false "The container, an entry or the module is malformed.";
    InvalidManifest "INVALID_MANIFEST" 422 Medium false "The manifest breaks a rule.";
    UnsupportedVersion "UNSUPPORTED_VERSION" 422 Medium false "The bundle needs another version of the host or the ABI.";
    DowngradeRefused "DOWNGRADE_REFUSED" 422 Medium false "A newer bundle of this plugin was seen before.";
    UnknownPermission "UNKNOWN_PERMISSION" 422 Medium false "A permission has a name nobody knows.";
    PermissionDenied "PERMISSION_DENIED" 403 High false "The plugin lacks a permission it needs.";
    ApprovalRequired "APPROVAL_REQUIRED" 409 Medium true "An operator must approve what the new version asks for.";
    PackageTooLarge "PACKAGE_TOO_LARGE" 413 Medium false "The bundle is larger than the container profile allows.";
    PayloadTooLarge "PAYLOAD_TOO_LARGE" 413 Medium false "The arguments or the request body are too large.";
    AlreadyInstalled "ALREADY_INSTALLED" 409 Low true "A plugin with this id is installed already.";
    DependencyMissing "DEPENDENCY_MISSING" 422 Medium true "A required plugin is not installed.";
    DependencyIncompatible "DEPENDENCY_INCOMPATIBLE" 422 Medium true "A required plugin has another version.";
    DependencyConflict "DEPENDENCY_CONFLICT" 422 Medium true "A conflicting plugin is installed.";
    DependencyCycle "DEPENDENCY_CYCLE" 422 Medium true "Plugins depend on each other in a circle.";
    HasDependents "HAS_DEPENDENTS" 409 Low true "Other plugins depend on this one.";
    ResourceExhausted "RESOURCE_EXHAUSTED" 507 Medium true "The host has no more room for this.";
    FuelExhausted "FUEL_EXHAUSTED" 507 Medium true "The plugin used up its instruction budget.";
    MemoryLimitExceeded "MEMORY_LIMIT_EXCEEDED" 507 High true "The plugin needed more memory than it may have.";
    StorageQuotaExceeded "STORAGE_QUOTA_EXCEEDED" 507 Medium true "The plugin's storage is full.";
    ExecutionTimeout "EXECUTION_TIMEOUT" 504 Medium true "The command did not end in time.";
    InitializationTimeout "INITIALIZATION_TIMEOUT" 504 Medium true "The plugin did not start in time.";
    NetworkTimeout "NETWORK_TIMEOUT" 504 Medium true "A network request of the plugin did not end in time.";
    InitializationFailed "INITIALIZATION_FAILED" 500 High true "The plugin refused to start.";
    InvalidCommand "INVALID_COMMAND" 404 Low true "The plugin has no such command.";
    InvalidArgument "INVALID_ARGUMENT" 400 Low true "An argument does not fit.";
    SecurityViolation "SECURITY_VIOLATION" 403 Critical false "The plugin tried something no plugin may do.";
    RateLimitExceeded "RATE_LIMIT_EXCEEDED" 429 Low true "Too many requests; try again later.";
    GuestTrap "GUEST_TRAP" 500 High true "The plugin's code trapped.";
    GuestError "GUEST_ERROR" 200 Low true "The plugin answered with an error of its own.";
    AbiViolation "ABI_VIOLATION" 500 High false "The plugin broke the contract between guest and host.";
    PluginUnavailable "PLUGIN_UNAVAILABLE" 503 Medium true "The plugin does not take commands right now.";
    DrainCancelled "DRAIN_CANCELLED" 503 Medium true "The command was interrupted by the end of a drain.";
    CleanupFailed "CLEANUP_FAILED" 500 Medium true "The plugin's cleanup failed.";
    ResourceLeak "RESOURCE_LEAK" 500 Medium true "A resource could not be released.";
    MemoryNotFreed "MEMORY_NOT_FREED" 500 Medium true "Memory could not be released.";
    NetworkConnectionOpen "NETWORK_CONNECTION_OPEN" 500 Medium true "A connection was left open.";
    AuditLogFailed "AUDIT_LOG_FAILED" 500 Medium true "The audit record could not be written.";
    InvalidState "INVALID_STATE" 409 Low true "The operation is not allowed in this state.";
    OperationInProgress "OPERATION_IN_PROGRESS" 409 Low true "Another operation on this plugin is running.";
    NotFound "NOT_FOUND" 404 Low false "There is nothing by this name.";
    HealthCheckFailed "HEALTH_CHECK_FAILED" 500 Medium true "The plugin reports that it is not well.";
    ReloadFailed "RELOAD_FAILED" 500 High true "The replacement did not start; the old one serves on.";
    RollbackFailed "ROLLBACK_FAILED" 500 Critical false "Neither the replacement nor the old one could be started.";
    NoRollbackVersion "NO_ROLLBACK_VERSION" 409 Low true "There is no earlier version to go back to.";
    ConfigInvalid "CONFIG_INVALID" 422 Low true "The configuration does not fit its schema.";
    Quarantined "QUARANTINED" 409 High false "The plugin crashed too often and is locked away.";
    Unauthorized "UNAUTHORIZED" 401 Low false "A token is needed.";
    Forbidden "FORBIDDEN" 403 Low false "The token lacks the scope.";
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 Low false "This path answers other methods.";
    InternalError "INTERNAL_ERROR" 500 High false "A bug or an I/O failure of the host.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_word() {
        let mut words: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Code::ALL.len());
    }
}
