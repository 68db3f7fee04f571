//! Virtual networks: to read, and what happens to them.

pub use crate::bindings::reeve::network::networks::{
    Counters, Lease, Mode, Network, Port, get, leases, list, port_counters, ports,
};
pub use crate::hooks::network_events::{Change, NetworkEvent};
