//! The sessions in tests/conformance/sessions: one folder a policy, one file a decision. A policy that has none there passes those of
//! the shipped one.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use reeve_model::policy::Hook;
use reeve_policy::session::Session;

/// Policies that every language has.
pub const POLICIES: [&str; 4] = ["naming", "admission", "migration-precopy", "echo"];

/// All sessions of a policy, with their names.
pub fn of(policy: &str) -> anyhow::Result<Vec<(String, Session)>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folder = tests.join("conformance/sessions").join(policy);
    if !folder.is_dir() {
        folder = tests.join("../scripts").join(policy).join("sessions");
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path)?;
            Ok((name, Session::parse(&text).with_context(|| path.display().to_string())?))
        })
        .collect()
}

#[test]
fn every_kind_of_answer_is_among_the_sessions() -> crate::Outcome {
    let outcomes = |policy| -> anyhow::Result<Vec<String>> {
        let all = of(policy)?;
        assert!(all.len() >= 12, "{policy} has {} sessions", all.len());
        assert!(all.iter().all(|(_, session)| session.outcome.is_some()));
        Ok(all
            .into_iter()
            .filter_map(|(_, session)| {
                Some(serde_json::to_value(session.outcome?).ok()?.as_str()?.to_owned())
            })
            .collect())
    };
    let (naming, admission) = (outcomes("naming")?, outcomes("admission")?);
    for outcome in ["allow", "deny", "rewrite", "failed", "refused"] {
        assert!(naming.iter().any(|found| found == outcome), "no session of naming ends in '{outcome}'");
    }
    for outcome in ["allow", "deny", "failed"] {
        assert!(
            admission.iter().any(|found| found == outcome),
            "no session of admission ends in '{outcome}'"
        );
    }
    Ok(())
}

#[test]
fn every_shape_of_hooks_of_networks_storage_and_migrations_is_among_the_sessions_of_echo() -> crate::Outcome {
    let sessions = of("echo")?;
    for hook in [
        Hook::NetworkStart,
        Hook::NetworkStop,
        Hook::PortPlug,
        Hook::NetworkEvents,
        Hook::FilterGenerate,
        Hook::VolumeCreate,
        Hook::VolumeResize,
        Hook::StorageEvents,
        Hook::CloneName,
        Hook::MigrateOut,
        Hook::MigrateIn,
        Hook::MigrationStrategy,
    ] {
        let of_hook: Vec<_> = sessions.iter().filter(|(_, session)| session.hook == hook).collect();
        assert!(of_hook.len() >= 2, "{hook} has {} sessions", of_hook.len());
        assert!(of_hook.iter().all(|(_, session)| session.answer.is_some()), "{hook}");
    }
    Ok(())
}
