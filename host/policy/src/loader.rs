//! From bytes to something that can be called.
//!
//! ```text
//! bytes ─► sizes and sections (wasmparser) ─► manifest ─► compile ─► hooks by exports ─► imports by grant ─► smoke-run ─► Program
//! ```

use std::sync::Arc;

use reeve_model::Verb;
use reeve_model::policy::{Hook, WantedGrant};
use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload};
use wasmtime::component::{Component, InstancePre};

use crate::call::CallState;
use crate::engine::Runtime;
use crate::exports::{self, Exports};
use crate::grants::Grants;
use crate::imports;
use crate::kept::KeptInstances;
use crate::limits::Limits;
use crate::manifest::{InstanceMode, Manifest, ManifestError, SECTION};
use crate::schema::ConfigSchema;

const SIZE_LIMIT: usize = 64 * 1024 * 1024;
const FUNCTIONS_LIMIT: u32 = 200_000;
/// An interpreter comes as linked libraries: a policy in Python has 38 modules, one in JavaScript 11.
const MODULES_LIMIT: u32 = 64;

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Too large.
    #[error("the component has {0} bytes, {SIZE_LIMIT} are the most")]
    Size(usize),
    /// Not a component at all, or a damaged one.
    #[error("this is not a valid Wasm component: {0}")]
    Invalid(String),
    /// A core module.
    #[error("this is a core Wasm module, not a component; make one with 'wasm-tools component new'")]
    Module,
    /// Beyond a structural limit.
    #[error("the component has {found} {what}, {limit} are the most")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it has.
        found: u32,
        /// How many it may have.
        limit: u32,
    },
    /// The manifest is missing or bad.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The manifest names other hooks than the component exports.
    #[error("policy '{policy}' says in its manifest that it answers [{said}], but it exports [{exported}]")]
    Hooks {
        /// The policy.
        policy: String,
        /// Hooks of the manifest.
        said: String,
        /// Hooks it exports.
        exported: String,
    },
    /// A grant of the manifest is not one.
    #[error("policy '{policy}': {source}")]
    Grant {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        source: crate::grant::GrantError,
    },
    /// The configuration schema of the manifest is not one.
    #[error("policy '{policy}' has a configuration schema that cannot be used: {reason}")]
    Schema {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration is not what the schema allows.
    #[error("the configuration of policy '{policy}' is not valid: {reason}")]
    Config {
        /// The policy.
        policy: String,
        /// Which keys, and why.
        reason: String,
    },
    /// The manifest needs a newer contract.
    #[error(
        "policy '{policy}' needs version {version} of '{package}', {}",
        .served.map_or_else(|| "which this host does not serve".to_owned(), |served| format!("this host serves {served}"))
    )]
    Package {
        /// The policy.
        policy: String,
        /// The package.
        package: String,
        /// The version it needs.
        version: String,
        /// The version there is.
        served: Option<&'static str>,
    },
    /// A new version wants more than the one before, and imports what it wants it for.
    #[error("the new version of policy '{policy}' wants more than it is granted: {}", list_wants(.wants))]
    Wants {
        /// The policy.
        policy: String,
        /// What it wants, with its reasons.
        wants: Vec<WantedGrant>,
    },
    /// It cannot be compiled.
    #[error("policy '{policy}' cannot be compiled: {reason}")]
    Compile {
        /// The policy.
        policy: String,
        /// What the compiler says.
        reason: String,
    },
    /// It exports no hook.
    #[error("policy '{policy}' exports no hook of reeve:hooks or reeve:tune")]
    NoHook {
        /// The policy.
        policy: String,
    },
    /// It exports a hook this host does not know.
    #[error("policy '{policy}' exports '{export}', a hook this host does not know{}", did_you_mean(*.closest))]
    Hook {
        /// The policy.
        policy: String,
        /// The export.
        export: String,
        /// The hook that looks most like it.
        closest: Option<&'static str>,
    },
    /// It imports something the host does not offer.
    #[error(
        "policy '{policy}' imports '{import}', which this host does not offer{}{}",
        did_you_mean(*.closest),
        if *.wasi { ": of WASI 0.2 it offers io, clocks, random, cli and filesystem, by grant, and no network" } else { "" }
    )]
    Import {
        /// The policy.
        policy: String,
        /// The import.
        import: String,
        /// True for an interface of WASI.
        wasi: bool,
        /// The interface that looks most like it.
        closest: Option<&'static str>,
    },
    /// It wants another version of the contract.
    #[error("policy '{policy}' imports '{import}', this host serves version {served}")]
    Version {
        /// The policy.
        policy: String,
        /// The import.
        import: String,
        /// The version there is.
        served: &'static str,
    },
    /// The manifest does not ask for a grant that an import needs.
    #[error(
        "policy '{policy}' imports '{import}', which needs the grant '{verb}', but its manifest does not ask for it"
    )]
    NotAsked {
        /// The policy.
        policy: String,
        /// The import.
        import: String,
        /// The missing grant.
        verb: Verb,
    },
    /// The operator did not give a grant that an import needs.
    #[error(
        "policy '{policy}' imports '{import}', which needs the grant '{verb}', and it has not been granted"
    )]
    NotGranted {
        /// The policy.
        policy: String,
        /// The import.
        import: String,
        /// The missing grant.
        verb: Verb,
    },
    /// A directory that is granted cannot be given.
    #[error("policy '{policy}' cannot be given the directory '{path}': {reason}")]
    Directory {
        /// The policy.
        policy: String,
        /// The directory.
        path: String,
        /// Why not.
        reason: String,
    },
    /// It asks for instances that live longer than a call, for hooks that have none.
    #[error("policy '{policy}' asks for an instance per subject, which only tuners may have")]
    Instance {
        /// The policy.
        policy: String,
    },
    /// Imports or exports do not have the contract's types.
    #[error("policy '{policy}' does not fit the contract: {reason}")]
    Contract {
        /// The policy.
        policy: String,
        /// What does not fit.
        reason: String,
    },
    /// It failed when it was instantiated for a try.
    #[error("policy '{policy}' fails when it is started: {failure}")]
    Smoke {
        /// The policy.
        policy: String,
        /// How.
        failure: crate::failure::Failure,
    },
}

