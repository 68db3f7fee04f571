//! What an agent is asked for, a function a command.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reeve_model::Bytes;
use reeve_model::agent::{AgentInfo, GuestAddress, GuestOs, GuestVcpu, PmTarget, SetUserPassword, Trimmed};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::text::plain;
use crate::{Agent, AgentError, wire};

/// Time for what an agent answers out of its head.
pub(crate) const QUICK: Duration = Duration::from_secs(10);
/// Time for what writes back or discards, or runs scripts of the guest's administrator.
const THOROUGH: Duration = Duration::from_secs(120);
/// Time in which an agent would say that it won't shut down or suspend the guest.
const REFUSAL: Duration = Duration::from_secs(1);
/// Most entries that are taken over of a list.
const MOST: usize = 4096;

/// What becomes of a guest that is shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShutdownMode {
    /// It switches itself off.
    PowerDown,
    /// It starts again.
    Reboot,
    /// It stops and stays on.
    Halt,
}

/// A file system of a guest with where its disks are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filesystem {
    /// Where it is mounted.
    pub mountpoint: String,
    /// Its device.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// Its size.
    pub total: Option<Bytes>,
    /// What of it is used.
    pub used: Option<Bytes>,
    /// Where its disks are.
    pub disks: Vec<DiskPlace>,
}

/// Where a disk is, by what the guest can see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskPlace {
    /// PCI slot on bus 0, function 0; none elsewhere.
    pub slot: Option<u8>,
    /// Its serial number.
    pub serial: Option<String>,
}

/// A program to run in a guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Program {
    /// Path in the guest.
    pub path: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What it reads.
    pub input: Option<Vec<u8>>,
    /// Its output is wanted.
    pub capture: bool,
}

