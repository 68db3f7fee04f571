//! What a simulated domain does, read from words `sim.KEY=VALUE` in `<cmdline>` or anywhere in `<metadata>`.

use std::time::Duration;

use reeve_model::domain::DomainConfig;

/// What a simulated domain does. All times are on the simulator's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// `sim.start-ms`: how long a start takes (0).
    pub start: Duration,
    /// `sim.start-fails`: the start fails with this word.
    pub start_fails: Option<String>,
    /// `sim.shutdown-ms`: power button to power-off (10); `never` ignores the button.
    pub shutdown: Option<Duration>,
    /// `sim.poweroff-after-ms`: boot to power-off from inside.
    pub poweroff_after: Option<Duration>,
    /// `sim.reboot-after-ms`: boot to reboot from inside, first boot only.
    pub reboot_after: Option<Duration>,
    /// `sim.crash-after-ms`: boot to crash.
    pub crash_after: Option<Duration>,
    /// `sim.lost-after-ms`: boot to the machine vanishing.
    pub lost_after: Option<Duration>,
    /// `sim.suspend-after-ms`: boot to the guest suspending itself.
    pub suspend_after: Option<Duration>,
    /// `sim.halt-after-ms`: boot to every vCPU waiting.
    pub halt_after: Option<Duration>,
    /// `sim.cpu-percent`: share of every vCPU it uses while it runs (10).
    pub cpu_percent: u32,
    /// `sim.balloon-ms`: how long the guest takes to follow the balloon (0).
    pub balloon: Duration,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            start: Duration::ZERO,
            start_fails: None,
            shutdown: Some(Duration::from_millis(10)),
            poweroff_after: None,
            reboot_after: None,
            crash_after: None,
            lost_after: None,
            suspend_after: None,
            halt_after: None,
            cpu_percent: 10,
            balloon: Duration::ZERO,
        }
    }
}

impl Script {
    /// The script of a domain, or a sentence for everything wrong in it.
    pub fn read(config: &DomainConfig) -> Result<Self, Vec<String>> {
        let mut script = Self::default();
        let mut wrong = Vec::new();
        let texts = [config.os.cmdline.as_deref(), config.metadata.as_deref()];
        for word in texts.into_iter().flatten().flat_map(words) {
            if let Err(sentence) = script.apply(word) {
                wrong.push(sentence);
            }
        }
        if wrong.is_empty() { Ok(script) } else { Err(wrong) }
    }

    fn apply(&mut self, word: &str) -> Result<(), String> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse::<u64>().map_err(|_| format!("'{word}' needs a whole number"));
        let ms = || number().map(Duration::from_millis);
        match key {
            "start-ms" => self.start = ms()?,
            "start-fails" => self.start_fails = Some(value.to_owned()),
            "shutdown-ms" => self.shutdown = if value == "never" { None } else { Some(ms()?) },
            "poweroff-after-ms" => self.poweroff_after = Some(ms()?),
            "reboot-after-ms" => self.reboot_after = Some(ms()?),
            "crash-after-ms" => self.crash_after = Some(ms()?),
            "lost-after-ms" => self.lost_after = Some(ms()?),
            "suspend-after-ms" => self.suspend_after = Some(ms()?),
            "halt-after-ms" => self.halt_after = Some(ms()?),
            "cpu-percent" => self.cpu_percent = number()?.min(100) as u32,
            "balloon-ms" => self.balloon = ms()?,
            _ => return Err(format!("the simulator knows no 'sim.{key}'")),
        }
        Ok(())
    }
}

/// The words after `sim.` in a text; quotes and markup end a word as white space does.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'))
        .filter_map(|word| word.strip_prefix("sim."))
}
