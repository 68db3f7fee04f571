//! Grants as an operator gives them: asked for and given, or nothing is loaded.

use reeve_tests::{Daemon, policy};

use crate::{Outcome, load};

#[test]
fn an_import_without_its_grant_is_not_loaded() -> Outcome {
    let daemon = Daemon::start()?;
    let admission = policy("admission")?;
    for (given, missing) in [("node:read", "domain:read"), ("domain:read", "node:read")] {
        let said = load(&daemon, &admission, &[given], "{}", &[])?.fails(4);
        assert!(said.contains("policy 'admission' imports 'reeve:"), "{said}");
        assert!(
            said.contains(&format!("needs the grant '{missing}', and it has not been granted")),
            "{said}"
        );
        assert!(said.contains(&format!("hint: give it with '--grant {missing}'")), "{said}");
    }
    assert_eq!(daemon.reeve(&["policy", "list", "-o", "json"])?.ok(), "[]\n");
    Ok(())
}

#[test]
fn a_grant_that_does_not_exist_is_an_error_with_a_suggestion() -> Outcome {
    let daemon = Daemon::start()?;
    let admission = policy("admission")?;
    let cases = [
        ("domain:raed", "unknown grant 'domain:raed', did you mean 'domain:read'?"),
        ("domain:read nmae=web-*", "grant 'domain:read' has no key 'nmae', did you mean 'name'?"),
        ("everything", "unknown grant 'everything'"),
    ];
    for (grant, complaint) in cases {
        let said = load(&daemon, &admission, &["node:read", grant], "{}", &[])?.fails(7);
        assert!(said.contains(complaint), "{said}");
    }
    assert_eq!(daemon.reeve(&["policy", "list", "-o", "json"])?.ok(), "[]\n");

    load(&daemon, &admission, &["node:read", "domain:read"], "{}", &[])?.ok();
    let said = daemon.reeve(&["policy", "grant", "admission", "node.ksm:wrte"])?.fails(7);
    assert!(said.contains("did you mean 'node.ksm:write'?"), "{said}");
    let said = daemon.reeve(&["policy", "show", "admision"])?.fails(3);
    assert!(said.contains("did you mean 'admission'?"), "{said}");
    Ok(())
}
