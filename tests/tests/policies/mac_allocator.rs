//! `mac-allocator`: addresses for interfaces that have none.

use std::collections::BTreeSet;

use reeve_tests::{Daemon, policy};

use crate::{Outcome, Sim, decisions, load, xml};

const TWO_INTERFACES: &str = "<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>\
                              <interface type='bridge'><source bridge='br1'/><model type='virtio'/></interface>";

/// The addresses in a document.
fn macs(document: &str) -> Vec<String> {
    let after = document.split("<mac address='").skip(1);
    after.filter_map(|rest| rest.split_once('\'')).map(|(mac, _)| mac.to_owned()).collect()
}

#[test]
fn fifty_domains_have_a_hundred_addresses() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("mac-allocator")?, &[], "{}", &[])?.ok();
    let mut given = BTreeSet::new();
    for n in 0..50 {
        let name = format!("web-{n}");
        Sim { devices: TWO_INTERFACES, ..Sim::named(&name) }.define(&daemon)?.ok();
        given.extend(macs(&xml(&daemon, &name)?));
    }
    assert_eq!(given.len(), 100, "{given:?}");
    for mac in &given {
        let octets: Vec<u8> =
            mac.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect::<Result<_, _>>()?;
        assert!(octets[..3] == [0x00, 0x16, 0x3e] && octets[3] < 0x80 && octets.len() == 6, "{mac}");
    }
    let rows = decisions(&daemon, &["--hook", "mac-allocate", "--limit", "1000"])?;
    let proposed: BTreeSet<_> =
        rows.iter().filter_map(|row| row["reason"].as_str().map(str::to_owned)).collect();
    assert_eq!(proposed, given, "every address is one that the policy proposed");
    Ok(())
}

#[test]
fn the_prefix_is_the_operators_and_written_addresses_stay() -> Outcome {
    let daemon = Daemon::start()?;
    load(&daemon, &policy("mac-allocator")?, &[], r#"{"prefix": "02:aa:bb"}"#, &[])?.ok();
    let devices = TWO_INTERFACES.replacen("<source", "<mac address='00:16:3e:00:00:07'/><source", 1);
    Sim { devices: &devices, ..Sim::named("web") }.define(&daemon)?.ok();
    let given = macs(&xml(&daemon, "web")?);
    assert_eq!((given.len(), given[0].as_str()), (2, "00:16:3e:00:00:07"));
    assert!(given[1].starts_with("02:aa:bb:"), "{given:?}");

    // A multicast prefix is no prefix.
    let said = load(&daemon, &policy("mac-allocator")?, &[], r#"{"prefix": "01:aa:bb"}"#, &[])?.fails(7);
    assert!(said.contains("'mac-allocator'") && said.contains("'prefix'"), "{said}");
    Ok(())
}
