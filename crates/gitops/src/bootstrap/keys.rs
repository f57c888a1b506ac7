//! The two keys bootstrap holds: the identities that open manifests, and its own HMAC key. Both are
//! read by name.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use regent_manifest::keys::Identities;
use regent_operator::Context;
use regent_operator::wiped_secret::WipedSecret;
use regent_operator::write::FieldManager;
use regent_types::{Explain, Sensitive, labels};
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::BootstrapError;
use super::hmac::{HmacKey, KEY_LEN};
use super::plan::NotReady;
use super::reason::Reason;

/// How long identities are used before the Secret is read again.
const IDENTITIES_AGE_MAX: Duration = Duration::from_secs(30);
/// Within this time even a failure does not read them again: a thousand manifests without their
/// identity ask once a second, not a thousand times.
const IDENTITIES_AGE_MIN: Duration = Duration::from_millis(500);

struct Cached {
    version: Option<String>,
    read: Instant,
    identities: Result<Arc<Identities>, NotReady>,
}

/// Reads and keeps the keys.
pub(super) struct Keys {
    manager: FieldManager,
    secrets: Api<Secret>,
    identities: Mutex<Option<Cached>>,
    hmac: Mutex<Option<Arc<HmacKey>>>,
}

/// Identities, and when they were read.
pub(super) type IdentitiesRead = (Result<Arc<Identities>, NotReady>, Instant);

impl Keys {
    /// Keys in the Secrets of `namespace`.
    pub(super) fn new(cx: &Context, namespace: &str) -> Self {
        Self {
            secrets: Api::namespaced(cx.api.clone(), namespace),
            manager: cx.manager(),
            identities: Mutex::new(None),
            hmac: Mutex::new(None),
        }
    }

    /// The identities: those read last if they are young enough and were read after `newer_than`,
    /// else the Secret is read again. A Secret that did not change is not parsed again.
    pub(super) async fn identities(
        &self,
        newer_than: Option<Instant>,
    ) -> Result<IdentitiesRead, BootstrapError> {
        let mut cache = self.identities.lock().await;
        let usable = |c: &Cached| {
            let age = c.read.elapsed();
            age < IDENTITIES_AGE_MIN
                || (age < IDENTITIES_AGE_MAX && newer_than.is_none_or(|t| c.read > t))
        };
        if let Some(cached) = cache.as_ref().filter(|c| usable(c)) {
            return Ok((cached.identities.clone(), cached.read));
        }
        let name = labels::MANIFEST_IDENTITY_SECRET;
        let secret = self
            .secrets
            .get_opt(name)
            .await
            .map_err(|e| BootstrapError::secret("read", name, &e))?;
        let version = secret.as_ref().and_then(|s| s.metadata.resource_version.clone());
        let same = cache.as_ref().filter(|c| version.is_some() && c.version == version);
        let identities = match same {
            Some(cached) => cached.identities.clone(),
            None => parse(secret),
        };
        let read = Instant::now();
        *cache = Some(Cached { version, read, identities: identities.clone() });
        Ok((identities, read))
    }

    /// Bootstrap's own HMAC key: made once, and never changed by bootstrap afterwards.
    pub(super) async fn hmac(&self) -> Result<Arc<HmacKey>, BootstrapError> {
        let mut cache = self.hmac.lock().await;
        if let Some(key) = cache.as_ref() {
            return Ok(Arc::clone(key));
        }
        let name = labels::BOOTSTRAP_HMAC_SECRET;
        let fail = |verb| move |e: kube::Error| BootstrapError::secret(verb, name, &e);
        let found = self.secrets.get_opt(name).await.map_err(fail("read"))?;
        let secret = match found {
            Some(secret) => secret,
            None => match self.secrets.create(&self.manager.post(), &*new_key()?).await {
                Ok(secret) => secret,
                // Another replica was first; its key counts.
                Err(kube::Error::Api(s)) if s.is_already_exists() => {
                    self.secrets.get(name).await.map_err(fail("read"))?
                }
                Err(error) => return Err(fail("create")(error)),
            },
        };
        let mut secret = WipedSecret::new(secret);
        let bytes = secret.data.as_mut().and_then(|data| data.remove("key"));
        let key = bytes
            .and_then(|bytes| HmacKey::new(Sensitive::new(bytes.0)))
            .map(Arc::new)
            .ok_or_else(|| BootstrapError::BadKey { secret: name.to_owned() })?;
        *cache = Some(Arc::clone(&key));
        Ok(key)
    }
}

