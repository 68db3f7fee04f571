//! Definitions of networks: taken in, shown, changed, removed.

use crate::Outcome;
use crate::lab::{Lab, document};

#[test]
fn a_definition_is_shown_changed_and_removed() -> Outcome {
    let lab = Lab::start()?;
    let said = lab.daemon.reeve_with_input(&["network", "define", "-"], &document("lab", "labbr", 77))?.ok();
    assert_eq!(said, "Network 'lab' defined\n");
    assert_eq!(lab.reeve(&["network", "list", "--all", "--name"])?.ok(), "default\nlab\n");
    assert_eq!(lab.reeve(&["network", "list", "--name"])?.ok(), "", "neither is active");
    assert!(lab.links()?.is_empty(), "a definition makes nothing");

    let uuid = lab.reeve(&["network", "uuid", "lab"])?.ok();
    assert_eq!(lab.reeve(&["network", "name", uuid.trim()])?.ok(), "lab\n");
    let info = lab.info("lab")?;
    assert_eq!(info["uuid"], uuid.trim());
    assert_eq!(
        (&info["active"], &info["persistent"], &info["mode"]),
        (&false.into(), &true.into(), &"nat".into())
    );
    let shown = lab.reeve(&["network", "info", "lab"])?.ok();
    assert!(shown.contains("192.168.77.1/24") && shown.contains("labbr"), "{shown}");

    let edited = lab.reeve_with_editor(&["network", "edit", "lab"], "sed -i s/77.150/77.160/")?.ok();
    assert_eq!(edited, "Network 'lab' edited\n");
    let xml = lab.reeve(&["network", "xml", "lab"])?.ok();
    assert!(xml.contains("192.168.77.160") && xml.contains("labbr"), "{xml}");
    assert_eq!(
        lab.reeve_with_editor(&["network", "edit", "lab"], "true")?.ok(),
        "Network 'lab' is unchanged\n"
    );

    lab.reeve(&["network", "autostart", "lab"])?.ok();
    assert_eq!(lab.reeve(&["network", "list", "--all", "--autostart", "--name"])?.ok(), "lab\n");
    lab.reeve(&["network", "autostart", "lab", "--disable"])?.ok();
    assert_eq!(lab.reeve(&["network", "list", "--all", "--autostart", "--name"])?.ok(), "");

    assert_eq!(lab.reeve(&["network", "undefine", "lab"])?.ok(), "Network 'lab' undefined\n");
    assert_eq!(lab.reeve(&["network", "list", "--all", "--name"])?.ok(), "default\n");
    Ok(())
}

#[test]
fn what_is_no_network_is_refused() -> Outcome {
    let lab = Lab::with(&document("lab", "labbr", 77))?;
    let said = lab.reeve(&["network", "info", "nobody"])?.fails(3);
    assert!(
        said.contains("network 'nobody' does not exist") && said.contains("reeve network list --all"),
        "{said}"
    );
    let said = lab.define("<network><name>x</name>")?.fails(7);
    assert!(!said.is_empty());
    let said = lab
        .define(
            &document("lab", "other", 78)
                .replace("<name>", "<uuid>5a8e3a0e-0ab7-4a9b-8a3a-6c1d2d3c4b5a</uuid><name>"),
        )?
        .fails(6);
    assert!(said.contains("a network named 'lab' exists already"), "{said}");
    let said = lab.define(&document("other", "labbr", 78))?.fails(6);
    assert!(said.contains("'labbr'") && said.contains("'lab'"), "{said}");
    let said = lab.reeve(&["network", "destroy", "lab"])?.fails(6);
    assert!(said.contains("network 'lab' is not active"), "{said}");
    Ok(())
}
