//! Persistent taps.

use std::os::unix::fs::FileExt;

use reeve_sys::link::{Bridge, Change, LinkError, Links, NewLink, PersistentTap};
use reeve_sys::packet::PacketSocket;
use reeve_sys::tap::Tap;

use crate::look::{all, isolated, mac, name, sysfs};

#[test]
fn a_persistent_tap_outlives_its_holder_and_is_opened_again() {
    isolated(|links| {
        let tap = name("vnet0");
        let new =
            PersistentTap { mac: Some(mac("fe:54:00:00:00:07")), multi_queue: false, owner: Some(12345) };
        links.create(&tap, &NewLink::Tap(new)).unwrap();
        assert_eq!(sysfs("vnet0", "address"), "fe:54:00:00:00:07");
        assert_eq!(sysfs("vnet0", "owner"), "12345");
        let link = links.find(&tap).unwrap().unwrap();
        assert_eq!((link.kind.as_deref(), link.up), (Some("tun"), false));
        // IFF_TAP 2, IFF_NO_PI 0x1000, IFF_VNET_HDR 0x4000 and IFF_PERSIST 0x800.
        assert_eq!(sysfs("vnet0", "tun_flags"), "0x5802");

        for _ in 0..2 {
            let opened = Tap::open("vnet0", None).unwrap();
            assert_eq!(opened.name, "vnet0");
            assert!(links.find(&tap).unwrap().unwrap().carrier);
            let busy = Tap::open("vnet0", None).unwrap_err();
            assert_eq!(busy.to_string(), "tap 'vnet0' can't be made");
        }
        assert_eq!(all(), ["vnet0"]);
        links.delete(&tap).unwrap();
        assert!(all().is_empty());
    });
}

#[test]
fn only_a_tap_that_is_there_is_opened_as_one_that_exists() {
    isolated(|links| {
        let missing = Tap::open_existing("vnet0").unwrap_err();
        assert_eq!(missing.to_string(), "there is no tap 'vnet0'");
        links.create(&name("br"), &NewLink::Bridge(Bridge::default())).unwrap();
        assert_eq!(Tap::open_existing("br").unwrap_err().to_string(), "there is no tap 'br'");
        assert_eq!(all(), ["br"]);
        links.create(&name("vnet0"), &NewLink::Tap(PersistentTap::default())).unwrap();
        drop(Tap::open_existing("vnet0").unwrap());
        // A port stays one when it is opened again for its bridge, and is not taken by another.
        for _ in 0..2 {
            drop(Tap::open("vnet0", Some("br")).unwrap());
        }
        links.create(&name("other"), &NewLink::Bridge(Bridge::default())).unwrap();
        let taken = Tap::open("vnet0", Some("other")).unwrap_err();
        assert_eq!(taken.to_string(), "bridge 'other' can't take tap 'vnet0'");
    });
}

#[test]
fn a_tap_of_several_queues_is_opened_once_a_queue() {
    isolated(|links| {
        let new = PersistentTap { multi_queue: true, ..PersistentTap::default() };
        links.create(&name("vnet0"), &NewLink::Tap(new)).unwrap();
        let queues: Vec<Tap> = (0..4).map(|_| Tap::open("vnet0", None).unwrap()).collect();
        assert!(queues.iter().all(|queue| queue.name == "vnet0"));
        let rx = std::fs::read_dir("/sys/class/net/vnet0/queues").unwrap();
        let rx = rx.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("rx-"));
        assert_eq!(rx.count(), 4);
        drop(queues);
        assert_eq!(all(), ["vnet0"]);
    });
}

#[test]
fn frames_pass_from_a_persistent_tap_to_its_bridge() {
    isolated(|links| {
        links
            .create(&name("br"), &NewLink::Bridge(Bridge { forward_delay_ms: Some(0), ..Bridge::default() }))
            .unwrap();
        links.create(&name("vnet0"), &NewLink::Tap(PersistentTap::default())).unwrap();
        links.change(&name("br"), &Change::Up).unwrap();
        let tap = Tap::open("vnet0", Some("br")).unwrap();
        assert_eq!(links.find(&name("vnet0")).unwrap().unwrap().master, Some(name("br")));
        let bridge = PacketSocket::open(&name("br"), None).unwrap();
        let mut frame = vec![0xff; 6];
        frame.extend([0x52, 0x54, 0, 0, 0, 1, 0x88, 0xb5]);
        frame.extend([7; 46]);
        // A network header of 12 zero bytes goes before.
        let written = [vec![0; 12], frame.clone()].concat();
        assert_eq!(std::fs::File::from(tap.fd).write_at(&written, 0).unwrap(), written.len());
        crate::frames::expect(&bridge, &frame);
    });
}

#[test]
fn a_tap_that_can_not_get_its_address_is_gone() {
    isolated(|links| {
        let new = PersistentTap { mac: Some(mac("01:00:00:00:00:01")), ..PersistentTap::default() };
        let error = links.create(&name("vnet0"), &NewLink::Tap(new)).unwrap_err();
        assert!(matches!(error, LinkError::Refused { .. }), "{error}");
        assert!(all().is_empty());
    });
}
