//! `sdk/contract.ts`: the types of the contract, the resource that hooks are lent, and a class for each interface of the host.
//!
//! All of the contract is in it: what a policy does not use is left out by its compiler, function by function.

use std::collections::BTreeMap;

use wit_parser::abi::AbiVariant;
use wit_parser::{
    Function, FunctionKind, Interface, InterfaceId, Record, Resolve, Type, TypeDef, TypeDefKind, TypeId,
    Variant,
};

use super::super::BuildError;
use super::names::{camel, comment, member, pascal, value};
use super::types::{Text, Types, core, unsupported};
use crate::world::HOOK_PACKAGES;

/// What stands at the beginning.
const HEAD: &str = "// The contract in AssemblyScript, made of wit/. Do not edit: 'cargo test -p reeve-package' writes it anew.

import * as abi from \"./abi\";
import { Result, Some, Tuple2 } from \"./abi\";
";

/// Functions of the language, which these bindings use: an interface with such a name goes by its package's.
const BUILT_IN: [&str; 3] = ["load", "memory", "store"];

/// The whole file.
pub(super) fn contract(resolve: &Resolve) -> Text {
    let types = Types::new(resolve)?;
    let mut out = HEAD.to_owned();
    for (name, id) in interfaces(resolve) {
        let interface = &resolve.interfaces[id];
        let writer = Writer { types: &types, module: &name, interface };
        let written = writer.interface()?;
        if !written.is_empty() {
            out.push_str(&format!("\n// {name}\n{written}"));
        }
    }
    Ok(out)
}

/// The names of all classes and enums, sorted.
pub(super) fn names(resolve: &Resolve) -> Result<Vec<String>, BuildError> {
    let types = Types::new(resolve)?;
    let mut names = Vec::new();
    for (_, id) in interfaces(resolve) {
        for ty in resolve.interfaces[id].types.values() {
            if !matches!(resolve.types[*ty].kind, TypeDefKind::Type(_)) {
                names.push(types.class(*ty)?);
            }
        }
    }
    names.sort();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(unsupported(format!("two types that are both called {}", pair[0]))),
        None => Ok(names),
    }
}

/// All interfaces by name.
fn interfaces(resolve: &Resolve) -> BTreeMap<String, InterfaceId> {
    resolve.interfaces.iter().filter_map(|(id, _)| Some((resolve.id_of(id)?, id))).collect()
}

struct Writer<'a> {
    types: &'a Types<'a>,
    /// Name of the interface with its version, which is the module of imports.
    module: &'a str,
    interface: &'a Interface,
}

