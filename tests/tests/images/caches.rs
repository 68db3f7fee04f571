//! Cache modes of every command that has them (guide 10.1, `-t`).

use crate::{Desk, Outcome};

const MODES: [&str; 5] = ["none", "writeback", "writethrough", "directsync", "unsafe"];

/// Pages of a file that the host has in its cache.
fn cached(desk: &Desk, name: &str) -> anyhow::Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "a test asks the machine as an operator does")]
    let told = std::process::Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "PAGES"])
        .arg(desk.path(name))
        .output()?;
    Ok(String::from_utf8(told.stdout)?.trim().parse()?)
}

#[test]
fn every_mode_gives_the_same_images() -> Outcome {
    let Some(desk) = Desk::in_target("every_mode_gives_the_same_images")? else { return Ok(()) };
    // An odd place, so that no block of the disk is written alone.
    desk.raw("data", 40 << 20, &[(0, 3 << 20, 1), ((20 << 20) + 1000, 9_000_003, 2)])?;
    desk.raw("old", 40 << 20, &[(4 << 20, 1 << 20, 3)])?;
    for mode in MODES {
        let bypasses = ["none", "directsync"].contains(&mode);
        for format in ["raw", "qcow2"] {
            let words = ["image", "convert", "-t", mode, "-T", mode, "-f", "raw", "-O", format];
            desk.reeve(&[&words[..], &["--overwrite", "@data", "@new"]].concat())?.ok();
            assert!(bypasses == (cached(&desk, "new")? == 0), "{mode} {format}: {}", cached(&desk, "new")?);
            desk.peer(&["compare", "-f", "raw", "-F", format, "data", "new"])?;
            let words = ["image", "compare", "-T", mode, "-f", "raw", "-F", format, "@data", "@new"];
            assert_eq!(desk.reeve(&words)?.ok(), "Images are identical.\n");
        }
        desk.reeve(&["image", "check", "-T", mode, "-f", "qcow2", "@new"])?.ok();
        desk.peer(&["check", "new"])?;
        // An image on another base shows the same; then what it shows is in the base.
        desk.peer(&["create", "-q", "-f", "qcow2", "-b", "data", "-F", "raw", "top"])?;
        let bench = ["image", "bench", "-t", mode, "-f", "qcow2", "--write", "--pattern", "7", "-s", "3000"];
        desk.reeve(&[&bench[..], &["--count", "100", "--offset", "1234", "@top"]].concat())?.ok();
        desk.peer(&["convert", "-f", "qcow2", "-O", "raw", "top", "shown"])?;
        let words =
            ["image", "rebase", "-t", mode, "-T", mode, "-f", "qcow2", "-b", "old", "-F", "raw", "@top"];
        desk.reeve(&words)?.ok();
        desk.peer(&["check", "top"])?;
        desk.peer(&["compare", "-f", "raw", "-F", "qcow2", "shown", "top"])?;
        std::fs::copy(desk.path("old"), desk.path("kept"))?;
        desk.reeve(&["image", "commit", "-t", mode, "-f", "qcow2", "@top"])?.ok();
        desk.peer(&["check", "top"])?;
        desk.peer(&["compare", "-f", "raw", "-F", "raw", "shown", "old"])?;
        desk.peer(&["compare", "-f", "raw", "-F", "qcow2", "shown", "top"])?;
        std::fs::rename(desk.path("kept"), desk.path("old"))?;
    }
    for command in [&["commit"][..], &["rebase", "-b", ""], &["check"], &["bench"]] {
        let option = if command == ["check"] { "-T" } else { "-t" };
        let said = desk.reeve(&[&["image"], command, &[option, "fast", "@new"]].concat())?.fails(2);
        assert!(said.contains("writethrough") && said.contains("directsync"), "{said}");
    }
    Ok(())
}
