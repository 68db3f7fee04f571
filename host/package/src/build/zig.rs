//! Zig.

use super::BuildError;
use crate::lang::Lang;
use crate::project::Project;
use crate::tools::Tools;

/// Not offered by this version.
pub(super) fn build(_project: &Project, _tools: &Tools) -> Result<Vec<u8>, BuildError> {
    Err(BuildError::Language { lang: Lang::Zig })
}
