//! Types of the contract in AssemblyScript: their names, and how values go to and from linear memory as the canonical ABI has it.
//!
//! ```text
//! bool, u8 … f64     the same                 record     a class with its fields
//! string             string                   variant    a class with a tag and a field a case
//! list<u8>, list<T>  Uint8Array, Array<T>     enum       an enum
//! option<T>          T | null, Some<T> | null result<_, E>  as option<E>
//! tuple<A, B>        Tuple2<A, B>             result<T, E>  Result<T, E>
//! own, borrow        the resource's class
//! ```

use std::collections::BTreeSet;

use wit_parser::abi::{FlatTypes, WasmType};
use wit_parser::{Handle, Resolve, Result_, SizeAlign, Type, TypeDefKind, TypeId, TypeOwner};

use super::super::BuildError;
use super::names::pascal;
use crate::lang::Lang;
use crate::world::WorldError;

/// The types of a contract.
pub(super) struct Types<'a> {
    pub(super) resolve: &'a Resolve,
    pub(super) sizes: SizeAlign,
    /// Names that more than one interface has.
    shared: BTreeSet<&'a str>,
}

/// Classes of the language: a type with such a name has that of its interface in front.
const BUILT_IN: [&str; 5] = ["array", "date", "map", "set", "string"];

/// The package whose types have their names to themselves.
const FIRST: &str = "types";

/// A text of the program, or why there is none.
pub(super) type Text = Result<String, BuildError>;

/// What the contract has and these bindings do not.
pub(super) fn unsupported(what: impl Into<String>) -> BuildError {
    BuildError::Bindings { lang: Lang::AssemblyScript, what: what.into() }
}

/// `base` and an offset, as an expression.
pub(super) fn place(base: &str, offset: usize) -> String {
    if offset == 0 { base.to_owned() } else { format!("{base} + {offset}") }
}

impl<'a> Types<'a> {
    pub(super) fn new(resolve: &'a Resolve) -> Result<Self, BuildError> {
        let mut sizes = SizeAlign::default();
        let filled = sizes.fill(resolve);
        filled.map_err(|error| WorldError::Contract(format!("{error:#}")))?;
        let (mut seen, mut shared) = (BTreeSet::new(), BTreeSet::from(BUILT_IN));
        for (_, def) in resolve.types.iter().filter(|(_, def)| !matches!(def.kind, TypeDefKind::Type(_))) {
            let Some(name) = def.name.as_deref() else { continue };
            if !seen.insert(name) {
                shared.insert(name);
            }
        }
        Ok(Self { resolve, sizes, shared })
    }

    /// The type behind aliases.
    fn root(&self, ty: &Type) -> Type {
        match ty {
            Type::Id(id) => match &self.resolve.types[*id].kind {
                TypeDefKind::Type(of) => self.root(of),
                _ => *ty,
            },
            _ => *ty,
        }
    }

    /// What a type is; none for those without a definition, like numbers.
    fn kind(&self, ty: &Type) -> Option<(TypeId, &'a TypeDefKind)> {
        match self.root(ty) {
            Type::Id(id) => Some((id, &self.resolve.types[id].kind)),
            _ => None,
        }
    }

    /// The class or enum of a type with a name.
    pub(super) fn class(&self, id: TypeId) -> Text {
        let def = &self.resolve.types[id];
        let unnamed = || unsupported("a record, variant or enum without a name");
        let name = def.name.as_deref().ok_or_else(unnamed)?;
        let TypeOwner::Interface(owner) = def.owner else { return Ok(pascal(name)) };
        let owner = &self.resolve.interfaces[owner];
        let package = owner.package.map(|id| self.resolve.packages[id].name.name.as_str());
        if !self.shared.contains(name) || package == Some(FIRST) {
            return Ok(pascal(name));
        }
        Ok(pascal(owner.name.as_deref().unwrap_or_default()) + &pascal(name))
    }

    /// Bytes of a type in memory.
    pub(super) fn size(&self, ty: &Type) -> usize {
        self.sizes.size(ty).size_wasm32()
    }

    /// Where the payload of an option or result begins.
    fn payload(&self, cases: [Option<&Type>; 2]) -> usize {
        self.sizes.payload_offset(wit_parser::Int::U8, cases).size_wasm32()
    }

