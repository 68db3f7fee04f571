//! What can be written on the command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::output::Format;
use crate::{
    completions, domain, events, exit, iface, image, network, node, nodedev, nwfilter, policy, pool, secret,
    virsh, vol, xml,
};

const AFTER_HELP: &str = "\
Files:
  DIR below is '/' unless --root or REEVE_ROOT says otherwise.
  DIR/etc/reeve/reeve.toml         configuration of the daemon
  DIR/run/reeve/reeve.sock         API socket
  DIR/var/lib/reeve/               definitions, policies, images

Exit status:
  0  done
  1  failed
  2  the command line is wrong
  3  no such domain, network, pool, volume, secret, filter, interface, policy or file
  4  denied: by authorization or by a policy
  5  the daemon cannot be reached
  6  not possible in this state: exists already, wrong state, busy
  7  the document or value is not valid

Examples:
  reeve daemon --root /tmp/host        run a private host in a directory of its own
  reeve domain define web.xml          add a definition from libvirt domain XML
  reeve domain start web --console     start it and watch it boot
  reeve domain list --all              every domain, as virsh shows it
  reeve policy load admission.wasm     put a policy in place
  reeve image info disk.qcow2          look at a disk image without a daemon
  reeve xml check *.xml                check documents without a daemon";

/// A virtualization host that is scripted in WebAssembly.
#[derive(Debug, Parser)]
#[command(name = "reeve", version, after_help = AFTER_HELP, max_term_width = 120, arg_required_else_help = true)]
pub struct Cli {
    /// Where the daemon is.
    #[command(flatten)]
    pub place: Place,
    /// How results are written
    #[arg(short, long, value_enum, default_value_t, global = true, value_name = "FORMAT")]
    pub output: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line of this process, or how it ends: with help, or with what is wrong. A verb of virsh that is another one here, or is
    /// not here at all, is answered.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| match virsh::answer(&error) {
            Some(answer) => exit::report(&answer),
            None => error.exit(),
        })
    }
}

/// Where the daemon is.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Directory under which the host keeps all its files
    #[arg(long, env = "REEVE_ROOT", default_value = "/", global = true, value_name = "DIR")]
    pub root: PathBuf,
    /// API socket of the daemon [default: DIR/run/reeve/reeve.sock]
    #[arg(long, env = "REEVE_SOCKET", global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

impl Place {
    /// The socket to talk to.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| self.root.join(Path::new("run/reeve/reeve.sock")))
    }
}

/// The first word after `reeve`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the host daemon in the foreground
    Daemon(DaemonArgs),
    /// Define, run and look at domains (virtual machines)
    #[command(subcommand, visible_alias = "dom")]
    Domain(domain::DomainCommand),
    /// Define, run and look at virtual networks
    #[command(subcommand, visible_alias = "net")]
    Network(network::NetworkCommand),
    /// Define, run and look at storage pools
    #[command(subcommand)]
    Pool(pool::PoolCommand),
    /// Make, copy, fill and look at storage volumes
    #[command(subcommand, visible_alias = "volume")]
    Vol(vol::VolCommand),
    /// Keep passphrases and keys that the host uses
    #[command(subcommand)]
    Secret(secret::SecretCommand),
    /// Look at devices of the host
    #[command(subcommand)]
    Nodedev(nodedev::NodeDeviceCommand),
    /// Define and look at packet filters
    #[command(subcommand)]
    Nwfilter(nwfilter::FilterCommand),
    /// Define, bridge and look at the host's own network interfaces
    #[command(subcommand)]
    Iface(iface::IfaceCommand),
    /// Load policies, grant them rights, and see what they decided
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Look at the host machine
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Follow what happens on the host
    Events(events::Events),
    /// Make, convert, check and change disk images, without a daemon
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Work on documents without a daemon
    #[command(subcommand)]
    Xml(xml::XmlCommand),
    /// Write completions for a shell to standard output
    Completions(completions::Completions),
}

const DAEMON_HELP: &str = "\
The daemon serves DIR/run/reeve/reeve.sock until it is told to stop. It prints one line when it is ready.

Signals:
  TERM, INT  stop: the socket is closed and removed. Domains keep running, and the next daemon takes them over
  HUP        read the configuration and the policies directory again

Examples:
  reeve daemon                               serve this machine (as root)
  reeve daemon --root /tmp/host              a private host; its files are all below /tmp/host
  reeve daemon --print-config > reeve.toml   every key with its default and what it is for";

/// Options of `reeve daemon`.
#[derive(Debug, Args)]
#[command(after_help = DAEMON_HELP)]
pub struct DaemonArgs {
    /// Configuration file [default: DIR/etc/reeve/reeve.toml, when it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print the configuration that would be used, with every key explained, and stop
    #[arg(long)]
    pub print_config: bool,
}
