//! The contract in Python, as `componentize-py` maps it.

use std::fmt::Write as _;

use wit_parser::{Docs, Function, Handle, Type, TypeDefKind, TypeId};

use super::wit::{Contract, Part, mentions, pascal, text};

const HEAD: &str = "\"\"\"The types of the contract, made of wit/ by the conformance tests.\n\n\
                    Natively, in tests and editors, they are the classes below. In a component the host's own classes of the same names and\n\
                    fields take their place.\n\"\"\"\n\n\
                    from __future__ import annotations\n\n\
                    import importlib\nfrom dataclasses import dataclass\nfrom enum import Enum, auto\nfrom typing import List, Optional, Protocol, Tuple, Union\n";

const TAIL: &str = "\n\ndef _adopt() -> None:\n    for module, names in _MODULES.items():\n        try:\n            found = importlib.import_module(f\"wit_world.{module}\")\n        except ImportError:\n            continue\n        for name, here in names.items():\n            globals()[here] = getattr(found, name, globals()[here])\n\n\n_adopt()\n";

/// `contract.py`.
pub fn types(contract: &Contract) -> String {
    let mut out = HEAD.to_owned();
    let mut modules = String::new();
    for part in contract.parts() {
        let types = contract.own_types(&part);
        if types.is_empty() {
            continue;
        }
        let _ = write!(out, "\n\n# {}\n", part.path);
        let mut names = Vec::new();
        for (name, ty) in &types {
            define(contract, &part, name, *ty, &mut names, &mut out);
        }
        let place = if part.is_hook { "exports" } else { "imports" };
        let names: Vec<_> =
            names.iter().map(|(name, here)| format!("\n        \"{name}\": \"{here}\",")).collect();
        if !names.is_empty() {
            let _ = write!(modules, "    \"{place}.{}\": {{{}\n    }},\n", snake(&part.name), names.concat());
        }
    }
    let _ = write!(out, "\n\n_MODULES = {{\n{modules}}}\n{TAIL}");
    out
}

/// A module an interface that a policy may call: name without `.py`, and text. The log is written by hand.
pub fn interfaces(contract: &Contract) -> Vec<(String, String)> {
    let parts = contract.parts();
    let callable = parts.iter().filter(|part| !part.is_hook && part.package != "log");
    callable
        .filter(|part| !contract.functions(part).is_empty())
        .map(|part| (module_name(part), module(contract, part)))
        .collect()
}

/// `store` says nothing without its package.
fn module_name(part: &Part<'_>) -> String {
    snake(if part.name == "store" { &part.package } else { &part.name })
}

fn module(contract: &Contract, part: &Part<'_>) -> String {
    let mut functions = String::new();
    for function in contract.functions(part) {
        let parameters: Vec<_> = function.params.iter().map(|parameter| snake(&parameter.name)).collect();
        let name = snake(&function.name);
        let _ = write!(functions, "\n\ndef {}:\n", signature(contract, function, &function.name, false));
        let can_fail = contract.success(function).1;
        docs(&function.docs, if can_fail { "Raises HostError." } else { "" }, "    ", &mut functions);
        let _ = writeln!(
            functions,
            "    return _calls(\"{name}\"{})",
            parameters.iter().map(|name| format!(", {name}")).collect::<String>()
        );
    }
    let mut out = String::new();
    docs(&part.interface.docs, "Made of wit/ by the conformance tests.", "", &mut out);
    let names: Vec<_> = contract.titles().into_iter().filter(|name| mentions(&functions, name)).collect();
    let typing: Vec<_> =
        ["List", "Optional", "Tuple"].into_iter().filter(|name| mentions(&functions, name)).collect();
    out.push_str("\nfrom __future__ import annotations\n");
    if !typing.is_empty() {
        let _ = write!(out, "\nfrom typing import {}\n", typing.join(", "));
    }
    out.push_str("\nfrom . import _bridge\n");
    if !names.is_empty() {
        let _ = writeln!(out, "from .contract import {}", names.join(", "));
    }
    let _ = write!(out, "\n_calls = _bridge.interface(\"{}\", \"{}\")\n", part.path, snake(&part.name));
    out + &functions
}

/// `call-id` as `call_id`; words of the language get a stroke.
fn snake(name: &str) -> String {
    let keyword =
        matches!(name, "except" | "from" | "in" | "is" | "class" | "def" | "import" | "pass" | "with" | "as");
    name.replace('-', "_") + if keyword { "_" } else { "" }
}

