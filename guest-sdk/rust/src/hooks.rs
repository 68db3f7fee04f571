//! One module a hook: its generated export glue. Every hook is a WIT world of its own, so a component exports only the hooks
//! that its policy names in [`policy!`](crate::policy). Policy authors never name anything in here.

mod migration;
mod storage;

#[doc(hidden)]
pub use migration::{migrate_in, migrate_out, migration_strategy};
#[doc(hidden)]
pub use storage::{clone_name, pool_start, storage_events, volume_create, volume_delete, volume_resize};

#[doc(hidden)]
pub mod domain_define {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-domain-define;
            world domain-define {
                export reeve:hooks/domain-define@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-domain-define/domain-define",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "domain-define",
        pub_export_macro: true,
        export_macro_name: "export_domain_define",
        default_bindings_module: "::reeve_sdk::hooks::domain_define",
    });
    pub use exports::reeve::hooks::domain_define::Guest;
}

#[doc(hidden)]
pub mod domain_prepare {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-domain-prepare;
            world domain-prepare {
                export reeve:hooks/domain-prepare@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-domain-prepare/domain-prepare",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "domain-prepare",
        pub_export_macro: true,
        export_macro_name: "export_domain_prepare",
        default_bindings_module: "::reeve_sdk::hooks::domain_prepare",
    });
    pub use exports::reeve::hooks::domain_prepare::Guest;
}

#[doc(hidden)]
pub mod domain_start {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-domain-start;
            world domain-start {
                export reeve:hooks/domain-start@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-domain-start/domain-start",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "domain-start",
        pub_export_macro: true,
        export_macro_name: "export_domain_start",
        default_bindings_module: "::reeve_sdk::hooks::domain_start",
    });
    pub use exports::reeve::hooks::domain_start::Guest;
}

#[doc(hidden)]
pub mod domain_stop {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-domain-stop;
            world domain-stop {
                export reeve:hooks/domain-stop@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-domain-stop/domain-stop",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "domain-stop",
        pub_export_macro: true,
        export_macro_name: "export_domain_stop",
        default_bindings_module: "::reeve_sdk::hooks::domain_stop",
    });
    pub use exports::reeve::hooks::domain_stop::Guest;
}

#[doc(hidden)]
pub mod device_attach {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-device-attach;
            world device-attach {
                export reeve:hooks/device-attach@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-device-attach/device-attach",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "device-attach",
        pub_export_macro: true,
        export_macro_name: "export_device_attach",
        default_bindings_module: "::reeve_sdk::hooks::device_attach",
    });
    pub use exports::reeve::hooks::device_attach::Guest;
}

#[doc(hidden)]
pub mod device_detach {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-device-detach;
            world device-detach {
                export reeve:hooks/device-detach@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-device-detach/device-detach",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "device-detach",
        pub_export_macro: true,
        export_macro_name: "export_device_detach",
        default_bindings_module: "::reeve_sdk::hooks::device_detach",
    });
    pub use exports::reeve::hooks::device_detach::Guest;
}

#[doc(hidden)]
pub mod domain_events {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-domain-events;
            world domain-events {
                export reeve:hooks/domain-events@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-domain-events/domain-events",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:events/events@0.1.0": crate::bindings::reeve::events::events,
        },
        type_section_suffix: "domain-events",
        pub_export_macro: true,
        export_macro_name: "export_domain_events",
        default_bindings_module: "::reeve_sdk::hooks::domain_events",
    });
    pub use exports::reeve::hooks::domain_events::Guest;
}

#[doc(hidden)]
pub mod daemon_events {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-daemon-events;
            world daemon-events {
                export reeve:hooks/daemon-events@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-daemon-events/daemon-events",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:events/events@0.1.0": crate::bindings::reeve::events::events,
        },
        type_section_suffix: "daemon-events",
        pub_export_macro: true,
        export_macro_name: "export_daemon_events",
        default_bindings_module: "::reeve_sdk::hooks::daemon_events",
    });
    pub use exports::reeve::hooks::daemon_events::Guest;
}

