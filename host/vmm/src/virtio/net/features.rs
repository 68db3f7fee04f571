//! What the two sides may leave to each other: features of the device, and what of them the tap is told.

use virtio_bindings::virtio_net::{
    VIRTIO_NET_F_CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_TSO4,
    VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6,
    VIRTIO_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_UFO,
    VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_MRG_RXBUF,
};

use super::tap::offload;
use crate::config::{Offloads, Segmentation};

/// What the host's side of an interface can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ability {
    /// It carries whole frames.
    Frames,
    /// It is a tap; newer kernels segment UDP too.
    Tap { segments_udp: bool },
}

/// The features to offer. None depends on one that is not there (virtio 1.2, 5.1.3.1).
pub(super) fn offered(allowed: &Offloads, ability: Ability) -> u64 {
    let merge = if allowed.merge { 1 << VIRTIO_NET_F_MRG_RXBUF } else { 0 };
    let Ability::Tap { segments_udp } = ability else { return merge };
    let host = bits(
        allowed.host,
        [
            VIRTIO_NET_F_CSUM,
            VIRTIO_NET_F_HOST_TSO4,
            VIRTIO_NET_F_HOST_TSO6,
            VIRTIO_NET_F_HOST_ECN,
            VIRTIO_NET_F_HOST_UFO,
        ],
        if segments_udp { &[VIRTIO_NET_F_HOST_USO] } else { &[] },
    );
    let guest = bits(
        allowed.guest,
        [
            VIRTIO_NET_F_GUEST_CSUM,
            VIRTIO_NET_F_GUEST_TSO4,
            VIRTIO_NET_F_GUEST_TSO6,
            VIRTIO_NET_F_GUEST_ECN,
            VIRTIO_NET_F_GUEST_UFO,
        ],
        if segments_udp { &[VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_USO6] } else { &[] },
    );
    merge | host | guest
}

/// The bits of one direction: checksum, TSO4, TSO6, ECN, UFO, then those of UDP in datagrams.
fn bits(allowed: Segmentation, names: [u32; 5], datagrams: &[u32]) -> u64 {
    let Segmentation { csum, tso4, tso6, ecn, ufo } = allowed;
    if !csum {
        return 0;
    }
    let named = [csum, tso4, tso6, ecn && (tso4 || tso6), ufo].into_iter().zip(names);
    let named = named.filter(|(on, _)| *on).fold(0, |bits, (_, name)| bits | 1 << name);
    datagrams.iter().filter(|_| ufo).fold(named, |bits, name| bits | 1 << *name)
}

/// What of the features both sides agreed on the tap does for them, as TUNSETOFFLOAD has it.
pub(super) fn of_tap(agreed: u64) -> u32 {
    let has = |bit: u32| agreed & 1 << bit != 0;
    if !has(VIRTIO_NET_F_GUEST_CSUM) {
        return 0;
    }
    let tcp = has(VIRTIO_NET_F_GUEST_TSO4) || has(VIRTIO_NET_F_GUEST_TSO6);
    let each = [
        (true, offload::CSUM),
        (has(VIRTIO_NET_F_GUEST_TSO4), offload::TSO4),
        (has(VIRTIO_NET_F_GUEST_TSO6), offload::TSO6),
        (has(VIRTIO_NET_F_GUEST_ECN) && tcp, offload::ECN),
        (has(VIRTIO_NET_F_GUEST_UFO), offload::UFO),
        (has(VIRTIO_NET_F_GUEST_USO4) && has(VIRTIO_NET_F_GUEST_USO6), offload::USO),
    ];
    each.into_iter().filter(|(on, _)| *on).fold(0, |flags, (_, flag)| flags | flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAP: Ability = Ability::Tap { segments_udp: true };

    #[test]
    fn nothing_is_offered_without_what_it_needs() {
        let all = offered(&Offloads::default(), TAP);
        assert_eq!(all, 0b1111_1111_1000_0011 | 0b111 << 54);
        assert_eq!(offered(&Offloads::default(), Ability::Tap { segments_udp: false }), all & 0xffff);
        assert_eq!(offered(&Offloads::default(), Ability::Frames), 1 << 15);
        let mut few = Offloads { merge: false, ..Offloads::default() };
        few.host.csum = false;
        (few.guest.tso4, few.guest.tso6) = (false, false);
        assert_eq!(
            offered(&few, TAP),
            1 << 1 | 1 << 10 | 0b11 << 54,
            "neither segments nor ECN without the rest"
        );
    }

    #[test]
    fn a_tap_is_told_what_its_kernel_takes() {
        assert_eq!(of_tap(u64::MAX), 0x7f);
        assert_eq!(of_tap(!(1 << 1)), 0, "no checksum, nothing at all");
        assert_eq!(of_tap(1 << 1 | 1 << 9), 1, "ECN without TCP");
        assert_eq!(of_tap(1 << 1 | 1 << VIRTIO_NET_F_GUEST_USO4), 1, "half of UDP");
    }
}
