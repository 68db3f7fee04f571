//! `<domain>` and `<dns>`.

use reeve_model::network::{Dns, DnsDomain, DnsForwarder, DnsHost, DnsSrv, DnsTxt};

use super::ADDRESS;
use crate::error::Fault;
use crate::reader::Reader;
use crate::tree::Element;

pub(super) fn read_domain(domain: &mut Reader<'_, '_>) -> Result<DnsDomain, Fault> {
    Ok(DnsDomain {
        name: domain.required("name", "lab.example")?,
        local_only: domain.either("localOnly", "yes", "no")?.unwrap_or_default(),
    })
}

pub(super) fn write_domain(domain: &DnsDomain) -> Element<'_> {
    Element::new("domain").with("name", &domain.name).with_yes("localOnly", domain.local_only)
}

pub(super) fn read_dns(dns: &mut Reader<'_, '_>) -> Result<Dns, Fault> {
    Ok(Dns {
        enable: dns.either("enable", "yes", "no")?,
        forward_plain_names: dns.either("forwardPlainNames", "yes", "no")?,
        forwarders: dns.each("forwarder", read_forwarder)?,
        txts: dns.each("txt", read_txt)?,
        hosts: dns.each("host", read_host)?,
        srvs: dns.each("srv", read_srv)?,
    })
}

fn read_forwarder(forwarder: &mut Reader<'_, '_>) -> Result<DnsForwarder, Fault> {
    let (address, domain) = (forwarder.parsed("addr", ADDRESS)?, forwarder.word("domain"));
    if address.is_none() && domain.is_none() {
        return Err(forwarder.fault("a <forwarder> needs an addr or a domain"));
    }
    forwarder.nothing_left()?;
    Ok(DnsForwarder { address, domain })
}

pub(super) fn read_txt(txt: &mut Reader<'_, '_>) -> Result<DnsTxt, Fault> {
    let record = DnsTxt { name: txt.required("name", "example")?, value: txt.word("value") };
    txt.nothing_left()?;
    Ok(record)
}

pub(super) fn read_host(host: &mut Reader<'_, '_>) -> Result<DnsHost, Fault> {
    let record = DnsHost {
        ip: host.needed("ip", ADDRESS)?,
        hostnames: host.each("hostname", |name| {
            let text = name.trimmed();
            name.nothing_left()?;
            Ok(text)
        })?,
    };
    host.nothing_left()?;
    Ok(record)
}

pub(super) fn read_srv(srv: &mut Reader<'_, '_>) -> Result<DnsSrv, Fault> {
    let record = DnsSrv {
        service: srv.required("service", "ldap")?,
        protocol: srv.required("protocol", "tcp")?,
        domain: srv.word("domain"),
        target: srv.word("target"),
        port: srv.number("port")?,
        priority: srv.number("priority")?,
        weight: srv.number("weight")?,
    };
    srv.nothing_left()?;
    Ok(record)
}

pub(super) fn write_dns(dns: &Dns) -> Element<'_> {
    let forwarder = |forwarder: &'_ DnsForwarder| {
        let mut element = Element::new("forwarder");
        if let Some(domain) = &forwarder.domain {
            element.set("domain", domain.clone());
        }
        if let Some(address) = &forwarder.address {
            element.set("addr", address.to_string());
        }
        element
    };
    Element::new("dns")
        .with_choice("enable", dns.enable)
        .with_choice("forwardPlainNames", dns.forward_plain_names)
        .each(dns.forwarders.iter().map(forwarder))
        .each(dns.txts.iter().map(write_txt))
        .each(dns.srvs.iter().map(write_srv))
        .each(dns.hosts.iter().map(write_host))
}

fn write_txt(txt: &DnsTxt) -> Element<'_> {
    Element::new("txt").with("name", &txt.name).with_some("value", txt.value.as_ref())
}

fn write_host(host: &DnsHost) -> Element<'_> {
    let names = host.hostnames.iter().map(|name| Element::new("hostname").with_text(name));
    Element::new("host").with_some("ip", Some(&host.ip)).each(names)
}

fn write_srv(srv: &DnsSrv) -> Element<'_> {
    Element::new("srv")
        .with("service", &srv.service)
        .with("protocol", &srv.protocol)
        .with_some("domain", srv.domain.as_ref())
        .with_some("target", srv.target.as_ref())
        .with_some("port", srv.port.as_ref())
        .with_some("priority", srv.priority.as_ref())
        .with_some("weight", srv.weight.as_ref())
}
