//! Rebase and commit, and repair of what was broken.

use std::os::unix::fs::FileExt;

use reeve_image::{
    Access, BackingReference, Compat, ConvertOptions, CreateOptions, Format, Qcow2Options, Repair, check,
    convert, create, open_alone,
};

use crate::tool::{Tool, content, pattern};

const SIZE: u64 = 8 << 20;

fn quiet(_: u64, _: u64) {}

/// `top` over `base`, and `other` that differs from `base`.
fn chain(tool: &Tool, compat: Compat) -> Vec<u8> {
    tool.raw("base", SIZE, &[(0, 4 << 20, 1)]);
    tool.raw("other", SIZE - (1 << 20), &[(0, 2 << 20, 1), (3 << 20, 3 << 20, 2)]);
    let backing = Some(BackingReference::new("base", Format::Raw));
    let qcow2 = Qcow2Options { compat, backing, ..Qcow2Options::default() };
    let _ = std::fs::remove_file(tool.path("top"));
    create(tool.file("top"), &CreateOptions { qcow2, ..CreateOptions::new(Format::Qcow2, SIZE) }).unwrap();
    let mut top = tool.change("top", Format::Qcow2);
    top.write(&pattern(200_000, 8), 1_000_000).unwrap();
    top.zero(2 << 20, 300_000).unwrap();
    content(&top)
}

#[test]
fn a_rebased_image_shows_the_same_disk() {
    let Some(tool) = Tool::find("a_rebased_image_shows_the_same_disk") else { return };
    for compat in [Compat::V0_10, Compat::V1_1] {
        let before = chain(&tool, compat);
        for target in ["other", "", "other"] {
            let mut top = tool.change("top", Format::Qcow2);
            let reference = BackingReference::new(target, Format::Raw);
            let new = (!target.is_empty()).then(|| top.open_backing(&reference, &tool.resolver()).unwrap());
            top.rebase(new.as_ref().map(|image| (&reference, image)), &quiet).unwrap();
            drop(top);
            let top = tool.open("top", Format::Qcow2);
            assert_eq!(top.backing().map_or("", |backing| &backing.name), target);
            assert!(content(&top) == before, "onto '{target}'");
            tool.check("top");
        }
        // Without a look at the content, and without the old file.
        std::fs::remove_file(tool.path("other")).unwrap();
        let mut top = open_alone(tool.file("top"), Format::Qcow2, Access::Write).unwrap();
        top.set_backing(Some(BackingReference::new("base", Format::Raw))).unwrap();
        assert!(tool.ok(&["info", "top"]).contains("backing file: base"));
        tool.check("top");
    }
}

#[test]
fn a_commit_moves_everything_down() {
    let Some(tool) = Tool::find("a_commit_moves_everything_down") else { return };
    for compat in [Compat::V0_10, Compat::V1_1] {
        let before = chain(&tool, compat);
        // A qcow2 base that is smaller than the top.
        let raw = tool.open("base", Format::Raw);
        let _ = std::fs::remove_file(tool.path("base.qcow2"));
        convert(&raw, tool.file("base.qcow2"), &ConvertOptions::new(Format::Qcow2), &quiet).unwrap();
        tool.ok(&["resize", "--shrink", "-f", "qcow2", "base.qcow2", "5M"]);
        let mut top = open_alone(tool.file("top"), Format::Qcow2, Access::Write).unwrap();
        top.set_backing(Some(BackingReference::new("base.qcow2", Format::Qcow2))).unwrap();
        top.commit(&tool.resolver(), true, &quiet).unwrap();
        drop(top);
        assert!(content(&tool.open("base.qcow2", Format::Qcow2)) == before);
        assert!(content(&tool.open("top", Format::Qcow2)) == before);
        let counted = check(tool.file("top"), Format::Qcow2, Repair::Nothing).unwrap();
        assert_eq!(counted.allocated_clusters, 0);
        tool.check("top");
        tool.check("base.qcow2");
    }
}

