//! `lang-…`: one decision of the policy `naming` in each language, as a fresh instance, against the same decision as a Python hook
//! script.

use std::sync::Arc;

use anyhow::Result;
use reeve_package::Lang;
use reeve_tests::{Built, policy_in};
use serde_json::json;

use crate::areas::hooks::scripts::Script;
use crate::areas::host::{Host, NAMING_GRANTS, guard_times};
use crate::row::Row;
use crate::samples::Samples;

const LANGUAGES: [(Lang, &str); 5] = [
    (Lang::Rust, "lang-rust"),
    (Lang::Js, "lang-js"),
    (Lang::Python, "lang-python"),
    (Lang::C, "lang-c"),
    (Lang::Go, "lang-go"),
];
const ROUNDS: usize = 100;
const CALLS_A_ROUND: usize = 10;
const DOCUMENT: &str = include_str!("../../../../fixtures/domain-20-devices.xml");

/// Medians of all languages and the script, in turns, so that a noisy moment hits all of them. A language whose compiler is not
/// installed has no row, and standard error says so.
#[allow(clippy::print_stderr, reason = "a missing row must not go unnoticed")]
pub async fn measure() -> Result<Vec<Row>> {
    let config = Arc::new(reeve_xml::domain::parse(DOCUMENT, &reeve_xml::ParseOptions::default())?.document);
    let mut candidates = Vec::new();
    for (lang, name) in LANGUAGES {
        match policy_in(lang, "naming")? {
            Built::Component(path) => {
                let host = Host::attached().await?;
                let house = json!({"prefixes": ["web-", "db-"]});
                host.load("naming", &std::fs::read(path)?, &NAMING_GRANTS, house).await?;
                guard_times(&host.engine, &config, 2 * CALLS_A_ROUND, &mut Samples::default()).await?;
                candidates.push((name, host, Samples::default()));
            }
            Built::NoTool(reason) => eprintln!("no row {name}: {reason}"),
        }
    }
    let script = Script::python3()?;
    let mut peer = Samples::default();
    for _ in 0..ROUNDS {
        for (_, host, times) in &mut candidates {
            guard_times(&host.engine, &config, CALLS_A_ROUND, times).await?;
        }
        peer.add(script.run(DOCUMENT)?);
    }
    let row = |(name, _, times): &(&'static str, Host, Samples)| {
        Row::alone("policy", name, "us", times.median_us(), times.len())
            .against("python3 hook", peer.median_us())
    };
    let rows = candidates.iter().map(row).collect();
    for (_, host, _) in candidates {
        host.engine.shutdown().await;
    }
    Ok(rows)
}
