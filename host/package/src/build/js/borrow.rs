//! Gives borrowed handles back before a hook returns.
//!
//! A component must have dropped every handle that it was lent when its export returns. The glue of the QuickJS toolchain does so
//! only in `post-return`, one moment too late, and the host stops every hook that was handed a domain ("borrow handles still
//! remain at the end of the call"). So the glue module is changed where it exports a hook and where it drops a handle:
//!
//! ```text
//! guard'(…, handle, …) = { result = guard(…, handle, …); drop(handle); given_back = handle; result }
//! drop'(handle)        = if handle == given_back { given_back = 0 } else { drop(handle) }
//! ```
//!
//! A hook with more values than an export may have parameters finds them in memory, the handle among them; it is read before the
//! hook runs, which may use that memory again.
//!
//! Nothing runs between the return of an export and its `post-return`, so the handle can't have been given out again meanwhile.

use std::collections::BTreeMap;
use std::convert::Infallible;

use reencode_parser::{CompositeInnerType, ExternalKind, Parser, Payload, TypeRef};
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils, utils};
use wasm_encoder::{
    BlockType, CodeSection, Component, ConstExpr, ExportSection, Function, FunctionSection, GlobalSection,
    GlobalType, MemArg, MemArgTarget, Module, ModuleSection, SectionId, ValType,
};
use wit_parser::abi::{AbiVariant, FlatTypes, WasmType};
use wit_parser::{Function as WitFunction, Handle, Param, Resolve, SizeAlign, Type, TypeDefKind, WorldItem};

use crate::component::ComponentError;
use crate::world::World;

type Encoded<T> = Result<T, Error<Infallible>>;

/// Drops of the one resource that hooks are lent.
const DROP: &str = "[resource-drop]domain-config";

/// Where an export is handed its handle.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    /// This one of its parameters.
    Parameter(u32),
    /// In memory, so many bytes behind what its only parameter points to.
    Memory(u64),
}

/// The component with every lent handle given back in time.
///
/// # Errors
/// When the component is damaged, or has other glue than that of the toolchain this was written for.
pub(super) fn give_back(component: &[u8], world: &World) -> Result<Vec<u8>, ComponentError> {
    let lent = lent(world);
    if lent.is_empty() {
        return Ok(component.to_vec());
    }
    let mut whole = Whole { lent: &lent, found: 0 };
    let mut out = Component::new();
    let copied = whole.parse_component(&mut out, Parser::new(0), component);
    copied.map_err(|error| ComponentError::Invalid(error.to_string()))?;
    if whole.found != lent.len() {
        let message =
            format!("{} of {} hooks that are lent a domain were found in it", whole.found, lent.len());
        return Err(ComponentError::Encode(message));
    }
    Ok(out.finish())
}

/// The core exports that are lent a handle (`reeve:hooks/domain-define@0.1.0#guard`), and where they are handed it.
fn lent(world: &World) -> BTreeMap<String, Place> {
    let resolve = world.resolve();
    let mut sizes = SizeAlign::default();
    if sizes.fill(resolve).is_err() {
        return BTreeMap::new();
    }
    let mut lent = BTreeMap::new();
    for (key, item) in &resolve.worlds[world.id()].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        for function in resolve.interfaces[*id].functions.values() {
            if let Some(place) = place(resolve, &sizes, function) {
                lent.insert(format!("{}#{}", resolve.name_world_key(key), function.name), place);
            }
        }
    }
    lent
}

/// Where a function is handed the handle that it is lent; none when it is lent nothing.
fn place(resolve: &Resolve, sizes: &SizeAlign, function: &WitFunction) -> Option<Place> {
    let is_lent = |parameter: &Param| match parameter.ty {
        Type::Id(id) => matches!(resolve.types[id].kind, TypeDefKind::Handle(Handle::Borrow(_))),
        _ => false,
    };
    let position = function.params.iter().position(is_lent)?;
    if resolve.wasm_signature(AbiVariant::GuestExport, function).indirect_params {
        let offsets = sizes.field_offsets(function.params.iter().map(|parameter| &parameter.ty));
        let (offset, _) = offsets.get(position)?;
        return Some(Place::Memory(offset.size_wasm32() as u64));
    }
    let mut flat = [WasmType::I32; Resolve::MAX_FLAT_PARAMS];
    let mut before = FlatTypes::new(&mut flat);
    let fits =
        function.params[..position].iter().all(|parameter| resolve.push_flat(&parameter.ty, &mut before));
    let handle = u32::try_from(before.to_vec().len()).ok().filter(|_| fits)?;
    Some(Place::Parameter(handle))
}

/// All of the component: copied as it is but for the modules that export hooks.
struct Whole<'a> {
    lent: &'a BTreeMap<String, Place>,
    found: usize,
}

impl Reencode for Whole<'_> {
    type Error = Infallible;
}

