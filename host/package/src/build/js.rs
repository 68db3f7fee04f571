//! JavaScript: policy.js on QuickJS, by `componentize-qjs`.

mod borrow;

use reeve_model::policy::Hook;

use super::BuildError;
use super::command::{command, read, run};
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;
use crate::world::WORLD;

const PROGRAM: &str = "componentize-qjs";
const HOW: &str = "npm install --global componentize-qjs@0.4.5";

/// Bundles the engine and the source into a component without WASI.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    project.file("policy.js")?;
    let program = tools.need(Lang::Js, PROGRAM, HOW)?;
    let wit = project.write_wit()?;
    let folder = project.build_folder()?;
    let (entry, out) = (folder.join("entry.js"), folder.join("policy-js.wasm"));
    std::fs::write(&entry, entry_text(&project.toml().manifest.hooks))
        .map_err(|source| BuildError::write(&entry, source))?;
    let mut componentize = command(program, project.folder());
    componentize.arg("--wit").arg(wit).args(["--world", WORLD]).arg("--js").arg(entry);
    componentize.args(["--module-root", ".", "--sync", "--stub-wasi", "-o"]).arg(&out);
    run(&mut componentize)?;
    Ok(borrow::give_back(&read(&out)?, &project.world()?)?)
}

/// The module that the engine starts with: policy.js, checked for its hooks while the component is made. The toolchain itself would
/// let a policy pass that lacks one, and every call of it would trap.
fn entry_text(hooks: &[Hook]) -> String {
    let mut text =
        "import * as policy from \"../../policy.js\";\nexport * from \"../../policy.js\";\n".to_owned();
    for hook in hooks {
        let name = camel(hook.as_str());
        text.push_str(&format!(
            "if (policy.{name} === undefined) throw new Error(\"policy.toml names the hook '{hook}', but policy.js exports no {name}\");\n"
        ));
    }
    text
}

/// `domain-define` as `domainDefine`.
fn camel(hook: &str) -> String {
    let mut words = hook.split('-');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_asks_for_every_hook() {
        let text = entry_text(&[Hook::DomainDefine, Hook::Task]);
        assert!(text.contains("if (policy.domainDefine === undefined)"), "{text}");
        assert!(text.contains("policy.toml names the hook 'task', but policy.js exports no task"), "{text}");
    }
}
