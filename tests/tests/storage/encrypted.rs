//! Encrypted volumes: qemu opens what is made, with the secret's passphrase and no other.

use serde_json::Value;

use reeve_tests::program;

use crate::Outcome;
use crate::lab::Lab;

pub const SECRET: &str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
pub const OTHER: &str = "1a81f5b2-8403-7b23-c8d6-21ccc2f80d6f";
pub const PASSPHRASE: &str = "correct horse battery staple";

fn volume(name: &str, secret: &str) -> String {
    format!(
        "<volume><name>{name}</name><capacity unit='MiB'>8</capacity><allocation>0</allocation><target>\
         <encryption format='luks'><secret type='passphrase' {secret}/></encryption></target></volume>"
    )
}

/// The length of a volume, from qemu that opens it with a passphrase.
fn opened(lab: &Lab, name: &str, passphrase: &str) -> anyhow::Result<String> {
    let key = lab.place.path().join("passphrase");
    std::fs::write(&key, passphrase)?;
    let object = format!("secret,id=key,file={},format=raw", key.display());
    let image = format!("driver=luks,key-secret=key,file.filename={}", lab.images().join(name).display());
    program("qemu-io", &["--object", &object, "--image-opts", "-r", "-c", "length", &image])
}

#[test]
fn an_encrypted_volume_from_its_secret_to_its_end() -> Outcome {
    let mut lab = Lab::with_pool()?;
    let create = |lab: &Lab, document: &str, more: &[&str]| {
        lab.daemon.reeve_with_input(&[&["vol", "create", "lab", "-"], more].concat(), document)
    };
    let by_uuid = format!("uuid='{SECRET}'");
    let said = create(&lab, &volume("a", &by_uuid), &[])?.fails(7);
    assert!(said.contains(&format!("there is no secret '{SECRET}'")), "{said}");
    for (uuid, usage) in [(SECRET, "/srv/a"), (OTHER, "/srv/b")] {
        let document = format!(
            "<secret private='yes'><uuid>{uuid}</uuid><usage type='volume'><volume>{usage}</volume></usage></secret>"
        );
        lab.daemon.reeve_with_input(&["secret", "define", "-"], &document)?.ok();
    }
    let said = create(&lab, &volume("a", &by_uuid), &[])?.fails(6);
    assert!(said.contains("secret '/srv/a' has no value"), "{said}");
    lab.daemon.reeve_with_input(&["secret", "set-value", SECRET], PASSPHRASE)?.ok();
    lab.daemon.reeve_with_input(&["secret", "set-value", OTHER], "another one")?.ok();
    let said = create(&lab, &volume("a", &by_uuid).replace("luks", "qcow"), &[])?.fails(1);
    assert!(said.contains("'luks' is"), "{said}");
    let qcow2 = volume("a", &by_uuid).replace("<target>", "<target><format type='qcow2'/>");
    let said = create(&lab, &qcow2, &[])?.fails(1);
    assert!(said.contains("write <format type='raw'/>"), "{said}");
    let without =
        "<volume><name>a</name><capacity>1</capacity><target><encryption format='luks'/></target></volume>";
    let said = create(&lab, without, &[])?.fails(7);
    assert!(said.contains("it names 0 secrets"), "{said}");
    assert!(lab.volumes("lab")?.is_empty());

    let made = create(&lab, &volume("a", "usage='/srv/a'"), &[])?;
    assert!(!made.stderr.contains("warning"), "{}", made.stderr);
    made.ok();
    assert!(opened(&lab, "a", PASSPHRASE)?.contains("8 MiB"));
    assert!(format!("{:#}", opened(&lab, "a", "a guess").unwrap_err()).contains("Invalid password"));

    // What it is encrypted with is known, and stays so over a restart.
    lab.daemon.kill()?;
    lab.daemon.launch()?;
    let info = lab.json(&["vol", "info", "--pool", "lab", "a"])?;
    assert_eq!((&info["capacity"], &info["format"]), (&(8 << 20).into(), &"raw".into()));
    assert_eq!(info["encryption"], serde_json::json!({ "format": "luks", "secret": SECRET }));
    let shown = lab.reeve(&["vol", "info", "--pool", "lab", "a"])?.ok();
    assert!(shown.contains(&format!("luks, secret {SECRET}")), "{shown}");
    let xml = lab.reeve(&["vol", "xml", "--pool", "lab", "a"])?.ok();
    assert!(xml.contains("<encryption format='luks'>") && xml.contains(&format!("uuid='{SECRET}'")), "{xml}");

    // Its keys are not written over by an upload; a download is the container.
    let file = lab.place.path().join("file");
    std::fs::write(&file, "in the clear")?;
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &file.display().to_string()])?.fails(1);
    assert!(said.contains("it is encrypted"), "{said}");
    lab.reeve(&["vol", "download", "--pool", "lab", "a", &file.display().to_string()])?.ok();
    assert!(std::fs::read(&file)?.starts_with(b"LUKS\xba\xbe"));

    // Larger and smaller for who has the passphrase; a copy has the same, and no other.
    lab.reeve(&["vol", "resize", "--pool", "lab", "a", "12M"])?.ok();
    assert!(opened(&lab, "a", PASSPHRASE)?.contains("12 MiB"));
    lab.reeve(&["vol", "resize", "--pool", "lab", "a", "10M", "--shrink"])?.ok();
    assert!(opened(&lab, "a", PASSPHRASE)?.contains("10 MiB"));
    lab.reeve(&["vol", "clone", "--pool", "lab", "a", "b"])?.ok();
    assert!(opened(&lab, "b", PASSPHRASE)?.contains("10 MiB"));
    assert_eq!(lab.json(&["vol", "info", "--pool", "lab", "b"])?["encryption"]["secret"], SECRET);
    let copy = |secret: &str| volume("c", secret).replace("<capacity unit='MiB'>8</capacity>", "");
    let from = ["vol", "create-from", "lab", "-", "a"];
    let wrong = copy(&format!("uuid='{OTHER}'"));
    let said = lab.daemon.reeve_with_input(&from, &wrong)?.fails(7);
    assert!(said.contains("does not open it"), "{said}");
    lab.daemon.reeve_with_input(&["vol", "create-from", "lab", "-", "a"], &copy(&by_uuid))?.ok();
    assert!(opened(&lab, "c", PASSPHRASE)?.contains("10 MiB"));
    lab.reeve(&["vol", "create-as", "lab", "plain", "1M"])?.ok();
    let said =
        lab.daemon.reeve_with_input(&["vol", "create-from", "lab", "-", "plain"], &copy(&by_uuid))?.fails(1);
    assert!(said.contains("it is not encrypted"), "{said}");

    // Wiped, nothing opens it any more.
    lab.reeve(&["vol", "wipe", "--pool", "lab", "a"])?.ok();
    let info = lab.json(&["vol", "info", "--pool", "lab", "a"])?;
    assert!(
        matches!(&info["fault"], Value::String(fault) if fault.contains("LUKS header is gone")),
        "{info}"
    );
    lab.reeve(&["vol", "resize", "--pool", "lab", "a", "20M"])?.fails(6);
    for name in ["a", "b", "c"] {
        lab.reeve(&["vol", "delete", "--pool", "lab", name])?.ok();
    }
    assert!(!lab.daemon.log().contains("horse"), "the passphrase is in the log");
    Ok(())
}

