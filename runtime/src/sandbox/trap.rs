//! Why a guest was stopped, told apart by type and never by text.

use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::host::Host;
use super::memory::OutOfBounds;
use super::preempt::DeadlinePassed;
use super::tape::Diverged;

/// Frames of a backtrace that are kept; an overflowing stack has thousands, and the innermost tell most.
const BACKTRACE_FRAMES: usize = 32;

/// The guest was stopped. Its instance is gone.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Stopped {
    /// The instruction budget was used up.
    #[error("the plugin used up its {limit} units of fuel")]
    FuelExhausted {
        /// What it had.
        limit: u64,
        /// What it consumed: all of it.
        consumed: u64,
    },
    /// More memory was needed than allowed, also when the guest's allocator turned the refusal into an abort.
    #[error("the plugin needed {used_bytes} bytes of memory and may have {limit_bytes}")]
    MemoryLimitExceeded {
        /// What it would have had after the growth that was refused.
        used_bytes: u64,
        /// What it may have.
        limit_bytes: u64,
    },
    /// Still running or waiting at the deadline.
    #[error("the plugin was still busy after {} ms", limit.as_millis())]
    DeadlinePassed {
        /// How long it may take.
        limit: Duration,
    },
    /// The code trapped.
    #[error("{0}")]
    Trapped(GuestTrap),
    /// The contract between guest and host was broken.
    #[error("`{export}` broke the plugin ABI: {reason}")]
    AbiViolation {
        /// The guest export, or the host import, that was called.
        export: &'static str,
        /// What was wrong.
        reason: AbiBreach,
    },
    /// The host has no room for another instance.
    #[error("the host has no room for another {resource}")]
    ResourceExhausted {
        /// What ran out.
        resource: &'static str,
    },
    /// A command that is played back does not do what was recorded.
    #[error("the plugin does not do what was recorded: at entry {at} {expected} was next, and it asked for {actual}")]
    Diverged {
        /// Index of the entry in the recording.
        at: usize,
        /// What was recorded.
        expected: String,
        /// What the plugin asked for.
        actual: String,
    },
    /// The engine itself failed.
    #[error(transparent)]
    Engine(#[from] super::EngineError),
}

/// In what way the contract between guest and host was broken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AbiBreach {
    /// An address or length that is not inside the guest's memory.
    #[error("{length} bytes at {address:#x} are not inside its memory of {memory_bytes} bytes")]
    OutOfBounds {
        /// First address.
        address: u32,
        /// Number of bytes.
        length: u64,
        /// Size of the memory.
        memory_bytes: u64,
    },
    /// A reply larger than allowed.
    #[error("a reply of {actual_bytes} bytes, and {limit_bytes} are allowed")]
    OutputTooLarge {
        /// Size of the reply.
        actual_bytes: u64,
        /// What is allowed.
        limit_bytes: u64,
    },
    /// `plugin_buffer` answered 0: the guest has no memory for its input.
    #[error("no buffer for {wanted_bytes} bytes of input")]
    NoBuffer {
        /// What the host asked for.
        wanted_bytes: u64,
    },
}

impl From<OutOfBounds> for AbiBreach {
    fn from(range: OutOfBounds) -> Self {
        Self::OutOfBounds {
            address: range.address,
            length: range.length,
            memory_bytes: range.memory_bytes,
        }
    }
}

/// A trap, with what the guest said before it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GuestTrap {
    /// What kind of trap.
    pub kind: TrapKind,
    /// The guest's last words, such as the message of a Rust panic.
    pub message: Option<String>,
    /// Names of the guest functions on the stack, innermost first, at most 32.
    pub backtrace: Vec<String>,
}

impl std::fmt::Display for GuestTrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.message {
            Some(message) => write!(f, "the plugin trapped ({}): {message}", self.kind.as_str()),
            None => write!(f, "the plugin trapped: {}", self.kind.as_str()),
        }
    }
}

