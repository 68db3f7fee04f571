//! What a component may import, and which grant each import needs. The linker of a component holds what it imports and was
//! granted; there is nothing else in it to find.

use reeve_model::Verb;
use reeve_model::policy::WantedGrant;
use reeve_package::contract;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use crate::call::CallState;
use crate::grant::Grant;
use crate::grants::Grants;
use crate::host;
use crate::loader::LoadError;
use crate::suggest::closest;
use crate::wasi;

type Link = fn(&mut Linker<CallState>) -> wasmtime::Result<()>;

/// One interface of the contract.
pub(crate) struct Interface {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// How it is linked; none for interfaces that hold only types.
    pub(crate) link: Option<Link>,
}

const CONTRACT: [Interface; 20] = [
    Interface { name: "reeve:types/units", version: "0.1.0", link: None },
    Interface { name: "reeve:types/errors", version: "0.1.0", link: None },
    Interface { name: "reeve:types/policy", version: "0.1.0", link: None },
    Interface { name: "reeve:events/events", version: "0.1.0", link: None },
    Interface { name: "reeve:domain/config", version: "0.1.0", link: Some(host::domain_config::link) },
    Interface { name: "reeve:domain/domains", version: "0.1.0", link: Some(host::domains::link) },
    Interface { name: "reeve:node/host", version: "0.1.0", link: Some(host::node::link) },
    Interface { name: "reeve:node/ksm", version: "0.1.0", link: Some(host::ksm::link) },
    Interface { name: "reeve:network/networks", version: "0.1.0", link: Some(host::networks::link) },
    Interface { name: "reeve:filter/tree", version: "0.1.0", link: None },
    Interface { name: "reeve:filter/ruleset", version: "0.1.0", link: None },
    Interface { name: "reeve:migration/journey", version: "0.1.0", link: None },
    Interface { name: "reeve:migration/strategy", version: "0.1.0", link: None },
    Interface { name: "reeve:migration/disks", version: "0.1.0", link: Some(host::migration_disks::link) },
    Interface { name: "reeve:storage/pools", version: "0.1.0", link: Some(host::pools::link) },
    Interface { name: "reeve:storage/volumes", version: "0.1.0", link: Some(host::volumes::link) },
    Interface { name: "reeve:kv/store", version: "0.1.0", link: Some(host::kv::link) },
    Interface { name: "reeve:log/log", version: "0.1.0", link: Some(host::log::link) },
    Interface { name: "reeve:clock/clock", version: "0.1.0", link: Some(host::clock::link) },
    Interface { name: "reeve:clock/timer", version: "0.1.0", link: Some(host::timer::link) },
];

pub(crate) use reeve_package::contract::split_version;

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
        let mut known = CONTRACT.iter().chain(&wasi::INTERFACES);
        let Some(interface) = known.find(|interface| interface.name == name) else {
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
                && let Some(verb) = contract::verb(name, function)
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

/// Refuses a new version that imports what it wants more grants for than it has; `new_wants` are those that it lacks.
pub(crate) fn check_new_wants(
    engine: &Engine,
    component: &Component,
    policy: &str,
    mut new_wants: Vec<WantedGrant>,
) -> Result<(), LoadError> {
    let mut imported = Vec::new();
    for (import, item) in component.component_type().imports(engine) {
        if let ComponentItem::ComponentInstance(instance) = item.ty {
            let (name, _) = split_version(import);
            imported
                .extend(instance.exports(engine).filter_map(|(function, _)| contract::verb(name, function)));
        }
    }
    new_wants.retain(|want| Grant::parse(&want.grant).is_ok_and(|grant| imported.contains(&grant.verb)));
    if new_wants.is_empty() {
        return Ok(());
    }
    Err(LoadError::Wants { policy: policy.to_owned(), wants: new_wants })
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
pub(crate) fn serves(served: &str, wanted: &str) -> bool {
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
