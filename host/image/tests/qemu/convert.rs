//! Conversions, both ways and through the peer.

use std::sync::Mutex;

use reeve_image::{
    Access, Compat, ConvertOptions, CreateOptions, Difference, Format, Preallocation, Qcow2Options, convert,
};

use crate::tool::{Tool, bytes, content};

const SIZE: u64 = 40 << 20;

fn source(tool: &Tool) {
    let data = [(0, 100_000, 1), (5 << 20, 9 << 20, 2), (30 << 20, 5000, 3), (SIZE - 512, 512, 4)];
    tool.raw("source", SIZE, &data);
    let mut noise = 1_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    })
    .take(1 << 20)
    .collect();
    std::os::unix::fs::FileExt::write_all_at(tool.file("source").file(), &noise, 20 << 20).unwrap();
}

fn quiet(_: u64, _: u64) {}

#[test]
fn every_shape_of_target_has_the_same_disk() {
    let Some(tool) = Tool::find("every_shape_of_target_has_the_same_disk") else { return };
    source(&tool);
    let qcow2 =
        |options: Qcow2Options| CreateOptions { qcow2: options, ..CreateOptions::new(Format::Qcow2, 0) };
    let plain = Qcow2Options::default();
    let mut targets = vec![(qcow2(plain.clone()), false), (qcow2(plain.clone()), true)];
    for cluster in [512, 4096, 2 << 20] {
        for compress in [false, true] {
            targets.push((qcow2(Qcow2Options { cluster_size: Some(cluster), ..plain.clone() }), compress));
        }
    }
    targets.push((qcow2(Qcow2Options { compat: Compat::V0_10, ..plain.clone() }), true));
    targets.push((qcow2(Qcow2Options { refcount_bits: Some(1), ..plain.clone() }), true));
    targets.push((qcow2(Qcow2Options { extended_l2: true, ..plain }), false));
    for preallocation in [Preallocation::Metadata, Preallocation::Falloc, Preallocation::Full] {
        targets.push((CreateOptions { preallocation, ..CreateOptions::new(Format::Qcow2, 0) }, false));
    }
    let raw = tool.open("source", Format::Raw);
    for (create, compress) in targets {
        let options = ConvertOptions { create, compress, ..ConvertOptions::new(Format::Qcow2) };
        let told = Mutex::new(0);
        let progress = |done: u64, all: u64| {
            assert!(done <= all && all == SIZE);
            let mut told = told.lock().unwrap();
            *told = done.max(*told);
        };
        convert(&raw, tool.file("target"), &options, &progress).unwrap().sync().unwrap();
        assert_eq!(told.into_inner().unwrap(), SIZE);
        tool.check("target");
        tool.compare(("source", Format::Raw), ("target", Format::Qcow2));
        // And back.
        let image = tool.open("target", Format::Qcow2);
        convert(&image, tool.file("back"), &ConvertOptions::new(Format::Raw), &quiet).unwrap();
        assert!(bytes(&tool.path("back")) == bytes(&tool.path("source")), "{options:?}");
        assert!(tool.file("back").allocated().unwrap() < 14 << 20, "holes stay holes");
        assert_eq!(image.difference(&raw, true).unwrap(), None);
        for name in ["target", "back"] {
            std::fs::remove_file(tool.path(name)).unwrap();
        }
    }
}

#[test]
fn compression_saves_space() {
    let Some(tool) = Tool::find("compression_saves_space") else { return };
    tool.raw("source", SIZE, &[(0, 20 << 20, 1)]);
    let raw = tool.open("source", Format::Raw);
    let size = |compress| {
        let options = ConvertOptions { compress, ..ConvertOptions::new(Format::Qcow2) };
        let file = convert(&raw, tool.file(&format!("{compress}")), &options, &quiet).unwrap();
        file.len().unwrap()
    };
    assert!(size(true) * 4 < size(false));
}

#[test]
fn zeros_are_kept_where_that_is_asked() {
    let Some(tool) = Tool::find("zeros_are_kept_where_that_is_asked") else { return };
    tool.raw("source", SIZE, &[(0, 4096, 1)]);
    let raw = tool.open("source", Format::Raw);
    for format in Format::ALL {
        let options = ConvertOptions { sparse: 0, ..ConvertOptions::new(format) };
        let file = convert(&raw, tool.file(format.name()), &options, &quiet).unwrap();
        assert!(file.allocated().unwrap() >= SIZE, "{format}");
        tool.compare(("source", Format::Raw), (format.name(), format));
    }
}

