//! Files that are handed to the daemon instead of being sent to it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use reeve_model::storage::{Handed, VolumePart};
use reeve_model::{Error, ErrorCode};
use reeve_tests::{Run, wait};

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const MIB: u64 = 1 << 20;
/// `O_PATH` of fcntl.h.
const AS_PLACE: i32 = 0o10_000_000;

/// Bytes that differ from place to place.
fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 + 1).collect()
}

#[test]
fn a_file_goes_in_and_out_as_it_is() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "64M", "--allocation", "0"])?.ok();
    let (file, back) = (lab.place.path().join("in"), lab.place.path().join("out"));
    // Data, zeroes that are there, a hole, data, and a hole at the end.
    let content = File::create(&file)?;
    content.write_all_at(&pattern(3 * MIB + 5), 0)?;
    content.write_all_at(&vec![0; 9 * MIB as usize], 4 * MIB)?;
    content.write_all_at(b"far", 40 * MIB)?;
    content.set_len(50 * MIB)?;
    let (name, out) = (file.display().to_string(), back.display().to_string());
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &name, "--offset", "1000"])?.ok();
    assert_eq!(said, format!("{} bytes written to volume 'a'\n", 50 * MIB));
    let volume = lab.images().join("a");
    assert_eq!(std::fs::metadata(&volume)?.len(), 64 * MIB);
    let allocated = std::fs::metadata(&volume)?.blocks() * 512;
    assert!(allocated < 4 * MIB, "{allocated} bytes are allocated");
    // What was in the file is gone, and what was longer is.
    std::fs::write(&back, pattern(60 * MIB))?;
    let part = ["--offset", "1000", "--length", &(50 * MIB).to_string()];
    let download = [&["vol", "download", "--pool", "lab", "a", &out][..], &part].concat();
    assert_eq!(lab.reeve(&download)?.ok(), format!("{} bytes read from volume 'a'\n", 50 * MIB));
    assert!(std::fs::read(&file)? == std::fs::read(&back)?, "what came back is something else");
    assert!(std::fs::metadata(&back)?.blocks() * 512 < 4 * MIB);
    // Written over, zeroes and holes are zeroes there.
    std::fs::write(&file, vec![0; 5 * MIB as usize])?;
    lab.reeve(&["vol", "upload", "--pool", "lab", "a", &name])?.ok();
    let mut begin = vec![1; 5 * MIB as usize + 1];
    File::open(&volume)?.read_exact_at(&mut begin, 0)?;
    assert!(begin.iter().all(|byte| *byte == 0));

    // What does not fit is refused as a whole, and nothing is lost by a wrong word.
    std::fs::write(&file, pattern(65 * MIB))?;
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "a", &name])?.fails(7);
    assert!(said.contains("the file has 68157440 bytes, and 67108864 fit; nothing is written"), "{said}");
    let before = std::fs::read(&back)?;
    lab.reeve(&["vol", "download", "--pool", "lab", "a", &out, "--offset", "65M"])?.fails(2);
    let beyond = (65 * MIB).to_string();
    let said = lab.reeve(&["vol", "download", "--pool", "lab", "a", &out, "--offset", &beyond])?.fails(7);
    assert!(said.contains("nothing begins at"), "{said}");
    lab.reeve(&["vol", "download", "--pool", "lab", "nothing", &out])?.fails(3);
    assert!(std::fs::read(&back)? == before, "a file was emptied for nothing");
    let itself = volume.display().to_string();
    for verb in ["upload", "download"] {
        let said = lab.reeve(&["vol", verb, "--pool", "lab", "a", &itself])?.fails(7);
        assert!(said.contains("the file is the volume itself"), "{said}");
    }
    assert_eq!(std::fs::metadata(&volume)?.len(), 64 * MIB);
    Ok(())
}

