//! Storage pools and volumes through the client.

use reeve_client::{ClientError, Content};
use reeve_model::api::{EditOptions, XmlOptions};
use reeve_model::storage::{
    BuildMode, PoolFilter, PoolKind, ResizeVolume, SourceLookup, TakePool, TakeVolume, VolumePart,
    WipeAlgorithm,
};
use reeve_model::{Bytes, ErrorCode};

use crate::host::Host;

fn refused(result: Result<impl std::fmt::Debug, ClientError>) -> ErrorCode {
    match result.unwrap_err() {
        ClientError::Refused(error) => error.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pools_and_volumes_from_their_making_to_their_end() {
    let host = Host::serve();
    let client = &host.client;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("pool");
    let document =
        format!("<pool type='dir'><name>lab</name><target><path>{}</path></target></pool>", path.display());
    let defined = client.define_pool(&document, TakePool::default()).await.unwrap().pool;
    assert_eq!(client.list_pools(&PoolFilter::default()).await.unwrap(), std::slice::from_ref(&defined));
    assert_eq!(client.pool_info(&defined.uuid.to_string()).await.unwrap(), defined);
    let none = PoolFilter { kind: Some("fs,disk".into()), ..PoolFilter::default() };
    assert!(client.list_pools(&none).await.unwrap().is_empty());
    let xml = client.pool_xml("lab", XmlOptions::default()).await.unwrap();
    client.edit_pool("lab", &xml, &EditOptions::default()).await.unwrap();
    client.build_pool("lab", BuildMode::Keep).await.unwrap();
    assert!(client.start_pool("lab").await.unwrap().active);
    assert!(client.set_pool_autostart("lab", true).await.unwrap().autostart);
    assert_eq!(client.refresh_pool("lab").await.unwrap().volumes, 0);
    assert!(client.pool_jobs("lab").await.unwrap().is_empty());
    assert!(client.storage_jobs().await.unwrap().is_empty());
    assert_eq!(refused(client.pool_jobs("nowhere").await), ErrorCode::NotFound);
    let disks = client.pool_sources(&SourceLookup::new(PoolKind::Disk)).await.unwrap();
    assert!(disks.iter().all(|disk| disk.path.starts_with("/dev/")), "{disks:?}");
    let gluster = SourceLookup::new(PoolKind::Gluster);
    assert_eq!(refused(client.pool_sources(&gluster).await), ErrorCode::Unsupported);
    let nowhere = SourceLookup::new(PoolKind::Netfs);
    assert_eq!(refused(client.pool_sources(&nowhere).await), ErrorCode::Invalid);

    let volume =
        "<volume><name>a b</name><capacity unit='MiB'>4</capacity><allocation>0</allocation></volume>";
    let made = client.create_volume("lab", volume, &TakeVolume::default()).await.unwrap().volume;
    assert_eq!((made.pool.as_str(), made.capacity), ("lab", Bytes::mib(4)));
    assert_eq!(client.list_volumes("lab").await.unwrap(), std::slice::from_ref(&made));
    assert_eq!(client.volume_info("lab", "a b").await.unwrap(), made);
    assert_eq!(client.find_volume(&made.path).await.unwrap(), made);
    assert_eq!(refused(client.find_volume("/nowhere").await), ErrorCode::NotFound);
    assert!(client.volume_xml("lab", "a b").await.unwrap().contains("<name>a b</name>"));

    let bytes: Vec<u8> = (0..1_500_000_u32).map(|at| (at % 253) as u8).collect();
    let file = place.path().join("file");
    std::fs::write(&file, &bytes).unwrap();
    let open = || std::fs::File::open(&file).unwrap();
    let part = VolumePart { offset: 1000, length: None };
    assert_eq!(client.upload_volume("lab", "a b", part, open()).await.unwrap(), 1_500_000);
    let mut back = Vec::new();
    let part = VolumePart { offset: 1000, length: Some(1_500_000) };
    let mut sink = |content| {
        match content {
            Content::Data(piece) => back.extend_from_slice(&piece),
            Content::Hole(length) => back.resize(back.len() + length as usize, 0),
        }
        Ok(())
    };
    client.download_volume("lab", "a b", part, &mut sink).await.unwrap();
    assert!(back == bytes, "what came back is something else");
    // Nor does a byte of it pass the socket where the file itself is handed over.
    let other_path = place.path().join("other");
    let other = std::fs::File::options().read(true).write(true).create_new(true).open(&other_path).unwrap();
    assert_eq!(client.download_volume_file("lab", "a b", part, &other).await.unwrap(), 1_500_000);
    assert!(std::fs::read(&other_path).unwrap() == bytes);
    assert_eq!(client.upload_volume_file("lab", "a b", part, &other).await.unwrap(), 1_500_000);
    let (pipe, _end) = std::io::pipe().unwrap();
    let pipe = std::fs::File::from(std::os::fd::OwnedFd::from(pipe));
    assert_eq!(refused(client.upload_volume_file("lab", "a b", part, &pipe).await), ErrorCode::Unsupported);
    assert_eq!(refused(client.upload_volume_file("lab", "no", part, &other).await), ErrorCode::NotFound);
    // What does not fit is refused, and said so, though all of it was sent.
    let late = VolumePart { offset: (4 << 20) - 10, length: None };
    assert_eq!(refused(client.upload_volume("lab", "a b", late, open()).await), ErrorCode::Invalid);
    let beyond = VolumePart { offset: 5 << 20, length: None };
    assert_eq!(
        refused(client.download_volume("lab", "a b", beyond, &mut |_| Ok(())).await),
        ErrorCode::Invalid
    );
    let nothing = VolumePart { offset: 4 << 20, length: None };
    client.download_volume("lab", "a b", nothing, &mut |_| panic!("there is nothing")).await.unwrap();

    let resize = ResizeVolume { capacity: Bytes::mib(8), ..ResizeVolume::default() };
    assert_eq!(client.resize_volume("lab", "a b", resize).await.unwrap().capacity, Bytes::mib(8));
    client.wipe_volume("lab", "a b", WipeAlgorithm::Zero).await.unwrap();
    client.delete_volume("lab", "a b").await.unwrap();
    assert_eq!(refused(client.volume_info("lab", "a b").await), ErrorCode::NotFound);
    assert_eq!(refused(client.delete_pool("lab").await), ErrorCode::WrongState);
    client.destroy_pool("lab").await.unwrap();
    client.delete_pool("lab").await.unwrap();
    client.undefine_pool("lab").await.unwrap();
    assert!(!path.exists() && refused(client.pool_info("lab").await) == ErrorCode::NotFound);
}
