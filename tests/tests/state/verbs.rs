//! Every option of the verbs that save and restore (guide 14.5.21, 14.8.3, 14.8.5, 14.8.7 to 14.8.11, 14.5.1).

use std::ffi::OsStr;
use std::os::unix::fs::FileExt;

use reeve_tests::Run;

use crate::Outcome;
use crate::lab::Lab;

fn reason(lab: &Lab) -> anyhow::Result<(String, String)> {
    let info = lab.json(&["domain", "info", "web"])?;
    let word = |name: &str| info[name].as_str().unwrap_or_default().to_owned();
    Ok((word("state"), word("reason")))
}

fn is(state: &str, reason: &str) -> (String, String) {
    (state.to_owned(), reason.to_owned())
}

#[test]
fn running_and_paused_are_recorded_and_overridden() -> Outcome {
    let lab = Lab::start()?;
    let mut known = lab.boot()?;
    let file = lab.file("web.save");
    lab.reeve(&["domain", "save", "web", &file, "--paused"])?.ok();
    assert_eq!(reason(&lab)?, is("shut-off", "saved"));
    lab.reeve(&["domain", "restore", &file])?.ok();
    assert_eq!(reason(&lab)?, is("paused", "restored"));
    lab.reeve(&["domain", "resume", "web"])?.ok();
    lab.remembers(&mut known)?;
    lab.reeve(&["domain", "suspend", "web"])?.ok();
    lab.reeve(&["domain", "save", "web", &file, "--verbose"])?.ok();
    lab.reeve(&["domain", "restore", &file, "--paused"])?.ok();
    assert_eq!(reason(&lab)?, is("paused", "restored"));
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    lab.reeve(&["domain", "restore", &file, "--running"])?.ok();
    assert_eq!(reason(&lab)?, is("running", "restored"));
    lab.remembers(&mut known)?;
    let said = lab.reeve(&["domain", "restore", &file])?.fails(6);
    assert!(said.contains("is running already"), "{said}");
    assert_eq!(lab.reeve(&["domain", "restore", &file, "--running", "--paused"])?.code, 2);
    Ok(())
}

#[test]
fn a_managed_save_is_listed_used_forgotten_and_in_the_way_of_undefine() -> Outcome {
    let lab = Lab::start()?;
    let mut known = lab.boot()?;
    let names = |options: &[&str]| {
        let run = lab.reeve(&[&["domain", "list", "--name", "--all"], options].concat())?;
        anyhow::Ok(run.ok().trim().to_owned())
    };
    assert_eq!(
        (names(&["--with-managed-save"])?, names(&["--without-managed-save"])?),
        (String::new(), "web".into())
    );
    lab.reeve(&["domain", "managedsave", "web", "--paused"])?.ok();
    assert_eq!(
        (names(&["--with-managed-save"])?, names(&["--without-managed-save"])?),
        ("web".into(), String::new())
    );
    let table = lab.reeve(&["domain", "list", "--all", "--managed-save"])?.ok();
    assert!(table.contains("saved"), "{table}");
    assert!(lab.reeve(&["domain", "list", "--all"])?.ok().contains("shut off"));
    let said = lab.reeve(&["domain", "undefine", "web"])?.fails(6);
    assert!(said.contains("--managed-save"), "{said}");
    lab.reeve(&["domain", "start", "web", "--bypass-cache"])?.ok();
    assert_eq!(reason(&lab)?, is("paused", "restored"));
    lab.reeve(&["domain", "resume", "web"])?.ok();
    lab.remembers(&mut known)?;
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.reeve(&["domain", "start", "web", "--force-boot"])?.ok();
    assert!(lab.ask("mem verify 0x5151 32")?.starts_with("error"), "it booted");
    assert!(lab.managed().is_empty());
    let said = lab.reeve(&["domain", "managedsave-remove", "web"])?.fails(3);
    assert!(said.contains("has no managed save"), "{said}");
    lab.reeve(&["domain", "managedsave", "web", "--running"])?.ok();
    lab.reeve(&["domain", "managedsave-remove", "web"])?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    assert_eq!(reason(&lab)?, is("running", "booted"));
    lab.reeve(&["domain", "managedsave", "web"])?.ok();
    lab.reeve(&["domain", "undefine", "web", "--managed-save"])?.ok();
    assert!(lab.managed().is_empty());
    Ok(())
}

