//! Packet filters: what the guide's `clean-traffic` costs to make, to put into force, to change and to pass, and the start of a
//! network. The peer is the classic way, a tool execution for every chain and rule, with the tools' own packets of Debian.
//!
//! Everything happens in network namespaces of the bench's own.

mod classic;
mod maker;
mod traffic;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use reeve_filter::{Binding, Bindings};
use reeve_model::network::TakeNetwork;
use reeve_sys::namespace::NetworkNamespace;
use reeve_sys::nft::KernelNft;
use reeve_tests::{Daemon, Namespace, Options};

use self::classic::Classic;
use self::maker::{Maker, Tenant};
use crate::row::Row;
use crate::samples::Samples;

const PORTS: u32 = 500;
const ONE_RUNS: usize = 20;
const BULK_RUNS: usize = 3;
const GENERATE_RUNS: usize = 500;
const NETWORK_RUNS: usize = 10;

/// Interfaces that the classic tools filter one by one, on top of as many as make 500; their figure for 500 is this one scaled up.
const CLASSIC_PORTS: u32 = 10;
const CLASSIC: &str = "ebtables";
const CLASSIC_SCALED: &str = "ebtables (10, x50)";

/// A part of the filter in two forms: each time it is redefined it says something else.
const REDEFINED: [&str; 2] = [
    "<filter name='no-mac-spoofing' chain='mac' priority='-800'>\
     <rule action='return' direction='out' priority='350'><mac srcmacaddr='$MAC'/></rule>\
     <rule action='drop' direction='out' priority='500'/></filter>",
    "<filter name='no-mac-spoofing' chain='mac' priority='-800'>\
     <rule action='drop' direction='out' priority='500'><mac match='no' srcmacaddr='$MAC'/></rule></filter>",
];

/// `generate-one`, `apply-one`, `apply-500`, `redefine-500`, `last-vs-first-pps`, `network-start`.
pub async fn measure() -> Result<Vec<Row>> {
    let maker = Maker::start().await?;
    let classic = tokio::task::block_in_place(classic)?;
    let mut rows = vec![generate(&maker).await?];
    rows.extend(apply(&maker, &classic).await?);
    rows.push(pace(&maker).await?);
    rows.push(network_start().await?);
    Ok(rows)
}

/// What the classic tools took.
struct ClassicTimes {
    /// One interface on top of the others.
    one: Samples,
    /// Removed and made again.
    again: Samples,
}

/// One interface after the other among 500, then each of them removed and made again, which is how a redefined filter reaches it.
fn classic() -> Result<Option<ClassicTimes>> {
    let Some(tool) = Classic::find() else { return Ok(None) };
    NetworkNamespace::new()?.run(|| {
        let (mut one, mut again): (Samples, Samples) = Default::default();
        tool.restore((CLASSIC_PORTS..PORTS).map(Tenant::new))?;
        for number in 0..CLASSIC_PORTS {
            let before = Instant::now();
            tool.plug(&Tenant::new(number))?;
            one.add(before.elapsed());
        }
        for number in 0..CLASSIC_PORTS {
            let before = Instant::now();
            tool.unplug(&Tenant::new(number))?;
            tool.plug(&Tenant::new(number))?;
            again.add(before.elapsed());
        }
        Ok(Some(ClassicTimes { one, again }))
    })?
}

/// The policy alone: from the tree of an interface to its rules.
async fn generate(maker: &Maker) -> Result<Row> {
    let tenant = Tenant::new(0);
    let mut samples = Samples::default();
    maker.propose(&tenant, maker.tree(&tenant)?).await?;
    for _ in 0..GENERATE_RUNS {
        let tree = maker.tree(&tenant)?;
        let before = Instant::now();
        maker.propose(&tenant, tree).await?;
        samples.add(before.elapsed());
    }
    Ok(Row::alone("filter", "generate-one", "us", samples.median_us(), samples.len()))
}

