//! `reeve nwfilter …` (guide 18.12.11.3): packet filters.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reeve_model::filter::{DefinedFilter, FilterSummary, TakeFilter};
use serde::Serialize;

use crate::context::{Context, read_document};
use crate::editor;
use crate::output::{Show, table};

/// What can be done with packet filters.
#[derive(Debug, Subcommand)]
pub enum FilterCommand {
    /// Add a packet filter from a document, or replace the one with its name
    Define(Define),
    /// Remove a packet filter that nothing refers to
    Undefine(Undefine),
    /// List packet filters
    #[command(visible_alias = "ls")]
    List(List),
    /// Print the filter XML document
    #[command(visible_alias = "dumpxml")]
    Xml(Xml),
    /// Change a packet filter in an editor
    Edit(Edit),
}

impl FilterCommand {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        match self {
            Self::Define(command) => command.run(context).await,
            Self::Undefine(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Xml(command) => command.run(context).await,
            Self::Edit(command) => command.run(context).await,
        }
    }
}

/// A packet filter on the command line.
#[derive(Debug, Args)]
struct Target {
    /// Name or UUID
    filter: String,
}

/// Options of `reeve nwfilter define`.
#[derive(Debug, Args)]
#[command(after_help = "\
Every running interface that refers to the filter, directly or through others, gets its new rules at once and together; where one of them
can't have them, nothing changes. Filters that it refers to may be defined later; they must be there when an interface is plugged.

Example:
  reeve nwfilter define web-server.xml")]
pub struct Define {
    /// A filter XML document, - for standard input
    file: PathBuf,
    /// Refuse the document instead of warning about what in it would be ignored
    #[arg(long)]
    strict: bool,
}

/// Options of `reeve nwfilter undefine`.
#[derive(Debug, Args)]
pub struct Undefine {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve nwfilter list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only the names, a line each
    #[arg(long)]
    name: bool,
}

/// Options of `reeve nwfilter xml`.
#[derive(Debug, Args)]
pub struct Xml {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve nwfilter edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The editor is $VISUAL, $EDITOR, or vi. A document that is refused is opened again with the text as it was left.")]
pub struct Edit {
    #[command(flatten)]
    target: Target,
}

impl Define {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = read_document(&self.file)?;
        let defined = context.client.define_filter(&document, TakeFilter { strict: self.strict }).await?;
        done(context, defined, "defined")
    }
}

impl Undefine {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        context.client.undefine_filter(&self.target.filter).await?;
        context.say(&format!("Packet filter '{}' undefined", self.target.filter))
    }
}

impl List {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let rows = context.client.list_filters().await?;
        context.show(&Rows { rows, name: self.name })
    }
}

impl Xml {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let document = context.client.filter_xml(&self.target.filter).await?;
        context.print(&document)
    }
}

impl Edit {
    async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let filter = self.target.filter;
        let before = context.client.filter_xml(&filter).await?;
        let keep = async |context: &mut Context, after: &str, _digest: String| {
            let defined = context.client.define_filter(after, TakeFilter::default()).await?;
            done(context, defined, "edited")
        };
        match editor::edit(context, &before, keep).await? {
            true => Ok(()),
            false => context.print(&format!("Packet filter '{filter}' is unchanged")),
        }
    }
}

fn done(context: &mut Context, defined: DefinedFilter, participle: &'static str) -> anyhow::Result<()> {
    context.warn(&defined.warnings);
    context.show(&Done { defined, participle })
}

#[derive(Serialize)]
#[serde(transparent)]
struct Done {
    defined: DefinedFilter,
    #[serde(skip)]
    participle: &'static str,
}

impl Show for Done {
    const ELEMENT: &'static str = "defined";

    fn human(&self) -> String {
        format!("Packet filter '{}' {}", self.defined.filter.name, self.participle)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<FilterSummary>,
    #[serde(skip)]
    name: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "filters";

    fn human(&self) -> String {
        if self.name {
            return self.rows.iter().map(|row| format!("{}\n", row.name)).collect();
        }
        let cells = |row: &FilterSummary| {
            [row.uuid.to_string(), row.name.clone(), row.chain.clone(), row.bindings.to_string()]
        };
        table(["UUID", "Name", "Chain", "Interfaces"], self.rows.iter().map(cells))
    }
}
