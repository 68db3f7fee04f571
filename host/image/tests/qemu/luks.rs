//! LUKS containers: qemu opens what is made here, and what qemu made is opened here, with the right passphrase and no other.

use std::os::unix::fs::FileExt;

use reeve_image::{Effort, ImageError, LUKS_PAYLOAD, luks_create, luks_info, luks_opens};

use crate::tool::Tool;

const MIB: u64 = 1 << 20;
const PASSPHRASE: &str = "correct horse battery staple";

fn with_passphrase(test: &str) -> Option<Tool> {
    let tool = Tool::find(test)?;
    std::fs::write(tool.path("passphrase"), PASSPHRASE).unwrap();
    std::fs::write(tool.path("wrong"), "incorrect horse").unwrap();
    Some(tool)
}

fn options(passphrase: &str, image: &str) -> [String; 4] {
    [
        "--object".to_owned(),
        format!("secret,id=key,file={passphrase},format=raw"),
        "--image-opts".to_owned(),
        format!("driver=luks,key-secret=key,file.filename={image}"),
    ]
}

#[test]
fn qemu_opens_what_is_made_here() {
    let Some(tool) = with_passphrase("qemu_opens_what_is_made_here") else { return };
    for effort in [Effort::Least, Effort::Second] {
        luks_create(&tool.file("ours"), 8 * MIB, PASSPHRASE.as_bytes(), effort).unwrap();
        let said = tool.ok(&["info", "-f", "luks", "ours"]);
        for part in ["aes-256", "mode: xts", "plain64", "sha256", "virtual size: 8 MiB"] {
            assert!(said.contains(part), "'{part}' is not in {said}");
        }
        // What is written as the disk is read as the disk, and is nowhere in the file.
        std::fs::write(tool.path("plain"), vec![0x5a; 8 << 20]).unwrap();
        let [object, secret, _, image] = options("passphrase", "ours");
        let written =
            ["convert", &object, &secret, "-n", "-f", "raw", "--target-image-opts", "plain", &image];
        tool.ok(&written);
        assert!(!std::fs::read(tool.path("ours")).unwrap().windows(64).any(|part| part == [0x5a; 64]));
        let [object, secret, opts, image] = options("passphrase", "ours");
        tool.ok(&["convert", &object, &secret, &opts, &image, "-O", "raw", "back"]);
        assert!(std::fs::read(tool.path("back")).unwrap() == std::fs::read(tool.path("plain")).unwrap());
        let [object, secret, opts, image] = options("wrong", "ours");
        let refused = tool.run(&["convert", &object, &secret, &opts, &image, "-O", "raw", "guessed"]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("Invalid password"));
        assert!(luks_opens(&tool.file("ours"), PASSPHRASE.as_bytes()).unwrap());
        assert!(!luks_opens(&tool.file("ours"), b"incorrect horse").unwrap());
        std::fs::remove_file(tool.path("ours")).unwrap();
    }
}

#[test]
fn what_qemu_made_is_opened_here() {
    let Some(tool) = with_passphrase("what_qemu_made_is_opened_here") else { return };
    let secret = "secret,id=key,file=passphrase,format=raw";
    for (cipher, bits) in [("aes-256", 512), ("aes-128", 256)] {
        let options = format!("key-secret=key,iter-time=10,cipher-alg={cipher}");
        tool.ok(&["create", "-q", "--object", secret, "-f", "luks", "-o", &options, "theirs", "8M"]);
        let file = tool.file("theirs");
        let found = luks_info(&file).unwrap().unwrap();
        assert_eq!((found.cipher.as_str(), found.hash.as_str()), ("aes-xts-plain64", "sha256"));
        assert_eq!((found.key_bits, found.capacity, found.slots), (bits, 8 * MIB, 1));
        assert!(luks_opens(&file, PASSPHRASE.as_bytes()).unwrap() && !luks_opens(&file, b"guess").unwrap());
        // A key slot that was written over opens with nothing.
        file.file().write_all_at(&[0; 4096], 8192).unwrap();
        assert!(!luks_opens(&file, PASSPHRASE.as_bytes()).unwrap());
        std::fs::remove_file(tool.path("theirs")).unwrap();
    }
    let options = "key-secret=key,iter-time=10,cipher-mode=cbc,ivgen-alg=essiv,ivgen-hash-alg=sha256";
    tool.ok(&["create", "-q", "--object", secret, "-f", "luks", "-o", options, "theirs", "8M"]);
    let error = luks_opens(&tool.file("theirs"), PASSPHRASE.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("aes-cbc-essiv:sha256"), "{error}");
}

#[test]
fn what_is_no_container_is_told_apart() {
    let Some(tool) = with_passphrase("what_is_no_container_is_told_apart") else { return };
    let file = tool.file("disk");
    assert_eq!(luks_info(&file).unwrap(), None);
    file.file().set_len(MIB).unwrap();
    assert_eq!(luks_info(&file).unwrap(), None);
    assert!(matches!(luks_opens(&file, b"x"), Err(ImageError::Damaged { .. })));
    luks_create(&file, MIB, b"x", Effort::Least).unwrap();
    assert_eq!(luks_info(&file).unwrap().unwrap().payload, LUKS_PAYLOAD);
    // LUKS2 begins alike.
    file.file().write_all_at(&[0, 2], 6).unwrap();
    let error = luks_info(&file).unwrap_err();
    assert!(error.to_string().contains("version 2"), "{error}");
    file.file().write_all_at(&[0, 1], 6).unwrap();
    file.file().set_len(MIB).unwrap();
    let error = luks_info(&file).unwrap_err();
    assert!(error.to_string().contains("not within the file"), "{error}");
    let error = luks_create(&file, u64::MAX, b"x", Effort::Least).unwrap_err();
    assert!(error.to_string().contains("more than a file has"), "{error}");
}