#[test]
fn damage_is_found_and_repaired() {
    let Some(tool) = Tool::find("damage_is_found_and_repaired") else { return };
    let header = |name: &str, at: u64| {
        let mut bytes = [0; 8];
        tool.file(name).file().read_exact_at(&mut bytes, at).unwrap();
        u64::from_be_bytes(bytes)
    };
    tool.raw("base", SIZE, &[(0, 3 << 20, 1)]);
    let make = || {
        let _ = std::fs::remove_file(tool.path("image"));
        tool.ok(&["convert", "-f", "raw", "-O", "qcow2", "base", "image"]);
        tool.ok(&["snapshot", "-c", "s", "image"]);
        let before = check(tool.file("image"), Format::Qcow2, Repair::Nothing).unwrap();
        assert!(before.is_clean(), "{before:?}");
    };
    let refcount = |cluster: u64, value: u16| {
        let block = header("image", header("image", 48));
        tool.file("image").file().write_all_at(&value.to_be_bytes(), block + cluster * 2).unwrap();
    };
    // A leak.
    make();
    refcount(60_000 / 2, 1);
    let found = check(tool.file("image"), Format::Qcow2, Repair::Nothing).unwrap();
    assert_eq!((found.leaks, found.corruptions), (1, 0), "{found:?}");
    let fixed = check(tool.file("image"), Format::Qcow2, Repair::Leaks).unwrap();
    assert_eq!((fixed.leaks, fixed.leaks_fixed), (0, 1));
    tool.check("image");
    // Clusters that are used and count as free, and a table of nonsense.
    for broken in 0..2 {
        make();
        if broken == 0 {
            (4..12).for_each(|cluster| refcount(cluster, 0));
        } else {
            let table = header("image", 48);
            tool.file("image").file().write_all_at(&0x1234_5678_u64.to_be_bytes(), table).unwrap();
        }
        let found = check(tool.file("image"), Format::Qcow2, Repair::Leaks).unwrap();
        assert!(found.corruptions > 0 && found.corruptions_fixed == 0, "{found:?}");
        let fixed = check(tool.file("image"), Format::Qcow2, Repair::All).unwrap();
        assert!(fixed.is_clean() && fixed.corruptions_fixed > 0, "{fixed:?}");
        tool.check("image");
        tool.compare(("base", Format::Raw), ("image", Format::Qcow2));
    }
    // An image that was not closed is written again after its counts were looked at.
    make();
    let file = tool.file("image");
    file.file().write_all_at(&1_u64.to_be_bytes(), 72).unwrap();
    let refused = open_alone(file, Format::Qcow2, Access::Write).unwrap_err().to_string();
    assert!(refused.contains("--repair all"), "{refused}");
    check(tool.file("image"), Format::Qcow2, Repair::All).unwrap();
    open_alone(tool.file("image"), Format::Qcow2, Access::Write).unwrap();
}

#[test]
fn counts_are_those_of_the_peer() {
    let Some(tool) = Tool::find("counts_are_those_of_the_peer") else { return };
    tool.raw("base", SIZE, &[(0, 3 << 20, 1), (5 << 20, 100_000, 2)]);
    for arguments in [&["-c"][..], &["-o", "cluster_size=4096"]] {
        let all = [&["convert", "-f", "raw", "-O", "qcow2"], arguments, &["base", "image"]].concat();
        tool.ok(&all);
        let theirs: serde_json::Value =
            serde_json::from_str(&tool.ok(&["check", "--output=json", "image"])).unwrap();
        let ours = check(tool.file("image"), Format::Qcow2, Repair::Nothing).unwrap();
        let counted = |name: &str| theirs.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
        assert_eq!(ours.total_clusters, counted("total-clusters"));
        assert_eq!(ours.allocated_clusters, counted("allocated-clusters"));
        assert_eq!(ours.compressed_clusters, counted("compressed-clusters"));
        assert_eq!(ours.fragmented_clusters, counted("fragmented-clusters"));
        assert_eq!(ours.image_end_offset, counted("image-end-offset"));
    }
}
