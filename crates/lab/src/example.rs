//! The example platform as a repository's content: templates filled with fresh random values and sealed.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use regent_manifest::sops::{self, SealOptions};
use regent_types::Sensitive;
use regent_types::labels::AUTHORITY_SERVICE_URL;
use regent_types::login::Login;

use super::options::External;
use super::trust::Trust;

/// Why the example could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExampleError {
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Random,
    /// A template could not be sealed.
    #[error("sealing {file}")]
    Seal {
        /// Path of the template inside the example.
        file: String,
        /// What sealing it failed with.
        #[source]
        source: regent_manifest::Error,
    },
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../../examples/platform/", $name)))),*]
    };
}

const FILES: [(&str, &str); 16] = files![
    "README.md",
    "regent/authority.yaml",
    "regent/store.yaml",
    "payments/namespace.yaml",
    "payments/ledger-db.secret.tmpl",
    "payments/webhook-token.secret.tmpl",
    "payments/secrets.yaml",
    "payments/rotation.yaml",
    "checkout/namespace.yaml",
    "checkout/webhook.yaml",
    "data/namespace.yaml",
    "data/publish.yaml",
    "analytics/namespace.yaml",
    "analytics/postgres.yaml",
    "playground/namespace.yaml",
    "playground/nosy.yaml",
];

const TEMPLATE: &str = ".secret.tmpl";

/// The files of the example repository, with `extra` further secrets in the namespace `scale`; `external` is the
/// authority that is not the embedded one.
pub(super) fn files(
    trust: &Trust,
    extra: u32,
    external: Option<&External>,
    now: Timestamp,
) -> Result<BTreeMap<String, Vec<u8>>, ExampleError> {
    let mut all = BTreeMap::new();
    for (name, text) in FILES {
        match external {
            Some(external) => add(&mut all, trust, name, &elsewhere(text, external), now)?,
            None => add(&mut all, trust, name, text, now)?,
        }
    }
    if extra > 0 {
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: scale\n";
        add(&mut all, trust, "scale/namespace.yaml", namespace, now)?;
    }
    for number in 0..extra {
        let name = format!("s-{number:05}");
        let secret = SECRET.replace("NAME", &name);
        add(&mut all, trust, &format!("scale/{name}{TEMPLATE}"), &secret, now)?;
        let (disposition, target) = if number % 2 == 0 {
            ("become", name.clone())
        } else {
            ("delete", format!("{name}-live"))
        };
        let declared = DECLARED
            .replace("NAME", &name)
            .replace("DISPOSITION", disposition)
            .replace("TARGET", &target);
        add(&mut all, trust, &format!("scale/{name}.yaml"), &declared, now)?;
    }
    Ok(all)
}

/// `text` for `external` instead of the embedded authority.
fn elsewhere(text: &str, external: &External) -> String {
    let External { address, login, .. } = external;
    let mut declared = format!("spec:\n  external:\n    address: {address}\n");
    if *login != Login::default() {
        let Login { mount, method } = login;
        declared.push_str(&format!("    login:\n      mount: {mount}\n      method: {method:?}\n"));
    }
    declared.push_str("  installation:");
    text.replace(AUTHORITY_SERVICE_URL, address)
        .replace("mountPath: kubernetes\n", &format!("mountPath: {}\n", login.mount))
        .replace("spec:\n  installation:", &declared)
}

const SECRET: &str = "apiVersion: v1
kind: Secret
metadata:
  name: NAME
  namespace: scale
type: Opaque
stringData:
  username: NAME
  password: ${random:32}
";

const DECLARED: &str = "apiVersion: regent.dev/v1alpha1
kind: RuntimeSecret
metadata:
  name: NAME
  namespace: scale
spec:
  owner: team-scale
  purpose: measuring
  introduce:
    handover:
      bootstrapSecret: NAME
      disposition: DISPOSITION
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata:
  name: NAME
  namespace: scale
spec:
  refreshInterval: 1h0m0s
  secretStoreRef:
    name: vault-backend
    kind: ClusterSecretStore
  target:
    name: TARGET
  dataFrom:
    - extract:
        key: runtime/scale/NAME
";

fn add(
    all: &mut BTreeMap<String, Vec<u8>>,
    trust: &Trust,
    name: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), ExampleError> {
    let Some(stem) = name.strip_suffix(TEMPLATE) else {
        let text = fill(text, "${holder:", |n| Ok(trust.holder_recipient(n)))?;
        all.insert(name.to_owned(), text.into_bytes());
        return Ok(());
    };
    let plain = Sensitive::new(fill(text, "${random:", random_text)?);
    let options = SealOptions::new(vec![trust.manifest_recipient()], now);
    let sealed = sops::seal(plain.expose(), &options)
        .map_err(|source| ExampleError::Seal { file: name.to_owned(), source })?;
    all.insert(format!("{stem}.enc.yaml"), sealed.into_bytes());
    Ok(())
}

/// Replaces every `OPEN N}` in `text` by what `with(N)` gives.
fn fill(
    text: &str,
    open: &str,
    with: impl Fn(usize) -> Result<String, ExampleError>,
) -> Result<String, ExampleError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(open) {
        filled.push_str(before);
        let (number, tail) = after.split_once('}').unwrap_or((after, ""));
        filled.push_str(&with(number.parse().unwrap_or(1))?);
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// `length` random letters and digits, unbiased: bytes of 248 and above are drawn again (248 = 4 × 62).
pub(super) fn random_text(length: usize) -> Result<String, ExampleError> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut text = String::with_capacity(length);
    let mut block = zeroize::Zeroizing::new([0_u8; 64]);
    while text.len() < length {
        getrandom::fill(&mut *block).map_err(|_| ExampleError::Random)?;
        let fair = block.iter().filter(|b| **b < 248);
        text.extend(
            fair.map(|b| char::from(LETTERS[usize::from(b % 62)])).take(length - text.len()),
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_one_by_one() {
        let filled = fill("a ${random:3} b ${random:5}\n", "${random:", |n| Ok("x".repeat(n)));
        assert_eq!(filled.unwrap(), "a xxx b xxxxx\n");
    }

    #[test]
    fn random_text_has_its_length_and_never_repeats() {
        let (one, two) = (random_text(40).unwrap(), random_text(40).unwrap());
        assert_eq!((one.len(), two.len()), (40, 40));
        assert_ne!(one, two);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric()));
    }

    /// Every file of `examples/platform` is in the binary.
    #[test]
    fn no_example_file_is_forgotten() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/platform");
        let mut found = Vec::new();
        for folder in std::fs::read_dir(&root).unwrap() {
            let folder = folder.unwrap().path();
            if !folder.is_dir() {
                continue;
            }
            for file in std::fs::read_dir(&folder).unwrap() {
                let file = file.unwrap().path();
                found.push(file.strip_prefix(&root).unwrap().display().to_string());
            }
        }
        found.push("README.md".into());
        found.sort();
        let mut known: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        known.sort();
        assert_eq!(found, known);
    }
}
