//! Speaking with a guest on its console, as a user does.

use std::time::Duration;

use reeve_model::api::ConsoleOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::Daemon;

/// How long a guest may take to answer; machines under test load are slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a console must say nothing for what it said before to be over.
const QUIET: Duration = Duration::from_millis(300);

impl Daemon {
    /// Sends a line to a domain's console and reads until it says these words; what it said before counts only where nothing is sent.
    pub fn console(&self, domain: &str, line: &str, words: &str) -> anyhow::Result<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut text = String::new();
        let read = async {
            let mut console = self.client().console(domain, &ConsoleOptions::default()).await?;
            let mut bytes = [0; 4096];
            if !line.is_empty() {
                while let Ok(length) = tokio::time::timeout(QUIET, console.read(&mut bytes)).await {
                    anyhow::ensure!(length? > 0, "the console ended");
                }
                console.write_all(format!("{}\n", line.trim_end()).as_bytes()).await?;
            }
            while !text.contains(words) {
                let length = console.read(&mut bytes).await?;
                anyhow::ensure!(length > 0, "the console ended after: {text}");
                text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            anyhow::Ok(())
        };
        let said = runtime.block_on(async { tokio::time::timeout(PATIENCE, read).await });
        said.map_err(|_late| anyhow::anyhow!("the guest says no more than this: {text}"))??;
        Ok(text)
    }
}
