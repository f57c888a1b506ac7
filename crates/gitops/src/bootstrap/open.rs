//! Opens a manifest on a thread of its own: MAC first, then the plaintext must be the Secret that
//! the manifest's own namespace and name say (S5.2-4).

use std::sync::Arc;

use regent_api::EncryptedManifest;
use regent_manifest::Error;
use regent_manifest::keys::Identities;
use regent_manifest::secret::PlainSecret;
use regent_manifest::sops;
use regent_types::Explain;

use super::BootstrapError;
use super::hmac::HmacKey;
use super::metadata::OWN;
use super::plan::NotReady;
use super::reason::Reason;
use crate::gitrepo::printable;

#[derive(Debug)]
pub(super) struct Opened {
    /// The Secret; its values never print.
    pub(super) secret: PlainSecret,
    /// HMAC of its data.
    pub(super) hmac: String,
}

/// Opens `manifest` with `identities`.
///
/// # Errors
/// [`NotReady`] says why it yields no Secret; [`BootstrapError`] only where the thread itself failed.
pub(super) async fn open(
    manifest: &EncryptedManifest,
    identities: Arc<Identities>,
    key: Arc<HmacKey>,
) -> Result<Result<Opened, NotReady>, BootstrapError> {
    let text = manifest.spec.sops.clone();
    let namespace = manifest.metadata.namespace.clone().unwrap_or_default();
    let name = manifest.metadata.name.clone().unwrap_or_default();
    let thread = tokio::task::spawn_blocking(move || {
        let secret = read(&text, &identities, &namespace, &name)?;
        let hmac = key.of_data(&secret.data).unwrap_or_default();
        Ok(Opened { secret, hmac })
    });
    thread.await.map_err(|_| BootstrapError::Host { what: "opening a manifest was interrupted" })
}

/// The Secret in `text`, if it is sealed soundly and for `namespace`/`name`.
fn read(
    text: &str,
    identities: &Identities,
    namespace: &str,
    name: &str,
) -> Result<PlainSecret, NotReady> {
    let opened = sops::open(text, identities).map_err(not_ready)?;
    if opened.mac_only_encrypted {
        let message = "its MAC leaves plain values out (mac_only_encrypted), so that nothing binds \
                       it to a namespace and name: seal it again without that option";
        return Err(NotReady {
            reason: Reason::Refused("WrongTarget"),
            message: message.to_owned(),
        });
    }
    let secret = PlainSecret::parse(&opened.plaintext).map_err(not_ready)?;
    refuse_what_cannot_act(&secret)?;
    let found = secret.namespace.as_deref().unwrap_or("(none)");
    if found != namespace || secret.name != name {
        let message = format!(
            "it was sealed for Secret {found}/{}, and this manifest is {namespace}/{name}: give \
             the manifest that namespace and name, or seal it again",
            secret.name
        );
        return Err(NotReady { reason: Reason::Refused("WrongTarget"), message });
    }
    Ok(secret)
}

/// What a bootstrap Secret cannot be or carry is refused by its name: a field that is dropped in silence is a lie.
fn refuse_what_cannot_act(secret: &PlainSecret) -> Result<(), NotReady> {
    if secret.immutable {
        let message = "it says immutable: true, and a bootstrap Secret changes when its manifest does and when the \
                       authority takes over: remove that field and seal it again";
        return Err(refused("Immutable", message.to_owned()));
    }
    let mut keys = secret.labels.keys().chain(secret.annotations.keys());
    match keys.find(|key| key.starts_with(OWN)) {
        Some(key) => {
            let key = printable(key.as_bytes());
            let message = format!(
                "it says {key}, and only regent says what begins with {OWN}: remove that line"
            );
            Err(refused("ReservedMark", message))
        }
        None => Ok(()),
    }
}

fn refused(reason: &'static str, message: String) -> NotReady {
    NotReady { reason: Reason::Refused(reason), message }
}

