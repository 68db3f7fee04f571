//! `reeve domain domid`, `domname`, `domuuid` (guide 14.10) and `domrename`.

use clap::Args;
use serde::Serialize;

use super::{Done, Target};
use crate::context::Context;
use crate::output::{Show, or_dash};

/// Options of `reeve domain domid`.
#[derive(Debug, Args)]
pub struct Domid {
    #[command(flatten)]
    target: Target,
}

/// Options of `reeve domain domname`.
#[derive(Debug, Args)]
pub struct Domname {
    /// Number of a running domain, or UUID
    domain: String,
}

/// Options of `reeve domain domuuid`.
#[derive(Debug, Args)]
pub struct Domuuid {
    /// Name, or number of a running domain
    domain: String,
}

/// Options of `reeve domain domrename`.
#[derive(Debug, Args)]
#[command(after_help = "\
The domain must be off, and have neither a managed save nor snapshots: they know it by its old name. Its UUID stays, and with it
everything that is kept by UUID. What names it elsewhere, such as the grants of a policy, is for you to change.

Example:
  reeve domain domrename web web-old")]
pub struct Domrename {
    #[command(flatten)]
    target: Target,
    /// What it is called from now on
    new_name: String,
}

impl Domid {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.domain_info(&self.target.domain).await?.summary;
        context.show(&Number(row.id))
    }
}

impl Domname {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.domain_info(&self.domain).await?.summary;
        context.show(&Name(row.name))
    }
}

impl Domuuid {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.domain_info(&self.domain).await?.summary;
        context.show(&Name(row.uuid.to_string()))
    }
}

impl Domrename {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = context.client.rename_domain(&self.target.domain, &self.new_name).await?;
        context.show(&Done::new(row, "has its new name"))
    }
}

/// None for a domain that is off.
#[derive(Serialize)]
#[serde(transparent)]
struct Number(Option<u32>);

impl Show for Number {
    const ELEMENT: &'static str = "id";

    fn human(&self) -> String {
        or_dash(self.0)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Name(String);

impl Show for Name {
    const ELEMENT: &'static str = "name";

    fn human(&self) -> String {
        self.0.clone()
    }
}
