//! Macvtaps and their character devices.

use std::os::unix::fs::FileExt;

use reeve_sys::link::{Change, LinkError, Links, Macvtap, MacvtapMode, NewLink};
use reeve_sys::packet::PacketSocket;
use reeve_sys::tap::Tap;

use crate::look::{all, cable, isolated, mac, name, shown, sysfs};

#[test]
fn every_mode_is_made_and_read_back() {
    isolated(|links| {
        cable(links, "lower", "far");
        let before = sysfs("lower", "address");
        let modes = [
            (MacvtapMode::Bridge, "bridge"),
            (MacvtapMode::Private, "private"),
            (MacvtapMode::Vepa, "vepa"),
            (MacvtapMode::Passthrough, "passthru"),
        ];
        for (mode, word) in modes {
            let new = Macvtap { lower: name("lower"), mode, mac: Some(mac("52:54:00:00:00:09")) };
            links.create(&name("macvtap0"), &NewLink::Macvtap(new)).unwrap();
            assert_eq!(shown("macvtap0")["linkinfo"]["info_data"]["mode"], word);
            assert_eq!(sysfs("macvtap0", "address"), "52:54:00:00:00:09");
            let link = links.find(&name("macvtap0")).unwrap().unwrap();
            assert_eq!((link.lower, link.macvtap), (Some(name("lower")), Some(mode)));
            let shared = mode == MacvtapMode::Passthrough;
            assert_eq!(sysfs("lower", "address") == "52:54:00:00:00:09", shared);
            links.delete(&name("macvtap0")).unwrap();
            assert_eq!(sysfs("lower", "address"), before);
        }
        assert_eq!(all(), ["far", "lower"]);
    });
}

#[test]
fn frames_pass_both_ways_by_the_character_device() {
    isolated(|links| {
        cable(links, "lower", "far");
        let guest = mac("52:54:00:00:00:09");
        let new = Macvtap { lower: name("lower"), mode: MacvtapMode::Bridge, mac: Some(guest) };
        links.create(&name("macvtap0"), &NewLink::Macvtap(new)).unwrap();
        links.change(&name("macvtap0"), &Change::Up).unwrap();
        let tap = Tap::open_macvtap(&name("macvtap0")).unwrap();
        assert_eq!(tap.name, "macvtap0");
        let file = std::fs::File::from(tap.fd);

        let far = PacketSocket::open(&name("far"), None).unwrap();
        let out = [&[0xff; 6][..], &guest.0, &[0x88, 0xb5], &[7; 46]].concat();
        file.write_at(&[vec![0; 12], out.clone()].concat(), 0).unwrap();
        crate::frames::expect(&far, &out);

        let back = [&guest.0[..], &[2, 0, 0, 0, 0, 1], &[0x88, 0xb5], &[8; 46]].concat();
        far.send(&back).unwrap();
        let mut buffer = [0; 2048];
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            // What the stack itself sends by the link arrives here too.
            match file.read_at(&mut buffer, 0) {
                Ok(length) if buffer[12..length] == back[..] => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
            }
            assert!(std::time::Instant::now() < deadline, "the frame did not arrive");
            std::thread::yield_now();
        }
        let left = std::fs::read_dir("/dev")
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".reeve-tap"));
        assert_eq!(left.count(), 0, "a device node was left behind");
    });
}

#[test]
fn what_can_not_be_shared_is_refused() {
    isolated(|links| {
        cable(links, "lower", "far");
        let new = |lower: &str, mode| NewLink::Macvtap(Macvtap { lower: name(lower), mode, mac: None });
        let error = links.create(&name("macvtap0"), &new("gone", MacvtapMode::Bridge)).unwrap_err();
        assert_eq!(error.to_string(), "network interface 'gone' is not there");
        links.create(&name("macvtap0"), &new("lower", MacvtapMode::Passthrough)).unwrap();
        let error = links.create(&name("macvtap1"), &new("lower", MacvtapMode::Bridge)).unwrap_err();
        assert!(matches!(error, LinkError::Refused { .. }), "{error}");
        assert_eq!(error.to_string(), "network interface 'macvtap1' can't be made");
        assert!(Tap::open_macvtap(&name("far")).is_err(), "a cable was opened as a macvtap");
        assert_eq!(all(), ["far", "lower", "macvtap0"]);
    });
}
