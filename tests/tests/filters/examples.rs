//! The guide's complete filters (18.12.11): a web server that pings, and an FTP server.

use reeve_packets::{ACK, Frame, RST, SYN, icmp, icmp_error, ipv4, tcp, tcp_with, udp};

use crate::Outcome;
use crate::host::Filter;
use crate::rig::Way::{In, Out};
use crate::rig::{GUEST, OTHER, Step, back, filtered, filtered_beside, out, pass, stop};

const REST: &str = "<rule action='accept' direction='in'><tcp dstportstart='22'/></rule>\
                    <rule action='accept' direction='in'><tcp dstportstart='80'/></rule>";
const DNS: &str = "<rule action='accept' direction='out'><udp dstportstart='53'/></rule>\
                   <rule action='drop' direction='inout'><all/></rule>";

fn test_eth0(rules: &str, steps: &[Step]) -> Outcome {
    let document = format!("<filter name='test-eth0'><filterref filter='clean-traffic'/>{rules}</filter>");
    filtered(&Filter { root: "test-eth0", documents: &[&document], ..Filter::default() }, steps)
}

#[test]
fn a_server_that_pings() -> Outcome {
    let rules = format!("{REST}<rule action='accept' direction='out'><icmp/></rule>{DNS}");
    test_eth0(
        &rules,
        &[
            pass("ssh", In, back(&tcp(2000, 22, SYN))),
            pass("its answer", Out, out(&tcp(22, 2000, SYN | ACK))),
            pass("what follows", In, back(&tcp(2000, 22, ACK))),
            pass("http", In, back(&tcp(2001, 80, SYN))),
            stop("https", In, back(&tcp(2002, 443, SYN))),
            stop("a connection from port 22", Out, out(&tcp(22, 3000, SYN))),
            stop("a ping of it", In, back(&icmp(8, 0))),
            pass("its ping", Out, out(&icmp(8, 0))),
            pass("the pong", In, back(&icmp(0, 0))),
            pass("it asks DNS", Out, out(&udp(1000, 53))),
            pass("the answer", In, back(&udp(53, 1000))),
            stop("an answer to nothing", In, back(&udp(53, 1001))),
            stop("other UDP", Out, out(&udp(1000, 54))),
            stop(
                "another's address",
                Out,
                Frame::new(OTHER, GUEST).ipv4(&ipv4("10.0.0.9", "10.0.0.2"), &udp(1, 53)),
            ),
        ],
    )
}

#[test]
fn strict_ping() -> Outcome {
    let ping = "<rule action='accept' direction='out'><icmp type='8'/></rule>\
                <rule action='accept' direction='in'><icmp type='0'/></rule>";
    test_eth0(
        &format!("{REST}{ping}{DNS}"),
        &[
            stop("a ping of it", In, back(&icmp(8, 0))),
            stop("a pong of nothing", Out, out(&icmp(0, 0))),
            pass("its ping", Out, out(&icmp(8, 0))),
            pass("the pong", In, back(&icmp(0, 0))),
            pass("ssh", In, back(&tcp(2000, 22, SYN))),
        ],
    )
}

#[test]
fn ftp_by_related_connections() -> Outcome {
    let ftp = "<rule action='accept' direction='in'><tcp dstportstart='21'/></rule>\
               <rule action='accept' direction='out'><tcp srcportstart='20' state='RELATED,ESTABLISHED'/></rule>\
               <rule action='accept' direction='in'><tcp dstportstart='20' state='ESTABLISHED'/></rule>";
    test_eth0(
        &format!("{ftp}{REST}<rule action='accept' direction='out'><icmp/></rule>{DNS}"),
        &[
            pass("control", In, back(&tcp(2000, 21, SYN))),
            pass("its answer", Out, out(&tcp(21, 2000, SYN | ACK))),
            stop("data that nothing relates to", Out, out(&tcp(20, 2001, SYN))),
            stop("data to it", In, back(&tcp(2001, 20, SYN))),
            stop("another port", In, back(&tcp(2002, 23, SYN))),
        ],
    )
}

