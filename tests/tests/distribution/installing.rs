//! From a registry into a daemon: what is trusted comes in, everything else leaves the last good version where it is.

use reeve_tests::{Daemon, Options, policy};

use crate::component::naming;
use crate::registry::Registry;
use crate::{Author, Outcome, define, in_place, install, trusting};

fn daemon(config: &str) -> anyhow::Result<Daemon> {
    Daemon::start_with(Options { config: config.to_owned(), ..Options::default() })
}

#[test]
fn a_signed_policy_goes_from_one_host_to_another_and_enforces() -> Outcome {
    let test = "a_signed_policy_goes_from_one_host_to_another_and_enforces";
    let Some(registry) = Registry::open(test)? else { return Ok(()) };
    // The first host: a policy that is tried there, then pushed and signed.
    let author = Author::new()?;
    let key = author.keygen("release")?;
    let first = Daemon::start()?;
    let component = policy("naming")?;
    first
        .reeve(&["policy", "load", &component.to_string_lossy(), "--config", r#"{"prefixes": ["web-"]}"#])?
        .ok();
    let tag = registry.name("policies/naming:0.1.0");
    let pushed = first.reeve(&["policy", "push", &component.to_string_lossy(), &tag])?.ok();
    first.reeve(&["policy", "sign", &tag, "--key", &author.file("release")])?.ok();

    // The second: installs by tag, and trusts nobody but that key.
    let mut second = daemon(&trusting(&registry.name("policies/*"), &key))?;
    let said = install(&second, &tag, &[])?.ok();
    assert!(said.contains("Policy 'naming' 0.1.0 installed from") && said.contains("Key sha256:"), "{said}");
    let digest = said.lines().find_map(|line| line.strip_prefix("Digest ")).unwrap_or_default();
    assert!(pushed.contains(digest), "pinned to what was pushed: {pushed} {said}");
    assert_eq!(in_place(&second)?, in_place(&first)?);
    let refused = define(&second, "shop")?.fails(4);
    assert!(refused.contains("the name 'shop' must begin with one of: web-"), "{refused}");
    define(&second, "web-1")?.ok();
    assert!(
        second.reeve(&["domain", "xml", "web-1"])?.ok().contains("<rng model='virtio'"),
        "it was granted"
    );

    // It is verified again when the daemon starts, without the registry.
    drop(registry);
    second.kill()?;
    second.launch()?;
    define(&second, "shop")?.fails(4);
    define(&second, "web-2")?.ok();

    // And refused, closed, when its key is trusted no more.
    let other = author.keygen("other")?;
    second.stop()?;
    second.file("etc/reeve/reeve.toml", &trusting("127.0.0.1:*", &other))?;
    second.launch()?;
    let closed = define(&second, "web-3")?.fails(4);
    assert!(closed.contains("policy 'naming'") && closed.contains("could not be loaded"), "{closed}");
    assert!(second.log().contains("by none of the 1 keys that are trusted for it"), "{}", second.log());
    Ok(())
}

#[test]
fn what_is_not_trusted_leaves_the_last_good_version_in_place() -> Outcome {
    let test = "what_is_not_trusted_leaves_the_last_good_version_in_place";
    let Some(registry) = Registry::open(test)? else { return Ok(()) };
    let author = Author::new()?;
    let key = author.keygen("release")?;
    author.keygen("stranger")?;
    let daemon = daemon(&trusting(&registry.name("policies/*"), &key))?;
    let name = |tag: &str| registry.name(&format!("policies/naming:{tag}"));
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.0.9"] {
        let file = author.write("naming.wasm", &naming(version)?)?;
        author.push(file.as_ref(), &name(version))?;
    }
    author.sign(&name("0.2.0"), "release")?;
    install(&daemon, &name("0.2.0"), &[])?.ok();
    let good = in_place(&daemon)?;
    assert_eq!(good.0, "0.2.0");

    let unsigned = install(&daemon, &name("0.3.0"), &["--allow-unsigned"])?.fails(4);
    assert!(unsigned.contains("is not signed") && unsigned.contains("demands it"), "{unsigned}");
    author.sign(&name("0.3.0"), "stranger")?;
    let stranger = install(&daemon, &name("0.3.0"), &[])?.fails(4);
    assert!(stranger.contains("by none of the 1 keys"), "{stranger}");
    for version in ["0.1.0", "0.0.9"] {
        author.sign(&name(version), "release")?;
        let older = install(&daemon, &name(version), &[])?.fails(4);
        assert!(
            older.contains(&format!("version {version} of policy 'naming' is older than version 0.2.0"))
                && older.contains("--allow-downgrade"),
            "{older}"
        );
    }
    assert_eq!(in_place(&daemon)?, good, "nothing that was refused changed anything");
    define(&daemon, "shop")?.fails(4);

    install(&daemon, &name("0.1.0"), &["--allow-downgrade"])?.ok();
    assert_eq!(in_place(&daemon)?.0, "0.1.0");
    author.sign(&name("0.3.0"), "release")?;
    install(&daemon, &name("0.3.0"), &[])?.ok();
    assert_eq!(in_place(&daemon)?.0, "0.3.0");
    Ok(())
}

#[test]
fn without_a_rule_it_takes_the_operators_word() -> Outcome {
    let Some(registry) = Registry::open("without_a_rule_it_takes_the_operators_word")? else { return Ok(()) };
    let author = Author::new()?;
    let tag = registry.name("naming:0.1.0");
    author.push(&policy("naming")?, &tag)?;
    let mut careful = Daemon::start()?;
    let said = install(&careful, &tag, &[])?.fails(4);
    assert!(
        said.contains("no rule of trust names the repository") && said.contains("--allow-unsigned"),
        "{said}"
    );
    let taken = install(&careful, &tag, &["--allow-unsigned"])?;
    assert!(taken.stderr.contains("was installed without a signature"), "{taken:?}");
    taken.ok();
    careful.kill()?;
    careful.launch()?;
    define(&careful, "shop")?.fails(4);

    let strict = daemon("[policies.trust]\nunsigned = \"never\"\n")?;
    install(&strict, &tag, &["--allow-unsigned"])?.fails(4);
    let open = daemon("[policies.trust]\nunsigned = \"allow\"\n")?;
    install(&open, &tag, &[])?.ok();
    Ok(())
}

#[test]
fn files_of_the_policy_directory_need_signatures_where_keys_say_so() -> Outcome {
    let author = Author::new()?;
    let key = author.keygen("release")?;
    let bytes = std::fs::read(policy("naming")?)?;
    let component = author.write("naming.wasm", &bytes)?;
    author.sign(&component, "release")?;
    let config = format!("[policies.trust]\nfile-keys = ['''{key}''']\n");
    let files = |signed: bool| {
        let bound = b"[naming]\nconfig = { prefixes = [\"web-\"] }\n".to_vec();
        let mut files = vec![
            ("etc/reeve/policies.toml".into(), bound),
            ("etc/reeve/policies.d/naming.wasm".into(), bytes.clone()),
        ];
        if signed {
            let text = std::fs::read(author.path("naming.wasm.sig"))?;
            files.push(("etc/reeve/policies.d/naming.wasm.sig".into(), text));
        }
        anyhow::Ok(files)
    };
    let signed =
        Daemon::start_with(Options { config: config.clone(), files: files(true)?, ..Options::default() })?;
    let refused = define(&signed, "shop")?.fails(4);
    assert!(refused.contains("must begin with one of: web-"), "{refused}");
    let unsigned = Daemon::start_with(Options { config, files: files(false)?, ..Options::default() })?;
    let refused = define(&unsigned, "web-1")?.fails(4);
    assert!(refused.contains("could not be loaded"), "{refused}");
    assert!(unsigned.log().contains("naming.wasm' is not signed"), "{}", unsigned.log());
    Ok(())
}
