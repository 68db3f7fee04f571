//! The contract in TypeScript, as `componentize-qjs` maps it.

use std::fmt::Write as _;

use wit_parser::{Docs, Function, Handle, Type, TypeDefKind, TypeId};

use super::wit::{Contract, Part, camel, mentions, text};

const HEAD: &str = "// The types of the contract, made of wit/ by the conformance tests. Numbers of 64 bits are JavaScript numbers: exact up to\n\
                    // 2^53, and beyond that for multiples of a large enough power of two, such as sizes in KiB.\n";

/// `contract.d.ts`.
pub fn types(contract: &Contract) -> String {
    let mut out = HEAD.to_owned();
    let mut hooks = String::new();
    for part in contract.parts() {
        let _ = write!(out, "\n// {}\n", part.path);
        for (name, ty) in contract.own_types(&part) {
            out.push('\n');
            define(contract, &part, &name, ty, &mut out);
        }
        if part.is_hook {
            comment(&part.interface.docs, "  ", &mut hooks);
            let functions = contract.functions(&part);
            let signatures: Vec<_> =
                functions.iter().map(|function| signature(contract, function, &function.name)).collect();
            let _ = writeln!(hooks, "  \"{}\": {{ {} }};", part.name, signatures.join("; "));
        }
    }
    let _ = write!(
        out,
        "\n/** What each hook is asked and answers, as the component exports it. */\nexport interface Hooks {{\n{hooks}}}\n"
    );
    out
}

/// `host.d.ts`: the modules that a policy may import.
pub fn modules(contract: &Contract) -> String {
    let mut out = "// What a policy may call, made of wit/ by the conformance tests. Every function but those of the log, the clock and the disks\n// of a migration needs a grant that policy.toml wants; one that can fail throws an Error whose `payload` is the contract's error.\n".to_owned();
    for part in contract.parts().iter().filter(|part| !part.is_hook) {
        module(contract, part, &mut out);
    }
    out
}

/// `contract.js`: names that exist while a policy runs.
pub fn values(contract: &Contract) -> String {
    let mut out = "// Names of the contract, made of wit/ by the conformance tests.\n\n/** Interfaces a policy may call, and their functions. */\nexport const INTERFACES = {\n".to_owned();
    let mut getters = String::new();
    for part in contract.parts().iter().filter(|part| !part.is_hook) {
        let functions: Vec<_> = contract
            .functions(part)
            .iter()
            .map(|function| format!("\"{}\"", camel(&function.name)))
            .collect();
        if !functions.is_empty() {
            let _ = writeln!(out, "  \"{}\": [{}],", part.versioned, functions.join(", "));
        }
        for (method, _) in contract.methods(part, "domain-config") {
            let _ = writeln!(getters, "  \"{}\",", camel(method));
        }
    }
    let _ = write!(out, "}};\n\n/** Getters of a domain. */\nexport const GETTERS = [\n{getters}];\n");
    out
}

fn comment(docs: &Docs, indent: &str, out: &mut String) {
    let text = text(docs);
    match text.lines().count() {
        0 => {}
        1 => {
            let _ = writeln!(out, "{indent}/** {text} */");
        }
        _ => {
            let _ = writeln!(out, "{indent}/**");
            for line in text.lines() {
                let _ = writeln!(out, "{}", format!("{indent} * {line}").trim_end());
            }
            let _ = writeln!(out, "{indent} */");
        }
    }
}

