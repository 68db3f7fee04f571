//! Moves that go well, and what operators see and say of them.

use reeve_model::api::XmlOptions;
use reeve_model::migration::{Migrate, MigrationLimits, MigrationStage, PrepareMigration};
use reeve_store::Store;
use reeve_tests::{prepare_migration, wait};
use uuid::Uuid;

use crate::pair::{Pair, is_active, say, state, wait_for};
use crate::{Outcome, PATIENCE};

#[test]
fn a_guest_moves_there_and_back_with_memory_and_disk() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let said = pair.migrate(&["--live", "--persistent", "--undefinesource", "--verbose"])?.ok();
    println!("{said}");
    assert!(said.contains("Domain 'guest' migrated") && said.contains("it stood still"), "{said}");
    assert_eq!((state(&pair.source)?, state(&pair.target)?), ("absent".to_owned(), "running".to_owned()));
    let row = pair.target.json(&["domain", "info", "guest"])?;
    assert_eq!((&row["persistent"], &row["reason"]), (&true.into(), &"migrated".into()), "{row}");
    pair.is_intact(&pair.target)?;
    pair.turn_around();
    println!("{}", pair.migrate(&["--live"])?.ok());
    assert_eq!((state(&pair.source)?, state(&pair.target)?), ("shut-off".to_owned(), "running".to_owned()));
    assert_eq!(pair.source.json(&["domain", "info", "guest"])?["reason"], "migrated");
    assert_eq!(pair.target.json(&["domain", "info", "guest"])?["persistent"], false);
    pair.is_intact(&pair.target)
}

#[test]
fn a_definition_that_can_not_be_read_goes_with_its_guest() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    pair.source.kill()?;
    {
        let store = Store::open(&pair.source.root().join("var/lib/reeve"))?;
        let mut row = store.domains()?.remove(0);
        row.xml = row.xml.replace("offset='utc'", "offset='nowhere'");
        assert!(row.xml.contains("nowhere"), "{}", row.xml);
        store.put_domain(&row)?;
    }
    pair.source.launch()?;
    let list = pair.source.json(&["domain", "list", "--all"])?;
    assert!(list[0]["unreadable"].to_string().contains("nowhere"), "{list}");
    pair.migrate(&["--live", "--persistent", "--undefinesource"])?.ok();
    assert_eq!(pair.source.json(&["domain", "list", "--all"])?, serde_json::json!([]));
    pair.is_intact(&pair.target)
}

#[test]
fn a_guest_that_writes_all_the_time_moves_when_it_is_held_back_or_stopped() -> Outcome {
    let mut pair = Pair::with_guest(128)?;
    say(&pair.source, "dirty 200 32 60\n", "")?;
    println!("{}", pair.migrate(&["--live", "--auto-converge"])?.ok());
    wait_for(&pair.target, "running")?;
    pair.turn_around();
    // It stands still no longer than nothing: only the time-out moves it.
    pair.source.reeve(&["domain", "migrate-setmaxdowntime", "guest", "0"])?.ok();
    println!("{}", pair.migrate(&["--live", "--timeout", "1", "--timeout-suspend"])?.ok());
    wait_for(&pair.target, "running")
}

#[test]
fn a_guest_is_suspended_at_its_destination_where_that_is_asked_for() -> Outcome {
    let pair = Pair::with_guest(64)?;
    pair.migrate(&["--suspend"])?.ok();
    assert_eq!(state(&pair.target)?, "paused");
    assert_eq!(pair.target.json(&["domain", "info", "guest"])?["reason"], "migrated");
    pair.target.reeve(&["domain", "resume", "guest"])?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn a_guest_has_another_name_at_its_destination_where_that_is_asked_for() -> Outcome {
    let pair = Pair::with_guest(64)?;
    assert!(pair.migrate(&["--live", "--dname", "a/b"])?.fails(7).contains("name"));
    assert_eq!(state(&pair.source)?, "running");
    pair.migrate(&[
        "--live",
        "--dname",
        "other",
        "--persistent",
        "--bandwidth",
        "500",
        "--change-protection",
    ])?
    .ok();
    assert_eq!(state(&pair.target)?, "absent");
    assert_eq!(state(&pair.source)?, "shut-off");
    pair.target.console("other", "mem verify 77 24", "ok verify")?;
    assert!(
        pair.target.reeve(&["domain", "xml", "other", "--inactive"])?.ok().contains("<name>other</name>")
    );
    Ok(())
}

#[test]
fn a_clock_goes_on_at_the_destination_and_a_sleeping_guest_stays_where_it_is() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    say(&pair.source, "rtc set 2040 2 29 12 0 0\n", "ok 2040-02-29 12:0")?;
    pair.migrate(&["--live", "--persistent"])?.ok();
    pair.turn_around();
    say(&pair.source, "rtc\n", "ok 2040-02-29 12:0")?;
    say(&pair.source, "suspend\n", "ok suspending")?;
    wait::until("it sleeps", PATIENCE, || state(&pair.source).is_ok_and(|now| now == "pm-suspended"))?;
    let said = pair.migrate(&["--live"])?.fails(6);
    assert!(said.contains("wake it first"), "{said}");
    pair.source.reeve(&["domain", "dompmwakeup", "guest"])?.ok();
    say(&pair.source, "", "reeve-guest: woke up")?;
    pair.migrate(&["--live", "--persistent"])?.ok();
    pair.turn_around();
    say(&pair.source, "mem verify 77 24\n", "ok")?;
    Ok(())
}

