//! Differences path by path.

use reeve_actions::diff::diff;
use reeve_actions::edit::apply;
use reeve_model::Bytes;
use reeve_model::domain::DomainConfig;
use reeve_model::edit::Edit;

use crate::support::document;

fn config() -> DomainConfig {
    let disk = |dev: &str| {
        format!(
            "<disk type='file' device='disk'><source file='/{dev}'/><target dev='{dev}' bus='virtio'/></disk>"
        )
    };
    let nic = "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><source bridge='br0'/></interface>";
    let rng = "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>";
    let devices = [disk("vda"), disk("vdb"), nic.to_owned(), rng.to_owned()].concat();
    reeve_xml::domain::parse(&document("web", "", &devices), &Default::default()).unwrap().document
}

fn changes(change: impl FnOnce(&mut DomainConfig)) -> Vec<(String, Option<String>, Option<String>)> {
    let before = config();
    let mut after = before.clone();
    change(&mut after);
    diff(&before, &after).into_iter().map(|change| (change.path, change.before, change.after)).collect()
}

fn change(path: &str, before: Option<&str>, after: Option<&str>) -> (String, Option<String>, Option<String>) {
    (path.to_owned(), before.map(str::to_owned), after.map(str::to_owned))
}

#[test]
fn nothing_differs_from_itself() {
    assert!(changes(|_| {}).is_empty());
}

#[test]
fn scalars_by_field() {
    let seen = changes(|config| {
        config.memory = Bytes::kib(1024);
        config.title = Some("x".to_owned());
        config.features.acpi = true;
    });
    assert_eq!(
        seen,
        [
            change("features.acpi", Some("false"), Some("true")),
            change("memory", Some("67108864"), Some("1048576")),
            change("title", None, Some("\"x\"")),
        ]
    );
}

#[test]
fn devices_by_what_identifies_them() {
    let seen = changes(|config| {
        config.devices.disks[1].driver.cache = Some("none".to_owned());
        config.devices.interfaces[0].source[0].1 = "br1".to_owned();
        config.devices.rngs[0].device = None;
    });
    assert_eq!(
        seen,
        [
            change("devices.disks[vdb].driver.cache", None, Some("\"none\"")),
            change("devices.interfaces[00:16:3e:00:00:01].source.bridge", Some("\"br0\""), Some("\"br1\"")),
            change("devices.rngs[0].device", Some("\"/dev/urandom\""), None),
        ]
    );
}

#[test]
fn what_comes_and_goes_is_one_change() {
    let seen = changes(|config| drop(config.devices.disks.remove(0)));
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].0.as_str(), seen[0].2.as_deref()), ("devices.disks[vda]", None));
    let before = config();
    let balloon = Edit::AddDevice { xml: "<memballoon model='virtio'/>".to_owned() };
    let seen = diff(&before, &apply(&before, &[balloon]).unwrap());
    assert_eq!(
        (seen.len(), seen[0].path.as_str(), seen[0].before.as_deref()),
        (1, "devices.memballoon", None)
    );
}

#[test]
fn another_order_is_a_change_of_the_list() {
    let seen = changes(|config| config.devices.disks.swap(0, 1));
    assert_eq!(seen, [change("devices.disks", Some(r#"["vda","vdb"]"#), Some(r#"["vdb","vda"]"#))]);
}

proptest::proptest! {
    /// No edit of two sizes and a cache mode slips by unseen, and nothing else is reported.
    #[test]
    fn every_change_is_reported(memory in 1u64..1 << 20, shares in 2u64..262_144, cache in "none|writeback|unsafe") {
        let before = config();
        let mut after = before.clone();
        after.memory = Bytes::kib(memory);
        after.cputune.shares = Some(shares);
        after.devices.disks[0].driver.cache = Some(cache);
        let mut expected = vec!["cputune.shares", "devices.disks[vda].driver.cache"];
        if after.memory != before.memory {
            expected.push("memory");
        }
        let paths: Vec<_> = diff(&before, &after).into_iter().map(|change| change.path).collect();
        proptest::prop_assert_eq!(paths, expected);
    }
}
