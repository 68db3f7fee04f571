//! Cores of guests: asked for, given up, and made by themselves.

use std::path::Path;
use std::process::Command;

use reeve_tests::wait;

use crate::faults::begin;
use crate::lab::{Lab, entries};
use crate::{Outcome, PATIENCE};

const PATTERN: u64 = 0x5a5a_0000_0000_0000;

fn unfinished(directory: &Path) -> bool {
    entries(directory).iter().any(|path| path.display().to_string().contains(".dumping-"))
}

/// What a reader of ELF files says of a core.
fn readelf(option: &str, core: &Path) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a test looks with somebody else's eyes")]
    let output = Command::new("readelf").arg("--wide").arg(option).arg(core).output()?;
    anyhow::ensure!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the page at this guest-physical address has the pattern, by what the program headers say.
fn has_pattern(core: &[u8], address: u64) -> bool {
    let word = |at: usize| u64::from_le_bytes(core[at..at + 8].try_into().expect("8 bytes"));
    let headers = (0..usize::from(core[56])).map(|number| 64 + number * 56);
    let load = headers.filter(|at| core[*at] == 1).find(|at| {
        let (start, length) = (word(at + 24), word(at + 32));
        (start..start + length).contains(&address)
    });
    load.is_some_and(|at| {
        let offset = (word(at + 8) + address - word(at + 24)) as usize;
        (0..4096).step_by(8).all(|byte| word(offset + byte) == PATTERN ^ (address + byte as u64))
    })
}

fn patterned_pages(core: &[u8]) -> usize {
    (0..64u64 << 20).step_by(4096).filter(|address| has_pattern(core, *address)).count()
}

#[test]
fn a_core_is_what_readers_of_cores_expect() -> Outcome {
    let lab = Lab::start()?;
    lab.boot()?;
    lab.told(&format!("mem write {PATTERN:#x} 24"))?;
    let (file, path) = (lab.file("web.core"), lab.path("web.core"));
    let said = lab.reeve(&["domain", "dump", "web", &file, "--memory-only", "--verbose"])?.ok();
    assert!(said.contains("Domain 'web' dumped"), "{said}");
    assert_eq!(lab.state()?, "paused");
    let header = readelf("--file-header", &path)?;
    assert!(header.contains("CORE (Core file)") && header.contains("X86-64"), "{header}");
    let segments = readelf("--segments", &path)?;
    assert!(segments.contains("NOTE") && segments.contains("0x4000000 0x4000000"), "{segments}");
    let notes = readelf("--notes", &path)?;
    assert!(notes.contains("NT_PRSTATUS") && notes.contains("QEMU"), "{notes}");
    let core = std::fs::read(&path)?;
    assert!(patterned_pages(&core) >= 24 << 8, "{} pages", patterned_pages(&core));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path)?.permissions());
    assert_eq!(mode & 0o777, 0o600, "it has all that the guest knew");
    lab.reeve(&["domain", "resume", "web"])?.ok();
    lab.told(&format!("mem verify {PATTERN:#x} 24"))?;

    lab.reeve(&["domain", "dump", "web", &file, "--memory-only", "--live", "--bypass-cache"])?.ok();
    assert_eq!(lab.state()?, "running");
    assert!(patterned_pages(&std::fs::read(&path)?) >= 24 << 8);
    lab.reeve(&["domain", "dump", "web", &file, "--memory-only", "--reset"])?.ok();
    assert_eq!(lab.state()?, "running");
    lab.told("ping booted")?;
    lab.reeve(&["domain", "dump", "web", &file, "--memory-only", "--crash"])?.ok();
    let info = lab.json(&["domain", "info", "web"])?;
    assert_eq!((&info["state"], &info["reason"]), (&"crashed".into(), &"dumped".into()), "{info}");
    lab.reeve(&["domain", "start", "web"])?.ok();
    Ok(())
}

#[test]
fn what_is_not_offered_is_refused_with_what_is() -> Outcome {
    let lab = Lab::start()?;
    lab.boot()?;
    let file = lab.file("web.core");
    let dump = |options: &[&str]| lab.reeve(&[&["domain", "dump", "web", &file], options].concat());
    let said = dump(&["--memory-only", "--format", "kdump-snappy"])?.fails(1);
    assert!(said.contains("'kdump-snappy'") && said.contains("'elf'"), "{said}");
    let said = dump(&[])?.fails(1);
    assert!(said.contains("--memory-only") && said.contains("reeve domain save"), "{said}");
    for two in [["--live", "--crash"], ["--live", "--reset"], ["--crash", "--reset"]] {
        dump(&two)?.fails(2);
    }
    assert_eq!(lab.state()?, "running");
    assert!(!lab.path("web.core").exists());
    Ok(())
}

#[test]
fn a_domain_that_is_dumped_or_saved_is_destroyed() -> Outcome {
    let lab = Lab::with_memory(1024)?;
    for (verb, more) in [("dump", &["--memory-only"][..]), ("save", &[])] {
        lab.boot()?;
        lab.told("mem write 0x9 900")?;
        let file = lab.file("web.file");
        let arguments = [&["domain", verb, "web", &file], more].concat();
        let writing = begin(&lab, &arguments);
        let begun =
            || entries(lab.place.path()).iter().any(|path| path.display().to_string().contains("ing-"));
        wait::until("it is being written", PATIENCE, || begun() || writing.is_finished())?;
        let destroyed = lab.reeve(&["domain", "destroy", "web"])?;
        let run = writing.join().expect("the thread lives")?;
        println!("{verb}: {} {}; destroy: {} {}", run.code, run.stderr, destroyed.code, destroyed.stderr);
        let info = lab.json(&["domain", "info", "web"])?;
        assert_eq!(info["state"], "shut-off", "{info}");
        if run.code != 0 {
            destroyed.ok();
            assert!(run.stderr.contains("cancelled"), "{run:?}");
            assert_eq!(info["reason"], "destroyed", "{info}");
            assert!(!lab.path("web.file").exists() && !begun());
        }
        let _ = std::fs::remove_file(lab.path("web.file"));
    }
    Ok(())
}

