//! What the source of a migration tells of the disks of a guest. It is told as far as it is known: nothing fails for want of it.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use reeve_image::{Access, ImageFile, open_alone};
use reeve_model::Error;
use reeve_model::domain::{Disk, DomainConfig};
use reeve_model::migrated_disk::{DiskFacts, MovingDisks};
use reeve_model::migration::CopiedDisk;
use reeve_sys::{file_system, open};

use super::copied_disks::{LOOK, format_of};

/// Bytes of a block of `stat`.
const BLOCK: u64 = 512;

/// What policies, here and there, are told of the disks of a running domain.
pub(super) async fn moving(
    config: &DomainConfig,
    copied: Vec<CopiedDisk>,
) -> Result<Arc<MovingDisks>, Error> {
    let config = config.clone();
    let facts = crate::blocking(move || Ok(gather(&config))).await?;
    Ok(Arc::new(MovingDisks { facts, copied }))
}

fn gather(config: &DomainConfig) -> Vec<DiskFacts> {
    config.devices.disks.iter().map(|disk| of(disk).unwrap_or_else(|| nothing(disk))).collect()
}

fn nothing(disk: &Disk) -> DiskFacts {
    DiskFacts { target: disk.target.clone(), ..DiskFacts::default() }
}

fn of(disk: &Disk) -> Option<DiskFacts> {
    let path = Path::new(disk.source.path()?);
    let file = File::from(open::image(path, LOOK).ok()?);
    let metadata = file.metadata().ok()?;
    Some(DiskFacts {
        allocation: metadata.is_file().then(|| metadata.blocks().saturating_mul(BLOCK)),
        file_system: file_system::kind(&file).map(str::to_owned),
        capacity: capacity(disk, file),
        ..nothing(disk)
    })
}

/// What the guest sees; none of an encrypted one, whose container is larger.
fn capacity(disk: &Disk, file: File) -> Option<u64> {
    if disk.encryption.is_some() {
        return None;
    }
    let name = disk.source.path()?;
    let file = ImageFile::new(file, name).ok()?;
    open_alone(file, format_of(disk).ok()?, Access::Read).ok().map(|image| image.size())
}

#[cfg(test)]
mod tests {
    use reeve_image::{CreateOptions, Format, create};

    use super::*;

    #[test]
    fn a_disk_is_told_of_as_far_as_it_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let file = File::options().read(true).write(true).create_new(true).open(at("disk")).unwrap();
        create(ImageFile::new(file, "disk").unwrap(), &CreateOptions::new(Format::Qcow2, 3 << 20)).unwrap();
        std::fs::write(at("text"), "no image").unwrap();
        let disk = |target: &str, path: &Path| {
            format!(
                "<disk type='file'><driver type='qcow2'/><source file='{}'/><target dev='{target}' bus='virtio'/></disk>",
                path.display()
            )
        };
        let disks = [
            disk("vda", &at("disk")),
            disk("vdb", &at("text")),
            disk("vdc", &at("nowhere")),
            "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>".to_owned(),
        ]
        .concat();
        let xml = format!(
            "<domain type='kvm'><name>web</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>\
             <devices>{disks}</devices></domain>"
        );
        let facts = gather(&crate::document::parse(&xml, false).unwrap().config);
        let [image, text, nowhere, empty] = &facts[..] else { panic!("{facts:?}") };
        let allocated = std::fs::metadata(at("disk")).unwrap().blocks() * BLOCK;
        assert_eq!((image.capacity, image.allocation), (Some(3 << 20), Some(allocated)));
        assert!(allocated > 0 && allocated < 3 << 20, "{allocated}");
        assert_eq!((text.capacity, text.allocation.is_some()), (None, true));
        assert_eq!(image.file_system, text.file_system);
        assert_eq!(
            (nowhere, empty.target.as_str()),
            (&DiskFacts { target: "vdc".into(), ..DiskFacts::default() }, "sda")
        );
    }
}
