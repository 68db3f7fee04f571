//! A frame of a guest, as the sniffer gets it: no panic, and an address that is learned is one that a guest may have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use reeve_filter::learning::frame::{Seen, address, dhcp};
use reeve_model::MacAddress;

fuzz_target!(|bytes: &[u8]| {
    let Some((mac, frame)) = bytes.split_first_chunk::<6>() else { return };
    let mac = MacAddress(*mac);
    let all = [address(frame, mac), dhcp(frame, true, mac), dhcp(frame, false, mac)];
    for seen in all.into_iter().flatten() {
        let (Seen::Address(ip) | Seen::Release(ip) | Seen::Lease { ip, .. }) = seen;
        assert!(!ip.is_unspecified() && !ip.is_loopback() && !ip.is_multicast() && !ip.is_broadcast());
    }
});
