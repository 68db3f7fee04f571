//! Raw and silent mode of the terminal on standard input, and whether somebody looks at what is printed.

use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};

/// The terminal passes every key on while this lives, and is as it was before when it is dropped.
#[derive(Debug)]
pub(crate) struct RawMode {
    /// The attributes to go back to; none when standard input is no terminal.
    before: Option<Termios>,
}

impl RawMode {
    /// Switches the terminal; does nothing for a pipe or a file.
    pub(crate) fn enter() -> std::io::Result<Self> {
        let stdin = std::io::stdin();
        if !isatty(&stdin) {
            return Ok(Self { before: None });
        }
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &raw)?;
        Ok(Self { before: Some(before) })
    }

    /// Hides what is typed, and changes nothing else.
    pub(crate) fn silent() -> std::io::Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Drain, &silent)?;
        Ok(Self { before: Some(before) })
    }
}

/// True when standard output is a terminal.
pub(crate) fn is_output() -> bool {
    isatty(std::io::stdout())
}

/// True when standard error is a terminal.
pub(crate) fn is_error() -> bool {
    isatty(std::io::stderr())
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that went away.
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, before);
        }
    }
}