/// The reason and message of an error about a manifest. They name places and recipients and never a
/// value.
fn not_ready(error: Error) -> NotReady {
    let reason = match &error {
        Error::NoIdentity => Reason::NoIdentity,
        Error::WrongIdentity { .. } => Reason::WrongIdentity,
        Error::NotSecret { .. } | Error::BadSecret { .. } => Reason::Refused("NotASecret"),
        // A ciphertext that was altered or moved is found before the MAC over all of them.
        Error::BadCiphertext { .. } | Error::PlainUnderRule { .. } => Reason::Refused("BadMac"),
        other => Reason::Refused(other.reason()),
    };
    let advice = error.advice();
    NotReady { reason, message: format!("{error}; {}", advice.action) }
}

#[cfg(test)]
impl Opened {
    /// An opened manifest without a sealed file.
    pub(super) fn sample(
        namespace: &str,
        name: &str,
        labels: std::collections::BTreeMap<String, String>,
        data: regent_types::SecretData,
    ) -> Self {
        let secret = PlainSecret {
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
            type_: None,
            labels,
            annotations: std::collections::BTreeMap::new(),
            immutable: false,
            data,
        };
        Self { secret, hmac: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use regent_manifest::keys;
    use regent_manifest::sops::{SealOptions, seal};

    const PLAIN: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  \
                         namespace: payments\nstringData:\n  password: planted-value\n";

    fn sealed(plain: &str) -> (String, Identities) {
        let new = keys::generate();
        let options = SealOptions::new([new.recipient.clone()], Timestamp::UNIX_EPOCH);
        let identities = Identities::parse(new.identity.expose()).unwrap();
        (seal(plain, &options).unwrap(), identities)
    }

    fn reason(text: &str, identities: &Identities, namespace: &str, name: &str) -> &'static str {
        let not_ready = read(text, identities, namespace, name).unwrap_err();
        assert!(!format!("{not_ready:?}").contains("planted-value"));
        not_ready.reason.text()
    }

    #[test]
    fn a_manifest_opens_for_its_own_namespace_and_name() {
        let (text, identities) = sealed(PLAIN);
        let secret = read(&text, &identities, "payments", "db").unwrap();
        assert_eq!(secret.data["password"].expose().as_slice(), b"planted-value");
    }

    /// S5.2-4: a manifest can produce a Secret only where it was sealed for.
    #[test]
    fn a_manifest_of_another_namespace_or_name_is_refused() {
        let (text, identities) = sealed(PLAIN);
        for (namespace, name) in [("billing", "db"), ("payments", "db2"), ("", "db")] {
            assert_eq!(reason(&text, &identities, namespace, name), "WrongTarget");
        }
        let nowhere = PLAIN.replace("  namespace: payments\n", "");
        let (text, identities) = sealed(&nowhere);
        assert_eq!(reason(&text, &identities, "payments", "db"), "WrongTarget");
    }

    #[test]
    fn a_manifest_moved_by_editing_its_clear_metadata_fails_its_mac() {
        let (text, identities) = sealed(PLAIN);
        let moved = text.replace("namespace: payments", "namespace: billing");
        assert_eq!(reason(&moved, &identities, "billing", "db"), "BadMac");
    }

    #[test]
    fn each_way_to_fail_has_its_reason() {
        let (text, identities) = sealed(PLAIN);
        let (_, others) = sealed(PLAIN);
        assert_eq!(reason(&text, &others, "payments", "db"), "WrongIdentity");
        assert_eq!(reason(PLAIN, &identities, "payments", "db"), "NotSealed");
        let (text, identities) = sealed(&PLAIN.replace("kind: Secret", "kind: ConfigMap"));
        assert_eq!(reason(&text, &identities, "payments", "db"), "NotASecret");
    }

    #[test]
    fn g07_what_a_bootstrap_secret_cannot_be_is_refused_by_its_name() {
        let (text, identities) = sealed(&format!("immutable: true\n{PLAIN}"));
        assert_eq!(reason(&text, &identities, "payments", "db"), "Immutable");
        let marked = PLAIN
            .replace("  name: db\n", "  name: db\n  labels: {regent.dev/class: materialized}\n");
        let (text, identities) = sealed(&marked);
        assert_eq!(reason(&text, &identities, "payments", "db"), "ReservedMark");
    }
}
