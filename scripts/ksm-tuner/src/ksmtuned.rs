//! The algorithm of ksmtuned as a plain function.
//!
//! ```text
//! thres = max(total * KSM_THRES_COEF / 100, KSM_THRES_CONST)          all in KiB
//! committed + thres < total and free > thres   -> stop
//! free < thres                                 -> npages += KSM_NPAGES_BOOST
//! otherwise                                    -> npages += KSM_NPAGES_DECAY   (a negative number: it is added)
//! npages within KSM_NPAGES_MIN..=KSM_NPAGES_MAX, sleep = KSM_SLEEP_MSEC * 16 GiB / total, 10 ms at least -> run
//! ```

use serde::Deserialize;

/// The keys of ksmtuned.conf, with its defaults.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// Milliseconds between scans on a host of 16 GiB; smaller hosts sleep longer, bigger ones shorter.
    #[serde(rename = "KSM_SLEEP_MSEC")]
    pub sleep_msec: u64,
    /// Added to the page count while free memory is below the threshold.
    #[serde(rename = "KSM_NPAGES_BOOST")]
    pub npages_boost: i64,
    /// Added (it is negative) while free memory is above the threshold.
    #[serde(rename = "KSM_NPAGES_DECAY")]
    pub npages_decay: i64,
    /// Lower limit of the page count.
    #[serde(rename = "KSM_NPAGES_MIN")]
    pub npages_min: u64,
    /// Upper limit of the page count.
    #[serde(rename = "KSM_NPAGES_MAX")]
    pub npages_max: u64,
    /// Threshold as a percentage of memory.
    #[serde(rename = "KSM_THRES_COEF")]
    pub thres_coef: u64,
    /// Lower limit of the threshold, KiB.
    #[serde(rename = "KSM_THRES_CONST")]
    pub thres_const: u64,
    /// Writes every decision to the log.
    #[serde(rename = "DEBUG")]
    pub debug: bool,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            sleep_msec: 10,
            npages_boost: 300,
            npages_decay: -50,
            npages_min: 64,
            npages_max: 1250,
            thres_coef: 20,
            thres_const: 2048,
            debug: false,
        }
    }
}

/// The host at one moment; memory in KiB.
#[derive(Debug, Clone, Copy)]
pub struct Host {
    /// Memory.
    pub total_kib: u64,
    /// MemFree + Buffers + Cached.
    pub free_kib: u64,
    /// What the active domains may use together.
    pub committed_kib: u64,
    /// Whether ksmd runs.
    pub running: bool,
    /// ksmd's page count now.
    pub pages_to_scan: u64,
}

/// What ksmd should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// There is memory enough.
    Stop,
    /// Merge, at this pace.
    Run {
        /// Pages to scan before ksmd sleeps.
        pages_to_scan: u64,
        /// Milliseconds ksmd sleeps between scans.
        sleep_millisecs: u64,
    },
}

/// One round of ksmtuned.
pub fn tune(parameters: &Parameters, host: &Host) -> Setting {
    let threshold = (host.total_kib.saturating_mul(parameters.thres_coef) / 100).max(parameters.thres_const);
    if host.committed_kib.saturating_add(threshold) < host.total_kib && host.free_kib > threshold {
        return Setting::Stop;
    }

    let delta = if host.free_kib < threshold { parameters.npages_boost } else { parameters.npages_decay };
    let before = if host.running { host.pages_to_scan } else { 0 };
    let limit = parameters.npages_max.max(parameters.npages_min);
    let pages_to_scan = before.saturating_add_signed(delta).clamp(parameters.npages_min, limit);

    const SIXTEEN_GIB_IN_KIB: u64 = 16 << 20;
    let sleep = parameters.sleep_msec.saturating_mul(SIXTEEN_GIB_IN_KIB) / host.total_kib.max(1);
    Setting::Run { pages_to_scan, sleep_millisecs: sleep.max(10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 20;
    const HOST: Host =
        Host { total_kib: 16 * GIB, free_kib: 8 * GIB, committed_kib: 0, running: false, pages_to_scan: 100 };

    fn run(pages_to_scan: u64, sleep_millisecs: u64) -> Setting {
        Setting::Run { pages_to_scan, sleep_millisecs }
    }

    #[test]
    fn a_host_with_memory_enough_does_not_merge() {
        assert_eq!(tune(&Parameters::default(), &HOST), Setting::Stop);
    }

    #[test]
    fn commitment_alone_starts_it_gently() {
        // committed + 20 % reaches the total, but there is free memory: the count decays to its minimum.
        let host = Host { committed_kib: 14 * GIB, ..HOST };
        assert_eq!(tune(&Parameters::default(), &host), run(64, 10));
    }

    #[test]
    fn little_free_memory_boosts_round_by_round_up_to_the_limit() {
        let mut host = Host { free_kib: GIB, ..HOST };
        let mut seen = Vec::new();
        for _ in 0..6 {
            let Setting::Run { pages_to_scan, .. } = tune(&Parameters::default(), &host) else {
                panic!("it must merge")
            };
            seen.push(pages_to_scan);
            host = Host { running: true, pages_to_scan, ..host };
        }
        assert_eq!(seen, [300, 600, 900, 1200, 1250, 1250]);
    }

    #[test]
    fn decay_is_added_as_the_negative_number_it_is() {
        let host = Host { committed_kib: 14 * GIB, running: true, pages_to_scan: 600, ..HOST };
        assert_eq!(tune(&Parameters::default(), &host), run(550, 10));
    }

    #[test]
    fn small_hosts_sleep_longer() {
        let host = Host { total_kib: 2 * GIB, free_kib: 0, ..HOST };
        assert_eq!(tune(&Parameters::default(), &host), run(300, 80));
    }

    #[test]
    fn the_threshold_never_falls_below_its_constant() {
        let tiny = Host { total_kib: 4096, free_kib: 1000, committed_kib: 0, ..HOST };
        assert!(matches!(tune(&Parameters::default(), &tiny), Setting::Run { .. }), "20 % would be 819 KiB");
    }
}
