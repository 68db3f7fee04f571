//! What a bad policy may try.

use std::hint::black_box;

use reeve_sdk::prelude::*;
use reeve_sdk::{clock, domains, kv};

/// Everything that goes on until the host stops it; returns for any other word.
pub fn limitless(deed: &str) {
    match deed {
        "loop" => loop {
            black_box(0);
        },
        "memory" => {
            let mut hoard = Vec::new();
            loop {
                // Asked for and not written to: the limit is on memory, and filling it takes a slow machine its time.
                hoard.push(black_box(Vec::<u8>::with_capacity(1 << 20)));
            }
        }
        "trap" => panic!("as ordered"),
        "stack" => drop(black_box(deeper(1))),
        "log-flood" => loop {
            log::info("spam ".repeat(100));
        },
        "kv-flood" => {
            for n in 0_u64.. {
                // The quota refuses it at some point, the flood goes on.
                let _ = kv::set(&format!("key-{}", n % 100), &[7; 4096]);
            }
        }
        "call-flood" => loop {
            black_box(clock::now());
        },
        _ => {}
    }
}

#[expect(unconditional_recursion, reason = "it is what the test is about")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth + 1)) + 1)
}

/// Answers of a guard that a host must check.
pub fn verdict(deed: &str, domain: &DomainConfig) -> Decision {
    match deed {
        "deny" => deny("as ordered"),
        "endless-reason" => deny("no ".repeat(4 << 20)),
        "empty-reason" => deny(""),
        "failure" => Err(Failure { message: "cannot decide".to_owned() }),
        "cache" => rewrite(vec![cache(domain)]),
        "memory-outside-grant" => rewrite(vec![cache(domain), Edit::SetMemory(1 << 30)]),
        "no-such-disk" => rewrite(vec![Edit::SetDiskCache(DiskCache {
            target: "vdz".to_owned(),
            cache: "none".to_owned(),
        })]),
        "no-such-cache" => rewrite(vec![Edit::SetDiskCache(DiskCache {
            target: "vda".to_owned(),
            cache: "quantum".to_owned(),
        })]),
        "rename" => rewrite(vec![Edit::Replace(domain.xml().replace(&domain.name(), "mallory"))]),
        "not-xml" => rewrite(vec![Edit::AddDevice("<disk".to_owned())]),
        "many-edits" => rewrite(vec![Edit::SetTitle("x".to_owned()); 10_000]),
        "ask-host" => {
            let own = domains::get(&domain.name()).map(|own| own.name());
            let sums = domains::committed(Some(&domain.uuid()))?;
            deny(format!("{} domains, own {own:?}, {} active", domains::list()?.len(), sums.active))
        }
        "ask-stuck" => deny(format!("{:?}", domains::get("stuck").map(|stuck| stuck.name()))),
        "start-from-guard" => match domains::start(&domain.name()) {
            Ok(()) => deny("it could start a domain"),
            Err(error) => deny(error.message),
        },
        _ => allow(),
    }
}

fn cache(domain: &DomainConfig) -> Edit {
    let target = domain.disks().first().map(|disk| disk.target.clone()).unwrap_or_default();
    Edit::SetDiskCache(DiskCache { target, cache: "none".to_owned() })
}
