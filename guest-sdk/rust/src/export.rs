//! `policy!`: which hooks a policy answers.

/// Exports the named hooks of a [`Policy`](crate::Policy): `policy!(Type: hook, hook, …)`. Call it once, at the crate root.
///
/// The hooks are the names of the trait's functions: `domain_define`, `domain_prepare`, `domain_start`, `domain_stop`,
/// `migrate_out`, `migrate_in`, `migration_strategy`, `device_attach`, `device_detach`, `network_start`, `network_stop`, `port_plug`, `domain_events`, `daemon_events`, `network_events`,
/// `pool_start`, `volume_create`, `volume_resize`, `volume_delete`, `storage_events`, `mac_allocate`, `filter_generate`, `clone_name`,
/// `ksm_tune`, `task`.
///
/// Off wasm32 the names are checked and nothing is exported, so `cargo test` works on the host.
#[macro_export]
macro_rules! policy {
    ($policy:ty : $($hook:ident),+ $(,)?) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            #[used]
            static KEEP: fn() = $crate::__keep::<$policy>;
        };
        $(
            const _: () = {
                #[allow(dead_code, reason = "constructed nowhere: only its associated functions are exported")]
                struct Export;
                $crate::__hook_impl!($hook, $policy, Export);
            };
        )+
    };
}

