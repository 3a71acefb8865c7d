//! The TRUST commands of Palisade, and the command-line plumbing that they share with `palisade`.
//!
//! The commands are in [`command`], one file each. Around them: [`program`] takes arguments to an exit code, [`Terminal`]
//! says where words go, [`Failure`] how a command ends badly, [`input`] and [`output`] read and write files within bounds.
//!
//! **Invariant:** no WASM engine is linked here, and nothing but [`program`] reads the environment or the clock.

pub mod command;
mod excerpt;
mod failure;
pub mod folder;
pub mod input;
mod input_error;
mod json;
pub mod key_file;
pub mod manifest_file;
mod moment;
pub mod output;
mod passphrase;
mod problem;
pub mod program;
mod progress;
mod quantity;
mod question;
pub mod style;
mod surroundings;
mod terminal;
pub mod trust_directory;
mod trust_options;

pub use excerpt::Excerpt;
pub use failure::{Conclusion, Failure, HostError, Report};
pub use moment::Moment;
pub use passphrase::{PassphraseError, PassphraseOptions};
pub use problem::Problem;
pub use program::{CommonOptions, Program, UsageError};
pub use progress::Progress;
pub use quantity::Bytes;
pub use question::{Reply, ask_for_consent};
pub use surroundings::{Interaction, Surroundings, TraceCollector};
pub use terminal::{Answer, Format, Terminal};
pub use trust_options::TrustOptions;
