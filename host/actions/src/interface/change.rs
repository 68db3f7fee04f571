//! A change of several steps that is confirmed or taken back (guide 14.15.1.9).

use std::time::Duration;

use reeve_model::host_interface::{
    BeginHostChange, CHANGE_SECONDS, HostChange, HostRollback, LONGEST_CHANGE_SECONDS,
};
use reeve_model::{Actor, Error, ErrorCode, Verb};
use reeve_store::{InterfaceRow, SnapshotKind, SnapshotRow};
use tokio_util::sync::CancellationToken;

use super::changing::{self, Changing, Saved};
use super::{Interfaces, Open};
use crate::{Actions, document};

/// How often going back is tried: what one pass puts back may be what another part was missing.
const PASSES: usize = 3;

impl Actions {
    /// Whether a change of the host's interfaces is open.
    pub fn interface_change(&self, actor: &Actor) -> Result<HostChange, Error> {
        self.authorize(actor, Verb::InterfaceRead, "")?;
        self.networking.interfaces.change()
    }

    /// Begins a change: what is done to interfaces from now on is taken back unless it is committed in time.
    pub async fn begin_interfaces(
        &self,
        actor: &Actor,
        options: BeginHostChange,
    ) -> Result<HostChange, Error> {
        self.authorize(actor, Verb::InterfaceWrite, "")?;
        let seconds = options.timeout.unwrap_or(CHANGE_SECONDS);
        if seconds > LONGEST_CHANGE_SECONDS {
            let message = format!("a change of the host's interfaces can't wait for {seconds} s");
            let hint = format!("give it 1 to {LONGEST_CHANGE_SECONDS} seconds, or 0 to wait for ever");
            return Err(Error::new(ErrorCode::Invalid, message).with_hint(hint));
        }
        self.change_interfaces(move |change| change.begin(seconds)).await
    }

    /// Ends a change: what was done since it was begun stays.
    pub async fn commit_interfaces(&self, actor: &Actor) -> Result<(), Error> {
        self.authorize(actor, Verb::InterfaceWrite, "")?;
        self.change_interfaces(|change| {
            let open = change.open()?;
            if open.deadline.is_some_and(|deadline| changing::now().is_ok_and(|now| now >= deadline)) {
                let message = "the time for the change of the host's interfaces is over: it is rolled back";
                return Err(Error::new(ErrorCode::WrongState, message));
            }
            change.store.remove_interface_snapshot(SnapshotKind::Change)?;
            change.interfaces.set_open(None);
            tracing::info!("the change of the host's interfaces is committed");
            Ok(())
        })
        .await
    }

    /// Takes a change back: links, addresses, routes and definitions are what they were when it was begun.
    pub async fn roll_back_interfaces(&self, actor: &Actor) -> Result<HostRollback, Error> {
        self.authorize(actor, Verb::InterfaceWrite, "")?;
        self.change_interfaces(|change| {
            change.open()?;
            let warnings = change.roll_back()?;
            tracing::info!("the change of the host's interfaces is rolled back");
            Ok(HostRollback { warnings })
        })
        .await
    }

    /// Takes changes back whose time is over, until `stop` is cancelled. To be called once, beside the verbs.
    pub async fn follow_interfaces(self: std::sync::Arc<Self>, stop: CancellationToken) {
        loop {
            let interfaces = &self.networking.interfaces;
            let left = interfaces.left();
            let over = async {
                match left {
                    Some(left) => tokio::time::sleep(left).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = interfaces.bell.notified() => {}
                () = over => self.end_overdue().await,
            }
        }
    }

    async fn end_overdue(&self) {
        let ended = self
            .change_interfaces(|change| match change.interfaces.left() {
                Some(Duration::ZERO) => {
                    tracing::warn!(
                        "a change of the host's interfaces was not committed in time and is rolled back"
                    );
                    change.roll_back()
                }
                _ => Ok(Vec::new()),
            })
            .await;
        match ended {
            Ok(warnings) => warnings.iter().for_each(|warning| tracing::warn!("{warning}")),
            Err(error) => {
                // Nobody is there to be told, and it would be no other the next time.
                self.networking.interfaces.set_open(None);
                tracing::error!(%error, "the host's interfaces are not all what they were");
            }
        }
    }
}

impl Interfaces {
    pub(super) fn set_open(&self, open: Option<Open>) {
        self.state().open = open;
        self.bell.notify_one();
    }

