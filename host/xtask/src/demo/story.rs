//! What the demo shows, step by step. A step that does not do what it says ends the demo with an error.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::documents;
use super::stage::Stage;

const GUEST_PATIENCE: Duration = Duration::from_secs(10);
const TUNER_PATIENCE: Duration = Duration::from_secs(20);

type Step = fn(&mut Stage) -> Result<()>;

/// The story, in order.
const STEPS: [(&str, Step); 10] = [
    ("A host in a directory of its own", start_the_host),
    ("Policies: every decision is a sandboxed program", load_policies),
    ("A domain from libvirt XML; a guard fills in what it leaves open", define_a_domain),
    ("A guard denies what would overcommit the host", deny_a_start),
    ("A real guest boots on KVM, in a process of its own", boot_a_guest),
    ("Talking to the guest over its console", talk_to_the_guest),
    ("The tuner adjusted kernel samepage merging when the domain started", watch_the_tuner),
    ("The daemon is killed; the guest does not notice", kill_the_daemon),
    ("The guest hears its power button", shut_down),
    ("Who decided what, and what happened", read_the_logs),
];

/// Plays all steps.
pub fn tell(stage: &mut Stage) -> Result<()> {
    for (number, (title, step)) in STEPS.iter().enumerate() {
        println!("\n=== {}. {title}", number + 1);
        step(stage)?;
    }
    Ok(())
}

fn start_the_host(stage: &mut Stage) -> Result<()> {
    stage.start_daemon()?;
    stage.reeve("node info")?;
    Ok(())
}

fn load_policies(stage: &mut Stage) -> Result<()> {
    for (policy, options) in [
        ("naming", documents::NAMING_GRANTS),
        ("admission", "--grant node:read --grant 'domain:read name=*'"),
        ("journal", "--grant 'kv:use max-bytes=64KiB'"),
        ("ksm-tuner", documents::EAGER_TUNER),
    ] {
        let component = stage.component(policy);
        stage.reeve(&format!("policy load {component} {options}"))?;
    }
    let list = stage.reeve("policy list")?;
    ensure!(list.contains("ksm-tuner") && list.contains("admission"), "the policies are not listed");
    Ok(())
}

fn define_a_domain(stage: &mut Stage) -> Result<()> {
    let kernel = stage.guest();
    let disk = stage.disk("web.img", 4 << 20)?;
    let document = stage.document("web.xml", &documents::web(&kernel, &disk))?;
    stage.show(&document)?;
    stage.reeve(&format!("xml check {document}"))?;
    stage.reeve(&format!("domain define {document}"))?;
    let stored = stage.reeve("domain xml web")?;
    ensure!(stored.contains("<rng"), "the naming policy did not add a random-number device");
    let decisions = stage.reeve("policy decisions --policy naming --changes")?;
    ensure!(decisions.contains("rewrite"), "the rewrite is not in the decision log");
    Ok(())
}

fn deny_a_start(stage: &mut Stage) -> Result<()> {
    let kernel = stage.guest();
    let document = stage.document("greedy.xml", &documents::greedy(&kernel))?;
    stage.reeve(&format!("domain define {document}"))?;
    let refusal = stage.reeve_refused("domain start greedy")?;
    ensure!(refusal.contains("admission"), "the refusal does not name the policy that refused");
    stage.reeve("policy decisions --outcome deny")?;
    stage.reeve("domain undefine greedy")?;
    Ok(())
}

fn boot_a_guest(stage: &mut Stage) -> Result<()> {
    stage.note_ksm()?;
    stage.reeve("domain start web")?;
    stage.reeve("domain list --all")?;
    stage.wait_for("domain state web", "running", GUEST_PATIENCE)?;
    stage.reeve("domain info web")?;
    Ok(())
}

fn talk_to_the_guest(stage: &mut Stage) -> Result<()> {
    let answer =
        stage.console("web", &["ping", "cpus", "mem fill 0x5eed 32", "disk put 0 0 written-by-the-guest"])?;
    ensure!(answer.contains("ok pong"), "the guest did not answer");
    ensure!(
        stage.disk_begins_with("web.img", b"written-by-the-guest")?,
        "the guest's write is not on the disk"
    );
    Ok(())
}

fn watch_the_tuner(stage: &mut Stage) -> Result<()> {
    stage.wait_for_ksm_change(TUNER_PATIENCE)?;
    stage.reeve("node ksm")?;
    let decisions = stage.reeve("policy decisions --policy ksm-tuner")?;
    ensure!(decisions.contains("adjusted"), "the adjustment is not in the decision log");
    Ok(())
}

fn kill_the_daemon(stage: &mut Stage) -> Result<()> {
    stage.kill_daemon()?;
    stage.start_daemon()?;
    stage.wait_for("domain state web", "running", GUEST_PATIENCE)?;
    // Older answers are shown again, so ask something new.
    let answer = stage.console("web", &["disk read 0 0"])?;
    ensure!(answer.contains("text=written-by-the-guest"), "the guest did not survive the daemon");
    Ok(())
}

fn shut_down(stage: &mut Stage) -> Result<()> {
    stage.reeve("domain shutdown web")?;
    stage.wait_for("domain state web", "shut off", GUEST_PATIENCE)?;
    Ok(())
}

fn read_the_logs(stage: &mut Stage) -> Result<()> {
    stage.reeve("policy decisions")?;
    let journal = stage.reeve("policy decisions --policy journal")?;
    ensure!(journal.contains("notified"), "the journal policy was not told");
    stage.reeve("events --after 0 --timeout 0")?;
    stage.reeve("policy unload ksm-tuner")?;
    stage.check_ksm_restored()
}
