//! What `reeve policy inspect` found, and how it is shown.

use reeve_model::policy::{PolicyInfo, WantedGrant};
use reeve_package::component::Import;
use reeve_package::contract;
use reeve_package::grant::Grant;
use reeve_package::manifest::WantedLimits;
use reeve_policy::grants::Grants;
use reeve_policy::limits::Limits;
use serde::Serialize;
use serde_json::Value;

use crate::output::{Show, or_dash, pairs, table};

/// All that is known of a component.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: String,
    pub(super) author: String,
    pub(super) licence: String,
    /// sha256, hex.
    pub(super) digest: String,
    pub(super) bytes: usize,
    /// Interfaces of hooks that it exports.
    pub(super) hooks: Vec<String>,
    pub(super) imports: Vec<Need>,
    /// Grants without which it would not load.
    pub(super) missing: Vec<String>,
    pub(super) wants: Vec<Want>,
    /// Grants that were named and have no effect: it does not ask for them.
    pub(super) unasked: Vec<String>,
    pub(super) limits: Vec<Limit>,
    pub(super) config: Vec<Setting>,
    pub(super) config_checked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) config_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) installed: Option<Installed>,
}

/// An interface that is imported, and what it takes to link it.
#[derive(Serialize)]
pub(super) struct Need {
    pub(super) interface: String,
    pub(super) version: String,
    /// Functions, each with its grant.
    functions: Vec<(String, Option<String>)>,
    /// Grants of these that it would not have.
    pub(super) missing: Vec<String>,
}

impl Need {
    pub(super) fn new(import: &Import, grants: &Grants) -> Self {
        let mut missing = Vec::new();
        let mut functions = Vec::new();
        for function in &import.functions {
            let verb = contract::verb(&import.interface, function);
            if let Some(verb) = verb.filter(|verb| !grants.asks(*verb) || !grants.gives(*verb))
                && !missing.contains(&verb.to_string())
            {
                missing.push(verb.to_string());
            }
            functions.push((function.clone(), verb.map(|verb| verb.to_string())));
        }
        Self { interface: import.interface.clone(), version: import.version.clone(), functions, missing }
    }

    /// A line a grant: the functions that need it.
    fn rows(&self) -> Vec<[String; 3]> {
        let mut rows: Vec<[String; 3]> = Vec::new();
        let name = format!("{}@{}", self.interface, self.version);
        for (function, verb) in &self.functions {
            let function = function.rsplit(['.', ']']).next().unwrap_or(function);
            let verb = verb.clone().unwrap_or_else(|| "-".to_owned());
            match rows.iter_mut().find(|row| row[1] == verb) {
                Some(row) => row[2] = format!("{}, {function}", row[2]),
                None => rows.push([name.clone(), verb, function.to_owned()]),
            }
        }
        if rows.is_empty() {
            rows.push([name, "-".to_owned(), "types only".to_owned()]);
        }
        rows
    }
}

/// A grant the manifest asks for.
#[derive(Serialize)]
pub(super) struct Want {
    grant: String,
    reason: String,
    /// `given`, `would be given`, `narrower` or `refused`.
    state: &'static str,
}

impl Want {
    pub(super) fn new(want: &WantedGrant, had: &Grants, would: &Grants) -> Self {
        let state = |grants: &Grants| {
            let Ok(asked) = Grant::parse(&want.grant) else { return None };
            let given: Vec<_> = grants.texts().iter().filter_map(|text| Grant::parse(text).ok()).collect();
            let whole = given.contains(&asked) || grants.permits_all(asked.verb);
            if whole { Some(true) } else { grants.gives(asked.verb).then_some(false) }
        };
        let state = match (state(had), state(would)) {
            (Some(true), _) => "given",
            (_, Some(true)) => "would be given",
            (_, Some(false)) => "narrower",
            (_, None) => "refused",
        };
        Self { grant: want.grant.clone(), reason: want.reason.clone(), state }
    }
}

/// A limit of a call.
#[derive(Serialize)]
pub(super) struct Limit {
    limit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<u64>,
    /// None: the default of the hook's kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    gets: Option<u64>,
    unit: &'static str,
}

