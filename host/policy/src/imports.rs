//! What a component may import, and which grant each import needs. The linker of a component holds what it imports and was
//! granted; there is nothing else in it to find.

use reeve_model::Verb;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use crate::call::CallState;
use crate::grants::Grants;
use crate::host;
use crate::loader::LoadError;
use crate::suggest::closest;

type Link = fn(&mut Linker<CallState>) -> wasmtime::Result<()>;

/// One interface of the contract.
struct Interface {
    name: &'static str,
    version: &'static str,
    /// How it is linked; none for interfaces that hold only types.
    link: Option<Link>,
    /// The grant a function needs; none for "no grant".
    verb: fn(function: &str) -> Option<Verb>,
}

const fn free(_: &str) -> Option<Verb> {
    None
}

fn domains_verb(function: &str) -> Option<Verb> {
    Some(match function {
        "start" => Verb::DomainStart,
        "shutdown" => Verb::DomainShutdown,
        "destroy" => Verb::DomainDestroy,
        "suspend" | "resume" => Verb::DomainSuspend,
        "set-memory" => Verb::DomainConfigure,
        _ => Verb::DomainRead,
    })
}

const CONTRACT: [Interface; 11] = [
    Interface { name: "reeve:types/units", version: "0.1.0", link: None, verb: free },
    Interface { name: "reeve:types/errors", version: "0.1.0", link: None, verb: free },
    Interface { name: "reeve:types/policy", version: "0.1.0", link: None, verb: free },
    Interface { name: "reeve:events/events", version: "0.1.0", link: None, verb: free },
    Interface {
        name: "reeve:domain/config",
        version: "0.1.0",
        link: Some(host::domain_config::link),
        verb: free,
    },
    Interface {
        name: "reeve:domain/domains",
        version: "0.1.0",
        link: Some(host::domains::link),
        verb: domains_verb,
    },
    Interface {
        name: "reeve:node/host",
        version: "0.1.0",
        link: Some(host::node::link),
        verb: |_| Some(Verb::NodeRead),
    },
    Interface {
        name: "reeve:node/ksm",
        version: "0.1.0",
        link: Some(host::ksm::link),
        verb: |_| Some(Verb::NodeRead),
    },
    Interface {
        name: "reeve:kv/store",
        version: "0.1.0",
        link: Some(host::kv::link),
        verb: |_| Some(Verb::KvUse),
    },
    Interface { name: "reeve:log/log", version: "0.1.0", link: Some(host::log::link), verb: free },
    Interface { name: "reeve:clock/clock", version: "0.1.0", link: Some(host::clock::link), verb: free },
];

/// Splits `reeve:kv/store@0.1.0` into name and version.
pub(crate) fn split_version(import: &str) -> (&str, &str) {
    import.split_once('@').unwrap_or((import, ""))
}

/// Links what `component` imports, after checking each function's grant for policy `policy`.
pub(crate) fn link(
    engine: &Engine,
    component: &Component,
    policy: &str,
    grants: &Grants,
) -> Result<Linker<CallState>, LoadError> {
    let mut linker = Linker::new(engine);
    for (import, item) in component.component_type().imports(engine) {
        let (name, version) = split_version(import);
        let Some(interface) = CONTRACT.iter().find(|interface| interface.name == name) else {
            return Err(unknown(policy, import));
        };
        if !serves(interface.version, version) {
            return Err(LoadError::Version {
                policy: policy.to_owned(),
                import: import.to_owned(),
                served: interface.version,
            });
        }
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            return Err(unknown(policy, import));
        };
        for (function, item) in instance.exports(engine) {
            if matches!(item.ty, ComponentItem::ComponentFunc(_))
                && let Some(verb) = (interface.verb)(function)
            {
                check(policy, grants, verb, &format!("{name}.{function}"))?;
            }
        }
        if let Some(link) = interface.link {
            link(&mut linker).map_err(|error| LoadError::link(policy, &error))?;
        }
    }
    Ok(linker)
}

/// Refuses a grant that is missing on either side.
fn check(policy: &str, grants: &Grants, verb: Verb, import: &str) -> Result<(), LoadError> {
    let (policy, import) = (policy.to_owned(), import.to_owned());
    if !grants.asks(verb) {
        return Err(LoadError::NotAsked { policy, import, verb });
    }
    if !grants.gives(verb) {
        return Err(LoadError::NotGranted { policy, import, verb });
    }
    Ok(())
}

/// True when a host that has `served` can stand in for `wanted`: same major and minor number while major is 0.
fn serves(served: &str, wanted: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> { version.split('.').map_while(|n| n.parse().ok()).collect() };
    match (&numbers(served)[..], &numbers(wanted)[..]) {
        (&[0, s_minor, s_patch], &[0, w_minor, w_patch]) => s_minor == w_minor && s_patch >= w_patch,
        (&[s_major, s_minor, _], &[w_major, w_minor, _]) => s_major == w_major && s_minor >= w_minor,
        _ => false,
    }
}

fn unknown(policy: &str, import: &str) -> LoadError {
    let (name, _) = split_version(import);
    LoadError::Import {
        policy: policy.to_owned(),
        import: import.to_owned(),
        wasi: import.starts_with("wasi:"),
        closest: closest(name, CONTRACT.iter().map(|interface| interface.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::serves;

    #[test]
    fn versions() {
        assert!(serves("0.1.0", "0.1.0"));
        assert!(serves("0.1.2", "0.1.1"));
        assert!(!serves("0.1.0", "0.1.1"));
        assert!(!serves("0.2.0", "0.1.0"));
        assert!(serves("1.3.0", "1.2.9"));
        assert!(!serves("1.3.0", ""));
    }
}
