use reeve_image::{BackingReference, CreateOptions, create};

use super::*;
use crate::document::parse_snapshot;

/// Images in a directory, each with the one it is put on.
struct Lab {
    dir: tempfile::TempDir,
    kept: Vec<Kept>,
}

impl Lab {
    fn new(images: &[(&str, Option<&str>)]) -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap(), kept: Vec::new() };
        for (name, below) in images {
            let mut options = CreateOptions::new(Format::Qcow2, 1 << 20);
            options.qcow2.backing = below.map(|below| BackingReference::new(below, Format::Qcow2));
            let made = File::options().read(true).write(true).create_new(true).open(lab.at(name)).unwrap();
            create(ImageFile::new(made, lab.at(name).display().to_string()).unwrap(), &options).unwrap();
        }
        lab
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn domain(&self, image: &str) -> String {
        format!(
            "<domain type='kvm'><name>web</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
             <memory>65536</memory><os><type>hvm</type></os><devices><disk><driver type='qcow2'/>
             <source file='{}'/><target dev='vda'/></disk></devices></domain>",
            self.at(image).display()
        )
    }

    /// A snapshot that had one image, and for which another was made.
    fn snapshot(&mut self, name: &str, had: &str, made: &str) {
        let xml = format!(
            "<domainsnapshot><name>{name}</name><creationTime>7</creationTime><disks>
             <disk name='vda' snapshot='external'><source file='{}'/></disk></disks>{}</domainsnapshot>",
            self.at(made).display(),
            self.domain(had)
        );
        let snapshot = parse_snapshot(&xml, false).unwrap();
        self.kept.push(Kept { snapshot, memory: None, current: false });
    }

    fn chains(&self, now: &str) -> Chains {
        let now = crate::document::parse(&self.domain(now), false).unwrap().config;
        Chains::find(&[now], &[], &self.kept).unwrap()
    }

    fn delete(&self, chains: &mut Chains, name: &str) -> Result<Vec<String>, String> {
        let kept = self.kept.iter().find(|kept| kept.name() == name).unwrap();
        let short = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let work = chains.delete(&kept.snapshot).map_err(|error| error.message)?;
        let said = work.iter().map(|work| match work {
            Work::Merge(merge) => format!("{} into {}", short(&merge.top), short(&merge.base)),
            Work::Settle(merge) => format!("above {}", merge.above.len()),
            Work::Remove(path) => format!("remove {}", short(path)),
        });
        Ok(said.collect())
    }
}

#[test]
fn what_is_put_on_the_image_of_a_snapshot_goes_into_it() {
    let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("second", Some("first"))]);
    lab.snapshot("one", "base", "first");
    lab.snapshot("two", "first", "second");
    let mut chains = lab.chains("second");
    assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 1", "remove first"]);
    // What was deleted first is considered.
    assert_eq!(lab.delete(&mut chains, "two").unwrap(), ["second into base", "above 0", "remove second"]);
    let mut chains = lab.chains("second");
    assert_eq!(lab.delete(&mut chains, "two").unwrap(), ["second into first", "above 0", "remove second"]);
    assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 0", "remove first"]);
}

#[test]
fn a_branch_that_nobody_is_on_goes_and_one_that_is_needed_stays() {
    let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("back", Some("base"))]);
    lab.snapshot("one", "base", "first");
    lab.snapshot("two", "first", "second");
    let mut chains = lab.chains("back");
    let refused = lab.delete(&mut chains, "one").unwrap_err();
    assert!(refused.contains("back' and '") && refused.contains("can take one only"), "{refused}");
    let mut chains = lab.chains("back");
    assert_eq!(lab.delete(&mut chains, "two").unwrap(), ["remove first"]);
    assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["back into base", "above 0", "remove back"]);
    let other = crate::document::parse(&lab.domain("back"), false).unwrap().config;
    let mut chains = Chains::find(&[], &[other], &lab.kept).unwrap();
    let refused = lab.delete(&mut chains, "one").unwrap_err();
    assert!(refused.contains("domain 'web' has the image"), "{refused}");
    // A domain that was put on the image by hand.
    let refused = lab.delete(&mut lab.chains("base"), "one").unwrap_err();
    assert!(refused.contains("the domain writes to"), "{refused}");
}

#[test]
fn what_was_written_since_is_left_and_what_others_need_is_not() {
    let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("second", Some("first"))]);
    lab.snapshot("one", "base", "first");
    let left = |lab: &Lab, now: &str, base: &str| {
        let left = lab.chains(now).left_by(&[lab.at(base)]);
        left.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(left(&lab, "first", "base"), ["first"]);
    // Somebody made the second one: it is not the host's, nor can it do without the first.
    assert!(left(&lab, "second", "base").is_empty());
    lab.snapshot("two", "first", "second");
    assert_eq!(left(&lab, "second", "base"), ["second"]);
    assert_eq!(left(&lab, "second", "first"), ["second"]);
}

