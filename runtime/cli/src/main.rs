//! `palisade`: build, sign, check, call and inspect sandboxed plugins.

mod bench;
mod build;
mod call;
mod check;
mod compiling;
mod completions;
mod confinement;
mod data_dir;
mod debug;
mod dev;
mod doctor;
mod folder_option;
mod help;
mod man;
mod new;
mod observe;
mod operate;
mod permissions;
mod plugin_options;
mod power_options;
mod schema;
mod serve;
mod telemetry;
mod toolchain;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use palisade_signer::command::{TrustCommands, pack::Pack};
use palisade_signer::{CommonOptions, Conclusion, Failure, Program, Surroundings, Terminal, program, style};

/// Run other people's code with exactly the powers it was granted
#[derive(Debug, Parser)]
#[command(
    name = "palisade",
    version = version(),
    styles = style::of_help(),
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = help::AFTER_HELP
)]
struct Palisade {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    common: CommonOptions,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at toolchain, target, versions, keys and trust store
    Doctor(doctor::Doctor),
    /// Start a plugin from a template
    New(new::New),
    /// Compile, check and pack a plugin
    Build(build::Build),
    /// Look for mistakes in a plugin without running it
    Check(check::Check),
    /// Make a bundle of a folder; same files, same bytes
    Pack(Pack),
    /// Run one command of a plugin
    Call(call::Call),
    /// Run a plugin while it is written: build, reload and show its log whenever a file changes
    Dev(dev::Dev),
    /// Measure how fast a command of a plugin is
    Bench(bench::Bench),
    /// Tell what a plugin asks for, or what a newer bundle asks for beyond it
    Permissions(permissions::Permissions),
    /// Show what a plugin said
    Logs(observe::logs::Logs),
    /// Show what happened to plugins
    Events(observe::events::Events),
    /// Show what plugins do: the last minute, every second
    Top(observe::top::Top),
    #[command(flatten)]
    Trust(TrustCommands),
    /// Show what a bundle or an installed plugin holds and asks for; trusts nothing
    Inspect(operate::InspectPlugin),
    /// Run the plugins of a data directory behind an API, until it is ended
    Serve(serve::Serve),
    #[command(flatten)]
    Operate(operate::OperateCommands),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Write the man pages
    Man(man::Man),
    /// Print a JSON Schema
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
    /// Explain a command or a topic: exit-codes, permissions, limits, env
    Help(help::Help),
    /// For conformance suites
    #[command(subcommand, hide = true)]
    Debug(debug::DebugCommand),
}

impl Program for Palisade {
    fn common(&self) -> &CommonOptions {
        &self.common
    }

    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        let ended = self.command.run(surroundings, terminal);
        telemetry::end(terminal);
        ended
    }
}

impl Command {
    fn run(self, surroundings: &Surroundings, terminal: &mut Terminal) -> Result<Conclusion, Failure> {
        match self {
            Self::Doctor(command) => command.run(surroundings, terminal),
            Self::New(command) => command.run(terminal),
            Self::Build(command) => command.run(surroundings, terminal),
            Self::Check(command) => command.run(terminal),
            Self::Pack(command) => command.run(terminal),
            Self::Call(command) => command.run(surroundings, terminal),
            Self::Dev(command) => command.run(surroundings, terminal),
            Self::Bench(command) => command.run(surroundings, terminal),
            Self::Permissions(command) => command.run(surroundings, terminal),
            Self::Logs(command) => command.run(surroundings, terminal),
            Self::Events(command) => command.run(surroundings, terminal),
            Self::Top(command) => command.run(surroundings, terminal),
            Self::Trust(command) => command.run(surroundings, terminal),
            Self::Inspect(command) => command.run(surroundings, terminal),
            Self::Serve(command) => command.run(surroundings, terminal),
            Self::Operate(command) => command.run(surroundings, terminal),
            Self::Completions(command) => command.run::<Palisade>(terminal),
            Self::Man(command) => command.run::<Palisade>(terminal),
            Self::Schema(command) => command.run(terminal),
            Self::Help(command) => command.run::<Palisade>(terminal),
            Self::Debug(command) => command.run(surroundings, terminal),
        }
    }
}

/// The version of this program and of the contract it keeps with plugins.
fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (plugin ABI 1.0)")
}

fn main() -> ExitCode {
    program::run::<Palisade>(std::env::args_os())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_version_names_the_abi_of_the_host() {
        let abi = format!("{}.{}", palisade_abi::VERSION_MAJOR, palisade_abi::VERSION_MINOR);
        assert!(version().ends_with(&format!("(plugin ABI {abi})")));
    }

    #[test]
    fn every_command_and_option_says_what_it_is_for() {
        fn visit(command: &clap::Command) {
            let path = command.get_name();
            assert!(command.get_about().is_some(), "`{path}` has no description");
            for argument in command.get_arguments() {
                assert!(
                    argument.get_help().is_some(),
                    "`{}` of `{path}` has no help",
                    argument.get_id()
                );
            }
            command.get_subcommands().for_each(visit);
        }
        let command = Palisade::command();
        command.clone().debug_assert();
        visit(&command);
    }
}
