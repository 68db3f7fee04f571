//! AssemblyScript: policy.ts and the SDK by `asc`, with bindings that are written here.
//!
//! ```text
//! wit/ ─contract.rs─► sdk/contract.ts, for editors too ┐
//! policy.ts, sdk/ ─────────────────────────────────────┼─asc─► core module ─exports.rs─► + world ─► component
//! world ─entry.rs─► build/work/entry.ts ───────────────┘
//! ```

mod contract;
mod entry;
mod exports;
mod names;
mod types;

use super::BuildError;
use super::bindings::whole_world;
use super::command::{command, read, run};
use crate::component;
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;

const PROGRAM: &str = "asc";
const HOW: &str = "npm install --global assemblyscript@0.28.20";

/// Garbage is collected between calls only (sdk/abi.ts), and a small call never grows the memory.
const FLAGS: [&str; 6] =
    ["--runtime", "minimal", "-Osize", "--use", "abort=sdk/abi/abort", "--initialMemory=3"];

/// Compiles the policy with its SDK to a component.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    project.file("policy.ts")?;
    let kept = project.file("sdk/contract.ts")?;
    let asc = tools.need(Lang::AssemblyScript, PROGRAM, HOW)?;

    let folder = project.build_folder()?;
    let world = whole_world(project)?;
    // How values lie in memory must be as this program's contract has it, not as the one that made the project.
    let contract = contract::contract(world.resolve())?;
    if read(&kept)? != contract.as_bytes() {
        std::fs::write(&kept, contract).map_err(|source| BuildError::write(&kept, source))?;
    }
    let written = entry::entry(&world)?;
    let (entry, out) = (folder.join("entry.ts"), folder.join("policy-as.wasm"));
    std::fs::write(&entry, &written.text).map_err(|source| BuildError::write(&entry, source))?;
    let mut compile = command(asc, project.folder());
    // The names of `--use` are relative to the project.
    compile.arg("build/work/entry.ts").args(FLAGS).arg("-o").arg("build/work/policy-as.wasm");
    run(&mut compile)?;

    let module = exports::rename(&read(&out)?, &written.exports)?;
    Ok(component::encode(&component::embed(&module, &world)?)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use reeve_model::policy::Hook;

    use super::*;
    use crate::manifest::Manifest;
    use crate::world::World;

    fn world(hook: Hook) -> World {
        let wants =
            reeve_model::Verb::ALL.map(|verb| format!(r#"{{"grant":"{verb}","reason":"test"}}"#)).join(",");
        let json = format!(r#"{{"name":"a","version":"1","hooks":["{hook}"],"wants":[{wants}]}}"#);
        World::new(&Manifest::parse(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn the_sdk_holds_the_contract_of_wit() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest-sdk/as/sdk/contract.ts");
        let expected = contract::contract(world(Hook::Task).resolve()).unwrap();
        let of_another_hook = contract::contract(world(Hook::DomainDefine).resolve()).unwrap();
        assert!(expected == of_another_hook, "it is the same for every policy");
        if std::fs::read_to_string(&kept).unwrap_or_default() != expected {
            std::fs::write(&kept, expected).unwrap();
            panic!("{} was not up to date and has been written anew: build again", kept.display());
        }
    }

    #[test]
    fn every_hook_has_an_export_that_gives_back_what_it_was_lent() {
        for hook in Hook::ALL {
            let entry = entry::entry(&world(hook)).unwrap();
            assert!(entry.exports.len() >= 2, "{hook}");
            assert!(
                entry.exports[1..].iter().all(|(_, export)| export.contains(&format!("/{hook}@"))),
                "{hook}"
            );
            let names: std::collections::BTreeSet<_> = entry.exports.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), entry.exports.len(), "{hook}: {:?}", entry.exports);
            let lent = entry.text.contains("new DomainConfig(");
            assert_eq!(entry.text.contains(".drop();"), lent, "{hook}: {}", entry.text);
        }
    }

    /// The bindings of an interface of a test's own.
    fn contract_of(interface: &str) -> Result<String, BuildError> {
        let mut resolve = wit_parser::Resolve::default();
        resolve.push_source("a.wit", &format!("package a:b@1.0.0;\ninterface c {{ {interface} }}")).unwrap();
        contract::contract(&resolve)
    }

    #[test]
    fn what_the_generator_does_not_know_is_named() {
        for (interface, what) in [
            ("flags f { a, b }", "'f', whose type is flags"),
            ("f: func() -> tuple<u8, u8, u8>;", "a tuple of other than two values"),
            ("f: func() -> char;", "the type Char"),
            (
                "f: func(names: list<string>);",
                "a parameter 'names' of a host function, of the type Array<string>",
            ),
            ("resource r { constructor(); }", "the function '[constructor]r'"),
        ] {
            let error = contract_of(interface).unwrap_err().to_string();
            assert_eq!(error, format!("there are no bindings in as for {what}"), "{interface}");
        }
        assert!(contract_of("record set { return: bool }").unwrap().contains("export class CSet {"));
        assert!(contract_of("f: func(a: option<string>, b: s16) -> option<option<u8>>;").is_ok());
    }
}
