//! A tuner that counts its calls in a static and writes the count to its store: the count shows how long an instance lives.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use reeve_sdk::kv;
use reeve_sdk::prelude::*;
use serde::Deserialize;

/// Calls of this instance.
static CALLS: AtomicU32 = AtomicU32::new(0);

/// Memory that it never gives back.
static HOARD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// The policy.
struct Counter;

/// Its configuration.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Config {
    /// This call of an instance fails.
    fail_at: u32,
    /// This call of an instance traps.
    trap_at: u32,
    /// Every call keeps so many MiB.
    hoard: usize,
    /// Every call goes round so often.
    rounds: u64,
    /// Every call asks the host so often.
    ask: u32,
}

impl Policy for Counter {
    fn ksm_tune(ctx: &Context, _now: &KsmSnapshot) -> Result<Vec<Adjustment>, Failure> {
        let config: Config = ctx.parse_config()?;
        let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
        kv::set(&ctx.call_id, &calls.to_le_bytes())?;
        if let Ok(mut hoard) = HOARD.lock() {
            hoard.extend((0..config.hoard).map(|_| black_box(vec![1; 1 << 20])));
        }
        for round in 0..config.rounds {
            black_box(round);
        }
        for _ in 0..config.ask {
            kv::get("nothing")?;
        }
        if calls == config.fail_at {
            return Err(Failure { message: "as ordered".to_owned() });
        }
        assert!(calls != config.trap_at, "as ordered");
        Ok(Vec::new())
    }
}

reeve_sdk::policy!(Counter: ksm_tune);
