//! Reading back how a link is shaped.

use netlink_packet_core::{DefaultNla, Nla, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcMessage, TcOption};

use super::Rate;
use crate::link::KernelError;
use crate::netlink;

/// Handle of the queue disciplines we make.
pub(super) const OURS: TcHandle = TcHandle { major: 1, minor: 0 };
/// The class everything passes.
const FIRST: TcHandle = TcHandle { major: 1, minor: 1 };

/// Attributes of a class's options, from linux/pkt_sched.h.
const TCA_HTB_PARMS: u16 = 1;
const TCA_HTB_RATE64: u16 = 6;
const TCA_HTB_CEIL64: u16 = 7;

/// The kernel counts a burst as the time it takes, in 64 ns.
const BURST_TICK_NS: u128 = 64;

/// A queue discipline of a link.
#[derive(Debug)]
pub(super) struct Qdisc {
    pub(super) kind: String,
    pub(super) root: bool,
    pub(super) handle: TcHandle,
}

pub(super) fn qdiscs(index: u32) -> Result<Vec<Qdisc>, KernelError> {
    let messages = netlink::list(&RouteNetlinkMessage::GetQueueDiscipline(about(index)))?;
    let qdiscs = messages.into_iter().filter_map(|message| match message {
        RouteNetlinkMessage::NewQueueDiscipline(message)
            if u32::try_from(message.header.index) == Ok(index) =>
        {
            let kind = message.attributes.iter().find_map(|attribute| match attribute {
                TcAttribute::Kind(kind) => Some(kind.clone()),
                _ => None,
            });
            let root = message.header.parent == TcHandle::ROOT;
            Some(Qdisc { kind: kind?, root, handle: message.header.handle })
        }
        _ => None,
    });
    Ok(qdiscs.collect())
}

/// The rate of everything that leaves by a link; none when we do not pace it.
pub(super) fn rate(index: u32) -> Result<Option<Rate>, KernelError> {
    let messages = netlink::list(&RouteNetlinkMessage::GetTrafficClass(about(index)))?;
    let rate = messages.into_iter().find_map(|message| match message {
        RouteNetlinkMessage::NewTrafficClass(message) if message.header.handle == FIRST => {
            message.attributes.iter().find_map(|attribute| match attribute {
                TcAttribute::Options(options) => options.iter().find_map(|option| match option {
                    TcOption::Other(options) => decode(options),
                    _ => None,
                }),
                _ => None,
            })
        }
        _ => None,
    });
    Ok(rate)
}

fn about(index: u32) -> TcMessage {
    let mut message = TcMessage::default();
    message.header.index = index as i32;
    message
}

/// struct tc_htb_opt: two rates of 12 bytes each with bytes per second at the end, then the burst of the first.
fn decode(options: &DefaultNla) -> Option<Rate> {
    let mut bytes = vec![0; options.value_len()];
    options.emit_value(&mut bytes);
    let (mut average, mut peak, mut burst, mut average64, mut peak64) = (None, None, None, None, None);
    for option in NlasIterator::new(bytes.as_slice()).flatten() {
        let value = option.value();
        match option.kind() {
            TCA_HTB_PARMS => {
                (average, peak, burst) = (number(value, 8), number(value, 20), number(value, 24))
            }
            TCA_HTB_RATE64 => average64 = long_number(value),
            TCA_HTB_CEIL64 => peak64 = long_number(value),
            _ => {}
        }
    }
    let average = average64.or(average)?;
    let burst = u128::from(burst?) * BURST_TICK_NS * u128::from(average) / 1_000_000_000;
    let peak = peak64.or(peak).filter(|&peak| peak != average);
    Some(Rate { average, peak, burst: u64::try_from(burst).ok() })
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes).into())
}

fn long_number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.first_chunk()?))
}
