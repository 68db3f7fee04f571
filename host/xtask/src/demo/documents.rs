//! What the demo feeds the host.

/// Grants of the naming policy.
pub const NAMING_GRANTS: &str = "--grant 'domain:rewrite path=devices.disks*' \
     --grant 'domain:rewrite path=devices.memballoon*' --grant 'domain:rewrite path=devices.rngs*'";

/// A threshold that even one small domain crosses, so that the tuner has something to do.
pub const EAGER_TUNER: &str = r#"--grant node.ksm:write --config '{"KSM_THRES_COEF": 100}'"#;

/// A small domain that leaves things open: no cache mode, no random-number device.
pub fn web(kernel: &str, disk: &str) -> String {
    format!(
        "<domain type='kvm'>
  <name>web</name>
  <memory unit='MiB'>128</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64'>hvm</type>
    <kernel>{kernel}</kernel>
    <cmdline>say=hello+from+the+guest</cmdline>
  </os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <driver type='raw'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <console type='pty'><target type='virtio' port='0'/></console>
  </devices>
</domain>
"
    )
}

/// A domain larger than any host this runs on.
pub fn greedy(kernel: &str) -> String {
    format!(
        "<domain type='kvm'>
  <name>greedy</name>
  <memory unit='TiB'>4</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64'>hvm</type>
    <kernel>{kernel}</kernel>
  </os>
</domain>
"
    )
}
