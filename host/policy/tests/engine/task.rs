//! Tasks: by hand, on a schedule, on events; one run at a time.

use std::time::{Duration, Instant};

use reeve_actions::policy_port::{LoadRequest, PolicyAdmin};
use reeve_actions::task_port::PolicyTasks;
use reeve_model::policy::{Decision, Hook, Outcome, PolicyMode};
use reeve_model::task::{TaskCause, TaskInfo, TaskRun, TaskTriggers};
use reeve_model::{Actor, DomainState, Error, ErrorCode};
use reeve_policy::PolicyConfig;
use serde_json::json;

use crate::support::{Host, ROOT, document, shipped_policy, test_policy};

const GRANTS: [&str; 2] = ["domain:start", "kv:use"];

async fn host(config: serde_json::Value) -> Host {
    let host = Host::new().await;
    host.load(test_policy("worker"), "worker", config, &GRANTS).await.unwrap();
    host
}

async fn run(host: &Host, arguments: &[&str]) -> Result<TaskRun, Error> {
    host.engine.run_task("worker", ROOT, arguments.iter().map(|word| (*word).to_owned()).collect()).await
}

fn triggers(schedule: &str, events: &[&str]) -> TaskTriggers {
    TaskTriggers {
        schedule: Some(schedule.to_owned()).filter(|schedule| !schedule.is_empty()),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        catch_up: false,
    }
}

fn info(host: &Host) -> TaskInfo {
    host.engine.tasks().into_iter().find(|task| task.policy == "worker").unwrap()
}

/// Why the task ran by itself, oldest run first.
fn reasons(host: &Host) -> Vec<String> {
    let keys = host.store.kv_keys("worker", "", 1000).unwrap();
    let value = |key: &String| host.store.kv_get("worker", key).unwrap().unwrap();
    keys.iter().map(|key| String::from_utf8(value(key)).unwrap()).collect()
}

