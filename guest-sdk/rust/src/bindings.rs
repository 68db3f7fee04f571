//! What a policy may call and the types of the contract, generated from wit/.
//!
//! Only the interfaces that a policy calls end up as imports of its component.

wit_bindgen::generate!({
    inline: "
        package reeve:sdk;
        world imports {
            import reeve:types/errors@0.1.0;
            import reeve:types/policy@0.1.0;
            import reeve:domain/config@0.1.0;
            import reeve:domain/domains@0.1.0;
            import reeve:node/host@0.1.0;
            import reeve:node/ksm@0.1.0;
            import reeve:events/events@0.1.0;
            import reeve:network/networks@0.1.0;
            import reeve:filter/tree@0.1.0;
            import reeve:filter/ruleset@0.1.0;
            import reeve:storage/pools@0.1.0;
            import reeve:storage/volumes@0.1.0;
            import reeve:migration/journey@0.1.0;
            import reeve:migration/strategy@0.1.0;
            import reeve:migration/disks@0.1.0;
            import reeve:kv/store@0.1.0;
            import reeve:log/log@0.1.0;
            import reeve:clock/clock@0.1.0;
            import reeve:clock/timer@0.1.0;
        }
    ",
    path: [
        "../../wit/types",
        "../../wit/domain",
        "../../wit/node",
        "../../wit/events",
        "../../wit/network",
        "../../wit/filter",
        "../../wit/storage",
        "../../wit/migration",
        "../../wit/kv",
        "../../wit/log",
        "../../wit/clock",
    ],
    world: "reeve:sdk/imports",
    generate_all,
    generate_unused_types: true,
    additional_derives: [PartialEq, Clone],
});