#[test]
fn the_document_in_an_image_is_shown_replaced_and_edited() -> Outcome {
    let lab = Lab::start()?;
    let mut known = lab.boot()?;
    let file = lab.file("web.save");
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    let xml = lab.reeve(&["domain", "save-image-dumpxml", &file])?.ok();
    assert!(xml.contains("<name>web</name>") && xml.contains("<alias name='virtio-disk0'"), "{xml}");
    // The disk moves; the guest does not notice.
    std::fs::rename(lab.path("vda"), lab.path("moved"))?;
    let said = lab.reeve(&["domain", "restore", &file])?;
    assert_ne!(said.code, 0, "{said:?}");
    let moved = xml.replace("/vda'", "/moved'");
    let replace = |xml: &str, options: &[&str]| {
        lab.daemon.reeve_with_input(&[&["domain", "save-image-define", &file, "-"], options].concat(), xml)
    };
    let said = replace(&moved.replace("dev='vda'", "dev='vdz'"), &[])?.fails(7);
    assert!(said.contains("disk vda"), "{said}");
    let said = replace(&moved.replace("65536", "131072"), &[])?.fails(7);
    assert!(said.contains("memory"), "{said}");
    replace(&moved, &["--paused"])?.ok();
    assert!(lab.reeve(&["domain", "save-image-dumpxml", &file, "--security-info"])?.ok().contains("/moved'"));
    let root = lab.daemon.root();
    let edit = |script: &str, options: &[&str]| {
        let words = [&["domain", "save-image-edit", file.as_str()], options].concat();
        Run::reeve(root, &words, "", &[("VISUAL", OsStr::new(script))])
    };
    assert!(edit("true", &[])?.ok().contains("unchanged"));
    edit("sed -i 's,<name>,<title>edited</title><name>,'", &["--running"])?.ok();
    lab.reeve(&["domain", "restore", &file])?.ok();
    assert_eq!(reason(&lab)?, is("running", "restored"));
    assert!(lab.reeve(&["domain", "xml", "web"])?.ok().contains("<title>edited</title>"));
    lab.remembers(&mut known)?;

    // The same with documents of the command line.
    let other = lab.daemon.file("other.xml", &xml.replace("/vda'", "/vdc'"))?;
    lab.reeve(&["domain", "save", "web", &file, "--xml", &other])?.ok();
    std::fs::rename(lab.path("moved"), lab.path("vdc"))?;
    lab.reeve(&["domain", "restore", &file])?.ok();
    lab.remembers(&mut known)?;
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    std::fs::rename(lab.path("vdc"), lab.path("moved"))?;
    let other = lab.daemon.file("again.xml", &moved)?;
    lab.reeve(&["domain", "restore", &file, "--xml", &other])?.ok();
    lab.remembers(&mut known)
}

#[test]
fn a_transient_domain_is_saved_and_comes_back_as_one() -> Outcome {
    let lab = Lab::start()?;
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.daemon.reeve_with_input(&["domain", "create", "-"], &lab.document("web"))?.ok();
    lab.told("mem write 0x77 16")?;
    let said = lab.reeve(&["domain", "managedsave", "web"])?.fails(6);
    assert!(said.contains("is transient"), "{said}");
    let file = lab.file("web.save");
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    lab.reeve(&["domain", "info", "web"])?.fails(3);
    lab.reeve(&["domain", "restore", &file])?.ok();
    lab.told("mem verify 0x77 16")?;
    // The name may be another's by now.
    lab.reeve(&["domain", "destroy", "web"])?.ok();
    lab.define(&lab.document("web"))?;
    let said = lab.reeve(&["domain", "restore", &file])?;
    assert!(said.code != 0 && said.stderr.contains("exists already"), "{said:?}");
    Ok(())
}

#[test]
fn a_restore_that_fails_leaves_the_image_usable() -> Outcome {
    let lab = Lab::start()?;
    let mut known = lab.boot()?;
    let file = lab.file("web.save");
    lab.reeve(&["domain", "save", "web", &file])?.ok();
    std::fs::rename(lab.path("vda"), lab.path("away"))?;
    let said = lab.reeve(&["domain", "restore", &file])?;
    assert!(said.code != 0 && said.stderr.contains("vda"), "{said:?}");
    std::fs::File::create(lab.path("vda"))?.set_len(1 << 20)?;
    let said = lab.reeve(&["domain", "restore", &file])?.fails(7);
    assert!(said.contains("bytes now"), "{said}");
    std::fs::rename(lab.path("away"), lab.path("vda"))?;
    lab.reeve(&["domain", "restore", &file])?.ok();
    lab.remembers(&mut known)?;

    lab.reeve(&["domain", "save", "web", &file])?.ok();
    let image = std::fs::File::options().read(true).write(true).open(lab.path("web.save"))?;
    let (length, mut byte) = (image.metadata()?.len(), [0]);
    let flip = |byte: &mut [u8; 1], at| -> Outcome {
        image.read_exact_at(byte, at)?;
        Ok(image.write_all_at(&[byte[0] ^ 1], at)?)
    };
    for at in [20, 4200, length / 2] {
        flip(&mut byte, at)?;
        let said = lab.reeve(&["domain", "restore", &file])?;
        assert!(said.code != 0 && said.stderr.contains("damaged"), "byte {at}: {said:?}");
        flip(&mut byte, at)?;
    }
    image.set_len(length - 1)?;
    let said = lab.reeve(&["domain", "restore", &file])?.fails(7);
    assert!(said.contains("has another length"), "{said}");
    lab.reeve(&["domain", "restore", &lab.file("vda")])?.fails(7);
    lab.reeve(&["domain", "restore", &lab.file("nothing")])?.fails(3);
    Ok(())
}
