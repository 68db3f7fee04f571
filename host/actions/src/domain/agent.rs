//! What the agent in a guest is asked (guide 10.2): one conversation a question, one at a time a domain.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reeve_agent::{Agent, AgentError, CHANNEL, DiskPlace, Filesystem, ShutdownMode as End};
use reeve_domain::{Console, Request, Turn};
use reeve_model::agent::{
    AgentAnswer, AgentCommand, Filesystems, FreezeOptions, GuestAddress, GuestFilesystem, GuestHostname,
    GuestTime, GuestVcpu, SetGuestTime, SetGuestVcpus, SetUserPassword, ShutdownMode, ShutdownOptions,
    TrimOptions, Trimmed,
};
use reeve_model::device_address::DeviceAddress;
use reeve_model::domain::DomainConfig;
use reeve_model::{Actor, Error, ErrorCode, Verb};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::Subject;
use crate::Actions;
use crate::error::explain;

/// Time for a command that an operator made up.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(10);
/// The longest time that an operator may give it.
const MOST_PATIENCE: Duration = Duration::from_secs(600);
/// How long a question waits for those before it.
const TURN: Duration = Duration::from_secs(10);
const INSTALL: &str = "install qemu-guest-agent in the guest and see that its service runs; 'reeve domain qemu-agent-command' asks whether it answers";

/// Who talks to which agent: others wait.
#[derive(Default)]
pub(crate) struct Conversations(Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>);

impl Conversations {
    async fn wait(&self, domain: Uuid) -> OwnedMutexGuard<()> {
        let own = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(all.entry(domain).or_default())
        };
        own.lock_owned().await
    }
}

/// A conversation with the agent of a domain.
pub(super) struct Conversation {
    pub agent: Agent<Console>,
    domain: String,
    _alone: OwnedMutexGuard<()>,
}

impl Conversation {
    /// What an agent's error is to a client.
    pub fn told(&self, error: AgentError) -> Error {
        told(&self.domain, error)
    }
}

fn told(domain: &str, error: AgentError) -> Error {
    let code = match &error {
        AgentError::Silent { .. } => ErrorCode::Deadline,
        AgentError::Unknown { .. } => ErrorCode::Unsupported,
        AgentError::Invalid(_) => ErrorCode::Invalid,
        AgentError::Refused { .. }
        | AgentError::Closed
        | AgentError::Channel(_)
        | AgentError::TooLong { .. }
        | AgentError::Malformed { .. } => ErrorCode::WrongState,
    };
    let hint = matches!(error, AgentError::Silent { .. } | AgentError::Closed);
    let plain = Error::new(code, format!("domain '{domain}': {error}"));
    if hint { plain.with_hint(INSTALL) } else { plain }
}

impl Actions {
    /// A conversation with the agent of a running guest.
    pub(super) async fn conversation(&self, subject: &Subject) -> Result<Conversation, Error> {
        self.permits(subject, Request::Shutdown)?;
        let wait = tokio::time::timeout(TURN, self.conversations.wait(subject.uuid));
        let alone = wait.await.map_err(|_late| {
            let message = format!("the agent of domain '{}' is busy with another question", subject.name);
            Error::new(ErrorCode::Busy, message).with_hint("try again when that is answered")
        })?;
        let channel = self.domains.open_channel(subject.uuid, CHANNEL).await.map_err(explain)?;
        let agent = Agent::begin(channel).await.map_err(|error| told(&subject.name, error))?;
        Ok(Conversation { agent, domain: subject.name.clone(), _alone: alone })
    }

    async fn asked(&self, actor: &Actor, key: &str) -> Result<Conversation, Error> {
        let subject = self.subject(actor, Verb::DomainAgent, key)?;
        self.conversation(&subject).await
    }

    /// Has the agent carry out a command of the caller's making.
    pub async fn agent_command(
        &self,
        actor: &Actor,
        key: &str,
        request: &AgentCommand,
    ) -> Result<AgentAnswer, Error> {
        let mut asked = self.asked(actor, key).await?;
        let patience = request.timeout_s.map_or(DEFAULT_PATIENCE, |s| Duration::from_secs(s.into()));
        let answer = asked.agent.ask_verbatim(&request.command, patience.min(MOST_PATIENCE)).await;
        answer.map(|value| AgentAnswer { value }).map_err(|error| asked.told(error))
    }

