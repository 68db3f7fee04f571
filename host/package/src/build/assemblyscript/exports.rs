//! Gives exports the names that a component's encoder looks for: AssemblyScript's can only be identifiers.

use std::convert::Infallible;

use reencode_parser::{Export, Parser};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ExportSection, Module};

use crate::component::ComponentError;

struct Renamer<'a>(&'a [(String, String)]);

impl Reencode for Renamer<'_> {
    type Error = Infallible;

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: Export<'_>,
    ) -> Result<(), Error<Infallible>> {
        let names = self.0;
        let renamed = names.iter().find(|(from, _)| from == export.name);
        let name = renamed.map_or(export.name, |(_, to)| to);
        utils::parse_export(self, exports, Export { name, kind: export.kind, index: export.index })
    }
}

/// The module with its exports renamed, by old and new name.
pub(super) fn rename(module: &[u8], names: &[(String, String)]) -> Result<Vec<u8>, ComponentError> {
    let mut out = Module::new();
    let renamed = Renamer(names).parse_core_module(&mut out, Parser::new(0), module);
    renamed.map_err(|error| ComponentError::Invalid(error.to_string()))?;
    Ok(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exports_are_renamed_and_nothing_else() {
        let module = wat::parse_str(
            r#"(module (memory (export "memory") 1) (func (export "a")) (func (export "ab")))"#,
        );
        let renamed = rename(&module.unwrap(), &[("a".into(), "x:y/z@1.0.0#guard".into())]).unwrap();
        let text = String::from_utf8_lossy(&renamed).into_owned();
        assert!(
            text.contains("x:y/z@1.0.0#guard") && text.contains("memory") && text.contains("ab"),
            "{text}"
        );
        assert!(rename(b"\0asm\x01\0\0\0\x07\x10", &[]).is_err());
    }
}
