//! The host machine, with kernel files of the test's own.

use reeve_model::node::KsmChange;
use reeve_node::Places;
use tempfile::TempDir;

use crate::support::{ROOT, Setup, host, host_with};

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