#[doc(hidden)]
pub mod mac_allocate {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-mac-allocate;
            world mac-allocate {
                export reeve:hooks/mac-allocate@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-mac-allocate/mac-allocate",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
        },
        type_section_suffix: "mac-allocate",
        pub_export_macro: true,
        export_macro_name: "export_mac_allocate",
        default_bindings_module: "::reeve_sdk::hooks::mac_allocate",
    });
    pub use exports::reeve::hooks::mac_allocate::Guest;
}

#[doc(hidden)]
pub mod ksm_tune {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-ksm-tune;
            world ksm-tune {
                export reeve:tune/ksm-tune@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/node",
            "../../wit/tune",
        ],
        world: "reeve:sdk-ksm-tune/ksm-tune",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:node/host@0.1.0": crate::bindings::reeve::node::host,
            "reeve:node/ksm@0.1.0": crate::bindings::reeve::node::ksm,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
        },
        type_section_suffix: "ksm-tune",
        pub_export_macro: true,
        export_macro_name: "export_ksm_tune",
        default_bindings_module: "::reeve_sdk::hooks::ksm_tune",
    });
    pub use exports::reeve::tune::ksm_tune::Guest;
}

#[doc(hidden)]
pub mod task {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-task;
            world task {
                export reeve:hooks/task@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-task/task",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:events/events@0.1.0": crate::bindings::reeve::events::events,
        },
        type_section_suffix: "task",
        pub_export_macro: true,
        export_macro_name: "export_task",
        default_bindings_module: "::reeve_sdk::hooks::task",
    });
    pub use exports::reeve::hooks::task::Guest;
}

#[doc(hidden)]
pub mod network_start {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-network-start;
            world network-start {
                export reeve:hooks/network-start@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-network-start/network-start",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:network/networks@0.1.0": crate::bindings::reeve::network::networks,
        },
        type_section_suffix: "network-start",
        pub_export_macro: true,
        export_macro_name: "export_network_start",
        default_bindings_module: "::reeve_sdk::hooks::network_start",
    });
    pub use exports::reeve::hooks::network_start::Guest;
}

#[doc(hidden)]
pub mod network_stop {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-network-stop;
            world network-stop {
                export reeve:hooks/network-stop@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-network-stop/network-stop",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:network/networks@0.1.0": crate::bindings::reeve::network::networks,
        },
        type_section_suffix: "network-stop",
        pub_export_macro: true,
        export_macro_name: "export_network_stop",
        default_bindings_module: "::reeve_sdk::hooks::network_stop",
    });
    pub use exports::reeve::hooks::network_stop::Guest;
}

#[doc(hidden)]
pub mod port_plug {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-port-plug;
            world port-plug {
                export reeve:hooks/port-plug@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-port-plug/port-plug",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:network/networks@0.1.0": crate::bindings::reeve::network::networks,
        },
        type_section_suffix: "port-plug",
        pub_export_macro: true,
        export_macro_name: "export_port_plug",
        default_bindings_module: "::reeve_sdk::hooks::port_plug",
    });
    pub use exports::reeve::hooks::port_plug::Guest;
}

#[doc(hidden)]
pub mod network_events {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-network-events;
            world network-events {
                export reeve:hooks/network-events@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-network-events/network-events",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
        },
        type_section_suffix: "network-events",
        pub_export_macro: true,
        export_macro_name: "export_network_events",
        default_bindings_module: "::reeve_sdk::hooks::network_events",
    });
    pub use exports::reeve::hooks::network_events::{Change, Guest, NetworkEvent};
}

#[doc(hidden)]
pub mod filter_generate {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-filter-generate;
            world filter-generate {
                export reeve:hooks/filter-generate@0.1.0;
            }
        ",
        path: [
            "../../wit/types",
            "../../wit/domain",
            "../../wit/events",
            "../../wit/network",
            "../../wit/filter",
            "../../wit/storage",
            "../../wit/migration",
            "../../wit/hooks",
        ],
        world: "reeve:sdk-filter-generate/filter-generate",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:filter/tree@0.1.0": crate::bindings::reeve::filter::tree,
            "reeve:filter/ruleset@0.1.0": crate::bindings::reeve::filter::ruleset,
        },
        type_section_suffix: "filter-generate",
        pub_export_macro: true,
        export_macro_name: "export_filter_generate",
        default_bindings_module: "::reeve_sdk::hooks::filter_generate",
    });
    pub use exports::reeve::hooks::filter_generate::Guest;
}