#[test]
fn what_the_daemon_does_not_take_is_sent() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "4M"])?.ok();
    File::options().write(true).open(lab.images().join("a"))?.write_all_at(&pattern(2 * MIB), MIB)?;
    // Root may write it and keep its set-user-id, its owner may not; so it goes through the socket.
    let program = lab.place.path().join("program");
    std::fs::write(&program, "old")?;
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o4755))?;
    lab.reeve(&["vol", "download", "--pool", "lab", "a", &program.display().to_string()])?.ok();
    assert!(std::fs::read(&program)? == std::fs::read(lab.images().join("a"))?);
    // Nor are pipes taken.
    let path = lab.place.path().join("pipe");
    reeve_tests::program("mkfifo", &[&path.display().to_string()])?;
    let reader = path.clone();
    let read = std::thread::spawn(move || std::fs::read(reader));
    let said = lab.reeve(&["vol", "download", "--pool", "lab", "a", &path.display().to_string()])?.ok();
    assert_eq!(said, "4194304 bytes read from volume 'a'\n");
    assert!(read.join().expect("the reader lives")? == std::fs::read(lab.images().join("a"))?);
    Ok(())
}

/// Hands something over as a client of another kind would, and gives what the daemon says at the end.
fn raw(lab: &Lab, verb: &str, handed: Option<BorrowedFd<'_>>) -> anyhow::Result<String> {
    let mut socket = UnixStream::connect(lab.daemon.client().socket())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    write!(
        socket,
        "POST /v1/pools/lab/volumes/a/{verb} HTTP/1.1\r\nHost: reeve\r\nConnection: upgrade\r\n\
         Upgrade: reeve-file\r\nContent-Length: 0\r\n\r\n"
    )?;
    let (mut said, mut byte) = (Vec::new(), [0]);
    while !said.ends_with(b"\r\n\r\nr") {
        socket.read_exact(&mut byte)?;
        said.push(byte[0]);
    }
    assert!(said.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&said));
    match handed {
        Some(descriptor) => reeve_sys::handed::send(&socket, descriptor)?,
        None => socket.write_all(b"f")?,
    }
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Why the daemon refused what it was handed.
fn refused(lab: &Lab, verb: &str, handed: &File) -> anyhow::Result<Error> {
    let answer = raw(lab, verb, Some(handed.as_fd()))?;
    match serde_json::from_str(&answer)? {
        Handed::Refused(error) => Ok(error),
        Handed::Done(bytes) => anyhow::bail!("{bytes} bytes were copied"),
    }
}

#[test]
fn a_client_hands_over_what_it_may_do_and_no_more() -> Outcome {
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "1M"])?.ok();
    let path = lab.place.path().join("file");
    std::fs::write(&path, "text")?;
    let (read, write) = (File::open(&path)?, File::options().write(true).open(&path)?);
    let said = refused(&lab, "upload-file", &write)?;
    assert_eq!(said.code, ErrorCode::Invalid);
    assert!(
        said.message.contains("volume 'a' of pool 'lab'") && said.message.contains("for reading"),
        "{said}"
    );
    let said = refused(&lab, "download-file", &read)?;
    assert!(said.code == ErrorCode::Invalid && said.message.contains("for writing"), "{said}");
    let place = File::options().read(true).custom_flags(AS_PLACE).open(&path)?;
    let (memory, append) = (File::open("/proc/self/maps")?, File::options().append(true).open(&path)?);
    for (verb, file) in [
        ("upload-file", &place),
        ("upload-file", &File::open("/dev/zero")?),
        ("upload-file", &File::open(lab.place.path())?),
        ("upload-file", &memory),
        ("download-file", &append),
        ("download-file", &File::options().write(true).open("/proc/self/comm")?),
    ] {
        let said = refused(&lab, verb, file)?;
        assert_eq!(said.code, ErrorCode::Unsupported, "{verb}: {said}");
    }
    // Without a descriptor there is nothing to be said.
    assert_eq!(raw(&lab, "upload-file", None)?, "");
    assert_eq!(std::fs::read(&path)?, b"text");
    assert!(std::fs::read(lab.images().join("a"))?.iter().all(|byte| *byte == 0));
    // The same way, what may be done is done.
    assert_eq!(raw(&lab, "upload-file", Some(read.as_fd()))?, r#"{"done":4}"#);
    assert_eq!(raw(&lab, "download-file", Some(write.as_fd()))?, r#"{"done":1048576}"#);
    assert!(std::fs::read(&path)?.starts_with(b"text\0"));
    let plain = "GET /v1/pools HTTP/1.1\r\nHost: reeve\r\nConnection: close\r\n\r\n";
    let mut socket = UnixStream::connect(lab.daemon.client().socket())?;
    socket
        .write_all(plain.replace("GET /v1/pools", "POST /v1/pools/lab/volumes/a/upload-file").as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("Upgrade: reeve-file"), "{answer}");
    Ok(())
}

/// A file that takes its time to copy.
pub fn large(path: &Path, mebibytes: u64) -> anyhow::Result<()> {
    let file = File::create(path)?;
    let piece = pattern(MIB);
    for at in 0..mebibytes {
        file.write_all_at(&piece, at * MIB)?;
    }
    Ok(())
}

#[test]
fn a_client_that_leaves_stops_the_copy() -> Outcome {
    const LENGTH: u64 = 1024;
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "1G", "--allocation", "0"])?.ok();
    let path = lab.place.path().join("file");
    large(&path, LENGTH)?;
    let file = File::open(&path)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let client = lab.daemon.client();
        let upload = client.upload_volume_file("lab", "a", VolumePart::default(), &file);
        tokio::time::timeout(Duration::from_millis(30), upload).await
    });
    assert!(done.is_err(), "it was too fast to be left: {done:?}");
    drop(runtime);
    wait::until("the copy has ended", PATIENCE, || {
        lab.json(&["pool", "jobs", "lab"]).is_ok_and(|jobs| jobs == serde_json::json!([]))
    })?;
    let allocated = std::fs::metadata(lab.images().join("a"))?.blocks() * 512;
    assert!(allocated < LENGTH * MIB, "all of it was copied");
    lab.reeve(&["vol", "delete", "--pool", "lab", "a"])?.ok();
    Ok(())
}

