//! The part of a host that makes rules: filters, the policy engine with one policy, and the check.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use reeve_actions::policy_port::{FilterRequest, LoadRequest, PolicyAdmin, PolicyPort};
use reeve_events::Bus;
use reeve_filter::{Interface, Resolved, resolve};
use reeve_model::Actor;
use reeve_model::filter::{FilterConfig, FilterReference, FilterSubject, Parameter, Ruleset};
use reeve_policy::{PolicyConfig, PolicyEngine};
use reeve_store::Store;
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::rig::GUEST;

/// An engine with one policy.
pub struct Host {
    engine: Arc<PolicyEngine>,
    runtime: Runtime,
}

/// The engine with `packet-filter` that all tests share: compiling the policy takes longer than any of them.
pub fn packet_filter() -> anyhow::Result<&'static Host> {
    static SHARED: OnceLock<Result<Host, String>> = OnceLock::new();
    let made = SHARED.get_or_init(|| Host::new("packet-filter").map_err(|error| format!("{error:#}")));
    made.as_ref().map_err(|error| anyhow::anyhow!("{error}"))
}

impl Host {
    /// One with a shipped policy.
    pub fn new(policy: &str) -> anyhow::Result<Self> {
        let component = std::fs::read(reeve_tests::policy(policy)?)?;
        // What is shared is never dropped, so a directory that removes itself would stay.
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("filters").join(policy);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let runtime = Runtime::new()?;
        let engine = runtime.block_on(async {
            let store = Store::open(&directory)?;
            let engine = PolicyEngine::start(PolicyConfig::default(), store, Bus::default()).await?;
            engine.load(LoadRequest { component, ..LoadRequest::default() }).await?;
            anyhow::Ok(engine)
        })?;
        Ok(Self { engine, runtime })
    }

    /// What a filter becomes for the guest with 10.0.0.1.
    pub fn rules(&self, filter: &Filter<'_>) -> anyhow::Result<Ruleset> {
        self.ask(filter.tree()?)
    }

    /// Asks the policy about a tree.
    pub fn ask(&self, resolved: Resolved) -> anyhow::Result<Ruleset> {
        let subject = FilterSubject {
            domain: Uuid::from_u128(1),
            domain_name: "web".to_owned(),
            link: "tap0".to_owned(),
            mac: GUEST,
            addresses: vec!["10.0.0.1".parse()?],
        };
        let request = FilterRequest {
            actor: Actor::Client { uid: 0, pid: 1 },
            subject: Arc::new(subject),
            tree: Arc::new(resolved.tree),
        };
        self.runtime.block_on(self.engine.propose_filter(request))?.context("a policy answers")
    }
}

/// A filter of an interface.
#[derive(Clone, Copy, Default)]
pub struct Filter<'a> {
    /// Its name; `test` where it is empty.
    pub root: &'a str,
    /// Documents besides the shipped ones.
    pub documents: &'a [&'a str],
    /// Parameters of the interface's reference.
    pub parameters: &'a [(&'a str, &'a str)],
}

impl Filter<'_> {
    /// Its tree, for the guest with 10.0.0.1.
    pub fn tree(&self) -> anyhow::Result<Resolved> {
        let mut filters: BTreeMap<String, Arc<FilterConfig>> = BTreeMap::new();
        let shipped = reeve_filter::shipped::shipped().map(|(_, document)| document);
        for document in shipped.chain(self.documents.iter().copied()) {
            let parsed = reeve_xml::filter::parse(document, &reeve_xml::ParseOptions::default())
                .with_context(|| document.to_owned())?;
            parsed.document.check().with_context(|| document.to_owned())?;
            filters.insert(parsed.document.name.clone(), Arc::new(parsed.document));
        }
        let parameter =
            |(name, value): &(&str, &str)| Parameter { name: (*name).to_owned(), value: (*value).to_owned() };
        let reference = FilterReference {
            filter: if self.root.is_empty() { "test" } else { self.root }.to_owned(),
            parameters: self.parameters.iter().map(parameter).collect(),
        };
        let interface = Interface { mac: GUEST, addresses: vec!["10.0.0.1".parse()?] };
        Ok(resolve(&reference, &interface, &|name: &str| filters.get(name).cloned())?)
    }
}