impl Writer<'_> {
    fn interface(&self) -> Text {
        let mut out = String::new();
        for (name, id) in &self.interface.types {
            let def = &self.types.resolve.types[*id];
            match &def.kind {
                TypeDefKind::Record(record) => out.push_str(&self.record(*id, def, record)?),
                TypeDefKind::Variant(variant) => out.push_str(&self.variant(*id, def, variant)?),
                TypeDefKind::Enum(of) => {
                    let cases = of.cases.iter();
                    let cases =
                        cases.map(|case| format!("{}  {},\n", comment(&case.docs, "  "), pascal(&case.name)));
                    let cases: String = cases.collect();
                    let class = self.types.class(*id)?;
                    out.push_str(&format!("\n{}export enum {class} {{\n{cases}}}\n", comment(&def.docs, "")));
                }
                TypeDefKind::Resource => out.push_str(&self.resource(*id, def)?),
                // An alias is written as what it stands for.
                TypeDefKind::Type(_) => {}
                other => return Err(unsupported(format!("'{name}', whose type is {}", other.as_str()))),
            }
        }
        let package = self.interface.package.map(|id| self.types.resolve.packages[id].name.name.as_str());
        let package = package.unwrap_or_default();
        if !HOOK_PACKAGES.contains(&package) {
            out.push_str(&self.api(package)?);
        }
        Ok(out)
    }

    fn record(&self, id: TypeId, def: &TypeDef, record: &Record) -> Text {
        let class = self.types.class(id)?;
        let (mut fields, mut loads, mut stores) = (String::new(), Vec::new(), String::new());
        let offsets = self.types.sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
        for (field, (offset, _)) in record.fields.iter().zip(offsets) {
            let (name, offset) = (value(&field.name), offset.size_wasm32());
            fields.push_str(&comment(&field.docs, "    "));
            fields.push_str(&format!("    public {name}: {},\n", self.types.name(&field.ty)?));
            loads.push(self.types.load(&field.ty, "at", offset)?);
            let store = self.types.store(&field.ty, "at", offset, &format!("it.{name}"));
            // What only comes from the host, like a handle, is never written.
            stores.push_str(&format!("    {}\n", store?));
        }
        Ok(format!(
            "\n{}export class {class} {{\n  constructor(\n{fields}  ) {{}}\n\n  /** For the bindings. */\n  static load(at: usize): {class} \
             {{\n    return new {class}({});\n  }}\n\n  /** For the bindings. */\n  static store(at: usize, it: {class}): void \
             {{\n{stores}  }}\n}}\n",
            comment(&def.docs, ""),
            loads.join(", ")
        ))
    }

    fn variant(&self, id: TypeId, def: &TypeDef, variant: &Variant) -> Text {
        let class = self.types.class(id)?;
        let payload = variant.cases.iter().map(|case| case.ty.as_ref());
        let payload = self.types.sizes.payload_offset(variant.tag(), payload).size_wasm32();
        let (mut tags, mut fields, mut makers) = (String::new(), String::new(), String::new());
        let (mut loads, mut stores, mut lifts) = (String::new(), String::new(), String::new());
        let flat = self.types.flat(&Type::Id(id));
        for (number, case) in variant.cases.iter().enumerate() {
            let (name, tag) = (value(&case.name), pascal(&case.name));
            tags.push_str(&format!("{}  {tag},\n", comment(&case.docs, "  ")));
            let Some(ty) = &case.ty else {
                makers.push_str(&comment(&case.docs, "  "));
                makers.push_str(&format!(
                    "  static {name}(): {class} {{\n    return new {class}({class}Tag.{tag});\n  }}\n\n"
                ));
                loads.push_str(&format!("      case {number}: return {class}.{name}();\n"));
                lifts.push_str(&format!("      case {number}: return {class}.{name}();\n"));
                continue;
            };
            let of = self.types.name(ty)?;
            let initial = match of.as_str() {
                "bool" => ": bool = false".to_owned(),
                number if is_number(number) => format!(": {number} = 0"),
                of if self.types.is_enum(ty) => format!(": {of} = 0"),
                of => format!("!: {of}"),
            };
            fields.push_str(&format!("{}  {name}{initial};\n", comment(&case.docs, "  ")));
            makers.push_str(&comment(&case.docs, "  "));
            makers.push_str(&format!(
                "  static {name}(value: {of}): {class} {{\n    const it = new {class}({class}Tag.{tag});\n    it.{name} = value;\n    return it;\n  }}\n\n"
            ));
            let load = self.types.load(ty, "at", payload)?;
            loads.push_str(&format!("      case {number}: return {class}.{name}({load});\n"));
            let store = self.types.store(ty, "at", payload, &format!("it.{name}"))?;
            stores.push_str(&format!("      case {class}Tag.{tag}: {{ {store} break; }}\n"));
            if flat.is_some() {
                let mut parameters = (0..).map(|position| format!("p{position}"));
                let lift = self.types.lift(ty, &mut parameters)?;
                lifts.push_str(&format!("      case {number}: return {class}.{name}({lift});\n"));
            }
        }
        let tag = self.types.sizes.size(&int(variant.tag())).size_wasm32() * 8;
        let mut out = format!(
            "\n/** Cases of {class}. */\nexport enum {class}Tag {{\n{tags}}}\n\n{}export class {class} {{\n{fields}\n  private \
             constructor(readonly tag: {class}Tag) {{}}\n\n{makers}  /** For the bindings. */\n  static load(at: usize): {class} {{\n    \
             switch (load<u{tag}>(at)) {{\n{loads}      default: return unreachable();\n    }}\n  }}\n\n  /** For the bindings. */\n  static \
             store(at: usize, it: {class}): void {{\n    store<u{tag}>(at, <u{tag}>it.tag);\n    switch (it.tag) {{\n{stores}      default: \
             break;\n    }}\n  }}\n",
            comment(&def.docs, "")
        );
        if let Some(flat) = flat {
            let parameters =
                flat.iter().skip(1).enumerate().map(|(position, ty)| format!(", p{position}: {ty}"));
            let parameters: String = parameters.collect();
            out.push_str(&format!(
                "\n  /** For the bindings. */\n  static lift(tag: i32{parameters}): {class} {{\n    switch (tag) {{\n{lifts}      default: \
                 return unreachable();\n    }}\n  }}\n"
            ));
        }
        out.push_str("}\n");
        Ok(out)
    }

    fn resource(&self, id: TypeId, def: &TypeDef) -> Text {
        let class = self.types.class(id)?;
        let (mut imports, mut methods) = (String::new(), String::new());
        let name = def.name.as_deref().unwrap_or_default();
        let drop = format!("drop_{}", camel(name));
        imports.push_str(&self.import(&format!("[resource-drop]{name}"), &drop, "self: i32", "void"));
        for function in self.interface.functions.values() {
            match function.kind {
                FunctionKind::Method(of) if of == id => {
                    let (import, method) = self.function(function)?;
                    imports.push_str(&import);
                    methods.push_str(&method);
                }
                FunctionKind::Freestanding => {}
                _ => return Err(unsupported(format!("the function '{}'", function.name))),
            }
        }
        Ok(format!(
            "{imports}\n{}export class {class} {{\n  constructor(readonly handle: i32) {{}}\n\n{methods}  /** Gives it back to the host. \
             */\n  drop(): void {{\n    {drop}(this.handle);\n  }}\n}}\n",
            comment(&def.docs, "")
        ))
    }

    /// The class of an interface's functions, and its one instance, which tests replace.
    fn api(&self, package: &str) -> Text {
        let functions = self.interface.functions.values();
        let functions: Vec<_> = functions.filter(|it| it.kind == FunctionKind::Freestanding).collect();
        let Some(interface) = self.interface.name.as_deref().filter(|_| !functions.is_empty()) else {
            return Ok(String::new());
        };
        let (mut imports, mut methods) = (String::new(), String::new());
        for function in functions {
            let (import, method) = self.function(function)?;
            imports.push_str(&import);
            methods.push_str(&method);
        }
        let name = if BUILT_IN.contains(&interface) { package } else { interface };
        let (class, instance) = (pascal(name), camel(name));
        let docs = comment(&self.interface.docs, "");
        Ok(format!(
            "{imports}\n{docs}export class {class}Api {{\n{}}}\n\n{docs}export let {instance}: {class}Api = new {class}Api();\n\n/** For \
             tests: who answers instead of the host. */\nexport function set{class}(to: {class}Api): void {{\n  {instance} = \
             to;\n}}\n",
            methods.trim_end().to_owned() + "\n"
        ))
    }

    fn import(&self, function: &str, name: &str, parameters: &str, result: &str) -> String {
        format!(
            "\n// @ts-ignore: a decorator of the language\n@external(\"{}\", \"{function}\")\ndeclare function {name}({parameters}): \
             {result};\n",
            self.module
        )
    }

    /// The declaration of an import, and the method that calls it.
    fn function(&self, function: &Function) -> Result<(String, String), BuildError> {
        let signature = self.types.resolve.wasm_signature(AbiVariant::GuestImport, function);
        if signature.indirect_params {
            return Err(unsupported(format!("'{}', which has too many parameters", function.name)));
        }
        let interface = self.interface.name.as_deref().unwrap_or_default();
        let import = format!("{}_{}", camel(interface), camel(&function.name.replace(['[', ']', '.'], "-")));
        let declared = signature.params.iter().enumerate().map(|(n, ty)| format!("p{n}: {}", core(*ty)));
        let result = signature.results.first().map_or("void", |ty| core(*ty));
        let declaration =
            self.import(&function.name, &import, &declared.collect::<Vec<_>>().join(", "), result);

        let (mut parameters, mut before, mut arguments) = (Vec::new(), String::new(), Vec::new());
        for parameter in &function.params {
            if parameter.name == "self" {
                arguments.push("this.handle".to_owned());
                continue;
            }
            let name = value(&parameter.name);
            parameters.push(format!("{name}: {}", self.types.name(&parameter.ty)?));
            self.lower(&parameter.ty, &name, &mut before, &mut arguments)?;
        }
        let body = match &function.result {
            None => format!("    {import}({});\n", arguments.join(", ")),
            Some(ty) if signature.retptr => {
                arguments.push("<i32>ret".to_owned());
                format!(
                    "    const ret = abi.allocate({});\n    {import}({});\n    return {};\n",
                    self.types.size(ty),
                    arguments.join(", "),
                    self.types.load(ty, "ret", 0)?
                )
            }
            Some(ty) => {
                let call = format!("{import}({})", arguments.join(", "));
                format!("    return {};\n", self.types.lift(ty, &mut std::iter::once(call))?)
            }
        };
        let result = function.result.as_ref().map_or(Ok("void".to_owned()), |ty| self.types.name(ty))?;
        let method = format!(
            "{}  {}({}): {result} {{\n{before}{body}  }}\n\n",
            comment(&function.docs, "  "),
            camel(member(&function.name)),
            parameters.join(", ")
        );
        Ok((declaration, method))
    }

    /// The core arguments of a value; `before` makes what they point to.
    fn lower(
        &self,
        ty: &Type,
        name: &str,
        before: &mut String,
        arguments: &mut Vec<String>,
    ) -> Result<(), BuildError> {
        if let Some(record) = self.types.record(ty) {
            for field in &record.fields {
                // A constant of its own, so that a check for null holds.
                let part = format!("{name}_{}", value(&field.name));
                before.push_str(&format!("    const {part} = {name}.{};\n", value(&field.name)));
                self.lower(&field.ty, &part, before, arguments)?;
            }
            return Ok(());
        }
        let of = self.types.name(ty)?;
        match of.as_str() {
            "Some<u64> | null" => arguments.extend([
                format!("{name} === null ? 0 : 1"),
                format!("<i64>({name} === null ? 0 : {name}.value)"),
            ]),
            "string" => {
                before.push_str(&format!("    const {name}Bytes = String.UTF8.encode({name});\n"));
                arguments.extend([
                    format!("<i32>changetype<usize>({name}Bytes)"),
                    format!("{name}Bytes.byteLength"),
                ]);
            }
            "string | null" => {
                before.push_str(&format!(
                    "    const {name}Bytes = String.UTF8.encode({name} === null ? \"\" : {name});\n"
                ));
                arguments.push(format!("{name} === null ? 0 : 1"));
                arguments.extend([
                    format!("<i32>changetype<usize>({name}Bytes)"),
                    format!("{name}Bytes.byteLength"),
                ]);
            }
            "Uint8Array" => arguments.extend([format!("<i32>{name}.dataStart"), format!("{name}.length")]),
            "bool" => arguments.push(format!("{name} ? 1 : 0")),
            number if is_number(number) || self.types.is_enum(ty) => {
                let flat = self.types.flat(ty).unwrap_or_default();
                arguments.push(format!("<{}>{name}", flat.first().copied().unwrap_or("i32")));
            }
            other => {
                return Err(unsupported(format!(
                    "a parameter '{name}' of a host function, of the type {other}"
                )));
            }
        }
        Ok(())
    }
}

fn is_number(name: &str) -> bool {
    matches!(name, "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "i64" | "f32" | "f64")
}

fn int(tag: wit_parser::Int) -> Type {
    match tag {
        wit_parser::Int::U8 => Type::U8,
        wit_parser::Int::U16 => Type::U16,
        _ => Type::U32,
    }
}