    /// How a change stands.
    fn change(&self) -> Result<HostChange, Error> {
        let open = self.state().open;
        let seconds_left = match open.and_then(|open| open.deadline) {
            Some(deadline) => Some(deadline.saturating_sub(changing::now()?).div_ceil(1000)),
            None => None,
        };
        Ok(HostChange { open: open.is_some(), seconds_left })
    }

    /// How long the change that is open may wait; none while none is open or it waits for ever.
    fn left(&self) -> Option<Duration> {
        let deadline = self.state().open?.deadline?;
        // A clock that can't be read shows no time that is left.
        let now = changing::now().unwrap_or(u64::MAX);
        Some(Duration::from_millis(deadline.saturating_sub(now)))
    }
}

impl Changing<'_> {
    fn open(&self) -> Result<Open, Error> {
        self.interfaces.state().open.ok_or_else(|| {
            let message = "no change of the host's interfaces is open";
            Error::new(ErrorCode::WrongState, message).with_hint("begin one with 'reeve iface begin'")
        })
    }

    fn begin(&self, seconds: u64) -> Result<HostChange, Error> {
        if self.interfaces.state().open.is_some() {
            let message = "a change of the host's interfaces is open already";
            let hint = "end it with 'reeve iface commit' or 'reeve iface rollback'";
            return Err(Error::new(ErrorCode::WrongState, message).with_hint(hint));
        }
        let deadline = match seconds {
            0 => None,
            seconds => Some(changing::now()?.saturating_add(seconds.saturating_mul(1000))),
        };
        let defined: Vec<(String, String)> = (self.interfaces.state().defined.values())
            .map(|config| (config.name.clone(), document::format_interface(config)))
            .collect();
        let saved = Saved { host: self.interfaces.host.snapshot()?, defined };
        self.store.put_interface_snapshot(&changing::row(SnapshotKind::Change, deadline, &saved)?)?;
        self.interfaces.set_open(Some(Open { deadline }));
        tracing::info!(seconds, "a change of the host's interfaces is begun");
        self.interfaces.change()
    }

    /// Goes back to where the change was begun, and ends it; sentences on what was left alone. What can't be put back is named, and the
    /// rest is put back all the same.
    pub(super) fn roll_back(&self) -> Result<Vec<String>, Error> {
        let rows = self.store.interface_snapshots()?;
        let Some(row) = rows.into_iter().find(|row| row.kind == SnapshotKind::Change) else {
            self.interfaces.set_open(None);
            return Ok(Vec::new());
        };
        let saved = changing::saved(&row)?;
        // Should the daemon die from here on, the next one goes on with it.
        self.store.put_interface_snapshot(&SnapshotRow { deadline: Some(0), ..row.clone() })?;
        let kernel = match row.boot == changing::boot()? {
            true => self.put_back(&saved),
            // The kernel has begun anew and knows nothing of the change.
            false => Ok(Vec::new()),
        };
        let rows: Vec<InterfaceRow> =
            saved.defined.into_iter().map(|(name, xml)| InterfaceRow { name, xml }).collect();
        self.store.replace_interfaces(&rows)?;
        self.interfaces.load(rows);
        self.interfaces.set_open(None);
        kernel.map_err(|error| {
            let message = format!("the host's interfaces were rolled back, but not all: {}", error.message);
            Error { message, ..error }
        })
    }

    /// Makes the kernel what it was.
    pub(super) fn put_back(&self, saved: &Saved) -> Result<Vec<String>, Error> {
        let mut done = self.interfaces.host.rollback(&saved.host);
        for _ in 1..PASSES {
            if done.is_ok() {
                break;
            }
            done = self.interfaces.host.rollback(&saved.host);
        }
        Ok(done?)
    }
}
