use proptest::prelude::*;
use tokio::io::DuplexStream;

use super::*;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(20);

/// Answers the beginning of one conversation, with `before` said first.
async fn answer_sync(guest: &mut DuplexStream, before: &[u8]) {
    let text = hear(guest).await;
    let object: Value = serde_json::from_slice(&text[1..]).unwrap();
    assert_eq!((text[0], &object["execute"]), (SENTINEL, &json!(SYNC_COMMAND)));
    let id = &object["arguments"]["id"];
    let answer = [before, &[SENTINEL], format!("{}\n", json!({ "return": id })).as_bytes()].concat();
    guest.write_all(&answer).await.unwrap();
}

async fn hear(guest: &mut DuplexStream) -> Vec<u8> {
    let mut line = Vec::new();
    loop {
        match guest.read_u8().await.unwrap() {
            b'\n' => return line,
            byte => line.push(byte),
        }
    }
}

/// A conversation that has begun, and the guest's end of it.
async fn begun() -> (Agent<DuplexStream>, DuplexStream) {
    let (host, mut guest) = tokio::io::duplex(1 << 20);
    let (agent, ()) = tokio::join!(Agent::begin(host), answer_sync(&mut guest, b""));
    (agent.unwrap(), guest)
}

#[tokio::test]
async fn a_conversation_begins_after_what_was_said_to_others() {
    let (host, mut guest) = tokio::io::duplex(1 << 20);
    let old = b"{\"return\":{}}\ngarbage \x1b[2J\xff{\"return\":7}\n\xff\n\xff{\"return\":\n";
    let (agent, ()) = tokio::join!(Agent::begin(host), answer_sync(&mut guest, old));
    let mut agent = agent.unwrap();
    let (answer, ()) = tokio::join!(agent.ask("guest-ping", json!({}), LONG), async {
        assert_eq!(hear(&mut guest).await, br#"{"execute":"guest-ping"}"#);
        guest.write_all(b"{\"return\":{}}\n").await.unwrap();
    });
    assert_eq!(answer.unwrap(), json!({}));
}

#[tokio::test]
async fn a_late_answer_is_nobody_elses() {
    let (mut agent, mut guest) = begun().await;
    let silent = agent.ask("guest-get-time", json!({}), SHORT).await.unwrap_err();
    assert!(matches!(&silent, AgentError::Silent { seconds: 1, .. }), "{silent}");
    hear(&mut guest).await;
    guest.write_all(b"{\"return\":1}\n").await.unwrap();
    let (answer, ()) = tokio::join!(agent.ask("guest-get-host-name", json!({}), LONG), async {
        answer_sync(&mut guest, b"").await;
        hear(&mut guest).await;
        guest.write_all(b"{\"return\":{\"host-name\":\"web\"}}\n").await.unwrap();
    });
    assert_eq!(answer.unwrap(), json!({ "host-name": "web" }));
}

#[tokio::test]
async fn a_guest_without_an_agent_is_found_out() {
    let (host, mut guest) = tokio::io::duplex(64);
    let error = Agent::begin(host).await.err().unwrap();
    assert!(matches!(error, AgentError::Silent { seconds: 5, .. }), "{error}");
    // One that talks without end is no better.
    let (host, mut loud) = tokio::io::duplex(1 << 16);
    let talk = async { while loud.write_all(&[b'x'; 4096]).await.is_ok() {} };
    let error = tokio::select! {
        begun = Agent::begin(host) => begun.err().unwrap(),
        () = talk => unreachable!("the host holds its end"),
    };
    assert!(matches!(error, AgentError::Silent { .. }), "{error}");
    assert_eq!(guest.read_u8().await.unwrap(), SENTINEL);
    let (host, guest) = tokio::io::duplex(64);
    drop(guest);
    assert!(matches!(Agent::begin(host).await.err().unwrap(), AgentError::Channel(_) | AgentError::Closed));
}

#[tokio::test]
async fn an_answer_has_an_end_and_a_form() {
    let cases: [(&[u8], &str); 6] = [
        (b"nothing\n", "something else than its protocol says"),
        (b"[]\n", "it is no object"),
        (b"{\"returns\":1}\n", "neither 'return' nor 'error'"),
        (b"{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no\"}}\n", "does not do guest-x: no"),
        (
            b"{\"error\":{\"class\":\"GenericError\",\"desc\":\"a\\u001b[2J\"}}\n",
            "could not do guest-x: a\u{fffd}[2J",
        ),
        (b"{\"error\":7}\n", "could not do guest-x: "),
    ];
    for (said, expected) in cases {
        let (mut agent, mut guest) = begun().await;
        let (answer, ()) = tokio::join!(agent.ask("guest-x", json!({}), LONG), async {
            hear(&mut guest).await;
            guest.write_all(said).await.unwrap();
        });
        let error = answer.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let (mut agent, mut guest) = begun().await;
    let flood = async {
        hear(&mut guest).await;
        while guest.write_all(&[b' '; 65536]).await.is_ok() {}
    };
    let error = tokio::select! {
        answer = agent.ask("guest-x", json!({}), LONG) => answer.unwrap_err(),
        () = flood => unreachable!("the host holds its end"),
    };
    assert!(matches!(error, AgentError::TooLong { .. }), "{error}");
}

#[tokio::test]
async fn what_a_caller_makes_up_is_looked_at() {
    let (mut agent, mut guest) = begun().await;
    for object in [json!([]), json!({}), json!({ "execute": 1 }), json!({ "execute": "guest-sync" })] {
        let error = agent.ask_verbatim(&object, LONG).await.unwrap_err();
        assert!(matches!(error, AgentError::Invalid(_)), "{object}: {error}");
    }
    let info = json!({ "execute": "guest-info" });
    let (answer, ()) = tokio::join!(agent.ask_verbatim(&info, LONG), async {
        hear(&mut guest).await;
        guest.write_all(b"{\"return\":{\"version\":\"7.2.0\"}}\n").await.unwrap();
    });
    assert_eq!(answer.unwrap()["version"], "7.2.0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_guest_breaks_a_conversation(noise in prop::collection::vec(any::<u8>(), 0..2000)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (mut agent, mut guest) = begun().await;
            guest.write_all(&noise).await.unwrap();
            drop(guest);
            // Whatever it is, it is an answer or an error, and the end comes.
            for _ in 0..noise.len() + 2 {
                let _ = agent.ask("guest-ping", json!({}), LONG).await;
            }
            let is_over = agent.ask("guest-ping", json!({}), LONG).await.is_err();
            prop_assert!(is_over);
            Ok(())
        })?;
    }
}
