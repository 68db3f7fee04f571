//! The configuration of a Wasm artifact (CNCF Wasm OCI artifact layout): what a component imports and exports, without it.

use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload};

use crate::digest::Digest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: &'static str,
    author: Option<String>,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<Digest>,
    component: Component,
}

#[derive(Default, Serialize)]
struct Component {
    exports: Vec<String>,
    imports: Vec<String>,
    target: Option<String>,
}

/// The configuration of a component. The same component always gives the same bytes, so that it is the same artifact
/// wherever and whenever it is pushed. Bytes that are no component are described without their imports.
pub fn write(component: &[u8], author: Option<String>) -> Vec<u8> {
    let config = Config {
        created: "1970-01-01T00:00:00Z",
        author,
        architecture: "wasm",
        os: "wasip2",
        layer_digests: vec![Digest::of(component)],
        component: describe(component).unwrap_or_default(),
    };
    serde_json::to_vec(&config).expect("a configuration is made of strings")
}

/// Names of the component's own imports and exports; those of what is inside of it are not its. Names with their versions and
/// nothing else, of any component: what it is as a policy is for the crate `package` to say, which has the types.
fn describe(bytes: &[u8]) -> Option<Component> {
    let mut found = Component::default();
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.ok()? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return None,
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    found.imports.push(import.ok()?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    found.exports.push(export.ok()?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_described_the_same_each_time() {
        // (component) with nothing in it.
        let empty = b"\0asm\x0d\0\x01\0";
        let text = String::from_utf8(write(empty, None)).expect("JSON");
        let digest = Digest::of(empty);
        assert_eq!(
            text,
            format!(
                "{{\"created\":\"1970-01-01T00:00:00Z\",\"author\":null,\"architecture\":\"wasm\",\"os\":\"wasip2\",\
                 \"layerDigests\":[\"{digest}\"],\"component\":{{\"exports\":[],\"imports\":[],\"target\":null}}}}"
            )
        );
        assert!(!write(b"no component", Some("ada".into())).is_empty());
    }
}