/// What kind of trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrapKind {
    /// Recursion deeper than the WASM stack.
    StackOverflow,
    /// `unreachable`; how a panic or an abort ends.
    Unreachable,
    /// A load or store outside memory.
    MemoryOutOfBounds,
    /// An index outside a table.
    TableOutOfBounds,
    /// An indirect call to nothing.
    IndirectCallToNull,
    /// An indirect call with another signature.
    BadSignature,
    /// `INT_MIN / -1`.
    IntegerOverflow,
    /// Division by zero.
    IntegerDivisionByZero,
    /// NaN or a number out of range made an integer.
    BadConversionToInteger,
    /// `proc_exit` was called.
    Exit,
    /// Any other trap.
    Other,
}

impl TrapKind {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StackOverflow => "stack_overflow",
            Self::Unreachable => "unreachable",
            Self::MemoryOutOfBounds => "memory_out_of_bounds",
            Self::TableOutOfBounds => "table_out_of_bounds",
            Self::IndirectCallToNull => "indirect_call_to_null",
            Self::BadSignature => "bad_signature",
            Self::IntegerOverflow => "integer_overflow",
            Self::IntegerDivisionByZero => "integer_division_by_zero",
            Self::BadConversionToInteger => "bad_conversion_to_integer",
            Self::Exit => "exit",
            Self::Other => "other",
        }
    }
}

impl From<Trap> for TrapKind {
    fn from(trap: Trap) -> Self {
        match trap {
            Trap::StackOverflow => Self::StackOverflow,
            Trap::UnreachableCodeReached => Self::Unreachable,
            Trap::MemoryOutOfBounds => Self::MemoryOutOfBounds,
            Trap::TableOutOfBounds => Self::TableOutOfBounds,
            Trap::IndirectCallToNull => Self::IndirectCallToNull,
            Trap::BadSignature => Self::BadSignature,
            Trap::IntegerOverflow => Self::IntegerOverflow,
            Trap::IntegerDivisionByZero => Self::IntegerDivisionByZero,
            Trap::BadConversionToInteger => Self::BadConversionToInteger,
            // The engine's list is open.
            _ => Self::Other,
        }
    }
}

/// A breach a host function found; carried through the engine as an error of this type.
#[derive(Debug, Error)]
#[error("`{import}`: {breach}")]
pub(super) struct ImportMisused {
    pub(super) import: &'static str,
    pub(super) breach: AbiBreach,
}

/// The budget a phase ran under, to say which part of it was used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    pub(super) fuel: u64,
    pub(super) time: Duration,
}

impl Stopped {
    pub(super) fn by_deadline(_: DeadlinePassed, budget: Budget) -> Self {
        Self::DeadlinePassed { limit: budget.time }
    }

    /// Tells why the engine ended a guest whose host data is `host`.
    pub(super) fn by_engine(error: wasmtime::Error, host: &Host, budget: Budget) -> Self {
        if let Some(misused) = error.downcast_ref::<ImportMisused>() {
            return Self::AbiViolation {
                export: misused.import,
                reason: misused.breach.clone(),
            };
        }
        if let Some(diverged) = error.downcast_ref::<Diverged>() {
            return Self::Diverged {
                at: diverged.at,
                expected: diverged.expected.clone(),
                actual: diverged.actual.clone(),
            };
        }
        let trap = error.downcast_ref::<Trap>().copied();
        if trap == Some(Trap::OutOfFuel) {
            return Self::FuelExhausted {
                limit: budget.fuel,
                consumed: budget.fuel,
            };
        }
        if host.limiter.refused_by_host() {
            return Self::ResourceExhausted { resource: "memory" };
        }
        if let Some(used_bytes) = host.limiter.refused_bytes() {
            return Self::MemoryLimitExceeded {
                used_bytes,
                limit_bytes: host.limiter.limit_bytes(),
            };
        }
        let kind = match trap {
            Some(trap) => TrapKind::from(trap),
            None if error.downcast_ref::<I32Exit>().is_some() => TrapKind::Exit,
            None if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() => {
                return Self::ResourceExhausted { resource: "instance" };
            }
            None if error.downcast_ref::<super::wasi::RandomFailed>().is_some() => {
                return Self::Engine(super::EngineError(error));
            }
            // What fails under a frame of the guest is what the guest asked for, such as a bad pointer given to WASI.
            None if error.downcast_ref::<WasmBacktrace>().is_some() => TrapKind::Other,
            None => return Self::Engine(super::EngineError(error)),
        };
        Self::Trapped(GuestTrap {
            kind,
            message: host.log.last_words(),
            backtrace: backtrace(&error),
        })
    }
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => palisade_bundle::printable(name),
        None => format!("<function {}>", frame.func_index()),
    };
    backtrace.frames().iter().take(BACKTRACE_FRAMES).map(name).collect()
}

