//! Operations that change a domain by its document, and those on policies that this host, which has no engine, must refuse.

use std::fmt::Debug;

use hyper::StatusCode;
use reeve_client::{Client, ClientError};
use reeve_model::agent::{
    AgentCommand, FreezeOptions, PmSuspendOptions, PmTarget, SetGuestTime, SetGuestVcpus, SetUserPassword,
    ShutdownOptions, TrimOptions,
};
use reeve_model::api::{
    ControlState, DefineOptions, DestroyOptions, DeviceOptions, EditOptions, SetDescription, StartOptions,
    XmlOptions,
};
use reeve_model::block_job::{LimitBlockJob, StartBlockJob};
use reeve_model::domain::{IoLimit, IoLimits, IoTune};
use reeve_model::domain_disk::{ChangeMedia, CloneDomain, DiskFate, DiskFilter, MediaAction, ResizeDisk};
use reeve_model::domain_dump::{DumpFile, DumpFormat, DumpMode};
use reeve_model::domain_interface::{AddressOptions, SetBandwidth};
use reeve_model::domain_save::{RestoredState, SaveFile, SaveOptions};
use reeve_model::install::InstallPolicy;
use reeve_model::network::RateLimit;
use reeve_model::node::NodeCpuFilter;
use reeve_model::node::{NodeSuspend, SuspendTarget};
use reeve_model::policy::PolicyMode;
use reeve_model::record::{AuditRequest, StartRecording};
use reeve_model::tuning::{Schedule, TuneOptions, Tuning};
use reeve_model::{Bytes, DomainState, ErrorCode};

use crate::host::{Host, document};

const DISK: &str =
    "<disk type='file' device='disk'><source file='/none.img'/><target dev='vdb' bus='virtio'/></disk>";

fn refused(result: Result<impl Debug, ClientError>, code: ErrorCode, words: &str) {
    let Err(ClientError::Refused(error)) = result else { panic!("{result:?} is no refusal") };
    assert_eq!(error.code, code, "{error}");
    assert!(error.message.contains(words), "'{words}' is not in: {error}");
}

async fn xml(client: &Client, inactive: bool) -> String {
    client.domain_xml("web", XmlOptions { inactive }).await.unwrap()
}

#[tokio::test]
async fn a_document_is_read_and_replaced() {
    let host = Host::serve();
    host.define("web").await;
    let before = xml(&host.client, true).await;
    assert!(before.contains(">65536</memory>"), "{before}");
    let bigger = before.replace("65536", "131072");
    let edited = host.client.edit_domain("web", &bigger, &EditOptions::default()).await.unwrap();
    assert_eq!(edited.domain.name, "web");
    assert!(xml(&host.client, true).await.contains(">131072</memory>"));
    let stale = EditOptions { expected: Some("0".repeat(64)), ..EditOptions::default() };
    refused(host.client.edit_domain("web", &before, &stale).await, ErrorCode::Busy, "'web'");
    let other = host.client.edit_domain("web", &document("other"), &EditOptions::default()).await;
    refused(other, ErrorCode::Invalid, "may not change the name");
}

#[tokio::test]
async fn a_domain_is_described_and_renamed() {
    let host = Host::serve();
    host.define("web").await;
    let client = &host.client;
    let change = SetDescription { title: Some("The shop".to_owned()), ..SetDescription::default() };
    let options = TuneOptions { live: false, config: true };
    client.describe_domain("web", &change, options).await.unwrap();
    assert!(xml(client, true).await.contains("<title>The shop</title>"));
    assert_eq!(client.rename_domain("web", "shop").await.unwrap().name, "shop");
    refused(client.domain_info("web").await, ErrorCode::NotFound, "'web'");
    assert_eq!(client.domain_info("shop").await.unwrap().title.as_deref(), Some("The shop"));
}

#[tokio::test]
async fn devices_come_and_go() {
    let host = Host::serve();
    host.define("web").await;
    let config = DeviceOptions { config: true, ..DeviceOptions::default() };
    host.client.attach_device("web", DISK, config).await.unwrap();
    assert!(xml(&host.client, true).await.contains("vdb"));
    host.client.detach_device("web", DISK, config).await.unwrap();
    assert!(!xml(&host.client, true).await.contains("vdb"));
    refused(host.client.detach_device("web", DISK, config).await, ErrorCode::NotFound, "'vdb'");
}

