//! Hooks of migrations, as those beside it.

#[doc(hidden)]
pub mod migrate_out {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-migrate-out;
            world migrate-out {
                export reeve:hooks/migrate-out@0.1.0;
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
        world: "reeve:sdk-migrate-out/migrate-out",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:migration/journey@0.1.0": crate::bindings::reeve::migration::journey,
        },
        type_section_suffix: "migrate-out",
        pub_export_macro: true,
        export_macro_name: "export_migrate_out",
        default_bindings_module: "::reeve_sdk::hooks::migrate_out",
    });
    pub use exports::reeve::hooks::migrate_out::Guest;
}

#[doc(hidden)]
pub mod migrate_in {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-migrate-in;
            world migrate-in {
                export reeve:hooks/migrate-in@0.1.0;
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
        world: "reeve:sdk-migrate-in/migrate-in",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:migration/journey@0.1.0": crate::bindings::reeve::migration::journey,
        },
        type_section_suffix: "migrate-in",
        pub_export_macro: true,
        export_macro_name: "export_migrate_in",
        default_bindings_module: "::reeve_sdk::hooks::migrate_in",
    });
    pub use exports::reeve::hooks::migrate_in::Guest;
}

#[doc(hidden)]
pub mod migration_strategy {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-migration-strategy;
            world migration-strategy {
                export reeve:hooks/migration-strategy@0.1.0;
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
        world: "reeve:sdk-migration-strategy/migration-strategy",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:domain/config@0.1.0": crate::bindings::reeve::domain::config,
            "reeve:migration/journey@0.1.0": crate::bindings::reeve::migration::journey,
            "reeve:migration/strategy@0.1.0": crate::bindings::reeve::migration::strategy,
        },
        type_section_suffix: "migration-strategy",
        pub_export_macro: true,
        export_macro_name: "export_migration_strategy",
        default_bindings_module: "::reeve_sdk::hooks::migration_strategy",
    });
    pub use exports::reeve::hooks::migration_strategy::Guest;
}