    /// A type as AssemblyScript writes it.
    pub(super) fn name(&self, ty: &Type) -> Text {
        if let Some(scalar) = scalar(&self.root(ty)) {
            return Ok(scalar.to_owned());
        }
        Ok(match self.kind(ty) {
            None if self.root(ty) == Type::Bool => "bool".to_owned(),
            None if self.root(ty) == Type::String => "string".to_owned(),
            None => return Err(unsupported(format!("the type {:?}", self.root(ty)))),
            Some((id, kind)) => match kind {
                TypeDefKind::Record(_) | TypeDefKind::Variant(_) | TypeDefKind::Enum(_) => self.class(id)?,
                TypeDefKind::Handle(Handle::Own(of) | Handle::Borrow(of)) => {
                    self.class(self.resource(*of))?
                }
                TypeDefKind::List(Type::U8) => "Uint8Array".to_owned(),
                TypeDefKind::List(of) => format!("Array<{}>", self.name(of)?),
                TypeDefKind::Option(of) | TypeDefKind::Result(Result_ { ok: None, err: Some(of) }) => {
                    let inner = self.name(of)?;
                    if self.is_reference(of) {
                        format!("{inner} | null")
                    } else {
                        format!("Some<{inner}> | null")
                    }
                }
                TypeDefKind::Result(Result_ { ok: Some(ok), err: Some(err) }) => {
                    format!("Result<{}, {}>", self.name(ok)?, self.name(err)?)
                }
                TypeDefKind::Tuple(tuple) => match tuple.types.as_slice() {
                    [one, other] => format!("Tuple2<{}, {}>", self.name(one)?, self.name(other)?),
                    _ => return Err(unsupported("a tuple of other than two values")),
                },
                other => return Err(unsupported(format!("the type {}", other.as_str()))),
            },
        })
    }

    /// A resource behind the aliases that `use` makes.
    fn resource(&self, id: TypeId) -> TypeId {
        match self.root(&Type::Id(id)) {
            Type::Id(root) => root,
            _ => id,
        }
    }