    /// Freezes the file systems of a guest, or those that are named: nothing is written until they are thawed.
    pub async fn freeze(
        &self,
        actor: &Actor,
        key: &str,
        options: &FreezeOptions,
    ) -> Result<Filesystems, Error> {
        let mut asked = self.asked(actor, key).await?;
        let frozen = asked.agent.freeze(&options.mountpoints).await;
        let hint = format!("'reeve domain domfsthaw {}' thaws what may be frozen", asked.domain);
        frozen.map(|count| Filesystems { count }).map_err(|error| asked.told(error).with_hint(hint))
    }

    /// Thaws the file systems of a guest.
    pub async fn thaw(&self, actor: &Actor, key: &str) -> Result<Filesystems, Error> {
        let mut asked = self.asked(actor, key).await?;
        asked.agent.thaw().await.map(|count| Filesystems { count }).map_err(|error| asked.told(error))
    }

    /// Has the file systems of a guest give back the blocks that they do not need.
    pub async fn trim(&self, actor: &Actor, key: &str, options: TrimOptions) -> Result<Vec<Trimmed>, Error> {
        let mut asked = self.asked(actor, key).await?;
        asked.agent.trim(options.minimum).await.map_err(|error| asked.told(error))
    }

    /// File systems of a guest.
    pub async fn filesystems(&self, actor: &Actor, key: &str) -> Result<Vec<GuestFilesystem>, Error> {
        let subject = self.subject(actor, Verb::DomainAgent, key)?;
        let mut asked = self.conversation(&subject).await?;
        let all = asked.agent.filesystems().await.map_err(|error| asked.told(error))?;
        let config = self.domains.snapshot(subject.uuid).map_err(explain)?.config;
        Ok(all.into_iter().map(|one| filesystem(one, &config)).collect())
    }

    /// The clock of a guest.
    pub async fn guest_time(&self, actor: &Actor, key: &str) -> Result<GuestTime, Error> {
        let mut asked = self.asked(actor, key).await?;
        asked
            .agent
            .time()
            .await
            .map(|nanoseconds| GuestTime { nanoseconds })
            .map_err(|error| asked.told(error))
    }

    /// Sets the clock of a guest; the time it has then.
    pub async fn set_guest_time(
        &self,
        actor: &Actor,
        key: &str,
        set: SetGuestTime,
    ) -> Result<GuestTime, Error> {
        let mut asked = self.asked(actor, key).await?;
        asked.agent.set_time(set.nanoseconds).await.map_err(|error| asked.told(error))?;
        asked
            .agent
            .time()
            .await
            .map(|nanoseconds| GuestTime { nanoseconds })
            .map_err(|error| asked.told(error))
    }

    /// vCPUs of a guest as it sees them.
    pub async fn guest_vcpus(&self, actor: &Actor, key: &str) -> Result<Vec<GuestVcpu>, Error> {
        let mut asked = self.asked(actor, key).await?;
        asked.agent.vcpus().await.map_err(|error| asked.told(error))
    }

    /// Has a guest use vCPUs, or do without them, until it starts again; all of them afterwards.
    pub async fn set_guest_vcpus(
        &self,
        actor: &Actor,
        key: &str,
        set: &SetGuestVcpus,
    ) -> Result<Vec<GuestVcpu>, Error> {
        let mut asked = self.asked(actor, key).await?;
        let has = asked.agent.vcpus().await.map_err(|error| asked.told(error))?;
        for number in &set.numbers {
            let reason = match has.iter().find(|vcpu| vcpu.number == *number) {
                None => "which it has not",
                Some(vcpu) if !set.online && vcpu.online && !vcpu.can_offline => "which it can't do without",
                Some(_) => continue,
            };
            let message =
                format!("the guest of domain '{}' was asked for vCPU {number}, {reason}", asked.domain);
            return Err(Error::new(ErrorCode::Invalid, message));
        }
        asked.agent.set_vcpus(&set.numbers, set.online).await.map_err(|error| asked.told(error))?;
        asked.agent.vcpus().await.map_err(|error| asked.told(error))
    }

    /// What a guest calls itself.
    pub async fn guest_hostname(&self, actor: &Actor, key: &str) -> Result<GuestHostname, Error> {
        let mut asked = self.asked(actor, key).await?;
        let hostname = asked.agent.hostname().await.map_err(|error| asked.told(error))?;
        Ok(GuestHostname { hostname })
    }

    /// Gives a user of a guest another password. What it is is told to the guest alone.
    pub async fn set_user_password(
        &self,
        actor: &Actor,
        key: &str,
        user: &str,
        set: &SetUserPassword,
    ) -> Result<(), Error> {
        let mut asked = self.asked(actor, key).await?;
        asked.agent.set_user_password(user, set).await.map_err(|error| asked.told(error))
    }

