use std::fs::File;
use std::time::{Duration, Instant};

use super::*;
use crate::config::RngRate;
use crate::virtio::testing::{Driver, EVENT_IDX};

const SIZE: u16 = 16;

fn driver(rate: Option<RngRate>) -> Driver {
    let mut driver = Driver::new(Box::new(Rng::new(File::open("/dev/urandom").unwrap(), rate)));
    driver.start(EVENT_IDX, SIZE);
    driver
}

#[test]
fn buffers_come_back_full_of_different_bytes() {
    let mut driver = driver(None);
    let buffer = driver.buffer(&[0; 256]);
    driver.submit(0, SIZE, &[(buffer, 100, true), (buffer + 128, 28, true)]);
    assert_eq!(driver.wait_used(0, SIZE).1, 128);
    let first = driver.bytes(buffer, 256);
    assert!(first[100..128].iter().all(|byte| *byte == 0) && first[156..].iter().all(|byte| *byte == 0));
    driver.submit(0, SIZE, &[(buffer, 128, true)]);
    driver.wait_used(0, SIZE);
    assert_ne!(driver.bytes(buffer, 100), first[..100]);
    driver.submit(0, SIZE, &[(buffer, 256, false)]);
    assert_eq!(driver.wait_used(0, SIZE).1, 0, "nothing is written where the guest allows none");
}

#[test]
fn the_rate_is_kept() {
    let start = Instant::now();
    let mut driver = driver(Some(RngRate { bytes: 100, period_ms: 50 }));
    let buffer = driver.buffer(&[0; 4096]);
    let mut got = 0;
    while got < 1000 {
        driver.submit(0, SIZE, &[(buffer, 64, true)]);
        got += driver.wait_used(0, SIZE).1;
    }
    assert!(start.elapsed() >= Duration::from_millis(400), "1000 bytes took {:?}", start.elapsed());
}
