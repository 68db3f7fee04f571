//! `reeve domain screenshot` (guide 14.6.4): there is nothing to see, and that is said.

use std::path::PathBuf;

use clap::Args;
use reeve_model::{Error, ErrorCode};

use super::Target;
use crate::context::Context;

/// Options of `reeve domain screenshot`.
#[derive(Debug, Args)]
pub struct Screenshot {
    #[command(flatten)]
    target: Target,
    /// Where the picture would go
    file: Option<PathBuf>,
    /// Which screen it would be of
    #[arg(long)]
    screen: Option<u32>,
}

impl Screenshot {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let domain = self.target.domain;
        // One that is not there is told as everywhere.
        context.client.domain_info(&domain).await?;
        let screen = self.screen.map_or_else(String::new, |screen| format!(" {screen}"));
        let file = self.file.map_or_else(String::new, |file| format!(" for '{}'", file.display()));
        let message = format!("domain '{domain}' has no screen{screen} to take a picture of{file}");
        let hint =
            format!("machines of this host have consoles: 'reeve domain console {domain}' shows the text");
        let error = Error::new(ErrorCode::Unsupported, message).with_hint(hint);
        Err(reeve_client::ClientError::Refused(error).into())
    }
}
