//! From a core module to a component, and what a component imports and exports. In this process, without compiling anything.

use wasmparser::{Encoding, Parser, Payload, Validator};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldItem, WorldKey};

use crate::contract::split_version;
use crate::world::World;

/// Why bytes are no component, or make none.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Not Wasm, or damaged.
    #[error("this is not a valid Wasm component: {0}")]
    Invalid(String),
    /// A core module.
    #[error("this is a core Wasm module, not a component; 'reeve policy build' makes components")]
    Module,
    /// The module does not fit its world.
    #[error("the module makes no component of the policy's world: {0}")]
    Encode(String),
}

/// True for a component, false for a core module.
pub fn is_component(bytes: &[u8]) -> Result<bool, ComponentError> {
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Ok(encoding == Encoding::Component),
        Some(Err(error)) => Err(ComponentError::Invalid(error.to_string())),
        _ => Err(ComponentError::Invalid("it is empty".to_owned())),
    }
}

/// Refuses what no engine would take.
pub fn check(bytes: &[u8]) -> Result<(), ComponentError> {
    if !is_component(bytes)? {
        return Err(ComponentError::Module);
    }
    let checked = Validator::new().validate_all(bytes);
    checked.map(|_| ()).map_err(|error| ComponentError::Invalid(error.to_string()))
}

/// How a core module becomes a component.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wrap<'a> {
    /// Adapters by the name of the module they stand in for, e.g. `wasi_snapshot_preview1`.
    pub adapters: &'a [(&'a str, &'a [u8])],
    /// Adapters take memory by growing it, instead of by calling the module's allocator before it has started.
    pub realloc_via_memory_grow: bool,
}

/// Wraps a core module whose custom sections say which world it implements.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    encode_with(module, Wrap::default())
}

/// Wraps a core module with adapters.
pub fn encode_with(module: &[u8], wrap: Wrap<'_>) -> Result<Vec<u8>, ComponentError> {
    let encode = || {
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true).realloc_via_memory_grow(wrap.realloc_via_memory_grow);
        encoder.module(module)?;
        for (name, bytes) in wrap.adapters {
            encoder.adapter(name, bytes)?;
        }
        encoder.encode()
    };
    encode().map_err(|error| ComponentError::Encode(format!("{error:#}")))
}

/// Adds the section that says which world a core module implements, for toolchains that don't.
pub fn embed(module: &[u8], world: &World) -> Result<Vec<u8>, ComponentError> {
    let mut bytes = module.to_vec();
    embed_component_metadata(&mut bytes, world.resolve(), world.id(), StringEncoding::UTF8, false)
        .map_err(|error| ComponentError::Encode(format!("{error:#}")))?;
    Ok(bytes)
}

/// An interface a component imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Its name without a version: `reeve:kv/store`.
    pub interface: String,
    /// Its version; empty where it has none.
    pub version: String,
    /// The functions that are called.
    pub functions: Vec<String>,
}

/// What a component takes and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Interfaces it imports.
    pub imports: Vec<Import>,
    /// What it exports, without versions: `reeve:hooks/domain-define`.
    pub exports: Vec<String>,
}

/// Reads the types of a component.
pub fn shape(component: &[u8]) -> Result<Shape, ComponentError> {
    check(component)?;
    let decoded = wit_component::decode(component);
    let decoded = decoded.map_err(|error| ComponentError::Invalid(format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(ComponentError::Invalid("it holds interfaces and no code".to_owned()));
    };
    let world = &resolve.worlds[world];
    let imports = world.imports.iter().map(|(key, item)| import(&resolve, key, item)).collect();
    let exports = world.exports.keys().map(|key| split_version(&resolve.name_world_key(key)).0.to_owned());
    Ok(Shape { imports, exports: exports.collect() })
}

fn import(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> Import {
    let name = resolve.name_world_key(key);
    let (interface, version) = split_version(&name);
    let functions = match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].functions.keys().cloned().collect(),
        WorldItem::Function(function) => vec![function.name.clone()],
        WorldItem::Type { .. } => Vec::new(),
    };
    Import { interface: interface.to_owned(), version: version.to_owned(), functions }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_refused() {
        assert!(encode(b"not wasm").is_err());
        assert!(matches!(check(b"not wasm"), Err(ComponentError::Invalid(_))));
        assert!(matches!(check(b""), Err(ComponentError::Invalid(_))));
        assert!(matches!(check(b"\0asm\x01\0\0\0"), Err(ComponentError::Module)));
    }

    #[test]
    fn an_empty_component_has_no_shape() {
        let bytes = b"\0asm\x0d\0\x01\0";
        assert!(check(bytes).is_ok());
        assert_eq!(shape(bytes).unwrap(), Shape::default());
    }
}
