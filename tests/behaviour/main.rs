//! Behaviour of the whole through its public doors: library and command line. One binary, one file per subject.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

mod abi;
mod cli;
mod documents;
mod interop;
mod limits;
mod readme;
mod session;
