//! What holds for every pool and volume: what is written reads back as the same.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use reeve_model::Bytes;
use reeve_model::domain::Extra;
use reeve_model::storage::{
    BackingStore, Encryption, Extent, ImageFeatures, Permissions, PoolConfig, PoolKind, PoolSource,
    PoolTarget, SecretReference, SourceDevice, SourceHost, Timestamps, VolumeConfig, VolumeKind,
    VolumeTarget,
};
use reeve_xml::{ParseOptions, pool, volume};

macro_rules! assert_reads_back {
    ($kind:ident, $config:expr) => {{
        prop_assert_eq!($config.check(), Ok(()));
        let text = $kind::format(&$config);
        let parsed = $kind::parse(&text, &ParseOptions::default());
        let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&parsed.document, &$config, "{}", text);
        prop_assert_eq!($kind::format(&parsed.document), text);
    }};
}

proptest! {
    #[test]
    fn pools_read_back(config in pools()) {
        assert_reads_back!(pool, config);
    }

    #[test]
    fn volumes_read_back(config in volumes()) {
        assert_reads_back!(volume, config);
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9.-]{0,8}"
}

fn path() -> impl Strategy<Value = String> {
    "/[a-zé<&>'\"][a-z0-9 /<&>'\"]{0,9}[a-z]"
}

fn size() -> impl Strategy<Value = Bytes> {
    (0..=i64::MAX as u64).prop_map(Bytes)
}

fn extra() -> impl Strategy<Value = Extra> {
    let attributes = of("[ -~é]{0,9}")
        .prop_map(|value| value.map(|value| ("x-note".to_owned(), value)).into_iter().collect());
    let elements = of(Just("<x-two a='b'>words &amp; more</x-two>".to_owned()))
        .prop_map(|element| element.into_iter().collect());
    (attributes, elements).prop_map(|(attributes, elements)| Extra { attributes, elements })
}

fn permissions() -> impl Strategy<Value = Permissions> {
    (of(0..0o10000_u32), of(0..u32::MAX), of(0..u32::MAX), of(word()), extra())
        .prop_map(|(mode, owner, group, label, extra)| Permissions { mode, owner, group, label, extra })
}

fn encryption() -> impl Strategy<Value = Encryption> {
    let secret =
        (of(word()), of(word())).prop_map(|(kind, usage)| SecretReference { kind, uuid: None, usage });
    (of(word()), vec(secret, 0..2), extra()).prop_map(|(format, secrets, extra)| Encryption {
        format,
        secrets,
        extra,
    })
}

fn source(kind: PoolKind) -> impl Strategy<Value = PoolSource> {
    let device =
        (path(), of(any::<bool>()), vec((size(), size()), 0..2)).prop_map(|(path, part_separator, free)| {
            let free = free.into_iter().map(|(start, end)| Extent { start, end }).collect();
            SourceDevice { path, part_separator, free }
        });
    let host = (word(), of(any::<u16>())).prop_map(|(name, port)| SourceHost { name, port });
    (vec(host, 1..3), device, path(), word(), of(word()), of(word()), extra()).prop_map(
        move |(hosts, mut device, dir, name, format, vendor, extra)| {
            if matches!(kind, PoolKind::Iscsi | PoolKind::IscsiDirect) {
                device.path = format!("iqn.2026-01.test:{name}");
            }
            PoolSource {
                hosts,
                devices: vec![device],
                dir: Some(dir),
                adapter: Some(Default::default()),
                name: Some(name),
                initiator: vendor.as_ref().map(|vendor| format!("iqn.2026-01.test:{vendor}")),
                auth: None,
                format,
                protocol: vendor.clone(),
                product: vendor.clone(),
                vendor,
                extra,
            }
        },
    )
}

fn pool_target() -> impl Strategy<Value = PoolTarget> {
    (path(), of(permissions()), of(encryption()), extra()).prop_map(
        |(path, permissions, encryption, extra)| PoolTarget {
            path: Some(path),
            permissions,
            encryption,
            extra,
        },
    )
}

fn pools() -> impl Strategy<Value = PoolConfig> {
    let kind = prop::sample::select(PoolKind::ALL.map(|(kind, _)| kind).to_vec());
    kind.prop_flat_map(|kind| {
        let sizes = (of(size()), of(size()), of(size()));
        (source(kind), pool_target(), sizes, of(any::<bool>()), any::<u128>(), extra()).prop_map(
            move |(source, target, (capacity, allocation, available), cow, uuid, extra)| PoolConfig {
                kind,
                name: "a pool".to_owned(),
                uuid: uuid::Uuid::from_u128(uuid),
                capacity,
                allocation,
                available,
                cow,
                source,
                target,
                extra,
            },
        )
    })
}

fn timestamps() -> impl Strategy<Value = Timestamps> {
    let stamp = || of((any::<u32>(), 0..1_000_000_000_u32).prop_map(|(s, ns)| format!("{s}.{ns:09}")));
    (stamp(), stamp(), stamp(), stamp(), extra()).prop_map(|(atime, mtime, ctime, btime, extra)| Timestamps {
        atime,
        mtime,
        ctime,
        btime,
        extra,
    })
}

fn volumes() -> impl Strategy<Value = VolumeConfig> {
    let kind = of(prop::sample::select(VolumeKind::ALL.map(|(kind, _)| kind).to_vec()));
    let features =
        (any::<bool>(), any::<bool>(), extra()).prop_map(|(lazy_refcounts, extended_l2, extra)| {
            ImageFeatures { lazy_refcounts, extended_l2, extra }
        });
    let target = (
        (of(path()), of(word()), of(permissions()), of(encryption()), any::<bool>()),
        (
            of(Just("1.1".to_owned())),
            of((9..22_u32).prop_map(|bits| Bytes(1 << bits))),
            of(features),
            of(timestamps()),
            extra(),
        ),
    )
        .prop_map(
            |(
                (path, format, permissions, encryption, nocow),
                (compat, cluster_size, features, timestamps, extra),
            )| {
                VolumeTarget {
                    path,
                    format,
                    permissions,
                    encryption,
                    nocow,
                    compat,
                    cluster_size,
                    features,
                    timestamps,
                    preallocation: None,
                    extra,
                }
            },
        );
    let backing = (path(), of(word()), of(permissions()), extra())
        .prop_map(|(path, format, permissions, extra)| BackingStore { path, format, permissions, extra });
    (kind, word(), of(path()), (of(size()), of(size()), of(size())), target, of(backing), extra()).prop_map(
        |(kind, name, key, (capacity, allocation, physical), target, backing, extra)| VolumeConfig {
            kind,
            name,
            key,
            capacity,
            allocation,
            physical,
            target,
            backing,
            extra,
        },
    )
}
