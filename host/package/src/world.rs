//! The world of one policy: what a component of its manifest exports, and what it may import.
//!
//! Toolchains of languages with a runtime import every function of the interfaces they are given, called or not, and a host
//! refuses a component that imports what it asked no grant for. So the contract is cut to the manifest: functions whose grant is
//! not wanted are taken out, and interfaces of which nothing is left are not imported.

use std::collections::BTreeMap;

use reeve_model::policy::Hook;
use wit_component::WitPrinter;
use wit_parser::{InterfaceId, PackageId, Resolve, SourceMap, WorldId};

use crate::contract;
use crate::embedded;
use crate::grant::Grant;
use crate::manifest::Manifest;

/// Name of the generated world, in the package `reeve:project`.
pub const WORLD: &str = "policy";

/// Imported only by policies that answer one of these hooks: the host refuses to wait in any other than a task, and no guest moves but in
/// those of migrations.
const ONLY_FOR: [(&str, &[Hook]); 2] = [
    ("reeve:clock/timer", &[Hook::Task]),
    ("reeve:migration/disks", &[Hook::MigrateOut, Hook::MigrateIn, Hook::MigrationStrategy]),
];

/// Packages that hold hooks, which are exported.
pub(crate) const HOOK_PACKAGES: [&str; 2] = ["hooks", "tune"];

/// Why there is no world for a manifest.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Nothing to export.
    #[error("policy '{0}' names no hook in its policy.toml")]
    NoHook(String),
    /// A hook that this contract does not have.
    #[error("hook '{0}' is not in the contract this program carries")]
    Hook(Hook),
    /// The contract that was built in cannot be read.
    #[error("the contract cannot be read: {0}")]
    Contract(String),
}

/// A world, parsed, with the packages it needs.
pub struct World {
    resolve: Resolve,
    id: WorldId,
    package: PackageId,
    text: String,
}

/// The text of the world of `manifest`, as it stands in `policy.wit`.
pub fn world(manifest: &Manifest) -> Result<String, WorldError> {
    Ok(World::new(manifest)?.text)
}

impl World {
    /// Cuts the contract to a manifest.
    pub fn new(manifest: &Manifest) -> Result<Self, WorldError> {
        if manifest.hooks.is_empty() {
            return Err(WorldError::NoHook(manifest.name.clone()));
        }
        let mut resolve = contract_packages()?;
        cut(&mut resolve, manifest);
        let text = text(&resolve, manifest)?;
        let package = resolve.push_source("policy.wit", &text).map_err(unreadable)?;
        let id = resolve.packages[package].worlds[WORLD];
        Ok(Self { resolve, id, package, text })
    }

    /// The packages.
    pub fn resolve(&self) -> &Resolve {
        &self.resolve
    }

    /// The world among them.
    pub fn id(&self) -> WorldId {
        self.id
    }

    /// The files of a folder that WIT tools read: `policy.wit` and a file a package under `deps/`.
    pub fn files(&self) -> Result<Vec<(String, String)>, WorldError> {
        let mut files = vec![("policy.wit".to_owned(), self.text.clone())];
        for (id, package) in self.resolve.packages.iter().filter(|(id, _)| *id != self.package) {
            let mut printer = WitPrinter::default();
            printer.print(&self.resolve, id, &[]).map_err(unreadable)?;
            let path = format!("deps/{}-{}.wit", package.name.namespace, package.name.name);
            files.push((path, String::from(printer.output)));
        }
        Ok(files)
    }
}

fn unreadable(error: impl std::fmt::Display) -> WorldError {
    WorldError::Contract(format!("{error:#}"))
}

/// Every package of wit/.
fn contract_packages() -> Result<Resolve, WorldError> {
    let mut folders: BTreeMap<&str, SourceMap> = BTreeMap::new();
    for (path, bytes) in embedded::below("wit/") {
        let (Some((folder, _)), true) = (path.rsplit_once('/'), path.ends_with(".wit")) else { continue };
        folders.entry(folder).or_default().push_str(path, String::from_utf8_lossy(bytes).into_owned());
    }
    let parsed = folders.into_values().map(|map| map.parse().map_err(|(_, error)| unreadable(error)));
    let mut groups = parsed.collect::<Result<Vec<_>, _>>()?;
    let main = groups.pop().ok_or_else(|| unreadable("it is empty"))?;
    let mut resolve = Resolve::default();
    resolve.push_groups(main, groups).map_err(unreadable)?;
    Ok(resolve)
}

/// Takes out the functions whose grant the manifest does not want.
fn cut(resolve: &mut Resolve, manifest: &Manifest) {
    let wanted: Vec<_> = manifest
        .wants
        .iter()
        .filter_map(|want| Grant::parse(&want.grant).ok())
        .map(|grant| grant.verb)
        .collect();
    let named: Vec<(InterfaceId, String)> =
        resolve.interfaces.iter().filter_map(|(id, _)| Some((id, resolve.id_of(id)?))).collect();
    for (id, name) in named {
        let (interface, _) = contract::split_version(&name);
        resolve.interfaces[id].functions.retain(|function, _| {
            contract::verb(interface, function).is_none_or(|verb| wanted.contains(&verb))
        });
    }
}