#[test]
fn a_guest_that_falls_asleep_while_it_moves_stays() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let run = pair.slowly(|pair| {
        say(&pair.source, "suspend\n", "ok suspending")?;
        wait_for(&pair.source, "pm-suspended")
    })?;
    let said = run.fails(1);
    assert!(said.contains("suspended itself") && said.contains("stays here"), "{said}");
    wait_for(&pair.target, "absent")?;
    wait_for(&pair.source, "pm-suspended")?;
    pair.source.reeve(&["domain", "dompmwakeup", "guest"])?.ok();
    say(&pair.source, "", "reeve-guest: woke up")?;
    pair.is_intact(&pair.source)
}

#[test]
fn an_operator_sees_sets_and_ends_a_migration() -> Outcome {
    let mut pair = Pair::with_guest(64)?;
    let said = pair.source.reeve(&["domain", "migrate-getspeed", "guest"])?.ok();
    assert!(said.contains("unlimited") && said.contains("300 ms"), "{said}");
    assert!(pair.source.reeve(&["domain", "domjobinfo", "guest"])?.ok().contains("None"));
    let run = pair.slowly(|pair| {
        let said = pair.source.reeve(&["domain", "domjobinfo", "guest"])?.ok();
        assert!(said.contains("Outgoing migration") && said.contains("Memory bandwidth"), "{said}");
        assert!(
            said.contains("Memory total:          64.000 MiB") && said.contains("Normal data:"),
            "{said}"
        );
        let control = pair.source.reeve(&["domain", "domcontrol", "guest"])?.ok();
        assert!(control.starts_with("background job ("), "{control}");
        assert!(pair.source.reeve(&["domain", "migrate-getspeed", "guest"])?.ok().contains("4 MiB/s"));
        let refused = pair.source.reeve(&["domain", "migrate", "guest", &pair.destination()])?.fails(6);
        assert!(refused.contains("is busy") || refused.contains("migrated"), "{refused}");
        pair.source.reeve(&["domain", "domjobabort", "guest"])?.ok();
        Ok(())
    })?;
    let said = run.fails(1);
    assert!(said.contains("stays here") && said.contains("an operator ended it"), "{said}");
    wait::until("the destination forgets it", PATIENCE, || {
        state(&pair.target).is_ok_and(|state| state == "absent")
    })?;
    assert!(!is_active(&pair.source)?);
    assert_eq!(state(&pair.source)?, "running");
    pair.is_intact(&pair.source)?;
    // And faster it still can.
    pair.source.reeve(&["domain", "migrate-setspeed", "guest", "0"])?.ok();
    pair.migrate(&["--live"])?.ok();
    pair.is_intact(&pair.target)
}