/// What `modprobe nf_conntrack_ftp` was: kernels since 6.0 look into connections only where a rule says so.
const HELPER: &str = "table inet helpers {
ct helper ftp { type \"ftp\" protocol tcp; }
chain prerouting { type filter hook prerouting priority -150; tcp dport 21 ct helper set \"ftp\"; }
}
";

#[test]
fn ftp_data_that_relates_to_a_control_connection() -> Outcome {
    let document = format!(
        "<filter name='test-eth0'><filterref filter='clean-traffic'/>\
         <rule action='accept' direction='in'><tcp dstportstart='21'/></rule>\
         <rule action='accept' direction='out'><tcp srcportstart='20' state='RELATED,ESTABLISHED'/></rule>\
         <rule action='accept' direction='in'><tcp dstportstart='20' state='ESTABLISHED'/></rule>{DNS}</filter>"
    );
    let filter = Filter { root: "test-eth0", documents: &[&document], ..Filter::default() };
    // Its data goes to port 7 * 256 + 209 of the client.
    let (user, port) = (&b"USER anonymous\r\n"[..], &b"PORT 10,0,0,2,7,209\r\n"[..]);
    filtered_beside(
        HELPER,
        &filter,
        &[
            pass("control", In, back(&tcp(2000, 21, SYN))),
            pass("its answer", Out, out(&tcp(21, 2000, SYN | ACK))),
            pass("what follows", In, back(&tcp(2000, 21, ACK))),
            stop("data before it was asked for", Out, out(&tcp(20, 2001, SYN))),
            pass("a user", In, back(&tcp_with(2000, 21, ACK, 0, user))),
            pass("the client's port", In, back(&tcp_with(2000, 21, ACK, user.len() as u32, port))),
            stop("data to another port", Out, out(&tcp(20, 2002, SYN))),
            pass("data to that port", Out, out(&tcp(20, 2001, SYN))),
            pass("its answer", In, back(&tcp(2001, 20, SYN | ACK))),
            pass("the data", Out, out(&tcp_with(20, 2001, ACK, 0, b"a file"))),
            pass("its acknowledgement", In, back(&tcp(2001, 20, ACK))),
            stop("another connection to its port of data", In, back(&tcp(2003, 20, SYN))),
        ],
    )
}

#[test]
fn ftp_by_new_and_established_connections() -> Outcome {
    let rules = "<rule action='accept' direction='in'><all state='ESTABLISHED'/></rule>\
                 <rule action='accept' direction='out'><all state='ESTABLISHED,RELATED'/></rule>\
                 <rule action='accept' direction='in'><tcp dstportstart='21' dstportend='22' state='NEW'/></rule>\
                 <rule action='accept' direction='in'><tcp dstportstart='80' state='NEW'/></rule>\
                 <rule action='accept' direction='out'><icmp state='NEW'/></rule>\
                 <rule action='accept' direction='out'><udp dstportstart='53' state='NEW'/></rule>\
                 <rule action='drop' direction='inout'><all/></rule>";
    let question = ipv4("10.0.0.2", "10.0.0.1").carry(&udp(53, 1000));
    test_eth0(
        rules,
        &[
            pass("ftp", In, back(&tcp(2000, 21, SYN))),
            pass("its answer", Out, out(&tcp(21, 2000, SYN | ACK))),
            pass("what follows", In, back(&tcp(2000, 21, ACK))),
            pass("ssh", In, back(&tcp(2001, 22, SYN))),
            pass("http", In, back(&tcp(2002, 80, SYN))),
            stop("telnet", In, back(&tcp(2003, 23, SYN))),
            stop("telnet again", In, back(&tcp(2003, 23, ACK))),
            stop("a connection of its own", Out, out(&tcp(3000, 80, SYN))),
            pass("its ping", Out, out(&icmp(8, 0))),
            pass("the pong", In, back(&icmp(0, 0))),
            pass("it asks DNS", Out, out(&udp(1000, 53))),
            pass("the answer", In, back(&udp(53, 1000))),
            pass("an error about the answer", Out, out(&icmp_error(3, 3, &question))),
            pass("the end", In, back(&tcp(2000, 21, RST | ACK))),
        ],
    )
}
