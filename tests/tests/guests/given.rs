//! What a guest gets of the host and gives back beside disks and frames: entropy, memory that it does not need.

use anyhow::Context as _;
use reeve_tests::wait;

use crate::lab::Lab;
use crate::{Outcome, PATIENCE};

const CONSOLE: &str = "<console type='pty'><target type='virtio' port='0'/></console>";

/// A number that the guest says after a word.
fn number(said: &str, word: &str) -> anyhow::Result<u64> {
    let digits = said.rsplit(word).next().unwrap_or_default();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("no number after {word} in {said}"))
}

#[test]
fn entropy_comes_no_faster_than_its_document_says() -> Outcome {
    let rng = "<rng model='virtio'><rate bytes='128' period='200'/>\
               <backend model='random'>/dev/urandom</backend></rng>";
    let lab = Lab::with_guest(&format!("{CONSOLE}{rng}"))?;
    let said = lab.console("rng 64 20", " ms=")?;
    let (bytes, ms) = (number(&said, "bytes=")?, number(&said, " ms=")?);
    // What a period has may all come at its beginning, and the first begins with the first request.
    assert!(bytes > 128 && ms >= (bytes / 128 - 2) * 200, "{said}");
    let live = lab.reeve(&["domain", "xml", "web"])?.ok();
    assert!(live.contains("<rate bytes='128' period='200'/>"), "{live}");
    Ok(())
}

#[test]
fn memory_that_is_free_goes_back_to_the_host_where_the_document_lets_it() -> Outcome {
    let lab = Lab::with_guest(&format!("{CONSOLE}<memballoon model='virtio'/>"))?;
    lab.console("balloon offered", "ok shrinks=true reports=true")?;
    let resident = || -> anyhow::Result<u64> {
        let told = lab.reeve(&["domain", "dommemstat", "web"])?.ok();
        number(&told, "rss ")
    };
    let before = resident()?;
    lab.console("mem write 7 24", "write mib=24")?;
    let written = resident()?;
    assert!(written >= before + (20 << 10), "{before} KiB became {written} KiB");
    lab.console("balloon report 24", "reported mib=24")?;
    wait::until("the host has its memory again", PATIENCE, || {
        resident().is_ok_and(|now| now + (20 << 10) <= written)
    })?;
    // It is the guest's all the same.
    lab.console("mem write 9 24", "write mib=24")?;
    lab.console("mem verify 9 24", "verify mib=24")?;
    let kept = "<memballoon model='virtio' autodeflate='off' freePageReporting='off'/>";
    let lab = Lab::with_guest(&format!("{CONSOLE}{kept}"))?;
    lab.console("balloon offered", "ok shrinks=false reports=false")?;
    lab.console("balloon report 8", "error")?;
    Ok(())
}
