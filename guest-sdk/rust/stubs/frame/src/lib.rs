//! What __name__ decides.

use reeve_sdk::prelude::*;

/// The policy.
struct ThisPolicy;

impl Policy for ThisPolicy {
__stubs__
}

reeve_sdk::policy!(ThisPolicy: __hook_idents__);
