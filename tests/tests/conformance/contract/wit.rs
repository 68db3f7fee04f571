//! wit/, parsed.

use std::path::Path;

use anyhow::Context as _;
use wit_parser::{
    Docs, Function, Interface, Resolve, Type, TypeDefKind, TypeId, TypeOwner, UnresolvedPackageGroup,
};

/// Packages whose interfaces a policy exports.
const HOOKS: [&str; 2] = ["hooks", "tune"];

/// The package whose types have their names to themselves.
const FIRST: &str = "types";

/// All packages; those that others need come first.
pub struct Contract(pub Resolve);

/// One interface.
pub struct Part<'a> {
    /// Without version: `reeve:kv/store`.
    pub path: String,
    /// With it: `reeve:kv/store@0.1.0`.
    pub versioned: String,
    /// `kv`.
    pub package: String,
    /// `store`.
    pub name: String,
    /// True for what a policy answers, false for what it may call.
    pub is_hook: bool,
    pub interface: &'a Interface,
}

impl Contract {
    /// Reads a folder with a package a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut folders: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
        folders.retain(|path| path.is_dir());
        folders.sort();
        let groups = folders.iter().map(UnresolvedPackageGroup::parse_dir);
        let mut groups = groups.collect::<anyhow::Result<Vec<_>>>()?;
        let main = groups.pop().context("wit/ is empty")?;
        let mut resolve = Resolve::default();
        resolve.push_groups(main, groups)?;
        Ok(Self(resolve))
    }

    /// Every interface.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let of = |(id, package): (_, &wit_parser::Package)| {
            let mut parts: Vec<_> = package.interfaces.iter().collect();
            parts.sort_by_key(|(name, _)| (*name).clone());
            // Types first: an interface stands behind those of its package that it uses.
            parts.sort_by_key(|(_, interface)| self.uses_own_package(**interface, id));
            parts
                .into_iter()
                .map(|(name, interface)| self.part(package, name, *interface))
                .collect::<Vec<_>>()
        };
        self.0.packages.iter().flat_map(of).collect()
    }

    fn uses_own_package(&self, interface: wit_parser::InterfaceId, package: wit_parser::PackageId) -> usize {
        let used =
            self.0.interfaces[interface].types.values().filter_map(|ty| match self.0.types[*ty].kind {
                TypeDefKind::Type(Type::Id(origin)) => Some(self.0.types[origin].owner),
                _ => None,
            });
        used.filter(|owner| match owner {
            TypeOwner::Interface(owner) => {
                *owner != interface && self.0.interfaces[*owner].package == Some(package)
            }
            _ => false,
        })
        .count()
    }

    fn part<'a>(
        &'a self,
        package: &wit_parser::Package,
        name: &str,
        interface: wit_parser::InterfaceId,
    ) -> Part<'a> {
        let path = format!("{}:{}/{name}", package.name.namespace, package.name.name);
        let version = package.name.version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
        Part {
            versioned: format!("{path}{version}"),
            path,
            package: package.name.name.clone(),
            name: name.to_owned(),
            is_hook: HOOKS.contains(&package.name.name.as_str()),
            interface: &self.0.interfaces[interface],
        }
    }

    /// Types that an interface defines itself, not those it uses of others.
    pub fn own_types(&self, part: &Part<'_>) -> Vec<(String, TypeId)> {
        let all = part.interface.types.iter().map(|(name, id)| (name.clone(), *id));
        all.filter(|(_, id)| !matches!(self.0.types[*id].kind, TypeDefKind::Type(Type::Id(_)))).collect()
    }

    /// What a type is called where all interfaces are in one file: `DomainConfig`; with the interface in front when another has a
    /// type of that name too: `RulesetRule`, `TreeRule`.
    pub fn title(&self, id: TypeId) -> String {
        let ty = &self.0.types[id];
        if let TypeDefKind::Type(Type::Id(used)) = ty.kind {
            return self.title(used);
        }
        let name = ty.name.as_deref().unwrap_or_default();
        let TypeOwner::Interface(owner) = ty.owner else { return pascal(name) };
        let owner = &self.0.interfaces[owner];
        let package = owner.package.map(|package| self.0.packages[package].name.name.as_str());
        if package == Some(FIRST) || !self.is_shared(name) {
            return pascal(name);
        }
        pascal(owner.name.as_deref().unwrap_or_default()) + &pascal(name)
    }

    /// True when more than one interface defines a type of this name.
    fn is_shared(&self, name: &str) -> bool {
        let of_name = self.0.types.iter().filter(|(_, ty)| ty.name.as_deref() == Some(name));
        of_name.filter(|(_, ty)| !matches!(ty.kind, TypeDefKind::Type(Type::Id(_)))).count() > 1
    }

    /// What all types that some interface defines are called, sorted.
    pub fn titles(&self) -> Vec<String> {
        let parts = self.parts();
        let mut titles: Vec<_> =
            parts.iter().flat_map(|part| self.own_types(part)).map(|(_, id)| self.title(id)).collect();
        titles.sort();
        titles
    }

    /// What a function gives when it succeeds, and whether it can fail.
    pub fn success(&self, function: &Function) -> (Option<Type>, bool) {
        if let Some(Type::Id(id)) = function.result
            && let TypeDefKind::Result(result) = &self.0.types[id].kind
        {
            return (result.ok, true);
        }
        (function.result, false)
    }

    /// Functions of an interface that belong to no resource.
    pub fn functions<'a>(&self, part: &Part<'a>) -> Vec<&'a Function> {
        part.interface.functions.values().filter(|function| !function.name.starts_with('[')).collect()
    }

    /// Methods of a resource: names and functions; their first parameter is the resource.
    pub fn methods<'a>(&self, part: &Part<'a>, resource: &str) -> Vec<(&'a str, &'a Function)> {
        let prefix = format!("[method]{resource}.");
        let all = part.interface.functions.values();
        all.filter_map(|function| Some((function.name.strip_prefix(&prefix)?, function))).collect()
    }
}

/// The text of a comment.
pub fn text(docs: &Docs) -> &str {
    docs.contents.as_deref().unwrap_or_default().trim()
}

/// True when `name` stands in `text` as a word.
pub fn mentions(text: &str, name: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name)
}

/// `domain-config` as `DomainConfig`.
pub fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect()
}

/// `call-id` as `callId`.
pub fn camel(name: &str) -> String {
    let pascal = pascal(name);
    let mut letters = pascal.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}