#[test]
fn a_dump_is_a_job_that_can_be_given_up() -> Outcome {
    let lab = Lab::with_memory(1024)?;
    let mut known = lab.boot()?;
    lab.told("mem write 0x9 900")?;
    lab.told("mem write 0x5151 32")?;
    let file = lab.file("web.core");
    let dumping = begin(&lab, &["domain", "dump", "web", &file, "--memory-only"]);
    wait::until("the dump begins", PATIENCE, || unfinished(lab.place.path()) || dumping.is_finished())?;
    let (mut shown, mut ended) = (false, false);
    wait::until("it is given up", PATIENCE, || {
        let told =
            |words: &[&str]| lab.reeve(words).is_ok_and(|run| run.code == 0 && run.stdout.contains("Dump"));
        shown |= told(&["domain", "domjobinfo", "web"]);
        let abort = || lab.reeve(&["domain", "domjobabort", "web"]);
        ended |= shown && abort().is_ok_and(|run| run.code == 0 && run.stderr.contains("dump"));
        ended || dumping.is_finished()
    })?;
    let run = dumping.join().expect("the thread lives")?;
    if run.code == 0 {
        // It was faster than its end.
        lab.reeve(&["domain", "resume", "web"])?.ok();
    } else {
        assert!(run.stderr.contains("cancelled"), "{run:?}");
        assert!(!lab.path("web.core").exists() && !unfinished(lab.place.path()));
    }
    assert_eq!(lab.state()?, "running");
    lab.remembers(&mut known)
}

#[test]
fn a_daemon_that_is_killed_leaves_no_half_core() -> Outcome {
    let mut lab = Lab::with_memory(512)?;
    let mut known = lab.boot()?;
    lab.told("mem write 0x9 400")?;
    lab.told("mem write 0x5151 32")?;
    for _ in 0..3 {
        let file = lab.file("web.core");
        let dumping = begin(&lab, &["domain", "dump", "web", &file, "--memory-only"]);
        wait::until("the dump begins", PATIENCE, || unfinished(lab.place.path()) || dumping.is_finished())?;
        lab.daemon.kill()?;
        drop(dumping.join().expect("the thread lives"));
        lab.daemon.launch()?;
        assert!(!unfinished(lab.place.path()), "what was not finished is gone");
        if lab.state()? == "paused" {
            // All of it was done but for the last word.
            assert!(lab.path("web.core").exists());
            lab.reeve(&["domain", "resume", "web"])?.ok();
        }
        assert_eq!(lab.state()?, "running");
        lab.remembers(&mut known)?;
    }
    Ok(())
}

/// Files in the directory of cores that nobody asked for.
fn cores(lab: &Lab) -> Vec<String> {
    let paths = entries(&lab.daemon.root().join("var/lib/reeve/dump"));
    let names =
        paths.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("web-") && name.ends_with(".core")).collect()
}

/// Another definition in place of the one there is.
fn redefine(lab: &Lab, document: &str) -> Outcome {
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.define(document)
}

#[test]
fn a_guest_that_crashes_is_dumped_where_that_is_its_action() -> Outcome {
    let lab = Lab::start()?;
    let crashing = |action: &str| {
        let document = lab.document("web");
        assert!(!document.contains("on_crash"));
        document.replace("<devices>", &format!("<on_crash>{action}</on_crash><devices>"))
    };
    redefine(&lab, &crashing("coredump-restart"))?;
    lab.boot()?;
    let _ = lab.tell("crash", "ok crashing");
    wait::until("it is dumped", PATIENCE, || cores(&lab).len() == 1)?;
    wait::until("it runs again", PATIENCE, || {
        lab.ask("ping again").is_ok_and(|said| said.contains("again"))
    })?;
    assert_eq!(lab.state()?, "running");
    lab.reeve(&["domain", "destroy", "web"])?.ok();

    redefine(&lab, &crashing("coredump-destroy"))?;
    lab.boot()?;
    let _ = lab.tell("crash", "ok crashing");
    wait::until("it has crashed", PATIENCE, || lab.state().is_ok_and(|state| state == "crashed"))?;
    wait::until("it is dumped too", PATIENCE, || cores(&lab).len() == 2)?;
    let newest = cores(&lab).into_iter().max().expect("there are two");
    let notes = readelf("--notes", &lab.daemon.root().join("var/lib/reeve/dump").join(newest))?;
    assert!(notes.contains("NT_PRSTATUS"), "{notes}");
    Ok(())
}

#[test]
fn a_guest_whose_watchdog_expires_while_no_daemon_runs_is_dumped_by_the_next() -> Outcome {
    let mut lab = Lab::start()?;
    let watchdog = "<watchdog model='i6300esb' action='dump'/></devices>";
    redefine(&lab, &lab.document("web").replace("</devices>", watchdog))?;
    let mut known = lab.boot()?;
    lab.told("watchdog start 1000")?;
    lab.daemon.kill()?;
    let killed = std::time::Instant::now();
    wait::until("the watchdog expires", PATIENCE, || killed.elapsed().as_secs() >= 4)?;
    lab.daemon.launch()?;
    wait::until("it is dumped", PATIENCE, || cores(&lab).len() == 1)?;
    wait::until("it goes on", PATIENCE, || lab.state().is_ok_and(|state| state == "running"))?;
    lab.remembers(&mut known)
}
