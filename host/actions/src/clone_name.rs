//! Names of clones that nobody named: a policy proposes, the host checks; without a policy the name is the original's with `-clone`.

use reeve_model::{Actor, Error, ErrorCode};

use crate::Actions;
use crate::policy_port::CloneRequest;

impl Actions {
    /// A name for the clone of a domain, or of a volume of `pool`, that is none of `taken`.
    pub(crate) async fn clone_name(
        &self,
        actor: &Actor,
        source: &str,
        pool: Option<&str>,
        taken: Vec<String>,
    ) -> Result<String, Error> {
        let request = CloneRequest {
            actor: actor.clone(),
            source: source.to_owned(),
            pool: pool.map(str::to_owned),
            taken: taken.clone(),
        };
        let Some(name) = self.policy.propose_clone_name(request).await? else {
            return Ok(default_name(source, &taken));
        };
        if taken.contains(&name) {
            let message =
                format!("no name for the clone of '{source}': '{name}', which policy gave it, is taken");
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint("name the clone yourself"));
        }
        Ok(name)
    }
}

/// The first of `NAME-clone`, `NAME-clone1`… that is free, before an extension.
fn default_name(source: &str, taken: &[String]) -> String {
    let (stem, extension) = match source.rfind('.').filter(|dot| *dot > 0) {
        Some(dot) => source.split_at(dot),
        None => (source, ""),
    };
    let numbered = (1..).map(|number| format!("{stem}-clone{number}{extension}"));
    let mut names = std::iter::once(format!("{stem}-clone{extension}")).chain(numbered);
    names.find(|name| !taken.contains(name)).expect("there are more names than are taken")
}

#[cfg(test)]
mod tests {
    use super::default_name;

    #[test]
    fn the_first_free_name_before_the_extension() {
        let named = |source: &str, taken: &[&str]| {
            default_name(source, &taken.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(named("web", &[]), "web-clone");
        assert_eq!(named("web", &["web-clone"]), "web-clone1");
        assert_eq!(named("disk.qcow2", &["disk-clone.qcow2", "disk-clone1.qcow2"]), "disk-clone2.qcow2");
        assert_eq!(named(".hidden", &[]), ".hidden-clone");
    }
}
