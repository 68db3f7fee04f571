//! The life of a pool on the command line (guide 12.3, 14.11).

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;

use reeve_tests::{Run, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

#[test]
fn a_pool_from_its_definition_to_its_end() -> Outcome {
    let lab = Lab::start()?;
    let path = lab.images().display().to_string();
    let define = ["pool", "define-as", "guest_images", "dir", "-", "-", "-", "-", &path];
    let printed = lab.reeve(&[&define[..], &["--print-xml"]].concat())?.ok();
    assert!(printed.starts_with("<pool type='dir'>") && printed.contains(&path), "{printed}");
    lab.reeve(&["pool", "info", "guest_images"])?.fails(3);
    assert_eq!(lab.reeve(&define)?.ok(), "Pool 'guest_images' defined\n");
    let shown = lab.reeve(&["pool", "info", "guest_images"])?.ok();
    assert!(shown.starts_with("Name:  ") && !shown.contains("::"), "{shown}");
    let info = lab.json(&["pool", "info", "guest_images"])?;
    assert_eq!(
        (&info["active"], &info["autostart"], &info["persistent"]),
        (&false.into(), &false.into(), &true.into())
    );
    assert!(!lab.images().exists(), "a definition makes nothing");
    let said = lab.reeve(&["pool", "start", "guest_images"])?.fails(1);
    assert!(said.contains("can't be opened"), "{said}");

    assert_eq!(lab.reeve(&["pool", "build", "guest_images"])?.ok(), "Pool 'guest_images' built\n");
    assert_eq!(lab.images().metadata()?.permissions().mode() & 0o7777, 0o700);
    let said = lab.reeve(&["pool", "build", "guest_images", "--overwrite"])?.fails(7);
    assert!(said.contains("formats nothing"), "{said}");
    assert_eq!(lab.reeve(&["pool", "start", "guest_images"])?.ok(), "Pool 'guest_images' started\n");
    let said = lab.reeve(&["pool", "start", "guest_images"])?.fails(6);
    assert!(said.contains("is active already"), "{said}");
    assert_eq!(
        lab.reeve(&["pool", "autostart", "guest_images"])?.ok(),
        "Pool 'guest_images' marked as autostarted\n"
    );
    let listed = lab.reeve(&["pool", "list", "--type", "dir,fs", "--details"])?.ok();
    assert!(listed.contains("guest_images") && listed.contains("GiB"), "{listed}");
    let shown = lab.reeve(&["pool", "info", "guest_images"])?.ok();
    assert!(shown.contains("running") && shown.contains("Available:"), "{shown}");
    let uuid = lab.reeve(&["pool", "uuid", "guest_images"])?.ok();
    assert_eq!(lab.reeve(&["pool", "name", uuid.trim()])?.ok(), "guest_images\n");
    let live = lab.reeve(&["pool", "xml", "guest_images"])?.ok();
    let inactive = lab.reeve(&["pool", "xml", "guest_images", "--inactive"])?.ok();
    assert!(live.contains("<capacity unit='bytes'>") && !inactive.contains("<capacity"), "{live}{inactive}");

    // Somebody puts a file there.
    std::fs::write(lab.images().join("put.img"), "x")?;
    assert!(lab.volumes("guest_images")?.is_empty());
    assert_eq!(lab.reeve(&["pool", "refresh", "guest_images"])?.ok(), "Pool 'guest_images' refreshed\n");
    assert_eq!(lab.volumes("guest_images")?, ["put.img"]);

    lab.reeve(&["pool", "undefine", "guest_images"])?.fails(6);
    lab.reeve(&["pool", "delete", "guest_images"])?.fails(6);
    assert_eq!(lab.reeve(&["pool", "destroy", "guest_images"])?.ok(), "Pool 'guest_images' destroyed\n");
    lab.reeve(&["vol", "list", "guest_images"])?.fails(6);
    let said = lab.reeve(&["pool", "delete", "guest_images"])?.fails(6);
    assert!(said.contains("is not empty") && lab.images().join("put.img").exists(), "{said}");
    std::fs::remove_file(lab.images().join("put.img"))?;
    assert_eq!(lab.reeve(&["pool", "delete", "guest_images"])?.ok(), "Pool 'guest_images' deleted\n");
    assert!(!lab.images().exists());
    assert_eq!(lab.reeve(&["pool", "undefine", "guest_images"])?.ok(), "Pool 'guest_images' undefined\n");
    let said = lab.reeve(&["pool", "info", "guest_images"])?.fails(3);
    assert!(said.contains("storage pool 'guest_images' does not exist"), "{said}");
    Ok(())
}

#[test]
fn documents_are_taken_in_edited_and_refused() -> Outcome {
    let lab = Lab::start()?;
    let document = |name: &str| {
        format!(
            "<pool type='dir'><name>{name}</name><target><path>{}</path></target></pool>",
            lab.images().display()
        )
    };
    let said = lab.daemon.reeve_with_input(&["pool", "define", "-"], &document("a"))?.ok();
    assert_eq!(said, "Pool 'a' defined\n");
    let said = lab.daemon.reeve_with_input(&["pool", "define", "-"], &document("a"))?.fails(6);
    assert!(said.contains("named 'a' exists already"), "{said}");
    let environment = [("EDITOR", OsStr::new("sed -i s/images/pictures/")), ("VISUAL", OsStr::new(""))];
    let edited = Run::reeve(lab.daemon.root(), &["pool", "edit", "a"], "", &environment)?.ok();
    assert_eq!(edited, "Pool 'a' edited\n");
    assert!(lab.reeve(&["pool", "xml", "a"])?.ok().contains("pictures"));
    for (kind, reason) in [("mpath", "advises against"), ("gluster", "is no pool"), ("rbd", "client library")]
    {
        let document = document("b")
            .replace("'dir'", &format!("'{kind}'"))
            .replace("<target>", "<source><adapter name='host1'/><name>v</name></source><target>");
        let said = lab.daemon.reeve_with_input(&["pool", "define", "-"], &document)?.fails(1);
        assert!(said.contains(reason), "{said}");
    }
    // An adapter may come later than its pool.
    let adapter = ["scsi", "--adapter-name", "host4711", "--target", "/dev/disk/by-path"];
    lab.reeve(&[&["pool", "define-as", "adapter"], &adapter[..]].concat())?.ok();
    assert!(lab.reeve(&["pool", "xml", "adapter"])?.ok().contains("<adapter name='host4711'/>"));
    let said = lab.reeve(&["pool", "start", "adapter"])?.fails(6);
    assert!(said.contains("SCSI adapter 'host4711' is not there; this host has"), "{said}");
    lab.reeve(&["pool", "undefine", "adapter"])?.ok();
    let fibre = document("vhba").replace("'dir'", "'scsi'").replace(
        "<target>",
        "<source><adapter type='fc_host' parent='host5' wwnn='20000000c9831b4b' wwpn='10000000c9831b4b'/></source><target>",
    );
    let said = lab.daemon.reeve_with_input(&["pool", "define", "-"], &fibre)?.fails(1);
    assert!(said.contains("NPIV") && said.contains("vport_create"), "{said}");
    // A transient pool is gone when it stops.
    std::fs::create_dir(lab.images())?;
    let said = lab.daemon.reeve_with_input(&["pool", "create", "-"], &document("brief"))?.ok();
    assert_eq!(said, "Pool 'brief' created\n");
    lab.reeve(&["pool", "autostart", "brief"])?.fails(6);
    lab.reeve(&["pool", "destroy", "brief"])?.ok();
    lab.reeve(&["pool", "info", "brief"])?.fails(3);
    let path = lab.images().display().to_string();
    let said = lab.reeve(&["pool", "create-as", "short", "dir", "--target", &path])?.ok();
    assert_eq!(said, "Pool 'short' created\n");
    lab.reeve(&["pool", "destroy", "short"])?.ok();
    Ok(())
}

/// Guide 11.1: the pool that every host has.
#[test]
fn the_default_pool_starts_with_the_daemon() -> Outcome {
    let mut lab = Lab::start()?;
    let active = |lab: &Lab| lab.reeve(&["pool", "list", "--name"]).map(|run| run.stdout).unwrap_or_default();
    wait::until("the default pool runs", PATIENCE, || active(&lab) == "default\n")?;
    let info = lab.json(&["pool", "info", "default"])?;
    let path = lab.daemon.root().join("var/lib/reeve/images");
    assert_eq!((&info["autostart"], &info["path"]), (&true.into(), &path.display().to_string().into()));
    lab.reeve(&["pool", "destroy", "default"])?.ok();
    lab.reeve(&["pool", "undefine", "default"])?.ok();
    lab.daemon.stop()?;
    lab.daemon.launch()?;
    lab.reeve(&["pool", "info", "default"])?.fails(3);
    Ok(())
}
