//! New images, with every option.

use reeve_image::{
    Access, BackingReference, Compat, CreateOptions, Format, Preallocation, Qcow2Options, ResizeOptions,
    create,
};

use crate::tool::{Tool, content, pattern};

const SIZE: u64 = 10 << 20;

fn variants() -> Vec<CreateOptions> {
    let base = CreateOptions::new(Format::Qcow2, SIZE);
    let mut all = vec![base.clone()];
    let qcow2 =
        |options: Qcow2Options| CreateOptions { qcow2: options, ..CreateOptions::new(Format::Qcow2, SIZE) };
    all.push(qcow2(Qcow2Options { compat: Compat::V0_10, ..Qcow2Options::default() }));
    for cluster in [512, 4096, 2 << 20] {
        all.push(qcow2(Qcow2Options { cluster_size: Some(cluster), ..Qcow2Options::default() }));
    }
    for bits in [1, 2, 4, 8, 32, 64] {
        all.push(qcow2(Qcow2Options { refcount_bits: Some(bits), ..Qcow2Options::default() }));
    }
    all.push(qcow2(Qcow2Options { lazy_refcounts: true, ..Qcow2Options::default() }));
    all.push(qcow2(Qcow2Options { extended_l2: true, ..Qcow2Options::default() }));
    all.push(qcow2(Qcow2Options { extended_l2: true, cluster_size: Some(16384), ..Qcow2Options::default() }));
    for preallocation in [Preallocation::Metadata, Preallocation::Falloc, Preallocation::Full] {
        for qcow2 in [
            Qcow2Options::default(),
            Qcow2Options { cluster_size: Some(512), ..Qcow2Options::default() },
            Qcow2Options { extended_l2: true, ..Qcow2Options::default() },
        ] {
            all.push(CreateOptions { preallocation, qcow2, ..base.clone() });
        }
    }
    all
}

#[test]
fn a_new_image_is_sound_and_is_written_to() {
    let Some(tool) = Tool::find("a_new_image_is_sound_and_is_written_to") else { return };
    for (number, options) in variants().into_iter().enumerate() {
        let name = format!("{number}.qcow2");
        create(tool.file(&name), &options).unwrap();
        tool.check(&name);
        let info: serde_json::Value =
            serde_json::from_str(&tool.ok(&["info", "--output=json", &name])).unwrap();
        assert_eq!(info["virtual-size"], SIZE);
        let data = &info["format-specific"]["data"];
        assert_eq!(data["compat"], options.qcow2.compat.name());
        assert_eq!(data["lazy-refcounts"].as_bool().unwrap_or(false), options.qcow2.lazy_refcounts);
        assert_eq!(data["extended-l2"].as_bool().unwrap_or(false), options.qcow2.extended_l2);
        assert_eq!(info["cluster-size"], options.qcow2.cluster_size.unwrap_or(65536));

        let mut image = tool.change(&name, Format::Qcow2);
        let mut expected = vec![0; SIZE as usize];
        for (offset, length, seed) in
            [(5000_usize, 100, 1), (1 << 20, 300_000, 2), (SIZE as usize - 700, 700, 3)]
        {
            image.write(&pattern(length, seed), offset as u64).unwrap();
            expected[offset..offset + length].copy_from_slice(&pattern(length, seed));
        }
        image.zero((1 << 20) + 1000, 200_000).unwrap();
        expected[(1 << 20) + 1000..][..200_000].fill(0);
        assert!(content(&image) == expected, "{options:?}");
        image.sync().unwrap();
        std::fs::write(tool.path("expected"), &expected).unwrap();
        tool.check(&name);
        tool.compare((&name, Format::Qcow2), ("expected", Format::Raw));
        std::fs::remove_file(tool.path(&name)).unwrap();
    }
}

#[test]
fn preallocation_takes_space() {
    let Some(tool) = Tool::find("preallocation_takes_space") else { return };
    let allocated = |format, preallocation| {
        let name = format!("{format}-{preallocation:?}");
        create(tool.file(&name), &CreateOptions { preallocation, ..CreateOptions::new(format, SIZE) })
            .unwrap();
        tool.file(&name).allocated().unwrap()
    };
    for format in Format::ALL {
        assert!(allocated(format, Preallocation::Off) < 1 << 20);
        assert!(allocated(format, Preallocation::Falloc) >= SIZE);
        assert!(allocated(format, Preallocation::Full) >= SIZE);
    }
    assert!(allocated(Format::Qcow2, Preallocation::Metadata) < 1 << 20);
}

