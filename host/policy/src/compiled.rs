//! Compiled components on disk, so that a component is compiled once a host and not once a start: a Python policy takes eleven
//! seconds to compile and milliseconds to read back.
//!
//! A file is named by the component's digest and by the engine that compiled it (version, processor features, configuration), and
//! sealed with a key of this host ([`crate::sealed`]). Directory, key and files belong to the user the engine runs as and are
//! closed to everybody else; what is not so is not used. A file that is stale or damaged is compiled anew. The files read last
//! stay when there are too many.

use std::fs::{File, Metadata, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::loader::hex;
use crate::sealed::{self, Key};

/// Bytes that all files may have together.
const LIMIT: u64 = 1 << 30;
/// Bytes of one file.
const FILE_LIMIT: u64 = 512 << 20;
const KEY: &str = "key";
const CODE: &str = "cwasm";
const PART: &str = "part";

/// Why compiled code is not kept in a directory.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file or directory cannot be made, read or written.
    #[error("'{}' cannot be used for compiled code: {source}", .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Somebody else could have written what is in it.
    #[error(
        "'{}' is not used for compiled code: it must belong to uid {owner} and be closed to others, it belongs to uid {found} and has mode {mode:o}; remove it, it is made anew",
        .path.display()
    )]
    Open {
        /// Which file or directory.
        path: PathBuf,
        /// Who should own it.
        owner: u32,
        /// Who does.
        found: u32,
        /// Its permission bits.
        mode: u32,
    },
}

/// A directory of compiled components.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    directory: PathBuf,
    key: Key,
    engine: String,
    limit: u64,
}

/// `$XDG_CACHE_HOME/reeve/compiled`, or `~/.cache/reeve/compiled`: for engines outside of the daemon.
pub fn user_directory() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("reeve/compiled"))
}

