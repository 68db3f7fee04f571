//! What a hostile registry may answer, and that each of it is refused with its reason.

use reeve_oci::Digest;
use serde_json::{Value, json};

use crate::liar::{Liar, manifest, ok, see};
use crate::{Author, Outcome};

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MANIFEST: &str = "/v2/x/manifests/1";

/// What `reeve policy pull` says; it must fail with `code` and write nothing.
fn refused(liar: &Liar, reference: &str, code: i32) -> anyhow::Result<String> {
    let author = Author::new()?;
    let file = author.file("pulled.wasm");
    let said =
        author.policy(&["pull", &format!("{}/{reference}", liar.host()), "--file", &file])?.fails(code);
    assert!(!author.path("pulled.wasm").exists(), "{said}");
    Ok(said)
}

fn blob() -> String {
    format!("/v2/x/blobs/{}", Digest::of(COMPONENT))
}

#[test]
fn an_honest_answer_is_taken() -> Outcome {
    let (liar, author) = (Liar::new()?, Author::new()?);
    liar.artifact(&manifest(COMPONENT), COMPONENT);
    let file = author.file("pulled.wasm");
    author.policy(&["pull", &format!("{}/x:1", liar.host()), "--file", &file])?.ok();
    assert_eq!(std::fs::read(file)?, COMPONENT);
    Ok(())
}

#[test]
fn manifests_that_are_no_policies_are_refused() -> Outcome {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 8] = [
        (
            |m| m["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json"),
            "not a Wasm artifact",
        ),
        (
            |m| m["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar"),
            "layer has the media type",
        ),
        (|m| m["layers"] = json!([m["layers"][0], m["layers"][0]]), "it has 2 layers"),
        (|m| m["layers"] = json!([]), "it has 0 layers"),
        (
            |m| m["layers"][0]["size"] = json!(1_u64 << 40),
            "says it has 1099511627776 bytes, 67108864 are the most",
        ),
        (|m| m["layers"][0]["digest"] = json!("md5:00"), "is not a digest"),
        (|m| *m = json!({"schemaVersion": 2, "manifests": []}), "an index of several images"),
        (|m| *m = json!(["no", "manifest"]), "not an OCI image manifest"),
    ];
    for (change, part) in cases {
        let liar = Liar::new()?;
        let mut lie = manifest(COMPONENT);
        change(&mut lie);
        liar.artifact(&lie, COMPONENT);
        let said = refused(&liar, "x:1", 7)?;
        assert!(said.contains("is not a policy") && said.contains(part), "'{part}' is not in {said}");
        assert!(!liar.asked().iter().any(|asked| asked.path.contains("blobs")), "nothing more was read");
    }
    Ok(())
}

