//! The effects: each one conditional and repeatable. A condition that does not hold is no error;
//! the next look says what to do.

use std::collections::{BTreeMap, BTreeSet};

use regent_api::runtime_secret::GeneratedKey;
use regent_protocol::reason::Reason;
use regent_protocol::record::pending_path;
use regent_protocol::secret_hmac;
use regent_protocol::step::{Effect, Source};
use regent_types::sensitive::duplicate_data;
use regent_types::{SecretData, Sensitive};
use regent_vault::Error as Vault;

use super::authority::Authority;
use super::drive::{Job, World};
use super::error::Error;
use super::random;

/// Why an effect will not happen until somebody changes something.
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
}

type Outcome = Result<Result<(), Refusal>, Error>;

/// Carries out `effect`. What was appended to the ledger is noted in `appended`.
pub(super) async fn run(
    w: &World,
    a: &Authority,
    job: &Job,
    effect: Effect,
    appended: &mut BTreeSet<String>,
) -> Outcome {
    let path = job.path.as_str();
    match effect {
        Effect::WriteFirst { source, hmac } => write_first(w, a, job, &source, &hmac).await,
        Effect::WritePolicy(policy) => {
            let entries: BTreeMap<String, Option<String>> =
                policy.to_metadata().into_iter().map(|(k, v)| (k, Some(v))).collect();
            a.secret.patch_custom_metadata(path, &entries).await?;
            Ok(Ok(()))
        }
        Effect::Ledger(event) => {
            let id = event.id.clone();
            a.ledger.append(*event).await?;
            appended.insert(id);
            Ok(Ok(()))
        }
        Effect::Mark { uid, rv, disposition } => {
            let owner = format!("{}/{}", job.owner.namespace, job.owner.name);
            match job.place(w) {
                Some(place) => place.mark(&uid, &rv, disposition, &owner).await.map(Ok),
                None => Ok(Ok(())),
            }
        }
        Effect::Delete { uid, rv } => match job.place(w) {
            Some(place) => place.delete(&uid, &rv).await.map(Ok),
            None => Ok(Ok(())),
        },
        Effect::Blank { uid, rv } => match job.place(w) {
            Some(place) => place.blank(&uid, &rv).await.map(Ok),
            None => Ok(Ok(())),
        },
        Effect::CreateCandidate { name, renew } => {
            create_candidate(a, job, &name, renew.as_ref()).await
        }
        // Reached only with a target, and none can be declared yet.
        Effect::Set { .. } => Err(Error::Target { path: path.to_owned() }),
        Effect::Promote { candidate, hmac, base } => {
            let Some(data) = pending(a, &candidate).await? else { return Ok(Ok(())) };
            if secret_hmac(a.key().await?, &data) != hmac {
                return Ok(Ok(()));
            }
            written(a.secret.write(path, &data, Some(base)).await.map(drop))
        }
        Effect::Destroy(version) => {
            a.secret.destroy(path, &[version.number]).await?;
            Ok(Ok(()))
        }
        Effect::RemoveCandidates(names) => {
            for name in names {
                a.regent.delete_metadata(&pending_path(&name)).await?;
            }
            Ok(Ok(()))
        }
    }
}

/// A write under `cas`: refused means that somebody was there before, and the next look tells who.
fn written(answer: Result<(), Vault>) -> Outcome {
    match answer {
        Ok(()) => Ok(Ok(())),
        Err(error) if error.is_cas() => Ok(Ok(())),
        Err(Vault::NotText { key }) => Ok(Err(Refusal {
            reason: Reason::NotText,
            message: format!(
                "value of key {key} is not UTF-8 text; store it base64-encoded and let the \
                 ExternalSecret use \
                 decodingStrategy Base64"
            ),
        })),
        Err(error) => Err(error.into()),
    }
}

async fn write_first(w: &World, a: &Authority, job: &Job, source: &Source, hmac: &str) -> Outcome {
    let key = a.key().await?;
    let data = match source {
        Source::Bootstrap => match job.place(w) {
            Some(place) => Some(place.read(key).await?.data),
            None => None,
        },
        Source::Candidate(name) => pending(a, name).await?,
    };
    match data.filter(|d| secret_hmac(key, d) == hmac) {
        Some(data) => written(a.secret.write(job.path.as_str(), &data, Some(0)).await.map(drop)),
        None => Ok(Ok(())),
    }
}

async fn pending(a: &Authority, name: &str) -> Result<Option<SecretData>, Error> {
    Ok(a.regent.read(&pending_path(name), None).await?.and_then(|s| s.data))
}

async fn create_candidate(
    a: &Authority,
    job: &Job,
    name: &str,
    renew: Option<&BTreeMap<String, i64>>,
) -> Outcome {
    let place = pending_path(name);
    let data = match renew {
        None => match &job.secret.spec.introduce.generate {
            Some(generate) => fresh(&generate.keys)?,
            None => return Ok(Err(nothing(std::iter::empty()))),
        },
        Some(keys) => {
            let current = a.secret.read(job.path.as_str(), None).await?.and_then(|s| s.data);
            let Some(current) = current else { return Ok(Ok(())) };
            match replaced(&current, keys) {
                Ok(data) => data?,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    };
    match a.regent.write(&place, &data, Some(0)).await {
        Ok(_) => Ok(Ok(())),
        // Policy grants `create` alone, so that an existing candidate may be answered with a
        // denial.
        Err(error) if error.is_cas() || error.is_denied() => match pending(a, name).await? {
            Some(_) => Ok(Ok(())),
            None => Err(error.into()),
        },
        Err(error) => written(Err(error)),
    }
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
pub(super) fn length(declared: Option<i64>) -> i64 {
    declared.filter(|n| LENGTHS.contains(n)).unwrap_or(LENGTH_DEFAULT)
}

fn characters(declared: i64) -> usize {
    usize::try_from(length(Some(declared))).unwrap_or(32)
}

fn nothing<'a>(known: impl Iterator<Item = &'a str>) -> Refusal {
    let known = known.collect::<Vec<_>>().join(", ");
    let message =
        format!("expected keys to rotate among [{known}]; name them in the step's with.keys");
    Refusal { reason: Reason::NothingToRotate, message }
}

/// Whether a rotation that renews `keys` can be carried out on the value as it is now; asked
/// before it is claimed.
pub(super) async fn renewable(a: &Authority, job: &Job, keys: &BTreeMap<String, i64>) -> Outcome {
    let current = a.secret.read(job.path.as_str(), None).await?.and_then(|s| s.data);
    let Some(current) = current else { return Ok(Ok(())) };
    let known = !keys.is_empty() && keys.keys().all(|k| current.contains_key(k));
    Ok(if known { Ok(()) } else { Err(nothing(current.keys().map(String::as_str))) })
}

/// The current value with new random values under `keys`.
fn replaced(
    current: &SecretData,
    keys: &BTreeMap<String, i64>,
) -> Result<Result<SecretData, Error>, Refusal> {
    if keys.is_empty() || keys.keys().any(|k| !current.contains_key(k)) {
        return Err(nothing(current.keys().map(String::as_str)));
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
}
