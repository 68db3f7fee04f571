//! Settings below /proc/sys/net.

use reeve_sys::sysctl::{Setting, SysctlError, Sysctls};

use crate::look::{cable, isolated, name};

fn file(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

#[test]
fn settings_are_set_and_restored() {
    isolated(|links| {
        cable(links, "one", "other");
        let sysctls = Sysctls::default();
        let settings = [
            (Setting::Ipv4Forward, "ipv4/ip_forward"),
            (Setting::Ipv6Forward, "ipv6/conf/all/forwarding"),
            (Setting::DisableIpv6(name("one")), "ipv6/conf/one/disable_ipv6"),
            (Setting::AcceptRa(name("one")), "ipv6/conf/one/accept_ra"),
            (Setting::Autoconf(name("one")), "ipv6/conf/one/autoconf"),
            (Setting::ProxyNdp(name("one")), "ipv6/conf/one/proxy_ndp"),
        ];
        for (setting, path) in settings {
            let before = file(path);
            assert_eq!(sysctls.read(&setting).unwrap().to_string(), before);
            let value = if before == "0" { 1 } else { 0 };
            let previous = sysctls.set(&setting, value).unwrap();
            assert_eq!(file(path), value.to_string(), "{setting}");
            sysctls.restore(&previous).unwrap();
            assert_eq!(file(path), before, "{setting}");
        }
    });
}

#[test]
fn a_setting_of_a_link_goes_with_it() {
    isolated(|links| {
        cable(links, "one", "other");
        let sysctls = Sysctls::default();
        let previous = sysctls.set(&Setting::AcceptRa(name("one")), 2).unwrap();
        reeve_sys::link::Links::delete(links, &name("one")).unwrap();
        sysctls.restore(&previous).unwrap();
        let error = sysctls.read(&Setting::AcceptRa(name("one"))).unwrap_err();
        assert_eq!(error.to_string(), "kernel setting 'net/ipv6/conf/one/accept_ra' is not there");
    });
}

#[test]
fn bridged_packets_are_filtered_where_the_kernel_can() {
    isolated(|_| {
        let sysctls = Sysctls::default();
        match sysctls.need_bridge_netfilter() {
            Ok(()) => {
                let previous = sysctls.set(&Setting::BridgeCallIptables, 0).unwrap();
                assert_eq!(file("bridge/bridge-nf-call-iptables"), "0");
                sysctls.restore(&previous).unwrap();
                sysctls.read(&Setting::BridgeCallIp6tables).unwrap();
                sysctls.read(&Setting::BridgeCallArptables).unwrap();
            }
            Err(error) => assert!(matches!(error, SysctlError::BridgeNetfilter(_)), "{error}"),
        }
    });
}

#[test]
fn a_module_that_can_not_be_loaded_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let at = |modprobe: &str| {
        Sysctls::at(directory.path(), modprobe).need_bridge_netfilter().unwrap_err().to_string()
    };
    let prefix = "kernel module 'br_netfilter' is not there and can't be loaded: ";
    assert_eq!(at("/no/such/program"), format!("{prefix}program '/no/such/program' can't be started"));
    assert_eq!(at("/bin/false"), format!("{prefix}exit status 1"));
    assert_eq!(at("/bin/true"), format!("{prefix}this network namespace has none of its settings"));
}
