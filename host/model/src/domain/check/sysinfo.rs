//! Rules of `<sysinfo>` and `<os><smbios>` (guide 20.2.1, 20.3).

use uuid::Uuid;

use super::{Checked, broken, word};
use crate::domain::DomainConfig;

pub(super) fn check(domain: &DomainConfig) -> Checked {
    let mode = domain.os.smbios.as_deref();
    word("/domain/os/smbios/@mode", mode, &["emulate", "host", "sysinfo"])?;
    let Some(sysinfo) = &domain.sysinfo else {
        return match mode {
            Some("sysinfo") => broken(
                "/domain/os/smbios/@mode",
                "there is nothing to show by 'sysinfo'; add <sysinfo type='smbios'>, or use 'emulate'",
            ),
            _ => Ok(()),
        };
    };
    for entry in &sysinfo.system {
        // Whatever else it is, it may not be another UUID than the domain's.
        if entry.name == "uuid" && Uuid::try_parse(&entry.value).ok() != Some(domain.uuid) {
            let message = format!(
                "'{}' is not the domain's UUID {}; make them agree, or leave it out",
                entry.value, domain.uuid
            );
            return broken("/domain/sysinfo/system", message);
        }
    }
    Ok(())
}
