//! Hooks of storage, as those beside it.

#[doc(hidden)]
pub mod pool_start {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-pool-start;
            world pool-start {
                export reeve:hooks/pool-start@0.1.0;
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
        world: "reeve:sdk-pool-start/pool-start",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:storage/pools@0.1.0": crate::bindings::reeve::storage::pools,
        },
        type_section_suffix: "pool-start",
        pub_export_macro: true,
        export_macro_name: "export_pool_start",
        default_bindings_module: "::reeve_sdk::hooks::pool_start",
        additional_derives: [PartialEq],
    });
    pub use exports::reeve::hooks::pool_start::Guest;
}

#[doc(hidden)]
pub mod volume_create {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-volume-create;
            world volume-create {
                export reeve:hooks/volume-create@0.1.0;
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
        world: "reeve:sdk-volume-create/volume-create",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:storage/pools@0.1.0": crate::bindings::reeve::storage::pools,
            "reeve:storage/volumes@0.1.0": crate::bindings::reeve::storage::volumes,
        },
        type_section_suffix: "volume-create",
        pub_export_macro: true,
        export_macro_name: "export_volume_create",
        default_bindings_module: "::reeve_sdk::hooks::volume_create",
        additional_derives: [PartialEq],
    });
    pub use exports::reeve::hooks::volume_create::{Guest, VolumeChanges, VolumePlan, VolumeVerdict};
}

#[doc(hidden)]
pub mod volume_resize {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-volume-resize;
            world volume-resize {
                export reeve:hooks/volume-resize@0.1.0;
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
        world: "reeve:sdk-volume-resize/volume-resize",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:storage/pools@0.1.0": crate::bindings::reeve::storage::pools,
            "reeve:storage/volumes@0.1.0": crate::bindings::reeve::storage::volumes,
        },
        type_section_suffix: "volume-resize",
        pub_export_macro: true,
        export_macro_name: "export_volume_resize",
        default_bindings_module: "::reeve_sdk::hooks::volume_resize",
        additional_derives: [PartialEq],
    });
    pub use exports::reeve::hooks::volume_resize::Guest;
}

#[doc(hidden)]
pub mod volume_delete {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-volume-delete;
            world volume-delete {
                export reeve:hooks/volume-delete@0.1.0;
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
        world: "reeve:sdk-volume-delete/volume-delete",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
            "reeve:types/errors@0.1.0": crate::bindings::reeve::types::errors,
            "reeve:storage/pools@0.1.0": crate::bindings::reeve::storage::pools,
            "reeve:storage/volumes@0.1.0": crate::bindings::reeve::storage::volumes,
        },
        type_section_suffix: "volume-delete",
        pub_export_macro: true,
        export_macro_name: "export_volume_delete",
        default_bindings_module: "::reeve_sdk::hooks::volume_delete",
        additional_derives: [PartialEq],
    });
    pub use exports::reeve::hooks::volume_delete::Guest;
}

#[doc(hidden)]
pub mod storage_events {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-storage-events;
            world storage-events {
                export reeve:hooks/storage-events@0.1.0;
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
        world: "reeve:sdk-storage-events/storage-events",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
        },
        type_section_suffix: "storage-events",
        pub_export_macro: true,
        export_macro_name: "export_storage_events",
        default_bindings_module: "::reeve_sdk::hooks::storage_events",
        additional_derives: [PartialEq],
    });
    pub use exports::reeve::hooks::storage_events::{Guest, StorageChange, StorageEvent};
}

#[doc(hidden)]
pub mod clone_name {
    #![allow(missing_docs)]
    wit_bindgen::generate!({
        inline: "
            package reeve:sdk-clone-name;
            world clone-name {
                export reeve:hooks/clone-name@0.1.0;
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
        world: "reeve:sdk-clone-name/clone-name",
        with: {
            "reeve:types/policy@0.1.0": crate::bindings::reeve::types::policy,
            "reeve:types/units@0.1.0": crate::bindings::reeve::types::units,
        },
        type_section_suffix: "clone-name",
        pub_export_macro: true,
        export_macro_name: "export_clone_name",
        default_bindings_module: "::reeve_sdk::hooks::clone_name",
        additional_derives: [PartialEq],
    });
    pub use exports::reeve::hooks::clone_name::{CloneRequest, Cloned, Guest};
}
