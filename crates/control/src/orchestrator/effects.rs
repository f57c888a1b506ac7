//! The effects: each one conditional and repeatable. A condition that does not hold is no error;
//! the next look says what to do.

use std::collections::{BTreeMap, BTreeSet};

use regent_api::RuntimeSecret;
use regent_api::runtime_secret::GeneratedKey;
use regent_protocol::record::pending_path;
use regent_protocol::rotation::nothing_to_rotate;
use regent_protocol::step::Source;
use regent_protocol::{Answer, Effect, Reason, secret_hmac};
use regent_types::sensitive::duplicate_data;
use regent_types::{SecretData, Sensitive};
use regent_vault::Error as Vault;

use super::authority::Authority;
use super::bootstrap::BootstrapSecretRef;
use super::ctx::Ctx;
use super::declared::Declared;
use super::error::Error;
use super::random;
use super::values::Values;

/// Why an effect will not happen until somebody changes something.
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
}

type Answered = Result<Result<Answer, Refusal>, Error>;

/// Carries out `effect`. `values` holds what the session has read or made for it.
pub(super) async fn run(
    ctx: &Ctx,
    a: &Authority,
    declared: &Declared,
    effect: Effect,
    values: &mut Values,
) -> Answered {
    let path = declared.path.as_str();
    match effect {
        Effect::WriteFirst { over, source, hmac } => {
            let data = first_value(ctx, a, declared, &source, values).await?;
            write(a, path, data, &hmac, over).await
        }
        Effect::Promote { candidate, hmac, base } => {
            let data = candidate_value(a, &candidate, values).await?;
            write(a, path, data, &hmac, base).await
        }
        Effect::CreateCandidate { name, renew } => {
            create_candidate(a, declared, &name, renew.as_ref(), values).await
        }
        Effect::WritePolicy(policy) => {
            let entries: BTreeMap<String, Option<String>> =
                policy.to_metadata().into_iter().map(|(k, v)| (k, Some(v))).collect();
            a.secret.patch_custom_metadata(path, &entries).await?;
            Ok(Ok(Answer::Done))
        }
        Effect::Ledger(event) => {
            a.ledger.append(*event).await?;
            Ok(Ok(Answer::Done))
        }
        Effect::Destroy(version) => {
            a.secret.destroy(path, &[version.number]).await?;
            Ok(Ok(Answer::Done))
        }
        Effect::RemoveCandidates(names) => {
            for name in names {
                a.regent.delete_metadata(&pending_path(&name)).await?;
            }
            Ok(Ok(Answer::Done))
        }
        // Reached only with a target, and none can be declared yet.
        Effect::Set { .. } => Err(Error::Target { path: path.to_owned() }),
        // The session writes it: it keeps the object.
        Effect::Project(_) => Ok(Ok(Answer::Lost)),
        Effect::Mark { .. } | Effect::Delete { .. } | Effect::Blank { .. } => {
            match declared.bootstrap(ctx) {
                Some(secret) => of_bootstrap(&secret, declared, effect).await.map(Ok),
                None => Ok(Ok(Answer::Lost)),
            }
        }
    }
}

/// Effects on the bootstrap Secret.
async fn of_bootstrap(
    secret: &BootstrapSecretRef<'_>,
    declared: &Declared,
    effect: Effect,
) -> Result<Answer, Error> {
    match effect {
        Effect::Mark { uid, rv, disposition } => {
            let owner = format!("{}/{}", declared.owner.namespace, declared.owner.name);
            secret.mark(&uid, &rv, disposition, &owner).await
        }
        Effect::Delete { uid, rv } => secret.delete(&uid, &rv).await,
        Effect::Blank { uid, rv } => secret.blank(&uid, &rv).await,
        _ => Ok(Answer::Lost),
    }
}

/// Writes `data` over version `base`, if it is the value meant. A write that is refused tells that
/// somebody was there before.
async fn write(
    a: &Authority,
    path: &str,
    data: Option<SecretData>,
    hmac: &str,
    base: i64,
) -> Answered {
    let key = a.key().await?;
    let Some(data) = data.filter(|d| secret_hmac(key, d) == hmac) else {
        return Ok(Ok(Answer::Lost));
    };
    written(a.secret.write(path, &data, Some(base)).await.map(Answer::Written))
}

