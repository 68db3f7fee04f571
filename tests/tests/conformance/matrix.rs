//! Language by policy: sessions that pass, size of the component, time to load it and time a call.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reeve_package::Lang;
use reeve_policy::{Mode, Offline};
use reeve_tests::{Built, languages, policy_in, test_policy};

use crate::sessions::{self, POLICIES};
use crate::{Outcome, in_ci};

/// One policy in one language.
struct Cell {
    passed: usize,
    total: usize,
    size: usize,
    load: Duration,
    call: Duration,
    differences: Vec<String>,
}

/// Plays all sessions of a policy over one component.
async fn play(component: &[u8], policy: &str) -> anyhow::Result<Cell> {
    let begin = Instant::now();
    let offline = Offline::open(component, None, None)?;
    let load = begin.elapsed();
    let sessions = sessions::of(policy)?;
    let (mut times, mut differences, mut passed) = (Vec::new(), Vec::new(), 0);
    for (name, session) in &sessions {
        let replayed = offline.replay(session, Mode::Behaviour).await.with_context(|| name.clone())?;
        times.push(replayed.elapsed);
        passed += usize::from(replayed.is_same());
        differences
            .extend(replayed.differences.iter().map(|difference| format!("{policy}/{name}: {difference}")));
    }
    times.sort_unstable();
    let call = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok(Cell { passed, total: sessions.len(), size: component.len(), load, call, differences })
}

/// A policy in a language. That of the tests' own is a test policy in Rust.
fn built(lang: Lang, policy: &str) -> anyhow::Result<Built> {
    match (lang, policy) {
        (Lang::Rust, "echo") => Ok(Built::Component(test_policy("echo")?)),
        _ => policy_in(lang, policy),
    }
}

/// Every language passes every session. A language whose compiler is missing is skipped, but never in CI.
#[tokio::test(flavor = "multi_thread")]
async fn every_language_decides_the_same() -> Outcome {
    let mut rows = Vec::new();
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut skipped = Vec::new();
    for lang in languages()? {
        for policy in POLICIES {
            match built(lang, policy)? {
                Built::Component(path) => {
                    let bytes = std::fs::read(&path)?;
                    let result = play(&bytes, policy).await.with_context(|| format!("{policy} in {lang}"))?;
                    rows.push(format!(
                        "{:<8} {:<17} {:>5} {:>9} B {:>9.1} ms {:>9.0} us",
                        lang.as_str(),
                        policy,
                        format!("{}/{}", result.passed, result.total),
                        result.size,
                        result.load.as_secs_f64() * 1e3,
                        result.call.as_secs_f64() * 1e6
                    ));
                    differences.entry(lang.to_string()).or_default().extend(result.differences);
                }
                Built::NoTool(reason) => {
                    anyhow::ensure!(!in_ci(), "{reason}");
                    skipped.push((lang, reason));
                }
            }
        }
    }
    println!(
        "{:<8} {:<17} {:>5} {:>11} {:>12} {:>12}",
        "LANGUAGE", "POLICY", "PASS", "SIZE", "LOAD", "A CALL"
    );
    for row in rows {
        println!("{row}");
    }
    differences.retain(|_, found| !found.is_empty());
    assert!(differences.is_empty(), "{differences:#?}");
    if let Some((lang, reason)) = skipped.first() {
        println!("SKIP C matrix::every_language_decides_the_same: {lang}: {reason}");
    }
    Ok(())
}
