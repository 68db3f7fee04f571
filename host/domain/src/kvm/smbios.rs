//! What a guest is told about its machine, from `<sysinfo>` and `<os><smbios>` (guide 20.2.1, 20.3).

use std::path::Path;

use reeve_model::domain::{DomainConfig, SysInfo, SysInfoEntry};
use reeve_vmm::config::{BiosInfo, BoardInfo, ChassisInfo, SmbiosConfig, SystemInfo};

/// Where the kernel shows the host's own.
const HOST: &str = "/sys/class/dmi/id";

/// SMBIOS of a domain; `emulate` is what there is without it.
pub(super) fn plan(config: &DomainConfig, refuse: &mut impl FnMut(String)) -> SmbiosConfig {
    let mut smbios = SmbiosConfig { uuid: *config.uuid.as_bytes(), ..SmbiosConfig::default() };
    match (config.os.smbios.as_deref(), &config.sysinfo) {
        (Some("sysinfo"), Some(sysinfo)) => given(sysinfo, &mut smbios, refuse),
        (Some("host"), _) => host(Path::new(HOST), &mut smbios),
        _ => {}
    }
    smbios
}

fn given(sysinfo: &SysInfo, smbios: &mut SmbiosConfig, refuse: &mut impl FnMut(String)) {
    if sysinfo.kind != "smbios" {
        return refuse(format!("<sysinfo type='{}'> can't be shown: only 'smbios' is there", sysinfo.kind));
    }
    if sysinfo.base_boards.len() > 1 {
        refuse(format!("{} <baseBoard> of <sysinfo>: a machine has one", sysinfo.base_boards.len()));
    }
    for (block, known, entries) in sysinfo.blocks() {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.name.as_str())) {
            refuse(format!("<{block}> of <sysinfo> has no entry '{}': use {}", entry.name, known.join(", ")));
        }
    }
    for element in &sysinfo.extra.elements {
        let name = element.trim_start_matches('<').split([' ', '>', '/']).next().unwrap_or_default();
        refuse(format!("<{name}> of <sysinfo> can't be shown: use bios, system, baseBoard and chassis"));
    }
    let find = |entries: &[SysInfoEntry], name: &str| {
        entries.iter().rfind(|entry| entry.name == name).map(|entry| entry.value.clone())
    };
    let bios = |name| find(&sysinfo.bios, name);
    let release = bios("release").and_then(|text| match release(&text) {
        Some(release) => Some(release),
        None => {
            refuse(format!("release '{text}' of <bios> is no 'MAJOR.MINOR', each from 0 to 255"));
            None
        }
    });
    smbios.bios = BiosInfo { vendor: bios("vendor"), version: bios("version"), date: bios("date"), release };
    let system = |name| find(&sysinfo.system, name);
    smbios.system = SystemInfo {
        manufacturer: system("manufacturer"),
        product: system("product"),
        version: system("version"),
        serial: system("serial"),
        sku: system("sku"),
        family: system("family"),
    };
    let board = |name| sysinfo.base_boards.first().and_then(|board| find(board, name));
    smbios.board = BoardInfo {
        manufacturer: board("manufacturer"),
        product: board("product"),
        version: board("version"),
        serial: board("serial"),
        asset: board("asset"),
        location: board("location"),
    };
    let chassis = |name| find(&sysinfo.chassis, name);
    smbios.chassis = ChassisInfo {
        manufacturer: chassis("manufacturer"),
        version: chassis("version"),
        serial: chassis("serial"),
        asset: chassis("asset"),
        sku: chassis("sku"),
    };
}

fn release(text: &str) -> Option<(u8, u8)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// BIOS and system of the host, without its UUID and serial number, which are its own. What it does not tell stays as it is.
fn host(directory: &Path, smbios: &mut SmbiosConfig) {
    let read = |name: &str| {
        let text = std::fs::read_to_string(directory.join(name)).ok()?;
        // As much as a guest takes.
        let text: String =
            text.trim().chars().filter(|letter| (' '..='~').contains(letter)).take(64).collect();
        Some(text).filter(|text| !text.is_empty())
    };
    smbios.bios = BiosInfo {
        vendor: read("bios_vendor"),
        version: read("bios_version"),
        date: read("bios_date"),
        release: read("bios_release").and_then(|text| release(&text)),
    };
    smbios.system = SystemInfo {
        manufacturer: read("sys_vendor"),
        product: read("product_name"),
        version: read("product_version"),
        serial: read("product_serial"),
        sku: read("product_sku"),
        family: read("product_family"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_copied_as_far_as_it_tells() {
        let place = tempfile::tempdir().unwrap();
        let long = format!("{}\n", "m".repeat(80));
        for (name, text) in [("bios_vendor", "Vendor\n"), ("bios_release", "4.11\n"), ("sys_vendor", &long)] {
            std::fs::write(place.path().join(name), text).unwrap();
        }
        let mut smbios = SmbiosConfig::default();
        host(place.path(), &mut smbios);
        assert_eq!((smbios.bios.vendor.as_deref(), smbios.bios.release), (Some("Vendor"), Some((4, 11))));
        assert_eq!(smbios.system.manufacturer.map(|text| text.len()), Some(64));
        assert_eq!(smbios.system.product, None);
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_known() {
        let entry = |name: &str| SysInfoEntry { name: name.to_owned(), value: "x".to_owned() };
        let sysinfo = SysInfo {
            kind: "smbios".to_owned(),
            bios: vec![entry("vendor"), entry("release")],
            // As in figure 20.5 of the guide.
            system: vec![entry("manufacturer"), entry("vendor")],
            base_boards: vec![Vec::new(), vec![entry("asset")]],
            ..SysInfo::default()
        };
        let (mut smbios, mut said) = (SmbiosConfig::default(), Vec::new());
        given(&sysinfo, &mut smbios, &mut |sentence| said.push(sentence));
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].contains("2 <baseBoard>") && said[1].contains("no entry 'vendor'"), "{said:?}");
        assert!(said[2].contains("MAJOR.MINOR"), "{said:?}");
        assert_eq!(smbios.system.manufacturer.as_deref(), Some("x"));
        said.clear();
        let other = SysInfo { kind: "fwcfg".to_owned(), ..SysInfo::default() };
        given(&other, &mut smbios, &mut |sentence| said.push(sentence));
        assert!(said[0].contains("'fwcfg'"), "{said:?}");
    }
}
