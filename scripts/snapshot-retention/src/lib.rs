//! Which volumes of a series of snapshots stay, and the end of the others: a task for a schedule.

mod rule;

use reeve_sdk::prelude::*;
use reeve_sdk::storage::volumes;
pub use rule::{Rule, Snapshot, expired};
use serde::Deserialize;

/// What the operator may set.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    /// Whether it only says what it would delete.
    dry_run: bool,
    /// What is kept of which volumes.
    rules: Vec<Rule>,
}

/// The policy.
struct SnapshotRetention;

impl Policy for SnapshotRetention {
    fn task(ctx: &Context, why: &Occasion) -> Result<String, Failure> {
        let config: Config = ctx.parse_config()?;
        let dry_run = config.dry_run || is_dry(why)?;
        let (mut seen, mut deleted, mut stayed) = (0, 0, 0);
        for rule in &config.rules {
            let all = volumes::list(&rule.pool)?;
            let snapshots: Vec<Snapshot> = (all.into_iter().filter(|volume| volume.complete))
                .map(|volume| Snapshot { name: volume.name, created: volume.created })
                .collect();
            let (matching, expired) = expired(rule, &snapshots, ctx.time);
            seen += matching;
            for (snapshot, reason) in expired {
                let subject = format!("{}/{}: {reason}", rule.pool, snapshot.name);
                if dry_run {
                    log::info(format!("would delete {subject}"));
                    stayed += 1;
                    continue;
                }
                match volumes::delete(&rule.pool, &snapshot.name) {
                    Ok(()) => {
                        log::info(format!("deleted {subject}"));
                        deleted += 1;
                    }
                    Err(error) => {
                        log::warn(format!("did not delete {subject}: {}", error.message));
                        stayed += 1;
                    }
                }
            }
        }
        Ok(match dry_run {
            true => format!("{stayed} of {seen} volumes would be deleted"),
            false if stayed == 0 => format!("{deleted} of {seen} volumes deleted"),
            false => format!("{deleted} of {seen} volumes deleted, {stayed} more could not be"),
        })
    }
}

reeve_sdk::policy!(SnapshotRetention: task);

/// True for a run by hand with `--dry-run`, the only argument there is.
fn is_dry(why: &Occasion) -> Result<bool, Failure> {
    let Occasion::Manual(arguments) = why else { return Ok(false) };
    match arguments.iter().find(|argument| *argument != "--dry-run") {
        Some(unknown) => {
            Err(Failure { message: format!("unknown argument '{unknown}'; there is --dry-run") })
        }
        None => Ok(!arguments.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use reeve_sdk::storage::Volume;
    use reeve_sdk::testing::{self, Host};

    use super::*;

    const DAY: u64 = 86_400_000;
    const CONFIG: &str = r#"{"rules": [{"pool": "lab", "name": "*-snap-*", "keep": 2, "max-age-days": 30}]}"#;

    fn run(config: &str, arguments: &[&str]) -> Result<String, Failure> {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let ctx = Context { time: 100 * DAY, ..testing::context(config) };
        SnapshotRetention::task(&ctx, &Occasion::Manual(arguments))
    }

    fn host() -> Host {
        let of_day =
            |name: &str, day: u64| Volume { created: Some(day * DAY), ..testing::volume("lab", name, 1) };
        let mut made = testing::volume("lab", "web-snap-9", 1);
        made.complete = false;
        let volumes = vec![
            of_day("web-snap-1", 97),
            of_day("web-snap-2", 98),
            of_day("web-snap-3", 99),
            of_day("db-snap-1", 1),
            of_day("db-snap-2", 2),
            of_day("web.img", 1),
            testing::volume("lab", "old-snap-1", 1),
            made,
        ];
        Host { volumes, ..Host::default() }
    }

    #[test]
    fn what_is_old_or_more_goes() {
        testing::set_host(host());
        assert_eq!(run(CONFIG, &[]), Ok("2 of 6 volumes deleted".into()));
        assert_eq!(testing::host().calls, ["delete lab db-snap-1", "delete lab web-snap-1"]);
        assert_eq!(run(CONFIG, &[]), Ok("0 of 4 volumes deleted".into()), "the newest of a series stays");
    }

    #[test]
    fn a_dry_run_deletes_nothing() {
        testing::set_host(host());
        assert_eq!(run(CONFIG, &["--dry-run"]), Ok("2 of 6 volumes would be deleted".into()));
        assert!(testing::host().calls.is_empty());
        assert!(run(CONFIG, &["--now"]).is_err());
    }
}
