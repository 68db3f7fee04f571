//! The mechanism of virtual networks: bridges, dnsmasq, rules of the host's packet filter, taps and macvtaps of domains, and the host's own
//! interfaces. It knows documents as data, no store, no verbs, no policy.
//!
//! ```text
//!   guest ── tap vnet0 ──┐                      ┌─ table inet reeve: masquerading, who may talk to whom
//!   guest ── tap vnet1 ──┴─ bridge virbr0 ── host ── eth0 ── outside
//!                             │                          │
//!                          dnsmasq                       └─ macvtap0 ── guest   (forward modes bridge, private, vepa, passthrough)
//! ```
//!
//! [`Networks`] holds what is active: networks ([`Networks::start`]) and the ports of running domains ([`Networks::plan`],
//! [`Networks::make`]). It keeps nothing on disk but dnsmasq's own files, so a daemon that starts again tells it what was active
//! ([`Networks::adopt`]), and whatever carries this host's mark and is told by nobody is swept away. Changes are whole: a step that fails
//! undoes those before it, last first.
//!
//! [`HostInterfaces`] is the host's own side (guide 14.15.1).
//!
//! All calls block, for milliseconds mostly, for seconds while a dnsmasq does not come up. They belong to the network namespace of the calling
//! thread.
#![forbid(unsafe_code)]

mod error;
mod host;
mod interfaces;
mod networks;
mod ports;
mod rules;
mod service;
mod undo;

pub use error::NetworkError;
pub use host::Host;
pub use interfaces::{BridgeOptions, HostInterfaces, HostSnapshot};
pub use networks::{Adopted, NetworkSink, Networks, default_network};
pub use ports::{Medium, PlannedPort, PortRequest};