#[tokio::test]
async fn cpus_are_listed_compared_and_put_together() {
    let host = Host::serve();
    let client = &host.client;
    assert!(client.cpu_models().await.unwrap().iter().any(|model| model.name == "Westmere"));
    let small = "<cpu><model>486</model></cpu>";
    assert!(client.compare_cpu(small).await.unwrap().missing.is_empty());
    assert!(client.baseline_cpu(small).await.unwrap().contains("<model>486</model>"));
    refused(client.compare_cpu("<domain/>").await, ErrorCode::Invalid, "no <cpu>");
}

#[tokio::test]
async fn the_host_tells_its_cpus_its_memory_and_what_it_can_run() {
    let host = Host::serve_known();
    let client = &host.client;
    assert_eq!(client.node_cpus().await.unwrap().present.count(), 1);
    let all = NodeCpuFilter::default();
    assert_eq!(client.node_cpu_stats(all).await.unwrap().idle_ns, 80);
    assert_eq!(client.node_cpu_stats(NodeCpuFilter { cpu: Some(0) }).await.unwrap().user_ns, 10);
    let missing = client.node_cpu_stats(NodeCpuFilter { cpu: Some(7) }).await;
    refused(missing, ErrorCode::NotFound, "CPU 7 of the host does not run");
    assert_eq!(client.node_cells().await.unwrap()[0].free, Bytes::mib(100));
    let document = client.capabilities().await.unwrap();
    assert!(document.contains("<arch>x86_64</arch>") && document.contains("<cells num='1'>"), "{document}");
    assert!(!document.contains("<guest>"), "the machine has no KVM");
    assert_eq!(client.node_devices().await.unwrap()[0].name, "usb_1_1_1_0");
    assert!(client.node_device_xml("usb_1_1_1_0").await.unwrap().contains("<capability type='usb'>"));
    refused(client.node_device_xml("pci").await, ErrorCode::NotFound, "no device 'pci'");
}