impl CompiledCache {
    /// Opens a directory for the code of `engine`, making it and its key when they are missing.
    pub(crate) fn open(directory: &Path, engine: &Engine) -> Result<Self, CacheError> {
        let failed = |source| CacheError::File { path: directory.to_owned(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let meta = std::fs::symlink_metadata(directory).map_err(failed)?;
        if !meta.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        private(directory, &meta)?;
        let key = read_key(directory)?;
        Ok(Self { directory: directory.to_owned(), key, engine: fingerprint(engine), limit: LIMIT })
    }

    /// Code that was compiled before; none when it must be compiled (again).
    pub(crate) fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let result = read_private(&path, FILE_LIMIT).and_then(|(file, bytes)| {
            let code = sealed::open(&self.key, &self.name(digest), &bytes)
                .ok_or_else(|| "its seal does not fit".to_owned())?;
            let component = sealed::thaw(engine, &code).map_err(|error| format!("{error:#}"))?;
            // The time of its last use; without it the file is only dropped earlier.
            let _ = file.set_modified(SystemTime::now());
            Ok(component)
        });
        match result {
            Ok(component) => Some(component),
            Err(reason) => {
                if path.symlink_metadata().is_ok() {
                    tracing::warn!("'{}' is not used and will be compiled anew: {reason}", path.display());
                    // What cannot be removed is refused again the next time.
                    let _ = std::fs::remove_file(&path);
                }
                None
            }
        }
    }

    /// Keeps a component that was compiled. A failure costs time at the next load and nothing else.
    pub(crate) fn keep(&self, digest: &str, component: &Component) {
        if let Err(error) = self.write(digest, component) {
            tracing::warn!("compiled code is not kept in '{}': {error}", self.directory.display());
        }
        if let Err(error) = self.evict(digest) {
            tracing::warn!("'{}' cannot be kept small: {error}", self.directory.display());
        }
    }

    fn write(&self, digest: &str, component: &Component) -> io::Result<()> {
        let code = component.serialize().map_err(|error| io::Error::other(format!("{error:#}")))?;
        if code.len() as u64 > FILE_LIMIT.min(self.limit) {
            return Ok(());
        }
        let name = self.name(digest);
        let seal = sealed::seal(&self.key, &name, &code);
        let part = self.directory.join(format!("{name}.{}.{PART}", std::process::id()));
        let written = create_private(&part)
            .and_then(|mut file| file.write_all(&seal).and_then(|()| file.write_all(&code)))
            .and_then(|()| std::fs::rename(&part, self.path(digest)));
        if written.is_err() {
            // It may not have been made at all.
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    /// Drops the files used longest ago until the rest is small enough, but never the one of `newest`.
    fn evict(&self, newest: &str) -> io::Result<()> {
        let newest = self.path(newest);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == CODE || kind == PART) && path != newest {
                let meta = path.symlink_metadata()?;
                files.push((meta.modified()?, meta.len(), path));
            }
        }
        files.sort_unstable();
        let own = newest.symlink_metadata().map_or(0, |meta| meta.len());
        let mut total = own + files.iter().map(|(_, size, _)| size).sum::<u64>();
        for (_, size, path) in files {
            if total <= self.limit {
                break;
            }
            std::fs::remove_file(&path)?;
            total -= size;
        }
        Ok(())
    }

    fn name(&self, digest: &str) -> String {
        format!("{digest}-{}", self.engine)
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory.join(self.name(digest)).with_extension(CODE)
    }
}

/// What tells two engines apart whose code is not interchangeable: wasmtime's version, the processor, the configuration.
fn fingerprint(engine: &Engine) -> String {
    let mut hasher = StableHasher(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hex(&hasher.0.finalize())[..16].to_owned()
}

/// A hasher that gives the same in every process.
struct StableHasher(Sha256);

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finalize().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// Refuses what others could have written.
fn private(path: &Path, meta: &Metadata) -> Result<(), CacheError> {
    let owner = rustix::process::geteuid().as_raw();
    let mode = meta.mode() & 0o7777;
    if meta.uid() == owner && mode & 0o077 == 0 {
        return Ok(());
    }
    Err(CacheError::Open { path: path.to_owned(), owner, found: meta.uid(), mode })
}

fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// A file of ours with its bytes; the error says why it is not one.
fn read_private(path: &Path, limit: u64) -> Result<(File, Vec<u8>), String> {
    let nofollow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut file =
        OpenOptions::new().read(true).custom_flags(nofollow).open(path).map_err(|error| error.to_string())?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    private(path, &meta).map_err(|error| error.to_string())?;
    if !meta.is_file() || meta.len() > limit {
        return Err(format!("it is no file of at most {limit} bytes"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
    (&mut file).take(limit).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok((file, bytes))
}

/// The key of the directory; a new one when there is none, or one that cannot be right.
fn read_key(directory: &Path) -> Result<Key, CacheError> {
    let path = directory.join(KEY);
    let failed = |source| CacheError::File { path: path.clone(), source };
    match path.symlink_metadata() {
        Ok(meta) => {
            private(&path, &meta)?;
            if let Ok((_, bytes)) = read_private(&path, 1024)
                && let Ok(key) = Key::try_from(&bytes[..])
            {
                return Ok(key);
            }
            std::fs::remove_file(&path).map_err(failed)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let part = directory.join(format!("{KEY}.{}.{PART}", std::process::id()));
    let key: Key = rand::random();
    create_private(&part).and_then(|mut file| file.write_all(&key)).map_err(failed)?;
    // A link, not a rename: of two processes that begin at once the first one's key stays.
    let linked = std::fs::hard_link(&part, &path);
    std::fs::remove_file(&part).map_err(failed)?;
    match linked {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let (_, bytes) = read_private(&path, 1024).map_err(|reason| failed(io::Error::other(reason)))?;
            Key::try_from(&bytes[..]).map_err(|_| failed(io::ErrorKind::InvalidData.into()))
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn component(engine: &Engine, constant: u32) -> Component {
        let text = format!(
            "(component (core module $m (func (export \"f\") (result i32) i32.const {constant}))
               (core instance $i (instantiate $m))
               (func (export \"f\") (result u32) (canon lift (core func $i \"f\"))))"
        );
        Component::new(engine, wat::parse_str(text).unwrap()).unwrap()
    }

    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_was_kept_comes_back_to_the_same_engine_only() {
        let directory = TempDir::new().unwrap();
        let place = directory.path().join("a/compiled");
        let engine = Engine::default();
        let cache = CompiledCache::open(&place, &engine).unwrap();
        assert!(cache.load(&engine, "d1").is_none());
        cache.keep("d1", &component(&engine, 1));
        assert!(CompiledCache::open(&place, &engine).unwrap().load(&engine, "d1").is_some());

        let other = Engine::new(wasmtime::Config::new().consume_fuel(true)).unwrap();
        let others = CompiledCache::open(&place, &other).unwrap();
        assert_ne!(others.path("d1"), cache.path("d1"));
        assert!(others.load(&other, "d1").is_none(), "another configuration");
    }

    #[test]
    fn what_others_could_have_written_is_not_used() {
        let directory = TempDir::new().unwrap();
        let place = directory.path().join("compiled");
        let engine = Engine::default();
        let cache = CompiledCache::open(&place, &engine).unwrap();
        cache.keep("d1", &component(&engine, 1));
        let path = cache.path("d1");

        chmod(&path, 0o644);
        assert!(cache.load(&engine, "d1").is_none());
        assert!(!path.exists(), "it is removed");

        cache.keep("d1", &component(&engine, 1));
        let planted = TempDir::new().unwrap();
        let foreign = CompiledCache::open(&planted.path().join("compiled"), &engine).unwrap();
        foreign.keep("d1", &component(&engine, 2));
        std::fs::copy(foreign.path("d1"), &path).unwrap();
        assert!(cache.load(&engine, "d1").is_none(), "another host's key");

        cache.keep("d1", &component(&engine, 1));
        std::fs::rename(&path, cache.path("d2")).unwrap();
        assert!(cache.load(&engine, "d2").is_none(), "another component's code");

        cache.keep("d1", &component(&engine, 1));
        let elsewhere = directory.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(cache.load(&engine, "d1").is_none(), "a link");

        chmod(&place.join(KEY), 0o640);
        let error = CompiledCache::open(&place, &engine).unwrap_err().to_string();
        assert!(error.contains("mode 640"), "{error}");
        chmod(&place.join(KEY), 0o600);
        chmod(&place, 0o755);
        let error = CompiledCache::open(&place, &engine).unwrap_err().to_string();
        assert!(error.contains("mode 755") && error.contains("is not used for compiled code"), "{error}");
    }

    #[test]
    fn damaged_code_and_a_damaged_key_only_cost_a_compilation() {
        let directory = TempDir::new().unwrap();
        let engine = Engine::default();
        let place = directory.path().join("compiled");
        let cache = CompiledCache::open(&place, &engine).unwrap();
        cache.keep("d1", &component(&engine, 1));
        let mut bytes = std::fs::read(cache.path("d1")).unwrap();
        bytes.truncate(bytes.len() / 2);
        std::fs::write(cache.path("d1"), bytes).unwrap();
        assert!(cache.load(&engine, "d1").is_none());
        cache.keep("d1", &component(&engine, 1));
        assert!(cache.load(&engine, "d1").is_some());

        std::fs::write(place.join(KEY), "short").unwrap();
        let anew = CompiledCache::open(&place, &engine).unwrap();
        assert!(anew.load(&engine, "d1").is_none(), "sealed with the old key");
    }

    #[test]
    fn the_ones_used_longest_ago_go_first() {
        let directory = TempDir::new().unwrap();
        let engine = Engine::default();
        let mut cache = CompiledCache::open(&directory.path().join("compiled"), &engine).unwrap();
        for (n, digest) in (0_u64..).zip(["d1", "d2", "d3"]) {
            cache.keep(digest, &component(&engine, 1));
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(n);
            File::options().append(true).open(cache.path(digest)).unwrap().set_modified(used).unwrap();
        }
        assert!(cache.load(&engine, "d1").is_some(), "which makes it the newest");
        cache.limit = cache.path("d1").metadata().unwrap().len() * 3;
        cache.keep("d4", &component(&engine, 1));
        let there: Vec<_> =
            ["d1", "d2", "d3", "d4"].into_iter().filter(|digest| cache.path(digest).exists()).collect();
        assert_eq!(there, ["d1", "d3", "d4"]);
    }
}