impl Coded for Stopped {
    fn code(&self) -> Code {
        match self {
            Self::FuelExhausted { .. } => Code::FuelExhausted,
            Self::MemoryLimitExceeded { .. } => Code::MemoryLimitExceeded,
            Self::DeadlinePassed { .. } => Code::ExecutionTimeout,
            Self::Trapped(_) => Code::GuestTrap,
            Self::AbiViolation { .. } => Code::AbiViolation,
            Self::ResourceExhausted { .. } => Code::ResourceExhausted,
            Self::Diverged { .. } => Code::InvalidArgument,
            Self::Engine(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::FuelExhausted { .. }
            | Self::MemoryLimitExceeded { .. }
            | Self::DeadlinePassed { .. }
            | Self::Trapped(_)
            | Self::AbiViolation { .. }
            | Self::ResourceExhausted { .. } => Blame::Plugin,
            Self::Diverged { .. } => Blame::Request,
            Self::Engine(_) => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut add = |name: &str, value: Value| {
            details.insert(name.to_owned(), value);
        };
        match self {
            Self::FuelExhausted { limit, consumed } => {
                add("resource", "fuel".into());
                add("limit", (*limit).into());
                add("consumed", (*consumed).into());
            }
            Self::MemoryLimitExceeded {
                used_bytes,
                limit_bytes,
            } => {
                add("resource", "memory".into());
                add("used", (*used_bytes).into());
                add("limit", (*limit_bytes).into());
            }
            Self::DeadlinePassed { limit } => {
                add("resource", "time".into());
                add("limit_ms", u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).into());
            }
            Self::Trapped(trap) => {
                add("kind", trap.kind.as_str().into());
                add("backtrace", trap.backtrace.clone().into());
            }
            Self::AbiViolation { export, reason } => {
                add("export", (*export).into());
                add("reason", reason.to_string().into());
            }
            Self::ResourceExhausted { resource } => add("resource", (*resource).into()),
            Self::Diverged { at, expected, actual } => {
                add("entry", (*at).into());
                add("expected", expected.as_str().into());
                add("actual", actual.as_str().into());
            }
            Self::Engine(_) => {}
        }
        details
    }

    fn help(&self) -> Vec<String> {
        match self {
            Self::FuelExhausted { limit, .. } => vec![format!(
                "if this input really takes more, ask for it: \"resource_limits\": {{\"fuel\": {}}} in plugin.json",
                limit.saturating_mul(10)
            )],
            Self::MemoryLimitExceeded { .. } => {
                vec!["ask for more with \"resource_limits\": {\"memory\": \"…\"} in plugin.json".to_owned()]
            }
            Self::DeadlinePassed { .. }
            | Self::Trapped(_)
            | Self::AbiViolation { .. }
            | Self::ResourceExhausted { .. }
            | Self::Diverged { .. }
            | Self::Engine(_) => Vec::new(),
        }
    }
}
