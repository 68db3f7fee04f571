//! The sniffer as a program of its own, for tests: descriptor 3 leads to the daemon.

use std::process::ExitCode;

use reeve_filter::learning::sniffer;
use reeve_sys::process::inherited;

fn main() -> ExitCode {
    match inherited(3).map(|control| sniffer::run(control, Some((65534, 65534)))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