#[test]
fn what_can_not_be_is_refused_before_anything_moves() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let wrong = pair.source.reeve(&["domain", "migrate", "guest", "qemu+ssh://host/system"])?.fails(7);
    assert!(wrong.contains("without ssh") && wrong.contains("qemu+tls://HOST/system"), "{wrong}");
    let nobody =
        pair.source.reeve(&["domain", "migrate", "guest", "reeve+unix:///nowhere/reeve.sock"])?.fails(1);
    assert!(nobody.contains("does not answer"), "{nobody}");
    let itself = format!("reeve+unix://{}", pair.source.root().join("run/reeve/reeve.sock").display());
    let here = pair.source.reeve(&["domain", "migrate", "guest", &itself])?.fails(7);
    assert!(here.contains("this host itself") && !here.contains("shutdown"), "{here}");
    pair.source.reeve(&["domain", "suspend", "guest"])?.ok();
    pair.source.reeve(&["domain", "resume", "guest"])?.ok();
    pair.is_intact(&pair.source)?;
    // What does not run goes as a document.
    pair.source.reeve(&["domain", "destroy", "guest"])?.ok();
    let off = pair.migrate(&["--live"])?.fails(6);
    assert!(off.contains("is not running") && off.contains("'reeve domain dumpxml guest' here"), "{off}");
    let document = pair.source.reeve(&["domain", "dumpxml", "guest"])?.ok();
    pair.target.reeve_with_input(&["domain", "define", "-"], &document)?.ok();
    pair.source.reeve(&["domain", "undefine", "guest"])?.ok();
    pair.target.reeve(&["domain", "start", "guest"])?.ok();
    assert_eq!(state(&pair.target)?, "running");
    Ok(())
}

#[test]
fn the_api_says_what_programs_ask() -> Outcome {
    let pair = Pair::with_guest(64)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (source, target) = (pair.source.client(), pair.target.client());
    runtime.block_on(async {
        let limits = MigrationLimits { max_downtime_ms: 100, ..source.migration_limits("guest").await? };
        assert_eq!(source.set_migration_limits("guest", limits).await?, limits);
        assert_eq!(source.migration_limits("guest").await?, limits);
        assert!(!source.domain_job("guest").await?.active);
        assert!(source.abort_domain_job("guest").await.is_err(), "there is none");
        let unknown = source.migration_report(Uuid::new_v4()).await?;
        assert_eq!(unknown.stage, MigrationStage::Unknown);
        assert!(target.migration_stream(Uuid::new_v4()).await.is_err(), "nobody waits");
        let nonsense =
            PrepareMigration { allow_unsafe: false, ..prepare_migration(&pair.source, "<domain/>") };
        assert!(target.prepare_migration(&nonsense).await.is_err());
        let cached =
            PrepareMigration { xml: source.domain_xml("guest", XmlOptions::default()).await?, ..nonsense };
        let refused = target.prepare_migration(&cached).await.unwrap_err();
        assert!(refused.to_string().contains("disk 'vda' is cached"), "{refused}");
        // Images go through the host's cache whatever their documents say.
        let xml = cached.xml.replace("type='raw'", "type='qcow2' cache='none'");
        assert_ne!(xml, cached.xml);
        let image = PrepareMigration { xml, ..cached.clone() };
        let refused = target.prepare_migration(&image).await.unwrap_err();
        assert!(refused.to_string().contains("disk 'vda' is a qcow2 image"), "{refused}");
        // A guest of an earlier version goes on without what that has not heeded.
        let uuid =
            cached.xml.split("<uuid>").nth(1).and_then(|text| text.split('<').next()).unwrap_or_default();
        let xml = cached
            .xml
            .replace("<name>guest<", "<name>earlier<")
            .replace(uuid, &Uuid::new_v4().to_string())
            .replace("type='raw'", "type='raw' cache='none' ioeventfd='off'")
            .replace("</disk>", "<transient/></disk>")
            .replace("</domain>", "<seclabel type='dynamic' model='selinux'/></domain>");
        assert!(xml.contains("ioeventfd='off'") && xml.contains("<transient/>"), "{xml}");
        target.prepare_migration(&PrepareMigration { xml, ..cached }).await?;
        let request = Migrate { destination: pair.destination(), ..Migrate::default() };
        let moved = source.migrate_domain("guest", &request).await?;
        assert!(moved.downtime_ms.is_some_and(|downtime| downtime < moved.total_ms), "{moved:?}");
        anyhow::Ok(())
    })?;
    pair.is_intact(&pair.target)
}

#[test]
fn an_idle_guest_of_256_mib_stands_still_for_milliseconds() -> Outcome {
    let mut pair = Pair::with_guest(256)?;
    for _ in 0..4 {
        let moved = {
            let uri = pair.destination();
            pair.source.json(&["domain", "migrate", "guest", &uri, "--live", "--persistent"])?
        };
        println!("idle 256 MiB: downtime {} ms, total {} ms", moved["downtime_ms"], moved["total_ms"]);
        pair.turn_around();
    }
    pair.is_intact(&pair.source)
}
