//! Packet filters as documents.

use crate::Outcome;
use crate::lab::Lab;

const WEB: &str = "<filter name='web' chain='root'><rule action='accept' direction='in' priority='500'>\
                   <tcp dstportstart='80'/></rule></filter>";

fn referring(name: &str, to: &str) -> String {
    format!("<filter name='{name}' chain='root'><filterref filter='{to}'/></filter>")
}

#[test]
fn a_filter_is_defined_shown_changed_and_removed() -> Outcome {
    let lab = Lab::start()?;
    let shipped = lab.reeve(&["nwfilter", "list", "--name"])?.ok();
    assert!(shipped.lines().any(|name| name == "clean-traffic"), "{shipped}");
    let said = lab.daemon.reeve_with_input(&["nwfilter", "define", "-"], WEB)?.ok();
    assert_eq!(said, "Packet filter 'web' defined\n");
    let xml = lab.reeve(&["nwfilter", "xml", "web"])?.ok();
    assert!(xml.contains("dstportstart='80'") && xml.contains("<uuid>"), "{xml}");
    let edited =
        lab.reeve_with_editor(&["nwfilter", "edit", "web"], r#"sed -i "s/start='80'/start='443'/""#)?.ok();
    assert_eq!(edited, "Packet filter 'web' edited\n");
    let listed = lab.reeve(&["nwfilter", "list", "--name"])?.ok();
    assert_eq!(listed.lines().count(), shipped.lines().count() + 1);
    assert_eq!(lab.reeve(&["nwfilter", "undefine", "web"])?.ok(), "Packet filter 'web' undefined\n");
    assert_eq!(lab.reeve(&["nwfilter", "list", "--name"])?.ok(), shipped);
    Ok(())
}

#[test]
fn what_can_not_be_a_filter_is_refused() -> Outcome {
    let lab = Lab::start()?;
    let define = |document: &str| lab.daemon.reeve_with_input(&["nwfilter", "define", "-"], document);
    let said = define(&WEB.replace("'500'", "'5000'"))?.fails(7);
    assert!(said.contains("priority") || said.contains("5000"), "{said}");
    let said = lab.reeve(&["nwfilter", "xml", "nobody"])?.fails(3);
    assert!(said.contains("packet filter 'nobody' does not exist"), "{said}");

    let later = define(&referring("a", "b"))?;
    assert!(later.stderr.contains("'b', which does not exist yet"), "{later:?}");
    let said = define(&referring("b", "a"))?.fails(7);
    assert!(said.contains("'b'"), "{said}");
    define(WEB)?.ok();
    define(&referring("a", "web"))?.ok();
    let said = lab.reeve(&["nwfilter", "undefine", "web"])?.fails(6);
    assert!(said.contains("'web'") && said.contains("'a'"), "{said}");
    Ok(())
}
