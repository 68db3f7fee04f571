//! Who may do what: one table for clients, policies and the daemon.
//!
//! | actor | may |
//! |---|---|
//! | daemon | everything |
//! | policy | what its grants name, and nothing else |
//! | another host that the configuration names | send guests |
//! | client: root, the daemon's own user, a member of the configured group | everything |
//! | any other client | reads, where the configuration says so; else nothing |

use std::path::{Path, PathBuf};

use reeve_model::{Actor, Error, ErrorCode, Verb};

use crate::Actions;

/// Which clients may do what.
#[derive(Debug, Clone)]
pub struct Access {
    /// Name of the group whose members may do everything, beside root.
    pub group: Option<String>,
    /// Lets every other client read.
    pub others_read: bool,
    /// The user the daemon runs as.
    pub own_uid: u32,
    /// Directory of `passwd` and `group`.
    pub etc: PathBuf,
}

impl Access {
    /// Root and the daemon's own user may do everything, nobody else anything.
    pub fn owner_only(own_uid: u32) -> Self {
        Self { group: None, others_read: false, own_uid, etc: PathBuf::from("/etc") }
    }

    /// True when a client with this user id may use `verb`.
    pub fn allows(&self, uid: u32, verb: Verb) -> bool {
        let full = uid == 0
            || uid == self.own_uid
            || self.group.as_deref().is_some_and(|group| is_member(&self.etc, uid, group));
        full || (self.others_read && is_read(verb))
    }
}

/// True for verbs that change nothing and show no guest's data.
fn is_read(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::DomainRead
            | Verb::NodeRead
            | Verb::EventsRead
            | Verb::PolicyRead
            | Verb::NetworkRead
            | Verb::FilterRead
            | Verb::InterfaceRead
            | Verb::PoolRead
            | Verb::VolumeRead
    )
}

/// Whether `group` is the primary group of the user, or lists it.
fn is_member(etc: &Path, uid: u32, group: &str) -> bool {
    let read = |file: &str| std::fs::read_to_string(etc.join(file)).unwrap_or_default();
    let (users, groups) = (read("passwd"), read("group"));
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let Some(group) = groups.lines().map(fields).find(|fields| fields[0] == group && fields.len() >= 4)
    else {
        return false;
    };
    let uid = uid.to_string();
    (users.lines().map(fields))
        .filter(|user| user.len() >= 4 && user[2] == uid)
        .any(|user| user[3] == group[2] || group[3].split(',').any(|member| member == user[0]))
}

impl Actions {
    /// Refuses what `actor` may not do to `subject`: a domain's name, a policy's name, or "" for the host.
    pub(crate) fn authorize(&self, actor: &Actor, verb: Verb, subject: &str) -> Result<(), Error> {
        let (allowed, hint) = match actor {
            Actor::Daemon => (true, String::new()),
            Actor::Policy { name, .. } => {
                let hint = format!("grant it with 'reeve policy grant {name} {verb}'");
                (self.policy.permits(name, verb, subject), hint)
            }
            Actor::Host { name } => {
                let allowed = verb == Verb::DomainMigrate && self.migrations.may_send(name);
                (allowed, format!("add '{name}' to 'migration.peers' in reeve.toml of this host"))
            }
            Actor::Client { uid, .. } => {
                let hint = match &self.access.group {
                    Some(group) => format!("run it as root or as a member of group '{group}'"),
                    None => "run it as root".to_owned(),
                };
                (self.access.allows(*uid, verb), hint)
            }
        };
        if allowed {
            return Ok(());
        }
        let on = match subject {
            "" => String::new(),
            subject => format!(" on '{subject}'"),
        };
        Err(Error::new(ErrorCode::Denied, format!("{actor} may not use {verb}{on}")).with_hint(hint))
    }
}