impl ReencodeComponent for Whole<'_> {
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        parser: Parser,
        module: &[u8],
    ) -> Encoded<()> {
        let glue = Glue::find(module, parser.clone(), self.lent)?;
        let Some(mut glue) = glue else {
            return component_utils::parse_component_submodule(self, component, parser, module);
        };
        self.found += glue.hooks.len();
        let mut out = Module::new();
        glue.parse_core_module(&mut out, parser, module)?;
        component.section(&ModuleSection(&out));
        Ok(())
    }
}

/// One export that is lent a handle.
struct Hook {
    export: String,
    function: u32,
    type_index: u32,
    parameters: u32,
    place: Place,
}

/// The module between the canonical ABI and the interpreter.
struct Glue {
    hooks: Vec<Hook>,
    /// The import that drops a handle, and its type.
    drop: (u32, u32),
    functions: u32,
    globals: u32,
    has_globals: bool,
}

impl Glue {
    /// What must be known of a module; none when it exports no hook of `lent`.
    fn find(module: &[u8], parser: Parser, lent: &BTreeMap<String, Place>) -> Encoded<Option<Self>> {
        let mut glue = Self { hooks: Vec::new(), drop: (0, 0), functions: 0, globals: 0, has_globals: false };
        let (mut types, mut type_of, mut drop) = (Vec::new(), Vec::new(), None);
        for payload in parser.parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        for ty in group?.into_types() {
                            types.push(match ty.composite_type.inner {
                                CompositeInnerType::Func(function) => function.params().len() as u32,
                                _ => 0,
                            });
                        }
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                                if import.name == DROP {
                                    drop = Some((type_of.len() as u32, ty));
                                }
                                type_of.push(ty);
                            }
                            TypeRef::Global(_) => glue.globals += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    for ty in section {
                        type_of.push(ty?);
                    }
                }
                Payload::GlobalSection(section) => {
                    glue.globals += section.count();
                    glue.has_globals = true;
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if let (ExternalKind::Func, Some(&place)) = (export.kind, lent.get(export.name)) {
                            let type_index = type_of.get(export.index as usize).copied().unwrap_or_default();
                            glue.hooks.push(Hook {
                                export: export.name.to_owned(),
                                function: export.index,
                                type_index,
                                parameters: types.get(type_index as usize).copied().unwrap_or_default(),
                                place,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
        glue.functions = type_of.len() as u32;
        match drop {
            Some(drop) if !glue.hooks.is_empty() => Ok(Some(Self { drop, ..glue })),
            _ => Ok(None),
        }
    }

    fn new_globals(&self, globals: &mut GlobalSection) {
        let ty = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
        globals.global(ty, &ConstExpr::i32_const(0));
    }

    /// `drop'`, as the first new function.
    fn drop_once(&self) -> Function {
        let mut body = Function::new([]);
        let mut ins = body.instructions();
        ins.local_get(0).global_get(self.globals).i32_eq().if_(BlockType::Empty);
        ins.i32_const(0).global_set(self.globals);
        ins.else_().local_get(0).call(self.drop.0).end().end();
        body
    }

    /// `guard'`.
    fn give_back(&self, hook: &Hook) -> Function {
        // A handle from memory is kept in a local of its own, behind the parameters.
        let (locals, handle) = match hook.place {
            Place::Parameter(handle) => (None, handle),
            Place::Memory(_) => (Some((1, ValType::I32)), hook.parameters),
        };
        let mut body = Function::new(locals);
        let mut ins = body.instructions();
        if let Place::Memory(offset) = hook.place {
            let from = MemArg { offset, align: 2, target: MemArgTarget::Memory(0), ordering: None };
            ins.local_get(0).i32_load(from).local_set(handle);
        }
        for parameter in 0..hook.parameters {
            ins.local_get(parameter);
        }
        ins.call(hook.function);
        ins.local_get(handle).call(self.drop.0);
        ins.local_get(handle).global_set(self.globals).end();
        body
    }
}

impl Reencode for Glue {
    type Error = Infallible;

    /// Who dropped before now asks `drop'`.
    fn function_index(&mut self, function: u32) -> Encoded<u32> {
        Ok(if function == self.drop.0 { self.functions } else { function })
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: reencode_parser::FunctionSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_function_section(self, functions, section)?;
        functions.function(self.drop.1);
        for hook in &self.hooks {
            functions.function(hook.type_index);
        }
        Ok(())
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: reencode_parser::GlobalSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_global_section(self, globals, section)?;
        self.new_globals(globals);
        Ok(())
    }

    /// The glue has no globals of its own: theirs is the place just before the exports.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Encoded<()> {
        if before == Some(SectionId::Export) && !self.has_globals {
            let mut globals = GlobalSection::new();
            self.new_globals(&mut globals);
            module.section(&globals);
        }
        Ok(())
    }

    fn parse_export(
        &mut self,
        exports: &mut ExportSection,
        export: reencode_parser::Export<'_>,
    ) -> Encoded<()> {
        match self.hooks.iter().position(|hook| hook.export == export.name) {
            Some(number) => {
                exports.export(
                    export.name,
                    wasm_encoder::ExportKind::Func,
                    self.functions + 1 + number as u32,
                );
                Ok(())
            }
            None => utils::parse_export(self, exports, export),
        }
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: reencode_parser::CodeSectionReader<'_>,
    ) -> Encoded<()> {
        utils::parse_code_section(self, code, section)?;
        code.function(&self.drop_once());
        for hook in &self.hooks {
            code.function(&self.give_back(hook));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    fn world(hooks: &str) -> World {
        let json = format!(r#"{{"name":"a","version":"1","hooks":[{hooks}]}}"#);
        World::new(&Manifest::parse(json.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn hooks_that_are_handed_a_domain_are_found_with_its_place() {
        let lent = lent(&world(
            r#""domain-define","device-attach","domain-events","mac-allocate","ksm-tune","port-plug","network-start""#,
        ));
        // Before the domain there is the context: three texts of two values each, a time, an actor of three values, a count.
        let places = [
            ("device-attach@0.1.0#guard", Place::Parameter(9)),
            ("domain-define@0.1.0#guard", Place::Parameter(9)),
            ("mac-allocate@0.1.0#propose", Place::Parameter(9)),
            // With a port there are more than sixteen.
            ("port-plug@0.1.0#guard", Place::Memory(40)),
        ];
        assert_eq!(lent, places.map(|(name, place)| (format!("reeve:hooks/{name}"), place)).into());
    }

    #[test]
    fn a_handle_in_memory_is_read_before_the_hook_runs() {
        let component = wat::parse_str(
            r#"(component (core module
                (import "reeve:domain/config@0.1.0" "[resource-drop]domain-config" (func $drop (param i32)))
                (import "env" "memory" (memory 1))
                (func $guard (param i32) (result i32) local.get 0)
                (export "reeve:hooks/port-plug@0.1.0#guard" (func $guard))))"#,
        )
        .unwrap();
        let changed = give_back(&component, &world(r#""port-plug""#)).unwrap();
        let text = wasm_text(&changed);
        let load = text.iter().position(|line| line.starts_with("I32Load"));
        let call = text.iter().position(|line| line == "Call { function_index: 1 }");
        assert!(load.is_some() && load < call, "{text:?}");
        crate::component::check(&changed).unwrap();
    }

    /// A component around glue that keeps what it is lent until `post-return`, as the toolchain's does.
    fn glue() -> Vec<u8> {
        wat::parse_str(
            r#"(component (core module
                (import "reeve:domain/config@0.1.0" "[resource-drop]domain-config" (func $drop (param i32)))
                (func $guard (param i32 i32 i64 i32 i32 i32 i32 i32 i32 i32) (result i32) local.get 9)
                (func $post (param i32) local.get 0 call $drop)
                (export "reeve:hooks/domain-define@0.1.0#guard" (func $guard))
                (export "cabi_post_reeve:hooks/domain-define@0.1.0#guard" (func $post))))"#,
        )
        .unwrap()
    }

    #[test]
    fn the_glue_drops_at_the_end_of_the_hook_and_not_again() {
        let changed = give_back(&glue(), &world(r#""domain-define""#)).unwrap();
        let text = wasm_text(&changed);
        let calls: Vec<_> = text.iter().filter(|line| line.starts_with("Call")).map(String::as_str).collect();
        // post-return asks drop' (3), drop' and guard' (which asks guard first) ask the host (0).
        assert_eq!(
            calls,
            [
                "Call { function_index: 3 }",
                "Call { function_index: 0 }",
                "Call { function_index: 1 }",
                "Call { function_index: 0 }"
            ]
        );
        crate::component::check(&changed).unwrap();
    }

    fn wasm_text(component: &[u8]) -> Vec<String> {
        let bodies = Parser::new(0).parse_all(component).filter_map(|payload| match payload.unwrap() {
            Payload::CodeSectionEntry(body) => Some(body),
            _ => None,
        });
        let operators =
            bodies.flat_map(|body| body.get_operators_reader().unwrap().into_iter().collect::<Vec<_>>());
        operators.map(|operator| format!("{:?}", operator.unwrap())).collect()
    }

    #[test]
    fn other_glue_is_refused() {
        let error = give_back(&glue(), &world(r#""domain-start""#)).unwrap_err().to_string();
        assert!(error.contains("0 of 1 hooks that are lent a domain were found"), "{error}");
    }

    #[test]
    fn a_policy_that_is_lent_nothing_stays_as_it_is() {
        let component = glue();
        assert_eq!(give_back(&component, &world(r#""domain-events""#)).unwrap(), component);
    }
}
