//! Types and functions of the contract in its own notation.

use std::fmt::Write;

use wit_parser::{Docs, Function, FunctionKind, Handle, Resolve, Type, TypeDefKind, TypeId};

/// Writes a named type with its fields or cases.
pub fn write_type(text: &mut String, resolve: &Resolve, id: TypeId) {
    let definition = &resolve.types[id];
    let name = definition.name.as_deref().unwrap_or("_");
    let members: Vec<(String, &Docs)> = match &definition.kind {
        TypeDefKind::Record(record) => record
            .fields
            .iter()
            .map(|field| (format!("{}: {}", field.name, of(resolve, &field.ty)), &field.docs))
            .collect(),
        TypeDefKind::Variant(variant) => variant
            .cases
            .iter()
            .map(|case| {
                let payload = case.ty.map_or_else(String::new, |ty| format!("({})", of(resolve, &ty)));
                (format!("{}{payload}", case.name), &case.docs)
            })
            .collect(),
        TypeDefKind::Enum(cases) => cases.cases.iter().map(|case| (case.name.clone(), &case.docs)).collect(),
        TypeDefKind::Flags(flags) => flags.flags.iter().map(|flag| (flag.name.clone(), &flag.docs)).collect(),
        _ => Vec::new(),
    };
    let alias = match &definition.kind {
        TypeDefKind::Type(ty) => format!(" = {}", of(resolve, ty)),
        _ => String::new(),
    };
    let kind = match &definition.kind {
        TypeDefKind::Type(_) => "type",
        kind => kind.as_str(),
    };
    let _ = writeln!(text, "- **{kind} `{name}`**{alias}{}", sentence(&definition.docs));
    for (member, docs) in members {
        let _ = writeln!(text, "  - `{member}`{}", sentence(docs));
    }
}

/// A function as it is declared.
pub fn signature(resolve: &Resolve, function: &Function) -> String {
    // A method's first parameter is the resource itself.
    let of_resource = matches!(function.kind, FunctionKind::Method(_) | FunctionKind::AsyncMethod(_));
    let parameters: Vec<String> = function
        .params
        .iter()
        .skip(usize::from(of_resource))
        .map(|parameter| format!("{}: {}", parameter.name, of(resolve, &parameter.ty)))
        .collect();
    let owner = function.kind.resource().and_then(|id| resolve.types[id].name.as_deref());
    let owner = owner.map_or_else(String::new, |name| format!("{name}."));
    let result = function.result.map_or_else(String::new, |ty| format!(" -> {}", of(resolve, &ty)));
    format!("{owner}{}({}){result}", function.item_name(), parameters.join(", "))
}

/// Documentation behind a dash, in one line.
fn sentence(docs: &Docs) -> String {
    let words = |text: &String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    docs.contents.as_ref().map_or_else(String::new, |text| format!(": {}", words(text)))
}

fn of(resolve: &Resolve, ty: &Type) -> String {
    let word = match ty {
        Type::Bool => "bool",
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        Type::Char => "char",
        Type::String => "string",
        Type::ErrorContext => "error-context",
        Type::Id(id) => return of_id(resolve, *id),
    };
    word.to_owned()
}

fn of_id(resolve: &Resolve, id: TypeId) -> String {
    let definition = &resolve.types[id];
    if let Some(name) = &definition.name {
        return name.clone();
    }
    let inner = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| of(resolve, ty));
    match &definition.kind {
        TypeDefKind::Option(ty) => format!("option<{}>", of(resolve, ty)),
        TypeDefKind::List(ty) => format!("list<{}>", of(resolve, ty)),
        TypeDefKind::Result(result) => match (&result.ok, &result.err) {
            (None, None) => "result".to_owned(),
            (ok, None) => format!("result<{}>", inner(ok)),
            (ok, err) => format!("result<{}, {}>", inner(ok), inner(err)),
        },
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<String> = tuple.types.iter().map(|ty| of(resolve, ty)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Handle(Handle::Borrow(resource)) => format!("borrow<{}>", of_id(resolve, *resource)),
        TypeDefKind::Handle(Handle::Own(resource)) => of_id(resolve, *resource),
        TypeDefKind::Type(ty) => of(resolve, ty),
        other => other.as_str().to_owned(),
    }
}
