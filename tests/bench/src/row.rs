//! One measurement and how it is printed.

use serde::Serialize;

/// Units of what is better when larger.
pub const RATE: &str = "1/s";
/// Millions of bytes a second.
pub const THROUGHPUT: &str = "MB/s";
/// Binary ones, of disks.
pub const MIB_A_SECOND: &str = "MiB/s";

/// One row: ours, and a peer measured in the same run where there is one.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Area, e.g. `hooks`.
    pub area: &'static str,
    /// Name of the measurement.
    pub name: &'static str,
    /// Which of several ways it was done, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<&'static str>,
    /// Unit of `ours` and `peer`; smaller is better, except for rates (`1/s`, `MB/s`, `MiB/s`).
    pub unit: &'static str,
    /// Our median.
    pub ours: f64,
    /// The peer's median.
    pub peer: Option<f64>,
    /// Who the peer is.
    pub peer_name: Option<&'static str>,
    /// peer / ours, or ours / peer of rates: above 1 we are better.
    pub ratio: Option<f64>,
    /// Runs behind each median.
    pub runs: usize,
}

impl Row {
    /// A row without a peer.
    pub fn alone(area: &'static str, name: &'static str, unit: &'static str, ours: f64, runs: usize) -> Self {
        Self { area, name, way: None, unit, ours, peer: None, peer_name: None, ratio: None, runs }
    }

    /// The same row of one way of several.
    pub fn of(self, way: &'static str) -> Self {
        Self { way: Some(way), ..self }
    }

    /// The same row, with why there is no peer.
    pub fn without(self, why: &'static str) -> Self {
        Self { peer_name: Some(why), ..self }
    }

    /// The same row against a peer.
    pub fn against(self, peer_name: &'static str, peer: f64) -> Self {
        let (better, worse) = if [RATE, THROUGHPUT, MIB_A_SECOND].contains(&self.unit) {
            (self.ours, peer)
        } else {
            (peer, self.ours)
        };
        let ratio = (worse > 0.0).then(|| better / worse);
        Self { peer: Some(peer), peer_name: Some(peer_name), ratio, ..self }
    }

    /// Column heads of the table.
    pub fn header() -> String {
        format!(
            "{:<6} {:<40} {:>12} {:>12}  {:<5} {:<22} {:>8} {:>6}",
            "AREA", "NAME", "OURS", "PEER", "UNIT", "PEER NAME", "RATIO", "RUNS"
        )
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let figure = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
        write!(
            f,
            "{:<6} {:<40} {:>12} {:>12}  {:<5} {:<22} {:>8} {:>6}",
            self.area,
            self.way.map_or_else(|| self.name.to_owned(), |way| format!("{} {way}", self.name)),
            figure(Some(self.ours)),
            figure(self.peer),
            self.unit,
            self.peer_name.unwrap_or("-"),
            figure(self.ratio),
            self.runs
        )
    }
}
