//! Guests that say much, and workers that say nothing for long.
#![allow(clippy::unwrap_used, reason = "a test fails by panic")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reeve_domain::{Console, DomainNotice, Domains, DomainsConfig, EventSink, Request, Turn};
use reeve_model::block_job::{BlockJobState, BlockJobWork};
use reeve_model::event::DomainChange as Change;
use reeve_model::{Actor, Bytes, DomainState as State, Error};
use rustix::process::{Pid, Signal, kill_process};
use support::lab::{Lab, disk, guest_document, says};
use support::{Host, InMemory, Told};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Longest wait for anything that is not to take an hour.
const PATIENCE: Duration = Duration::from_secs(120);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("no end of {what}"))
}

async fn turn(domains: &Domains, uuid: Uuid, request: Request) -> Turn {
    domains.begin(Actor::Daemon, uuid, request).await.unwrap()
}

/// Takes longer to hear of a reboot than a guest takes to boot.
struct Slow(Arc<Told>);

impl EventSink for Slow {
    #[expect(
        clippy::disallowed_methods,
        reason = "what is told is told by a thread that does nothing else meanwhile"
    )]
    fn emit(&self, notice: DomainNotice) {
        if notice.change == Change::Rebooted {
            std::thread::sleep(Duration::from_millis(100));
        }
        self.0.emit(notice);
    }
}

/// There is always something to hear, and more than anybody has room for: the worker's word that a dump has ended comes behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_reboots_without_end_is_dumped_suspended_and_destroyed() {
    let lab = Lab::new();
    let told = Arc::new(Told::default());
    let domains = Domains::new(DomainsConfig {
        drivers: vec![lab.driver()],
        sink: Arc::new(Slow(told.clone())),
        keeper: Arc::new(InMemory::default()),
        boot_id: "this-boot".to_owned(),
        dumps: lab.root.path().to_owned(),
    });
    let host = Host { domains, told, kept: Arc::default() };
    let uuid = host.define(&guest_document("again", "run=reboot"));
    host.start(uuid).await.unwrap();
    let mut console = host.domains.open_console(uuid, None).await.unwrap();
    for _ in 0..40 {
        says(&mut console, "ready").await;
    }
    drop(console);
    let dump = turn(&host.domains, uuid, Request::Dump).await;
    soon("the dump", dump.dump(tempfile::tempfile().unwrap(), true)).await.unwrap();
    drop(dump);
    soon("the suspension", host.ask(uuid, Request::Suspend)).await.unwrap();
    assert_eq!(host.state(uuid), Some(State::Paused));
    soon("the save", turn(&host.domains, uuid, Request::Save).await.save(tempfile::tempfile().unwrap()))
        .await
        .unwrap();
    soon("the end", host.ask(uuid, Request::Destroy)).await.unwrap();
    lab.is_clean();
}

/// A domain whose worker can be held.
struct Held<'a> {
    host: &'a Host,
    uuid: Uuid,
    worker: Pid,
    console: Console,
}

impl<'a> Held<'a> {
    async fn boot(host: &'a Host, name: &str, image: Option<&Path>) -> Self {
        let mut config = guest_document(name, "");
        config.devices.disks.extend(image.map(|image| disk("vda", image)));
        let uuid = host.define(&config);
        host.start(uuid).await.unwrap();
        let mut console = host.domains.open_console(uuid, None).await.unwrap();
        says(&mut console, "ready").await;
        let pid = host.domains.info(uuid).await.unwrap().worker_pid.unwrap();
        Self { host, uuid, worker: Pid::from_raw(pid.cast_signed()).unwrap(), console }
    }

    /// Asks for something of which the worker does not hear yet.
    async fn ask<F>(&self, request: Request, ask: impl FnOnce(Turn) -> F) -> JoinHandle<Result<(), Error>>
    where
        F: Future<Output = Result<(), reeve_domain::DomainError>> + Send + 'static,
    {
        kill_process(self.worker, Signal::STOP).unwrap();
        let asked = ask(turn(&self.host.domains, self.uuid, request).await);
        tokio::spawn(async move { Ok(asked.await?) })
    }

    fn go_on(&self) {
        kill_process(self.worker, Signal::CONT).unwrap();
    }

    async fn answers(&mut self) {
        self.console.write_all(b"ping\n").await.unwrap();
        says(&mut self.console, "pong").await;
    }
}

/// A host whose storage does not answer for a while is one whose workers do not: what was asked for meanwhile is done late, and nothing was
/// undone by then that it needs.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_does_late_is_done_and_what_was_given_up_is_not() {
    let lab = Lab::new();
    let host = lab.host();
    let (image, copy) = (lab.root.path().join("image"), lab.root.path().join("copy"));
    std::fs::write(&image, vec![7; 1 << 20]).unwrap();
    let copied = Held::boot(&host, "copied", Some(&image)).await;
    let saved = Held::boot(&host, "saved", None).await;
    let mut reset = Held::boot(&host, "reset", None).await;
    let mut given_up = Held::boot(&host, "given-up", None).await;

    let destination = copy.to_str().unwrap().to_owned();
    let (block_device, format, shallow, reuse_external) = (false, None, false, false);
    let work = BlockJobWork::Copy { destination, block_device, format, shallow, reuse_external };
    let copy_to = |turn: Turn| async move { turn.start_block_job("vda", work, Bytes(0)).await };
    let save = |turn: Turn| async move { turn.save(tempfile::tempfile().unwrap()).await };
    let late_copy = copied.ask(Request::SteerJob, copy_to).await;
    let late_save = saved.ask(Request::Save, save).await;
    let late_reset = reset.ask(Request::Reset, |turn| async move { turn.reset().await }).await;
    let dropped_save = given_up.ask(Request::Save, save).await;
    let cancelled = soon("the cancellation", host.domains.cancel_save(given_up.uuid)).await;
    cancelled.expect_err("nobody is there to answer");
    let error = soon("the save that was given up", dropped_save).await.unwrap().unwrap_err();
    assert!(error.message.contains("did not answer"), "{error}");

    // All of them were asked for at the same time, give or take a moment.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (what, late) in [("copy", &late_copy), ("save", &late_save), ("reset", &late_reset)] {
        assert!(!late.is_finished(), "nobody waits for the {what} any more");
    }
    assert!(copy.exists());
    [&copied, &saved, &reset, &given_up].into_iter().for_each(Held::go_on);
    soon("the copy", late_copy).await.unwrap().unwrap();
    soon("the copy of all", async {
        while host.domains.block_jobs(copied.uuid).await.unwrap()[0].state != BlockJobState::Ready {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(std::fs::read(&copy).unwrap(), vec![7; 1 << 20]);
    soon("the save", late_save).await.unwrap().unwrap();
    assert_eq!(host.state(saved.uuid), Some(State::Paused));
    soon("the reset", late_reset).await.unwrap().unwrap();
    says(&mut reset.console, "ready").await;
    reset.answers().await;

    assert_eq!(host.state(given_up.uuid), Some(State::Running));
    given_up.answers().await;
    soon("another save", async {
        // The one that was given up has come to its end a moment after the guest runs.
        while let Err(error) = save(turn(&host.domains, given_up.uuid, Request::Save).await).await {
            let error = Error::from(error);
            assert!(error.message.contains("has not come to an end"), "{error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for held in [copied, saved, reset, given_up] {
        host.ask(held.uuid, Request::Destroy).await.unwrap();
    }
    lab.is_clean();
}
