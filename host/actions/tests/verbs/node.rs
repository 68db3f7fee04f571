//! The host machine, with kernel files of the test's own.

use reeve_model::ErrorCode;
use reeve_model::node::{KsmChange, NodeSuspend, SuspendTarget};
use reeve_node::Places;
use tempfile::TempDir;

use crate::support::{ROOT, Setup, host, host_with, refused};

#[tokio::test]
async fn what_the_host_is() {
    let (_directory, host) = host();
    let info = host.node_info(&ROOT).unwrap();
    assert!(info.cpus > 0 && info.memory.0 > 0, "{info:?}");
    assert!(host.node_memory(&ROOT).unwrap().available.0 > 0);
}

#[tokio::test]
async fn a_change_of_ksm_reaches_the_kernel_file() {
    let sys = TempDir::new().unwrap();
    let ksm = sys.path().join("kernel/mm/ksm");
    std::fs::create_dir_all(&ksm).unwrap();
    for (file, value) in [
        ("run", "0"),
        ("pages_to_scan", "100"),
        ("sleep_millisecs", "20"),
        ("pages_shared", "0"),
        ("pages_sharing", "0"),
        ("pages_unshared", "0"),
        ("pages_volatile", "0"),
        ("full_scans", "0"),
    ] {
        std::fs::write(ksm.join(file), format!("{value}\n")).unwrap();
    }
    let places = Places { sys: sys.path().to_owned(), ..Places::default() };
    let (_directory, host) = host_with(Setup { places, ..Setup::default() });
    assert_eq!(host.ksm(&ROOT).unwrap().run, 0);
    let change = KsmChange { run: Some(1), pages_to_scan: Some(500), ..KsmChange::default() };
    let state = host.set_ksm(&ROOT, change).unwrap();
    assert_eq!((state.run, state.pages_to_scan, state.sleep_millisecs), (1, 500, 20));
    assert_eq!(std::fs::read_to_string(ksm.join("pages_to_scan")).unwrap().trim(), "500");
}

/// In kernel files of the test's own: no test sends the machine to sleep that it runs on.
#[tokio::test]
async fn the_host_is_sent_to_sleep_by_its_kernel_files() {
    let sys = TempDir::new().unwrap();
    let places = Places { sys: sys.path().to_owned(), ..Places::default() };
    let (_directory, host) = host_with(Setup { places, ..Setup::default() });
    let asked = |duration| host.suspend_node(&ROOT, NodeSuspend { target: SuspendTarget::Mem, duration });
    refused(asked(59), ErrorCode::Invalid, &["59 s", "60 s or more"]);
    refused(asked(60), ErrorCode::Unsupported, &["can't sleep like that ('mem')", "no sleep at all"]);
    for (file, text) in [("power/state", "freeze mem"), ("class/rtc/rtc0/wakealarm", "")] {
        let path = sys.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    asked(3600).unwrap();
    assert_eq!(std::fs::read_to_string(sys.path().join("class/rtc/rtc0/wakealarm")).unwrap(), "+3600");
    let state = sys.path().join("power/state");
    let begun = std::time::Instant::now();
    while std::fs::read_to_string(&state).unwrap() != "mem" {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "it does not sleep");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
