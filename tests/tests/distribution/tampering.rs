//! A registry whose storage is changed behind everybody's back.

use reeve_tests::{Daemon, Options, policy};
use serde_json::Value;

use crate::component::naming;
use crate::registry::Registry;
use crate::{Author, Outcome, define, in_place, install, trusting};

#[test]
fn what_was_changed_in_the_registry_is_refused_and_the_last_good_version_stays() -> Outcome {
    let test = "what_was_changed_in_the_registry_is_refused_and_the_last_good_version_stays";
    let Some(registry) = Registry::open(test)? else { return Ok(()) };
    let author = Author::new()?;
    let key = author.keygen("release")?;
    let config = trusting(&registry.name("*"), &key);
    let daemon = Daemon::start_with(Options { config, ..Options::default() })?;
    let good = registry.name("naming:0.1.0");
    author.push(&policy("naming")?, &good)?;
    author.sign(&good, "release")?;
    install(&daemon, &good, &[])?.ok();
    let before = in_place(&daemon)?;

    let next = registry.name("naming:0.2.0");
    let component = naming("0.2.0")?;
    let file = author.write("naming.wasm", &component)?;
    let digest = author.push(file.as_ref(), &next)?;
    author.sign(&next, "release")?;
    let manifest = std::fs::read(registry.blob(&digest)?)?;
    let read: Value = serde_json::from_slice(&manifest)?;
    let layer = registry.blob(read["layers"][0]["digest"].as_str().unwrap_or_default())?;
    let refused = |reference: &str, code: i32, part: &str| {
        let said = install(&daemon, reference, &[])?.fails(code);
        assert!(said.contains(part), "'{part}' is not in {said}");
        assert_eq!(in_place(&daemon)?, before);
        anyhow::Ok(())
    };

    let mut tampered = component.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    std::fs::write(&layer, &tampered)?;
    refused(&next, 7, "the component of '")?;
    refused(&next, 7, "was changed: its digest is sha256:")?;
    std::fs::write(&layer, &component[..middle])?;
    refused(&next, 7, &format!("is truncated: {middle} of {} bytes", component.len()))?;
    std::fs::write(&layer, [&component[..], b"more"].concat())?;
    refused(&next, 7, &format!("is larger than {} bytes", component.len()))?;
    std::fs::write(&layer, &component)?;

    // A manifest that names an older, signed component: by tag it has no signature, by digest it is another.
    let other = String::from_utf8(manifest.clone())?.replace("\"annotations\":", "\"annotationz\":");
    std::fs::write(registry.blob(&digest)?, &other)?;
    refused(&next, 4, "is not signed")?;
    refused(&registry.name(&format!("naming@{digest}")), 7, "the manifest of '")?;
    std::fs::write(registry.blob(&digest)?, &manifest)?;

    // The signature of another artifact under this one's name.
    let tag = |digest: &str| format!("naming:{}.sig", digest.replace(':', "-"));
    let exchanged = author.push(&policy("admission")?, &registry.name("naming:x"))?;
    author.sign(&registry.name("naming:x"), "release")?;
    copy_manifest(&registry, &tag(&exchanged), &tag(&digest))?;
    refused(&next, 4, "is of another artifact")?;
    define(&daemon, "shop")?.fails(4);

    author.policy(&["push", &file, &registry.name("again/naming:0.2.0")])?.ok();
    author.sign(&registry.name("again/naming:0.2.0"), "release")?;
    install(&daemon, &registry.name("again/naming:0.2.0"), &[])?.ok();
    assert_eq!(in_place(&daemon)?.0, "0.2.0");
    Ok(())
}

/// Lets one tag of repository `naming` point where another does.
fn copy_manifest(registry: &Registry, from: &str, to: &str) -> Outcome {
    let link = |tag: &str| {
        let tag = tag.strip_prefix("naming:").unwrap_or(tag);
        registry.tag(&format!("naming/_manifests/tags/{tag}/current/link"))
    };
    std::fs::write(link(to), std::fs::read(link(from))?)?;
    Ok(())
}