    /// Addresses of a guest as it says itself.
    pub(super) async fn guest_addresses(&self, subject: &Subject) -> Result<Vec<GuestAddress>, Error> {
        let mut asked = self.conversation(subject).await?;
        asked.agent.addresses().await.map_err(|error| asked.told(error))
    }

    /// Has the agent of a guest end it or start it again. False when that was not to be by the agent, or it did not answer and the
    /// power button may be pressed instead.
    pub(super) async fn end_by_agent(&self, subject: &Subject, ways: Ways, end: End) -> Result<bool, Error> {
        let config = self.domains.snapshot(subject.uuid).map_err(explain)?.config;
        let has_channel =
            config.devices.channels.iter().any(|channel| channel.name.as_deref() == Some(CHANNEL));
        if !ways.agent || (ways.acpi && !has_channel) {
            return Ok(false);
        }
        let ended = match self.conversation(subject).await {
            Ok(mut asked) => asked.agent.shut_down(end).await.map_err(|error| asked.told(error)),
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => Ok(true),
            Err(error) if ways.acpi => {
                tracing::info!(domain = subject.name, %error, "the power button is pressed instead");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// How a guest may be asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ways {
    agent: bool,
    acpi: bool,
}

impl Ways {
    /// Those of a request.
    pub fn new(options: &ShutdownOptions) -> Result<Self, Error> {
        let Some(words) = &options.mode else { return Ok(Self { agent: true, acpi: true }) };
        let mut ways = Self { agent: false, acpi: false };
        for word in words.split(',').map(str::trim) {
            match ShutdownMode::ALL.into_iter().find(|mode| mode.as_str() == word) {
                Some(ShutdownMode::Agent) => ways.agent = true,
                Some(ShutdownMode::Acpi) => ways.acpi = true,
                Some(ShutdownMode::Initctl | ShutdownMode::Signal) => {
                    let message = format!("mode '{word}' is for containers, and this host runs machines");
                    return Err(Error::new(ErrorCode::Unsupported, message).with_hint("use acpi or agent"));
                }
                None => {
                    let message = format!("there is no mode '{word}' to shut a guest down");
                    return Err(Error::new(ErrorCode::Invalid, message).with_hint("use acpi or agent"));
                }
            }
        }
        Ok(ways)
    }
}

/// Tells a domain that its guest was asked to end, before it does.
pub(super) async fn announce(turn: &Turn, asked: bool) {
    // It has ended meanwhile, and there is nobody to tell.
    let _ = turn.expect_shutdown(asked).await;
}

fn filesystem(own: Filesystem, config: &DomainConfig) -> GuestFilesystem {
    let Filesystem { mountpoint, name, kind, total, used, disks } = own;
    let disks = disks.iter().filter_map(|place| target(place, config)).collect();
    GuestFilesystem { mountpoint, name, kind, total, used, disks }
}

/// The target of a disk, by its serial number or by its address where the document gave it one.
fn target(place: &DiskPlace, config: &DomainConfig) -> Option<String> {
    let disks = &config.devices.disks;
    let by_serial = place.serial.as_deref().filter(|serial| !serial.is_empty()).and_then(|serial| {
        // A virtio disk tells the first twenty bytes.
        disks.iter().find(|disk| disk.serial.as_deref().is_some_and(|own| own.starts_with(serial)))
    });
    let at = |disk: &&reeve_model::domain::Disk| matches!(&disk.common.address, Some(DeviceAddress::Pci { slot, .. }) if Some(*slot) == place.slot);
    by_serial.or_else(|| disks.iter().find(at)).map(|disk| disk.target.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(mode: &str) -> Result<Ways, Error> {
        Ways::new(&ShutdownOptions { mode: Some(mode.to_owned()) })
    }

    #[test]
    fn modes_are_a_list() {
        let both = Ways { agent: true, acpi: true };
        assert_eq!(Ways::new(&ShutdownOptions::default()).unwrap(), both);
        assert_eq!(ways("acpi,agent").unwrap(), both);
        assert_eq!(ways("agent").unwrap(), Ways { agent: true, acpi: false });
        assert_eq!(ways("acpi").unwrap(), Ways { agent: false, acpi: true });
        assert_eq!(ways("initctl").unwrap_err().code, ErrorCode::Unsupported);
        assert_eq!(ways("agent,").unwrap_err().code, ErrorCode::Invalid);
    }
}
