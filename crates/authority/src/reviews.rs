//! Token reviews as the authority asks for them: a token that was found no good is not asked about
//! again for a while, so that whoever shows forged ones in numbers costs the API server nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use regent_types::Sensitive;
use sha2::{Digest as _, Sha256};

use crate::options::Clock;
use crate::reviewer::{Review, ReviewError, ReviewTarget, TokenReviewer};

/// Refused tokens remembered: 64 KiB or so.
const REFUSED_MAX: usize = 1024;

/// How long one is remembered. A token of an account that has just been made is asked about again soon.
const REFUSED_FOR: SignedDuration = SignedDuration::from_secs(10);

/// A reviewer that remembers refusals. A token that is good is asked about each time: only the API
/// server knows whether it still is.
pub(crate) struct Reviews {
    inner: Arc<dyn TokenReviewer>,
    clock: Clock,
    refused: Mutex<Refused>,
}

/// SHA-256 of who was asked, what about, and for whom.
type Question = [u8; 32];

/// What was refused and when; the oldest goes first.
#[derive(Default)]
struct Refused {
    at: HashMap<Question, Timestamp>,
    order: VecDeque<Question>,
}

impl Reviews {
    pub(crate) fn new(inner: Arc<dyn TokenReviewer>, clock: Clock) -> Self {
        Self { inner, clock, refused: Mutex::default() }
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenReviewer for Reviews {
    fn review<'a>(
        &'a self,
        target: &'a ReviewTarget,
        jwt: &'a Sensitive<String>,
        audiences: &'a [String],
    ) -> BoxFuture<'a, Result<Review, ReviewError>> {
        Box::pin(async move {
            let question = question(target, jwt, audiences);
            if self.refused().holds(&question, self.clock.now()) {
                return Ok(Review::default());
            }
            let review = self.inner.review(target, jwt, audiences).await?;
            if !review.authenticated {
                self.refused().note(question, self.clock.now());
            }
            Ok(review)
        })
    }
}

impl Refused {
    fn holds(&self, question: &Question, now: Timestamp) -> bool {
        let Some(at) = self.at.get(question) else { return false };
        // A clock that was set back makes it forget, not remember for ever.
        let age = now.duration_since(*at);
        !age.is_negative() && age < REFUSED_FOR
    }

    fn note(&mut self, question: Question, now: Timestamp) {
        if self.at.insert(question, now).is_none() {
            self.order.push_back(question);
        }
        if self.order.len() > REFUSED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.at.remove(&oldest);
        }
    }
}

/// Each part with its length, so that no two questions look alike.
fn question(target: &ReviewTarget, jwt: &Sensitive<String>, audiences: &[String]) -> Question {
    let mut hash = Sha256::new();
    let parts = [target.host.as_str(), target.ca_pem.as_deref().unwrap_or_default()];
    let parts = parts.into_iter().chain(audiences.iter().map(String::as_str));
    for part in parts.chain([jwt.expose().as_str()]) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn v06_a_refusal_is_remembered_for_a_while() {
        let mut refused = Refused::default();
        refused.note([1; 32], at(100));
        for (second, held) in [(100, true), (109, true), (110, false), (99, false)] {
            assert_eq!(refused.holds(&[1; 32], at(second)), held, "{second}");
        }
        assert!(!refused.holds(&[2; 32], at(100)));
    }

    #[test]
    fn v06_refusals_are_bounded_and_the_oldest_goes_first() {
        let mut refused = Refused::default();
        let question = |n: usize| {
            let mut question = [0; 32];
            question[..8].copy_from_slice(&n.to_be_bytes());
            question
        };
        for n in 0..REFUSED_MAX + 10 {
            refused.note(question(n), at(100));
            refused.note(question(n), at(100));
        }
        assert_eq!((refused.at.len(), refused.order.len()), (REFUSED_MAX, REFUSED_MAX));
        assert!(!refused.holds(&question(9), at(100)) && refused.holds(&question(10), at(100)));
    }

    #[test]
    fn no_two_questions_look_alike() {
        let target = ReviewTarget { host: "h".to_owned(), ca_pem: None, reviewer_jwt: None };
        let jwt = |text: &str| Sensitive::new(text.to_owned());
        let one = question(&target, &jwt("c"), &["a".to_owned(), "b".to_owned()]);
        assert_ne!(one, question(&target, &jwt("c"), &["ab".to_owned()]));
        assert_ne!(one, question(&target, &jwt("d"), &["a".to_owned(), "b".to_owned()]));
        assert_eq!(one, question(&target, &jwt("c"), &["a".to_owned(), "b".to_owned()]));
    }
}