#[test]
fn a_chain_is_flattened_and_snapshots_of_the_peer_are_read() {
    let Some(tool) = Tool::find("a_chain_is_flattened_and_snapshots_of_the_peer_are_read") else { return };
    source(&tool);
    tool.ok(&["convert", "-f", "raw", "-O", "qcow2", "source", "base.qcow2"]);
    tool.ok(&["create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "middle.qcow2"]);
    tool.ok(&["create", "-f", "qcow2", "-b", "middle.qcow2", "-F", "qcow2", "top.qcow2"]);
    tool.ok(&["snapshot", "-c", "before", "top.qcow2"]);
    let mut image = tool.change("top.qcow2", Format::Qcow2);
    image.write(&[7; 70_000], 3 << 20).unwrap();
    image.sync().unwrap();
    assert_eq!(image.snapshots().unwrap()[0].name, "before");
    let flat = convert(&image, tool.file("flat"), &ConvertOptions::new(Format::Qcow2), &quiet).unwrap();
    flat.sync().unwrap();
    tool.compare(("top.qcow2", Format::Qcow2), ("flat", Format::Qcow2));
    let original = tool.open("base.qcow2", Format::Qcow2);
    let difference = image.difference(&original, false).unwrap();
    assert_eq!(difference, Some(Difference::Content { offset: 3 << 20 }));
    image.apply_snapshot("before").unwrap();
    assert_eq!(image.difference(&original, false).unwrap(), None);
    image.delete_snapshot("1").unwrap();
    tool.check("top.qcow2");
    assert!(tool.ok(&["snapshot", "-l", "top.qcow2"]).is_empty());
}

/// Without places of what is not there, which the peer tells for parts of clusters, and in as few stretches as can be.
fn merged(map: &[serde_json::Value]) -> Vec<serde_json::Value> {
    let mut merged: Vec<serde_json::Value> = Vec::new();
    for stretch in map {
        let mut stretch = stretch.clone();
        if stretch["present"] == false {
            stretch.as_object_mut().unwrap().remove("offset");
            if let Some(before) = merged.last_mut()
                && before["present"] == false
                && before["depth"] == stretch["depth"]
            {
                let length = before["length"].as_u64().unwrap() + stretch["length"].as_u64().unwrap();
                before["length"] = length.into();
                continue;
            }
        }
        merged.push(stretch);
    }
    merged
}

#[test]
fn maps_are_the_same() {
    let Some(tool) = Tool::find("maps_are_the_same") else { return };
    source(&tool);
    for options in ["compat=1.1", "cluster_size=4096", "extended_l2=on"] {
        tool.ok(&["convert", "-f", "raw", "-O", "qcow2", "-o", options, "source", "base.qcow2"]);
        tool.ok(&[
            "create",
            "-f",
            "qcow2",
            "-b",
            "base.qcow2",
            "-F",
            "qcow2",
            "-o",
            options,
            "top.qcow2",
            "44M",
        ]);
        let mut image = tool.change("top.qcow2", Format::Qcow2);
        image.write(&[7; 70_000], 3 << 20).unwrap();
        image.zero(6 << 20, 1 << 20).unwrap();
        image.sync().unwrap();
        for (name, format) in
            [("source", Format::Raw), ("base.qcow2", Format::Qcow2), ("top.qcow2", Format::Qcow2)]
        {
            let theirs: serde_json::Value =
                serde_json::from_str(&tool.ok(&["map", "-f", format.name(), "--output=json", name])).unwrap();
            let mut ours = Vec::new();
            let visit = |extent| {
                let mut value = serde_json::to_value(extent).unwrap();
                // Newer than the peer that is tested against.
                value.as_object_mut().unwrap().remove("compressed");
                ours.push(value);
                Ok::<_, reeve_image::ImageError>(())
            };
            tool.try_open(name, format, Access::Read).unwrap().map(visit).unwrap();
            assert_eq!(merged(&ours), merged(theirs.as_array().unwrap()), "{name} with {options}");
        }
        for name in ["base.qcow2", "top.qcow2"] {
            std::fs::remove_file(tool.path(name)).unwrap();
        }
    }
}

#[test]
fn an_odd_disk_is_rounded_up() {
    let Some(tool) = Tool::find("an_odd_disk_is_rounded_up") else { return };
    tool.raw("odd", 100_001, &[(0, 100_001, 3)]);
    let raw = tool.open("odd", Format::Raw);
    convert(&raw, tool.file("even"), &ConvertOptions::new(Format::Qcow2), &quiet).unwrap();
    let image = tool.open("even", Format::Qcow2);
    assert_eq!(image.size(), 100_352);
    assert!(content(&image)[..100_001] == bytes(&tool.path("odd")));
    tool.compare(("odd", Format::Raw), ("even", Format::Qcow2));
}
