//! The contract (wit/) as Rust: one world with every import and every hook, of which a component uses what it wants.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::wildcard_imports, rust_2018_idioms)]

wasmtime::component::bindgen!({
    inline: "
        package reeve:engine;

        world policies {
            import reeve:domain/config@0.1.0;
            import reeve:domain/domains@0.1.0;
            import reeve:node/host@0.1.0;
            import reeve:node/ksm@0.1.0;
            import reeve:network/networks@0.1.0;
            import reeve:storage/pools@0.1.0;
            import reeve:storage/volumes@0.1.0;
            import reeve:migration/disks@0.1.0;
            import reeve:kv/store@0.1.0;
            import reeve:log/log@0.1.0;
            import reeve:clock/clock@0.1.0;
            import reeve:clock/timer@0.1.0;

            export reeve:hooks/domain-define@0.1.0;
            export reeve:hooks/domain-prepare@0.1.0;
            export reeve:hooks/domain-start@0.1.0;
            export reeve:hooks/domain-stop@0.1.0;
            export reeve:hooks/migrate-out@0.1.0;
            export reeve:hooks/migrate-in@0.1.0;
            export reeve:hooks/device-attach@0.1.0;
            export reeve:hooks/device-detach@0.1.0;
            export reeve:hooks/network-start@0.1.0;
            export reeve:hooks/network-stop@0.1.0;
            export reeve:hooks/port-plug@0.1.0;
            export reeve:hooks/pool-start@0.1.0;
            export reeve:hooks/volume-create@0.1.0;
            export reeve:hooks/volume-resize@0.1.0;
            export reeve:hooks/volume-delete@0.1.0;
            export reeve:hooks/domain-events@0.1.0;
            export reeve:hooks/daemon-events@0.1.0;
            export reeve:hooks/network-events@0.1.0;
            export reeve:hooks/storage-events@0.1.0;
            export reeve:hooks/mac-allocate@0.1.0;
            export reeve:hooks/filter-generate@0.1.0;
            export reeve:hooks/clone-name@0.1.0;
            export reeve:hooks/migration-strategy@0.1.0;
            export reeve:hooks/task@0.1.0;
            export reeve:tune/ksm-tune@0.1.0;
        }
    ",
    path: [
        "../../wit/types",
        "../../wit/domain",
        "../../wit/node",
        "../../wit/kv",
        "../../wit/log",
        "../../wit/clock",
        "../../wit/events",
        "../../wit/tune",
        "../../wit/network",
        "../../wit/filter",
        "../../wit/storage",
        "../../wit/migration",
        "../../wit/hooks",
    ],
    imports: {
        "reeve:domain/domains": async | trappable,
        "reeve:network/networks": async | trappable,
        "reeve:storage/pools": async | trappable,
        "reeve:storage/volumes": async | trappable,
        "reeve:clock/timer": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: { "reeve:domain/config.domain-config": crate::host::domain_config::DomainView },
});
