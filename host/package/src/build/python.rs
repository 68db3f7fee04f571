//! Python: policy.py on CPython, by `componentize-py`.

use super::BuildError;
use super::command::{command, read, run};
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;
use crate::world::WORLD;

const PROGRAM: &str = "componentize-py";
const HOW: &str = "pip install componentize-py==0.25.1";

/// Bundles the interpreter, the SDK and the source into a component without WASI.
pub(super) fn build(project: &Project, tools: &Tools) -> Result<Vec<u8>, BuildError> {
    project.file("policy.py")?;
    let program = tools.need(Lang::Python, PROGRAM, HOW)?;
    let wit = project.write_wit()?;
    let out = project.build_folder()?.join("policy-py.wasm");
    let mut componentize = command(program, project.folder());
    componentize.arg("-d").arg(wit).args(["-w", WORLD, "componentize", "--stub-wasi"]);
    componentize.args(["-p", ".", "-p", "sdk", "reeve.component", "-o"]).arg(&out);
    run(&mut componentize)?;
    read(&out)
}
