//! Where the compilers of a build are: `$REEVE_TOOLS/LANG` first, then PATH.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::build::BuildError;
use crate::lang::Lang;

/// Folders below `$REEVE_TOOLS/LANG` that hold programs, depending on who installed them.
const PLACES: [&str; 5] = ["go/bin", "ziglang", "node_modules/.bin", "bin", ""];

/// The tools of this machine.
#[derive(Debug, Clone)]
pub struct Tools {
    root: Option<PathBuf>,
    path: OsString,
    cache: PathBuf,
}

impl Tools {
    /// What the environment says: `REEVE_TOOLS`, `PATH`, `XDG_CACHE_HOME` and `HOME`.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = set("REEVE_TOOLS").map(PathBuf::from);
        let caches = set("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || set("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let cache = root.clone().or_else(|| caches.or_else(home).map(|folder| folder.join("reeve")));
        Self {
            root,
            path: set("PATH").unwrap_or_default(),
            cache: cache.unwrap_or_else(|| std::env::temp_dir().join("reeve")),
        }
    }

    /// Tools that were installed below `root`, a folder a language, and those in PATH.
    pub fn below(root: &Path) -> Self {
        Self { root: Some(root.to_owned()), cache: root.to_owned(), ..Self::from_env() }
    }

    /// The path of `program`, if it is there.
    pub fn find(&self, lang: Lang, program: &str) -> Option<PathBuf> {
        let own = self.root.as_ref().map(|root| root.join(lang.as_str()));
        let own = own.into_iter().flat_map(|folder| PLACES.map(|place| folder.join(place)));
        own.chain(std::env::split_paths(&self.path))
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
    }

    /// The path of `program`; an error that says `how` to get it.
    pub fn need(&self, lang: Lang, program: &'static str, how: &'static str) -> Result<PathBuf, BuildError> {
        self.find(lang, program).ok_or(BuildError::Tool { lang, program, how })
    }

    /// Where what a language needs is built once and kept, for all projects of this user.
    pub fn cache(&self, lang: Lang) -> PathBuf {
        self.cache.join(lang.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_tools_go_before_those_in_path() {
        let root = tempfile::tempdir().unwrap();
        let bin = root.path().join("js/node_modules/.bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("sh"), "").unwrap();
        let tools = Tools::below(root.path());
        assert_eq!(tools.find(Lang::Js, "sh"), Some(bin.join("sh")));
        assert!(tools.find(Lang::Python, "sh").is_some_and(|path| !path.starts_with(root.path())));
        let error = tools.need(Lang::C, "no-such-compiler", "apt-get install it").unwrap_err();
        assert_eq!(
            error.to_string(),
            "a build in c needs 'no-such-compiler', which is neither in $REEVE_TOOLS/c nor in PATH: apt-get install it"
        );
    }
}