fn text(resolve: &Resolve, manifest: &Manifest) -> Result<String, WorldError> {
    let mut imports = Vec::new();
    let mut interfaces = BTreeMap::new();
    for (id, interface) in resolve.interfaces.iter() {
        let (Some(name), Some(package)) = (resolve.id_of(id), interface.package) else { continue };
        let bare = contract::split_version(&name).0.to_owned();
        let is_hook = HOOK_PACKAGES.contains(&resolve.packages[package].name.name.as_str());
        let for_hooks = ONLY_FOR.iter().find(|(only, _)| *only == bare).map(|(_, hooks)| *hooks);
        let answers = |hooks: &[Hook]| hooks.iter().any(|hook| manifest.hooks.contains(hook));
        if !is_hook && !interface.functions.is_empty() && for_hooks.is_none_or(answers) {
            imports.push(name.clone());
        }
        interfaces.insert(bare, name);
    }
    imports.sort();
    let mut text = format!(
        "package reeve:project;\n\n/// What policy '{}' gives and takes.\nworld {WORLD} {{\n",
        manifest.name
    );
    for import in imports {
        text.push_str(&format!("  import {import};\n"));
    }
    for hook in &manifest.hooks {
        let name = interfaces.get(&contract::hook_interface(*hook)).ok_or(WorldError::Hook(*hook))?;
        text.push_str(&format!("  export {name};\n"));
    }
    text.push_str("}\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(hooks: &str, wants: &[&str]) -> Manifest {
        let wants: Vec<_> =
            wants.iter().map(|grant| format!(r#"{{"grant":"{grant}","reason":"test"}}"#)).collect();
        let json = format!(r#"{{"name":"a","version":"1","hooks":[{hooks}],"wants":[{}]}}"#, wants.join(","));
        Manifest::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn a_policy_that_wants_nothing_gets_the_document_the_log_and_the_clock() {
        let text = world(&manifest(r#""domain-define""#, &[])).unwrap();
        assert_eq!(
            text,
            "package reeve:project;\n\n/// What policy 'a' gives and takes.\nworld policy {\n  \
             import reeve:clock/clock@0.1.0;\n  import reeve:domain/config@0.1.0;\n  \
             import reeve:log/log@0.1.0;\n  export reeve:hooks/domain-define@0.1.0;\n}\n"
        );
    }

    #[test]
    fn what_serves_some_hooks_only_is_not_imported_for_others() {
        for (hook, only) in [
            ("task", Some("reeve:clock/timer")),
            ("migrate-out", Some("reeve:migration/disks")),
            ("migrate-in", Some("reeve:migration/disks")),
            ("migration-strategy", Some("reeve:migration/disks")),
            ("domain-start", None),
        ] {
            let text = world(&manifest(&format!("\"{hook}\""), &[])).unwrap();
            for (interface, _) in ONLY_FOR {
                let imported = text.contains(&format!("  import {interface}@0.1.0;\n"));
                assert_eq!(imported, only == Some(interface), "{hook}: {text}");
            }
        }
    }

    #[test]
    fn wanted_grants_bring_their_functions_and_no_others() {
        let world =
            World::new(&manifest(r#""domain-events","ksm-tune""#, &["domain:read name=web-*", "kv:use"]))
                .unwrap();
        let files: BTreeMap<_, _> = world.files().unwrap().into_iter().collect();
        assert!(files["policy.wit"].contains("import reeve:kv/store@0.1.0;"), "{}", files["policy.wit"]);
        assert!(files["policy.wit"].contains("export reeve:tune/ksm-tune@0.1.0;"));
        assert!(!files["policy.wit"].contains("reeve:node/host"));
        let domains = &files["deps/reeve-domain.wit"];
        assert!(domains.contains("xml: func") || domains.contains("list: func"), "{domains}");
        assert!(!domains.contains("destroy: func"), "{domains}");
    }

    #[test]
    fn the_files_are_a_package_that_parses() {
        for hook in Hook::ALL {
            let world =
                World::new(&manifest(&format!("\"{hook}\""), &["node:read", "domain:start"])).unwrap();
            let folder = tempfile::tempdir().unwrap();
            for (path, text) in world.files().unwrap() {
                let path = folder.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            let mut resolve = Resolve::default();
            let (package, _) = resolve.push_dir(folder.path()).unwrap();
            resolve.select_world(&[package], Some(WORLD)).unwrap();
        }
    }

    #[test]
    fn a_policy_without_hooks_has_no_world() {
        assert_eq!(
            world(&manifest("", &[])).unwrap_err().to_string(),
            "policy 'a' names no hook in its policy.toml"
        );
    }
}
