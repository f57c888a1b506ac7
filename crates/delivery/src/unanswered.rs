//! What a person sees where an authority did not do what it was asked, or was not even asked.

use regent_operator::circuit::NotAsked;
use regent_operator::trusted_authority::AuthorityEndpoint;
use regent_vault::Error;

use crate::not_ready::NotReady;

/// Why the authority at `endpoint` is not asked now; it is tried again.
pub(crate) fn not_asked(endpoint: &AuthorityEndpoint, why: NotAsked<NotReady>) -> NotReady {
    match why {
        NotAsked::Failed(not_ready) => not_ready,
        NotAsked::Busy => does_not_answer(endpoint),
    }
}

/// A request to the authority at `endpoint` that failed; `otherwise` is the reason where none of all requests fits.
pub(crate) fn failed(
    endpoint: &AuthorityEndpoint,
    error: &Error,
    otherwise: &'static str,
) -> NotReady {
    let reason = match error {
        Error::Timeout { .. } => return does_not_answer(endpoint),
        error if error.is_denied() => {
            return NotReady::until_person("AuthorityDenied", error.to_string());
        }
        error if error.is_sealed() => "AuthoritySealed",
        error if error.is_transient() => "AuthorityUnreachable",
        _ => otherwise,
    };
    NotReady::until_retry(reason, error.to_string())
}

/// The authority at `endpoint` hangs. It names no request: whichever of many was not answered, the same is said once.
fn does_not_answer(endpoint: &AuthorityEndpoint) -> NotReady {
    let address = &endpoint.address;
    let message = format!("the authority at {address} takes requests and does not answer them");
    NotReady::until_retry("AuthorityUnreachable", message)
}
