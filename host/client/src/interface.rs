//! Verbs on the host's own interfaces. `interface` is a name, or a MAC address that no other has, everywhere.

use hyper::Method;
use reeve_model::api::{EditOptions, XmlOptions};
use reeve_model::host_interface::{
    BeginHostChange, BridgeHostInterface, DefinedHostInterface, HostChange, HostInterfaceFilter,
    HostInterfaceSummary, HostRollback, TakeHostInterface, UnbridgeHostInterface,
};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Rows of all interfaces of the host that pass the filter, by name.
    pub async fn list_interfaces(
        &self,
        filter: &HostInterfaceFilter,
    ) -> Result<Vec<HostInterfaceSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["interfaces"]).with_fields(filter), Payload::Empty).await
    }

    /// Adds a definition, or replaces the one with its name.
    pub async fn define_interface(
        &self,
        xml: &str,
        options: TakeHostInterface,
    ) -> Result<DefinedHostInterface, ClientError> {
        self.call(Method::POST, Target::new(&["interfaces"]).with_fields(&options), Payload::Xml(xml)).await
    }

    /// What is known of an interface.
    pub async fn interface_info(&self, interface: &str) -> Result<HostInterfaceSummary, ClientError> {
        self.call(Method::GET, Target::new(&["interfaces", interface]), Payload::Empty).await
    }

    /// Removes the definition of an interface.
    pub async fn undefine_interface(&self, interface: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["interfaces", interface]), Payload::Empty).await.map(drop)
    }

    /// The interface's document as XML text.
    pub async fn interface_xml(&self, interface: &str, options: XmlOptions) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["interfaces", interface, "xml"]).with_fields(&options)).await
    }

    /// Replaces the definition of an interface; its name stays.
    pub async fn edit_interface(
        &self,
        interface: &str,
        xml: &str,
        options: &EditOptions,
    ) -> Result<DefinedHostInterface, ClientError> {
        let target = Target::new(&["interfaces", interface, "xml"]).with_fields(options);
        self.call(Method::PUT, target, Payload::Xml(xml)).await
    }

    /// Makes a defined interface what its document says.
    pub async fn start_interface(&self, interface: &str) -> Result<HostInterfaceSummary, ClientError> {
        self.call(Method::POST, Target::new(&["interfaces", interface, "start"]), Payload::Empty).await
    }

    /// Takes a defined interface down.
    pub async fn destroy_interface(&self, interface: &str) -> Result<(), ClientError> {
        let target = Target::new(&["interfaces", interface, "destroy"]);
        self.send(Method::POST, target, Payload::Empty).await.map(drop)
    }

    /// Puts an interface into a new bridge.
    pub async fn bridge_interface(
        &self,
        interface: &str,
        wanted: &BridgeHostInterface,
    ) -> Result<DefinedHostInterface, ClientError> {
        let body = Payload::json(wanted)?;
        self.call(Method::POST, Target::new(&["interfaces", interface, "bridge"]), body).await
    }

    /// Takes a bridge with one port apart.
    pub async fn unbridge_interface(
        &self,
        interface: &str,
        wanted: UnbridgeHostInterface,
    ) -> Result<DefinedHostInterface, ClientError> {
        let body = Payload::json(&wanted)?;
        self.call(Method::POST, Target::new(&["interfaces", interface, "unbridge"]), body).await
    }

    /// Whether a change of interfaces is open.
    pub async fn interface_change(&self) -> Result<HostChange, ClientError> {
        self.call(Method::GET, Target::new(&["interface-change"]), Payload::Empty).await
    }

    /// Begins a change, which is taken back unless it is committed in time.
    pub async fn begin_interfaces(&self, options: BeginHostChange) -> Result<HostChange, ClientError> {
        let body = Payload::json(&options)?;
        self.call(Method::POST, Target::new(&["interface-change", "begin"]), body).await
    }

    /// Ends a change: what was done since it was begun stays.
    pub async fn commit_interfaces(&self) -> Result<(), ClientError> {
        let target = Target::new(&["interface-change", "commit"]);
        self.send(Method::POST, target, Payload::Empty).await.map(drop)
    }

    /// Takes a change back.
    pub async fn roll_back_interfaces(&self) -> Result<HostRollback, ClientError> {
        self.call(Method::POST, Target::new(&["interface-change", "rollback"]), Payload::Empty).await
    }
}
