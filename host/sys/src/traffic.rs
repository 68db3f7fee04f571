//! Limits on what passes a link, through the program tc.
//!
//! Directions are the guest's, as in libvirt's `<bandwidth>`: what it receives leaves the host by its tap, where a classful queue (htb)
//! paces it. What it sends arrives at the tap, where nothing can wait; it is sent on to an intermediate link of its own (ifb), whose
//! queue paces it the same way.
//!
//! ```text
//!   guest  <---- tap <---- htb <---- host         inbound
//!   guest  ----> tap ----> ifb ----> htb ----> host   outbound
//! ```
//!
//! A bridge is shaped like a tap, seen from its guests. Below its inbound limit every port that was promised a floor has a class of
//! its own, and all others share what is left of the average (class 1:2).

use crate::link::{LinkError, LinkName, Mac};
use crate::process::RunError;

mod fake;
mod kernel;
mod read;
mod script;

pub use fake::FakeTraffic;
pub use kernel::KernelTraffic;

/// A limit of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes per second.
    pub average: u64,
    /// Bytes per second at most, while there is something to borrow; none is the average. For links without a network's limit above
    /// them it is the speed of a burst.
    pub peak: Option<u64>,
    /// Bytes that may pass at peak speed; none is what 20 ms at the average are, and a full packet at least.
    pub burst: Option<u64>,
}

/// Limits of a link; none is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Of what the guest receives.
    pub inbound: Option<Rate>,
    /// Of what it sends.
    pub outbound: Option<Rate>,
}

/// What a port of a shaped bridge gets at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// Tells the ports of a bridge apart: 3 to 9999, chosen by the caller.
    pub id: u16,
    /// Whose frames they are.
    pub mac: Mac,
    /// Bytes per second.
    pub rate: u64,
}

/// How links are shaped.
pub trait Traffic: Send + Sync {
    /// Gives a tap or another guest's link its limits, instead of those it has.
    fn set(&self, link: &LinkName, shape: &Shape) -> Result<(), TrafficError>;

    /// Gives a bridge its limits and its ports their floors, instead of those it has. Floors take part only in an inbound limit, and
    /// their sum must be below its average.
    fn set_bridge(&self, bridge: &LinkName, shape: &Shape, floors: &[Floor]) -> Result<(), TrafficError>;

    /// Takes all limits from a link. To be called before it is deleted, or its intermediate link stays until [`Traffic::sweep`].
    fn clear(&self, link: &LinkName) -> Result<(), TrafficError>;

    /// The limits a link has.
    fn read(&self, link: &LinkName) -> Result<Shape, TrafficError>;

    /// Deletes the intermediate links of links that are gone, and says how many there were.
    fn sweep(&self) -> Result<usize, TrafficError>;
}

/// A link could not be shaped.
#[derive(Debug, thiserror::Error)]
pub enum TrafficError {
    /// tc or the kernel refused.
    #[error("traffic of network interface '{link}' can't be {step}: {message}")]
    Refused {
        /// The link.
        link: LinkName,
        /// What was to be done.
        step: &'static str,
        /// The first line of what tc said.
        message: String,
    },
    /// The limits make no sense.
    #[error("traffic of network interface '{link}' can't be limited: {reason}")]
    Limits {
        /// The link.
        link: LinkName,
        /// Why not.
        reason: &'static str,
    },
    /// The link or its intermediate link can't be had.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// tc did not come to its end.
    #[error(transparent)]
    Run(#[from] RunError),
}