fn list_wants(wants: &[WantedGrant]) -> String {
    let sentence = |want: &WantedGrant| match want.reason.as_str() {
        "" => format!("'{}'", want.grant),
        reason => format!("'{}' ({})", want.grant, crate::failure::shorten(reason, 200)),
    };
    wants.iter().map(sentence).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(closest: Option<&str>) -> String {
    closest.map_or_else(String::new, |name| format!(", did you mean '{name}'?"))
}

impl LoadError {
    pub(crate) fn link(policy: &str, error: &wasmtime::Error) -> Self {
        Self::Contract { policy: policy.to_owned(), reason: format!("{error:#}") }
    }
}

/// A compiled, checked, linked component.
pub(crate) struct Program {
    pub(crate) manifest: Manifest,
    pub(crate) digest: String,
    pub(crate) limits: Limits,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) exports: Exports,
    pub(crate) schema: ConfigSchema,
    pub(crate) kept: KeptInstances,
    component: Component,
}

/// sha256 as lower-case hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the manifest of a component without compiling it. Checks its size and structure on the way.
pub fn manifest(bytes: &[u8]) -> Result<Manifest, LoadError> {
    if bytes.len() > SIZE_LIMIT {
        return Err(LoadError::Size(bytes.len()));
    }
    let invalid = |error: wasmparser::BinaryReaderError| LoadError::Invalid(error.to_string());
    let (mut depth, mut functions, mut modules) = (0_u32, 0_u32, 0_u32);
    let mut manifests = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(invalid)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(LoadError::Module);
            }
            Payload::Version { encoding, .. } => {
                depth += 1;
                modules += u32::from(encoding == Encoding::Module);
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::FunctionSection(section) => functions = functions.saturating_add(section.count()),
            Payload::CustomSection(section) if depth == 1 && section.name() == SECTION => {
                manifests.push(section.data());
            }
            _ => {}
        }
    }
    for (what, found, limit) in
        [("functions", functions, FUNCTIONS_LIMIT), ("core modules", modules, MODULES_LIMIT)]
    {
        if found > limit {
            return Err(LoadError::TooMany { what, found, limit });
        }
    }
    match manifests[..] {
        [] => Err(ManifestError::Missing.into()),
        [json] => Ok(Manifest::parse(json)?),
        _ => Err(ManifestError::Repeated.into()),
    }
}

impl Program {
    /// Links a compiled component with what it is granted.
    pub(crate) fn link(
        runtime: &Runtime,
        policy: &str,
        manifest: Manifest,
        digest: String,
        component: Component,
        grants: &Grants,
    ) -> Result<Arc<Self>, LoadError> {
        // What it wants of the host comes first: that is what an operator must hear of a stranger.
        let linker = imports::link(&runtime.engine, &component, policy, grants)?;
        let hooks = exports::hooks(&runtime.engine, &component, policy)?;
        let mut said = manifest.hooks.clone();
        said.sort_unstable();
        if !said.is_empty() && said != hooks {
            let list = |hooks: &[Hook]| hooks.iter().map(|hook| hook.as_str()).collect::<Vec<_>>().join(", ");
            return Err(LoadError::Hooks {
                policy: policy.to_owned(),
                said: list(&said),
                exported: list(&hooks),
            });
        }
        let keeps = manifest.instance == InstanceMode::PerSubject;
        if keeps && !hooks.iter().any(|hook| crate::kept::HOOKS.contains(hook)) {
            return Err(LoadError::Instance { policy: policy.to_owned() });
        }
        let schema = ConfigSchema::new(manifest.config_schema.as_ref())
            .map_err(|reason| LoadError::Schema { policy: policy.to_owned(), reason })?;
        let fits = |error: wasmtime::Error| LoadError::link(policy, &error);
        let pre = linker.instantiate_pre(&component).map_err(fits)?;
        let exports = Exports::resolve(&pre, &hooks).map_err(fits)?;
        let limits = Limits::wanted(&manifest.limits);
        let kept = KeptInstances::default();
        Ok(Arc::new(Self { manifest, digest, limits, hooks, pre, exports, schema, kept, component }))
    }

    /// True when an instance lives on after a call of `hook`.
    pub(crate) fn keeps(&self, hook: Hook) -> bool {
        self.manifest.instance == InstanceMode::PerSubject && crate::kept::HOOKS.contains(&hook)
    }

    /// The same program linked anew, after its grants changed.
    pub(crate) fn relink(
        &self,
        runtime: &Runtime,
        policy: &str,
        grants: &Grants,
    ) -> Result<Arc<Self>, LoadError> {
        let (manifest, digest) = (self.manifest.clone(), self.digest.clone());
        Self::link(runtime, policy, manifest, digest, self.component.clone(), grants)
    }
}
