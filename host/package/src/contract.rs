//! Which grant each function of the contract needs: the one table that linking, generated worlds and `inspect` go by.

use reeve_model::Verb;
use reeve_model::policy::Hook;

/// The grant that `function` of `interface` (e.g. `reeve:kv/store`, without a version) needs; none where it takes no grant, and for
/// interfaces that are not of the contract.
pub fn verb(interface: &str, function: &str) -> Option<Verb> {
    match interface {
        "reeve:domain/domains" => Some(domains(function)),
        "reeve:node/host" | "reeve:node/ksm" => Some(Verb::NodeRead),
        "reeve:network/networks" => Some(Verb::NetworkRead),
        "reeve:storage/pools" => Some(Verb::PoolRead),
        "reeve:storage/volumes" => Some(volumes(function)),
        "reeve:kv/store" => Some(Verb::KvUse),
        _ => match interface.split_once('/')?.0 {
            "wasi:clocks" => Some(Verb::WasiClocks),
            "wasi:random" => Some(Verb::WasiRandom),
            "wasi:cli" => Some(Verb::WasiCli),
            // Or the grant to write, which includes it.
            "wasi:filesystem" => Some(Verb::FsRead),
            _ => None,
        },
    }
}

fn domains(function: &str) -> Verb {
    match function {
        "start" => Verb::DomainStart,
        "shutdown" => Verb::DomainShutdown,
        "destroy" => Verb::DomainDestroy,
        "suspend" | "resume" => Verb::DomainSuspend,
        "set-memory" => Verb::DomainConfigure,
        _ => Verb::DomainRead,
    }
}

fn volumes(function: &str) -> Verb {
    match function {
        // To copy takes the grant to read the original too, which is judged by its pool when it is called.
        "create" | "copy" => Verb::VolumeCreate,
        "resize" | "write" => Verb::VolumeChange,
        "delete" => Verb::VolumeDelete,
        "read" => Verb::VolumeDownload,
        _ => Verb::VolumeRead,
    }
}

/// The interface that answers a hook, without a version: `reeve:hooks/domain-define`.
pub fn hook_interface(hook: Hook) -> String {
    let package = if hook == Hook::KsmTune { "tune" } else { "hooks" };
    format!("reeve:{package}/{hook}")
}

/// Splits `reeve:kv/store@0.1.0` into name and version; the version is empty where there is none.
pub fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_or_tells_takes_a_grant() {
        assert_eq!(verb("reeve:domain/domains", "destroy"), Some(Verb::DomainDestroy));
        assert_eq!(verb("reeve:domain/domains", "lookup"), Some(Verb::DomainRead));
        assert_eq!(verb("reeve:storage/volumes", "write"), Some(Verb::VolumeChange));
        assert_eq!(verb("reeve:log/log", "write"), None);
        assert_eq!(verb("wasi:filesystem/types", "[method]descriptor.read"), Some(Verb::FsRead));
        assert_eq!(verb("wasi:io/poll", "poll"), None);
        assert_eq!(verb("reeve:domain/config", "[method]domain-config.name"), None);
    }

    #[test]
    fn hooks_are_interfaces() {
        assert_eq!(hook_interface(Hook::DomainDefine), "reeve:hooks/domain-define");
        assert_eq!(hook_interface(Hook::KsmTune), "reeve:tune/ksm-tune");
        assert_eq!(split_version("reeve:kv/store@0.1.0"), ("reeve:kv/store", "0.1.0"));
    }
}
