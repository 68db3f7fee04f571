//! Compiled code is kept: a component is compiled once a host, and again only when what was kept cannot be used.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use reeve_actions::policy_port::{GuardVerdict, PolicyAdmin, PolicyPort};
use reeve_model::policy::Hook;
use serde_json::json;

use crate::support::{Host, request};
use crate::wat_components::{guard, policy};

/// How many components came from the compiler and from the cache since the engine began.
fn sources(host: &Host) -> (u64, u64) {
    let mut registry = Registry::default();
    host.engine.metrics().register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let count = |source: &str| {
        let prefix = format!("reeve_policy_components_total{{source=\"{source}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or_default()
    };
    (count("compiler"), count("cache"))
}

async fn restart(host: Host) -> Host {
    host.engine.shutdown().await;
    let Host { directory, engine, actions, .. } = host;
    drop((engine, actions));
    Host::at(directory, Default::default()).await
}

fn kept(host: &Host) -> Vec<PathBuf> {
    let folder = host.directory.path().join("compiled");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "cwasm")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_compiled_once() {
    let host = Host::new().await;
    host.load(policy(guard("(i32.const 64)")), "house", json!({}), &[]).await.unwrap();
    assert_eq!(sources(&host), (1, 0));
    host.load(policy(guard("(i32.const 64)")), "twin", json!({}), &[]).await.unwrap();
    assert_eq!(sources(&host), (1, 1), "the same bytes under another name");
    let files = kept(&host);
    assert_eq!(files.len(), 1);
    for (path, mode) in [(files[0].parent().unwrap(), 0o700), (&files[0], 0o600)] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }

    let host = restart(host).await;
    assert_eq!(sources(&host), (0, 2), "nothing is compiled at a start");
    let verdict = host.engine.guard(request(Hook::DomainDefine, "web")).await;
    assert!(matches!(verdict, GuardVerdict::Allow { .. }));

    let mut damaged = std::fs::read(&files[0]).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x40;
    std::fs::write(&files[0], damaged).unwrap();
    let host = restart(host).await;
    assert_eq!(sources(&host), (1, 1), "what is damaged is made anew");

    std::fs::set_permissions(&files[0], std::fs::Permissions::from_mode(0o666)).unwrap();
    let host = restart(host).await;
    assert_eq!(sources(&host), (1, 1), "what others could have written, too");

    let folder = host.directory.path().join("compiled");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let host = restart(host).await;
    assert_eq!(sources(&host), (2, 0), "a directory that is open to others is not used at all");
    assert_eq!(host.engine.list().len(), 2);
}
