//! `reeve policy run`: one hook, once, without a daemon.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;
use reeve_model::Bytes;
use reeve_model::node::{NodeInfo, NodeMemory};
use reeve_model::policy::Hook;
use reeve_policy::session::Session;
use reeve_policy::{Machine, Offline};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::decisions::named;
use super::sessions::{self, Terms};
use crate::context::{Context, read_document};
use crate::exit::{Invalid, Usage};
use crate::output::Show;

/// Options of `reeve policy run`.
#[derive(Debug, Args)]
#[command(after_help = "\
The host is a small stand-in: it has no domains, an empty key-value store, the real clock, and of the machine only what --cpus and
--memory say; a policy that asks for more is answered 'unsupported'. Questions by hook:
  domain-define, domain-prepare, domain-start   --domain
  domain-stop                                   --domain [--forced]
  device-attach, device-detach                  --domain --device
  domain-events, daemon-events                  --event '{\"seq\": 1, …}', --event started
  mac-allocate                                  --domain [--interface N] [--seed N]
  migrate-out, migrate-in                       --domain [--event '{…a journey…}']
  migration-strategy                            --event '{\"next-step\": {…}}', --event '{\"plan\": {…}}'
  ksm-tune                                      --event '{…a snapshot…}'
  task                                          [--argument TEXT]… or --event '{\"schedule\": {…}}'

Examples:
  reeve policy run naming.wasm --hook domain-define --domain web.xml --grant-wanted
  reeve policy run --hook domain-define --domain web.xml --config '{\"prefixes\": [\"web-\"]}' --session sessions/web.json")]
pub struct Run {
    /// A project, or a component
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    policy: PathBuf,
    /// Which hook
    #[arg(long, value_parser = named::<Hook>)]
    hook: Hook,
    /// Domain XML, - for standard input
    #[arg(long, value_name = "FILE")]
    domain: Option<PathBuf>,
    /// XML of the device, for the device hooks
    #[arg(long, value_name = "FILE")]
    device: Option<PathBuf>,
    /// For domain-stop: by force
    #[arg(long)]
    forced: bool,
    /// An event, a snapshot or an occasion as JSON, or its word
    #[arg(long, value_name = "JSON")]
    event: Option<String>,
    /// For mac-allocate: position of the interface, from 0
    #[arg(long, default_value_t = 0)]
    interface: u32,
    /// For mac-allocate: the random number it is given
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For a task that is run by hand: an argument; may be repeated
    #[arg(long = "argument", value_name = "TEXT", allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// Give every grant that the manifest asks for, but for files
    #[arg(long)]
    grant_wanted: bool,
    #[command(flatten)]
    terms: Terms,
    /// CPUs of the machine
    #[arg(long, value_name = "N")]
    cpus: Option<u32>,
    /// Memory of the machine, bytes
    #[arg(long, value_name = "BYTES")]
    memory: Option<u64>,
    /// Write the call as a session, to replay and to test with
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
}

impl Run {
    pub(crate) async fn run(self, context: &mut Context) -> anyhow::Result<()> {
        let file = sessions::component(&self.policy)?;
        let component = Terms::default().open(&file)?;
        let session = component.run(&self.case(&component)?, self.machine()).await?;
        if let Some(file) = &self.session {
            std::fs::write(file, session.pretty() + "\n")
                .map_err(|error| anyhow::anyhow!("cannot write '{}': {error}", file.display()))?;
        }
        context.show(&Ran(session))
    }

