//! What an author gets wrong is named, and nothing half-written is left.

use crate::Outcome;
use crate::desk::Desk;

const INVALID: i32 = 7;
const USAGE: i32 = 2;

#[test]
fn a_project_is_written_whole_or_not_at_all() -> Outcome {
    let desk = Desk::new()?;
    let folder = desk.path("a");
    let new = |lang: &str, name: &str, more: &[&str]| {
        desk.policy(&[&["new", "--lang", lang, name, "--dir", &folder], more].concat())
    };
    let said = new("cobol", "a", &[])?.fails(USAGE);
    assert!(said.contains("there are rust, js, python, c, go, zig, as"), "{said}");
    let said = new("rust", "A b", &[])?.fails(INVALID);
    assert!(said.contains("'A b' is not a policy name"), "{said}");
    let said = new("rust", "a", &["--hook", "domain-explode"])?.fails(USAGE);
    assert!(said.contains("domain-define"), "{said}");
    assert!(!std::fs::exists(&folder)?);

    std::fs::create_dir(&folder)?;
    std::fs::write(format!("{folder}/mine"), "")?;
    let said = new("rust", "a", &[])?.fails(USAGE);
    assert!(said.contains("is there already and is not an empty folder"), "{said}");
    assert_eq!(std::fs::read_dir(&folder)?.count(), 1);
    Ok(())
}

#[test]
fn a_build_says_what_is_wrong_with_the_project() -> Outcome {
    let desk = Desk::new()?;
    let folder = desk.create("c", "a", &[])?;
    let toml = format!("{folder}/policy.toml");
    let text = std::fs::read_to_string(&toml)?;

    std::fs::write(&toml, text.replace("hooks", "hoks"))?;
    let said = desk.policy(&["build", &folder])?.fails(INVALID);
    assert!(said.contains("policy.toml") && said.contains("'hooks' is missing"), "{said}");

    std::fs::write(&toml, &text)?;
    std::fs::remove_file(format!("{folder}/policy.c"))?;
    let said = desk.policy(&["build", &folder])?.fails(INVALID);
    assert!(said.contains("policy.c' is missing; a policy in c has it"), "{said}");

    let said = desk.policy(&["build", &desk.path("nowhere")])?.fails(INVALID);
    assert!(said.contains("nowhere/policy.toml"), "{said}");
    Ok(())
}

#[test]
fn what_is_no_component_is_neither_inspected_nor_annotated() -> Outcome {
    let desk = Desk::new()?;
    let (file, toml) = (desk.path("a.wasm"), desk.path("policy.toml"));
    std::fs::write(&toml, "name = 'a'\nversion = '1'\nhooks = ['domain-define']\n")?;
    for bytes in [&b""[..], b"text", b"\0asm\x01\0\0\0"] {
        std::fs::write(&file, bytes)?;
        desk.policy(&["inspect", &file])?.fails(INVALID);
        desk.policy(&["annotate", &file, "--manifest", &toml])?.fails(INVALID);
        assert_eq!(std::fs::read(&file)?, bytes, "it was left alone");
    }
    Ok(())
}
