//! Plays the kubelet for the authority's certificate and for the CA that its clients trust: the Secret and the
//! ConfigMap that warden keeps, as folders whose files change all at once.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use regent_types::labels::{AUTHORITY_CA_BUNDLE, AUTHORITY_TLS_SECRET, CA_KEY, SYSTEM_NAMESPACE};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

type Files = BTreeMap<String, ByteString>;

/// The folders, kept as long as this lives.
pub(super) struct Projected {
    folder: PathBuf,
    _keepers: JoinSet<()>,
}

impl Projected {
    /// Keeps them below `folder`; nothing is there before warden has made it.
    pub(super) fn start(admin: &kube::Client, folder: PathBuf) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let secrets: Api<Secret> = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
        let maps: Api<ConfigMap> = Api::namespaced(admin.clone(), SYSTEM_NAMESPACE);
        let mut keepers = JoinSet::new();
        let data = |secret: Secret| secret.data.unwrap_or_default();
        keepers.spawn(keep(secrets, AUTHORITY_TLS_SECRET, folder.join("tls"), data));
        let data = |map: ConfigMap| {
            let texts = map.data.unwrap_or_default().into_iter();
            texts.map(|(name, text)| (name, ByteString(text.into_bytes()))).collect()
        };
        keepers.spawn(keep(maps, AUTHORITY_CA_BUNDLE, folder.join("ca"), data));
        Ok(Self { folder, _keepers: keepers })
    }

    /// Folder with `tls.crt` and `tls.key`.
    pub(super) fn tls_dir(&self) -> PathBuf {
        self.folder.join("tls")
    }

    /// File of the CA certificates.
    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.join("ca").join(CA_KEY)
    }
}

/// What is deleted stays in the folder, as with a kubelet.
async fn keep<K>(api: Api<K>, name: &'static str, place: PathBuf, data: fn(K) -> Files)
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut seen = watch_object(api, name).default_backoff().boxed();
    while let Some(event) = seen.next().await {
        let written = match event {
            Ok(Some(object)) => {
                let version = object.meta().resource_version.clone().unwrap_or_default();
                put(&place, &version, &data(object))
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(object = name, %error, "the watch of what is projected broke");
                continue;
            }
        };
        if let Err(error) = written {
            tracing::warn!(object = name, %error, "it was not projected");
        }
    }
}

/// Makes the link `place` lead to a new folder with `files`.
fn put(place: &Path, version: &str, files: &Files) -> std::io::Result<()> {
    let before = std::fs::read_link(place).ok();
    let now = place.with_extension(format!("v{version}"));
    if before.as_ref() == Some(&now) {
        return Ok(());
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&now)?;
    for (name, content) in files {
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(now.join(name))?;
        file.write_all(&content.0)?;
    }
    let next = place.with_extension("next");
    symlink(&now, &next)?;
    std::fs::rename(&next, place)?;
    before.map_or(Ok(()), std::fs::remove_dir_all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_the_files_of_one_version() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tls");
        let files = |text: &str| {
            Files::from([("tls.crt".to_owned(), ByteString(text.as_bytes().to_vec()))])
        };
        for (version, text) in [("1", "one"), ("1", "one"), ("2", "two")] {
            put(&place, version, &files(text)).unwrap();
            assert_eq!(std::fs::read_to_string(place.join("tls.crt")).unwrap(), text);
        }
        // The link and what it leads to.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
