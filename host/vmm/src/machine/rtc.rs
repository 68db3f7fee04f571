//! The real-time clock of a machine, on its bus.

use std::sync::Arc;

use super::signals::Signals;
use super::{MachineError, range_len};
use crate::bus::Bus;
use crate::config::ClockConfig;
use crate::hypervisor::Vm;
use crate::layout;
use crate::legacy::{PowerManagement, Rtc};

/// Makes the clock, if there is to be one.
pub(super) fn attach(
    clock: &ClockConfig,
    vm: &Vm,
    signals: &Arc<Signals>,
    power: &Arc<PowerManagement>,
    ports: &Bus,
) -> Result<Option<Arc<Rtc>>, MachineError> {
    let pin = vm.pin(layout::RTC_IRQ);
    // Fails only when the machine is going away.
    let line = Box::new(move |high| drop(pin.set(high)));
    let (signals, power) = (Arc::clone(signals), Arc::clone(power));
    let told = Box::new(move |adjustment| signals.clock_set(adjustment));
    let rtc =
        Rtc::new(clock, line, told, Box::new(move || power.rtc_alarm())).map_err(MachineError::Clock)?;
    if let Some(rtc) = &rtc {
        ports.insert(layout::RTC_PORTS.start, range_len(&layout::RTC_PORTS), rtc.clone())?;
    }
    Ok(rtc)
}
