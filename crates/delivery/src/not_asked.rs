//! What a person sees where an authority is not even asked.

use regent_operator::circuit::NotAsked;
use regent_operator::trusted_authority::AuthorityEndpoint;

use crate::not_ready::NotReady;

/// Why the authority at `endpoint` is not asked now; it is tried again.
pub(crate) fn not_asked(endpoint: &AuthorityEndpoint, why: NotAsked<NotReady>) -> NotReady {
    match why {
        NotAsked::Failed(not_ready) => not_ready,
        NotAsked::Busy => does_not_answer(endpoint),
    }
}

/// The authority at `endpoint` hangs. It names no request: whichever of many was not answered, the same is said once.
pub(crate) fn does_not_answer(endpoint: &AuthorityEndpoint) -> NotReady {
    let address = &endpoint.address;
    let message = format!("the authority at {address} takes requests and does not answer them");
    NotReady::until_retry("AuthorityUnreachable", message)
}
