//! `reeve domain snapshot-list`, `-info`, `-parent` (guide 14.15.2.5 to 14.15.2.8).

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use reeve_model::snapshot::{SnapshotRow, SnapshotState};
use serde::Serialize;
use time::OffsetDateTime;

use super::snapshot::Which;
use crate::context::Context;
use crate::output::{Show, moment, or_dash, pairs, table, yes_no};

/// Options of `reeve domain snapshot-list`.
#[derive(Debug, Default, Args)]
pub struct SnapshotList {
    #[command(flatten)]
    target: SnapshotsOf,
    /// With the one that each comes from
    #[arg(long, conflicts_with_all = ["roots", "tree"])]
    parent: bool,
    /// Only those that come from none
    #[arg(long, conflicts_with_all = ["tree", "from", "current"])]
    roots: bool,
    /// Names as a tree
    #[arg(long, conflicts_with_all = ["leaves", "no_leaves", "metadata", "no_metadata", "inactive", "active", "disk_only", "internal", "external", "name"])]
    tree: bool,
    /// Only those that come from this one
    #[arg(value_name = "SNAPSHOT", conflicts_with_all = ["from", "current", "roots"])]
    after: Option<String>,
    /// The same as the second argument
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "current")]
    from: Option<String>,
    /// Only those that come from the current one
    #[arg(long)]
    current: bool,
    /// Also those that come from it by way of others
    #[arg(long)]
    descendants: bool,
    /// Only those that none comes from
    #[arg(long)]
    leaves: bool,
    /// Only those that others come from
    #[arg(long)]
    no_leaves: bool,
    /// Only those that are in the way of an undefine: all
    #[arg(long)]
    metadata: bool,
    /// Only those that are known without being kept here: none
    #[arg(long)]
    no_metadata: bool,
    /// Those of a domain that was off
    #[arg(long)]
    inactive: bool,
    /// Those of a domain that ran, with its memory
    #[arg(long)]
    active: bool,
    /// Those of a domain that ran, without its memory
    #[arg(long)]
    disk_only: bool,
    /// Those within images
    #[arg(long)]
    internal: bool,
    /// Those in files of their own
    #[arg(long)]
    external: bool,
    /// Only names
    #[arg(long)]
    name: bool,
    /// Each after the one it comes from
    #[arg(long)]
    topological: bool,
}

/// A domain on the command line.
#[derive(Debug, Default, Args)]
struct SnapshotsOf {
    /// Name or UUID
    domain: String,
}

impl SnapshotList {
    pub(crate) async fn run(mut self, context: &mut Context) -> anyhow::Result<()> {
        let rows = context.client.snapshots(&self.target.domain).await?;
        self.from = self.from.or(self.after.take());
        if self.current {
            let current = rows.iter().find(|row| row.current);
            let current = current
                .with_context(|| format!("domain '{}' has no current snapshot", self.target.domain))?;
            self.from = Some(current.name.clone());
        }
        if let Some(from) = self.from.as_deref().filter(|from| !rows.iter().any(|row| row.name == **from)) {
            anyhow::bail!("domain '{}' has no snapshot '{from}'", self.target.domain);
        }
        if self.tree {
            return context.print(&self.draw_tree(&rows));
        }
        let (parent, name) = (self.parent, self.name);
        context.show(&Rows { rows: self.chosen(rows), parent, name })
    }

    /// Rows that pass all filters.
    fn chosen(&self, rows: Vec<SnapshotRow>) -> Vec<SnapshotRow> {
        let state = |row: &SnapshotRow| match row.state {
            SnapshotState::Shutoff => self.inactive,
            SnapshotState::Running | SnapshotState::Paused => self.active,
            SnapshotState::DiskSnapshot => self.disk_only,
        };
        let any_state = !(self.inactive || self.active || self.disk_only);
        let any_place = self.internal == self.external;
        let any_end = self.leaves == self.no_leaves;
        let passes = |row: &SnapshotRow| {
            (any_state || state(row))
                && (any_place || row.external == self.external)
                && (any_end || (row.children == 0) == self.leaves)
                && (!self.roots || row.parent.is_none())
                && (self.metadata || !self.no_metadata)
                && self.from.as_deref().is_none_or(|from| self.comes_from(&rows, row, from))
        };
        let mut chosen: Vec<_> = rows.iter().filter(|row| passes(row)).cloned().collect();
        if self.topological {
            chosen.sort_by_cached_key(|row| (ancestors(&rows, row).len(), row.name.clone()));
        }
        chosen
    }

    fn comes_from(&self, rows: &[SnapshotRow], row: &SnapshotRow, from: &str) -> bool {
        match self.descendants {
            true => ancestors(rows, row).iter().any(|name| name == from),
            false => row.parent.as_deref() == Some(from),
        }
    }

    fn draw_tree(&self, rows: &[SnapshotRow]) -> String {
        let mut text = String::new();
        match &self.from {
            Some(from) => draw(rows, from, "", &mut text),
            None => {
                for root in rows.iter().filter(|row| row.parent.is_none()) {
                    draw(rows, &root.name, "", &mut text);
                }
            }
        }
        text.trim_end().to_owned()
    }
}

/// Names of those that a snapshot comes from, the nearest first.
fn ancestors(rows: &[SnapshotRow], row: &SnapshotRow) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut next = row.parent.clone();
    while let Some(name) = next.filter(|name| !found.contains(name)) {
        next = rows.iter().find(|row| row.name == name).and_then(|row| row.parent.clone());
        found.push(name);
    }
    found
}

