//! `reeve policy config`.

use clap::Args;
use reeve_model::policy::PolicySettings;
use serde_json::Value;

use super::Done;
use crate::context::{Context, read_bytes};
use crate::exit::Invalid;

/// Options of `reeve policy config`.
#[derive(Debug, Args)]
#[command(after_help = "\
The new configuration takes the place of the old one as a whole. It is checked against the schema in the policy's manifest; one
that does not fit is refused, with the key that is wrong, and the old one stays.

Examples:
  reeve policy config admission
  reeve policy config admission '{\"vcpus-per-cpu\": 4}'
  reeve policy config admission @admission.json")]
pub struct Config {
    /// Name of the policy
    policy: String,
    /// Configuration for it: JSON text, or @FILE; without it the present one is shown
    #[arg(value_name = "JSON")]
    config: Option<String>,
}

impl Config {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let Some(config) = self.config.as_deref().map(parse).transpose()? else {
            let info = context.client.policy(&self.policy).await?;
            return context.print(&serde_json::to_string_pretty(&info.config)?);
        };
        let settings = PolicySettings { config: Some(config), ..PolicySettings::default() };
        let info = context.client.set_policy(&self.policy, &settings).await?;
        context.show(&Done { info, participle: "has its configuration" })
    }
}

/// Reads a configuration from the command line or from a file.
pub(crate) fn parse(text: &str) -> anyhow::Result<Value> {
    let text = match text.strip_prefix('@') {
        Some(file) => String::from_utf8_lossy(&read_bytes(file.as_ref())?).into_owned(),
        None => text.to_owned(),
    };
    serde_json::from_str(&text)
        .map_err(|error| Invalid(format!("the configuration is not JSON: {error}")).into())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_configuration_that_is_no_json_is_refused() {
        assert!(parse("{oops").unwrap_err().to_string().starts_with("the configuration is not JSON"));
        assert_eq!(parse("{\"a\": 1}").unwrap(), serde_json::json!({"a": 1}));
    }
}
