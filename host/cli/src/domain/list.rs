//! `reeve domain list`.

use std::collections::BTreeMap;

use clap::Args;
use reeve_client::ClientError;
use reeve_model::api::DomainFilter;
use reeve_model::stats::DomainSummary;
use reeve_model::{DomainState, ErrorCode};
use serde::Serialize;
use uuid::Uuid;

use crate::context::Context;
use crate::output::{Show, or_dash, table};

/// Options of `reeve domain list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without options the active domains are listed. Options of different kinds narrow the list, those of one kind widen it.

Examples:
  reeve domain list --all
  reeve domain list --inactive --autostart --name
  reeve domain list --state-paused --state-crashed --output json")]
pub struct List {
    /// Active and inactive domains
    #[arg(long)]
    all: bool,
    /// Inactive domains
    #[arg(long, conflicts_with = "all")]
    inactive: bool,
    /// Domains that have a definition
    #[arg(long, conflicts_with = "transient")]
    persistent: bool,
    /// Domains without a definition
    #[arg(long)]
    transient: bool,
    /// Domains that the daemon starts by itself
    #[arg(long, conflicts_with = "no_autostart")]
    autostart: bool,
    /// Domains that it does not
    #[arg(long)]
    no_autostart: bool,
    /// Domains whose next start goes on from a managed save
    #[arg(long, conflicts_with = "without_managed_save")]
    with_managed_save: bool,
    /// Domains that have none
    #[arg(long)]
    without_managed_save: bool,
    /// Show domains that have a managed save as saved
    #[arg(long)]
    managed_save: bool,
    #[command(flatten)]
    states: States,
    /// Domains that have snapshots
    #[arg(long, conflicts_with = "without_snapshot")]
    with_snapshot: bool,
    /// Domains that have none
    #[arg(long)]
    without_snapshot: bool,
    /// A table, as without it
    #[arg(long, conflicts_with_all = ["name", "uuid"])]
    table: bool,
    /// A column with their titles
    #[arg(long, conflicts_with_all = ["name", "uuid"])]
    title: bool,
    /// Only the names, a line each
    #[arg(long)]
    name: bool,
    /// Only the UUIDs, a line each; after the names with --name
    #[arg(long)]
    uuid: bool,
}

/// Lists by state.
#[derive(Debug, Args)]
struct States {
    /// Domains that are running or idle
    #[arg(long = "state-running")]
    running: bool,
    /// Domains that are paused
    #[arg(long = "state-paused")]
    paused: bool,
    /// Domains that are shut off
    #[arg(long = "state-shutoff")]
    shutoff: bool,
    /// Domains that crashed
    #[arg(long = "state-crashed")]
    crashed: bool,
    /// Domains in any other state
    #[arg(long = "state-other")]
    other: bool,
}

impl States {
    fn any(&self) -> bool {
        self.running || self.paused || self.shutoff || self.crashed || self.other
    }

    fn matches(&self, state: DomainState) -> bool {
        match state {
            DomainState::Running | DomainState::Idle => self.running,
            DomainState::Paused => self.paused,
            DomainState::ShutOff => self.shutoff,
            DomainState::Crashed => self.crashed,
            DomainState::InShutdown | DomainState::PmSuspended => self.other,
        }
    }
}

