//! From bytes to code: out of the cache when this host compiled them before, else by the compiler.

use std::path::Path;

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compiled::CompiledCache;
use crate::loader::LoadError;
use crate::metrics::Metrics;

/// The compiler and what it remembers.
pub(crate) struct Compiler {
    cache: Option<CompiledCache>,
    metrics: Metrics,
}

impl Compiler {
    /// A compiler for `engine` that keeps code in `directory`; where that cannot be trusted it works without.
    pub(crate) fn new(engine: &Engine, directory: Option<&Path>, metrics: &Metrics) -> Self {
        let open = |directory| match CompiledCache::open(directory, engine) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!("every policy is compiled at every start: {error}");
                None
            }
        };
        Self { cache: directory.and_then(open), metrics: metrics.clone() }
    }

    /// The code of a component with this digest. Takes up to seconds of CPU: run it off the async threads.
    pub(crate) fn component(
        &self,
        engine: &Engine,
        policy: &str,
        bytes: &[u8],
        digest: &str,
    ) -> Result<Component, LoadError> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(engine, digest)) {
            self.metrics.component("cache");
            return Ok(component);
        }
        let component = Component::from_binary(engine, bytes).map_err(|error| LoadError::Compile {
            policy: policy.to_owned(),
            reason: format!("{error:#}"),
        })?;
        self.metrics.component("compiler");
        if let Some(cache) = &self.cache {
            cache.keep(digest, &component);
        }
        Ok(component)
    }
}