/// The glue of one hook: the generated `Guest` trait for `Export`, forwarded to the policy.
#[doc(hidden)]
#[macro_export]
macro_rules! __hook_impl {
    (domain_define, $policy:ty, $export:ident) => {
        $crate::__guard_impl!(domain_define, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::domain_define::export_domain_define!($export);
    };
    (domain_prepare, $policy:ty, $export:ident) => {
        $crate::__guard_impl!(domain_prepare, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::domain_prepare::export_domain_prepare!($export);
    };
    (domain_start, $policy:ty, $export:ident) => {
        $crate::__guard_impl!(domain_start, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::domain_start::export_domain_start!($export);
    };
    (domain_stop, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::domain_stop::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                domain: &$crate::domain::DomainConfig,
                forced: bool,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::domain_stop(&ctx, domain, forced)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::domain_stop::export_domain_stop!($export);
    };
    (migrate_out, $policy:ty, $export:ident) => {
        $crate::__migrate_impl!(migrate_out, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::migrate_out::export_migrate_out!($export);
    };
    (migrate_in, $policy:ty, $export:ident) => {
        $crate::__migrate_impl!(migrate_in, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::migrate_in::export_migrate_in!($export);
    };
    (migration_strategy, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::migration_strategy::Guest for $export {
            fn precheck(
                ctx: $crate::Context,
                domain: &$crate::domain::DomainConfig,
                journey: $crate::migration::Journey,
            ) -> Result<Option<String>, $crate::Failure> {
                <$policy as $crate::Policy>::migration_precheck(&ctx, domain, &journey)
            }

            fn plan(
                ctx: $crate::Context,
                offered: $crate::migration::Capabilities,
                limits: $crate::migration::Limits,
                journey: $crate::migration::Journey,
            ) -> Result<$crate::migration::MigrationPlan, $crate::Failure> {
                <$policy as $crate::Policy>::migration_plan(&ctx, &offered, &limits, &journey)
            }

            fn next_step(
                ctx: $crate::Context,
                now: $crate::migration::Progress,
            ) -> Result<$crate::migration::Step, $crate::Failure> {
                <$policy as $crate::Policy>::migration_step(&ctx, &now)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::migration_strategy::export_migration_strategy!($export);
    };
    (device_attach, $policy:ty, $export:ident) => {
        $crate::__device_impl!(device_attach, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::device_attach::export_device_attach!($export);
    };
    (device_detach, $policy:ty, $export:ident) => {
        $crate::__device_impl!(device_detach, $policy, $export);
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::device_detach::export_device_detach!($export);
    };
    (domain_events, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::domain_events::Guest for $export {
            fn notify(
                ctx: $crate::Context,
                event: $crate::events::DomainEvent,
            ) -> Result<(), $crate::Failure> {
                <$policy as $crate::Policy>::domain_events(&ctx, &event)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::domain_events::export_domain_events!($export);
    };
    (daemon_events, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::daemon_events::Guest for $export {
            fn notify(
                ctx: $crate::Context,
                change: $crate::events::DaemonChange,
            ) -> Result<(), $crate::Failure> {
                <$policy as $crate::Policy>::daemon_events(&ctx, change)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::daemon_events::export_daemon_events!($export);
    };
    (mac_allocate, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::mac_allocate::Guest for $export {
            fn propose(
                ctx: $crate::Context,
                domain: &$crate::domain::DomainConfig,
                interface: u32,
                taken: Vec<String>,
                seed: u64,
            ) -> Result<String, $crate::Failure> {
                <$policy as $crate::Policy>::mac_allocate(&ctx, domain, interface, &taken, seed)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::mac_allocate::export_mac_allocate!($export);
    };
    (network_start, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::network_start::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                network: $crate::networks::Network,
                xml: String,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::network_start(&ctx, &network, &xml)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::network_start::export_network_start!($export);
    };
    (network_stop, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::network_stop::Guest for $export {
            fn guard(ctx: $crate::Context, network: $crate::networks::Network) -> $crate::Decision {
                <$policy as $crate::Policy>::network_stop(&ctx, &network)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::network_stop::export_network_stop!($export);
    };
    (port_plug, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::port_plug::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                domain: &$crate::domain::DomainConfig,
                port: $crate::networks::Port,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::port_plug(&ctx, domain, &port)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::port_plug::export_port_plug!($export);
    };
    (network_events, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::network_events::Guest for $export {
            fn notify(
                ctx: $crate::Context,
                event: $crate::networks::NetworkEvent,
            ) -> Result<(), $crate::Failure> {
                <$policy as $crate::Policy>::network_events(&ctx, &event)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::network_events::export_network_events!($export);
    };
    (filter_generate, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::filter_generate::Guest for $export {
            fn propose(
                ctx: $crate::Context,
                interface: $crate::filter::Subject,
                filters: Vec<$crate::filter::Filter>,
            ) -> Result<$crate::filter::Rules, $crate::Failure> {
                <$policy as $crate::Policy>::filter_generate(&ctx, &interface, &filters)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::filter_generate::export_filter_generate!($export);
    };
    (pool_start, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::pool_start::Guest for $export {
            fn guard(ctx: $crate::Context, pool: $crate::storage::Pool, xml: String) -> $crate::Decision {
                <$policy as $crate::Policy>::pool_start(&ctx, &pool, &xml)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::pool_start::export_pool_start!($export);
    };
    (volume_create, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::volume_create::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                pool: $crate::storage::Pool,
                plan: $crate::storage::VolumePlan,
            ) -> Result<$crate::storage::VolumeVerdict, $crate::Failure> {
                <$policy as $crate::Policy>::volume_create(&ctx, &pool, &plan)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::volume_create::export_volume_create!($export);
    };
    (volume_resize, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::volume_resize::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                pool: $crate::storage::Pool,
                volume: $crate::storage::Volume,
                capacity: u64,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::volume_resize(&ctx, &pool, &volume, capacity)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::volume_resize::export_volume_resize!($export);
    };
    (volume_delete, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::volume_delete::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                pool: $crate::storage::Pool,
                volume: $crate::storage::Volume,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::volume_delete(&ctx, &pool, &volume)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::volume_delete::export_volume_delete!($export);
    };
    (storage_events, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::storage_events::Guest for $export {
            fn notify(
                ctx: $crate::Context,
                event: $crate::storage::StorageEvent,
            ) -> Result<(), $crate::Failure> {
                <$policy as $crate::Policy>::storage_events(&ctx, &event)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::storage_events::export_storage_events!($export);
    };
    (clone_name, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::clone_name::Guest for $export {
            fn propose(
                ctx: $crate::Context,
                clone: $crate::storage::CloneRequest,
            ) -> Result<String, $crate::Failure> {
                <$policy as $crate::Policy>::clone_name(&ctx, &clone)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::clone_name::export_clone_name!($export);
    };
    (ksm_tune, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::ksm_tune::Guest for $export {
            fn tick(
                ctx: $crate::Context,
                now: $crate::KsmSnapshot,
            ) -> Result<Vec<$crate::Adjustment>, $crate::Failure> {
                <$policy as $crate::Policy>::ksm_tune(&ctx, &now)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::ksm_tune::export_ksm_tune!($export);
    };
    (task, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::task::Guest for $export {
            fn run(ctx: $crate::Context, why: $crate::Occasion) -> Result<String, $crate::Failure> {
                <$policy as $crate::Policy>::task(&ctx, &why)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::hooks::task::export_task!($export);
    };
}

/// A guard that gets the domain alone.
#[doc(hidden)]
#[macro_export]
macro_rules! __guard_impl {
    ($hook:ident, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::$hook::Guest for $export {
            fn guard(ctx: $crate::Context, domain: &$crate::domain::DomainConfig) -> $crate::Decision {
                <$policy as $crate::Policy>::$hook(&ctx, domain)
            }
        }
    };
}

/// A guard that gets the domain and where it goes.
#[doc(hidden)]
#[macro_export]
macro_rules! __migrate_impl {
    ($hook:ident, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::$hook::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                domain: &$crate::domain::DomainConfig,
                journey: $crate::migration::Journey,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::$hook(&ctx, domain, &journey)
            }
        }
    };
}

/// A guard that gets the domain and a device.
#[doc(hidden)]
#[macro_export]
macro_rules! __device_impl {
    ($hook:ident, $policy:ty, $export:ident) => {
        #[cfg(target_arch = "wasm32")]
        impl $crate::hooks::$hook::Guest for $export {
            fn guard(
                ctx: $crate::Context,
                domain: &$crate::domain::DomainConfig,
                device: String,
            ) -> $crate::Decision {
                <$policy as $crate::Policy>::$hook(&ctx, domain, &device)
            }
        }
    };
}

/// Keeps a policy's code alive off wasm32, where nothing is exported, so that the compiler still warns of what is really unused.
#[doc(hidden)]
pub fn __keep<P: crate::Policy>() {}
