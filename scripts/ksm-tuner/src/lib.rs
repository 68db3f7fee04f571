//! Kernel samepage merging, tuned the way ksmtuned does (guide ch. 7): same algorithm, same parameter names and defaults.
//!
//! Asked on an interval and whenever a domain starts or stops, which is what `ksmtuned retune` was for. It keeps no state: the
//! page count it works on is the one the kernel has. The host puts back what it found when the tuner is taken out.

mod ksmtuned;

pub use ksmtuned::{Host, Parameters, Setting, tune};
use reeve_sdk::prelude::*;

/// The policy.
struct KsmTuner;

impl Policy for KsmTuner {
    fn ksm_tune(ctx: &Context, now: &KsmSnapshot) -> Result<Vec<Adjustment>, Failure> {
        let parameters: Parameters = ctx.parse_config()?;
        let host = Host {
            total_kib: now.memory.total / 1024,
            free_kib: (now.memory.free + now.memory.buffers + now.memory.cached) / 1024,
            committed_kib: now.committed / 1024,
            running: now.ksm.run == 1,
            pages_to_scan: now.ksm.pages_to_scan,
        };
        let setting = tune(&parameters, &host);
        if parameters.debug {
            log::info(format!("{host:?} -> {setting:?}"));
        }
        Ok(match setting {
            Setting::Stop if now.ksm.run == 0 => vec![],
            Setting::Stop => vec![Adjustment::Run(0)],
            Setting::Run { pages_to_scan, sleep_millisecs } => vec![
                Adjustment::PagesToScan(pages_to_scan),
                Adjustment::SleepMillisecs(sleep_millisecs),
                Adjustment::Run(1),
            ],
        })
    }
}

reeve_sdk::policy!(KsmTuner: ksm_tune);
