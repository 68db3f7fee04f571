//! States of connections (guide 18.12.11.1) and how many there are (18.12.11.2).

use reeve_packets::{ACK, Frame, SYN, icmp, icmp6, ipv4, tcp, udp};

use crate::Outcome;
use crate::host::Filter;
use crate::rig::Way::{In, Out};
use crate::rig::{GUEST, OTHER, Step, back, back6, filtered, out, out6, pass, stop};

fn rules(rules: &str, steps: &[Step]) -> Outcome {
    let document = format!(
        "<filter name='test'>{rules}\
         <rule action='drop' direction='inout' priority='1000'><all/></rule>\
         <rule action='drop' direction='inout' priority='1000'><all-ipv6/></rule></filter>"
    );
    filtered(&Filter { documents: &[&document], ..Filter::default() }, steps)
}

#[test]
fn a_direction_is_that_of_the_first_packet_unless_states_are_not_looked_at() -> Outcome {
    let port = "<tcp dstportstart='12345'/>";
    let accept = format!("<rule direction='in' action='accept'>{port}</rule>");
    rules(
        &accept,
        &[
            pass("to the port", In, back(&tcp(2000, 12345, SYN))),
            pass("its answer", Out, out(&tcp(12345, 2000, SYN | ACK))),
            stop("from the port", Out, out(&tcp(12345, 3000, SYN))),
        ],
    )?;
    rules(
        &accept.replace("<rule", "<rule statematch='false'"),
        &[
            pass("to the port", In, back(&tcp(2000, 12345, SYN))),
            pass("from the port", Out, out(&tcp(12345, 3000, SYN))),
            stop("from another", Out, out(&tcp(12346, 3000, SYN))),
        ],
    )?;
    rules(
        &accept.replace("'in'", "'inout'"),
        &[
            pass("to the port", In, back(&tcp(2000, 12345, SYN))),
            stop("to the peer's port", Out, out(&tcp(3000, 12345, SYN))),
            pass("from the port", Out, out(&tcp(12345, 3001, SYN))),
        ],
    )?;
    rules(
        &accept.replace("'12345'", "'12345' state='NONE'"),
        &[
            pass("to the port", In, back(&tcp(2000, 12345, SYN))),
            pass("from the port", Out, out(&tcp(12345, 3000, SYN))),
        ],
    )
}

#[test]
fn answers_over_ipv6() -> Outcome {
    rules(
        "<rule direction='out' action='accept'><udp-ipv6 dstportstart='53'/></rule>\
         <rule direction='out' action='accept'><icmpv6/></rule>",
        &[
            stop("an answer to nothing", In, back6(&udp(53, 1000))),
            pass("a question", Out, out6(&udp(1000, 53))),
            pass("its answer", In, back6(&udp(53, 1000))),
            stop("a ping of it", In, back6(&icmp6(128, 0))),
            pass("its ping", Out, out6(&icmp6(128, 0))),
            pass("the pong", In, back6(&icmp6(129, 0))),
        ],
    )
}

#[test]
fn no_more_than_one_connection() -> Outcome {
    let second = |segment| Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.1", "10.0.0.3"), &segment);
    rules(
        "<rule action='drop' direction='in' priority='400'><tcp connlimit-above='1'/></rule>\
         <rule action='accept' direction='in' priority='500'><tcp dstportstart='22'/></rule>\
         <rule action='drop' direction='out' priority='400'><icmp connlimit-above='1'/></rule>\
         <rule action='accept' direction='out' priority='500'><icmp/></rule>\
         <rule action='accept' direction='out' priority='500'><udp dstportstart='53'/></rule>",
        &[
            pass("ssh", In, back(&tcp(2000, 22, SYN))),
            pass("its answer", Out, out(&tcp(22, 2000, SYN | ACK))),
            pass("what follows", In, back(&tcp(2000, 22, ACK))),
            stop("a second ssh", In, back(&tcp(2001, 22, SYN))),
            pass("the first goes on", In, back(&tcp(2000, 22, ACK))),
            pass("a ping", Out, out(&icmp(8, 0))),
            stop("a ping of another", Out, second(icmp(8, 0))),
            pass("the pong", In, back(&icmp(0, 0))),
            pass("it asks DNS", Out, out(&udp(1000, 53))),
            stop("something else", Out, out(&udp(1000, 54))),
        ],
    )
}
