//! Two thousand random operations of the peer, on images that it made with every option, read back here the same.

use std::collections::BTreeMap;
use std::process::Command;

use reeve_image::Format;

use crate::random::Random;
use crate::tool::{Tool, content, pattern};

const VARIANTS: [&str; 16] = [
    "compat=0.10",
    "compat=0.10,cluster_size=512",
    "compat=1.1",
    "cluster_size=512",
    "cluster_size=4096",
    "cluster_size=2M",
    "refcount_bits=1",
    "refcount_bits=8",
    "refcount_bits=64,cluster_size=4096",
    "lazy_refcounts=on",
    "extended_l2=on",
    "extended_l2=on,cluster_size=16k",
    "preallocation=metadata",
    "preallocation=falloc",
    "preallocation=full",
    "compression_type=zstd",
];
/// All variants together, once alone and once on a backing file where that can be, have more than two thousand.
const OPERATIONS: usize = 80;
const AT_ONCE: usize = 10;
const SIZE: usize = 4 << 20;
const LARGEST: usize = 6 << 20;
const BASE: usize = 3 << 20;

/// What the image shows, and what its snapshots hold.
struct Model {
    disk: Vec<u8>,
    snapshots: BTreeMap<String, Vec<u8>>,
    made: usize,
}

impl Model {
    /// A write, in the words of qemu-io.
    fn write(&mut self, random: &mut Random, can_free: bool) -> String {
        let sectors = self.disk.len() / 512;
        let start = random.below(sectors);
        let start = if random.below(2) == 0 { start / 128 * 128 } else { start };
        let most = [2, 16, 200, 1000][random.below(4)];
        let count = (random.below(most) + 1).min(sectors - start);
        let (offset, length) = (start * 512, count * 512);
        let part = &mut self.disk[offset..offset + length];
        match random.below(10) {
            0..6 => {
                let byte = random.below(255) as u8 + 1;
                part.fill(byte);
                format!("write -P {byte} {offset} {length}")
            }
            kind => {
                part.fill(0);
                let free = if can_free && kind < 8 { "-u " } else { "" };
                format!("write -z {free}{offset} {length}")
            }
        }
    }

    /// What is no write: qemu-img's arguments, if there is anything to do.
    fn other(&mut self, random: &mut Random, can_grow: bool) -> Option<Vec<String>> {
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let any = |random: &mut Random, model: &Self| {
            model.snapshots.keys().nth(random.below(model.snapshots.len())).cloned()
        };
        match random.below(4) {
            0 if self.snapshots.len() < 4 => {
                self.made += 1;
                let name = format!("s{}", self.made);
                self.snapshots.insert(name.clone(), self.disk.clone());
                words(&["snapshot", "-c", &name, "image"])
            }
            1 => {
                let name = any(random, self)?;
                self.disk.clone_from(&self.snapshots[&name]);
                words(&["snapshot", "-a", &name, "image"])
            }
            2 => {
                let name = any(random, self)?;
                self.snapshots.remove(&name);
                words(&["snapshot", "-d", &name, "image"])
            }
            _ if can_grow && self.disk.len() < LARGEST => {
                let size = self.disk.len() + (random.below(1000) + 1) * 512;
                self.disk.resize(size, 0);
                words(&["resize", "-f", "qcow2", "image", &size.to_string()])
            }
            _ => None,
        }
    }
}

/// Runs qemu-io on the image.
fn qemu_io(tool: &Tool, commands: &[String]) {
    #[expect(clippy::disallowed_methods, reason = "a test runs the peer as a user does")]
    let mut command = Command::new("qemu-io");
    commands.iter().for_each(|words| {
        command.args(["-c", words]);
    });
    let output = command.args(["-f", "qcow2"]).arg(tool.path("image")).output().expect("qemu-io runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !said.contains("failed"), "{commands:#?}: {said}");
}

/// How many operations were done.
fn run(tool: &Tool, options: &str, with_backing: bool, seed: u64) -> usize {
    let size = SIZE.to_string();
    let mut create = vec!["create", "-q", "-f", "qcow2", "-o", options];
    if with_backing {
        create.extend(["-b", "base", "-F", "raw"]);
    }
    create.extend(["image", &size]);
    tool.ok(&create);
    let mut disk = vec![0; SIZE];
    if with_backing {
        disk[..BASE].copy_from_slice(&pattern(BASE, 77));
    }
    let old = options.contains("compat=0.10");
    let mut model = Model { disk, snapshots: BTreeMap::new(), made: 0 };
    let mut random = Random(seed);
    let mut done = 0;
    // Compressed clusters are where nothing was written yet, and whole ones.
    if !["preallocation", "extended_l2", "2M", "refcount_bits=1"].iter().any(|word| options.contains(word)) {
        let compressed = (0..3).map(|number| {
            let (offset, byte) = (number << 20, number as u8 + 1);
            model.disk[offset..offset + (512 << 10)].fill(byte);
            format!("write -c -P {byte} {offset} 512k")
        });
        let commands: Vec<String> = compressed.collect();
        qemu_io(tool, &commands);
        done += commands.len();
    }
    let mut history = Vec::new();
    while done < OPERATIONS {
        let writes: Vec<String> = (0..AT_ONCE).map(|_| model.write(&mut random, !old)).collect();
        qemu_io(tool, &writes);
        done += writes.len();
        history.extend(writes);
        // A count of one bit has no room for snapshots; version 2 does not say how large a disk was at one.
        if !options.contains("refcount_bits=1") {
            let can_grow = (!old || model.snapshots.is_empty()) && !options.contains("prealloc");
            if let Some(words) = model.other(&mut random, can_grow) {
                tool.ok(&words.iter().map(String::as_str).collect::<Vec<_>>());
                history.push(words.join(" "));
                done += 1;
            }
        }
        let image = tool.open("image", Format::Qcow2);
        assert!(content(&image) == model.disk, "{options}, backing {with_backing}, after {history:#?}");
        let check = reeve_image::check(tool.file("image"), Format::Qcow2, reeve_image::Repair::Nothing);
        let check = check.unwrap();
        assert!(check.is_clean(), "{options}: {check:#?} after {history:#?}");
    }
    let mut image = tool.change("image", Format::Qcow2);
    for (snapshot, disk) in &model.snapshots {
        image.apply_snapshot(snapshot).unwrap();
        assert!(content(&image) == *disk, "{options}: snapshot {snapshot}");
    }
    drop(image);
    tool.check("image");
    std::fs::remove_file(tool.path("image")).unwrap();
    done
}

#[test]
fn two_thousand_random_operations_of_the_peer() {
    let Some(tool) = Tool::find("two_thousand_random_operations_of_the_peer") else { return };
    std::fs::write(tool.path("base"), pattern(BASE, 77)).unwrap();
    let mut done = 0;
    for (seed, options) in (1..).zip(VARIANTS) {
        done += run(&tool, options, false, seed);
        // What is preallocated hides what is below it.
        if !options.contains("preallocation") {
            done += run(&tool, options, true, seed + 100);
        }
    }
    assert!(done >= 2000, "{done} operations");
}
