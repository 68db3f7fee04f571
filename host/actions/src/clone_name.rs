//! Names of clones that nobody named: a policy proposes, the host checks; without a policy the name is the original's with `-clone`.

pub(crate) mod free;

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
            let is_taken = |name: &str| taken.iter().any(|taken| taken == name);
            let name = match pool {
                None => free::domain(source, is_taken),
                Some(_) => free::image(source, None, is_taken),
            };
            return name.ok_or_else(|| {
                let message = format!("no free name was found for a clone of '{source}'");
                Error::new(ErrorCode::AlreadyExists, message).with_hint("name the clone yourself")
            });
        };
        if taken.contains(&name) {
            let message =
                format!("no name for the clone of '{source}': '{name}', which policy gave it, is taken");
            return Err(Error::new(ErrorCode::AlreadyExists, message).with_hint("name the clone yourself"));
        }
        Ok(name)
    }
}