    /// The question as a session without answer.
    fn case(&self, component: &Offline) -> anyhow::Result<Session> {
        let mut grants = self.terms.grants.clone();
        if self.grant_wanted {
            let wants = component.manifest().wants.iter().map(|want| want.grant.clone());
            grants.extend(wants.filter(|grant| !grant.starts_with("fs:")));
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let case = json!({
            "session": 1,
            "hook": self.hook,
            "context": {
                "call-id": "offline",
                "time": u64::try_from(now.as_millis()).unwrap_or_default(),
                "config": self.terms.config()?.unwrap_or_default(),
            },
            "question": self.question()?,
            "grants": grants,
        });
        Session::from_json(case).map_err(|error| Invalid(error.to_string()).into())
    }

    fn question(&self) -> anyhow::Result<Value> {
        let mut fields = Map::new();
        if let Some(file) = &self.domain {
            fields.insert("domain".into(), json!({ "xml": read_document(file)? }));
        }
        if let Some(file) = &self.device {
            fields.insert("device".into(), read_document(file)?.into());
        }
        let event = self.event.as_deref().map(|text| {
            // A word alone needs no quotes.
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        });
        if let (Hook::MigrationStrategy, Some(Value::Object(function))) = (self.hook, &event) {
            return Ok(Value::Object(function.clone()));
        }
        let key = match self.hook {
            Hook::MigrateOut | Hook::MigrateIn if event.is_some() => "journey",
            Hook::MigrationStrategy => "next-step",
            Hook::DomainEvents | Hook::NetworkEvents | Hook::StorageEvents => "event",
            Hook::CloneName => "clone",
            Hook::DaemonEvents => "change",
            Hook::KsmTune => "snapshot",
            Hook::Task => "why",
            _ => "",
        };
        match (self.hook, event) {
            (Hook::Task, None) => drop(fields.insert(key.into(), json!({ "manual": self.arguments }))),
            (_, Some(event)) if !key.is_empty() => drop(fields.insert(key.into(), event)),
            (hook, _) if !key.is_empty() || self.domain.is_none() => {
                let option = if key.is_empty() { "--domain" } else { "--event" };
                let message = format!("hook '{hook}' needs {option}");
                return Err(Usage { message, hint: Some("see 'reeve policy run --help'") }.into());
            }
            _ => {}
        }
        match self.hook {
            Hook::MacAllocate => {
                fields.insert("interface".into(), self.interface.into());
                fields.insert("seed".into(), self.seed.into());
            }
            Hook::DomainStop => drop(fields.insert("forced".into(), self.forced.into())),
            _ => {}
        }
        Ok(Value::Object(fields))
    }

    fn machine(&self) -> Machine {
        let memory = self.memory.map(|bytes| NodeMemory {
            total: Bytes(bytes),
            free: Bytes(bytes),
            available: Bytes(bytes),
            cached: Bytes(0),
            buffers: Bytes(0),
            swap_total: Bytes(0),
            swap_free: Bytes(0),
        });
        let info = self.cpus.zip(self.memory).map(|(cpus, bytes)| NodeInfo {
            hostname: "offline".to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu_model: String::new(),
            cpus,
            mhz: 0,
            sockets: 1,
            cores_per_socket: cpus,
            threads_per_core: 1,
            numa_cells: 1,
            memory: Bytes(bytes),
            kvm: false,
        });
        Machine { info, memory, ksm: None }
    }
}

/// A call as its session.
#[derive(Serialize)]
#[serde(transparent)]
struct Ran(Session);

impl Show for Ran {
    const ELEMENT: &'static str = "session";

    fn human(&self) -> String {
        let session = &self.0;
        let outcome = session.outcome.map(|outcome| super::word(&outcome)).unwrap_or_default();
        let mut text = format!("{} {}: {outcome}", session.hook, session.subject());
        if let Some(reason) = &session.reason {
            text.push_str(&format!("\n  reason: {reason}"));
        }
        for change in session.changes.iter().flatten() {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            text.push_str(&format!(
                "\n  {}: {} -> {}",
                change.path,
                value(&change.before),
                value(&change.after)
            ));
        }
        if let Some(answer) = &session.answer {
            text.push_str(&format!("\n  answer: {answer}"));
        }
        for call in &session.host_calls {
            let arguments: Vec<String> = call.arguments.iter().map(Value::to_string).collect();
            text.push_str(&format!(
                "\n  asked: {}({}) = {}",
                call.function,
                arguments.join(", "),
                call.result
            ));
        }
        text.push_str(&format!("\n  fuel: {}", session.fuel.unwrap_or_default()));
        text
    }
}
