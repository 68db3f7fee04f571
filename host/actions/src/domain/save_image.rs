//! Documents in save images (guide 14.8.8 to 14.8.10): read, and changed as far as the guest doesn't notice.

use std::path::Path;

use reeve_domain::save_image::{Purpose, SaveImage};
use reeve_model::domain::{CharDevice, DomainConfig, Vsock};
use reeve_model::domain_save::RestoredState;
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::define;
use super::restore::read;
use super::save::{absolute, image_error};
use crate::{Actions, blocking, document};

impl Actions {
    /// The document in a save image.
    pub async fn save_image_xml(&self, actor: &Actor, path: &str) -> Result<String, Error> {
        self.authorize(actor, Verb::DomainRead, "")?;
        let saved = read(&absolute(path)?, None).await?;
        self.authorize(actor, Verb::DomainRead, &saved.config.name)?;
        Ok(document::format(&saved.config))
    }

    /// Replaces the document in a save image by another of the same guest, and says what it does once it is restored.
    pub async fn define_save_image(
        &self,
        actor: &Actor,
        path: &str,
        xml: &str,
        state: Option<RestoredState>,
    ) -> Result<(), Error> {
        self.authorize(actor, Verb::DomainSave, "")?;
        let path = absolute(path)?;
        let saved = read(&path, None).await?;
        self.authorize(actor, Verb::DomainSave, &saved.config.name)?;
        let given = read_given(&saved.config, xml)?;
        let running = state.map_or(saved.running, |state| state.runs());
        blocking(move || change(&path, &document::format(&given), running)).await
    }
}

fn change(path: &Path, document: &str, running: bool) -> Result<(), Error> {
    let mut image = SaveImage::open(path, Purpose::Change).map_err(image_error)?;
    image.change(document, running).map_err(image_error)
}

/// Reads a document that is to take the place of a saved one.
pub(super) fn read_given(saved: &DomainConfig, xml: &str) -> Result<DomainConfig, Error> {
    let given = document::parse(xml, false)?.config;
    define::check(&given)?;
    same_guest(saved, &given)?;
    Ok(given)
}

/// Refuses a document that describes another guest than the one that was saved. What is the host's may differ: where disks and
/// interfaces are, limits, pinning.
pub(super) fn same_guest(saved: &DomainConfig, given: &DomainConfig) -> Result<(), Error> {
    let (before, after) = (seen_by_guest(saved), seen_by_guest(given));
    let changed = before.iter().find(|line| !after.contains(line));
    let added = after.iter().find(|line| !before.contains(line));
    let sentence = match (changed, added) {
        (None, None) => return Ok(()),
        (Some(changed), Some(added)) => format!("'{changed}' became '{added}'"),
        (Some(gone), None) => format!("'{gone}' is gone"),
        (None, Some(added)) => format!("'{added}' is new"),
    };
    let message = format!("domain '{}' goes on with what its guest knows of: {sentence}", saved.name);
    Err(Error::new(ErrorCode::Invalid, message)
        .with_hint("change only what the guest does not see, such as where the files of its disks are"))
}

/// What the guest sees, a line each.
fn seen_by_guest(config: &DomainConfig) -> Vec<String> {
    let or_default = |word: &Option<String>| word.clone().unwrap_or_else(|| "default".to_owned());
    let mut lines = vec![
        format!("name {}", config.name),
        format!("uuid {}", config.uuid),
        format!("type {}", config.domain_type.as_str()),
        format!("memory {}", config.memory),
        format!("vcpus {}", config.vcpu.at_boot()),
    ];
    let devices = &config.devices;
    lines.extend(devices.disks.iter().map(|disk| {
        format!(
            "disk {} ({}, bus {}, serial {}{})",
            disk.target,
            disk.device,
            or_default(&disk.bus),
            or_default(&disk.serial),
            if disk.readonly { ", readonly" } else { "" }
        )
    }));
    let interfaces = devices.interfaces.iter();
    lines.extend(interfaces.map(|each| {
        let (mac, model) = (or_default(&each.mac), or_default(&each.model));
        match each.queues() {
            1 => format!("interface {mac} ({model})"),
            queues => format!("interface {mac} ({model}, {queues} queues)"),
        }
    }));
    let chars = |kind: &'static str, devices: &[CharDevice]| {
        let line =
            |(number, device): (usize, &CharDevice)| format!("{kind} {number} {}", or_default(&device.name));
        devices.iter().enumerate().map(line).collect::<Vec<_>>()
    };
    lines.extend(chars("serial", &devices.serials));
    lines.extend(chars("console", &devices.consoles));
    lines.extend(chars("channel", &devices.channels));
    lines.extend((0..devices.rngs.len()).map(|number| format!("rng {number}")));
    lines.extend(devices.memballoon.iter().map(|balloon| format!("balloon {}", balloon.model)));
    let sockets = devices.vsock.iter().map(|vsock| vsock.cid.unwrap_or(Vsock::FIRST));
    lines.extend(sockets.map(|address| format!("vsock {address}")));
    lines.extend(devices.filesystems.iter().map(|each| format!("filesystem {}", each.name())));
    let memories = devices.memories.iter();
    lines.extend(memories.map(|memory| format!("memory {} in blocks of {}", memory.size, memory.block())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(devices: &str) -> DomainConfig {
        let xml = format!(
            "<domain type='kvm'><name>web</name><uuid>4dea22b3-1d52-d8f3-2516-782e98ab3fa0</uuid>
               <memory unit='MiB'>64</memory><vcpu>1</vcpu><os><type>hvm</type><kernel>/k</kernel></os>
               <devices>{devices}</devices></domain>"
        );
        document::parse(&xml, false).unwrap().config
    }

    const DISK: &str = "<disk><source file='/a.img'/><target dev='vda' bus='virtio'/></disk>";

    #[test]
    fn only_what_the_guest_does_not_see_may_change() {
        let saved = config(DISK);
        same_guest(&saved, &config(&DISK.replace("/a.img", "/b.img"))).unwrap();
        let refused = |other: &DomainConfig| same_guest(&saved, other).unwrap_err().message;
        assert!(refused(&config("")).contains("'disk vda"), "{}", refused(&config("")));
        assert!(refused(&config(&DISK.replace("vda", "vdb"))).contains("became"));
        let twice = format!("{DISK}{}", DISK.replace("vda", "vdb"));
        assert!(refused(&config(&twice)).contains("is new"));
        let nic = "<interface type='network'><source network='a'/><mac address='52:54:00:00:00:01'/><driver queues='2'/></interface>";
        let (auto, own) = (
            "<vsock><cid auto='yes'/></vsock>",
            "<vsock><cid auto='no' address='3'/><source path='/a'/></vsock>",
        );
        let saved_with = config(&format!("{nic}{own}"));
        same_guest(&saved_with, &config(&format!("{}{auto}", nic.replace("='a'", "='b'")))).unwrap();
        for other in
            [nic.replace("'2'", "'3'") + own, format!("{nic}{}", own.replace('3', "4")), nic.to_owned()]
        {
            assert!(same_guest(&saved_with, &config(&other)).is_err(), "{other}");
        }
        let mut other = saved.clone();
        other.memory = reeve_model::Bytes(1 << 30);
        assert!(refused(&other).contains("memory"));
    }
}
