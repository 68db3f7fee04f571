//! Disks that go along with their guest.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reeve_migrate::{
    Capabilities, Controls, Limits, MigrateError, PreCopy, Received, SendStreams, Sent, receive, send,
};

use crate::guests::{DISKS, Source, Target, World};
use crate::moves::{MIGRATION, Three, coming, offer, run};
use crate::wire::pair;

#[test]
fn disks_come_whole_while_the_guest_writes_them_and_zeros_travel_as_a_number() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world).with_disks(), Target::new(&world).with_disks());
    let (mut near, mut far) = pair();
    let mut strategy = PreCopy::new(Duration::from_secs(1));
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut strategy, &Controls::default());
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert!(target.synced == source.disks && target.disks == source.disks);
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    assert!(source.disk_writes > 10, "{}", source.disk_writes);
    let all: u64 = DISKS.iter().sum();
    let (processed, remaining) = *source.told.last().unwrap();
    assert!(processed >= all && remaining < all / 10, "{:?}", source.told);
    // 136 sectors of the first disk are zeros.
    assert!((near.sent as u64) < all + (60 << 10), "{}", near.sent);
}

#[test]
fn a_guest_that_is_to_stop_at_once_does_not_wait_for_its_disks() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world).with_disks(), Target::new(&world).with_disks());
    let (mut near, mut far) = pair();
    let controls = Controls::default();
    controls.stop_now();
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &controls);
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert!(target.synced == source.disks && target.disks == source.disks);
    assert_eq!(*target.memory.lock(), *source.memory.lock());
    let all: u64 = DISKS.iter().sum();
    assert!(
        source.told[0].0 == 0 && source.told[0].1 >= all,
        "none went before it stopped: {:?}",
        source.told
    );
}

#[test]
fn in_post_copy_all_of_a_disk_comes_before_the_guest_goes_on() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world).with_disks(), Target::new(&world).with_disks());
    let (mut near, mut far) = pair();
    let limits = Limits { post_copy: true, post_copy_after: Some(1), ..Limits::default() };
    let controls = Controls::new(limits);
    controls.switch_to_post_copy().expect("nobody said that it can not");
    let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &controls);
    assert!(matches!(ends, (Ok(Sent::Running { .. }), Ok(Received::Running))), "{ends:?}");
    assert!(target.is_whole && !target.placed.is_empty(), "memory came late");
    assert!(target.synced == source.disks && target.settled);
}

#[test]
fn who_does_not_know_disks_is_not_sent_any_and_the_guest_stays() {
    let world = World::new();
    let (mut source, mut target) = (Source::new(&world).with_disks(), Target::new(&world).with_disks());
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let older = Capabilities { disks: false, ..Capabilities::OURS };
    let (sent, received) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(far, &coming(), MIGRATION, older, &mut target));
        let sent = send(near, &SendStreams::new(), &offer(), &mut source, &mut Three, &Controls::default());
        (sent, receiver.join().unwrap())
    });
    let (sent, received) = (sent.unwrap_err().to_string(), received.unwrap_err().to_string());
    assert!(sent.contains("can't take disks along"), "{sent}");
    assert!(received.contains("other disks than those"), "{received}");
    assert!(world.source_runs.load(Ordering::SeqCst) && !world.target_runs.load(Ordering::SeqCst));
}

#[test]
fn other_disks_than_those_that_were_announced_are_refused() {
    let attempt = |change: fn(&mut Source, &mut Target)| {
        let world = World::new();
        let (mut source, mut target) = (Source::new(&world).with_disks(), Target::new(&world).with_disks());
        change(&mut source, &mut target);
        let (mut near, mut far) = pair();
        let ends = run((&mut near, &mut far), &mut source, &mut target, &mut Three, &Controls::default());
        assert!(matches!(&ends.1, Err(MigrateError::Peer(why)) if why.contains("other disks")), "{ends:?}");
        assert!(world.source_runs.load(Ordering::SeqCst) && !world.target_runs.load(Ordering::SeqCst));
    };
    attempt(|_, target| target.disks.clear());
    attempt(|source, _| source.disks.clear());
    attempt(|source, _| drop(source.disks.pop()));
    attempt(|source, _| source.disks[1].extend([1; 512]));
}