#[tokio::test]
async fn a_domain_ends_with_the_client_that_started_it_so() {
    let host = Host::serve();
    host.define("web").await;
    let client = &host.client;
    let state = async |name: &str| client.domain_info(name).await.map(|info| info.summary.state);
    let (row, leash) = client.start_leashed_domain("web", StartOptions::default()).await.unwrap();
    assert_eq!((row.state, state("web").await.unwrap()), (DomainState::Running, DomainState::Running));
    let again = client.start_leashed_domain("web", StartOptions::default()).await;
    refused(again.map(|(row, _)| row), ErrorCode::WrongState, "is running already");
    drop(leash);
    while state("web").await.unwrap() != DomainState::ShutOff {
        tokio::task::yield_now().await;
    }
    // One that ends by itself ends its client's wait, and a later instance is none of its business.
    let (_, leash) = client.start_leashed_domain("web", StartOptions::default()).await.unwrap();
    client.destroy_domain_with("web", DestroyOptions { graceful: true }).await.unwrap();
    client.start_domain("web").await.unwrap();
    leash.ended().await;
    assert_eq!(state("web").await.unwrap(), DomainState::Running);

    let paused = DefineOptions { paused: true, ..DefineOptions::default() };
    let (created, leash) = client.create_leashed_domain(&document("brief"), paused).await.unwrap();
    assert_eq!((created.domain.state, created.domain.persistent), (DomainState::Paused, false));
    drop(leash);
    while state("brief").await.is_ok() {
        tokio::task::yield_now().await;
    }
    let (status, _) = host.raw("POST", "/v1/domains/web/start?autodestroy=true", "").await;
    assert_eq!(status, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn a_domain_is_tuned() {
    let host = Host::serve();
    host.define("web").await;
    let client = &host.client;
    let schedule = Schedule { cpu_shares: Some(2048), ..Schedule::default() };
    let change = Tuning { schedule, ..Tuning::default() };
    let options = TuneOptions::default();
    let tuned = client.tune_domain("web", &change, options).await.unwrap();
    assert_eq!(tuned.schedule.cpu_shares, Some(2048));
    assert_eq!(client.domain_tuning("web", options).await.unwrap(), tuned);
    refused(client.domain_vcpus("web").await, ErrorCode::WrongState, "is not running");
    refused(client.domain_cpu_stats("web").await, ErrorCode::WrongState, "is not running");
    client.start_domain("web").await.unwrap();
    assert_eq!(client.domain_vcpus("web").await.unwrap()[0].vcpu, 0);
    assert_eq!(client.domain_control("web").await.unwrap().state, ControlState::Ok);
    let stats = client.domain_cpu_stats("web").await.unwrap();
    assert_eq!(stats.cpus.len(), 1);
    assert!(client.set_domain_memory("web", Bytes::mib(32)).await.is_ok());
    let wrong = Tuning { vcpus: Some(9), ..Tuning::default() };
    let live = TuneOptions { live: true, config: false };
    refused(client.tune_domain("web", &wrong, live).await, ErrorCode::Invalid, "not between 1 and");
}

#[tokio::test]
async fn disks_are_listed_measured_and_changed() {
    let host = Host::serve();
    host.define("web").await;
    let (client, config) = (&host.client, DeviceOptions { config: true, ..DeviceOptions::default() });
    let drive = "<disk device='cdrom'><target dev='hdc'/></disk>";
    client.attach_device("web", DISK, config).await.unwrap();
    client.attach_device("web", drive, config).await.unwrap();
    let listed = client.domain_disks("web", XmlOptions { inactive: true }).await.unwrap();
    let seen: Vec<_> =
        listed.iter().map(|disk| (disk.target.as_str(), disk.source.as_deref(), disk.readonly)).collect();
    assert_eq!(seen, [("vdb", Some("/none.img"), false), ("hdc", None, true)]);
    let sizes = client.domain_disk_sizes("web", &DiskFilter::default()).await.unwrap();
    assert!(sizes[0].fault.as_deref().is_some_and(|fault| fault.contains("'/none.img'")), "{sizes:?}");
    assert_eq!((sizes[1].capacity, &sizes[1].fault), (None, &None));
    let named = DiskFilter { disk: Some("/none.img".to_owned()) };
    refused(client.domain_disk_sizes("web", &named).await, ErrorCode::WrongState, "'/none.img'");

    let disc = Some("/a.iso".to_owned());
    let insert = ChangeMedia { action: MediaAction::Insert, source: disc, ..ChangeMedia::default() };
    client.change_media("web", "hdc", &insert, config).await.unwrap();
    refused(
        client.change_media("web", "/a.iso", &insert, config).await,
        ErrorCode::WrongState,
        "has a medium already",
    );
    let write = IoLimit { sec: Some(1 << 20), max: Some(4 << 20), max_length: None };
    let limits = IoTune { bytes: IoLimits { write, ..IoLimits::default() }, ..IoTune::default() };
    assert_eq!(client.set_disk_limits("web", "vdb", &limits, config).await.unwrap(), limits);
    let total = IoLimit { sec: Some(1), ..IoLimit::default() };
    let both = IoTune { bytes: IoLimits { total, ..IoLimits::default() }, ..IoTune::default() };
    refused(
        client.set_disk_limits("web", "vdb", &both, config).await,
        ErrorCode::Invalid,
        "exclude each other",
    );
    assert_eq!(client.disk_limits("web", "vdb", XmlOptions { inactive: true }).await.unwrap(), limits);
    let resize = ResizeDisk { capacity: Bytes::mib(1), shrink: false };
    refused(client.resize_disk("web", "vdb", resize).await, ErrorCode::WrongState, "is not running");
    let start = StartBlockJob::default();
    refused(client.start_block_job("web", "vdb", &start).await, ErrorCode::WrongState, "is not running");
    refused(client.block_jobs("web").await, ErrorCode::WrongState, "is not running");

    let shared = CloneDomain { auto: true, skip_copy: vec!["vdb".to_owned()], ..CloneDomain::default() };
    let cloned = client.clone_domain("web", &shared).await.unwrap();
    assert_eq!(cloned.domain.name, "web-clone");
    assert!(cloned.disks.iter().all(|disk| disk.fate == DiskFate::Shared), "{:?}", cloned.disks);
    assert!(cloned.warnings.iter().any(|warning| warning.contains("disk 'vdb'")), "{:?}", cloned.warnings);
    let copied = CloneDomain { auto: true, ..CloneDomain::default() };
    refused(client.clone_domain("web", &copied).await, ErrorCode::NotFound, "'/none.img'");
    client.start_domain("web").await.unwrap();
    refused(client.clone_domain("web", &shared).await, ErrorCode::WrongState, "is active");

    // A simulated machine has no images.
    refused(client.start_block_job("web", "vdb", &start).await, ErrorCode::Unsupported, "has no images");
    assert!(client.block_jobs("web").await.unwrap().is_empty());
    let limit = LimitBlockJob { bandwidth: Bytes::mib(1) };
    refused(client.limit_block_job("web", "vdb", limit).await, ErrorCode::WrongState, "has no block job");
    for job in [
        client.block_job("web", "vdb").await,
        client.abort_block_job("web", "vdb").await,
        client.pivot_block_job("web", "vdb").await,
    ] {
        refused(job, ErrorCode::WrongState, "has no block job");
    }
}

#[tokio::test]
async fn interfaces_are_listed_and_changed() {
    let host = Host::serve();
    host.define("web").await;
    let (client, config) = (&host.client, DeviceOptions { persistent: true, ..DeviceOptions::default() });
    let nic = "<interface type='ethernet'><mac address='52:54:00:00:00:07'/><target dev='web0'/></interface>";
    client.attach_device("web", nic, config).await.unwrap();
    let pulled = nic.replace("</interface>", "<link state='down'/></interface>");
    client.update_device("web", &pulled, config).await.unwrap();
    let listed = client.domain_interfaces("web", XmlOptions { inactive: true }).await.unwrap();
    assert_eq!((listed.len(), listed[0].target.as_deref(), listed[0].link_up), (1, Some("web0"), false));
    assert!(client.set_interface_link("web", "web0", true, config).await.unwrap().link_up);
    let outbound = Some(RateLimit { average_kib: 500, ..RateLimit::default() });
    let limits = SetBandwidth { inbound: None, outbound };
    let set = client.set_interface_bandwidth("web", "52:54:00:00:00:07", limits, config).await.unwrap();
    assert_eq!((set.bandwidth.inbound, set.bandwidth.outbound), (None, outbound));
    let nobody = client.set_interface_link("web", "vnet9", true, config).await;
    refused(nobody, ErrorCode::NotFound, "has no interface 'vnet9'");
    refused(
        client.domain_addresses("web", &AddressOptions::default()).await,
        ErrorCode::WrongState,
        "is not running",
    );
    client.start_domain("web").await.unwrap();
    assert!(client.domain_addresses("web", &AddressOptions::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_running_guest_is_asked_and_made_to_begin_again() {
    let host = Host::serve();
    host.define("web").await;
    refused(host.client.reboot_domain("web").await, ErrorCode::WrongState, "'web'");
    host.client.start_domain("web").await.unwrap();
    assert_eq!(host.client.reset_domain("web").await.unwrap().state, DomainState::Running);
    assert_eq!(host.client.wake_domain("web").await.unwrap().state, DomainState::Running, "it does");
    assert_eq!(host.client.inject_nmi("web").await.unwrap().state, DomainState::Running);
    let both = DeviceOptions { live: true, config: true, persistent: false };
    host.client.set_stats_period("web", 10, both).await.unwrap();
    assert!(xml(&host.client, true).await.contains("<stats period='10'/>"));
    assert!(host.client.reboot_domain("web").await.unwrap().state.is_active());
    host.client.shutdown_domain("web").await.unwrap();
    for _ in 0..200 {
        if host.client.domain_info("web").await.unwrap().summary.state == DomainState::ShutOff {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the guest did not shut down");
}

/// The simulator has no guest and so no agent; a real one is asked in the tests that cross crates.
#[tokio::test]
async fn the_agent_of_a_guest_is_asked() {
    let host = Host::serve();
    host.define("web").await;
    let client = &host.client;
    refused(client.guest_hostname("web").await, ErrorCode::WrongState, "is not running");
    client.start_domain("web").await.unwrap();
    let none = "no channels";
    let ping = AgentCommand { command: serde_json::json!({ "execute": "guest-ping" }), timeout_s: None };
    refused(client.agent_command("web", &ping).await, ErrorCode::Unsupported, none);
    refused(client.guest_filesystems("web").await, ErrorCode::Unsupported, none);
    refused(client.freeze_guest("web", &FreezeOptions::default()).await, ErrorCode::Unsupported, none);
    refused(client.thaw_guest("web").await, ErrorCode::Unsupported, none);
    refused(client.trim_guest("web", TrimOptions::default()).await, ErrorCode::Unsupported, none);
    let sleep = PmSuspendOptions { target: PmTarget::Mem, duration_s: 0 };
    refused(client.suspend_guest("web", sleep).await, ErrorCode::Unsupported, none);
    refused(client.guest_time("web").await, ErrorCode::Unsupported, none);
    refused(client.set_guest_time("web", SetGuestTime::default()).await, ErrorCode::Unsupported, none);
    refused(client.guest_hostname("web").await, ErrorCode::Unsupported, none);
    refused(client.guest_vcpus("web").await, ErrorCode::Unsupported, none);
    let offline = SetGuestVcpus { numbers: vec![1], online: false };
    refused(client.set_guest_vcpus("web", &offline).await, ErrorCode::Unsupported, none);
    let secret = SetUserPassword { password: "hidden-word".to_owned(), encrypted: false };
    assert!(!format!("{secret:?}").contains("hidden-word"));
    refused(client.set_guest_password("web", "root", &secret).await, ErrorCode::Unsupported, none);
    let by = |mode: &str| ShutdownOptions { mode: Some(mode.to_owned()) };
    refused(client.shutdown_domain_by("web", &by("agent")).await, ErrorCode::Unsupported, none);
    refused(client.reboot_domain_by("web", &by("signal")).await, ErrorCode::Unsupported, "for containers");
    refused(client.shutdown_domain_by("web", &by("kindly")).await, ErrorCode::Invalid, "no mode 'kindly'");
    assert!(client.reboot_domain_by("web", &by("acpi,agent")).await.unwrap().state.is_active());
}

#[tokio::test]
async fn what_is_merged_is_told() {
    let host = Host::serve();
    let ksm = host.client.ksm().await.unwrap();
    assert_eq!((ksm.run, ksm.pages_to_scan, ksm.sleep_millisecs), (0, 100, 20));
}

#[tokio::test]
async fn a_host_that_does_not_sleep_says_so() {
    let host = Host::serve();
    let wanted = NodeSuspend { target: SuspendTarget::Hybrid, duration: 60 };
    refused(host.client.suspend_node(&wanted).await, ErrorCode::Unsupported, "(hybrid)");
}

#[tokio::test]
async fn policies_that_are_not_there_are_named() {
    let host = Host::serve();
    let (client, absent) = (&host.client, "'nobody'");
    let grants = || vec!["domain:read".to_owned()];
    refused(client.unload_policy("nobody").await, ErrorCode::NotFound, absent);
    refused(client.set_policy_mode("nobody", PolicyMode::Monitor).await, ErrorCode::NotFound, absent);
    refused(client.grant_policy("nobody", grants()).await, ErrorCode::NotFound, absent);
    refused(client.revoke_policy("nobody", grants()).await, ErrorCode::NotFound, absent);
    let wanted = StartRecording { count: 1, seconds: 1, hook: None };
    refused(client.start_recording("nobody", &wanted).await, ErrorCode::NotFound, absent);
    refused(client.recorded("nobody").await, ErrorCode::NotFound, absent);
    refused(client.stop_recording("nobody").await, ErrorCode::NotFound, absent);
    let audit = AuditRequest { policy: Some("nobody".into()), ..AuditRequest::default() };
    refused(client.audit(audit).await, ErrorCode::NotFound, absent);
    let install = InstallPolicy { reference: "127.0.0.1:1/policies/x:1".into(), ..InstallPolicy::default() };
    refused(client.install_policy(&install).await, ErrorCode::Unsupported, "without the policy engine");
}

#[tokio::test]
async fn a_domain_is_saved_to_a_file_and_started_from_it() {
    let host = Host::serve();
    host.define("web").await;
    let (client, place) = (&host.client, tempfile::tempdir().unwrap());
    let file = SaveFile::at(place.path().join("web.save").to_str().unwrap());
    client.start_domain("web").await.unwrap();
    refused(client.save_status("web").await, ErrorCode::WrongState, "is not being saved");
    refused(client.cancel_save("web").await, ErrorCode::WrongState, "is not being saved");
    assert_eq!(client.save_domain("web", &file, None).await.unwrap().state, DomainState::ShutOff);
    let before = client.save_image_xml(&file.path).await.unwrap();
    let paused = SaveFile { state: Some(RestoredState::Paused), ..file.clone() };
    client.define_save_image(&paused, &before).await.unwrap();
    assert_eq!(client.restore_domain(&file, Some(&before)).await.unwrap().state, DomainState::Paused);
    refused(client.restore_domain(&file, None).await, ErrorCode::WrongState, "is active already");
    let saved = client.managed_save_domain("web", SaveOptions::default()).await.unwrap();
    assert!(saved.managed_save);
    assert!(!client.remove_managed_save("web").await.unwrap().managed_save);
    refused(client.remove_managed_save("web").await, ErrorCode::NotFound, "has no managed save");
}

#[tokio::test]
async fn a_domain_is_dumped_to_a_file() {
    let host = Host::serve();
    host.define("web").await;
    let (client, place) = (&host.client, tempfile::tempdir().unwrap());
    client.start_domain("web").await.unwrap();
    let path = place.path().join("web.core").display().to_string();
    let file = DumpFile { path, memory_only: true, mode: Some(DumpMode::Live), ..DumpFile::default() };
    assert_eq!(client.dump_domain("web", &file).await.unwrap().state, DomainState::Running);
    let other = DumpFile { format: DumpFormat::KdumpLzo, ..file };
    refused(client.dump_domain("web", &other).await, ErrorCode::Unsupported, "'kdump-lzo'");
}