fn docs(docs: &Docs, more: &str, indent: &str, out: &mut String) {
    let text = [text(docs), more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let text = text.join(if indent.is_empty() { "\n\n" } else { " " });
    if text.is_empty() {
        return;
    }
    let lines: Vec<_> = text.lines().collect();
    let _ = write!(
        out,
        "{indent}\"\"\"{}",
        lines.join(&format!("\n{indent}")).replace(&format!("\n{indent}\n"), "\n\n")
    );
    out.push_str(&if lines.len() > 1 { format!("\n{indent}\"\"\"\n") } else { "\"\"\"\n".to_owned() });
}

fn comment(docs: &Docs, indent: &str, out: &mut String) {
    for line in text(docs).lines() {
        let _ = writeln!(out, "{indent}#: {line}");
    }
}

/// Writes a type; `names` gets what the host's module and this one call its classes.
fn define(
    contract: &Contract,
    part: &Part<'_>,
    name: &str,
    id: TypeId,
    names: &mut Vec<(String, String)>,
    out: &mut String,
) {
    let (ty, own, title) = (&contract.0.types[id], pascal(name), contract.title(id));
    match &ty.kind {
        TypeDefKind::Record(record) => {
            let _ = write!(out, "\n\n@dataclass\nclass {title}:\n");
            docs(&ty.docs, "", "    ", out);
            out.push('\n');
            for field in &record.fields {
                comment(&field.docs, "    ", out);
                let _ = writeln!(out, "    {}: {}", snake(&field.name), reference(contract, &field.ty));
            }
            names.push((own, title));
        }
        TypeDefKind::Variant(variant) => {
            let mut cases = Vec::new();
            for case in &variant.cases {
                let case_name = pascal(&case.name);
                let case_title = format!("{title}_{case_name}");
                let _ = write!(out, "\n\n@dataclass\nclass {case_title}:\n");
                docs(&case.docs, "", "    ", out);
                if let Some(ty) = &case.ty {
                    let _ = write!(out, "\n    value: {}\n", reference(contract, ty));
                }
                names.push((format!("{own}_{case_name}"), case_title.clone()));
                cases.push(case_title);
            }
            out.push_str("\n\n");
            comment(&ty.docs, "", out);
            let _ = writeln!(out, "{title} = Union[\n    {},\n]", cases.join(",\n    "));
        }
        TypeDefKind::Enum(words) => {
            let _ = write!(out, "\n\nclass {title}(Enum):\n");
            docs(&ty.docs, "", "    ", out);
            out.push('\n');
            for case in &words.cases {
                comment(&case.docs, "    ", out);
                let _ = writeln!(out, "    {} = auto()", case.name.replace('-', "_").to_uppercase());
            }
            names.push((own, title));
        }
        TypeDefKind::Resource => {
            let _ = write!(out, "\n\nclass {title}(Protocol):\n");
            docs(&ty.docs, "", "    ", out);
            for (method, function) in contract.methods(part, name) {
                let _ = write!(out, "\n    def {}:\n", signature(contract, function, method, true));
                docs(&function.docs, "", "        ", out);
                out.push_str("        ...\n");
            }
        }
        TypeDefKind::Type(ty) => {
            let target = reference(contract, ty);
            let _ = writeln!(out);
            let _ = writeln!(out, "{title} = {target}");
        }
        other => panic!("type '{name}' is a {}, which this test cannot show yet", other.as_str()),
    }
}

fn signature(contract: &Contract, function: &Function, name: &str, method: bool) -> String {
    let mut parameters: Vec<_> = method.then(|| "self".to_owned()).into_iter().collect();
    for parameter in function.params.iter().filter(|parameter| parameter.name != "self") {
        parameters.push(format!("{}: {}", snake(&parameter.name), reference(contract, &parameter.ty)));
    }
    let (result, _) = contract.success(function);
    let result = result.map_or_else(|| "None".to_owned(), |ty| reference(contract, &ty));
    format!("{}({}) -> {result}", snake(name), parameters.join(", "))
}

fn reference(contract: &Contract, ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
            "int".to_owned()
        }
        Type::F32 | Type::F64 => "float".to_owned(),
        Type::Char | Type::String => "str".to_owned(),
        Type::ErrorContext => panic!("error-context is not part of the contract"),
        Type::Id(id) => {
            let ty = &contract.0.types[*id];
            match (&ty.name, &ty.kind) {
                (Some(_), _) => contract.title(*id),
                (None, TypeDefKind::Option(inner)) => format!("Optional[{}]", reference(contract, inner)),
                (None, TypeDefKind::List(Type::U8)) => "bytes".to_owned(),
                (None, TypeDefKind::List(inner)) => format!("List[{}]", reference(contract, inner)),
                (None, TypeDefKind::Tuple(tuple)) => {
                    let parts: Vec<_> = tuple.types.iter().map(|ty| reference(contract, ty)).collect();
                    format!("Tuple[{}]", parts.join(", "))
                }
                (None, TypeDefKind::Handle(Handle::Own(id) | Handle::Borrow(id))) => {
                    reference(contract, &Type::Id(*id))
                }
                (None, other) => panic!("a {} is not shown yet", other.as_str()),
            }
        }
    }
}
