//! The rules of a whole tree, by chain: rules of all filters that are for one chain are ordered against each other (guide 18.12.9).

use reeve_sdk::filter::Filter;
use reeve_sdk::filter::tree::{Entry, Rule};

/// A rule with the filter whose variables it sees.
#[derive(Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) filter: &'a Filter,
}

impl Placed<'_> {
    /// Its protocol; none matches every packet.
    pub(crate) fn protocol(&self) -> Option<&str> {
        self.rule.matches.first().map(|node| node.protocol.as_str())
    }
}

/// A chain of frames and its rules.
pub(crate) struct Gathered<'a> {
    /// `root`, or the chain of a protocol, perhaps with a suffix.
    pub(crate) name: &'a str,
    /// Priority among the rules of `root`.
    pub(crate) priority: i32,
    /// Rules, lowest priority first; equal ones in document order.
    pub(crate) rules: Vec<Placed<'a>>,
}

/// All rules.
pub(crate) struct Gathering<'a> {
    /// Chains of frames, `root` first, the others by priority.
    pub(crate) chains: Vec<Gathered<'a>>,
    /// Rules about connections, ordered.
    pub(crate) connections: Vec<Placed<'a>>,
}

/// True for protocols that are matched frame by frame.
fn is_of_frames(protocol: &str) -> bool {
    matches!(protocol, "mac" | "vlan" | "stp" | "arp" | "rarp" | "ip" | "ipv6")
}

/// Walks the tree in document order.
pub(crate) fn gather(filters: &[Filter]) -> Gathering<'_> {
    let root = Gathered { name: "root", priority: 0, rules: Vec::new() };
    let mut gathering = Gathering { chains: vec![root], connections: Vec::new() };
    if !filters.is_empty() {
        walk(filters, 0, &mut gathering);
    }
    // Both sorts keep the order of equal ones.
    gathering.chains[1..].sort_by_key(|chain| chain.priority);
    for chain in &mut gathering.chains {
        chain.rules.sort_by_key(|placed| placed.rule.priority);
    }
    gathering.connections.sort_by_key(|placed| placed.rule.priority);
    gathering
}

fn walk<'a>(filters: &'a [Filter], position: usize, gathering: &mut Gathering<'a>) {
    let filter = &filters[position];
    for entry in &filter.entries {
        match entry {
            Entry::Reference(next) => {
                // Always a later one, so the walk ends.
                if let Some(next) =
                    usize::try_from(*next).ok().filter(|next| (position + 1..filters.len()).contains(next))
                {
                    walk(filters, next, gathering);
                }
            }
            Entry::Rule(rule) => {
                let placed = Placed { rule, filter };
                match placed.protocol() {
                    Some(protocol) if !is_of_frames(protocol) => gathering.connections.push(placed),
                    _ => chain(gathering, filter).rules.push(placed),
                }
            }
        }
    }
}

fn chain<'g, 'a>(gathering: &'g mut Gathering<'a>, filter: &'a Filter) -> &'g mut Gathered<'a> {
    let found = gathering.chains.iter().position(|chain| chain.name == filter.chain);
    let position = found.unwrap_or_else(|| {
        let (name, priority) = (filter.chain.as_str(), filter.priority);
        gathering.chains.push(Gathered { name, priority, rules: Vec::new() });
        gathering.chains.len() - 1
    });
    &mut gathering.chains[position]
}
