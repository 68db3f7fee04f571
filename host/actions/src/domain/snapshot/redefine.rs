//! What is kept of snapshots, changed by hand.

use reeve_domain::Request;
use reeve_model::snapshot::{Snapshot, SnapshotRow, SnapshotState};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::plan::check_name;
use super::{Kept, descendants, find, rows};
use crate::Actions;
use crate::domain::Subject;

impl Actions {
    /// Makes a snapshot the current one, without going back to it.
    pub async fn set_current_snapshot(&self, actor: &Actor, key: &str, name: &str) -> Result<(), Error> {
        let subject = self.subject(actor, Verb::DomainSnapshot, key)?;
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let mut kept = self.kept(subject.uuid).await?;
        find(&subject, &kept, name)?;
        kept.iter_mut().for_each(|kept| kept.current = kept.name() == name);
        self.keep(subject.uuid, &kept).await?;
        drop(turn);
        Ok(())
    }

    /// Takes a document for a snapshot that is there, or was where it comes from.
    pub(super) async fn redefine_snapshot(
        &self,
        actor: &Actor,
        subject: &Subject,
        given: Snapshot,
        current: bool,
    ) -> Result<SnapshotRow, Error> {
        check_name(&given.name)?;
        let turn = self.turn(actor, subject.uuid, Request::Configure).await?;
        let mut kept = self.kept(subject.uuid).await?;
        let before = kept.iter().position(|kept| kept.name() == given.name).map(|at| kept.remove(at));
        check(subject, &kept, &given, before.as_ref())?;
        let name = given.name.clone();
        let was_current = before.as_ref().is_some_and(|before| before.current);
        if current {
            kept.iter_mut().for_each(|kept| kept.current = false);
        }
        let memory = before.and_then(|before| before.memory);
        kept.push(Kept { snapshot: given, memory, current: current || was_current });
        self.keep(subject.uuid, &kept).await?;
        drop(turn);
        let row = rows(&subject.name, &kept).into_iter().find(|row| row.name == name);
        Ok(row.expect("it was put there"))
    }
}

/// Refuses a document that makes no tree, or says of a snapshot what it never was.
fn check(subject: &Subject, others: &[Kept], given: &Snapshot, before: Option<&Kept>) -> Result<(), Error> {
    let refused = |why: String| {
        let message = format!("snapshot '{}' of domain '{}': {why}", given.name, subject.name);
        Err(Error::new(ErrorCode::Invalid, message))
    };
    if given.created == 0 {
        return refused("a snapshot that is there was made at some time; add <creationTime>".to_owned());
    }
    if let Some(parent) = &given.parent {
        if !others.iter().any(|kept| kept.name() == parent) {
            return refused(format!("there is no parent '{parent}'; take its document first"));
        }
        if *parent == given.name || descendants(others, &given.name).contains(parent) {
            return refused(format!("its parent '{parent}' comes from it"));
        }
    }
    let other = given.definition().filter(|config| config.uuid != subject.uuid);
    if let Some(config) = other {
        return refused(format!("it is of domain '{}' ({})", config.name, config.uuid));
    }
    let Some(Kept { snapshot: then, .. }) = before else { return Ok(()) };
    if then.created != given.created {
        return refused("it was made at another time".to_owned());
    }
    let is_off = |state: SnapshotState| state == SnapshotState::Shutoff;
    if then.state.has_memory() != given.state.has_memory() || is_off(then.state) != is_off(given.state) {
        return refused(format!(
            "it was '{}', which can't become '{}'",
            then.state.as_str(),
            given.state.as_str()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::parse_snapshot;

    fn snapshot(name: &str, parent: Option<&str>) -> Snapshot {
        let parent = parent.map(|name| format!("<parent><name>{name}</name></parent>")).unwrap_or_default();
        let xml = format!(
            "<domainsnapshot><name>{name}</name>{parent}<creationTime>7</creationTime></domainsnapshot>"
        );
        parse_snapshot(&xml, false).unwrap()
    }

    fn kept(name: &str, parent: Option<&str>) -> Kept {
        Kept { snapshot: snapshot(name, parent), memory: None, current: false }
    }

    #[test]
    fn only_trees_are_taken() {
        let subject = Subject { uuid: uuid::Uuid::from_u128(1), name: "web".to_owned() };
        let tree = [kept("a", None), kept("b", Some("a")), kept("c", Some("b"))];
        let attempt = |given: &Snapshot| {
            let others: Vec<_> = tree.iter().filter(|kept| kept.name() != given.name).cloned().collect();
            let before = tree.iter().find(|kept| kept.name() == given.name);
            check(&subject, &others, given, before)
        };
        attempt(&snapshot("d", Some("c"))).unwrap();
        attempt(&snapshot("c", Some("a"))).unwrap();
        for (given, part) in [
            (snapshot("d", Some("x")), "no parent 'x'"),
            (snapshot("a", Some("c")), "comes from it"),
            (Snapshot { created: 8, ..snapshot("a", None) }, "another time"),
            (Snapshot { created: 0, ..snapshot("d", None) }, "creationTime"),
            (Snapshot { state: SnapshotState::Running, ..snapshot("a", None) }, "can't become"),
        ] {
            let refused = attempt(&given).unwrap_err().message;
            assert!(refused.contains(part), "{refused}");
        }
    }
}
