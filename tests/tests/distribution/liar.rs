//! A registry that lies: it answers as a test tells it, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reeve_oci::Digest;
use serde_json::{Value, json};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Path with query.
    pub path: String,
    /// Value of `Authorization`.
    pub authorization: Option<String>,
}

/// Raw answers by path; `Answer::Gone` for all others.
type Answers = BTreeMap<String, Vec<u8>>;

/// A listener on a loopback port. Its thread ends with the process.
pub struct Liar {
    port: u16,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Liar {
    /// Answers nothing but "not found" yet.
    pub fn new() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let liar =
            Self { port: listener.local_addr()?.port(), answers: Arc::default(), asked: Arc::default() };
        let (answers, asked) = (Arc::clone(&liar.answers), Arc::clone(&liar.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                // A peer that hangs up is what some of the tests are about.
                std::thread::spawn(move || drop(serve(stream, &answers, &asked)));
            }
        });
        Ok(liar)
    }

    /// Host and port.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Says what is answered to a path: raw bytes from the status line on.
    pub fn answer(&self, path: &str, raw: impl Into<Vec<u8>>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), raw.into());
    }

    /// An artifact `x:1` with this manifest and component.
    pub fn artifact(&self, manifest: &Value, component: &[u8]) {
        let text = manifest.to_string();
        self.answer("/v2/x/manifests/1", ok(text.as_bytes()));
        self.answer(&format!("/v2/x/blobs/{}", Digest::of(component)), ok(component));
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A success with a body.
pub fn ok(body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// A redirect.
pub fn see(location: &str) -> String {
    format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

/// The manifest that a policy of these bytes has.
pub fn manifest(component: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.wasm.config.v0+json", "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{"mediaType": "application/wasm", "digest": Digest::of(component), "size": component.len()}],
    })
}

fn serve(mut stream: TcpStream, answers: &Mutex<Answers>, asked: &Mutex<Vec<Asked>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
        head.push(byte[0]);
        if head[0] == 0x16 {
            // The greeting of TLS.
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let header = |line: &str| {
        line.to_ascii_lowercase()
            .starts_with("authorization:")
            .then(|| line["authorization:".len()..].trim().to_owned())
    };
    let authorization = head.lines().find_map(header);
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Asked { path: path.clone(), authorization: authorization.clone() });
    let answers = answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // What is only for those who say who they are is listed with a "!" before it.
    let guarded = answers.get(&format!("!{path}")).filter(|_| authorization.is_none());
    let gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    stream.write_all(guarded.or_else(|| answers.get(&path)).unwrap_or(&gone))
}