#[test]
fn a_copy_is_seen_while_it_goes_on() -> Outcome {
    const LENGTH: u64 = 1024;
    let lab = Lab::with_pool()?;
    lab.reeve(&["vol", "create-as", "lab", "a", "1G", "--allocation", "0"])?.ok();
    let path = lab.place.path().join("file");
    large(&path, LENGTH)?;
    let (root, name) = (lab.daemon.root().to_owned(), path.display().to_string());
    let upload = std::thread::spawn(move || {
        Run::reeve(&root, &["vol", "upload", "--pool", "lab", "a", &name], "", &[])
    });
    let mut seen = serde_json::Value::Null;
    wait::until("the upload is seen", PATIENCE, || {
        let jobs = lab.json(&["pool", "jobs", "lab"]).unwrap_or_default();
        seen = jobs[0].clone();
        seen["done"].as_u64() > Some(0) || upload.is_finished()
    })?;
    assert_eq!((&seen["operation"], &seen["total"]), (&"upload".into(), &(LENGTH * MIB).into()));
    // Others read the pool meanwhile, and nobody takes the volume away.
    lab.reeve(&["vol", "delete", "--pool", "lab", "a"])?.fails(6);
    upload.join().expect("the upload's thread lives")?.ok();
    Ok(())
}

#[test]
fn a_full_medium_gets_its_space_back() -> Outcome {
    let (device, lab) = (crate::kinds::Loop::new()?, Lab::start()?);
    let target = lab.images().display().to_string();
    let define =
        ["pool", "define-as", "lab", "fs", "-", "-", &device.0, "-", &target, "--source-format", "ext4"];
    lab.reeve(&define)?.ok();
    lab.reeve(&["pool", "build", "lab", "--overwrite"])?.ok();
    lab.reeve(&["pool", "start", "lab"])?.ok();
    lab.reeve(&["vol", "create-as", "lab", "thin", "256M", "--allocation", "0"])?.ok();
    let path = lab.place.path().join("file");
    large(&path, 128)?;
    let available = || -> anyhow::Result<u64> {
        lab.reeve(&["pool", "refresh", "lab"])?.ok();
        Ok(lab.json(&["pool", "info", "lab"])?["space"]["available"].as_u64().unwrap_or_default())
    };
    let before = available()?;
    assert!(before > 0);
    let said = lab.reeve(&["vol", "upload", "--pool", "lab", "thin", &path.display().to_string()])?.fails(6);
    assert!(said.contains("volume 'thin' of pool 'lab': there is no room"), "{said}");
    let after = available()?;
    assert!(after + (64 << 10) >= before, "{before} bytes were free, and {after} are");
    assert_eq!(lab.json(&["vol", "info", "--pool", "lab", "thin"])?["capacity"], 256 * MIB);
    lab.reeve(&["pool", "destroy", "lab"])?.ok();
    Ok(())
}
