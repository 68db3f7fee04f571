//! Files of the domain that a killed daemon worked on: images, save images and cores.

use std::fs::File;
use std::path::{Path, PathBuf};

use reeve_image::{Access, CreateOptions, Directories, Format, ImageFile, Repair};
use reeve_model::Error;
use reeve_model::snapshot::CreateSnapshot;

use crate::support::{Host, ROOT};

/// A disk with a new image.
pub(crate) fn image(host: &Host, name: &str, target: &str) -> String {
    let path = images(host).join(format!("{name}.qcow2"));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let file = ImageFile::new(file, name).unwrap();
    reeve_image::create(file, &CreateOptions::new(Format::Qcow2, 1 << 20)).unwrap();
    let source = format!("<driver name='qemu' type='qcow2'/><source file='{}'/>", path.display());
    format!("<disk>{source}<target dev='{target}' bus='virtio'/></disk>")
}

/// The disks of a document of a snapshot on new images.
pub(crate) fn external() -> String {
    let disk = |disk: &str| format!("<disk name='{disk}' snapshot='external'/>");
    format!("<disks>{}{}</disks>", disk("vda"), disk("vdb"))
}

/// The image that a disk starts with.
fn opened(host: &Host, target: &str, access: Access) -> reeve_image::Image {
    let uuid = host.state(&ROOT, "web").unwrap().uuid;
    let definition = host.domains.definition(uuid).unwrap().unwrap();
    let disk = definition.devices.disks.iter().find(|disk| disk.target == target).unwrap();
    let path = disk.source.path().unwrap();
    let file = File::options().read(true).write(access == Access::Write).open(path).unwrap();
    let allowed = Directories::new().allow_path(images(host), &images(host)).unwrap();
    let file = ImageFile::new(file, path).unwrap();
    reeve_image::open(file, disk.driver.format.as_deref().unwrap().parse().unwrap(), access, &allowed)
        .unwrap()
}

/// Writes to both disks, as a guest would.
pub(crate) fn write(host: &Host, byte: u8) {
    for target in ["vda", "vdb"] {
        opened(host, target, Access::Write).write(&[byte; 4096], 8192).unwrap();
    }
}

/// What is on a disk; each of its images is whole.
pub(crate) fn shown(host: &Host, target: &str) -> u8 {
    let image = opened(host, target, Access::Read);
    for layer in (0..image.layers()).map(|depth| image.layer(depth).unwrap()) {
        let file = ImageFile::new(File::open(layer.name()).unwrap(), layer.name()).unwrap();
        assert!(
            reeve_image::check(file, Format::Qcow2, Repair::Nothing).unwrap().is_clean(),
            "{}",
            layer.name()
        );
    }
    let mut bytes = [0; 4096];
    image.read(&mut bytes, 8192).unwrap();
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
    bytes[0]
}

/// Names of the snapshots within an image.
pub(crate) fn within(host: &Host, name: &str) -> Vec<String> {
    let file = File::open(images(host).join(format!("{name}.qcow2"))).unwrap();
    let image = reeve_image::open_alone(ImageFile::new(file, name).unwrap(), Format::Qcow2, Access::Read);
    image.unwrap().snapshots().unwrap().into_iter().map(|snapshot| snapshot.name).collect()
}

pub(crate) async fn take(host: &Host, name: &str, disks: &str) -> Result<(), Error> {
    let xml = format!("<domainsnapshot><name>{name}</name>{disks}</domainsnapshot>");
    host.create_snapshot(&ROOT, "web", &xml, CreateSnapshot::default()).await.map(drop)
}

/// Where a domain is saved to.
pub(crate) fn saved(host: &Host) -> PathBuf {
    images(host).with_file_name("web.save")
}

/// Where a domain is dumped to.
pub(crate) fn dumped(host: &Host) -> PathBuf {
    images(host).with_file_name("web.core")
}

/// Whether there is a file with that in its name where domains are saved and dumped to.
pub(crate) fn is_left(host: &Host, part: &str) -> bool {
    let files = std::fs::read_dir(saved(host).parent().unwrap()).unwrap();
    files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).any(|name| name.contains(part))
}

/// A directory that no pool has.
pub(crate) fn images(host: &Host) -> PathBuf {
    Path::new(&host.pool_info(&ROOT, "default").unwrap().path.unwrap()).join("elsewhere")
}