/// A guest may write what looks like a container to its raw disk: it stays raw.
#[test]
fn what_a_guest_writes_makes_no_volume_encrypted() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "guest", "4M"])?.ok();
    let file = std::fs::File::options().write(true).open(lab.images().join("guest"))?;
    std::os::unix::fs::FileExt::write_all_at(&file, b"LUKS\xba\xbe\0\x01", 0)?;
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    let info = lab.json(&["vol", "info", "--pool", "lab", "guest"])?;
    assert_eq!((&info["encryption"], &info["fault"]), (&Value::Null, &Value::Null));
    // A container that somebody else made is one.
    let theirs = lab.images().join("theirs").display().to_string();
    let key = lab.place.path().join("passphrase");
    std::fs::write(&key, PASSPHRASE)?;
    let object = format!("secret,id=key,file={},format=raw", key.display());
    let options = "key-secret=key,iter-time=10";
    program("qemu-img", &["create", "-q", "--object", &object, "-f", "luks", "-o", options, &theirs, "6M"])?;
    lab.reeve(&["pool", "refresh", "lab"])?.ok();
    let info = lab.json(&["vol", "info", "--pool", "lab", "theirs"])?;
    assert_eq!((&info["capacity"], &info["encryption"]["format"]), (&(6 << 20).into(), &"luks".into()));
    Ok(())
}
