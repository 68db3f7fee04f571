//! The life of the daemon.
//!
//! ```text
//!   lock the root ─ read the configuration ─ wire ─ recover ─ bind the socket ─ "ready" ─ autostart
//!        SIGHUP: read configuration and policies again
//!        SIGTERM, SIGINT: tell listeners ─ end streams ─ finish requests ─ remove socket and pid file
//! ```
//!
//! Domains outlive the daemon: their workers are processes of their own, and the next daemon takes them over.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use reeve_cli::DaemonArgs;
use reeve_model::event::DaemonChange;
use reeve_sys::layout::Layout;
use reeve_sys::lock::RootLock;
use tokio::net::UnixListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::shutdown::{Signals, Wish};
use crate::telemetry::{self, LogControl};
use crate::wiring::{self, Host};

/// Stack of a thread that serves requests, as much as a process's first thread has: an unoptimised build uses over a megabyte.
const STACK: usize = 8 << 20;

/// How long requests in flight may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the daemon of `root` until a signal ends it.
pub fn run(root: &Path, args: &DaemonArgs) -> anyhow::Result<()> {
    let usual = root.join("etc/reeve/reeve.toml");
    let load = || Config::load(args.config.as_deref(), &usual);
    let config = load()?;
    if args.print_config {
        return std::io::stdout()
            .write_all(config.document().as_bytes())
            .context("cannot write to standard output");
    }
    let layout = Arc::new(Layout::open(root)?);
    let _lock = RootLock::take(&layout)?;
    let log = telemetry::start(&config)?;
    if let Err(error) = reeve_sys::process::raise_open_files() {
        tracing::warn!(%error, "the limit of open files stays as it is; thousands of domains may not fit");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build();
    let runtime = runtime.context("cannot start the async runtime")?;
    let outcome = runtime.block_on(serve(&config, &load, &layout, &log));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

async fn serve(
    config: &Config,
    load: &dyn Fn() -> Result<Config, crate::config::ConfigError>,
    layout: &Arc<Layout>,
    log: &LogControl,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen to signals")?;
    let host = wiring::build(config, layout).await?;
    host.actions.set_low_space(config.storage.low_space_percent);
    host.actions.recover().await?;
    host.begin_policies().await;
    host.actions.settle_networks().await;
    let listener = bind(config, layout)?;
    let stop = CancellationToken::new();
    let api = host.api(stop.clone());
    if let Some(listener) =
        host.peers.bind().await.context("cannot listen for other hosts at 'migration.listen'")?
    {
        tokio::spawn(Arc::clone(&host.peers).serve(listener, api.for_peers(), stop.clone()));
    }
    let mut server = tokio::spawn(api.serve(listener));
    tokio::spawn(Arc::clone(&host.actions).follow_networks());
    tokio::spawn(Arc::clone(&host.actions).follow_domains(stop.clone()));
    tokio::spawn(Arc::clone(&host.actions).follow_interfaces(stop.clone()));
    if config.storage.space_interval > 0 {
        let interval = Duration::from_secs(config.storage.space_interval);
        tokio::spawn(Arc::clone(&host.actions).follow_pools(interval, stop.clone()));
    }
    host.actions.tell_daemon(DaemonChange::Started);
    let pid_file = layout.run().join("reeve.pid");
    announce(layout, &pid_file)?;
    if config.domains.autostart {
        let actions = Arc::clone(&host.actions);
        tokio::spawn(async move {
            // Domains need their networks, and those may need the host's bridges.
            actions.start_interfaces().await;
            actions.start_networks().await;
            actions.start_pools().await;
            actions.start_all().await
        });
    }
    loop {
        tokio::select! {
            ended = &mut server => {
                ended.context("the API server failed")?.context("the API server ended")?;
                anyhow::bail!("the API server ended by itself");
            }
            wish = signals.next() => match wish {
                Wish::Stop => break,
                Wish::Reload => reload(load, &host, layout, log).await,
            },
        }
    }
    tracing::info!("stopping; domains keep running");
    host.actions.tell_daemon(DaemonChange::Stopping);
    host.end_policies().await;
    stop.cancel();
    if tokio::time::timeout(GRACE, server).await.is_err() {
        tracing::warn!("requests were still open after {} s and are dropped", GRACE.as_secs());
    }
    for path in [layout.api_socket(), pid_file] {
        if let Err(error) = std::fs::remove_file(&path) {
            tracing::warn!(path = %path.display(), %error, "cannot be removed");
        }
    }
    Ok(())
}

/// The API socket: for its owner only, unless the configuration lets others in; who may do what is decided per request.
fn bind(config: &Config, layout: &Layout) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let socket = layout.api_socket();
    let failed = || format!("cannot listen on '{}'", socket.display());
    let listener = layout.bind("reeve.sock").with_context(failed)?;
    let open = config.access.others_read || !config.access.group.is_empty();
    let mode = if open { 0o666 } else { 0o600 };
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(mode)).with_context(failed)?;
    listener.set_nonblocking(true).with_context(failed)?;
    UnixListener::from_std(listener).with_context(failed)
}

/// Writes the pid file, and the line that says the daemon is ready.
fn announce(layout: &Layout, pid_file: &Path) -> anyhow::Result<()> {
    let pid = std::process::id();
    std::fs::write(pid_file, format!("{pid}\n"))
        .with_context(|| format!("cannot write '{}'", pid_file.display()))?;
    let socket = layout.api_socket();
    tracing::info!(socket = %socket.display(), pid, "ready");
    let line = format!("reeve {} is ready on {} (pid {pid})\n", env!("CARGO_PKG_VERSION"), socket.display());
    // Nobody need be listening: a daemon whose standard output is closed serves all the same.
    let _ = std::io::stdout().write_all(line.as_bytes());
    Ok(())
}

/// What can be changed in flight: log directives, what low space is, who may send guests and by which certificates, and policies. A configuration that is wrong changes nothing.
async fn reload(
    load: &dyn Fn() -> Result<Config, crate::config::ConfigError>,
    host: &Host,
    layout: &Layout,
    log: &LogControl,
) {
    let applied = load().map_err(anyhow::Error::from).and_then(|config| {
        log.apply(&config)?;
        host.reload_peers(&config, layout)?;
        host.actions.set_low_space(config.storage.low_space_percent);
        Ok(())
    });
    match applied {
        Ok(()) => tracing::info!("the configuration was read again"),
        Err(error) => tracing::error!("the configuration stays as it was: {error:#}"),
    }
    host.reload_policies().await;
    host.actions.tell_daemon(DaemonChange::Reloaded);
}
