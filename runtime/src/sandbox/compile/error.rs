//! How compiling fails: [`CompileError`].

use std::fmt;
use std::io;
use std::time::Duration;

use palisade_bundle::{Blame, Code, Coded};
use serde_json::{Map, Value, json};
use thiserror::Error;

use crate::sandbox::EngineError;

/// A checked module was not made machine code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler refused the module.
    #[error("the module does not compile: {0}")]
    Refused(Refusal),
    /// The compiler was ended because it took too long.
    #[error("the module took longer than {} s to compile", limit.as_secs_f64())]
    TimedOut {
        /// How long it may take.
        limit: Duration,
    },
    /// The compiler was ended because it needed too much memory.
    #[error("the module needs more memory to compile than {}", memory(*limit_bytes))]
    OutOfMemory {
        /// How much it may need, when there is a limit below what the machine has.
        limit_bytes: Option<u64>,
    },
    /// The compiled code is larger than any host takes.
    #[error("the module compiles to more than {limit_bytes} bytes")]
    TooLarge {
        /// How large it may be.
        limit_bytes: u64,
    },
    /// The compiler crashed on the module.
    #[error("the compiler crashed on the module{}", by_signal(*signal))]
    Crashed {
        /// The signal that ended its process, if one did.
        signal: Option<i32>,
    },
    /// Enough modules are being compiled, and enough are waiting for it.
    #[error("{at_once} modules are being compiled and {waiting} are waiting, which is as many as may")]
    TooManyJobs {
        /// How many are compiled at once.
        at_once: usize,
        /// How many may wait.
        waiting: usize,
    },
    /// The worker process did not do its work; not the module's fault.
    #[error("the compile worker failed")]
    Worker(#[source] WorkerFailure),
    /// What the compiler made does not fit this host: the worker is another version of the program.
    #[error("the compiled code does not fit this host: {0}")]
    Unusable(Refusal),
    /// The engine itself failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Why a worker process did not do its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WorkerFailure {
    /// It could not be started.
    #[error("it could not be started")]
    Start(#[source] io::Error),
    /// What it wrote is no answer: it is another program.
    #[error("it does not answer as a compile worker does")]
    Noise,
    /// It ended without an answer.
    #[error("it ended with status {status} and no answer")]
    NoAnswer {
        /// The exit status of its process.
        status: i32,
    },
}

/// What the engine says against a module.
#[derive(Debug)]
pub struct Refusal(wasmtime::Error);

impl Refusal {
    pub(in crate::sandbox) fn new(error: wasmtime::Error) -> Self {
        Self(error)
    }

    pub(super) fn from_text(text: String) -> Self {
        Self(wasmtime::Error::msg(text))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

fn memory(limit_bytes: Option<u64>) -> String {
    match limit_bytes {
        Some(limit_bytes) => format!("the {limit_bytes} bytes it may have"),
        None => "there is".to_owned(),
    }
}

fn by_signal(signal: Option<i32>) -> String {
    signal.map(|signal| format!(" (signal {signal})")).unwrap_or_default()
}

impl Coded for CompileError {
    fn code(&self) -> Code {
        match self {
            Self::Refused(_)
            | Self::TimedOut { .. }
            | Self::OutOfMemory { .. }
            | Self::TooLarge { .. }
            | Self::Crashed { .. } => Code::CorruptedData,
            Self::TooManyJobs { .. } => Code::ResourceExhausted,
            Self::Worker(_) | Self::Unusable(_) | Self::Engine(_) => Code::InternalError,
        }
    }

    fn blame(&self) -> Blame {
        match self {
            Self::Refused(_)
            | Self::TimedOut { .. }
            | Self::OutOfMemory { .. }
            | Self::TooLarge { .. }
            | Self::Crashed { .. } => Blame::Bundle,
            Self::TooManyJobs { .. } => Blame::Conflict,
            Self::Worker(_) | Self::Unusable(_) | Self::Engine(_) => Blame::Host,
        }
    }

    fn details(&self) -> Map<String, Value> {
        let details = match self {
            Self::Refused(refusal) => json!({ "entry": "module", "reason": refusal.to_string() }),
            Self::TimedOut { limit } => {
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                json!({ "entry": "module", "reason": "compile_time", "limit_ms": limit_ms })
            }
            Self::OutOfMemory { limit_bytes } => {
                json!({ "entry": "module", "reason": "compile_memory", "limit_bytes": limit_bytes })
            }
            Self::TooLarge { limit_bytes } => {
                json!({ "entry": "module", "reason": "compiled_size", "limit_bytes": limit_bytes })
            }
            Self::Crashed { .. } => json!({ "entry": "module", "reason": "compiler_crash" }),
            Self::TooManyJobs { .. } => json!({ "resource": "compile_jobs" }),
            Self::Worker(_) | Self::Unusable(_) | Self::Engine(_) => json!({}),
        };
        match details {
            Value::Object(details) => details,
            _ => Map::new(),
        }
    }

    fn help(&self) -> Vec<String> {
        let help = match self {
            Self::TimedOut { .. } | Self::OutOfMemory { .. } | Self::TooLarge { .. } | Self::Crashed { .. } => {
                "no ordinary plugin is this hard to compile; split huge functions, and build in release mode"
            }
            Self::TooManyJobs { .. } => "try again when other plugins have been loaded",
            Self::Refused(_) | Self::Worker(_) | Self::Unusable(_) | Self::Engine(_) => return Vec::new(),
        };
        vec![help.to_owned()]
    }
}