/// Waits longer than [`Host::until`]: schedules are no finer than a second.
async fn patiently(host: &Host, what: &str, ready: impl Fn(&Host) -> bool) {
    let begin = Instant::now();
    while !ready(host) {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn rows(host: &Host) -> Vec<Decision> {
    host.decisions("worker", Hook::Task).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_hand_says_what_it_did() {
    let host = host(json!({})).await;
    let done = run(&host, &["hello", "world"]).await.unwrap();
    assert_eq!((done.outcome, done.summary.as_str()), (Outcome::Done, "hello world"));
    assert_eq!(done.cause, TaskCause::Manual);
    let row = rows(&host).await.remove(0);
    assert_eq!((row.outcome, row.reason.as_str(), &row.actor), (Outcome::Done, "hello world", &ROOT));
    assert_eq!(info(&host).last.unwrap().summary, "hello world");
    let shown = host.engine.show("worker").unwrap();
    assert_eq!((shown.counters.calls, shown.counters.failures), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_acts_within_its_grants() {
    let host = host(json!({})).await;
    for name in ["web-1", "db"] {
        host.actions.define(&ROOT, &document(name, ""), false).await.unwrap();
    }
    assert_eq!(run(&host, &["start", "web-1"]).await.unwrap().summary, "started web-1");
    let state = |name: &str| host.actions.snapshot(&Actor::Daemon, name).unwrap().summary.state;
    assert_eq!(state("web-1"), DomainState::Running);
    let refused = run(&host, &["start", "db"]).await.unwrap();
    assert_eq!(refused.outcome, Outcome::Failed);
    assert!(refused.summary.contains("has not been granted 'domain:start' on 'db'"), "{}", refused.summary);
    assert_eq!(state("db"), DomainState::ShutOff);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_in_monitor_mode_changes_nothing() {
    let host = host(json!({})).await;
    host.actions.define(&ROOT, &document("web-1", ""), false).await.unwrap();
    host.engine.set_mode("worker", PolicyMode::Monitor).await.unwrap();
    let refused = run(&host, &["start", "web-1"]).await.unwrap();
    assert!(refused.summary.contains("monitor"), "{}", refused.summary);
    let state = host.actions.snapshot(&Actor::Daemon, "web-1").unwrap().summary.state;
    assert_eq!(state, DomainState::ShutOff);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_is_an_answer_and_a_failure_of_the_policy() {
    let host = host(json!({})).await;
    for (order, outcome) in [("fail", Outcome::Failed), ("trap", Outcome::Trap), ("spin", Outcome::Deadline)]
    {
        assert_eq!(run(&host, &[order]).await.unwrap().outcome, outcome, "{order}");
    }
    let late = run(&host, &["pause", "60000"]).await.unwrap();
    assert_eq!(late.outcome, Outcome::Deadline, "waiting counts");
    assert!((2.9..10.0).contains(&(late.micros as f64 / 1e6)), "{} us", late.micros);
    let shown = host.engine.show("worker").unwrap();
    assert_eq!(shown.counters.failures, 4);
    assert_eq!(run(&host, &["pause", "60001"]).await.unwrap().outcome, Outcome::Failed);
    let parked = run(&host, &["hello"]).await.unwrap_err();
    assert_eq!(parked.code, ErrorCode::WrongState, "five failures within a minute: {parked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tasks_may_wait() {
    let host = host(json!({})).await;
    let denied = host.actions.define(&ROOT, &document("pause", ""), false).await.unwrap_err();
    assert!(denied.message.contains("may not wait in hook 'domain-define': only tasks may"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_at_a_time() {
    let host = host(json!({})).await;
    let first = {
        let engine = host.engine.clone();
        tokio::spawn(async move {
            engine.run_task("worker", ROOT, vec!["pause".to_owned(), "1500".to_owned()]).await
        })
    };
    host.until("the run", async |host| info(host).running).await;
    let busy = run(&host, &["hello"]).await.unwrap_err();
    assert_eq!((busy.code, busy.message.as_str()), (ErrorCode::Busy, "task 'worker' is running"));
    assert_eq!(first.await.unwrap().unwrap().summary, "paused");
    assert_eq!(run(&host, &["hello"]).await.unwrap().outcome, Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_runs_it_and_what_is_due_meanwhile_is_skipped() {
    let host = host(json!({ "pause": 1700 })).await;
    let armed = host.engine.set_triggers("worker", triggers("every 1s", &[])).await.unwrap();
    assert!(armed.next.is_some() && !armed.running);
    patiently(&host, "a run on schedule", |host| !reasons(host).is_empty()).await;
    assert_eq!(reasons(&host)[0], "schedule");
    let all = rows(&host).await;
    let skipped: Vec<_> = all.iter().filter(|row| row.outcome == Outcome::Skipped).collect();
    assert!(!skipped.is_empty(), "due every second, running for nearly two: {all:?}");
    assert_eq!(skipped[0].reason, "its last run has not ended");
    let cleared = host.engine.set_triggers("worker", TaskTriggers::default()).await.unwrap();
    assert_eq!(cleared.next, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_match_run_it_one_after_the_other() {
    let host = host(json!({ "pause": 50 })).await;
    host.engine.set_triggers("worker", triggers("", &["domain:defined name=web-*"])).await.unwrap();
    for name in ["web-1", "db", "web-2", "web-3"] {
        host.actions.define(&ROOT, &document(name, ""), false).await.unwrap();
    }
    patiently(&host, "three runs", |host| reasons(host).len() == 3).await;
    assert_eq!(
        reasons(&host),
        ["web-1", "web-2", "web-3"].map(|name| format!("DomainChange::Defined {name}"))
    );
    let all = rows(&host).await;
    assert!(all.iter().all(|row| row.outcome == Outcome::Done && row.subject.starts_with("web-")), "{all:?}");
    assert_eq!(info(&host).last.unwrap().cause, TaskCause::Event);
}

#[tokio::test(flavor = "multi_thread")]
async fn triggers_and_the_last_run_outlive_the_daemon_and_one_run_catches_up() {
    let host = host(json!({})).await;
    run(&host, &["before the restart"]).await.unwrap();
    let wanted = TaskTriggers { catch_up: true, ..triggers("every 1s", &[]) };
    host.engine.set_triggers("worker", wanted.clone()).await.unwrap();
    patiently(&host, "a run on schedule", |host| !reasons(host).is_empty()).await;
    host.engine.shutdown().await;
    let before = reasons(&host).len();
    let Host { directory, engine, actions, .. } = host;
    drop((engine, actions));
    tokio::time::sleep(Duration::from_millis(2500)).await;

    let host = Host::at(directory, PolicyConfig::default()).await;
    assert_eq!(info(&host).triggers, wanted);
    assert_eq!(info(&host).last.unwrap().outcome, Outcome::Done, "kept by the store");
    patiently(&host, "two more runs", |host| reasons(host).len() >= before + 2).await;
    let after = reasons(&host).split_off(before);
    assert_eq!(after[0], "catch-up", "one run for all that were missed");
    assert_eq!(after[1], "schedule");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_named() {
    let host = host(json!({})).await;
    let refused = host.engine.set_triggers("worker", triggers("every now", &[])).await.unwrap_err();
    assert!(refused.message.starts_with("'every now' is no interval"), "{refused}");
    let refused = host.engine.set_triggers("worker", triggers("", &["domain:begun"])).await.unwrap_err();
    assert!(refused.message.contains("unknown variant `begun`"), "{refused}");
    let long = vec!["x".to_owned(); 65];
    let refused = host.engine.run_task("worker", ROOT, long).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Invalid);
    host.load(shipped_policy("journal"), "journal", json!({}), &["kv:use"]).await.unwrap();
    let refused = host.engine.run_task("journal", ROOT, vec![]).await.unwrap_err();
    assert_eq!(refused.message, "policy 'journal' has no task");
    let request = LoadRequest {
        component: test_policy("worker"),
        name: Some("second".to_owned()),
        triggers: Some(triggers("61 * * * *", &[])),
        ..LoadRequest::default()
    };
    assert_eq!(host.engine.load(request).await.unwrap_err().code, ErrorCode::Invalid);
    assert!(host.engine.show("second").is_err(), "nothing is loaded with a schedule that is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_scheduled_by_policies_toml() {
    let settings = "[worker]\ngrants = [\"domain:start\", \"kv:use\"]\nschedule = \"every 1s\"\nevents = [\"daemon:*\"]\ncatch-up = true\n";
    let host = Host::with(|directory| {
        let policies = directory.join("policies.d");
        std::fs::create_dir_all(&policies).unwrap();
        std::fs::write(policies.join("worker.wasm"), test_policy("worker")).unwrap();
        std::fs::write(directory.join("policies.toml"), settings).unwrap();
        PolicyConfig {
            directory: Some(policies),
            settings: Some(directory.join("policies.toml")),
            ..PolicyConfig::default()
        }
    })
    .await;
    patiently(&host, "a run on schedule", |host| !reasons(host).is_empty()).await;
    assert_eq!(info(&host).triggers.events, ["daemon:*"]);
    let refused = host.engine.set_triggers("worker", TaskTriggers::default()).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::WrongState, "policies.toml says when: {refused}");
}
