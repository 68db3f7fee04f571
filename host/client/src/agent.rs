//! What the agent in the guest of a domain is asked. `domain` is a name or a UUID.

use hyper::Method;
use reeve_model::agent::{
    AgentAnswer, AgentCommand, Filesystems, FreezeOptions, GuestFilesystem, GuestHostname, GuestTime,
    GuestVcpu, PmSuspendOptions, SetGuestTime, SetGuestVcpus, SetUserPassword, ShutdownOptions, TrimOptions,
    Trimmed,
};
use reeve_model::stats::DomainSummary;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Asks the guest to shut down, in the ways that are named.
    pub async fn shutdown_domain_by(
        &self,
        domain: &str,
        options: &ShutdownOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "shutdown"]).with_fields(options);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Asks the guest to reboot, in the ways that are named.
    pub async fn reboot_domain_by(
        &self,
        domain: &str,
        options: &ShutdownOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "reboot"]).with_fields(options);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Has the agent suspend the guest.
    pub async fn suspend_guest(
        &self,
        domain: &str,
        options: PmSuspendOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "pm-suspend"]);
        self.call(Method::POST, target, Payload::json(&options)?).await
    }

    /// Has the agent carry out a command.
    pub async fn agent_command(
        &self,
        domain: &str,
        command: &AgentCommand,
    ) -> Result<AgentAnswer, ClientError> {
        let target = Target::new(&["domains", domain, "agent-command"]);
        self.call(Method::POST, target, Payload::json(command)?).await
    }

    /// File systems of the guest.
    pub async fn guest_filesystems(&self, domain: &str) -> Result<Vec<GuestFilesystem>, ClientError> {
        let target = Target::new(&["domains", domain, "filesystems"]);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Freezes file systems of the guest.
    pub async fn freeze_guest(
        &self,
        domain: &str,
        options: &FreezeOptions,
    ) -> Result<Filesystems, ClientError> {
        let target = Target::new(&["domains", domain, "filesystems", "freeze"]);
        self.call(Method::POST, target, Payload::json(options)?).await
    }

    /// Thaws the file systems of the guest.
    pub async fn thaw_guest(&self, domain: &str) -> Result<Filesystems, ClientError> {
        let target = Target::new(&["domains", domain, "filesystems", "thaw"]);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Has the file systems of the guest give back the blocks that they do not need.
    pub async fn trim_guest(&self, domain: &str, options: TrimOptions) -> Result<Vec<Trimmed>, ClientError> {
        let target = Target::new(&["domains", domain, "filesystems", "trim"]);
        self.call(Method::POST, target, Payload::json(&options)?).await
    }

    /// The clock of the guest.
    pub async fn guest_time(&self, domain: &str) -> Result<GuestTime, ClientError> {
        let target = Target::new(&["domains", domain, "guest-time"]);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Sets the clock of the guest; the time it has then.
    pub async fn set_guest_time(&self, domain: &str, time: SetGuestTime) -> Result<GuestTime, ClientError> {
        let target = Target::new(&["domains", domain, "guest-time"]);
        self.call(Method::PUT, target, Payload::json(&time)?).await
    }

    /// What the guest calls itself.
    pub async fn guest_hostname(&self, domain: &str) -> Result<GuestHostname, ClientError> {
        let target = Target::new(&["domains", domain, "guest-hostname"]);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// vCPUs as the guest sees them.
    pub async fn guest_vcpus(&self, domain: &str) -> Result<Vec<GuestVcpu>, ClientError> {
        let target = Target::new(&["domains", domain, "guest-vcpus"]);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Has the guest use vCPUs, or do without them; all of them afterwards.
    pub async fn set_guest_vcpus(
        &self,
        domain: &str,
        vcpus: &SetGuestVcpus,
    ) -> Result<Vec<GuestVcpu>, ClientError> {
        let target = Target::new(&["domains", domain, "guest-vcpus"]);
        self.call(Method::PUT, target, Payload::json(vcpus)?).await
    }

    /// Gives a user of the guest another password.
    pub async fn set_guest_password(
        &self,
        domain: &str,
        user: &str,
        set: &SetUserPassword,
    ) -> Result<(), ClientError> {
        let target = Target::new(&["domains", domain, "guest-users", user, "password"]);
        self.send(Method::PUT, target, Payload::json(set)?).await.map(drop)
    }
}
