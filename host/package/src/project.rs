//! A policy's project: the folder that `reeve policy new` writes and `reeve policy build` builds.
//!
//! ```text
//! NAME/policy.toml       manifest, and [build] lang
//! NAME/…                 the policy's source
//! NAME/sdk/              the SDK of its language (rust: sdk/rust)
//! NAME/wit/              the contract
//! NAME/sessions/         recorded sessions: its tests
//! NAME/build/NAME.wasm   the component
//! NAME/build/work/       what tools write on the way; in work/wit the contract, cut to the manifest
//! ```

use std::path::{Path, PathBuf};

use crate::build::BuildError;
use crate::lang::Lang;
use crate::policy_toml::{FILE, PolicyToml};
use crate::world::World;

/// An open project.
#[derive(Debug, Clone)]
pub struct Project {
    folder: PathBuf,
    toml: PolicyToml,
    lang: Lang,
}

impl Project {
    /// Reads the project in `folder`.
    pub fn open(folder: &Path) -> Result<Self, BuildError> {
        let toml = PolicyToml::read(&folder.join(FILE))?;
        let lang = toml.lang.ok_or_else(|| BuildError::NoLanguage(folder.join(FILE)))?;
        // Tools are run in other folders than ours.
        let folder = folder.canonicalize().map_err(|source| BuildError::read(folder, source))?;
        Ok(Self { folder, toml, lang })
    }

    /// The folder, absolute.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What policy.toml says.
    pub fn toml(&self) -> &PolicyToml {
        &self.toml
    }

    /// Its language.
    pub fn lang(&self) -> Lang {
        self.lang
    }

    /// Its name, from the manifest.
    pub fn name(&self) -> &str {
        &self.toml.manifest.name
    }

    /// A file of the project that a build needs.
    pub fn file(&self, relative: &str) -> Result<PathBuf, BuildError> {
        let path = self.folder.join(relative);
        if path.exists() { Ok(path) } else { Err(BuildError::NoFile { lang: self.lang, path }) }
    }

    /// The folder for what a build makes on the way; it is made if need be.
    pub fn build_folder(&self) -> Result<PathBuf, BuildError> {
        let folder = self.folder.join("build/work");
        std::fs::create_dir_all(&folder).map_err(|source| BuildError::write(&folder, source))?;
        Ok(folder)
    }

    /// The world of its manifest.
    pub fn world(&self) -> Result<World, BuildError> {
        Ok(World::new(&self.toml.manifest)?)
    }

    /// Writes the contract, cut to its manifest, to build/work/wit anew; the folder's path. The world in it is `policy`.
    pub fn write_wit(&self) -> Result<PathBuf, BuildError> {
        let folder = self.build_folder()?.join("wit");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|source| BuildError::write(&folder, source))?;
        }
        for (path, text) in self.world()?.files()? {
            let path = folder.join(path);
            let parent = path.parent().unwrap_or(&folder);
            std::fs::create_dir_all(parent)
                .and_then(|()| std::fs::write(&path, text))
                .map_err(|source| BuildError::write(&path, source))?;
        }
        Ok(folder)
    }
}
