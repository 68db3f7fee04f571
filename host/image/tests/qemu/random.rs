//! Two thousand random operations on images of every shape, against a disk in memory and qemu-img.

use std::collections::BTreeMap;

use reeve_image::{
    BackingReference, Compat, CreateOptions, Format, Image, Qcow2Options, ResizeOptions, create,
};
use time::OffsetDateTime;

use crate::tool::{Tool, content, pattern};

const OPERATIONS: usize = 400;
const CHECKED_EVERY: usize = 50;
const BASE: usize = 3 << 20;
const LARGEST: usize = 6 << 20;

/// Numbers that are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// The disk as it should be.
struct Model {
    disk: Vec<u8>,
    snapshots: BTreeMap<String, Vec<u8>>,
    made: usize,
    old: bool,
}

impl Model {
    /// Does one thing to both; what it was.
    fn step(&mut self, random: &mut Random, image: &mut Image) -> String {
        let size = self.disk.len();
        let offset = random.below(size);
        // Small and large, and often on the edges of clusters.
        let length = [700, 5_000, 70_000, 400_000][random.below(4)];
        let offset = if random.below(2) == 0 { offset / 65536 * 65536 } else { offset };
        let length = random.below(length).clamp(1, size - offset);
        match random.below(20) {
            0..9 => {
                let data = pattern(length, random.below(256) as u8);
                image.write(&data, offset as u64).unwrap();
                self.disk[offset..offset + length].copy_from_slice(&data);
                format!("write {offset} {length}")
            }
            9..14 => {
                image.zero(offset as u64, length as u64).unwrap();
                self.disk[offset..offset + length].fill(0);
                format!("zero {offset} {length}")
            }
            14 | 15 if self.snapshots.len() < 6 => {
                self.made += 1;
                let name = format!("s{}", self.made);
                image.create_snapshot(&name, OffsetDateTime::UNIX_EPOCH).unwrap();
                self.snapshots.insert(name.clone(), self.disk.clone());
                format!("snapshot {name}")
            }
            16 if !self.snapshots.is_empty() => {
                let name = self.any(random);
                image.apply_snapshot(&name).unwrap();
                self.disk.clone_from(&self.snapshots[&name]);
                format!("apply {name}")
            }
            17 | 18 if !self.snapshots.is_empty() => {
                let name = self.any(random);
                image.delete_snapshot(&name).unwrap();
                self.snapshots.remove(&name);
                format!("delete {name}")
            }
            _ if self.old && !self.snapshots.is_empty() => "nothing".to_owned(),
            _ => {
                let size = (random.below(LARGEST - (1 << 20)) + (1 << 20)) / 512 * 512;
                image
                    .resize(size as u64, ResizeOptions { shrink: true, ..ResizeOptions::default() })
                    .unwrap();
                self.disk.resize(size, 0);
                format!("resize {size}")
            }
        }
    }

    fn any(&self, random: &mut Random) -> String {
        let place = random.below(self.snapshots.len());
        self.snapshots.keys().nth(place).expect("there are some").clone()
    }
}

fn run(tool: &Tool, name: &str, qcow2: Qcow2Options, seed: u64) {
    let with_backing = qcow2.backing.is_some();
    let old = qcow2.compat == Compat::V0_10;
    create(tool.file(name), &CreateOptions { qcow2, ..CreateOptions::new(Format::Qcow2, 4 << 20) }).unwrap();
    let mut disk = vec![0; 4 << 20];
    if with_backing {
        disk[..BASE].copy_from_slice(&pattern(BASE, 77));
    }
    let mut model = Model { disk, snapshots: BTreeMap::new(), made: 0, old };
    let mut random = Random(seed);
    let mut image = tool.change(name, Format::Qcow2);
    let mut history = Vec::new();
    for number in 1..=OPERATIONS {
        history.push(model.step(&mut random, &mut image));
        if number % 10 == 0 {
            assert!(content(&image) == model.disk, "{name}: the disk differs after {history:#?}");
        }
        if number % CHECKED_EVERY == 0 {
            std::fs::write(tool.path("expected"), &model.disk).unwrap();
            image.sync().unwrap();
            tool.check(name);
            tool.compare((name, Format::Qcow2), ("expected", Format::Raw));
            // Reading it anew gives the same as what was kept in memory.
            image = tool.change(name, Format::Qcow2);
            assert!(content(&image) == model.disk, "{name}: reopened after {history:#?}");
            let ours =
                reeve_image::check(tool.file(name), Format::Qcow2, reeve_image::Repair::Nothing).unwrap();
            assert!(ours.is_clean(), "{name}: {ours:#?}");
        }
    }
    for (snapshot, disk) in &model.snapshots {
        image.apply_snapshot(snapshot).unwrap();
        assert!(content(&image) == *disk, "{name}: snapshot {snapshot}");
    }
}

#[test]
fn two_thousand_random_operations() {
    let Some(tool) = Tool::find("two_thousand_random_operations") else { return };
    std::fs::write(tool.path("base"), pattern(BASE, 77)).unwrap();
    let backing = || Some(BackingReference::new("base", Format::Raw));
    let plain = Qcow2Options::default();
    run(&tool, "plain", plain.clone(), 1);
    run(&tool, "small", Qcow2Options { cluster_size: Some(512), backing: backing(), ..plain.clone() }, 2);
    run(&tool, "old", Qcow2Options { compat: Compat::V0_10, backing: backing(), ..plain.clone() }, 3);
    run(
        &tool,
        "wide",
        Qcow2Options { refcount_bits: Some(64), cluster_size: Some(4096), ..plain.clone() },
        4,
    );
    let parts = Qcow2Options { extended_l2: true, cluster_size: Some(32768), backing: backing(), ..plain };
    run(&tool, "parts", parts, 5);
}
