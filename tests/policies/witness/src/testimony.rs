//! What the host says when it is asked, an interface of the contract a function here.

use reeve_sdk::prelude::*;
use reeve_sdk::storage::{NewVolume, pools, volumes};
use reeve_sdk::{clock, ksm, timer};

type Said = Result<String, Failure>;

/// `reeve:domain/config` of one domain.
pub fn config(domain: &str) -> Said {
    let config = domains::get(domain)?;
    let disks: Vec<_> = config.disks().into_iter().map(|disk| disk.target).collect();
    let macs: Vec<_> = config.interfaces().into_iter().filter_map(|interface| interface.mac).collect();
    Ok(format!(
        "name={} uuid={} state={:?} title={:?} type={} memory={}/{} vcpus={}/{} mergeable={} kernel={:?} cmdline={:?} \
         disks={disks:?} macs={macs:?} balloon={:?} rngs={} metadata={:?} xml={}",
        config.name(),
        config.uuid(),
        config.state(),
        config.title(),
        config.domain_type(),
        config.current_memory(),
        config.memory(),
        config.current_vcpus(),
        config.vcpus(),
        config.mergeable(),
        config.kernel(),
        config.cmdline(),
        config.balloon().map(|balloon| balloon.model),
        config.rng_count(),
        config.metadata(),
        config.xml().starts_with("<domain"),
    ))
}

/// What `reeve:domain/domains` says of all, and of one.
pub fn domains(domain: &str) -> Said {
    let names: Vec<_> = domains::list()?.into_iter().map(|row| row.name).collect();
    let all = domains::committed(None)?;
    let others = domains::committed(Some(&domains::get(domain)?.uuid()))?;
    Ok(format!(
        "all={names:?} active={} vcpus={} memory={} others={}",
        all.active, all.vcpus, all.memory, others.active
    ))
}

/// What of `reeve:domain/domains` changes a domain.
pub fn change(verb: &str, domain: &str) -> Said {
    match verb {
        "start" => domains::start(domain),
        "shutdown" => domains::shutdown(domain),
        "destroy" => domains::destroy(domain),
        "suspend" => domains::suspend(domain),
        "resume" => domains::resume(domain),
        "set-memory" => domains::set_memory(domain, 48 << 20),
        _ => return Err(Failure { message: format!("there is no verb '{verb}'") }),
    }?;
    Ok("done".to_owned())
}

/// `reeve:network`, of all networks and of one with at most one port.
pub fn networks(network: &str) -> Said {
    let names: Vec<_> = networks::list()?.into_iter().map(|row| row.name).collect();
    let (one, ports, leases) =
        (networks::get(network)?, networks::ports(network)?, networks::leases(network)?);
    let counted = match ports.first() {
        Some(port) => Some(networks::port_counters(network, &port.link)?.received_dropped),
        None => None,
    };
    let macs: Vec<_> = ports.iter().map(|port| &port.mac).collect();
    Ok(format!(
        "all={names:?} uuid={} mode={:?} active={} bridge={:?} addresses={:?} connections={} ports={macs:?} leases={} dropped={counted:?}",
        one.uuid,
        one.mode,
        one.active,
        one.bridge,
        one.addresses,
        one.connections,
        leases.len(),
    ))
}

/// `reeve:storage`: what it says of a pool, and of volumes that are made, changed and deleted there.
pub fn storage(pool: &str) -> Said {
    let names: Vec<_> = pools::list()?.into_iter().map(|row| row.name).collect();
    let one = pools::get(pool)?;
    let new = NewVolume { name: "made".to_owned(), capacity: 1 << 20, allocation: Some(0), format: None };
    let made = volumes::create(pool, &new)?;
    volumes::write(pool, "made", 4096, b"written")?;
    let copy = volumes::copy(pool, "made", "copied")?;
    let read = volumes::read(pool, "copied", 4094, 9)?;
    let end = volumes::read(pool, "copied", (1 << 20) - 3, 1 << 20)?.len();
    let resized = volumes::resize(pool, "copied", 2 << 20, false)?.capacity;
    let smaller = volumes::resize(pool, "copied", 1 << 20, false).map_err(|error| error.code);
    let too_much = volumes::write(pool, "made", 0, &vec![0; (1 << 20) + 1]).map_err(|error| error.code);
    volumes::delete(pool, "made")?;
    let (left, aged) = (volumes::list(pool)?, volumes::get(pool, "copied")?);
    let left: Vec<_> = left.into_iter().map(|volume| volume.name).collect();
    Ok(format!(
        "all={names:?} kind={} active={} capacity={} made={}/{} {} complete={} copied={} read={read:?} end={end} \
         resized={resized} smaller={:?} too-much={:?} left={left:?} dated={}",
        one.kind,
        one.active,
        one.space.is_some_and(|space| space.capacity >= space.available && space.available > 0),
        made.pool,
        made.name,
        made.format,
        made.complete,
        copy.capacity,
        smaller.err(),
        too_much.err(),
        aged.created.is_some_and(|created| clock::now().abs_diff(created) < 600_000),
    ))
}

/// Makes one volume.
pub fn volume(pool: &str, name: &str, capacity: &str) -> Said {
    let capacity = capacity.parse().map_err(|_| Failure { message: "a capacity is a number".to_owned() })?;
    let new = NewVolume { name: name.to_owned(), capacity, allocation: Some(0), format: None };
    Ok(volumes::create(pool, &new)?.name)
}

/// `reeve:node`.
pub fn node() -> Said {
    let (info, memory, ksm) = (host::get_info()?, host::get_memory()?, ksm::get()?);
    Ok(format!(
        "hostname={} cpus={} memory={} total={} pages-to-scan={}",
        info.hostname, info.cpus, info.memory, memory.total, ksm.pages_to_scan
    ))
}

/// `reeve:kv`.
pub fn kv() -> Said {
    kv::set("first", b"1")?;
    kv::set("second", b"2")?;
    let (value, keys) = (kv::get("first")?, kv::keys("")?);
    let deleted = (kv::delete("first")?, kv::delete("first")?);
    Ok(format!("value={value:?} keys={keys:?} deleted={deleted:?} left={:?}", kv::keys("")?))
}

/// `reeve:clock`.
pub fn time() -> Said {
    let begin = clock::monotonic();
    timer::pause(30)?;
    Ok(format!("now={} paused={}", clock::now(), clock::monotonic() - begin))
}