fn written(answer: Result<Answer, Vault>) -> Answered {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) if error.is_cas() => Ok(Ok(Answer::Lost)),
        Err(Vault::NotText { key }) => Ok(Err(Refusal {
            reason: Reason::NotText,
            message: format!(
                "value of key {key} is not UTF-8 text; store it base64-encoded and let the \
                 ExternalSecret use decodingStrategy Base64"
            ),
        })),
        Err(error) => Err(error.into()),
    }
}

async fn first_value(
    ctx: &Ctx,
    a: &Authority,
    declared: &Declared,
    source: &Source,
    values: &mut Values,
) -> Result<Option<SecretData>, Error> {
    match source {
        Source::Candidate(name) => candidate_value(a, name, values).await,
        Source::Bootstrap => match (values.bootstrap.take(), declared.bootstrap(ctx)) {
            (Some(data), _) => Ok(Some(data)),
            (None, Some(secret)) => Ok(Some(secret.read(a.key().await?).await?.data)),
            (None, None) => Ok(None),
        },
    }
}

/// The candidate's value: the one that the session made or read, else as it was persisted.
async fn candidate_value(
    a: &Authority,
    name: &str,
    values: &mut Values,
) -> Result<Option<SecretData>, Error> {
    match values.candidate.take().filter(|(known, _)| known == name) {
        Some((_, data)) => Ok(Some(data)),
        None => pending(a, name).await,
    }
}

async fn pending(a: &Authority, name: &str) -> Result<Option<SecretData>, Error> {
    Ok(a.regent.read(&pending_path(name), None).await?.and_then(|s| s.data))
}