    /// The fields of a record.
    pub(super) fn record(&self, ty: &Type) -> Option<&'a wit_parser::Record> {
        match self.kind(ty) {
            Some((_, TypeDefKind::Record(record))) => Some(record),
            _ => None,
        }
    }

    /// True for an enum, which is a number.
    pub(super) fn is_enum(&self, ty: &Type) -> bool {
        matches!(self.kind(ty), Some((_, TypeDefKind::Enum(_))))
    }

    /// True for what may be null without a box.
    fn is_reference(&self, ty: &Type) -> bool {
        match self.kind(ty) {
            None => self.root(ty) == Type::String,
            Some((_, kind)) => !matches!(
                kind,
                TypeDefKind::Enum(_) | TypeDefKind::Option(_) | TypeDefKind::Result(Result_ { ok: None, .. })
            ),
        }
    }

    /// An expression that reads a value from memory.
    pub(super) fn load(&self, ty: &Type, base: &str, offset: usize) -> Text {
        let root = self.root(ty);
        let at = place(base, offset);
        if let Some(scalar) = scalar(&root) {
            return Ok(format!("load<{scalar}>({base}, {offset})"));
        }
        let name = self.name(ty)?;
        Ok(match self.kind(ty) {
            None if root == Type::Bool => format!("load<u8>({base}, {offset}) != 0"),
            None => format!("abi.loadString({at})"),
            Some((id, kind)) => match kind {
                TypeDefKind::Record(_) | TypeDefKind::Variant(_) => format!("{}.load({at})", self.class(id)?),
                TypeDefKind::Enum(_) => format!("<{name}><i32>load<u8>({base}, {offset})"),
                TypeDefKind::Handle(_) => format!("new {name}(load<i32>({base}, {offset}))"),
                TypeDefKind::List(Type::U8) => format!("abi.loadBytes({at})"),
                TypeDefKind::List(of) => {
                    format!("abi.loadList<{}>({at}, {}, {})", self.name(of)?, self.size(of), self.loader(of)?)
                }
                TypeDefKind::Option(of) | TypeDefKind::Result(Result_ { ok: None, err: Some(of) }) => {
                    let load = if self.is_reference(of) { "loadOption" } else { "loadSome" };
                    let payload = self.payload([None, Some(of)]);
                    format!("abi.{load}<{}>({at}, {payload}, {})", self.name(of)?, self.loader(of)?)
                }
                TypeDefKind::Result(Result_ { ok: Some(ok), err: Some(err) }) => {
                    let payload = offset + self.payload([Some(ok), Some(err)]);
                    let types = format!("{}, {}", self.name(ok)?, self.name(err)?);
                    format!(
                        "load<u8>({base}, {offset}) == 0 ? Result.ok<{types}>({}) : Result.err<{types}>({})",
                        self.load(ok, base, payload)?,
                        self.load(err, base, payload)?
                    )
                }
                TypeDefKind::Tuple(tuple) => {
                    let mut values = Vec::new();
                    for (place, of) in self.sizes.field_offsets(&tuple.types) {
                        values.push(self.load(of, base, offset + place.size_wasm32())?);
                    }
                    format!("new {name}({})", values.join(", "))
                }
                other => return Err(unsupported(format!("the type {}", other.as_str()))),
            },
        })
    }

    /// A function that reads one value.
    fn loader(&self, ty: &Type) -> Text {
        Ok(format!("(at: usize): {} => {}", self.name(ty)?, self.load(ty, "at", 0)?))
    }

    /// Statements that write a value to memory.
    pub(super) fn store(&self, ty: &Type, base: &str, offset: usize, value: &str) -> Text {
        let root = self.root(ty);
        let at = place(base, offset);
        if let Some(scalar) = scalar(&root) {
            return Ok(format!("store<{scalar}>({base}, {value}, {offset});"));
        }
        Ok(match self.kind(ty) {
            None if root == Type::Bool => format!("store<u8>({base}, <u8>{value}, {offset});"),
            None if root == Type::String => format!("abi.storeString({at}, {value});"),
            None => return Err(unsupported(format!("the type {root:?}"))),
            Some((id, kind)) => match kind {
                TypeDefKind::Record(_) | TypeDefKind::Variant(_) => {
                    format!("{}.store({at}, {value});", self.class(id)?)
                }
                TypeDefKind::Enum(_) => format!("store<u8>({base}, <u8>{value}, {offset});"),
                TypeDefKind::List(Type::U8) => format!("abi.storeBytes({at}, {value});"),
                TypeDefKind::List(of) => {
                    format!(
                        "abi.storeList<{}>({at}, {value}, {}, {});",
                        self.name(of)?,
                        self.size(of),
                        self.storer(of)?
                    )
                }
                TypeDefKind::Option(of) | TypeDefKind::Result(Result_ { ok: None, err: Some(of) }) => {
                    let store = if self.is_reference(of) { "storeOption" } else { "storeSome" };
                    let payload = self.payload([None, Some(of)]);
                    format!(
                        "abi.{store}<{}>({at}, {payload}, {value}, {});",
                        self.name(of)?,
                        self.storer(of)?
                    )
                }
                TypeDefKind::Result(Result_ { ok: Some(ok), err: Some(err) }) => {
                    let payload = offset + self.payload([Some(ok), Some(err)]);
                    format!(
                        "store<u8>({base}, {value}.isOk ? 0 : 1, {offset}); if ({value}.isOk) {{ {} }} else {{ {} }}",
                        self.store(ok, base, payload, &format!("{value}.value"))?,
                        self.store(err, base, payload, &format!("{value}.error"))?
                    )
                }
                TypeDefKind::Tuple(tuple) => {
                    let mut stores = Vec::new();
                    for ((place, of), name) in
                        self.sizes.field_offsets(&tuple.types).into_iter().zip(["first", "second"])
                    {
                        stores.push(self.store(
                            of,
                            base,
                            offset + place.size_wasm32(),
                            &format!("{value}.{name}"),
                        )?);
                    }
                    stores.join(" ")
                }
                other => return Err(unsupported(format!("an answer with the type {}", other.as_str()))),
            },
        })
    }

    /// A function that writes one value.
    fn storer(&self, ty: &Type) -> Text {
        Ok(format!("(at: usize, it: {}): void => {{ {} }}", self.name(ty)?, self.store(ty, "at", 0, "it")?))
    }

    /// An expression that makes a value of flat parameters, which are taken from `parameters`.
    pub(super) fn lift(&self, ty: &Type, parameters: &mut impl Iterator<Item = String>) -> Text {
        let root = self.root(ty);
        let mut next = || {
            parameters.next().ok_or_else(|| unsupported("a value that is spread over too many parameters"))
        };
        if let Some(scalar) = scalar(&root) {
            return Ok(format!("<{scalar}>{}", next()?));
        }
        let name = self.name(ty)?;
        Ok(match self.kind(ty) {
            None if root == Type::Bool => format!("{} != 0", next()?),
            None => format!("abi.liftString({}, {})", next()?, next()?),
            Some((_, kind)) => match kind {
                TypeDefKind::Enum(_) => format!("<{name}>{}", next()?),
                TypeDefKind::Handle(_) => format!("new {name}({})", next()?),
                TypeDefKind::List(of) => {
                    let (at, length) = (next()?, next()?);
                    format!(
                        "abi.liftList<{}>({at}, {length}, {}, {})",
                        self.name(of)?,
                        self.size(of),
                        self.loader(of)?
                    )
                }
                TypeDefKind::Record(record) => {
                    let fields = record.fields.iter().map(|field| self.lift(&field.ty, parameters));
                    format!("new {name}({})", fields.collect::<Result<Vec<_>, _>>()?.join(", "))
                }
                TypeDefKind::Variant(_) => {
                    let flat =
                        self.flat(ty).ok_or_else(|| unsupported(format!("'{name}' as a parameter")))?;
                    let values: Vec<_> = flat.iter().map(|_| next()).collect::<Result<_, _>>()?;
                    format!("{name}.lift({})", values.join(", "))
                }
                TypeDefKind::Option(of) => {
                    let some = next()?;
                    let value = self.lift(of, parameters)?;
                    let boxed = match self.is_reference(of) {
                        true => value,
                        false => format!("new Some<{}>({value})", self.name(of)?),
                    };
                    format!("{some} == 0 ? null : {boxed}")
                }
                other => return Err(unsupported(format!("a parameter with the type {}", other.as_str()))),
            },
        })
    }

    /// The core types of a value that goes by value; none when there are too many, or when a variant's cases need different ones in
    /// one place.
    pub(super) fn flat(&self, ty: &Type) -> Option<Vec<&'static str>> {
        if let Some((_, TypeDefKind::Variant(variant))) = self.kind(ty) {
            let mut joined: Vec<&'static str> = vec!["i32"];
            for ty in variant.cases.iter().filter_map(|case| case.ty.as_ref()) {
                for (position, of) in self.flat(ty)?.into_iter().enumerate() {
                    match joined.get(position + 1) {
                        None => joined.push(of),
                        Some(same) if *same == of => {}
                        Some(_) => return None,
                    }
                }
            }
            return Some(joined);
        }
        let mut room = [WasmType::I32; Resolve::MAX_FLAT_PARAMS];
        let mut flat = FlatTypes::new(&mut room);
        self.resolve.push_flat(ty, &mut flat).then(|| flat.to_vec().into_iter().map(core).collect())
    }
}

/// A core type as AssemblyScript writes it.
pub(super) fn core(ty: WasmType) -> &'static str {
    match ty {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => "i32",
        WasmType::I64 | WasmType::PointerOrI64 => "i64",
        WasmType::F32 => "f32",
        WasmType::F64 => "f64",
    }
}

/// Numbers, which are the same in both.
fn scalar(ty: &Type) -> Option<&'static str> {
    Some(match ty {
        Type::U8 => "u8",
        Type::U16 => "u16",
        Type::U32 => "u32",
        Type::U64 => "u64",
        Type::S8 => "i8",
        Type::S16 => "i16",
        Type::S32 => "i32",
        Type::S64 => "i64",
        Type::F32 => "f32",
        Type::F64 => "f64",
        _ => return None,
    })
}
