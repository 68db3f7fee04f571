//! JavaScript: policy.js on QuickJS, by `componentize-qjs`.

mod borrow;

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
    let source = project.file("policy.js")?;
    let program = tools.need(Lang::Js, PROGRAM, HOW)?;
    let wit = project.write_wit()?;
    let out = project.build_folder()?.join("policy-js.wasm");
    let mut componentize = command(program, project.folder());
    componentize.arg("--wit").arg(wit).args(["--world", WORLD]).arg("--js").arg(source);
    componentize.args(["--sync", "--stub-wasi", "-o"]).arg(&out);
    run(&mut componentize)?;
    Ok(borrow::give_back(&read(&out)?, &project.world()?)?)
}
