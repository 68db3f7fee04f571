//! `reeve.toml`: every key has a default, and a key that nobody reads is an error.

mod artifacts;
mod keys;
mod migration;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use reeve_vmm::config::SeccompMode;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

pub use artifacts::{RegistriesConfig, TrustConfig};
use keys::KEYS;
pub use migration::MigrationConfig;

/// The configuration of a daemon. What the keys mean is written once, in [`keys::KEYS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    pub log: String,
    pub log_format: LogFormat,
    pub access: AccessConfig,
    pub events: EventsConfig,
    pub domains: DomainsConfig,
    pub migration: MigrationConfig,
    pub policies: PoliciesConfig,
    pub storage: StorageConfig,
    pub workers: WorkersConfig,
}

/// Shape of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Who may use the API socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessConfig {
    pub group: String,
    pub others_read: bool,
}

/// The event bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventsConfig {
    pub kept: usize,
}

/// Domains and their drivers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct DomainsConfig {
    pub autostart: bool,
    pub sim_speed: u32,
    pub auto_dump_path: String,
}

/// Policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct PoliciesConfig {
    pub tune_interval: u64,
    pub registries: RegistriesConfig,
    pub trust: TrustConfig,
}

/// Storage pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct StorageConfig {
    pub low_space_percent: u32,
    pub space_interval: u64,
}

/// Processes that run domains on KVM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkersConfig {
    pub uid: u32,
    pub gid: u32,
    pub seccomp: SeccompMode,
    pub landlock: bool,
    pub cgroup: String,
    pub program: String,
    pub virtiofsd: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            log: "info".into(),
            log_format: LogFormat::Text,
            access: AccessConfig::default(),
            events: EventsConfig::default(),
            domains: DomainsConfig::default(),
            migration: MigrationConfig::default(),
            policies: PoliciesConfig::default(),
            storage: StorageConfig::default(),
            workers: WorkersConfig::default(),
        }
    }
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { kept: reeve_events::DEFAULT_CAPACITY }
    }
}

impl Default for DomainsConfig {
    fn default() -> Self {
        Self { autostart: true, sim_speed: 1, auto_dump_path: String::new() }
    }
}

impl Default for PoliciesConfig {
    fn default() -> Self {
        Self { tune_interval: 60, registries: RegistriesConfig::default(), trust: TrustConfig::default() }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self { low_space_percent: 10, space_interval: 60 }
    }
}

impl Default for WorkersConfig {
    fn default() -> Self {
        // nobody and nogroup on every Linux.
        Self {
            uid: 65534,
            gid: 65534,
            seccomp: SeccompMode::Kill,
            landlock: true,
            cgroup: "reeve".into(),
            program: String::new(),
            virtiofsd: String::new(),
        }
    }
}

/// Why a configuration file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("the configuration file '{}' cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is not TOML, or a value has the wrong type.
    #[error("the configuration file '{}' is wrong: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the place.
        reason: String,
    },
    /// It has a key that nobody reads.
    #[error("the configuration file '{}' has an unknown key '{key}'{}", path.display(), meant.map(|key| format!(": did you mean '{key}'?")).unwrap_or_default())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key with its table, e.g. `access.gruop`.
        key: String,
        /// A known key that looks like it.
        meant: Option<&'static str>,
    },
}

impl Config {
    /// Reads the file that was asked for, or the usual one when it is there.
    pub fn load(asked: Option<&Path>, usual: &Path) -> Result<Self, ConfigError> {
        let path = asked.unwrap_or(usual);
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if asked.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
        }
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong =
            |error: toml::de::Error| ConfigError::Wrong { path: path.to_owned(), reason: error.to_string() };
        let table: Table = toml::from_str(text).map_err(wrong)?;
        if let Some(key) = unknown_key(&table, "") {
            return Err(ConfigError::UnknownKey { path: path.to_owned(), meant: nearest(&key), key });
        }
        // From the text, not the table: errors then say in which line they are.
        toml::from_str(text).map_err(wrong)
    }

    /// The configuration as a file, every key with what it is for.
    pub fn document(&self) -> String {
        let values = Table::try_from(self).expect("a struct of strings, numbers and booleans is a table");
        let mut text = String::from("# Configuration of the Reeve daemon. Every key is optional.\n");
        let mut section = "";
        for (key, meaning) in KEYS {
            let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
            if table != section {
                section = table;
                writeln!(text, "\n[{table}]").expect("writing to a string cannot fail");
            }
            let value = look_up(&values, key).expect("every documented key is a field");
            text.push('\n');
            for line in meaning.lines() {
                writeln!(text, "# {}", line.trim()).expect("writing to a string cannot fail");
            }
            writeln!(text, "{name} = {value}").expect("writing to a string cannot fail");
        }
        text
    }
}

/// The first key of the table that is not documented.
fn unknown_key(table: &Table, prefix: &str) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let key = format!("{prefix}{name}");
        let known = KEYS.iter().any(|(known, _)| *known == key);
        match value {
            _ if known => None,
            Value::Table(inner) if KEYS.iter().any(|(known, _)| known.starts_with(&format!("{key}."))) => {
                unknown_key(inner, &format!("{key}."))
            }
            _ => Some(key),
        }
    })
}

/// The documented key that was most likely meant: a third of its letters may be wrong.
fn nearest(key: &str) -> Option<&'static str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let wrong = |known: &str| {
        let whole = strsim::damerau_levenshtein(known, key);
        whole.min(strsim::damerau_levenshtein(&last(known), &last(key)))
    };
    let best = KEYS.iter().map(|(known, _)| (wrong(known), *known)).min()?;
    (best.0 <= (last(key).len() / 3).max(1)).then_some(best.1)
}

fn look_up<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((name, rest)) => look_up(table.get(name)?.as_table()?, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("reeve.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn the_printed_document_is_the_configuration_again() {
        let changed = Config { log: "debug".into(), log_format: LogFormat::Json, ..Config::default() };
        assert_eq!(parse(&changed.document()), Ok(changed));
        assert_eq!(parse(""), Ok(Config::default()));
    }

    #[test]
    fn every_key_is_documented() {
        fn count(table: &Table) -> usize {
            table.values().map(|value| value.as_table().map_or(1, count)).sum()
        }
        assert_eq!(count(&Table::try_from(Config::default()).unwrap()), KEYS.len());
    }

    #[test]
    fn unknown_keys_are_refused_with_a_guess() {
        let error = parse("[access]\ngruop = \"wheel\"\n").unwrap_err();
        assert_eq!(
            error,
            "the configuration file 'reeve.toml' has an unknown key 'access.gruop': did you mean 'access.group'?"
        );
        assert!(parse("completely = 1").unwrap_err().ends_with("unknown key 'completely'"));
    }

    #[test]
    fn wrong_values_are_refused_with_their_line() {
        let error = parse("log = \"info\"\n[events]\nkept = \"many\"\n").unwrap_err();
        assert!(error.contains("line 3"), "{error}");
    }
}
