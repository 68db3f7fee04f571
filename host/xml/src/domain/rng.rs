//! `<rng>`, `<memballoon>`, `<watchdog>`, `<panic>` (guide 9.6, 20.18, 20.19) and `<vsock>`.

use reeve_model::domain::{MemBalloon, PanicDevice, Rng, RngRate, Vsock, Watchdog};

use super::address::{read_common, write_common};
use super::cpu::required;
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(crate) fn read(rng: &mut Reader<'_, '_>) -> Result<Rng, Fault> {
    let model = rng.required("model", "virtio")?;
    let backend =
        rng.one("backend", |backend| Ok((backend.required("model", "random")?, backend.trimmed())))?;
    let (backend, device) = backend.ok_or_else(|| {
        rng.fault("the rng has no backend; add <backend model='random'>/dev/urandom</backend>")
    })?;
    let rate = rng.one("rate", |rate| {
        let bytes = required(rate, "bytes")?;
        Ok(RngRate { bytes, period_ms: rate.number("period")?.unwrap_or(1000) })
    })?;
    let device = Some(device).filter(|device| !device.is_empty());
    Ok(Rng { model, backend, device, rate, common: read_common(rng)? })
}

pub(crate) fn write(rng: &Rng) -> Element<'_> {
    let rate = rng.rate.map(|rate| {
        Element::new("rate").with("bytes", rate.bytes.to_string()).with("period", rate.period_ms.to_string())
    });
    let backend = Element::new("backend").with("model", &rng.backend);
    let backend = backend.with_text(rng.device.as_deref().unwrap_or_default());
    let element = rate.into_iter().fold(Element::new("rng").with("model", &rng.model), Element::one);
    write_common(element.one(backend), &rng.common)
}

pub(crate) fn read_balloon(balloon: &mut Reader<'_, '_>) -> Result<MemBalloon, Fault> {
    Ok(MemBalloon {
        model: balloon.required("model", "virtio")?,
        stats_period: balloon.one("stats", |stats| stats.number("period"))?.flatten(),
        auto_deflate: balloon.either("autodeflate", "on", "off")?,
        free_page_reporting: balloon.either("freePageReporting", "on", "off")?,
        common: read_common(balloon)?,
    })
}

pub(crate) fn write_balloon(balloon: &MemBalloon) -> Element<'_> {
    let stats = Element::new("stats").with_some("period", balloon.stats_period.as_ref());
    let mut element = Element::new("memballoon").with("model", &balloon.model);
    let switches =
        [("autodeflate", balloon.auto_deflate), ("freePageReporting", balloon.free_page_reporting)];
    for (name, on) in switches {
        if let Some(on) = on {
            element.set(name, if on { "on" } else { "off" });
        }
    }
    let element = element.one_unless_empty(stats);
    write_common(element, &balloon.common)
}

pub(crate) fn read_panic(panic: &mut Reader<'_, '_>) -> Result<PanicDevice, Fault> {
    Ok(PanicDevice { model: panic.word("model"), common: read_common(panic)? })
}

pub(crate) fn write_panic(panic: &PanicDevice) -> Element<'_> {
    write_common(Element::new("panic").with_some("model", panic.model.as_ref()), &panic.common)
}

pub(crate) fn read_vsock(vsock: &mut Reader<'_, '_>) -> Result<Vsock, Fault> {
    let cid = vsock.one("cid", |cid| Ok((cid.either("auto", "yes", "no")?, cid.number("address")?)))?;
    let (auto, address) = cid.unwrap_or_default();
    Ok(Vsock {
        model: vsock.word("model"),
        auto,
        cid: address,
        path: vsock.one("source", |source| Ok(source.word("path")))?.flatten(),
        common: read_common(vsock)?,
    })
}

pub(crate) fn write_vsock(vsock: &Vsock) -> Element<'_> {
    let mut cid = Element::new("cid");
    if let Some(auto) = vsock.auto {
        cid.set("auto", if auto { "yes" } else { "no" });
    }
    let cid = cid.with_some("address", vsock.cid.as_ref());
    let element = Element::new("vsock")
        .with_some("model", vsock.model.as_ref())
        .one_unless_empty(cid)
        .one_unless_empty(Element::new("source").with_some("path", vsock.path.as_ref()));
    write_common(element, &vsock.common)
}

pub(crate) fn read_watchdog(watchdog: &mut Reader<'_, '_>) -> Result<Watchdog, Fault> {
    Ok(Watchdog {
        model: watchdog.required("model", "i6300esb")?,
        action: watchdog.word("action"),
        common: read_common(watchdog)?,
    })
}

pub(crate) fn write_watchdog(watchdog: &Watchdog) -> Element<'_> {
    let element =
        Element::new("watchdog").with("model", &watchdog.model).with_some("action", watchdog.action.as_ref());
    write_common(element, &watchdog.common)
}
