//! The loaded policies, in chain order.

use std::sync::{Arc, PoisonError, RwLock};

use reeve_model::policy::Hook;
use reeve_model::{Error, ErrorCode};

use crate::binding::{Active, Binding};
use crate::suggest::closest;

/// All bindings. Readers take a snapshot; a change makes a new list.
#[derive(Default)]
pub(crate) struct Registry {
    bindings: RwLock<Arc<[Arc<Binding>]>>,
}

impl Registry {
    /// All of them, lowest order first, names decide between equals.
    pub(crate) fn all(&self) -> Arc<[Arc<Binding>]> {
        Arc::clone(&self.bindings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those that answer `hook`, each with the version that answers now.
    pub(crate) fn answering(&self, hook: Hook) -> Vec<(Arc<Binding>, Arc<Active>)> {
        self.all()
            .iter()
            .map(|binding| (Arc::clone(binding), binding.active()))
            .filter(|(_, active)| active.answers(hook))
            .collect()
    }

    /// One by name.
    pub(crate) fn find(&self, name: &str) -> Option<Arc<Binding>> {
        self.all().iter().find(|binding| binding.name() == name).map(Arc::clone)
    }

    /// One by name; the error says which name was perhaps meant.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Binding>, Error> {
        self.find(name).ok_or_else(|| {
            let all = self.all();
            let error = Error::new(ErrorCode::NotFound, format!("policy '{name}' is not loaded"));
            match closest(name, all.iter().map(|binding| binding.name())) {
                Some(known) => error.with_hint(format!("did you mean '{known}'?")),
                None => error.with_hint("'reeve policy list' shows what is loaded"),
            }
        })
    }

    /// Adds a binding, or puts the list in order again after one changed.
    pub(crate) fn put(&self, binding: &Arc<Binding>) {
        self.change(|list| {
            if !list.iter().any(|known| Arc::ptr_eq(known, binding)) {
                list.push(Arc::clone(binding));
            }
        });
    }

    /// Takes a binding out; calls in flight finish.
    pub(crate) fn remove(&self, name: &str) {
        self.change(|list| list.retain(|binding| binding.name() != name));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<Binding>>)) {
        let mut bindings = self.bindings.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = bindings.to_vec();
        change(&mut list);
        list.sort_by_cached_key(|binding| (binding.active().order, binding.name().to_owned()));
        *bindings = list.into();
    }
}
