//! Programs that the tasks run, shown before they run.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repository;

/// The cargo that runs this task, at the top of the repository. What cargo told this task about its own package is kept
/// from it: build scripts look at that, and what they built would be built anew whenever somebody else runs cargo.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository::root());
    let is_about_this_task = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in names.filter(|name| is_about_this_task(name)) {
        command.env_remove(name);
    }
    command
}

/// Runs to the end with this terminal, and fails when the program does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// The line a person would type for this command: the program's own name, and quotes only where a shell needs them.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program
        .file_stem()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    let arguments = command.get_args().map(|argument| quoted(&argument.to_string_lossy()));
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_as_a_shell_would_take_it() {
        let mut command = Command::new("/usr/bin/palisade");
        command.args(["call", "a.zip", "greet", r#"{"name":"O'Hara"}"#]);
        assert_eq!(shown(&command), r#"palisade call a.zip greet '{"name":"O'\''Hara"}'"#);
    }

    #[test]
    fn a_program_that_fails_is_an_error_with_its_line() {
        let error = run(cargo(["no-such-subcommand"]).stderr(std::process::Stdio::null())).unwrap_err();
        assert!(
            error.to_string().starts_with("`cargo no-such-subcommand` ended with"),
            "{error}"
        );
    }
}
