//! CPU models (guide 14.16, 14.17): what the guide prints, and what becomes of a domain's `<cpu>`.

use reeve_tests::Daemon;

use crate::Outcome;
use crate::lab::Lab;

const WORKSTATION: &str =
    "lahf_lm lm xtpr cx16 ssse3 tm2 est vmx ds_cpl monitor pni pbe tm ht ss sse2 acpi ds clflush apic";
const SERVER: &str = "osvw 3dnowprefetch misalignsse sse4a abm cr8legacy extapic cmp_legacy lahf_lm rdtscp pdpe1gb popcnt cx16 ht vme";

/// The capabilities of a host as the guide shows them.
fn capabilities(arch: &str, model: &str, features: &str) -> String {
    let features: String = features.split(' ').map(|name| format!("<feature name='{name}'/>")).collect();
    format!(
        "<capabilities><host><cpu><arch>{arch}</arch><model>{model}</model>\
         <topology sockets='1' cores='2' threads='1'/>{features}</cpu></host></capabilities>"
    )
}

#[test]
fn the_baseline_of_the_guide_is_printed() -> Outcome {
    let daemon = Daemon::start()?;
    let both = capabilities("i686", "pentium3", WORKSTATION) + &capabilities("x86_64", "phenom", SERVER);
    let file = daemon.file("both-cpus.xml", &both)?;
    let printed = "<cpu match='exact'> <model>pentium3</model> \
                   <feature policy='require' name='lahf_lm'/> <feature policy='require' name='lm'/> \
                   <feature policy='require' name='cx16'/> <feature policy='require' name='monitor'/> \
                   <feature policy='require' name='pni'/> <feature policy='require' name='ht'/> \
                   <feature policy='require' name='sse2'/> <feature policy='require' name='clflush'/> \
                   <feature policy='require' name='apic'/> </cpu>";
    let said = daemon.reeve(&["node", "cpu-baseline", &file])?.ok();
    assert!(said.split_whitespace().eq(printed.split(' ')), "{said}");
    let nothing = daemon.file("nothing.xml", "<domain/>")?;
    assert!(daemon.reeve(&["node", "cpu-baseline", &nothing])?.fails(7).contains("no <cpu>"));
    let strange = daemon.file("strange.xml", "<cpu><model>Hal9000</model></cpu>")?;
    assert!(daemon.reeve(&["node", "cpu-baseline", &strange])?.fails(7).contains("'Hal9000' is not known"));
    Ok(())
}

#[test]
fn the_host_is_compared() -> Outcome {
    let daemon = Daemon::start()?;
    let small = daemon.file("small.xml", "<cpu><model>486</model></cpu>")?;
    let said = daemon.reeve(&["node", "cpu-compare", &small])?.ok();
    assert_eq!(said, format!("Host physical machine CPU is a superset of CPU described in {small}\n"));
    // No CPU was ever made by both.
    let features = "<feature name='3dnow'/><feature name='ia64'/>";
    let odd = daemon.file("odd.xml", &format!("<cpu><model>486</model>{features}</cpu>"))?;
    let said = daemon.reeve(&["node", "cpu-compare", &odd])?.fails(1);
    assert!(said.contains("incompatible") && said.contains("ia64"), "{said}");
    let models = daemon.reeve(&["node", "cpu-models"])?.ok();
    assert!(
        models.contains("Westmere") && models.contains("Opteron_G5") && models.contains("qemu64"),
        "{models}"
    );
    let usable = daemon.reeve(&["node", "cpu-models", "--usable"])?.ok();
    assert!(usable.contains("pentium3") && usable.len() < models.len(), "{usable}");
    Ok(())
}

#[test]
fn a_model_is_checked_before_a_start_and_a_guest_runs_with_one() -> Outcome {
    let lab = Lab::with("", "")?;
    for (cpu, sentence) in [
        ("<cpu mode='custom'><model>Hal9000</model></cpu>", "CPU model 'Hal9000' is not known"),
        ("<cpu><model>pentium3</model><feature policy='require' name='ia64'/></cpu>", "'ia64' is required"),
        ("<cpu><model>pentium3</model><feature policy='forbid' name='sse'/></cpu>", "'sse' is forbidden"),
        ("<cpu match='strict'><model>pentium3</model></cpu>", "exactly this host's, which has more"),
        ("<cpu><topology sockets='3' cores='1' threads='1'/></cpu>", "room for 3 vCPUs, and it has 2"),
        ("<cpu mode='host-passthrough'><model>pentium3</model></cpu>", "neither <model> nor <feature>"),
    ] {
        let warned = lab.define(cpu, "", "")?.stderr;
        assert!(warned.contains("can't be started as it is") && warned.contains(sentence), "{warned}");
        let refused = lab.daemon.reeve(&["domain", "start", "web"])?.fails(1);
        assert!(refused.contains("'web'") && refused.contains(sentence), "{refused}");
    }
    for cpu in [
        "<cpu mode='host-passthrough'/>",
        "<cpu mode='host-model'/>",
        "<cpu match='exact'><model fallback='allow'>qemu64</model><topology sockets='1' cores='1' threads='2'/></cpu>",
    ] {
        lab.define(cpu, "run=cpuid", "")?;
        lab.domain("start", &[])?;
        let vcpus = lab.json("vcpuinfo", &[])?;
        assert_eq!(vcpus.as_array().map(Vec::len), Some(2), "{cpu}");
        lab.domain("destroy", &[])?;
    }
    Ok(())
}
