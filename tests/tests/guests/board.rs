//! What a guest finds on its board: SMBIOS.

use reeve_tests::Guest;

use crate::Outcome;
use crate::lab::Lab;

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";

/// A document with something in `<os>` and something after it.
fn document(os: &str, after: &str) -> anyhow::Result<String> {
    let document = Guest::locate()?.document_with("web", 64, "", CONSOLE);
    Ok(document.replace("</os>", &format!("{os}</os>{after}")))
}

fn start(os: &str, after: &str) -> anyhow::Result<Lab> {
    let lab = Lab::with_domain(CONSOLE)?;
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    lab.daemon.reeve_with_input(&["domain", "define", "-"], &document(os, after)?)?.ok();
    lab.reeve(&["domain", "start", "web"])?.ok();
    lab.console("", "reeve-guest: ready")?;
    Ok(lab)
}

/// The UUID of the domain as SMBIOS has it: the first three fields little-endian.
fn wire_uuid(lab: &Lab) -> anyhow::Result<String> {
    let info = lab.json(&["domain", "info", "web"])?;
    let digits: String = info["uuid"].as_str().unwrap_or_default().replace('-', "");
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    Ok(order.iter().map(|byte| &digits[2 * byte..2 * byte + 2]).collect())
}

#[test]
fn a_guest_is_told_what_its_document_says_about_its_machine() -> Outcome {
    let sysinfo = "<sysinfo type='smbios'>\
         <bios><entry name='vendor'>LENOVO</entry><entry name='release'>4.2</entry></bios>\
         <system><entry name='manufacturer'>Fedora</entry><entry name='product'>Virt-Manager</entry>\
         <entry name='serial'>s-1</entry></system>\
         <baseBoard><entry name='product'>board</entry></baseBoard>\
         <chassis><entry name='asset'>a-1</entry></chassis></sysinfo>";
    let lab = start("<smbios mode='sysinfo'/>", sysinfo)?;
    let bios = lab.console("smbios 0", "strings=LENOVO|")?;
    assert!(bios.contains("0402ffff strings=LENOVO|"), "{bios}");
    let system = lab.console("smbios 1", "strings=Fedora|Virt-Manager|s-1")?;
    assert!(system.contains(&wire_uuid(&lab)?), "{system}");
    lab.console("smbios 2", "strings=Reeve|board")?;
    lab.console("smbios 3", "strings=Reeve|a-1")?;
    lab.console("smbios 17", "strings=DIMM 0|Reeve")?;
    // It is there again after a reset.
    lab.reeve(&["domain", "reset", "web"])?.ok();
    lab.console("smbios 1", "strings=Fedora|Virt-Manager|s-1")?;
    let shown = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(shown.contains("<smbios mode='sysinfo'/>") && shown.contains(">LENOVO</entry>"), "{shown}");
    Ok(())
}

#[test]
fn a_guest_that_is_told_nothing_else_is_told_where_it_is() -> Outcome {
    let lab = start("<smbios mode='emulate'/>", "")?;
    lab.console("smbios 1", "strings=Reeve|KVM guest")?;
    lab.console("smbios 2", "error there is no structure of type 2")?;
    let host = start("<smbios mode='host'/>", "")?;
    let read = |name: &str| std::fs::read_to_string(format!("/sys/class/dmi/id/{name}")).unwrap_or_default();
    let product = read("product_name");
    let expected = if product.trim().is_empty() { "KVM guest" } else { product.trim() };
    host.console("smbios 1", expected)?;
    assert!(host.console("smbios 1", "ok bytes=")?.contains(&wire_uuid(&host)?), "its own UUID");
    Ok(())
}

#[test]
fn what_smbios_has_no_place_for_is_refused() -> Outcome {
    let lab = Lab::with_domain(CONSOLE)?;
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    let define = |os: &str, after: &str| {
        lab.daemon.reeve_with_input(&["domain", "define", "-"], &document(os, after)?)
    };
    let said = define("<smbios mode='sysinfo'/>", "")?.fails(7);
    assert!(said.contains("add <sysinfo type='smbios'>"), "{said}");
    // Figure 20.5 of the guide has an entry that its text does not know.
    let unknown = "<sysinfo type='smbios'><system><entry name='vendor'>x</entry></system></sysinfo>";
    define("<smbios mode='sysinfo'/>", unknown)?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(said.contains("no entry 'vendor'") && said.contains("manufacturer"), "{said}");
    lab.reeve(&["domain", "undefine", "web"])?.ok();
    let long = unknown.replace("vendor", "sku").replace(">x<", &format!(">{}<", "x".repeat(65)));
    define("<smbios mode='sysinfo'/>", &long)?.ok();
    let said = lab.reeve(&["domain", "start", "web"])?.fails(1);
    assert!(said.contains("at most 64 printable"), "{said}");
    Ok(())
}