#[test]
fn bodies_that_are_not_what_was_announced_are_refused() -> Outcome {
    let liar = Liar::new()?;
    liar.answer(MANIFEST, ok(&vec![b' '; (1 << 20) + 1]));
    assert!(refused(&liar, "x:1", 7)?.contains("is larger than 1048576 bytes"));
    let endless = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        b"10000\r\n".to_vec(),
        vec![b' '; 0x10000],
    ];
    liar.answer(
        MANIFEST,
        [endless.concat(), [b"\r\n10000\r\n".to_vec(), vec![b' '; 0x10000]].concat().repeat(40)].concat(),
    );
    assert!(refused(&liar, "x:1", 7)?.contains("is larger than 1048576 bytes"));

    let other = format!("x@{}", Digest::of(b"something else"));
    liar.answer(
        &format!("/v2/x/manifests/{}", Digest::of(b"something else")),
        ok(manifest(COMPONENT).to_string().as_bytes()),
    );
    assert!(refused(&liar, &other, 7)?.contains("the manifest of '"));

    liar.artifact(&manifest(COMPONENT), COMPONENT);
    let cut = [&b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"[..], &COMPONENT[..5]].concat();
    for (answer, part) in [
        (cut, "is truncated: 5 of 8 bytes"),
        (ok(&COMPONENT[..5]), "is truncated: 5 of 8 bytes"),
        (ok(b"\0asm\x0d\0\x01\x01"), "was changed: its digest is sha256:"),
        (ok(&[COMPONENT, b"!"].concat()), "is larger than 8 bytes"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(), "there is no artifact"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 44\r\n\r\n{\"errors\":[{\"message\":\"the disk\\nis full\"}]}".to_vec(), "answers 500 when asked for a download: the disk is full"),
        (b"no HTTP at all\r\n\r\n".to_vec(), "broke off"),
    ] {
        liar.answer(&blob(), answer);
        let code = if part.contains("no artifact") { 3 } else if part.contains("truncated") || part.contains("changed") || part.contains("larger") { 7 } else { 6 };
        let said = refused(&liar, "x:1", code)?;
        assert!(said.contains(part), "'{part}' is not in {said}");
    }
    Ok(())
}

#[test]
fn redirects_are_followed_without_credentials_or_not_at_all() -> Outcome {
    let (liar, other, author) = (Liar::new()?, Liar::new()?, Author::new()?);
    let login = format!(r#"{{"auths": {{"{}": {{"auth": "YWRhOm9wZW4gc2VzYW1l"}}}}}}"#, liar.host());
    author.write("config.json", login.as_bytes())?;
    let basic =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
    liar.artifact(&manifest(COMPONENT), COMPONENT);
    liar.answer(&format!("!{MANIFEST}"), basic);
    liar.answer(&blob(), see(&format!("http://{}/elsewhere", other.host())));
    other.answer("/elsewhere", ok(COMPONENT));
    let pull = || author.policy(&["pull", &format!("{}/x:1", liar.host()), "--file", &author.file("x.wasm")]);
    pull()?.ok();
    assert!(
        liar.asked().iter().any(|asked| asked.authorization.as_deref() == Some("Basic YWRhOm9wZW4gc2VzYW1l"))
    );
    assert_eq!(other.asked().len(), 1);
    assert_eq!(other.asked()[0].authorization, None, "credentials stay with their registry");

    other.answer("/elsewhere", basic);
    let said = pull()?.fails(7);
    assert!(said.contains("which asks for credentials; those of the registry are not for it"), "{said}");
    assert!(other.asked().iter().all(|asked| asked.authorization.is_none()));
    for (location, part) in [
        (format!("http://ada:secret@{}/elsewhere", other.host()), "it has credentials in it"),
        ("http://registry.example.org/elsewhere".to_owned(), "it leads to a host without TLS"),
        ("file:///etc/passwd".to_owned(), "which is not followed"),
        (blob(), "it goes on and on"),
    ] {
        liar.answer(&blob(), see(&location));
        let said = pull()?.fails(7);
        assert!(said.contains(part) && !said.contains("secret"), "'{part}' is not in {said}");
    }
    Ok(())
}

#[test]
fn tokens_are_asked_for_where_the_registry_says_and_only_safely() -> Outcome {
    let (liar, author) = (Liar::new()?, Author::new()?);
    liar.artifact(&manifest(COMPONENT), COMPONENT);
    let challenge = |realm: &str| {
        format!(
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"a b\"\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let paths = [MANIFEST.to_owned(), blob()];
    let guard =
        |realm: &str| paths.iter().for_each(|path| liar.answer(&format!("!{path}"), challenge(realm)));
    let token = "/token?service=a%20b&scope=repository:x:pull";
    guard(&format!("http://{}/token", liar.host()));
    liar.answer(token, ok(br#"{"token": "t0ken"}"#));
    author.policy(&["pull", &format!("{}/x:1", liar.host()), "--file", &author.file("x.wasm")])?.ok();
    assert!(liar.asked().iter().any(|asked| asked.authorization.as_deref() == Some("Bearer t0ken")));

    liar.answer(token, ok(b"{}"));
    assert!(refused(&liar, "x:1", 7)?.contains("its token service gives no token"));
    guard("http://registry.example.org/token");
    assert!(refused(&liar, "x:1", 7)?.contains("it leads to a host without TLS"));
    Ok(())
}
