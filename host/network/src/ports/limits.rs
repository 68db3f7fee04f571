//! Limits: from documents, which count in KiB, to what the kernel is told, which counts in bytes.

use reeve_model::network::{Bandwidth, NetworkConfig, RateLimit};
use reeve_sys::link::LinkName;
use reeve_sys::traffic::{Floor, Rate, Shape};

use super::PlannedPort;
use crate::networks::State;
use crate::{Host, NetworkError};

const KIB: u64 = 1024;
/// The first id that a floor of a bridge may have.
const FIRST_FLOOR: u16 = 3;

/// The limits of one link.
pub(crate) fn shape(bandwidth: &Bandwidth) -> Shape {
    Shape {
        inbound: bandwidth.inbound.as_ref().and_then(rate),
        outbound: bandwidth.outbound.as_ref().and_then(rate),
    }
}

/// None where only a floor is promised.
fn rate(limit: &RateLimit) -> Option<Rate> {
    let bytes = |kib: u64| kib.saturating_mul(KIB);
    (limit.average_kib > 0).then(|| Rate {
        average: bytes(limit.average_kib),
        peak: limit.peak_kib.map(bytes),
        burst: limit.burst_kib.map(bytes),
    })
}

/// Gives the bridge of a network its limits, and its known ports their floors.
pub(crate) fn apply_to_bridge(
    host: &Host,
    config: &NetworkConfig,
    state: &State,
    bridge: &LinkName,
) -> Result<(), NetworkError> {
    let shape = shape(&config.bandwidth);
    if shape == Shape::default() {
        return Ok(host.traffic.clear(bridge)?);
    }
    let floors = floors(config, state.ports.values());
    Ok(host.traffic.set_bridge(bridge, &shape, &floors)?)
}

/// What the ports of a network were promised.
fn floors<'a>(config: &NetworkConfig, ports: impl Iterator<Item = &'a PlannedPort>) -> Vec<Floor> {
    if config.bandwidth.inbound.is_none() {
        return Vec::new();
    }
    let promised = ports
        .filter(|port| port.network == Some(config.uuid))
        .filter_map(|port| Some((port.mac, port.bandwidth.inbound?.floor_kib.filter(|kib| *kib > 0)?)));
    let floor = |(id, (mac, kib)): (u16, (_, u64))| Floor { id, mac, rate: kib.saturating_mul(KIB) };
    (FIRST_FLOOR..).zip(promised).map(floor).collect()
}

/// True when a port of the network has a part in the limits of its bridge.
pub(crate) fn has_floor(port: &PlannedPort) -> bool {
    port.network.is_some() && port.bandwidth.inbound.is_some_and(|limit| limit.floor_kib.is_some())
}
