//! What a report says, made of plain values.

use std::collections::BTreeMap;

/// What there is at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Every domain: its name, and whether it is active.
    pub domains: BTreeMap<String, bool>,
    /// Memory promised to active domains, bytes.
    pub promised: u64,
    /// Memory of the host, bytes.
    pub memory: u64,
}

/// A report.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// One line.
    pub summary: String,
    /// A line for every domain that came, went, was started or stopped since the report before.
    pub changes: Vec<String>,
    /// More of the host's memory is promised than the operator wants.
    pub warning: Option<String>,
}

/// Compares what there is with what there was at the report before.
pub fn report(now: &Facts, before: Option<&BTreeMap<String, bool>>, warn_percent: u64) -> Report {
    let changes = before.map_or_else(Vec::new, |before| changes(&now.domains, before));
    let active = now.domains.values().filter(|active| **active).count();
    let percent = now.promised.saturating_mul(100).checked_div(now.memory).unwrap_or(0);
    let since = match (before, changes.len()) {
        (None, _) => "the first report".to_owned(),
        (Some(_), 0) => "nothing changed".to_owned(),
        (Some(_), 1) => "1 change".to_owned(),
        (Some(_), count) => format!("{count} changes"),
    };
    let summary = format!(
        "{active} of {} domains active, {} MiB of {} MiB promised ({percent} %), {since}",
        now.domains.len(),
        now.promised >> 20,
        now.memory >> 20,
    );
    let warning = (percent > warn_percent)
        .then(|| format!("{percent} % of the host's memory is promised, more than {warn_percent} %"));
    Report { summary, changes, warning }
}

fn changes(now: &BTreeMap<String, bool>, before: &BTreeMap<String, bool>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, active) in now {
        let line = match (before.get(name), active) {
            (None, true) => "is new and active",
            (None, false) => "is new",
            (Some(false), true) => "was started",
            (Some(true), false) => "was stopped",
            (Some(_), _) => continue,
        };
        lines.push(format!("domain '{name}' {line}"));
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    lines.extend(gone.map(|name| format!("domain '{name}' is gone")));
    lines
}

/// Domains as text, a line each: `+web` is active, `-web` is not.
pub fn write(domains: &BTreeMap<String, bool>) -> String {
    domains.iter().map(|(name, active)| format!("{}{name}\n", if *active { '+' } else { '-' })).collect()
}

/// The opposite of [`write`]; lines that it would not write are left out.
pub fn read(text: &str) -> BTreeMap<String, bool> {
    let line = |line: &str| match line.split_at_checked(1)? {
        ("+", name) => Some((name.to_owned(), true)),
        ("-", name) => Some((name.to_owned(), false)),
        _ => None,
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(text: &str) -> BTreeMap<String, bool> {
        read(&text.replace(' ', "\n"))
    }

    #[test]
    fn what_there_is_and_what_changed() {
        let now = Facts { domains: domains("+db +web-1 -web-2 -new"), promised: 6 << 30, memory: 16 << 30 };
        let before = domains("-db +web-1 +web-2 -old");
        let report = report(&now, Some(&before), 100);
        assert_eq!(report.summary, "2 of 4 domains active, 6144 MiB of 16384 MiB promised (37 %), 4 changes");
        let changes = ["'db' was started", "'new' is new", "'web-2' was stopped", "'old' is gone"];
        assert_eq!(report.changes, changes.map(|change| format!("domain {change}")));
        assert_eq!(report.warning, None);
    }

    #[test]
    fn the_first_report_compares_with_nothing() {
        let now = Facts { domains: domains("+web"), promised: 3 << 30, memory: 2 << 30 };
        let first = report(&now, None, 100);
        assert!(first.summary.ends_with("the first report") && first.changes.is_empty());
        assert_eq!(first.warning.as_deref(), Some("150 % of the host's memory is promised, more than 100 %"));
        assert!(report(&now, Some(&now.domains), 150).summary.ends_with("nothing changed"));
    }

    #[test]
    fn a_host_without_domains_or_memory_has_a_report_as_well() {
        let summary = report(&Facts::default(), Some(&BTreeMap::new()), 100).summary;
        assert_eq!(summary, "0 of 0 domains active, 0 MiB of 0 MiB promised (0 %), nothing changed");
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let all = domains("+web -db +ü");
        assert_eq!(read(&write(&all)), all);
        assert_eq!(read("?x\n\nü\n"), BTreeMap::new());
    }
}
