//! `build/work/entry.ts`: an export for each hook of the manifest, which turns what the host hands over into values, asks policy.ts
//! and hands its answer back.

use wit_parser::abi::AbiVariant;
use wit_parser::{Function, Handle, Type, TypeDefKind, WorldItem};

use super::super::BuildError;
use super::contract;
use super::names::camel;
use super::types::{Types, core, unsupported};
use crate::world::World;

/// The program, and the names that its exports have in the component.
pub(super) struct Entry {
    pub(super) text: String,
    /// Name in the program, name in the component.
    pub(super) exports: Vec<(String, String)>,
}

/// The entry of a world.
pub(super) fn entry(world: &World) -> Result<Entry, BuildError> {
    let types = Types::new(world.resolve())?;
    let mut exports = vec![("cabi_realloc".to_owned(), "cabi_realloc".to_owned())];
    let mut text = format!(
        "// Made by every build.\nimport * as policy from \"../../policy\";\nimport * as abi from \"../../sdk/abi\";\nimport {{ Result, \
         Some, Tuple2 }} from \"../../sdk/abi\";\nimport {{ {} }} from \"../../sdk/contract\";\n\nexport {{ cabi_realloc }} from \
         \"../../sdk/abi\";\n",
        contract::names(world.resolve())?.join(", ")
    );
    for (key, item) in &world.resolve().worlds[world.id()].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = &world.resolve().interfaces[*id];
        let hook = interface.name.as_deref().unwrap_or_default();
        for function in interface.functions.values() {
            // A hook of several functions has as many in the policy.
            let name = match interface.functions.len() {
                1 => camel(hook),
                _ => camel(&format!("{hook}-{}", function.name)),
            };
            text.push_str(&export(&types, &name, function)?);
            exports.push((name, format!("{}#{}", world.resolve().name_world_key(key), function.name)));
        }
    }
    Ok(Entry { text, exports })
}

fn export(types: &Types<'_>, name: &str, function: &Function) -> Result<String, BuildError> {
    let signature = types.resolve.wasm_signature(AbiVariant::GuestExport, function);
    let declared = signature.params.iter().enumerate().map(|(n, ty)| format!("p{n}: {}", core(*ty)));
    let declared = declared.collect::<Vec<_>>().join(", ");
    let (mut body, mut lent) = (String::new(), String::new());
    let mut flat = (0..).map(|position| format!("p{position}"));
    let in_memory = types.sizes.field_offsets(function.params.iter().map(|parameter| &parameter.ty));
    for (number, (offset, ty)) in in_memory.into_iter().enumerate() {
        let value = if signature.indirect_params {
            types.load(ty, "p0", offset.size_wasm32())?
        } else {
            types.lift(ty, &mut flat)?
        };
        body.push_str(&format!("  const a{number} = {value};\n"));
        if is_borrow(types, ty) {
            lent.push_str(&format!("  a{number}.drop();\n"));
        }
    }
    let Some(result) = function.result.as_ref().filter(|_| signature.retptr) else {
        return Err(unsupported(format!("the hook '{name}', which does not answer through memory")));
    };
    let arguments: Vec<_> = (0..function.params.len()).map(|number| format!("a{number}")).collect();
    Ok(format!(
        "\nexport function {name}({declared}): usize {{\n  abi.callBegins();\n{body}  const answer: {} = policy.{name}({});\n{lent}  const \
         at = abi.allocate({});\n  {}\n  abi.callEnds();\n  return at;\n}}\n",
        types.name(result)?,
        arguments.join(", "),
        types.size(result),
        types.store(result, "at", 0, "answer")?,
    ))
}

fn is_borrow(types: &Types<'_>, ty: &Type) -> bool {
    matches!(ty, Type::Id(id) if matches!(types.resolve.types[*id].kind, TypeDefKind::Handle(Handle::Borrow(_))))
}
