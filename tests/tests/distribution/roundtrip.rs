//! Pushing, pulling, signing and verifying without a daemon.

use std::os::unix::fs::MetadataExt;

use reeve_tests::policy;

use crate::authority::Authority;
use crate::registry::{Registry, USER};
use crate::{Author, Outcome};

#[test]
fn what_is_pushed_is_pulled_by_tag_and_by_digest() -> Outcome {
    let Some(registry) = Registry::open("what_is_pushed_is_pulled_by_tag_and_by_digest")? else {
        return Ok(());
    };
    let author = Author::new()?;
    let component = policy("naming")?;
    let to = registry.name("team/policies/naming:0.1.0");
    let digest = author.push(&component, &to)?;
    assert!(digest.starts_with("sha256:"), "{digest}");
    assert_eq!(author.push(&component, &to)?, digest, "the same component is the same artifact");

    let pinned = registry.name(&format!("team/policies/naming@{digest}"));
    for from in [to.as_str(), pinned.as_str()] {
        let file = author.file("pulled.wasm");
        author.policy(&["pull", from, "--file", &file])?.ok();
        assert_eq!(std::fs::read(&file)?, std::fs::read(&component)?);
        std::fs::remove_file(file)?;
    }
    let missing = author.policy(&["pull", &registry.name("team/policies/naming:9")])?.fails(3);
    assert!(missing.contains("there is no artifact '"), "{missing}");
    let no_tag = author.policy(&["push", &component.to_string_lossy(), &pinned])?.fails(7);
    assert!(no_tag.contains("has no tag"), "{no_tag}");
    let no_policy = author.write("text.wasm", b"hello")?;
    let said = author.policy(&["push", &no_policy, &to])?.fails(7);
    assert!(said.contains("text.wasm' is not a policy"), "{said}");
    Ok(())
}

#[test]
fn signatures_are_of_a_key_and_an_artifact() -> Outcome {
    let Some(registry) = Registry::open("signatures_are_of_a_key_and_an_artifact")? else { return Ok(()) };
    let author = Author::new()?;
    author.keygen("mine")?;
    author.keygen("other")?;
    let to = registry.name("naming:0.1.0");
    author.push(&policy("naming")?, &to)?;
    let (mine, other) = (author.file("mine.pub"), author.file("other.pub"));

    let unsigned = author.policy(&["verify", &to, "--key", &mine])?.fails(4);
    assert!(unsigned.contains("is not signed"), "{unsigned}");
    author.sign(&to, "other")?;
    let wrong = author.policy(&["verify", &to, "--key", &mine])?.fails(4);
    assert!(wrong.contains("by none of the 1 keys") && wrong.contains("signatures: 1"), "{wrong}");
    let refused = author.policy(&["pull", &to, "--key", &mine, "--file", &author.file("x.wasm")])?.fails(4);
    assert!(refused.contains("by none of the 1 keys"), "{refused}");
    assert!(!author.path("x.wasm").exists(), "what is not trusted is not written");

    // A second signature stands beside the first; the same key again changes nothing.
    author.sign(&to, "mine")?;
    author.sign(&to, "mine")?;
    for key in [&mine, &other] {
        assert!(author.policy(&["verify", &to, "--key", key])?.ok().contains("is signed\nKey sha256:"));
    }
    author.policy(&["pull", &to, "--key", &mine, "--file", &author.file("x.wasm")])?.ok();

    assert_eq!(std::fs::metadata(author.path("mine"))?.mode() & 0o777, 0o600);
    std::fs::set_permissions(author.path("mine"), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let exposed = author.policy(&["sign", &to, "--key", &author.file("mine")])?.fails(7);
    assert!(exposed.contains("can be read by others") && exposed.contains("chmod 600"), "{exposed}");
    Ok(())
}

#[test]
fn a_file_has_its_signature_beside_it() -> Outcome {
    let author = Author::new()?;
    author.keygen("mine")?;
    author.keygen("other")?;
    let file = author.write("naming.wasm", &std::fs::read(policy("naming")?)?)?;
    let (mine, other) = (author.file("mine.pub"), author.file("other.pub"));
    let unsigned = author.policy(&["verify", &file, "--key", &mine])?.fails(4);
    assert!(unsigned.contains("naming.wasm' is not signed"), "{unsigned}");
    author.sign(&file, "mine")?;
    assert!(author.path("naming.wasm.sig").exists());
    author.policy(&["verify", &file, "--key", &other, "--key", &mine])?.ok();
    author.policy(&["verify", &file, "--key", &other])?.fails(4);
    author.write("naming.wasm", b"tampered")?;
    let tampered = author.policy(&["verify", &file, "--key", &mine])?.fails(4);
    assert!(tampered.contains("or of other bytes"), "{tampered}");
    Ok(())
}

#[test]
fn a_private_authority_and_a_password_guard_a_registry() -> Outcome {
    let authority = Authority::new()?;
    let test = "a_private_authority_and_a_password_guard_a_registry";
    let Some(registry) = Registry::guarded(test, &authority)? else { return Ok(()) };
    let author = Author::new()?;
    let component = policy("naming")?.to_string_lossy().into_owned();
    let to = registry.name("policies/naming:0.1.0");
    let ca = author.write("ca.pem", authority.ca.as_bytes())?;

    let stranger = author.policy(&["push", &component, &to])?.fails(6);
    assert!(stranger.contains("cannot be trusted") && stranger.contains("--ca"), "{stranger}");
    let nobody = author.policy(&["push", &component, &to, "--ca", &ca])?.fails(4);
    assert!(nobody.contains("it asks for credentials, and there are none for it"), "{nobody}");
    let login = |password: &str| {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{}:{password}", USER.0));
        format!(r#"{{"auths": {{"{}": {{"auth": "{auth}"}}}}}}"#, registry.host())
    };
    author.write("config.json", login("wrong").as_bytes())?;
    let wrong = author.policy(&["push", &component, &to, "--ca", &ca])?.fails(4);
    assert!(wrong.contains("does not accept the credentials") && !wrong.contains("wrong"), "{wrong}");
    let helper = format!(r#"{{"credHelpers": {{"{}": "pass"}}}}"#, registry.host());
    author.write("config.json", helper.as_bytes())?;
    let helper = author.policy(&["push", &component, &to, "--ca", &ca])?.fails(7);
    assert!(helper.contains("docker-credential-pass") && helper.contains("DOCKER_CONFIG"), "{helper}");

    author.write("config.json", login(USER.1).as_bytes())?;
    let said = author.policy(&["push", &component, &to, "--ca", &ca])?.ok();
    assert!(said.contains("Pushed ") && !said.contains(USER.1), "{said}");
    author.keygen("mine")?;
    author.policy(&["sign", &to, "--key", &author.file("mine"), "--ca", &ca])?.ok();
    author.policy(&["verify", &to, "--key", &author.file("mine.pub"), "--ca", &ca])?.ok();
    author.policy(&["pull", &to, "--ca", &ca, "--file", &author.file("pulled.wasm")])?.ok();
    assert_eq!(std::fs::read(author.path("pulled.wasm"))?, std::fs::read(component)?);
    Ok(())
}
