//! Networks, daemons and dnsmasqs that end and come back.

use reeve_model::network::NetworkConfig;
use reeve_sys::link::Links;
use rustix::process::{Pid, Signal, kill_process};

use crate::bed::{Bed, isolated, name, network, other, output, processes, wait};
use crate::ports::{interface, plug};

fn pid(bed: &Bed, config: &NetworkConfig) -> Option<i32> {
    let path = bed.directory.path().join("run/network").join(format!("{}.pid", config.uuid));
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[test]
fn a_dnsmasq_that_is_killed_comes_back_and_serves() {
    isolated(|bed| {
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let old = pid(bed, &config).unwrap();
        kill_process(Pid::from_raw(old).unwrap(), Signal::KILL).unwrap();
        assert_eq!(bed.heard.wait_for("restarted"), "restarted: signal 9");
        let new = pid(bed, &config).unwrap();
        assert_ne!(new, old);
        let guest = crate::bed::guest(&bed.links, "g0", "virbr0", None);
        assert_eq!(crate::guests::lease(bed, &guest, "web")[1], "192.168.122.1");
        drop(guest);
        wait("the cable stays", || bed.links.find(&name("g0")).unwrap().is_none().then_some(()));
        bed.networks.stop(config.uuid).unwrap();
    });
}

#[test]
fn guests_stay_attached_when_a_network_is_started_again() {
    isolated(|bed| {
        let mut config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let mut alone = interface("network", &[("network", "default")], 1);
        alone.isolated = true;
        let port = plug(bed, &alone).unwrap();
        let tap = reeve_sys::tap::Tap::open(&port.link, None).unwrap();
        bed.networks.stop(config.uuid).unwrap();
        assert_eq!(bed.links.find(&name("vnet0")).unwrap().unwrap().master, None);
        config.bridge.name = Some("virbr7".to_owned());
        bed.networks.start(&config).unwrap();
        let link = bed.links.find(&name("vnet0")).unwrap().unwrap();
        assert_eq!(link.master, Some(name("virbr7")));
        assert!(link.port.unwrap().isolated);
        assert_eq!(bed.networks.ports()[0].bridge(), Some("virbr7"));
        drop(tap);
        bed.networks.unplug(&port).unwrap();
        bed.networks.stop(config.uuid).unwrap();
    });
}

#[test]
fn a_new_daemon_takes_over_without_touching_what_runs() {
    isolated(|bed| {
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let port = plug(bed, &interface("network", &[("network", "default")], 1)).unwrap();
        let kept = serde_json::to_string(&port).unwrap();
        let port = serde_json::from_str(&kept).unwrap();
        let (before, index) = (pid(bed, &config), bed.links.find(&name("virbr0")).unwrap().unwrap().index);
        let rules = output("/usr/sbin/nft", "list ruleset");
        bed.networks.detach();

        let new = bed.another();
        let adopted = new.adopt(std::slice::from_ref(&config), std::slice::from_ref(&port));
        assert_eq!(adopted[0].outcome.as_ref().unwrap(), &Vec::<String>::new());
        assert_eq!(pid(bed, &config), before);
        assert_eq!(bed.links.find(&name("virbr0")).unwrap().unwrap().index, index);
        assert_eq!(output("/usr/sbin/nft", "list ruleset"), rules);
        assert_eq!(new.ports(), std::slice::from_ref(&port));
        // It is looked after again, though it is nobody's child here.
        let old = before.unwrap();
        kill_process(Pid::from_raw(old).unwrap(), Signal::KILL).unwrap();
        wait("it does not come back", || pid(bed, &config).filter(|pid| *pid != old));
        bed.heard.wait_for("restarted");
        new.detach();

        // What was broken meanwhile is mended, with the guest attached.
        output("/usr/sbin/ip", "addr del 192.168.122.1/24 dev virbr0");
        let mended = bed.another();
        let adopted = mended.adopt(std::slice::from_ref(&config), std::slice::from_ref(&port));
        let said = adopted[0].outcome.as_ref().unwrap();
        assert_eq!(said[0], "address 192.168.122.1/24 was missing on 'virbr0'");
        mended.detach();
        bed.links.delete(&name("virbr0")).unwrap();
        let again = bed.another();
        let adopted = again.adopt(std::slice::from_ref(&config), std::slice::from_ref(&port));
        let said = adopted[0].outcome.as_ref().unwrap();
        assert_eq!(said, &["bridge 'virbr0' was gone: it is made again with its guests attached"]);
        assert_eq!(bed.links.find(&name("vnet0")).unwrap().unwrap().master, Some(name("virbr0")));
        again.unplug(&port).unwrap();
        again.stop(config.uuid).unwrap();
    });
}

#[test]
fn guests_stay_attached_while_a_dnsmasq_can_not_be_started() {
    isolated(|bed| {
        let config = network(|_| {});
        bed.networks.start(&config).unwrap();
        let port = plug(bed, &interface("network", &[("network", "default")], 1)).unwrap();
        bed.networks.detach();
        kill_process(Pid::from_raw(pid(bed, &config).unwrap()).unwrap(), Signal::KILL).unwrap();
        wait("it does not end", || processes(bed.directory.path()).is_empty().then_some(()));
        // A program that fails at first.
        let program = bed.directory.path().join("dnsmasq");
        std::os::unix::fs::symlink("/bin/false", &program).unwrap();
        let host = reeve_network::Host { dnsmasq: program.clone(), ..bed.host.clone() };
        let new = reeve_network::Networks::new(host, bed.heard.clone());
        let adopted = new.adopt(std::slice::from_ref(&config), std::slice::from_ref(&port));
        let said = adopted[0].outcome.as_ref().unwrap();
        assert!(said[0].ends_with("exit status 1; it is tried again until it works"), "{said:?}");
        assert_eq!(bed.links.find(&name("vnet0")).unwrap().unwrap().master, Some(name("virbr0")));
        std::fs::remove_file(&program).unwrap();
        std::os::unix::fs::symlink("/usr/sbin/dnsmasq", &program).unwrap();
        bed.heard.wait_for("restarted");
        new.unplug(&port).unwrap();
        new.stop(config.uuid).unwrap();
    });
}

#[test]
fn what_dead_daemons_left_is_swept_and_nothing_else() {
    isolated(|bed| {
        let (config, second) = (network(|_| {}), other("second", "virbr1", 123, None));
        bed.networks.start(&config).unwrap();
        bed.networks.start(&second).unwrap();
        let kept = plug(bed, &interface("network", &[("network", "default")], 1)).unwrap();
        plug(bed, &interface("network", &[("network", "default")], 2)).unwrap();
        bed.links.create(&name("foreign"), &reeve_sys::link::NewLink::Bridge(Default::default())).unwrap();
        bed.networks.detach();
        let new = bed.another();
        new.adopt(std::slice::from_ref(&config), std::slice::from_ref(&kept));
        assert_eq!(crate::bed::all(), ["foreign", "virbr0", "vnet0"]);
        assert_eq!(processes(bed.directory.path()).len(), 1);
        assert!(!output("/usr/sbin/nft", "list ruleset").contains("virbr1"));
        new.detach();
        let last = bed.another();
        assert!(last.adopt(&[], &[]).is_empty());
        assert_eq!(crate::bed::all(), ["foreign"]);
        bed.links.delete(&name("foreign")).unwrap();
    });
}
