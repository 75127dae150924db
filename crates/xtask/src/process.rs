//! Starting other programs: never with a terminal as input, always with a failure that names the command.

use std::env;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::Failure;

/// The cargo that started this program, so that nested calls use the same toolchain.
pub(crate) fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Runs the command with its output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.stdin(Stdio::null()).status().map_err(|source| start_failure(command, source))?;
    if status.success() { Ok(()) } else { Err(exit_failure(command, &status.to_string())) }
}

/// Runs the command and returns its standard output; its standard error goes to the terminal.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let (status, text) = run_for_output(command)?;
    if status.success() { Ok(text) } else { Err(exit_failure(command, &status.to_string())) }
}

/// Runs the command and returns whether it succeeded, and its standard output in either case; its standard error goes to
/// the terminal.
pub(crate) fn capture(command: &mut Command) -> Result<(bool, String), Failure> {
    let (status, text) = run_for_output(command)?;
    Ok((status.success(), text))
}

fn run_for_output(command: &mut Command) -> Result<(ExitStatus, String), Failure> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| start_failure(command, source))?;
    Ok((output.status, String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn start_failure(command: &Command, source: std::io::Error) -> Failure {
    Failure::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}

fn exit_failure(command: &Command, status: &str) -> Failure {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    Failure::Exit { command: line, status: status.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_without_the_folder_of_its_program() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "exit 3"]);
        let message = run(&mut command).unwrap_err().to_string();
        assert_eq!(message, "`sh -c exit 3` failed (exit status: 3)");
        assert!(output(&mut command).is_err());
    }

    #[test]
    fn a_missing_program_is_named() {
        let message = run(&mut Command::new("no-such-program")).unwrap_err().to_string();
        assert!(message.starts_with("cannot start `no-such-program`"), "{message}");
    }

    #[test]
    fn output_is_returned() {
        assert_eq!(output(Command::new("echo").arg("a")).unwrap(), "a\n");
        let mut command = Command::new("sh");
        assert_eq!(capture(command.args(["-c", "echo a; exit 1"])).unwrap(), (false, "a\n".to_owned()));
    }
}
