//! The one wasmtime engine of the daemon and how it is set up: pooled memories that are reset instead of unmapped, epochs and
//! fuel for every instruction, and nothing that makes two runs of a policy differ.

use std::path::{Path, PathBuf};

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::compiler::Compiler;
use crate::lane::SlowLane;
use crate::limits::MEMORY_CEILING;
use crate::metrics::Metrics;
use crate::ticker::Ticker;

/// Outermost calls that run at the same time; each may nest [`crate::DEPTH_LIMIT`] deep, and the pool has room for all of them.
pub(crate) const CALLS_AT_ONCE: u32 = 48;

const INSTANCES: u32 = 256;
/// As many as the loader allows modules; an interpreter has one for each of its libraries.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
/// An interpreter has up to three, all but one of them tiny.
const MEMORIES_PER_COMPONENT: u32 = 4;
/// Each takes 4 GiB of address space, of which a process has 128 TiB; 48 calls of interpreters fit three deep.
const MEMORIES: u32 = 512;
const TABLE_ELEMENTS: usize = 100_000;
const KEEP_RESIDENT: usize = 512 * 1024;

/// Why the engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses the configuration, usually for want of address space.
    #[error("the Wasm engine cannot be set up: {0}")]
    Setup(String),
    /// A thread cannot be started.
    #[error("a thread of the policy engine cannot be started")]
    Thread(#[source] std::io::Error),
}

/// What all policies share.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) compiler: Compiler,
    pub(crate) ticker: Ticker,
    pub(crate) lane: SlowLane,
    pub(crate) calls: tokio::sync::Semaphore,
}

impl Runtime {
    /// Sets up the engine and its threads. Compiled code is kept in `compiled`; none keeps it nowhere.
    pub(crate) fn new(compiled: Option<&Path>, metrics: &Metrics) -> Result<Self, EngineError> {
        let engine = Engine::new(&config()).map_err(|error| EngineError::Setup(format!("{error:#}")))?;
        let ticker = Ticker::start(engine.clone()).map_err(EngineError::Thread)?;
        let lane = SlowLane::start().map_err(EngineError::Thread)?;
        let compiler = Compiler::new(&engine, compiled, metrics);
        Ok(Self {
            engine,
            compiler,
            ticker,
            lane,
            calls: tokio::sync::Semaphore::new(CALLS_AT_ONCE as usize),
        })
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .consume_fuel(true)
        .concurrency_support(false)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .cranelift_opt_level(OptLevel::Speed)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(INSTANCES * CORE_INSTANCES_PER_COMPONENT)
        .total_memories(MEMORIES)
        .total_tables(INSTANCES * 4)
        .total_stacks(INSTANCES)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .max_tables_per_component(8)
        .max_tables_per_module(4)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MEMORY_CEILING);
    if can_scan_pagemap() {
        // Slots keep their pages and are cleaned by the page table's dirty bits: three times faster than unmapping them.
        pool.pagemap_scan(Enabled::Auto)
            .linear_memory_keep_resident(KEEP_RESIDENT)
            .table_keep_resident(KEEP_RESIDENT);
    }
    pool
}

/// PAGEMAP_SCAN came with Linux 6.7; without it, keeping pages means clearing all of them by hand.
fn can_scan_pagemap() -> bool {
    let release = std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.trim().parse::<u32>().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 7)
}
