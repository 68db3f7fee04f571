//! Kinds of libvirt documents, told by their root element.

use std::fmt;
use std::str::FromStr;

use crate::grammar::Grammar;

macro_rules! kinds {
    ($($variant:ident, $word:literal, $doc:literal, [$($root:literal),+];)+) => {
        /// A kind of document.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $doc] $variant,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it on a command line.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// Root elements that such a document may have.
            pub fn roots(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($root),+],)+
                }
            }
        }
    };
}

kinds! {
    Domain, "domain", "A virtual machine (guide ch. 20).", ["domain"];
    Network, "network", "A virtual network (guide ch. 18).", ["network"];
    Pool, "pool", "A storage pool (guide ch. 12).", ["pool"];
    Volume, "volume", "A storage volume (guide ch. 13).", ["volume"];
    Filter, "nwfilter", "A packet filter (guide 18.12).", ["filter"];
    FilterBinding, "nwfilterbinding", "A filter on one port.", ["filterbinding"];
    Snapshot, "domainsnapshot", "A snapshot of a domain (guide 14.16).", ["domainsnapshot"];
    Checkpoint, "domaincheckpoint", "A checkpoint for incremental backup.", ["domaincheckpoint"];
    Backup, "domainbackup", "A backup job.", ["domainbackup"];
    Secret, "secret", "A secret's description (guide 14.12).", ["secret"];
    Interface, "interface", "A host network interface (guide 14.14), not a domain's device.", ["interface"];
    NodeDevice, "nodedev", "A host device (guide 14.10).", ["device"];
    Capabilities, "capabilities", "What a host can do (guide 14.18).", ["capabilities", "domainCapabilities"];
    Cpu, "cpu", "A CPU to compare or to build a baseline of (guide 14.18).", ["cpu", "cpus"];
    Sysinfo, "sysinfo", "SMBIOS of a host.", ["sysinfo"];
    PoolSources, "sources", "Storage that pools could be made of.", ["sources"];
}

impl Kind {
    /// The kind whose documents start with this element.
    pub fn of_root(root: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.roots().contains(&root))
    }

    /// The table of its elements; none when only well-formedness is checked.
    pub(crate) fn grammar(self) -> Option<&'static Grammar> {
        use std::sync::LazyLock;
        macro_rules! table {
            ($file:literal) => {{
                static TABLE: LazyLock<Grammar> = LazyLock::new(|| Grammar::new(include_str!($file)));
                Some(&*TABLE)
            }};
        }
        match self {
            Self::Domain => Some(&crate::domain::GRAMMAR),
            Self::Network => Some(&crate::network::GRAMMAR),
            Self::Pool | Self::PoolSources => Some(&crate::pool::GRAMMAR),
            Self::Volume => Some(&crate::volume::GRAMMAR),
            Self::Filter | Self::FilterBinding => Some(&crate::filter::GRAMMAR),
            Self::Snapshot | Self::Checkpoint => table!("grammar/domainsnapshot.grammar"),
            Self::Backup => table!("grammar/domainbackup.grammar"),
            Self::Secret => Some(&crate::secret::GRAMMAR),
            Self::Interface => Some(&crate::host_interface::GRAMMAR),
            Self::NodeDevice => table!("grammar/nodedev.grammar"),
            Self::Capabilities => table!("grammar/capabilities.grammar"),
            Self::Cpu => table!("grammar/cpu.grammar"),
            Self::Sysinfo => table!("grammar/sysinfo.grammar"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no kind of document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a kind of document")]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    /// The word of a kind, or one of its root elements.
    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let by_word = Self::ALL.iter().copied().find(|kind| kind.as_str() == word);
        by_word.or_else(|| Self::of_root(word)).ok_or_else(|| UnknownKind(word.to_owned()))
    }
}