/// What became of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// It has ended.
    pub exited: bool,
    /// Its exit code, where it ended by itself.
    pub code: Option<i64>,
    /// The signal that ended it.
    pub signal: Option<i64>,
    /// What it wrote.
    pub output: Vec<u8>,
    /// What it wrote to standard error.
    pub errors: Vec<u8>,
    /// There was more.
    pub truncated: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Agent<S> {
    /// Whether it answers.
    pub async fn ping(&mut self) -> Result<(), AgentError> {
        self.ask("guest-ping", json!({}), QUICK).await.map(drop)
    }

    /// What the agent is and which commands it does.
    pub async fn info(&mut self) -> Result<AgentInfo, AgentError> {
        let info: wire::Info = self.get("guest-info", json!({}), QUICK).await?;
        let known = info.supported_commands.into_iter().filter(|command| command.enabled).take(MOST);
        let commands = known.map(|command| plain(&command.name)).collect();
        Ok(AgentInfo { version: plain(&info.version), commands })
    }

    /// Has the guest end or start again. Nothing tells that it will.
    pub async fn shut_down(&mut self, mode: ShutdownMode) -> Result<(), AgentError> {
        let mode = match mode {
            ShutdownMode::PowerDown => "powerdown",
            ShutdownMode::Reboot => "reboot",
            ShutdownMode::Halt => "halt",
        };
        self.tell("guest-shutdown", json!({ "mode": mode }), REFUSAL).await
    }

    /// Has the guest suspend itself. Nothing tells that it will.
    pub async fn suspend(&mut self, target: PmTarget) -> Result<(), AgentError> {
        let command = match target {
            PmTarget::Mem => "guest-suspend-ram",
            PmTarget::Disk => "guest-suspend-disk",
            PmTarget::Hybrid => "guest-suspend-hybrid",
        };
        self.tell(command, json!({}), REFUSAL).await
    }

    /// Nanoseconds since 1970 on the guest's clock.
    pub async fn time(&mut self) -> Result<i64, AgentError> {
        self.get("guest-get-time", json!({}), QUICK).await
    }

    /// Sets the guest's clock; none takes the clock that runs while the guest does not.
    pub async fn set_time(&mut self, nanoseconds: Option<i64>) -> Result<(), AgentError> {
        let arguments = nanoseconds.map_or_else(|| json!({}), |time| json!({ "time": time }));
        self.ask("guest-set-time", arguments, QUICK).await.map(drop)
    }

    /// Whether file systems are frozen.
    pub async fn is_frozen(&mut self) -> Result<bool, AgentError> {
        let command = "guest-fsfreeze-status";
        match self.get::<String>(command, json!({}), QUICK).await?.as_str() {
            "frozen" => Ok(true),
            "thawed" => Ok(false),
            other => Err(malformed(command, &format!("there is no state '{}'", plain(other)))),
        }
    }

    /// Freezes file systems, or those that are named, after the guest's hooks have put applications in order; how many.
    pub async fn freeze(&mut self, mountpoints: &[String]) -> Result<u64, AgentError> {
        if mountpoints.is_empty() {
            return self.get("guest-fsfreeze-freeze", json!({}), THOROUGH).await;
        }
        self.get("guest-fsfreeze-freeze-list", json!({ "mountpoints": mountpoints }), THOROUGH).await
    }

    /// Thaws every frozen file system, then runs the guest's hooks in the other order; how many.
    pub async fn thaw(&mut self) -> Result<u64, AgentError> {
        self.get("guest-fsfreeze-thaw", json!({}), THOROUGH).await
    }

    /// Has file systems say which blocks they do not need; what became of each.
    pub async fn trim(&mut self, minimum: Option<u64>) -> Result<Vec<Trimmed>, AgentError> {
        let arguments = minimum.map_or_else(|| json!({}), |bytes| json!({ "minimum": bytes }));
        let answer: wire::Trim = self.get("guest-fstrim", arguments, THOROUGH).await?;
        let trimmed = |one: wire::TrimPath| Trimmed {
            path: plain(&one.path),
            trimmed: one.trimmed.map(Bytes),
            fault: one.error.as_deref().map(plain),
        };
        Ok(answer.paths.into_iter().take(MOST).map(trimmed).collect())
    }

    /// File systems of the guest.
    pub async fn filesystems(&mut self) -> Result<Vec<Filesystem>, AgentError> {
        let all: Vec<wire::Filesystem> = self.get("guest-get-fsinfo", json!({}), THOROUGH).await?;
        Ok(all.into_iter().take(MOST).map(Filesystem::from).collect())
    }

    /// Addresses of the guest.
    pub async fn addresses(&mut self) -> Result<Vec<GuestAddress>, AgentError> {
        let all: Vec<wire::Interface> = self.get("guest-network-get-interfaces", json!({}), QUICK).await?;
        let mut addresses = Vec::new();
        for interface in all {
            let (name, mac) = (plain(&interface.name), interface.hardware_address.as_deref().map(plain));
            let own = interface.ip_addresses.into_iter().filter_map(|address| {
                let ip = address.ip_address.parse().ok()?;
                let (interface, mac) = (name.clone(), mac.clone());
                Some(GuestAddress { interface, mac, ip, prefix: address.prefix })
            });
            addresses.extend(own);
        }
        addresses.truncate(MOST);
        Ok(addresses)
    }

    /// vCPUs of the guest.
    pub async fn vcpus(&mut self) -> Result<Vec<GuestVcpu>, AgentError> {
        let all: Vec<wire::Vcpu> = self.get("guest-get-vcpus", json!({}), QUICK).await?;
        let vcpu = |one: wire::Vcpu| GuestVcpu {
            number: one.logical_id,
            online: one.online,
            can_offline: one.can_offline,
        };
        Ok(all.into_iter().take(MOST).map(vcpu).collect())
    }

    /// Has the guest use vCPUs, or do without them. It may have done some of it when it fails.
    pub async fn set_vcpus(&mut self, numbers: &[u32], online: bool) -> Result<(), AgentError> {
        let command = "guest-set-vcpus";
        let one = |number: &u32| json!({ "logical-id": number, "online": online });
        let vcpus: Vec<Value> = numbers.iter().map(one).collect();
        let done: u64 = self.get(command, json!({ "vcpus": vcpus }), QUICK).await?;
        match done >= numbers.len() as u64 {
            true => Ok(()),
            false => {
                let reason = format!("it did {done} of {} vCPUs", numbers.len());
                Err(AgentError::Refused { command: command.to_owned(), reason })
            }
        }
    }

    /// What operating system it is.
    pub async fn os(&mut self) -> Result<GuestOs, AgentError> {
        let info: wire::OsInfo = self.get("guest-get-osinfo", json!({}), QUICK).await?;
        let text = |text: Option<String>| text.as_deref().map(plain);
        Ok(GuestOs {
            id: text(info.id),
            pretty_name: text(info.pretty_name),
            version: text(info.version_id),
            kernel: text(info.kernel_release),
        })
    }

    /// What the guest calls itself.
    pub async fn hostname(&mut self) -> Result<String, AgentError> {
        let answer: wire::HostName = self.get("guest-get-host-name", json!({}), QUICK).await?;
        Ok(plain(&answer.host_name))
    }

    /// Gives a user of the guest another password.
    pub async fn set_user_password(&mut self, user: &str, set: &SetUserPassword) -> Result<(), AgentError> {
        let arguments = json!({
            "username": user,
            "password": STANDARD.encode(&set.password),
            "crypted": set.encrypted,
        });
        self.ask("guest-set-user-password", arguments, QUICK).await.map(drop)
    }

    /// Starts a program in the guest; its process id there.
    pub async fn execute(&mut self, program: &Program) -> Result<i64, AgentError> {
        let mut arguments = json!({
            "path": program.path,
            "arg": program.arguments,
            "capture-output": program.capture,
        });
        if let Some(input) = &program.input {
            arguments["input-data"] = STANDARD.encode(input).into();
        }
        Ok(self.get::<wire::Pid>("guest-exec", arguments, QUICK).await?.pid)
    }

    /// What became of a program that was started; once it has ended the guest forgets it.
    pub async fn executed(&mut self, pid: i64) -> Result<Executed, AgentError> {
        let command = "guest-exec-status";
        let status: wire::ExecStatus = self.get(command, json!({ "pid": pid }), QUICK).await?;
        let data = |text: Option<String>| match text {
            Some(text) => decode(command, &text),
            None => Ok(Vec::new()),
        };
        Ok(Executed {
            exited: status.exited,
            code: status.exitcode,
            signal: status.signal,
            output: data(status.out_data)?,
            errors: data(status.err_data)?,
            truncated: status.out_truncated || status.err_truncated,
        })
    }

    /// Asks, and takes the answer for what it must be.
    pub(crate) async fn get<T: DeserializeOwned>(
        &mut self,
        command: &str,
        arguments: Value,
        patience: Duration,
    ) -> Result<T, AgentError> {
        let answer = self.ask(command, arguments, patience).await?;
        serde_json::from_value(answer).map_err(|error| malformed(command, &error.to_string()))
    }
}

impl From<wire::Filesystem> for Filesystem {
    fn from(own: wire::Filesystem) -> Self {
        let place = |disk: wire::Disk| {
            let at = disk.pci_controller;
            let slot = u8::try_from(at.slot).ok().filter(|_| (at.domain, at.bus, at.function) == (0, 0, 0));
            DiskPlace { slot, serial: disk.serial.as_deref().map(plain) }
        };
        Self {
            mountpoint: plain(&own.mountpoint),
            name: plain(&own.name),
            kind: plain(&own.kind),
            total: own.total_bytes.map(Bytes),
            used: own.used_bytes.map(Bytes),
            disks: own.disk.into_iter().take(MOST).map(place).collect(),
        }
    }
}

pub(crate) fn decode(command: &str, text: &str) -> Result<Vec<u8>, AgentError> {
    STANDARD.decode(text).map_err(|error| malformed(command, &error.to_string()))
}

pub(crate) fn malformed(command: &str, reason: &str) -> AgentError {
    AgentError::Malformed { command: command.to_owned(), reason: plain(reason) }
}