/// A lab with a snapshot on each of two images, and a third that is put on the second.
fn two() -> Lab {
    let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("second", Some("first"))]);
    lab.snapshot("one", "base", "first");
    lab.snapshot("two", "first", "second");
    lab
}

#[test]
fn a_disk_that_has_another_name_by_now_keeps_its_images() {
    let lab = two();
    let renamed = lab.domain("second").replace("'vda'", "'sda'");
    let now = crate::document::parse(&renamed, false).unwrap().config;
    let mut chains = Chains::find(std::slice::from_ref(&now), &[], &lab.kept).unwrap();
    let kept = lab.kept.iter().find(|kept| kept.name() == "two").unwrap();
    let work = chains.delete(&kept.snapshot).unwrap();
    let Work::Merge(merge) = &work[0] else { panic!("{work:?}") };
    // The machine is asked by the name that it knows.
    assert_eq!((&merge.top, &merge.base), (&real(&lab.at("second")), &real(&lab.at("first"))));
    assert_eq!(merge.target, "sda");
    let mut chains = Chains::find(&[now], &[], &lab.kept).unwrap();
    assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 1", "remove first"]);
}

#[test]
fn an_image_that_no_disk_has_any_more_is_not_lost() {
    let lab = two();
    let unused = |overlays| {
        let mut chains = Chains::find(&[], &[], &lab.kept).unwrap();
        chains.find_unused(overlays).unwrap();
        chains
    };
    let mut chains = unused(Vec::new());
    assert_eq!(lab.delete(&mut chains, "two").unwrap(), ["second into first", "above 0", "remove second"]);
    let mut chains = unused(Vec::new());
    assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 1", "remove first"]);
    // The domain writes to the one below: nothing is done, and what is put on it is in nobody's way.
    let mut chains = lab.chains("first");
    chains.find_unused(Vec::new()).unwrap();
    assert!(lab.delete(&mut chains, "two").unwrap().is_empty());
    // What no image was is none.
    std::fs::write(lab.at("second"), "of somebody").unwrap();
    assert_eq!(lab.delete(&mut unused(Vec::new()), "two").unwrap(), ["remove first"]);
}

#[test]
fn an_overlay_of_a_storage_pool_keeps_what_it_reads() {
    let mut lab = Lab::new(&[("base", None), ("first", Some("base")), ("clone", Some("first"))]);
    lab.snapshot("one", "base", "first");
    let clone = || vec![(lab.at("clone"), "volume 'clone' of pool 'lab'".to_owned())];
    let mut chains = lab.chains("first");
    chains.find_unused(clone()).unwrap();
    let refused = lab.delete(&mut chains, "one").unwrap_err();
    assert!(refused.contains("volume 'clone' of pool 'lab' has the image"), "{refused}");
    // One that the domain has is its own.
    let mut chains = lab.chains("first");
    chains.find_unused(vec![(lab.at("first"), "volume 'first' of pool 'lab'".to_owned())]).unwrap();
    assert_eq!(lab.delete(&mut chains, "one").unwrap(), ["first into base", "above 0", "remove first"]);
}

#[test]
fn images_of_snapshots_and_of_others_are_held() {
    let chain = [("root", None), ("base", Some("root")), ("first", Some("base")), ("second", Some("first"))];
    let mut lab = Lab::new(&[&chain[..], &[("other", Some("root"))]].concat());
    lab.snapshot("one", "base", "first");
    let images = ["second", "first", "base", "root"].map(|name| real(&lab.at(name)));
    let held = |chains: &Chains, top, base| chains.held_between(&images, top, base);
    let one = |name: &str| Some((real(&lab.at(name)), Holder::Snapshot("one".to_owned())));
    let chains = lab.chains("second");
    assert_eq!(held(&chains, 0, 2), one("base"));
    assert_eq!(held(&chains, 1, 2), one("base"));
    assert_eq!(held(&chains, 2, 3), one("base"));
    assert_eq!(held(&chains, 0, 3), one("base"));
    // The image of the snapshot is above these, or below.
    assert_eq!(held(&chains, 3, 3), None);
    assert_eq!(held(&chains, 0, 1), None);
    assert_eq!((held(&chains, 1, 0), held(&chains, 3, 9)), (None, None));
    let config = |image: &str| {
        let xml = lab.domain(image).replace("<name>web<", "<name>other<");
        crate::document::parse(&xml, false).unwrap().config
    };
    let other = Some((real(&lab.at("root")), Holder::Other("domain 'other'".to_owned())));
    let chains = Chains::find(&[], &[config("other")], &[]).unwrap();
    assert_eq!((held(&chains, 0, 2), held(&chains, 2, 3)), (None, other));
    // Who has the lowest as its disk sees a disk before and after; not so one that goes.
    let chains = Chains::find(&[], &[config("root")], &[]).unwrap();
    assert_eq!(held(&chains, 0, 3), None);
    let chains = Chains::find(&[], &[config("base")], &[]).unwrap();
    assert!(held(&chains, 0, 3).is_some());
}
