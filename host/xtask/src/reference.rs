//! `cargo xtask reference`: wit/REFERENCE.md, the contract as one page, written from the packages and the table of grants.

mod wording;

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use reeve_package::contract;
use wit_parser::{Docs, Function, Interface, PackageId, Resolve, TypeDefKind, UnresolvedPackageGroup};

use crate::project::Project;

/// Where it is written.
pub const PAGE: &str = "wit/REFERENCE.md";

const HEADING: &str = "\
# Reference of the contract

Written by `cargo xtask reference` from the packages beside this page; `cargo xtask tidy` fails when the two differ. Types are in
[WIT](https://component-model.bytecodealliance.org/design/wit.html) notation. A function with a grant can be imported only when
the policy's manifest asks for that grant *and* the operator gives it.
";

/// Writes the page.
pub fn run(project: &Project) -> Result<()> {
    let page = page(project.root())?;
    std::fs::write(project.path(PAGE), page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("{PAGE} written");
    Ok(())
}

/// The page as it should be.
pub fn page(root: &Path) -> Result<String> {
    let resolve = contract_of(root)?;
    let mut packages: Vec<PackageId> = resolve.packages.iter().map(|(id, _)| id).collect();
    packages.sort_by_key(|id| resolve.packages[*id].name.to_string());
    let mut text = HEADING.to_owned();
    text.push_str("\n| package | interfaces |\n|---|---|\n");
    for &id in &packages {
        let package = &resolve.packages[id];
        let names: Vec<String> = package
            .interfaces
            .keys()
            .map(|name| format!("[`{name}`](#{})", anchor(&full_name(&resolve, id, name))))
            .collect();
        let _ = writeln!(text, "| `{}` | {} |", package.name, names.join(", "));
    }
    for &id in &packages {
        for (name, &interface) in &resolve.packages[id].interfaces {
            write_interface(
                &mut text,
                &resolve,
                &full_name(&resolve, id, name),
                &resolve.interfaces[interface],
            );
        }
    }
    Ok(text)
}

/// Every package under wit/, resolved against each other.
fn contract_of(root: &Path) -> Result<Resolve> {
    let folder = root.join("wit");
    let mut folders: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    let mut groups = folders.iter().map(UnresolvedPackageGroup::parse_dir).collect::<Result<Vec<_>>>()?;
    ensure!(!groups.is_empty(), "there is no package in {}", folder.display());
    let first = groups.remove(0);
    let mut resolve = Resolve::new();
    resolve
        .push_groups(first, groups)
        .map_err(|error| anyhow::anyhow!("the contract does not resolve: {error}"))?;
    Ok(resolve)
}

fn full_name(resolve: &Resolve, package: PackageId, interface: &str) -> String {
    resolve.packages[package].name.interface_id(interface)
}

/// How the place is called that a heading makes.
fn anchor(heading: &str) -> String {
    heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

fn write_interface(text: &mut String, resolve: &Resolve, name: &str, interface: &Interface) {
    let _ = write!(text, "\n## {name}\n\n{}", paragraph(&interface.docs, ""));
    for &id in interface.types.values() {
        let definition = &resolve.types[id];
        if matches!(definition.kind, TypeDefKind::Type(_)) && definition.docs.contents.is_none() {
            // A name that is only used from another interface.
            continue;
        }
        wording::write_type(text, resolve, id);
    }
    for function in interface.functions.values() {
        write_function(text, resolve, name, function);
    }
}

fn write_function(text: &mut String, resolve: &Resolve, interface: &str, function: &Function) {
    let plain = interface.split('@').next().unwrap_or(interface);
    let grant =
        contract::verb(plain, &function.name).map_or_else(String::new, |verb| format!(" (grant `{verb}`)"));
    let _ = write!(
        text,
        "- `{}`{grant}\n{}",
        wording::signature(resolve, function),
        paragraph(&function.docs, "  ")
    );
}

/// Documentation as lines with an indent; nothing where there is none.
fn paragraph(docs: &Docs, indent: &str) -> String {
    let Some(contents) = &docs.contents else { return String::new() };
    let mut text = String::new();
    for line in contents.trim().lines() {
        let _ = writeln!(text, "{indent}{}", line.trim());
    }
    if indent.is_empty() { text + "\n" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_of_the_contract_is_on_the_page() {
        let project = Project::locate().expect("the checkout");
        let resolve = contract_of(project.root()).expect("it resolves");
        let page = page(project.root()).expect("it is written");
        for (_, interface) in &resolve.interfaces {
            for function in interface.functions.values() {
                assert!(page.contains(function.item_name()), "{}", function.name);
            }
        }
        assert!(page.contains("(grant `kv:use`)"), "grants are named");
    }
}
