//! Behaviour of the whole through its public doors: library and command line. One binary, one file per subject.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what fails here fails the test"
)]

mod abi;
mod api;
mod audit;
mod cli;
mod compile;
mod compiled_cache;
mod documents;
mod example;
mod faults;
mod flood;
mod host_calls;
mod interop;
mod leaks;
mod lifecycle;
mod limits;
mod peers;
mod permissions;
mod readme;
mod recording;
mod samples;
mod server;
mod session;
mod waiting;
mod wasi;
