//! `reeve domain desc` (guide 14.5.4): title and description.

use clap::Args;
use reeve_model::api::{SetDescription, XmlOptions};
use reeve_model::tuning::TuneOptions;
use serde::Serialize;

use super::{Done, Target};
use crate::context::Context;
use crate::editor;
use crate::output::Show;

/// Options of `reeve domain desc`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a text the description is shown. An empty text ('') takes it away. A title is one line. Without --live and --config the running
domain is meant, or the definition of one that is off.

Examples:
  reeve domain desc web
  reeve domain desc web --title 'The web server' --live --config
  reeve domain desc web --new-desc 'Asked for by the shop, see ticket 42' --config
  reeve domain desc web --edit --config")]
pub struct Desc {
    #[command(flatten)]
    target: Target,
    /// What it becomes; several words are joined by spaces
    #[arg(value_name = "TEXT")]
    text: Vec<String>,
    /// The same, as virsh names the option
    #[arg(long, value_name = "TEXT", num_args = 1.., conflicts_with = "text")]
    new_desc: Vec<String>,
    /// The title instead of the description
    #[arg(long)]
    title: bool,
    /// Change it in an editor: $VISUAL, $EDITOR, or vi
    #[arg(long, conflicts_with_all = ["text", "new_desc"])]
    edit: bool,
    /// Of the running domain
    #[arg(long)]
    live: bool,
    /// Of the definition
    #[arg(long)]
    config: bool,
    /// Of the running domain, else of the definition
    #[arg(long, conflicts_with_all = ["live", "config"])]
    current: bool,
}

impl Desc {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let words = [&self.text[..], &self.new_desc].concat();
        if self.edit {
            return self.change_in_editor(context).await;
        }
        match words.is_empty() {
            true => {
                let shown = self.now(context).await?;
                context.show(&shown)
            }
            false => self.put(context, words.join(" "), None).await,
        }
    }

    fn what(&self) -> &'static str {
        if self.title { "title" } else { "description" }
    }

    /// The text of now: of the definition where only that is meant.
    async fn now(&self, context: &mut Context) -> anyhow::Result<Shown> {
        let domain = &self.target.domain;
        let inactive = self.config && !self.live;
        if self.live && context.client.domain_info(domain).await?.summary.id.is_none() {
            // Said as by every other verb.
            context.client.domain_stats(domain).await?;
        }
        let document = context.client.domain_xml(domain, XmlOptions { inactive }).await?;
        let config = reeve_xml::domain::parse_kept(&document)?;
        let text = if self.title { config.title } else { config.description };
        Ok(Shown { text, what: self.what(), domain: config.name })
    }

    async fn put(&self, context: &mut Context, text: String, expected: Option<String>) -> anyhow::Result<()> {
        let mut change = SetDescription { expected, ..SetDescription::default() };
        match self.title {
            true => change.title = Some(text),
            false => change.description = Some(text),
        }
        let options = TuneOptions { live: self.live, config: self.config };
        let row = context.client.describe_domain(&self.target.domain, &change, options).await?;
        context.show(&Done::new(row, if self.title { "has a new title" } else { "has a new description" }))
    }

    async fn change_in_editor(self, context: &mut Context) -> anyhow::Result<()> {
        let shown = self.now(context).await?;
        let found = editor::digest(shown.text.as_deref().unwrap_or_default());
        let before = shown.text.map_or_else(String::new, |text| text + "\n");
        // Editors end the last line, which is none of the text.
        let keep = async |context: &mut Context, after: &str, _: String| {
            self.put(context, after.trim_end_matches('\n').to_owned(), Some(found.clone())).await
        };
        match editor::edit(context, &before, keep).await? {
            true => Ok(()),
            false => {
                context.say(&format!("The {} of domain '{}' is unchanged", self.what(), self.target.domain))
            }
        }
    }
}

/// None where there is none.
#[derive(Serialize)]
#[serde(transparent)]
struct Shown {
    text: Option<String>,
    #[serde(skip)]
    what: &'static str,
    #[serde(skip)]
    domain: String,
}

impl Show for Shown {
    const ELEMENT: &'static str = "text";

    fn human(&self) -> String {
        let none = || format!("Domain '{}' has no {}", self.domain, self.what);
        self.text.clone().unwrap_or_else(none)
    }
}
