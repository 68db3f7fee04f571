//! Lane B: stock guests in an emulated host, for what the machines of the other lanes can't run.

use std::time::Duration;

use reeve_tests::{Debian, EmulatedHost, archive};

const HOST_INIT: &str = include_str!("../fixtures/lane-b/host-init");
const GUEST_INIT: &str = include_str!("../fixtures/lane-b/guest-init");
const DOMAIN: &str = include_str!("../fixtures/lane-b/linux.xml");
/// In the order in which they load.
const GUEST_MODULES: [&str; 12] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
    "drivers/char/virtio_console.ko",
    "drivers/acpi/button.ko",
    "drivers/input/evdev.ko",
];
/// For the guest's network.
const HOST_MODULES: [&str; 2] = ["bridge", "tun"];
/// About 50 seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(180);

#[test]
fn real_linux_boots() -> anyhow::Result<()> {
    let obtained = || {
        let debian = Debian::obtain()?;
        let mut host = EmulatedHost::new(&debian, HOST_INIT)?;
        host.modules(&debian, &debian.modules(&HOST_MODULES)?)?;
        anyhow::Ok((debian, host))
    };
    let (debian, mut host) = match obtained() {
        Ok(parts) => parts,
        Err(error) => {
            println!("SKIP B real_linux_boots: {error:#}");
            return Ok(());
        }
    };
    host.file("linux.xml", DOMAIN.as_bytes());
    host.file("vmlinuz", &std::fs::read(debian.kernel()?)?);
    host.file("initrd", &archive(&debian, GUEST_INIT, &GUEST_MODULES)?.finish());
    let console = host.run(PATIENCE)?;
    for effect in [
        "host: after the boot the domain is running (booted)",
        "guest: boots on 1 vCPU with memory enough",
        "guest: disk of 32768 sectors says written by the host",
        "guest: host answers 3 of 3",
        "host: the guest answers 3 of 3",
        "guest: says this by virtio",
        "guest: with the vCPU that came it runs on 2",
        "host: the domain has 2 vCPUs of 2",
        "guest: without it, it runs on 1",
        "host: the guest has let go of the vCPU",
        "guest: typed 42",
        "guest: power button",
        "host: after the button the domain is shut off (power off)",
        "host: the disk says written by the guest",
        "host: done",
    ] {
        assert!(console.lines().any(|line| line.ends_with(effect)), "'{effect}' is not in:\n{console}");
    }
    Ok(())
}
