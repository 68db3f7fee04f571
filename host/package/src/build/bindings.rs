//! Bindings of the contract in languages whose SDK is compiled with the policy: made anew by every build, for the hooks of its
//! manifest.
//!
//! An SDK calls functions that a policy may not be granted, so here the contract is whole, not cut to the manifest: what a policy
//! does not call is taken out by its linker, and what it calls without asking for the grant is refused when it is loaded, by name.

use std::path::{Path, PathBuf};

use reeve_model::Verb;
use reeve_model::policy::{Hook, WantedGrant};
use wit_bindgen_core::wit_parser::{PackageId, Resolve, SourceMap};
use wit_bindgen_core::{Files, WorldGenerator};

use super::BuildError;
use crate::manifest::Manifest;
use crate::project::Project;
use crate::world::{WORLD, World, WorldError};

/// The generated files of a project, by their relative path.
pub(super) struct Bindings {
    /// The files.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The world they are of.
    pub(super) world: World,
}

impl Bindings {
    /// Makes the bindings of a project.
    pub(super) fn generate(
        project: &Project,
        mut generator: Box<dyn WorldGenerator>,
    ) -> Result<Self, BuildError> {
        let world = whole_world(project)?;
        let mut files = Files::default();
        let mut resolve = Resolve::default();
        let package = push(&mut resolve, world.files()?)?;
        let id = resolve.select_world(&[package], Some(WORLD)).map_err(unreadable)?;
        generator.generate(&mut resolve, id, &mut files).map_err(unreadable)?;
        let files = files.iter().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
        Ok(Self { files, world })
    }

    /// Writes the files below `folder`, in place of what is there.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BuildError> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).map_err(|source| BuildError::write(folder, source))?;
        }
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&path, bytes))
                .map_err(|source| BuildError::write(&path, source))?;
        }
        Ok(())
    }
}

/// The world of a project that wants every grant, for languages whose bindings are written here.
pub(super) fn whole_world(project: &Project) -> Result<World, BuildError> {
    Ok(World::new(&with_all_grants(&project.toml().manifest))?)
}

/// The same policy, as if it wanted every grant.
fn with_all_grants(manifest: &Manifest) -> Manifest {
    let wants = Verb::ALL.map(|verb| WantedGrant { grant: verb.to_string(), reason: String::new() });
    Manifest { wants: wants.into(), ..manifest.clone() }
}

/// Reads the files of a world for the generator, which has a WIT parser of its own version.
fn push(resolve: &mut Resolve, files: Vec<(String, String)>) -> Result<PackageId, BuildError> {
    let mut groups = Vec::new();
    for (path, text) in files {
        let mut map = SourceMap::default();
        map.push_str(&path, text);
        groups.push(map.parse().map_err(|(_, error)| unreadable(error))?);
    }
    // The first file is the world's own, the others are the packages it needs.
    let packages = groups.split_off(1.min(groups.len()));
    let main = groups.pop().ok_or_else(|| unreadable("it is empty"))?;
    resolve.push_groups(main, packages).map_err(unreadable)
}

fn unreadable(error: impl std::fmt::Display) -> BuildError {
    BuildError::World(WorldError::Contract(format!("{error:#}")))
}

/// A hook as an identifier of C and Go: `domain_define`.
pub(super) fn ident(hook: Hook) -> String {
    hook.as_str().replace('-', "_")
}

/// The files of a folder with this extension, sorted.
pub(super) fn sources(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, BuildError> {
    let entries = std::fs::read_dir(folder).map_err(|source| BuildError::read(folder, source))?;
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(hooks: &str, lang: &str) -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let toml = format!("name = 'a'\nversion = '1'\nhooks = [{hooks}]\n[build]\nlang = '{lang}'\n");
        std::fs::write(folder.path().join("policy.toml"), toml).unwrap();
        let project = Project::open(folder.path()).unwrap();
        (folder, project)
    }

    #[test]
    fn bindings_hold_the_whole_contract_and_the_hooks_of_the_manifest() {
        let (folder, project) = project("'domain-stop'", "c");
        let bindings = Bindings::generate(&project, wit_bindgen_c::Opts::default().build()).unwrap();
        bindings.write(&folder.path().join("bindings")).unwrap();
        let header = std::fs::read_to_string(folder.path().join("bindings/policy.h")).unwrap();
        assert!(header.contains("reeve_domain_domains_destroy("), "a grant that is not wanted");
        assert!(header.contains("exports_reeve_hooks_domain_stop_guard("));
        assert!(!header.contains("exports_reeve_hooks_domain_start_guard("));
    }

    #[test]
    fn every_hook_has_bindings() {
        for hook in Hook::ALL {
            let (_folder, project) = project(&format!("'{hook}'"), "go");
            let bindings = Bindings::generate(&project, wit_bindgen_go::Opts::default().build()).unwrap();
            assert!(bindings.files.iter().any(|(path, _)| path == "wit_exports.go"), "{hook}");
        }
    }
}
