//! The contract packages this host serves, and whether they are new enough for a manifest that names its minimum versions.

use std::collections::BTreeMap;

use crate::imports::serves;
use crate::loader::LoadError;

/// Every package under wit/ with its version.
const PACKAGES: [(&str, &str); 13] = [
    ("reeve:types", "0.1.0"),
    ("reeve:domain", "0.1.0"),
    ("reeve:node", "0.1.0"),
    ("reeve:network", "0.1.0"),
    ("reeve:filter", "0.1.0"),
    ("reeve:storage", "0.1.0"),
    ("reeve:migration", "0.1.0"),
    ("reeve:kv", "0.1.0"),
    ("reeve:log", "0.1.0"),
    ("reeve:clock", "0.1.0"),
    ("reeve:events", "0.1.0"),
    ("reeve:hooks", "0.1.0"),
    ("reeve:tune", "0.1.0"),
];

/// Refuses a manifest that needs a newer contract than this host has.
pub(crate) fn check(policy: &str, wanted: &BTreeMap<String, String>) -> Result<(), LoadError> {
    for (package, version) in wanted {
        let served = PACKAGES.iter().find(|(known, _)| known == package).map(|(_, served)| *served);
        if !served.is_some_and(|served| serves(served, version)) {
            return Err(LoadError::Package {
                policy: policy.to_owned(),
                package: package.clone(),
                version: version.clone(),
                served,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES, check};

    #[test]
    fn every_package_of_the_contract_is_served() {
        let mut found = Vec::new();
        for folder in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit")).unwrap().flatten()
        {
            let Ok(files) = std::fs::read_dir(folder.path()) else { continue };
            let texts = files.flatten().filter_map(|file| std::fs::read_to_string(file.path()).ok());
            let declared = texts.filter_map(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("package reeve:"))?;
                let (name, version) = line.trim_end_matches(';').split_once('@')?;
                Some((format!("reeve:{name}"), version.to_owned()))
            });
            found.extend(declared.take(1));
        }
        found.sort();
        let mut served = PACKAGES.map(|(name, version)| (name.to_owned(), version.to_owned())).to_vec();
        served.sort();
        assert_eq!(found, served);
    }

    #[test]
    fn what_is_too_new_is_refused() {
        let wants = |package: &str, version: &str| [(package.to_owned(), version.to_owned())].into();
        check("x", &wants("reeve:hooks", "0.1.0")).unwrap();
        let error = check("x", &wants("reeve:hooks", "0.1.3")).unwrap_err().to_string();
        assert_eq!(error, "policy 'x' needs version 0.1.3 of 'reeve:hooks', this host serves 0.1.0");
        let error = check("x", &wants("reeve:moon", "1.0.0")).unwrap_err().to_string();
        assert_eq!(error, "policy 'x' needs version 1.0.0 of 'reeve:moon', which this host does not serve");
        assert!(check("x", &wants("reeve:hooks", "new")).is_err());
    }
}
