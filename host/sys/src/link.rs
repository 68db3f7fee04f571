//! Network links of the kernel: bridges, taps, their addresses and routes, over rtnetlink.
//!
//! [`Links`] is the seam: [`KernelLinks`] is the real thing and belongs to the network namespace of the calling thread, [`FakeLinks`]
//! lives in memory and fails where a test wants it to. A change is one message to the kernel where the kernel allows that, so that it
//! is done whole or not at all.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

mod address;
mod change;
mod decode;
mod error;
mod fake;
mod forward;
mod kernel;
mod mac;
mod name;
mod neighbour;
mod new;
mod request;
mod route;
mod view;

pub use address::Address;
pub use change::{Change, PortOptions};
pub use error::{KernelError, LinkError};
pub use fake::FakeLinks;
pub use forward::Forward;
pub use kernel::KernelLinks;
pub use mac::{Mac, MacError};
pub use name::{LinkName, NameError};
pub use neighbour::Neighbour;
pub use new::{Bridge, Macvtap, MacvtapMode, NewLink, PersistentTap};
pub use route::{Family, Route};
pub use view::{Counters, Link, OperState, Port};

/// What the host may do with its links.
pub trait Links: Send + Sync {
    /// All links with their addresses, ordered by index.
    fn list(&self) -> Result<Vec<Link>, LinkError>;

    /// One link with its addresses; none when it is not there.
    fn find(&self, name: &LinkName) -> Result<Option<Link>, LinkError>;

    /// What went through a link since it was made.
    fn counters(&self, name: &LinkName) -> Result<Counters, LinkError>;

    /// Makes a link, which is down at first. A link of that name must not be there.
    fn create(&self, name: &LinkName, new: &NewLink) -> Result<(), LinkError>;

    /// Deletes a link, a persistent tap too; of a veth pair both ends go.
    fn delete(&self, name: &LinkName) -> Result<(), LinkError>;

    /// Changes one thing of a link.
    fn change(&self, name: &LinkName, change: &Change) -> Result<(), LinkError>;

    /// Moves a link to the network namespace behind a descriptor. It arrives without addresses, and down.
    fn move_to(&self, name: &LinkName, namespace: BorrowedFd<'_>) -> Result<(), LinkError>;

    /// Gives a link an address it must not have yet.
    fn add_address(&self, name: &LinkName, address: &Address) -> Result<(), LinkError>;

    /// Takes an address from a link.
    fn remove_address(&self, name: &LinkName, ip: IpAddr, prefix: u8) -> Result<(), LinkError>;

    /// Unicast routes of the main table, both families.
    fn routes(&self) -> Result<Vec<Route>, LinkError>;

    /// Adds a route to the main table that must not be there yet.
    fn add_route(&self, route: &Route) -> Result<(), LinkError>;

    /// Removes a route from the main table.
    fn remove_route(&self, route: &Route) -> Result<(), LinkError>;

    /// What a bridge forwards by entries that were set, not learned.
    fn forwards(&self, bridge: &LinkName) -> Result<Vec<Forward>, LinkError>;

    /// Sends frames for a MAC address to this port of a bridge only, until it is removed; for bridges whose MAC table the host manages.
    fn add_forward(&self, port: &LinkName, mac: Mac) -> Result<(), LinkError>;

    /// Undoes [`Links::add_forward`].
    fn remove_forward(&self, port: &LinkName, mac: Mac) -> Result<(), LinkError>;

    /// Neighbours of the host whose hardware address its own stack knows, of both families.
    fn neighbours(&self) -> Result<Vec<Neighbour>, LinkError>;

    /// The default route with the best metric.
    fn default_route(&self, family: Family) -> Result<Option<Route>, LinkError> {
        let defaults =
            self.routes()?.into_iter().filter(|route| route.is_default() && route.family() == family);
        Ok(defaults.min_by_key(|route| route.metric.unwrap_or(0)))
    }
}
