//! Packet filters from end to end: a document of libvirt, its tree, the policy `packet-filter` in the real engine, the host's check,
//! nftables, and frames through a bridge in a namespace of its own.

mod examples;
mod host;
mod minimal;
mod order;
mod protocols;
mod refused;
mod rig;
mod shipped;
mod states;
mod variables;

type Outcome = anyhow::Result<()>;
