//! The repository's own commands. `cargo xtask help` lists them.
//!
//! One file or folder a command; what two of them need is in `prepare`, `process` and `repository`.

mod bench;
mod ci;
mod codegen;
mod demo;
mod prepare;
mod process;
mod repository;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

/// The repository's own commands
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
enum Task {
    /// Build the samples from source, then make a key, sign, verify, call, and see the hostile ones refused
    Demo {
        /// Leave the folder with the keys and bundles in place, and say where it is
        #[arg(long)]
        keep: bool,
    },
    /// Prepare what the tests need and run every one of them
    Test {
        /// Passed on to the test runner, such as a part of a test's name
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check what the compiler does not: who depends on whom, where unsafe stands, whether the documents are true
    Tidy,
    /// Write the pages of docs/ that are made from the code
    Codegen {
        /// Write nothing; fail when a page is not what the code would make
        #[arg(long)]
        check: bool,
    },
    /// Measure, and write the table of docs/performance.md
    Bench,
    /// Check the formatting
    Format,
    /// Run clippy over every target, warnings denied
    Lint,
    /// Build the API documentation, warnings denied
    Docs,
    /// Everything that has to hold before a change goes in, one after the other
    Ci,
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Demo { keep } => demo::run(keep),
        Task::Test { arguments } => test::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Codegen { check } => codegen::run(check),
        Task::Bench => bench::run(),
        Task::Format => ci::format(),
        Task::Lint => ci::lint(),
        Task::Docs => ci::docs(),
        Task::Ci => ci::run(),
    }
}
