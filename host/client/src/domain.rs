//! Domain verbs. `domain` is a name or a UUID everywhere.

use hyper::Method;
use reeve_model::Bytes;
use reeve_model::api::{
    ChangedDomain, DefineOptions, Defined, DestroyOptions, DeviceOptions, DomainControl, DomainFilter,
    EditOptions, RenameDomain, SetAutostart, SetDescription, SetMemory, SetStatsPeriod, StartOptions,
    UndefineOptions, XmlOptions,
};
use reeve_model::domain_interface::{
    AddressOptions, DomainInterface, InterfaceAddress, SetBandwidth, SetLink,
};
use reeve_model::stats::{DomainInfo, DomainStats, DomainSummary};
use reeve_model::tuning::TuneOptions;

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Rows of all domains that pass the filter, by name.
    pub async fn list_domains(&self, filter: &DomainFilter) -> Result<Vec<DomainSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["domains"]).with_fields(filter), Payload::Empty).await
    }

    /// Takes in a domain document: as a definition, or as a transient domain that is started at once.
    pub async fn define_domain(&self, xml: &str, options: DefineOptions) -> Result<Defined, ClientError> {
        self.call(Method::POST, Target::new(&["domains"]).with_fields(&options), Payload::Xml(xml)).await
    }

    /// Removes a definition.
    pub async fn undefine_domain(&self, domain: &str) -> Result<(), ClientError> {
        self.undefine_domain_with(domain, UndefineOptions::default()).await
    }

    /// Removes a definition as `options` say.
    pub async fn undefine_domain_with(
        &self,
        domain: &str,
        options: UndefineOptions,
    ) -> Result<(), ClientError> {
        let target = Target::new(&["domains", domain]).with_fields(&options);
        self.send(Method::DELETE, target, Payload::Empty).await.map(drop)
    }

    /// Everything `domain info` shows.
    pub async fn domain_info(&self, domain: &str) -> Result<DomainInfo, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain]), Payload::Empty).await
    }

    /// The domain's document as XML text.
    pub async fn domain_xml(&self, domain: &str, options: XmlOptions) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["domains", domain, "xml"]).with_fields(&options)).await
    }

    /// Replaces the definition of a domain; name and UUID stay.
    pub async fn edit_domain(
        &self,
        domain: &str,
        xml: &str,
        options: &EditOptions,
    ) -> Result<Defined, ClientError> {
        let target = Target::new(&["domains", domain, "xml"]).with_fields(options);
        self.call(Method::PUT, target, Payload::Xml(xml)).await
    }

    /// Counters of an active domain.
    pub async fn domain_stats(&self, domain: &str) -> Result<DomainStats, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "stats"]), Payload::Empty).await
    }

    /// Starts a defined domain.
    pub async fn start_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "start").await
    }

    /// Starts a defined domain as `options` say.
    pub async fn start_domain_with(
        &self,
        domain: &str,
        options: StartOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "start"]).with_fields(&options);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Asks the guest to shut down; it may take its time, or refuse.
    pub async fn shutdown_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "shutdown").await
    }

    /// Asks the guest to reboot.
    pub async fn reboot_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "reboot").await
    }

    /// Resets the machine at once, as the button does.
    pub async fn reset_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "reset").await
    }

    /// Whether a running domain can be controlled now.
    pub async fn domain_control(&self, domain: &str) -> Result<DomainControl, ClientError> {
        self.call(Method::GET, Target::new(&["domains", domain, "control"]), Payload::Empty).await
    }

    /// Wakes a guest that suspended itself.
    pub async fn wake_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "pm-wakeup").await
    }

    /// Sends every vCPU a non-maskable interrupt.
    pub async fn inject_nmi(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "inject-nmi").await
    }

    /// Has the guest tell statistics of its memory every so many seconds.
    pub async fn set_stats_period(
        &self,
        domain: &str,
        seconds: u32,
        options: DeviceOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "memory-stats"]).with_fields(&options);
        self.call(Method::PUT, target, Payload::json(&SetStatsPeriod { seconds })?).await
    }

    /// Stops the machine at once.
    pub async fn destroy_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.destroy_domain_with(domain, DestroyOptions::default()).await
    }

    /// Stops the machine at once, as `options` say.
    pub async fn destroy_domain_with(
        &self,
        domain: &str,
        options: DestroyOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "destroy"]).with_fields(&options);
        self.call(Method::POST, target, Payload::Empty).await
    }

    /// Stops the vCPUs and keeps the memory.
    pub async fn suspend_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "suspend").await
    }

    /// Lets the vCPUs run again.
    pub async fn resume_domain(&self, domain: &str) -> Result<DomainSummary, ClientError> {
        self.verb(domain, "resume").await
    }

    /// Switches whether the daemon starts the domain by itself.
    pub async fn set_domain_autostart(
        &self,
        domain: &str,
        enabled: bool,
    ) -> Result<DomainSummary, ClientError> {
        let body = Payload::json(&SetAutostart { enabled })?;
        self.call(Method::PUT, Target::new(&["domains", domain, "autostart"]), body).await
    }

    /// Changes title and description of a domain.
    pub async fn describe_domain(
        &self,
        domain: &str,
        change: &SetDescription,
        options: TuneOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "description"]).with_fields(&options);
        self.call(Method::PATCH, target, Payload::json(change)?).await
    }

    /// Gives a defined domain that is off another name.
    pub async fn rename_domain(&self, domain: &str, name: &str) -> Result<DomainSummary, ClientError> {
        let body = Payload::json(&RenameDomain { name: name.to_owned() })?;
        self.call(Method::PUT, Target::new(&["domains", domain, "name"]), body).await
    }

    /// Sets the memory of an active domain through its balloon.
    pub async fn set_domain_memory(&self, domain: &str, bytes: Bytes) -> Result<DomainSummary, ClientError> {
        let body = Payload::json(&SetMemory { bytes })?;
        self.call(Method::PUT, Target::new(&["domains", domain, "memory"]), body).await
    }

    /// Plugs the device that `xml` describes.
    pub async fn attach_device(
        &self,
        domain: &str,
        xml: &str,
        options: DeviceOptions,
    ) -> Result<ChangedDomain, ClientError> {
        let target = Target::new(&["domains", domain, "attach-device"]).with_fields(&options);
        self.call(Method::POST, target, Payload::Xml(xml)).await
    }

    /// Unplugs the device that `xml` describes.
    pub async fn detach_device(
        &self,
        domain: &str,
        xml: &str,
        options: DeviceOptions,
    ) -> Result<DomainSummary, ClientError> {
        let target = Target::new(&["domains", domain, "detach-device"]).with_fields(&options);
        self.call(Method::POST, target, Payload::Xml(xml)).await
    }

    /// Changes the interface or disk that `xml` names to what it says.
    pub async fn update_device(
        &self,
        domain: &str,
        xml: &str,
        options: DeviceOptions,
    ) -> Result<ChangedDomain, ClientError> {
        let target = Target::new(&["domains", domain, "update-device"]).with_fields(&options);
        self.call(Method::POST, target, Payload::Xml(xml)).await
    }

    /// Interfaces of a domain in document order.
    pub async fn domain_interfaces(
        &self,
        domain: &str,
        options: XmlOptions,
    ) -> Result<Vec<DomainInterface>, ClientError> {
        let target = Target::new(&["domains", domain, "interfaces"]).with_fields(&options);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Addresses of a running guest that the host knows.
    pub async fn domain_addresses(
        &self,
        domain: &str,
        options: &AddressOptions,
    ) -> Result<Vec<InterfaceAddress>, ClientError> {
        let target = Target::new(&["domains", domain, "addresses"]).with_fields(options);
        self.call(Method::GET, target, Payload::Empty).await
    }

    /// Plugs the cable of an interface in or pulls it.
    pub async fn set_interface_link(
        &self,
        domain: &str,
        interface: &str,
        up: bool,
        options: DeviceOptions,
    ) -> Result<DomainInterface, ClientError> {
        let target = Target::new(&["domains", domain, "interfaces", interface, "link"]).with_fields(&options);
        self.call(Method::PUT, target, Payload::json(&SetLink { up })?).await
    }

    /// Limits what an interface receives and sends.
    pub async fn set_interface_bandwidth(
        &self,
        domain: &str,
        interface: &str,
        limits: SetBandwidth,
        options: DeviceOptions,
    ) -> Result<DomainInterface, ClientError> {
        let target =
            Target::new(&["domains", domain, "interfaces", interface, "bandwidth"]).with_fields(&options);
        self.call(Method::PUT, target, Payload::json(&limits)?).await
    }

    async fn verb(&self, domain: &str, verb: &str) -> Result<DomainSummary, ClientError> {
        self.call(Method::POST, Target::new(&["domains", domain, verb]), Payload::Empty).await
    }
}