async fn create_candidate(
    a: &Authority,
    declared: &Declared,
    name: &str,
    renew: Option<&BTreeMap<String, i64>>,
    values: &mut Values,
) -> Answered {
    let data = match renew {
        None => match &declared.secret.spec.introduce.generate {
            Some(generate) => fresh(&generate.keys)?,
            None => return Ok(Err(nothing(&BTreeSet::new()))),
        },
        Some(keys) => {
            let current = match values.newest.take() {
                Some(data) => Some(data),
                None => a.secret.read(declared.path.as_str(), None).await?.and_then(|s| s.data),
            };
            let Some(current) = current else { return Ok(Ok(Answer::Lost)) };
            match replaced(&current, keys) {
                Ok(data) => data?,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    };
    let kept = match a.regent.write(&pending_path(name), &data, Some(0)).await {
        Ok(_) => data,
        // Policy grants `create` alone, so that an existing candidate may be answered with a
        // denial.
        Err(error) if error.is_cas() || error.is_denied() => match pending(a, name).await? {
            Some(there) => there,
            None => return Err(error.into()),
        },
        Err(error) => return written(Err(error)),
    };
    let hmac = secret_hmac(a.key().await?, &kept);
    values.candidate = Some((name.to_owned(), kept));
    Ok(Ok(Answer::Candidate(hmac)))
}

fn fresh(keys: &BTreeMap<String, GeneratedKey>) -> Result<SecretData, Error> {
    keys.iter()
        .map(|(name, key)| {
            let value = match &key.value {
                Some(fixed) => Sensitive::new(fixed.as_bytes().to_vec()),
                None => random::password(characters(length(key.length)))?,
            };
            Ok((name.clone(), value))
        })
        .collect()
}

/// Characters where neither length nor value is declared.
const LENGTH_DEFAULT: i64 = 32;

/// Shortest and longest value, as in RuntimeSecret's schema.
const LENGTHS: std::ops::RangeInclusive<i64> = 16..=4_096;

/// Length of a generated value; out of bounds counts as not declared.
fn length(declared: Option<i64>) -> i64 {
    declared.filter(|n| LENGTHS.contains(n)).unwrap_or(LENGTH_DEFAULT)
}

fn characters(declared: i64) -> usize {
    usize::try_from(length(Some(declared))).unwrap_or(32)
}

/// Keys that a rotation renews, with the length of their new values: `with.keys` and
/// `with.length`, else every key that was declared without a fixed value.
pub(super) fn renewed(
    secret: &RuntimeSecret,
    with: &BTreeMap<String, String>,
) -> BTreeMap<String, i64> {
    let declared: BTreeMap<String, i64> = match &secret.spec.introduce.generate {
        Some(generate) => generate
            .keys
            .iter()
            .filter(|(_, key)| key.value.is_none())
            .map(|(name, key)| (name.clone(), length(key.length)))
            .collect(),
        None => BTreeMap::new(),
    };
    let Some(named) = with.get("keys") else { return declared };
    let length = length(with.get("length").and_then(|l| l.parse().ok()));
    let names = named.split(',').map(str::trim).filter(|n| !n.is_empty());
    names.map(|n| (n.to_owned(), *declared.get(n).unwrap_or(&length))).collect()
}

fn nothing(known: &BTreeSet<String>) -> Refusal {
    Refusal { reason: Reason::NothingToRotate, message: nothing_to_rotate(known) }
}

/// The current value with new random values under `keys`.
fn replaced(
    current: &SecretData,
    keys: &BTreeMap<String, i64>,
) -> Result<Result<SecretData, Error>, Refusal> {
    if keys.is_empty() || keys.keys().any(|k| !current.contains_key(k)) {
        return Err(nothing(&current.keys().cloned().collect()));
    }
    let mut data = duplicate_data(current);
    for (name, length) in keys {
        match random::password(characters(*length)) {
            Ok(value) => data.insert(name.clone(), value),
            Err(error) => return Ok(Err(error)),
        };
    }
    Ok(Ok(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &Sensitive<Vec<u8>>) -> String {
        String::from_utf8_lossy(value.expose()).into_owned()
    }

    #[test]
    fn a_first_value_keeps_fixed_keys_and_draws_the_others() {
        let key =
            |length, value: Option<&str>| GeneratedKey { length, value: value.map(Into::into) };
        let keys = BTreeMap::from([
            ("username".to_owned(), key(None, Some("app"))),
            ("password".to_owned(), key(Some(24), None)),
            ("token".to_owned(), key(None, None)),
        ]);
        let data = fresh(&keys).unwrap();
        assert_eq!(text(&data["username"]), "app");
        assert_eq!(text(&data["password"]).len(), 24);
        assert_eq!(text(&data["token"]).len(), 32);
    }

    #[test]
    fn a_rotation_changes_only_the_named_keys_and_refuses_unknown_ones() {
        let current: SecretData = [("username", "app"), ("password", "old")]
            .into_iter()
            .map(|(k, v)| (k.to_owned(), Sensitive::new(v.as_bytes().to_vec())))
            .collect();
        let keys = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), 16)).collect();
        let Ok(Ok(data)) = replaced(&current, &keys(&["password"])) else { panic!("refused") };
        assert_eq!(text(&data["username"]), "app");
        assert_eq!(text(&data["password"]).len(), 16);
        for bad in [keys(&[]), keys(&["nope"])] {
            assert!(replaced(&current, &bad).is_err());
        }
    }

    #[test]
    fn a_rotation_renews_declared_lengths_or_the_keys_that_the_step_names() {
        let with = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let secret = |introduce: serde_json::Value| -> RuntimeSecret {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "regent.dev/v1alpha1", "kind": "RuntimeSecret",
                "metadata": { "namespace": "payments", "name": "db" },
                "spec": { "owner": "o", "purpose": "p", "introduce": introduce },
            }))
            .unwrap()
        };
        let keys = serde_json::json!({ "user": { "value": "app" }, "password": { "length": 20 } });
        let generated = secret(serde_json::json!({ "generate": { "keys": keys } }));
        let password = |n| BTreeMap::from([("password".to_owned(), n)]);
        assert_eq!(renewed(&generated, &with(&[])), password(20));
        let both = BTreeMap::from([("password".to_owned(), 20), ("user".to_owned(), 32)]);
        assert_eq!(renewed(&generated, &with(&[("keys", "user, password")])), both);
        let handed = secret(serde_json::json!({ "handover": { "bootstrapSecret": "db" } }));
        assert!(renewed(&handed, &with(&[])).is_empty());
        let short = with(&[("keys", "password"), ("length", "1")]);
        assert_eq!(renewed(&handed, &short), password(32));
    }
}
