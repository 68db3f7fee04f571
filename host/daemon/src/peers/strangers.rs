//! Who is at the door and has not said yet which host it is: anybody, as far as this host knows.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::fault::PeerFault;

/// Strangers at one time.
const MOST: usize = 128;
/// Those of one address. A host may open the streams of several guests at once.
const MOST_OF_ONE: usize = 64;
/// Of an IPv6 address, what a site has one of.
const SITE: u128 = !0 << 64;
/// Faults that are said aloud in a spell.
const MOST_SAID: u32 = 8;
/// How long a spell is.
const SPELL: Duration = Duration::from_secs(10);

/// Connections that are being greeted. There is always room for one more: hosts are done in milliseconds, so who has been there for longest has
/// nothing to say.
#[derive(Default)]
pub(super) struct Strangers(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: u64,
    /// By when they came.
    tasks: BTreeMap<u64, (IpAddr, AbortHandle)>,
}

impl Strangers {
    /// Lets one in, whom the task greets that `greet` starts for its number. Where there is no room, the oldest one goes; of the same address
    /// if that has its share.
    pub fn enter(&self, from: IpAddr, greet: impl FnOnce(u64) -> AbortHandle) {
        let from = site(from);
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        let neighbours = waiting.tasks.iter().filter(|(_, (at, _))| *at == from);
        let neighbours: Vec<u64> = neighbours.map(|(number, _)| *number).collect();
        let oldest = if neighbours.len() >= MOST_OF_ONE {
            neighbours.first().copied()
        } else if waiting.tasks.len() >= MOST {
            waiting.tasks.keys().next().copied()
        } else {
            None
        };
        if let Some((_, task)) = oldest.and_then(|oldest| waiting.tasks.remove(&oldest)) {
            task.abort();
        }
        // It can't leave before it is noted here: for that it needs the lock.
        let task = greet(number);
        waiting.tasks.insert(number, (from, task));
    }

    /// This one was greeted, or is not believed. False when it had to go.
    pub fn leave(&self, number: u64) -> bool {
        self.lock().tasks.remove(&number).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & SITE)),
        address => address,
    }
}

/// What goes wrong at the door. Strangers decide how often that is, but not how much of it is in the log.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Said>);

#[derive(Default)]
struct Said {
    since: Option<Instant>,
    aloud: u32,
    unsaid: u64,
}

impl Complaints {
    /// Warns of a fault, or counts it.
    pub fn say(&self, fault: &PeerFault) {
        match self.unsaid(Instant::now()) {
            Some(0) => tracing::warn!("{fault}"),
            Some(unsaid) => tracing::warn!(unsaid, "{fault}"),
            None => tracing::debug!("{fault}"),
        }
    }

    /// How many were not said aloud before one that may be.
    fn unsaid(&self, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.since.is_none_or(|since| now.duration_since(since) >= SPELL) {
            said.since = Some(now);
            said.aloud = 0;
        }
        if said.aloud == MOST_SAID {
            said.unsaid += 1;
            return None;
        }
        said.aloud += 1;
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinHandle;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn enter(strangers: &Strangers, from: IpAddr) -> (u64, JoinHandle<()>) {
        let mut entered = None;
        strangers.enter(from, |number| {
            let task = tokio::spawn(std::future::pending());
            let handle = task.abort_handle();
            entered = Some((number, task));
            handle
        });
        entered.unwrap()
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, last])
    }

    #[tokio::test]
    async fn whoever_says_nothing_makes_room_for_who_comes() {
        let strangers = Strangers::default();
        // One address pushes only its own out.
        let (host, _) = enter(&strangers, v4(1));
        let (first, task) = enter(&strangers, ONE);
        for _ in 1..MOST_OF_ONE {
            drop(enter(&strangers, ONE));
        }
        let (last, _) = enter(&strangers, ONE);
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!strangers.leave(first) && strangers.leave(last) && strangers.leave(host));
        assert!(!strangers.leave(host), "it has left");
        // Many addresses push the oldest out.
        let strangers = Strangers::default();
        let (first, task) = enter(&strangers, ONE);
        for last in 1..MOST {
            drop(enter(&strangers, v4(last as u8)));
        }
        let (last, _) = enter(&strangers, v4(250));
        assert!(task.await.unwrap_err().is_cancelled());
        assert!(!strangers.leave(first) && strangers.leave(last));
    }

    #[test]
    fn addresses_of_one_site_are_one() {
        let of = |text: &str| site(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), ONE);
        assert_ne!(v4(1), of("198.51.100.2"));
    }

    #[test]
    fn few_faults_are_said_aloud_and_the_others_are_counted() {
        let complaints = Complaints::default();
        let now = Instant::now();
        for _ in 0..MOST_SAID {
            assert_eq!(complaints.unsaid(now), Some(0));
        }
        for _ in 0..1000 {
            assert_eq!(complaints.unsaid(now), None);
        }
        assert_eq!(complaints.unsaid(now + SPELL), Some(1000));
        assert_eq!(complaints.unsaid(now + SPELL), Some(0));
    }
}
