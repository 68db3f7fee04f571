//! Definitions of interfaces: added, replaced, removed.

use reeve_model::host_interface::{DefinedHostInterface, HostInterfaceConfig, HostInterfaceKind};
use reeve_model::{Actor, Error, ErrorCode, Verb};

use super::changing::{Changing, Kept};
use super::{members, undefined};
use crate::{Actions, document};

impl Actions {
    /// Adds a definition, or replaces the one with the same name. What is up goes on as it is until it is started again.
    pub async fn define_interface(
        &self,
        actor: &Actor,
        xml: &str,
        strict: bool,
    ) -> Result<DefinedHostInterface, Error> {
        let (config, warnings) = document::parse_interface(xml, strict)?;
        self.check_interface(actor, Verb::InterfaceWrite, &config.name)?;
        self.change_interfaces(move |change| change.define(config, warnings)).await
    }

    /// Replaces the definition of an interface; its name must stay. `expected` is the digest of the document that the editor began with;
    /// none overwrites anything.
    pub async fn edit_interface(
        &self,
        actor: &Actor,
        key: &str,
        xml: &str,
        strict: bool,
        expected: Option<String>,
    ) -> Result<DefinedHostInterface, Error> {
        self.check_interface(actor, Verb::InterfaceWrite, key)?;
        let (config, warnings) = document::parse_interface(xml, strict)?;
        let key = key.to_owned();
        self.change_interfaces(move |change| {
            let name = change.interfaces.row(&key)?.name;
            if config.name != name {
                let message = format!("an edit may not change the name of interface '{name}'");
                return Err(
                    Error::new(ErrorCode::Invalid, message).with_hint("define a new interface instead")
                );
            }
            let now = document::digest(&document::format_interface(&change.interfaces.persistent(&name)?));
            if expected.is_some_and(|expected| expected != now) {
                let message = format!("interface '{name}' was changed by somebody else meanwhile");
                let hint = "begin the edit again from the new document";
                return Err(Error::new(ErrorCode::Busy, message).with_hint(hint));
            }
            change.define(config, warnings)
        })
        .await
    }

    /// Removes the definition of an interface; what is up stays up.
    pub async fn undefine_interface(&self, actor: &Actor, key: &str) -> Result<(), Error> {
        self.check_interface(actor, Verb::InterfaceWrite, key)?;
        let key = key.to_owned();
        self.change_interfaces(move |change| {
            let row = change.interfaces.row(&key)?;
            if !row.defined {
                change.refuse_member(&row.name)?;
                return Err(Error { hint: None, ..undefined(&row.name) });
            }
            change.keep(&Kept { remove: vec![row.name], ..Kept::default() })
        })
        .await
    }
}

impl Changing<'_> {
    fn define(
        &self,
        config: HostInterfaceConfig,
        mut warnings: Vec<String>,
    ) -> Result<DefinedHostInterface, Error> {
        let name = config.name.clone();
        self.refuse_member(&name)?;
        for member in members(&config) {
            let member = &member.name;
            if self.definition(member).is_some() {
                let message = format!("'{member}' can't be a part of '{name}': it is defined by itself");
                let hint = format!("take that away with 'reeve iface undefine {member}'");
                return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint(hint));
            }
            let kept = self.definition(&name);
            if !kept.is_some_and(|kept| members(&kept).iter().any(|own| own.name == *member)) {
                self.refuse_member(member)?;
            }
        }
        let what = match &config.kind {
            HostInterfaceKind::Bond { .. } => Some("a bond"),
            HostInterfaceKind::Vlan { .. } => Some("a VLAN interface"),
            HostInterfaceKind::Ethernet | HostInterfaceKind::Bridge { .. } => None,
        };
        if let Some(what) = what {
            warnings.push(format!("{what} can't be started by this version; the definition is kept"));
        }
        let kept = Kept { put: vec![config.clone()], ..Kept::default() };
        self.keep(&kept)?;
        let interface = self.interfaces.row(&name)?;
        if interface.active && !self.interfaces.host.is_up(&config)? {
            warnings.push("the interface is up: the new definition counts from its next start".to_owned());
        }
        Ok(DefinedHostInterface { interface, warnings })
    }
}
