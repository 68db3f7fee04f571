//! Changes of one section of a network (guide 14.22, net-update).

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word on the command line.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What a word names.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// What is done to a section.
    UpdateCommand {
        /// Puts it before its like.
        AddFirst = "add-first",
        /// Puts it after its like; `add` means the same.
        AddLast = "add-last",
        /// Takes it out.
        Delete = "delete",
        /// Puts it in place of the one with the same key.
        Modify = "modify",
    }
}

words! {
    /// The section: the path of its element, written with dashes.
    UpdateSection {
        /// `<bridge>`.
        Bridge = "bridge",
        /// `<domain>`.
        Domain = "domain",
        /// `<ip>`.
        Ip = "ip",
        /// `<ip><dhcp><host>`.
        IpDhcpHost = "ip-dhcp-host",
        /// `<ip><dhcp><range>`.
        IpDhcpRange = "ip-dhcp-range",
        /// `<forward>`.
        Forward = "forward",
        /// `<forward><interface>`.
        ForwardInterface = "forward-interface",
        /// `<forward><pf>`.
        ForwardPf = "forward-pf",
        /// `<portgroup>`.
        Portgroup = "portgroup",
        /// `<dns><host>`.
        DnsHost = "dns-host",
        /// `<dns><txt>`.
        DnsTxt = "dns-txt",
        /// `<dns><srv>`.
        DnsSrv = "dns-srv",
    }
}

/// A change of one section, as a client asks for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkUpdate {
    /// What is done.
    pub command: UpdateCommand,
    /// To which section.
    pub section: UpdateSection,
    /// The element as XML text.
    pub xml: String,
    /// Which `<ip>`, from 0; none takes the one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The running network is changed.
    pub live: bool,
    /// The definition is changed.
    pub config: bool,
}
