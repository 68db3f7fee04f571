//! Verbs on networks and packet filters. `network` and `filter` are a name or a UUID everywhere.

use hyper::Method;
use reeve_model::api::{EditOptions, SetAutostart, XmlOptions};
use reeve_model::filter::{DefinedFilter, FilterSummary, TakeFilter};
use reeve_model::network::{
    DefinedNetwork, Lease, NetworkFilter, NetworkSummary, NetworkUpdate, Port, TakeNetwork,
};

use crate::connection::Payload;
use crate::query::Target;
use crate::{Client, ClientError};

impl Client {
    /// Rows of all networks that pass the filter, by name.
    pub async fn list_networks(&self, filter: &NetworkFilter) -> Result<Vec<NetworkSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["networks"]).with_fields(filter), Payload::Empty).await
    }

    /// Takes in a network document: as a definition, or as a transient network that is started at once.
    pub async fn define_network(
        &self,
        xml: &str,
        options: TakeNetwork,
    ) -> Result<DefinedNetwork, ClientError> {
        self.call(Method::POST, Target::new(&["networks"]).with_fields(&options), Payload::Xml(xml)).await
    }

    /// What is known of a network.
    pub async fn network_info(&self, network: &str) -> Result<NetworkSummary, ClientError> {
        self.call(Method::GET, Target::new(&["networks", network]), Payload::Empty).await
    }

    /// Removes the definition of a network.
    pub async fn undefine_network(&self, network: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["networks", network]), Payload::Empty).await.map(drop)
    }

    /// The network's document as XML text.
    pub async fn network_xml(&self, network: &str, options: XmlOptions) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["networks", network, "xml"]).with_fields(&options)).await
    }

    /// Replaces the definition of a network; name and UUID stay.
    pub async fn edit_network(
        &self,
        network: &str,
        xml: &str,
        options: &EditOptions,
    ) -> Result<DefinedNetwork, ClientError> {
        let target = Target::new(&["networks", network, "xml"]).with_fields(options);
        self.call(Method::PUT, target, Payload::Xml(xml)).await
    }

    /// Starts a defined network.
    pub async fn start_network(&self, network: &str) -> Result<NetworkSummary, ClientError> {
        self.call(Method::POST, Target::new(&["networks", network, "start"]), Payload::Empty).await
    }

    /// Stops a network at once.
    pub async fn destroy_network(&self, network: &str) -> Result<(), ClientError> {
        let target = Target::new(&["networks", network, "destroy"]);
        self.send(Method::POST, target, Payload::Empty).await.map(drop)
    }

    /// Changes one section of a network.
    pub async fn update_network(
        &self,
        network: &str,
        change: &NetworkUpdate,
    ) -> Result<DefinedNetwork, ClientError> {
        let body = Payload::json(change)?;
        self.call(Method::POST, Target::new(&["networks", network, "update"]), body).await
    }

    /// Switches whether the daemon starts the network by itself.
    pub async fn set_network_autostart(
        &self,
        network: &str,
        enabled: bool,
    ) -> Result<NetworkSummary, ClientError> {
        let body = Payload::json(&SetAutostart { enabled })?;
        self.call(Method::PUT, Target::new(&["networks", network, "autostart"]), body).await
    }

    /// Addresses that the network's DHCP server gave out.
    pub async fn network_leases(&self, network: &str) -> Result<Vec<Lease>, ClientError> {
        self.call(Method::GET, Target::new(&["networks", network, "leases"]), Payload::Empty).await
    }

    /// Interfaces of running domains that are plugged into the network.
    pub async fn network_ports(&self, network: &str) -> Result<Vec<Port>, ClientError> {
        self.call(Method::GET, Target::new(&["networks", network, "ports"]), Payload::Empty).await
    }

    /// Rows of all packet filters, by name.
    pub async fn list_filters(&self) -> Result<Vec<FilterSummary>, ClientError> {
        self.call(Method::GET, Target::new(&["filters"]), Payload::Empty).await
    }

    /// Adds a packet filter, or replaces the one with its name.
    pub async fn define_filter(&self, xml: &str, options: TakeFilter) -> Result<DefinedFilter, ClientError> {
        self.call(Method::POST, Target::new(&["filters"]).with_fields(&options), Payload::Xml(xml)).await
    }

    /// Removes a packet filter that nothing refers to.
    pub async fn undefine_filter(&self, filter: &str) -> Result<(), ClientError> {
        self.send(Method::DELETE, Target::new(&["filters", filter]), Payload::Empty).await.map(drop)
    }

    /// The filter's document as XML text.
    pub async fn filter_xml(&self, filter: &str) -> Result<String, ClientError> {
        self.text(Method::GET, Target::new(&["filters", filter, "xml"])).await
    }
}