/// What a manifest asks for, next to what a host of this version gives.
pub(super) fn limits(asked: &WantedLimits, gets: &Limits) -> Vec<Limit> {
    let deadline = gets.deadline.map(|deadline| u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
    let limit = |limit, asked, gets, unit| Limit { limit, asked, gets, unit };
    vec![
        limit("deadline", asked.deadline_ms, deadline, "ms"),
        limit("memory", asked.memory, Some(gets.memory as u64), "bytes"),
        limit("fuel", asked.fuel, Some(gets.fuel), ""),
        limit("log", asked.log_bytes, Some(gets.log_bytes), "bytes"),
        limit("kv", asked.kv_bytes, Some(gets.kv_bytes), "bytes"),
        limit("host calls", asked.host_calls.map(u64::from), Some(gets.host_calls.into()), ""),
    ]
}

impl Limit {
    fn row(&self) -> [String; 3] {
        let value = |value: u64| format!("{value} {}", self.unit).trim_end().to_owned();
        let gets = match (self.asked, self.gets) {
            (Some(asked), Some(gets)) if asked > gets => format!("{}, the most there is", value(gets)),
            (_, gets) => gets.map_or_else(|| "by its hook".to_owned(), value),
        };
        [self.limit.to_owned(), or_dash(self.asked.map(value)), gets]
    }
}

/// A key of the configuration.
#[derive(Serialize)]
pub(super) struct Setting {
    key: String,
    kind: String,
    required: bool,
    description: String,
}

/// The top-level keys of a configuration's schema.
pub(super) fn settings(schema: Option<&Value>) -> Vec<Setting> {
    let required = |key: &str| {
        let list = schema.and_then(|schema| schema["required"].as_array());
        list.is_some_and(|list| list.iter().any(|name| name == key))
    };
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    let setting = |(key, value): (&String, &Value)| Setting {
        key: key.clone(),
        kind: value["type"].as_str().unwrap_or("any").to_owned(),
        required: required(key),
        description: value["description"].as_str().unwrap_or_default().to_owned(),
    };
    properties.into_iter().flatten().map(setting).collect()
}

/// What the daemon has under a name.
#[derive(Serialize)]
pub(super) struct Installed {
    name: String,
    pub(super) version: String,
    digest: String,
    /// True when it is this very component.
    pub(super) same: bool,
    granted: Vec<String>,
    config: Value,
}

impl Installed {
    pub(super) fn new(policy: &PolicyInfo, digest: &str) -> Self {
        Self {
            name: policy.name.clone(),
            version: policy.version.clone(),
            digest: policy.digest.clone(),
            same: policy.digest == digest,
            granted: policy.granted.clone(),
            config: policy.config.clone(),
        }
    }
}

impl Show for Report {
    const ELEMENT: &'static str = "component";

    fn human(&self) -> String {
        let mut parts = vec![self.head()];
        if !self.wants.is_empty() {
            let rows = self
                .wants
                .iter()
                .map(|want| [want.grant.clone(), want.state.to_owned(), want.reason.clone()]);
            parts.push(table(["Grant", "State", "What for"], rows));
        }
        let imports: Vec<_> = self.imports.iter().flat_map(Need::rows).collect();
        if !imports.is_empty() {
            parts.push(table(["Import", "Needs", "Functions"], imports));
        }
        parts.push(table(["Limit", "Asked", "Gets"], self.limits.iter().map(Limit::row)));
        if !self.config.is_empty() {
            let row = |setting: &Setting| {
                let required = if setting.required { ", required" } else { "" };
                [setting.key.clone(), format!("{}{required}", setting.kind), setting.description.clone()]
            };
            parts.push(table(["Setting", "Type", "Meaning"], self.config.iter().map(row)));
        }
        parts.push(self.verdict());
        parts.join("\n\n")
    }
}

impl Report {
    fn head(&self) -> String {
        let mut rows = vec![
            ("Name", self.name.clone()),
            ("Version", self.version.clone()),
            ("Description", self.description.clone()),
            ("Author", self.author.clone()),
            ("Licence", self.licence.clone()),
            ("Digest", format!("sha256:{}", self.digest)),
            ("Size", format!("{} bytes", self.bytes)),
            ("Hooks", self.hooks.join(" ")),
        ];
        if let Some(installed) = &self.installed {
            let same = if installed.same { ", this very component" } else { ", another component" };
            rows.push(("Installed", format!("'{}' {}{same}", installed.name, installed.version)));
            rows.push(("Its grants", installed.granted.join("; ")));
            rows.push(("Its config", installed.config.to_string()));
        }
        pairs(rows)
    }

    /// Sentences: would it load, and is the configuration right.
    fn verdict(&self) -> String {
        let mut lines = match self.missing[..] {
            [] => vec!["With these grants all that it imports is there.".to_owned()],
            _ => vec![format!(
                "It would not load: it imports functions that need {}.",
                self.missing.join(", ")
            )],
        };
        if !self.unasked.is_empty() {
            lines.push(format!("Of no effect, as it does not ask for them: {}.", self.unasked.join(", ")));
        }
        match &self.config_error {
            Some(error) => lines.push(format!("The configuration would be refused: {error}")),
            None if self.config_checked => lines.push("The configuration fits its schema.".to_owned()),
            None => {}
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(grants: &[&str]) -> Vec<WantedGrant> {
        let want = |grant: &&str| WantedGrant { grant: (*grant).to_owned(), reason: "a test".to_owned() };
        grants.iter().map(want).collect()
    }

    #[test]
    fn a_grant_is_given_or_would_be_or_is_not() {
        let asked = wants(&["domain:read", "node:read", "kv:use", "domain:start name=web-*"]);
        let grants = |given: &[&str]| {
            let given: Vec<String> = given.iter().map(|grant| (*grant).to_owned()).collect();
            Grants::new(&asked, &given).unwrap()
        };
        let had = grants(&["domain:read"]);
        let would = grants(&["domain:read", "node:read", "domain:start name=web-1"]);
        let states: Vec<_> = asked.iter().map(|want| Want::new(want, &had, &would).state).collect();
        assert_eq!(states, ["given", "would be given", "refused", "narrower"]);
    }

    #[test]
    fn an_import_names_the_grants_that_are_missing() {
        let functions = ["list", "start"].map(str::to_owned).to_vec();
        let import = Import { interface: "reeve:domain/domains".into(), version: "0.1.0".into(), functions };
        let grants = Grants::new(&wants(&["domain:read"]), &["domain:read".to_owned()]).unwrap();
        let need = Need::new(&import, &grants);
        assert_eq!(need.missing, ["domain:start"]);
        let name = "reeve:domain/domains@0.1.0";
        assert_eq!(need.rows(), [[name, "domain:read", "list"], [name, "domain:start", "start"]]);
    }

    #[test]
    fn limits_are_cut_at_what_there_is() {
        let asked = WantedLimits { memory: Some(1 << 40), host_calls: Some(5), ..WantedLimits::default() };
        let rows: Vec<_> = limits(&asked, &Limits::wanted(&asked)).iter().map(Limit::row).collect();
        assert_eq!(rows[0], ["deadline", "-", "by its hook"]);
        assert_eq!(rows[1], ["memory", "1099511627776 bytes", "268435456 bytes, the most there is"]);
        assert_eq!(rows[5], ["host calls", "5", "5"]);
    }
}
