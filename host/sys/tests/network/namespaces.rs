//! Namespaces of the tests' own.

use std::os::fd::AsFd;

use reeve_sys::link::{Links, NewLink};
use reeve_sys::namespace::NetworkNamespace;

use crate::look::{all, ip, isolated, name, output};

#[test]
fn a_namespace_has_only_loopback_which_is_up() {
    isolated(|links| {
        assert!(all().is_empty());
        assert!(links.find(&name("lo")).unwrap().unwrap().up);
        assert!(ip("link show dev lo")[0]["flags"].as_array().unwrap().contains(&"UP".into()));
        std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    });
}

#[test]
fn programs_and_sysfs_are_in_the_namespace_and_others_are_not() {
    let before = all();
    let namespace = NetworkNamespace::new().unwrap();
    let made = |links: &dyn Links| links.create(&name("inside"), &NewLink::Ifb).unwrap();
    namespace.run(|| made(&reeve_sys::link::KernelLinks)).unwrap();
    namespace
        .run(|| {
            assert_eq!(all(), ["inside"]);
            assert!(output("/usr/sbin/ip", "-o link show").contains("inside"));
            let here = NetworkNamespace::current().unwrap();
            assert_eq!(inode(&here), inode(&namespace));
        })
        .unwrap();
    assert_eq!(all(), before);
    assert_ne!(inode(&NetworkNamespace::current().unwrap()), inode(&namespace));
}

fn inode(namespace: &NetworkNamespace) -> u64 {
    rustix::fs::fstat(namespace.fd().as_fd()).unwrap().st_ino
}
