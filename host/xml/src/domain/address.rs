//! What every device may carry: alias, address, boot order (guide 20.16.3).

use reeve_model::device_address::DeviceAddress;
use reeve_model::domain::DeviceCommon;

use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

/// Reads the common part and everything that the device's own reader left: call it last.
pub(super) fn read_common(device: &mut Reader<'_, '_>) -> Result<DeviceCommon, Fault> {
    Ok(DeviceCommon {
        alias: device.one("alias", |alias| alias.required("name", "ua-1"))?,
        address: device.one("address", read_address)?,
        boot_order: device.one("boot", |boot| boot.number("order"))?.flatten(),
        extra: device.extra(),
    })
}

fn read_address(address: &mut Reader<'_, '_>) -> Result<DeviceAddress, Fault> {
    let kind = address.element.attribute("type").map_or("", |kind| kind.value.as_ref());
    let says_where = |name: &str| address.element.attribute(name).is_some();
    match kind {
        "" => Err(address.fault("<address> needs the attribute type, e.g. type='pci'")),
        "pci" if ["domain", "bus", "slot", "function"].iter().any(|name| says_where(name)) => {
            address.attribute("type");
            Ok(DeviceAddress::Pci {
                domain: narrow(address, "domain", u16::MAX)?,
                bus: narrow(address, "bus", u8::MAX)?,
                slot: narrow(address, "slot", u8::MAX)?,
                function: narrow(address, "function", u8::MAX)?,
                multifunction: address.either("multifunction", "on", "off")?,
            })
        }
        "drive" => {
            address.attribute("type");
            Ok(DeviceAddress::Drive {
                controller: narrow(address, "controller", u32::MAX)?,
                bus: narrow(address, "bus", u32::MAX)?,
                target: narrow(address, "target", u32::MAX)?,
                unit: narrow(address, "unit", u32::MAX)?,
            })
        }
        "virtio-serial" => {
            address.attribute("type");
            Ok(DeviceAddress::VirtioSerial {
                controller: narrow(address, "controller", u32::MAX)?,
                bus: narrow(address, "bus", u32::MAX)?,
                port: narrow(address, "port", u32::MAX)?,
            })
        }
        _ => Ok(DeviceAddress::Other { extra: address.extra() }),
    }
}

/// A number of an address, 0 when it is not written.
fn narrow<T>(address: &mut Reader<'_, '_>, name: &str, max: T) -> Result<T, Fault>
where
    T: Into<u32> + TryFrom<u32> + Default,
{
    let number = address.address_number(name, max.into())?;
    Ok(number.and_then(|number| T::try_from(number).ok()).unwrap_or_default())
}

/// Adds the common part: call it after the device's own children.
pub(super) fn write_common<'c>(device: Element<'c>, common: &'c DeviceCommon) -> Element<'c> {
    let order = common.boot_order.map(|order| Element::new("boot").with("order", order.to_string()));
    let alias = common.alias.as_ref().map(|alias| Element::new("alias").with("name", alias));
    let address = common.address.as_ref().map(write_address);
    [order, alias, address].into_iter().flatten().fold(device, Element::one).extra(&common.extra)
}

fn write_address(address: &DeviceAddress) -> Element<'_> {
    let element = Element::new("address");
    match address {
        DeviceAddress::Pci { domain, bus, slot, function, multifunction } => {
            let mut element = element
                .with("type", "pci")
                .with("domain", format!("{domain:#06x}"))
                .with("bus", format!("{bus:#04x}"))
                .with("slot", format!("{slot:#04x}"))
                .with("function", format!("{function:#x}"));
            if let Some(multifunction) = multifunction {
                element.set("multifunction", if *multifunction { "on" } else { "off" });
            }
            element
        }
        DeviceAddress::Drive { controller, bus, target, unit } => element
            .with("type", "drive")
            .with("controller", controller.to_string())
            .with("bus", bus.to_string())
            .with("target", target.to_string())
            .with("unit", unit.to_string()),
        DeviceAddress::VirtioSerial { controller, bus, port } => element
            .with("type", "virtio-serial")
            .with("controller", controller.to_string())
            .with("bus", bus.to_string())
            .with("port", port.to_string()),
        DeviceAddress::Other { extra } => element.extra(extra),
    }
}