/// A snapshot and all that come from it, a line each.
fn draw(rows: &[SnapshotRow], name: &str, indent: &str, text: &mut String) {
    writeln!(text, "{indent}{}{name}", if indent.is_empty() { "" } else { "+- " })
        .expect("writing to a string cannot fail");
    let deeper = format!("{indent}  ");
    for child in rows.iter().filter(|row| row.parent.as_deref() == Some(name)) {
        draw(rows, &child.name, &deeper, text);
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<SnapshotRow>,
    #[serde(skip)]
    parent: bool,
    #[serde(skip)]
    name: bool,
}

fn created(row: &SnapshotRow) -> String {
    OffsetDateTime::from_unix_timestamp(row.created).map_or_else(|_| "-".to_owned(), moment)
}

impl Show for Rows {
    const ELEMENT: &'static str = "snapshots";

    fn human(&self) -> String {
        if self.name {
            return self.rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>().join("\n");
        }
        let state = |row: &SnapshotRow| row.state.as_str().to_owned();
        if self.parent {
            let cells =
                |row: &SnapshotRow| [row.name.clone(), created(row), state(row), or_dash(row.parent.clone())];
            return table(["Name", "Creation Time", "State", "Parent"], self.rows.iter().map(cells));
        }
        let cells = |row: &SnapshotRow| [row.name.clone(), created(row), state(row)];
        table(["Name", "Creation Time", "State"], self.rows.iter().map(cells))
    }
}

/// Options of `reeve domain snapshot-info`.
#[derive(Debug, Args)]
pub struct SnapshotInfo {
    #[command(flatten)]
    which: Which,
}

impl SnapshotInfo {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = row(context, &self.which).await?;
        context.show(&One(row))
    }
}

/// Options of `reeve domain snapshot-parent`.
#[derive(Debug, Args)]
pub struct SnapshotParent {
    #[command(flatten)]
    which: Which,
}

impl SnapshotParent {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let row = row(context, &self.which).await?;
        let parent = row.parent.with_context(|| format!("snapshot '{}' has no parent", row.name))?;
        context.print(&parent)
    }
}

async fn row(context: &Context, which: &Which) -> anyhow::Result<SnapshotRow> {
    let name = which.name(context).await?;
    let rows = context.client.snapshots(&which.target.domain).await?;
    let found = rows.into_iter().find(|row| row.name == name);
    found.with_context(|| format!("domain '{}' has no snapshot '{name}'", which.target.domain))
}

/// One snapshot, all that is known.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct One(pub(super) SnapshotRow);

impl Show for One {
    const ELEMENT: &'static str = "snapshot";

    fn human(&self) -> String {
        let row = &self.0;
        pairs([
            ("Name", row.name.clone()),
            ("Domain", row.domain.clone()),
            ("Current", yes_no(row.current).to_owned()),
            ("State", row.state.as_str().to_owned()),
            ("Location", if row.external { "external" } else { "internal" }.to_owned()),
            ("Parent", or_dash(row.parent.clone())),
            ("Children", row.children.to_string()),
            ("Descendants", row.descendants.to_string()),
            ("Created", created(row)),
            ("Description", or_dash(row.description.clone())),
            ("Metadata", yes_no(true).to_owned()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, parent: Option<&str>, state: SnapshotState, children: usize) -> SnapshotRow {
        SnapshotRow {
            name: name.to_owned(),
            domain: "web".to_owned(),
            description: None,
            state,
            created: 1_700_000_000,
            parent: parent.map(str::to_owned),
            current: false,
            external: state == SnapshotState::DiskSnapshot,
            children,
            descendants: children,
        }
    }

    /// a ─ b ─ d, a ─ c, z
    fn tree() -> Vec<SnapshotRow> {
        use SnapshotState as S;
        vec![
            row("a", None, S::Shutoff, 2),
            row("b", Some("a"), S::Running, 1),
            row("c", Some("a"), S::DiskSnapshot, 0),
            row("d", Some("b"), S::Paused, 0),
            row("z", None, S::Shutoff, 0),
        ]
    }

    fn names(list: &SnapshotList) -> String {
        list.chosen(tree()).iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn filters_choose_as_the_guide_says() {
        let all = SnapshotList::default;
        let from = |name: &str| SnapshotList { from: Some(name.to_owned()), ..all() };
        for (list, wanted) in [
            (all(), "abcdz"),
            (SnapshotList { roots: true, ..all() }, "az"),
            (SnapshotList { leaves: true, ..all() }, "cdz"),
            (SnapshotList { no_leaves: true, ..all() }, "ab"),
            (SnapshotList { leaves: true, no_leaves: true, ..all() }, "abcdz"),
            (SnapshotList { inactive: true, ..all() }, "az"),
            (SnapshotList { active: true, ..all() }, "bd"),
            (SnapshotList { active: true, disk_only: true, ..all() }, "bcd"),
            (SnapshotList { external: true, ..all() }, "c"),
            (SnapshotList { internal: true, leaves: true, ..all() }, "dz"),
            (SnapshotList { metadata: true, ..all() }, "abcdz"),
            (SnapshotList { no_metadata: true, ..all() }, ""),
            (from("a"), "bc"),
            (SnapshotList { descendants: true, ..from("a") }, "bcd"),
            (SnapshotList { descendants: true, leaves: true, ..from("a") }, "cd"),
            (SnapshotList { topological: true, ..all() }, "azbcd"),
        ] {
            assert_eq!(names(&list), wanted, "{list:?}");
        }
    }

    #[test]
    fn a_tree_shows_what_comes_from_what() {
        let all = SnapshotList { tree: true, ..SnapshotList::default() };
        assert_eq!(all.draw_tree(&tree()), "a\n  +- b\n    +- d\n  +- c\nz");
        let from = SnapshotList { from: Some("b".to_owned()), ..all };
        assert_eq!(from.draw_tree(&tree()), "b\n  +- d");
    }
}
