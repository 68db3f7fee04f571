//! Guests that come to workers of the native driver, and daemons that end around that.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use reeve_domain::migration::{Incoming, MigrationPlace};
use reeve_domain::{Domains, DomainsConfig, Keeper, KeeperError, RuntimeRecord};
use reeve_model::Actor;
use reeve_model::domain::DomainConfig;
use support::lab::{Lab, guest_document};
use support::{Host, InMemory, Told};
use uuid::Uuid;

/// A guest that comes over one end of a pair of sockets; the other end, and what names the first one in /proc.
fn incoming() -> (Incoming, UnixStream, String) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let name = std::fs::read_link(format!("/proc/self/fd/{}", theirs.as_raw_fd())).unwrap();
    let incoming = Incoming {
        migration: Uuid::new_v4(),
        stream: theirs.into(),
        slots: Vec::new(),
        paused: false,
        witness: tempfile::tempfile().unwrap(),
        disks: Vec::new(),
        most_streams: 1,
    };
    (incoming, ours, name.to_str().unwrap().to_owned())
}

async fn receive(
    domains: &Domains,
    config: &DomainConfig,
    incoming: Incoming,
) -> Result<(), reeve_model::Error> {
    let turn = domains.begin_transient(Actor::Daemon, config)?;
    turn.receive(config.clone(), incoming).await?;
    Ok(())
}

/// Whether a process has something open.
fn has_open(pid: u32, name: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link.to_str() == Some(name))
}

/// Keeps records like a disk that may be full, and looks at the worker meanwhile.
struct Watching {
    stream: String,
    is_full: bool,
    /// Whether the worker had the stream when its record was to be kept, each time.
    given: Mutex<Vec<bool>>,
}

#[async_trait]
impl Keeper for Watching {
    async fn keep(&self, record: &RuntimeRecord) -> Result<(), KeeperError> {
        let given = has_open(record.process.unwrap().pid, &self.stream);
        self.given.lock().unwrap().push(given);
        match self.is_full {
            true => Err(KeeperError(Box::new(std::io::Error::other("the disk is full")))),
            false => Ok(()),
        }
    }

    async fn forget(&self, _uuid: Uuid) -> Result<(), KeeperError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_worker_has_no_stream_before_it_is_recorded_and_none_when_it_can_not_be() {
    for is_full in [false, true] {
        let lab = Lab::new();
        let (incoming, mut ours, stream) = incoming();
        let keeper = Arc::new(Watching { stream: stream.clone(), is_full, given: Mutex::default() });
        let domains = Domains::new(DomainsConfig {
            drivers: vec![lab.driver()],
            sink: Arc::new(Told::default()),
            keeper: keeper.clone(),
            boot_id: "this-boot".to_owned(),
            dumps: std::env::temp_dir(),
        });
        let config = guest_document("comes", "");
        let received = receive(&domains, &config, incoming).await;
        assert_eq!(*keeper.given.lock().unwrap(), [false]);
        if is_full {
            let error = received.unwrap_err();
            assert!(error.message.contains("can't be kept"), "{error}");
        } else {
            received.unwrap();
            let pid = domains.info(config.uuid).await.unwrap().worker_pid.unwrap();
            assert!(has_open(pid, &stream));
            domains
                .begin(Actor::Daemon, config.uuid, reeve_domain::Request::Destroy)
                .await
                .unwrap()
                .destroy()
                .await
                .unwrap();
        }
        assert!(domains.phase(config.uuid).is_err(), "there is no such domain any more");
        ours.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It is closed, whatever was said before.
        let _ = ours.read_to_end(&mut Vec::new());
        lab.is_clean();
    }
}

/// What is done with a host until its daemon ends without a word.
fn until_its_end<T>(does: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let done = runtime.block_on(does);
    runtime.shutdown_timeout(Duration::from_secs(5));
    done
}

#[test]
fn a_worker_that_waits_for_its_guest_is_found_by_the_next_daemon_even_without_a_record() {
    let lab = Lab::new();
    let (incoming, _source, stream) = incoming();
    let config = guest_document("comes", "");
    let pid = until_its_end(async {
        let host = lab.host();
        receive(&host.domains, &config, incoming).await.unwrap();
        assert_eq!(host.kept.records().len(), 1);
        host.domains.info(config.uuid).await.unwrap().worker_pid.unwrap()
    });
    assert!(has_open(pid, &stream));
    until_its_end(async {
        // One whose records are lost.
        let kept: Arc<InMemory> = Arc::default();
        let host = Host::with_records(vec![lab.driver()], kept.clone());
        assert!(host.domains.record_unrecorded(&guest_document("other", ""), None).await.is_none());
        let record = host.domains.record_unrecorded(&config, Some(7)).await.unwrap();
        assert_eq!(record.id, 7);
        assert_eq!(kept.records(), std::slice::from_ref(&record));
        assert_eq!(record.process.unwrap().pid, pid);
        let recovered = host.domains.recover(vec![record], &BTreeMap::new()).await;
        assert_eq!(
            (recovered.adopted.as_slice(), recovered.undone.as_slice()),
            (&[config.uuid][..], &[][..])
        );
        assert_eq!(host.domains.migration_place(config.uuid).await.unwrap(), MigrationPlace::Coming);
        assert!(has_open(pid, &stream), "the guest can still come");
        host.ask(config.uuid, reeve_domain::Request::Destroy).await.unwrap();
    });
    lab.is_clean();
}
