//! Running the external commands of a build.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use super::BuildError;

/// A command that runs in `folder`.
#[expect(
    clippy::disallowed_methods,
    reason = "compilers run in the foreground for the person who builds; the daemon never builds"
)]
pub(super) fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    command
}

/// Runs a command to its end; its output is shown only when it fails.
pub(super) fn run(command: &mut Command) -> Result<Vec<u8>, BuildError> {
    let output = command.output().map_err(|source| BuildError::Start { command: shown(command), source })?;
    finished(command, output)
}

/// What a command wrote to standard output; an error with all its output when it failed.
pub(super) fn finished(command: &Command, output: Output) -> Result<Vec<u8>, BuildError> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim_end().to_owned();
    Err(BuildError::Failed { command: shown(command), status: output.status.to_string(), output: said })
}

/// A command as one would type it.
pub(super) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words: Vec<_> =
        std::iter::once(program).chain(command.get_args()).map(OsStr::to_string_lossy).collect();
    words.join(" ")
}

/// Reads what a command was to write.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|source| BuildError::read(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_shows_the_command_and_what_it_said() {
        let mut failing = command("sh", Path::new("/"));
        failing.args(["-c", "echo out; echo no such thing >&2; exit 3"]);
        let error = run(&mut failing).unwrap_err().to_string();
        assert_eq!(
            error,
            "'sh -c echo out; echo no such thing >&2; exit 3' failed (exit status: 3)\nout\nno such thing"
        );
        let error = run(&mut command("/no/such/tool", Path::new("/"))).unwrap_err().to_string();
        assert_eq!(error, "cannot start 'tool'");
    }
}
