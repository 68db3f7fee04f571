//! What the daemon says about itself: log lines and metrics.

use anyhow::Context as _;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use reeve_domain::Domains;
use reeve_model::DomainState;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt, reload};

use crate::config::{Config, LogFormat};

/// Changes what is logged while the daemon runs.
pub struct LogControl(reload::Handle<EnvFilter, tracing_subscriber::Registry>);

/// Begins logging to standard error.
pub fn start(config: &Config) -> anyhow::Result<LogControl> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    let lines = match config.log_format {
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).with_ansi(is_terminal()).boxed(),
        LogFormat::Json => fmt::layer().with_writer(std::io::stderr).json().boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .context("logging cannot be started")?;
    Ok(LogControl(handle))
}

impl LogControl {
    /// Applies the log directives of a configuration that was read again.
    pub fn apply(&self, config: &Config) -> anyhow::Result<()> {
        self.0.reload(filter(config)?).context("the log directives cannot be changed")
    }
}

/// RUST_LOG, or what the configuration says.
fn filter(config: &Config) -> anyhow::Result<EnvFilter> {
    match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => EnvFilter::try_new(&directives)
            .with_context(|| format!("RUST_LOG is not understood: '{directives}'")),
        _ => EnvFilter::try_new(&config.log)
            .with_context(|| format!("key 'log' is not understood: '{}'", config.log)),
    }
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}

/// The registry with what belongs to the daemon as a whole.
pub fn registry(domains: Domains) -> Registry {
    let mut registry = Registry::default();
    let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("reeve_build", "Version of the daemon", version);
    registry.register_collector(Box::new(DomainStates(domains)));
    registry
}

/// Counts domains by state when somebody asks.
struct DomainStates(Domains);

impl std::fmt::Debug for DomainStates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DomainStates")
    }
}

impl Collector for DomainStates {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        const STATES: [DomainState; 7] = [
            DomainState::Running,
            DomainState::Idle,
            DomainState::Paused,
            DomainState::InShutdown,
            DomainState::ShutOff,
            DomainState::Crashed,
            DomainState::PmSuspended,
        ];
        let rows = self.0.list();
        let gauge = ConstGauge::new(0_i64);
        let mut metric =
            encoder.encode_descriptor("reeve_domains", "Domains by state", None, gauge.metric_type())?;
        for state in STATES {
            let count = rows.iter().filter(|row| row.state == state).count();
            let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            let word = state.as_str().replace(' ', "-");
            count.encode(metric.encode_family(&[("state", word)])?)?;
        }
        Ok(())
    }
}