fn new_key() -> Result<WipedSecret, BootstrapError> {
    let mut key = vec![0; KEY_LEN];
    getrandom::fill(&mut key)
        .map_err(|_| BootstrapError::Host { what: "no randomness from the operating system" })?;
    Ok(WipedSecret::new(Secret {
        metadata: ObjectMeta {
            name: Some(labels::BOOTSTRAP_HMAC_SECRET.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some([("key".to_owned(), k8s_openapi::ByteString(key))].into()),
        ..Secret::default()
    }))
}

fn parse(secret: Option<Secret>) -> Result<Arc<Identities>, NotReady> {
    let none = |problem: String| NotReady {
        reason: Reason::NoIdentity,
        message: format!(
            "{problem}: put an age identity into key `identities` of Secret {}/{}",
            labels::SYSTEM_NAMESPACE,
            labels::MANIFEST_IDENTITY_SECRET
        ),
    };
    let bytes = secret
        .ok_or_else(|| none("there is no manifest identity".to_owned()))?
        .data
        .and_then(|mut data| data.remove("identities"))
        .map(|bytes| Zeroizing::new(bytes.0))
        .ok_or_else(|| none("the Secret has no key `identities`".to_owned()))?;
    let (usable, skipped) = usable_lines(&bytes);
    let note = skipped_note(&skipped);
    if !skipped.is_empty() {
        tracing::warn!(component = "bootstrap", detail = note, "lines of the identity are skipped");
    }
    let text = std::str::from_utf8(&usable).map_err(|_| none("it is not text".to_owned()))?;
    Identities::parse(text).map(Arc::new).map_err(|e| none(format!("{} ({e}{note})", e.reason())))
}

/// The lines that are identities which can be read, and the numbers of those that are something else: an SSH key, a
/// plugin's or a later kind of identity takes nothing from the others.
fn usable_lines(bytes: &[u8]) -> (Zeroizing<Vec<u8>>, Vec<usize>) {
    const BOM: &[u8] = b"\xef\xbb\xbf";
    let mut usable = Zeroizing::new(Vec::with_capacity(bytes.len()));
    let mut skipped = Vec::new();
    let text = bytes.strip_prefix(BOM).unwrap_or(bytes);
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let parsed = std::str::from_utf8(line).ok().map(Identities::parse);
        if parsed.is_some_and(|parsed| parsed.is_ok()) {
            usable.extend_from_slice(line);
            usable.push(b'\n');
        } else {
            skipped.push(index + 1);
        }
    }
    (usable, skipped)
}

/// Names lines by their numbers, never by what stands there.
fn skipped_note(skipped: &[usize]) -> String {
    const NAMED_MAX: usize = 5;
    if skipped.is_empty() {
        return String::new();
    }
    let named: Vec<String> = skipped.iter().take(NAMED_MAX).map(usize::to_string).collect();
    let more = skipped.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; skipped as no age identity: line {}{more}", named.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use regent_manifest::keys::generate;

    fn secret(text: &str) -> Option<Secret> {
        let data = [("identities".to_owned(), ByteString(text.as_bytes().to_vec()))];
        Some(Secret { data: Some(data.into()), ..Secret::default() })
    }

    #[test]
    fn g05_a_line_of_another_kind_takes_nothing_from_the_others() {
        let good = generate();
        let key = good.identity.expose().trim().to_owned();
        let pq = "AGE-SECRET-KEY-PQ-1QQQQQQQQQQQQQQQQQQQQ";
        let plugin = "AGE-PLUGIN-YUBIKEY-1QQQQQQQQQQQQQQ";
        let armour = |end: &str| format!("-----{end} OPENSSH PRIVATE {}-----", "KEY");
        let ssh = format!("{}\nb3BlbnNzaC1rZXk\n{}", armour("BEGIN"), armour("END"));
        for other in [pq, plugin, &ssh, "planted", "caf\u{e9}"] {
            for text in [format!("{other}\n{key}\n"), format!("\u{feff}# mine\n{key}\r\n{other}")] {
                assert!(parse(secret(&text)).is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn g05_without_a_good_line_the_bad_ones_are_named_by_number_and_not_quoted() {
        let refused = parse(secret("# head\nplanted-one\nplanted-two\n")).unwrap_err();
        assert_eq!(refused.reason, Reason::NoIdentity);
        assert!(refused.message.contains("line 2, 3"), "{}", refused.message);
        assert!(!refused.message.contains("planted"));
    }
}