impl List {
    /// The part of the filter that the daemon applies.
    fn filter(&self) -> DomainFilter {
        let active = match (self.inactive, self.all || self.states.any()) {
            (true, _) => Some(false),
            (false, true) => None,
            (false, false) => Some(true),
        };
        DomainFilter {
            active,
            state: None,
            persistent: (self.persistent || self.transient).then_some(self.persistent),
            autostart: (self.autostart || self.no_autostart).then_some(self.autostart),
            managed_save: (self.with_managed_save || self.without_managed_save)
                .then_some(self.with_managed_save),
        }
    }

    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let mut rows = context.client.list_domains(&self.filter()).await?;
        if self.states.any() {
            rows.retain(|row| self.states.matches(row.state));
        }
        // As virsh sorts: what runs by its number, then the rest by name.
        rows.sort_by(|a, b| (a.id.unwrap_or(u32::MAX), &a.name).cmp(&(b.id.unwrap_or(u32::MAX), &b.name)));
        if self.with_snapshot || self.without_snapshot {
            let mut kept = Vec::new();
            for row in rows {
                if is_on_disk_alone(&row) {
                    context.note(&format!("domain '{}' is left out: its definition can't be read", row.name));
                    continue;
                }
                let has = asked(context.client.snapshots(&row.uuid.to_string()).await)?;
                if has.is_some_and(|snapshots| snapshots.is_empty() == self.without_snapshot) {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        let mut titles = BTreeMap::new();
        for row in rows.iter().filter(|row| self.title && !is_on_disk_alone(row)) {
            if let Some(info) = asked(context.client.domain_info(&row.uuid.to_string()).await)? {
                titles.extend(info.title.map(|title| (row.uuid, title)));
            }
        }
        let titles = self.title.then_some(titles);
        context.show(&Rows { rows, titles, name: self.name, uuid: self.uuid, saved: self.managed_save })
    }
}

/// True when nothing but its row can be asked for: its definition can't be read, and it does not run.
pub(super) fn is_on_disk_alone(row: &DomainSummary) -> bool {
    row.unreadable.is_some() && row.id.is_none()
}

/// The answer about a domain of the list; none when it has gone meanwhile.
fn asked<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Refused(error)) if error.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Rows {
    rows: Vec<DomainSummary>,
    /// Where they are asked for.
    #[serde(skip)]
    titles: Option<BTreeMap<Uuid, String>>,
    #[serde(skip)]
    name: bool,
    #[serde(skip)]
    uuid: bool,
    /// A managed save is shown as the state.
    #[serde(skip)]
    saved: bool,
}

impl Show for Rows {
    const ELEMENT: &'static str = "domains";

    fn human(&self) -> String {
        let line = |row: &DomainSummary| match (self.name, self.uuid) {
            (true, true) => format!("{} {}\n", row.name, row.uuid),
            (false, true) => format!("{}\n", row.uuid),
            _ => format!("{}\n", row.name),
        };
        if self.name || self.uuid {
            return self.rows.iter().map(line).collect();
        }
        let state = |row: &DomainSummary| match row.state {
            // Any verb on it says why.
            DomainState::ShutOff if row.unreadable.is_some() => "unreadable".to_owned(),
            DomainState::ShutOff if self.saved && row.managed_save => "saved".to_owned(),
            state => state.to_string(),
        };
        let cells = |row: &DomainSummary| [or_dash(row.id), row.name.clone(), state(row)];
        if let Some(titles) = &self.titles {
            let title = |row: &DomainSummary| titles.get(&row.uuid).cloned().unwrap_or_default();
            let titled = |row: &DomainSummary| {
                let [id, name, state] = cells(row);
                [id, name, state, title(row)]
            };
            return table(["Id", "Name", "State", "Title"], self.rows.iter().map(titled));
        }
        table(["Id", "Name", "State"], self.rows.iter().map(cells))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::samples;
    use crate::output::Format;

    #[test]
    fn the_list_looks_like_virsh() {
        let rows = |name, uuid| Rows {
            rows: vec![samples::web(), samples::database()],
            titles: None,
            name,
            uuid,
            saved: false,
        };
        let all = [
            Format::Table.draw(&rows(false, false)).unwrap(),
            Format::Table.draw(&rows(true, false)).unwrap(),
            Format::Table.draw(&rows(true, true)).unwrap(),
            Format::Json.draw(&rows(false, false)).unwrap(),
            Format::Table
                .draw(&Rows { rows: Vec::new(), titles: None, name: false, uuid: false, saved: false })
                .unwrap(),
        ];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
