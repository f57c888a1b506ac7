//! Claims about the store itself: races, crashes half-way, the sweep.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use regent_types::Sensitive;

use super::record::TokenState;
use super::revocation::Removal;
use super::{TokenSpec, TokenStore};
use crate::barrier::{Barrier, Keyring, Stripes, View};
use crate::error::ApiError;
use crate::random;
use crate::storage::{Backend, Store};

fn store() -> Arc<TokenStore> {
    let keyring = Arc::new(Keyring::generate(Timestamp::UNIX_EPOCH).unwrap());
    let barrier = Barrier::new(Arc::new(Store::open(Backend::Memory).unwrap()), Some(keyring));
    let view = View::new(Arc::new(barrier), Arc::new(Stripes::new()), "t/".to_owned());
    Arc::new(TokenStore::new(view, random::key().unwrap()))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn spec(ttl_s: u64, parent: Option<&str>) -> TokenSpec {
    let mut spec = TokenSpec::login("auth/test/login".to_owned(), vec!["a".to_owned()]);
    spec.ttl_s = ttl_s;
    spec.parent = parent.map(str::to_owned);
    spec
}

/// Issues a token; its text and its HMAC.
async fn issue(
    store: &TokenStore,
    spec: TokenSpec,
) -> Result<(Sensitive<String>, String), ApiError> {
    let token = store.issue(spec, at(0)).await?.client_token;
    let (hash, _) = store.find(&token, at(0)).await?.ok_or(ApiError::Denied)?;
    Ok((token, hash))
}

async fn keys(store: &TokenStore) -> Vec<String> {
    store.view.scan("", "", 10_000).await.unwrap()
}

#[tokio::test]
async fn nothing_kept_holds_the_token() {
    let store = store();
    let (token, hash) = issue(&store, spec(60, None)).await.unwrap();
    let body = token.expose().strip_prefix("hvs.").unwrap().to_owned();
    for key in keys(&store).await {
        let value = store.view.get(&key).await.unwrap().unwrap();
        let value = String::from_utf8_lossy(&value).into_owned();
        assert!(!key.contains(&body) && !value.contains(&body), "{key}");
    }
    assert!(hash.len() == 65 && hash.starts_with('h'));
}

#[tokio::test]
async fn no_login_makes_a_root_token() {
    let store = store();
    let mut spec = spec(60, None);
    spec.policies = vec!["a".to_owned(), "root".to_owned()];
    assert!(matches!(store.issue(spec, at(0)).await, Err(ApiError::Invalid(_))));
    assert!(keys(&store).await.is_empty());
}

#[tokio::test]
async fn the_sweep_removes_what_has_ended_and_only_that() {
    let store = store();
    for ttl_s in [10, 20, 30] {
        issue(&store, spec(ttl_s, None)).await.unwrap();
    }
    let before = keys(&store).await.len();
    assert_eq!(store.sweep(at(9), 100).await.unwrap(), 0);
    assert_eq!(store.sweep(at(20), 1).await.unwrap(), 1);
    assert_eq!(store.sweep(at(20), 100).await.unwrap(), 1);
    assert_eq!(keys(&store).await.len(), before / 3);
    assert_eq!(store.sweep(at(30), 100).await.unwrap(), 1);
    assert_eq!(keys(&store).await, Vec::<String>::new());
}

/// A crash after the mark: everything below is dead already, and the sweep finishes.
#[tokio::test]
async fn a_tree_whose_removal_was_cut_short_is_dead_and_swept() {
    let store = store();
    let (top, top_hash) = issue(&store, spec(1000, None)).await.unwrap();
    let (child, child_hash) = issue(&store, spec(1000, Some(&top_hash))).await.unwrap();
    let (leaf, _) = issue(&store, spec(1000, Some(&child_hash))).await.unwrap();
    let removal = store.remove(&top_hash, None, TokenState::EndedWithTree).await.unwrap();
    assert!(matches!(removal, Removal::Children(children) if children == [child_hash.clone()]));
    for token in [&top, &child, &leaf] {
        assert!(store.authenticate(token, at(1)).await.unwrap().is_none());
    }
    assert!(matches!(store.issue(spec(9, Some(&top_hash)), at(1)).await, Err(ApiError::Denied)));
    assert!(matches!(store.issue(spec(9, Some(&child_hash)), at(1)).await, Err(ApiError::Denied)));
    assert_eq!(store.sweep(at(1), 100).await.unwrap(), 1);
    assert_eq!(keys(&store).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_end_alone_that_was_cut_short_spares_the_children() {
    let store = store();
    let (top, top_hash) = issue(&store, spec(1000, None)).await.unwrap();
    let (child, _) = issue(&store, spec(1000, Some(&top_hash))).await.unwrap();
    store.remove(&top_hash, None, TokenState::EndedAlone).await.unwrap();
    for swept in [false, true] {
        if swept {
            store.sweep(at(1), 100).await.unwrap();
            assert!(store.load(&top_hash).await.unwrap().is_none());
        }
        assert!(store.authenticate(&top, at(1)).await.unwrap().is_none());
        assert!(store.authenticate(&child, at(1)).await.unwrap().is_some());
    }
}

/// Whatever the order, no child outlives its parent and nothing is left behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn children_made_while_their_parent_ends_end_too() {
    for _ in 0..8 {
        let store = store();
        let (_, top) = issue(&store, spec(1000, None)).await.unwrap();
        let births: Vec<_> = (0..16)
            .map(|_| {
                let (store, top) = (store.clone(), top.clone());
                tokio::spawn(async move { store.issue(spec(1000, Some(&top)), at(0)).await })
            })
            .collect();
        let ending = {
            let (store, top) = (store.clone(), top.clone());
            tokio::spawn(async move { store.revoke_tree(&top).await })
        };
        let mut born = Vec::new();
        for birth in births {
            match birth.await.unwrap() {
                Ok(auth) => born.push(auth.client_token),
                Err(error) => assert!(matches!(error, ApiError::Denied), "{error:?}"),
            }
        }
        ending.await.unwrap().unwrap();
        for token in &born {
            assert!(store.authenticate(token, at(1)).await.unwrap().is_none());
        }
        assert_eq!(keys(&store).await, Vec::<String>::new(), "{} were born", born.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn uses_are_counted_exactly_under_concurrency() {
    let store = store();
    let mut spec = spec(1000, None);
    spec.num_uses = 5;
    let token = Arc::new(store.issue(spec, at(0)).await.unwrap().client_token);
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let (store, token) = (store.clone(), token.clone());
            tokio::spawn(async move { store.authenticate(&token, at(1)).await.unwrap().is_some() })
        })
        .collect();
    let mut good = 0;
    for one in uses {
        good += usize::from(one.await.unwrap());
    }
    assert_eq!(good, 5);
    assert_eq!(store.sweep(at(1), 10).await.unwrap(), 1, "used up is ended");
}

#[tokio::test]
async fn times_far_away_do_not_overflow() {
    let store = store();
    let mut endless = spec(u64::MAX, None);
    endless.max_ttl_s = u64::MAX;
    endless.period_s = u64::MAX;
    let (token, _) = issue(&store, endless).await.unwrap();
    let later = at(0).checked_add(SignedDuration::from_hours(24 * 365 * 99)).unwrap();
    assert!(store.authenticate(&token, later).await.unwrap().is_some());
}