fn define(contract: &Contract, part: &Part<'_>, name: &str, id: TypeId, out: &mut String) {
    let (ty, title) = (&contract.0.types[id], contract.title(id));
    comment(&ty.docs, "", out);
    match &ty.kind {
        TypeDefKind::Record(record) => {
            let _ = writeln!(out, "export interface {title} {{");
            for field in &record.fields {
                comment(&field.docs, "  ", out);
                let _ = writeln!(out, "  {}: {};", camel(&field.name), reference(contract, &field.ty));
            }
            out.push_str("}\n");
        }
        TypeDefKind::Variant(variant) => {
            let _ = writeln!(out, "export type {title} =");
            for (number, case) in variant.cases.iter().enumerate() {
                comment(&case.docs, "  ", out);
                let value =
                    case.ty.map(|ty| format!("; val: {}", reference(contract, &ty))).unwrap_or_default();
                let end = if number + 1 == variant.cases.len() { ";" } else { "" };
                let _ = writeln!(out, "  | {{ tag: \"{}\"{value} }}{end}", case.name);
            }
        }
        TypeDefKind::Enum(words) => {
            let _ = writeln!(out, "export type {title} =");
            for (number, case) in words.cases.iter().enumerate() {
                comment(&case.docs, "  ", out);
                let end = if number + 1 == words.cases.len() { ";" } else { "" };
                let _ = writeln!(out, "  | \"{}\"{end}", case.name);
            }
        }
        TypeDefKind::Resource => {
            let _ = writeln!(out, "export interface {title} {{");
            for (method, function) in contract.methods(part, name) {
                comment(&function.docs, "  ", out);
                let _ = writeln!(out, "  {};", signature(contract, function, method));
            }
            out.push_str("}\n");
        }
        TypeDefKind::Type(ty) => {
            let _ = writeln!(out, "export type {title} = {};", reference(contract, ty));
        }
        other => panic!("type '{name}' is a {}, which this test cannot show yet", other.as_str()),
    }
}

/// `propose(ctx: Context): string`.
fn signature(contract: &Contract, function: &Function, name: &str) -> String {
    let parameters: Vec<_> = function
        .params
        .iter()
        .filter(|parameter| parameter.name != "self")
        .map(|parameter| format!("{}: {}", word(&camel(&parameter.name)), reference(contract, &parameter.ty)))
        .collect();
    let (result, _) = contract.success(function);
    let result = result.map_or_else(|| "void".to_owned(), |ty| reference(contract, &ty));
    format!("{}({}): {result}", camel(name), parameters.join(", "))
}

/// A parameter may not be called like a keyword.
fn word(name: &str) -> &str {
    match name {
        "interface" => "interfaceNumber",
        other => other,
    }
}

/// `declare module "reeve:kv/store@0.1.0"`.
fn module(contract: &Contract, part: &Part<'_>, out: &mut String) {
    let functions = contract.functions(part);
    if functions.is_empty() {
        return;
    }
    out.push('\n');
    comment(&part.interface.docs, "", out);
    let _ = writeln!(out, "declare module \"{}\" {{", part.versioned);
    let mut text = String::new();
    for function in functions {
        comment(&function.docs, "  ", &mut text);
        let signature = signature(contract, function, &function.name);
        let _ = match function.name.as_str() {
            "delete" => writeln!(text, "  function _{signature};\n  export {{ _delete as delete }};"),
            _ => writeln!(text, "  export function {signature};"),
        };
    }
    for name in contract.titles().iter().filter(|name| mentions(&text, name)) {
        let _ = writeln!(out, "  type {name} = import(\"./contract.js\").{name};");
    }
    let _ = writeln!(out, "{text}}}");
}

fn reference(contract: &Contract, ty: &Type) -> String {
    match ty {
        Type::Bool => "boolean".to_owned(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
            "number".to_owned()
        }
        Type::F32 | Type::F64 => "number".to_owned(),
        Type::Char | Type::String => "string".to_owned(),
        Type::ErrorContext => panic!("error-context is not part of the contract"),
        Type::Id(id) => {
            let ty = &contract.0.types[*id];
            match (&ty.name, &ty.kind) {
                (Some(_), _) => contract.title(*id),
                (None, TypeDefKind::Option(inner)) => format!("{} | null", reference(contract, inner)),
                (None, TypeDefKind::List(Type::U8)) => "Uint8Array".to_owned(),
                (None, TypeDefKind::List(inner)) => format!("{}[]", reference(contract, inner)),
                (None, TypeDefKind::Tuple(tuple)) => {
                    let parts: Vec<_> = tuple.types.iter().map(|ty| reference(contract, ty)).collect();
                    format!("[{}]", parts.join(", "))
                }
                (None, TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id))) => {
                    reference(contract, &Type::Id(*id))
                }
                (None, other) => panic!("a {} is not shown yet", other.as_str()),
            }
        }
    }
}