/// From the filter to rules in the kernel, for one interface among 500 and for all of them.
async fn apply(maker: &Maker, classic: &Option<ClassicTimes>) -> Result<Vec<Row>> {
    let namespace = NetworkNamespace::new()?;
    let bindings = Bindings::new(Arc::new(KernelNft::default()));
    let (mut bulk, mut again, mut one): (Samples, Samples, Samples) = Default::default();
    for run in 0..BULK_RUNS {
        bulk.add(apply_all(maker, &namespace, &bindings).await?);
        maker.define(REDEFINED[run % 2])?;
        again.add(apply_all(maker, &namespace, &bindings).await?);
        inside(&namespace, || Ok(bindings.unbind(&bindings.links())?))?;
    }
    apply_all(maker, &namespace, &bindings).await?;
    for run in 0..ONE_RUNS {
        let before = Instant::now();
        let binding = maker.binding(&Tenant::new(PORTS + run as u32)).await?;
        inside(&namespace, || Ok(bindings.bind(binding)?))?;
        one.add(before.elapsed());
    }
    let row = |name, samples: &Samples| Row::alone("filter", name, "ms", samples.median_ms(), samples.len());
    let rows = [row("apply-one", &one), row("apply-500", &bulk), row("redefine-500", &again)];
    let Some(classic) = classic else { return Ok(rows.into()) };
    let [one, bulk, again] = rows;
    let scale = f64::from(PORTS);
    Ok(vec![
        one.against(CLASSIC, classic.one.median_ms()),
        bulk.against(CLASSIC_SCALED, classic.one.median_ms() * scale),
        again.against(CLASSIC_SCALED, classic.again.median_ms() * scale),
    ])
}

async fn apply_all(maker: &Maker, namespace: &NetworkNamespace, bindings: &Bindings) -> Result<Duration> {
    let before = Instant::now();
    let mut all: Vec<Binding> = Vec::with_capacity(PORTS as usize);
    for number in 0..PORTS {
        all.push(maker.binding(&Tenant::new(number)).await?);
    }
    inside(namespace, || Ok(bindings.apply_many(all)?))?;
    Ok(before.elapsed())
}

/// Frames a second through the last of 500 filtered interfaces, against the first.
async fn pace(maker: &Maker) -> Result<Row> {
    let mut all = Vec::with_capacity(PORTS as usize);
    for number in 0..PORTS {
        all.push(maker.binding(&Tenant::new(number)).await?);
    }
    let namespace = NetworkNamespace::new()?;
    let pace = inside(&namespace, || traffic::measure(all, [0, PORTS - 1]))?;
    Ok(Row::alone("filter", "last-vs-first-pps", "1/s", pace.last, pace.runs).against("first", pace.first))
}

/// `reeve network start` of a NAT network with DHCP: bridge, addresses, rules, a name server that answers.
async fn network_start() -> Result<Row> {
    let namespace = Namespace::new()?;
    let mut daemon = Daemon::start_with(Options { through: namespace.through(), ..Options::default() })?;
    let client = daemon.client();
    let document = "<network><name>bench</name><forward mode='nat'/><bridge name='benchbr'/>\
        <ip address='192.168.77.1' netmask='255.255.255.0'>\
        <dhcp><range start='192.168.77.100' end='192.168.77.150'/></dhcp></ip></network>";
    client.define_network(document, TakeNetwork::default()).await?;
    let mut samples = Samples::default();
    for _ in 0..NETWORK_RUNS {
        let before = Instant::now();
        let started = client.start_network("bench").await?;
        samples.add(before.elapsed());
        ensure!(started.active, "network 'bench' is started and not active");
        client.destroy_network("bench").await?;
    }
    daemon.stop()?;
    Ok(Row::alone("filter", "network-start", "ms", samples.median_ms(), samples.len()))
}

/// Does something on a thread in a network namespace.
fn inside<T: Send>(namespace: &NetworkNamespace, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    tokio::task::block_in_place(|| namespace.run(work))?
}
