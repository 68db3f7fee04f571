//! `reeve completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;

/// Options of `reeve completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  reeve completions bash > /etc/bash_completion.d/reeve
  reeve completions zsh > /usr/local/share/zsh/site-functions/_reeve")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "reeve", &mut script);
        context.print(&String::from_utf8_lossy(&script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "reeve", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("attach-device") && script.contains("decisions"), "{shell}");
        }
    }
}
