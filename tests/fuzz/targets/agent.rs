//! A guest agent that says anything, in any pieces: a conversation with it never begins, or ends with an error, and what is taken of
//! it has no control characters.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use reeve_agent::Agent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PATIENCE: Duration = Duration::from_secs(5);

/// Says hello as an agent does, then what it was given, and hangs up.
async fn guest(mut channel: tokio::io::DuplexStream, said: &[u8]) {
    let mut question = Vec::new();
    while question.last() != Some(&b'\n') {
        match channel.read_u8().await {
            Ok(byte) => question.push(byte),
            Err(_) => return,
        }
    }
    let text = String::from_utf8_lossy(&question);
    let id: String =
        text.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    let hello = format!("{{\"return\":{id}}}\n");
    let all = [&[0xff], hello.as_bytes(), said].concat();
    // The host may have hung up.
    let _ = channel.write_all(&all).await;
}

fuzz_target!(|said: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (host, theirs) = tokio::io::duplex(said.len() + 256);
        let talk = async {
            let Ok(mut agent) = Agent::begin(host).await else { return };
            let _ = agent.ping().await;
            let _ = agent.info().await;
            let plain = |text: &str| assert!(!text.chars().any(char::is_control), "{text:?}");
            agent.hostname().await.iter().for_each(|name| plain(name));
            for one in agent.filesystems().await.unwrap_or_default() {
                [&one.mountpoint, &one.name, &one.kind].into_iter().for_each(|text| plain(text));
            }
            for one in agent.addresses().await.unwrap_or_default() {
                plain(&one.interface);
            }
            let _ = (agent.vcpus().await, agent.trim(None).await, agent.executed(1).await);
            if let Err(error) = agent.os().await {
                plain(&error.to_string());
            }
        };
        let both = async { tokio::join!(talk, guest(theirs, said)) };
        tokio::time::timeout(PATIENCE, both).await.expect("a guest that hangs up ends the conversation");
    });
});