#[test]
fn what_qemu_creates_reads_back() {
    let Some(tool) = Tool::find("what_qemu_creates_reads_back") else { return };
    tool.raw("source", SIZE, &[(0, 100_000, 1), (3 << 20, 2 << 20, 2), (SIZE - 4096, 4096, 3)]);
    let expected = crate::tool::bytes(&tool.path("source"));
    let options = [
        "compat=0.10",
        "compat=1.1",
        "cluster_size=512",
        "cluster_size=2M",
        "refcount_bits=1",
        "refcount_bits=64",
        "lazy_refcounts=on",
        "extended_l2=on",
        "preallocation=metadata",
        "preallocation=falloc",
        "preallocation=full",
        "extended_l2=on,preallocation=metadata",
        "compression_type=zstd",
    ];
    for compress in [false, true] {
        for option in options {
            // Compressed clusters can't be preallocated or have subclusters' refcounts of one bit.
            if compress && (option.contains("preallocation") || option == "refcount_bits=1") {
                continue;
            }
            let mut arguments = vec!["convert", "-f", "raw", "-O", "qcow2", "-o", option];
            arguments.extend(compress.then_some("-c"));
            arguments.extend(["source", "image.qcow2"]);
            tool.ok(&arguments);
            let mut image = tool.change("image.qcow2", Format::Qcow2);
            assert!(content(&image) == expected, "{option} {compress}");
            // And it is written to.
            image.write(&pattern(150_000, 9), 60_000).unwrap();
            image.zero(4 << 20, 100_000).unwrap();
            image.sync().unwrap();
            let mut changed = expected.clone();
            changed[60_000..210_000].copy_from_slice(&pattern(150_000, 9));
            changed[4 << 20..][..100_000].fill(0);
            assert!(content(&image) == changed, "{option} {compress}");
            std::fs::write(tool.path("changed"), &changed).unwrap();
            tool.check("image.qcow2");
            tool.compare(("image.qcow2", Format::Qcow2), ("changed", Format::Raw));
            std::fs::remove_file(tool.path("image.qcow2")).unwrap();
        }
    }
}

#[test]
fn sizes_change() {
    let Some(tool) = Tool::find("sizes_change") else { return };
    tool.raw("base", 3 << 20, &[(0, 3 << 20, 5)]);
    for compat in [Compat::V0_10, Compat::V1_1] {
        let backing = Some(BackingReference::new("base", Format::Raw));
        let qcow2 = Qcow2Options { compat, backing, ..Qcow2Options::default() };
        create(tool.file("top"), &CreateOptions { qcow2, ..CreateOptions::new(Format::Qcow2, 1 << 20) })
            .unwrap();
        let mut image = tool.change("top", Format::Qcow2);
        let refused = image.resize(512, ResizeOptions::default()).unwrap_err().to_string();
        assert!(refused.contains("lose what is behind"), "{refused}");
        for size in [(1 << 20) + 512, 5 << 20, 2 << 40, 700_000, 4 << 20] {
            image.resize(size, ResizeOptions { shrink: true, ..ResizeOptions::default() }).unwrap();
            tool.check("top");
        }
        // What the backing file has behind the smallest size never comes back.
        let read = content(&image);
        let end = 700_000_usize.next_multiple_of(512);
        assert!(read[..end] == pattern(3 << 20, 5)[..end] && read[end..].iter().all(|byte| *byte == 0));
        drop(image);
        std::fs::write(tool.path("expected"), read).unwrap();
        tool.compare(("top", Format::Qcow2), ("expected", Format::Raw));
        std::fs::remove_file(tool.path("top")).unwrap();
    }
    for preallocation in [Preallocation::Metadata, Preallocation::Falloc, Preallocation::Full] {
        create(tool.file("grown"), &CreateOptions::new(Format::Qcow2, 1 << 20)).unwrap();
        let mut image = tool.change("grown", Format::Qcow2);
        image.resize(SIZE, ResizeOptions { shrink: false, preallocation }).unwrap();
        tool.check("grown");
        assert!(content(&image).iter().all(|byte| *byte == 0));
        let takes = image.file().allocated().unwrap();
        assert_eq!(takes >= 9 << 20, preallocation != Preallocation::Metadata, "{preallocation:?}: {takes}");
        std::fs::remove_file(tool.path("grown")).unwrap();
    }
    let mut raw = tool.try_open("base", Format::Raw, Access::Write).unwrap();
    raw.resize(4 << 20, ResizeOptions::default()).unwrap();
    assert_eq!(tool.path("base").metadata().unwrap().len(), 4 << 20);
}
