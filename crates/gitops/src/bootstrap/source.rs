//! Where a bootstrap Secret says it came from (S5.2-6): intent writes it into the manifest; under
//! Flux and Argo CD the revision of the owning Kustomization or Application counts; else it is
//! `unknown`, and `verify` says so.

use kube::Api;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use regent_api::EncryptedManifest;
use serde_json::Value;

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "unknown";
/// Labels by which Flux marks what a Kustomization applied.
const FLUX_NAME: &str = "kustomize.toolkit.fluxcd.io/name";
const FLUX_NAMESPACE: &str = "kustomize.toolkit.fluxcd.io/namespace";
/// Label and annotation by which Argo CD marks what an Application applied.
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";
const ARGO_TRACKING: &str = "argocd.argoproj.io/tracking-id";
/// Where Argo CD keeps Applications unless they name a namespace.
const ARGO_NAMESPACE: &str = "argocd";

/// Repository, commit and file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) repository: String,
    pub(super) commit: String,
    pub(super) file: String,
}

impl Source {
    /// As intent wrote it.
    pub(super) fn stated(manifest: &EncryptedManifest) -> Option<Self> {
        let source = manifest.spec.source.as_ref()?;
        let or_unknown = |text: &str| if text.is_empty() { UNKNOWN } else { text }.to_owned();
        Some(Self {
            repository: or_unknown(&source.repository),
            commit: or_unknown(&source.commit),
            file: or_unknown(&source.file),
        })
    }

    pub(super) fn unknown() -> Self {
        let unknown = || UNKNOWN.to_owned();
        Self { repository: unknown(), commit: unknown(), file: unknown() }
    }
}

/// Who applied a manifest that intent did not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Flux { namespace: String, name: String },
    Argo { namespace: String, name: String },
}

fn owner(manifest: &EncryptedManifest) -> Option<Owner> {
    let labels = manifest.metadata.labels.as_ref();
    let label = |name: &str| labels.and_then(|l| l.get(name)).cloned();
    if let (Some(name), Some(namespace)) = (label(FLUX_NAME), label(FLUX_NAMESPACE)) {
        return Some(Owner::Flux { namespace, name });
    }
    let annotations = manifest.metadata.annotations.as_ref();
    let tracked = annotations
        .and_then(|a| a.get(ARGO_TRACKING))
        .and_then(|id| id.split(':').next().map(ToOwned::to_owned));
    let instance = tracked.or_else(|| label(ARGO_INSTANCE))?;
    // An Application outside Argo CD's own namespace is written `namespace_name`.
    let (namespace, name) = instance.split_once('_').unwrap_or((ARGO_NAMESPACE, instance.as_str()));
    Some(Owner::Argo { namespace: namespace.to_owned(), name: name.to_owned() })
}

/// The source of `manifest`: stated, looked up, or unknown. A lookup that is refused is unknown,
/// not an error.
pub(super) async fn find(client: &kube::Client, manifest: &EncryptedManifest) -> Source {
    if let Some(stated) = Source::stated(manifest) {
        return stated;
    }
    let mut source = Source::unknown();
    let found = match owner(manifest) {
        Some(Owner::Flux { namespace, name }) => flux(client, &namespace, &name).await,
        Some(Owner::Argo { namespace, name }) => argo(client, &namespace, &name).await,
        None => None,
    };
    if let Some((repository, commit)) = found {
        source.commit = commit;
        source.repository = repository.unwrap_or_else(|| UNKNOWN.to_owned());
    }
    source
}

type Found = Option<(Option<String>, String)>;

async fn flux(client: &kube::Client, namespace: &str, name: &str) -> Found {
    let kustomization = get(
        client,
        ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"),
        namespace,
        name,
    )
    .await?;
    let commit = flux_commit(text(&kustomization, "/status/lastAppliedRevision")?);
    let reference = kustomization.pointer("/spec/sourceRef")?;
    let source = text(reference, "/name").unwrap_or_default().to_owned();
    let home = text(reference, "/namespace").unwrap_or(namespace).to_owned();
    let kind = ("source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories");
    let repository = get(client, kind, &home, &source).await;
    Some((repository.and_then(|r| text(&r, "/spec/url").map(without_credentials)), commit))
}

async fn argo(client: &kube::Client, namespace: &str, name: &str) -> Found {
    let kind = ("argoproj.io", "v1alpha1", "Application", "applications");
    let application = get(client, kind, namespace, name).await?;
    let commit = text(&application, "/status/sync/revision")?.to_owned();
    Some((text(&application, "/spec/source/repoURL").map(without_credentials), commit))
}

async fn get(
    client: &kube::Client,
    (group, version, kind, plural): (&str, &str, &str, &str),
    namespace: &str,
    name: &str,
) -> Option<Value> {
    let gvk = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    api.get_opt(name).await.ok().flatten().map(|object| object.data)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|t| !t.is_empty())
}

/// `main@sha1:abc…` as Flux writes a revision → `abc…`.
fn flux_commit(revision: &str) -> String {
    revision.rsplit(':').next().unwrap_or(revision).to_owned()
}

fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_api::EncryptedManifestSpec;
    use std::collections::BTreeMap;

    fn manifest(labels: &[(&str, &str)], annotations: &[(&str, &str)]) -> EncryptedManifest {
        let map = |all: &[(&str, &str)]| {
            let own = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            Some(all.iter().map(own).collect::<BTreeMap<_, _>>())
        };
        let spec = EncryptedManifestSpec { sops: "x".into(), source: None };
        let mut manifest = EncryptedManifest::new("a", spec);
        manifest.metadata.labels = map(labels);
        manifest.metadata.annotations = map(annotations);
        manifest
    }

    /// S5.2-6: the owner under other GitOps controllers.
    #[test]
    fn the_owner_is_read_from_the_marks_of_flux_and_argo_cd() {
        let own = |text: &str| text.to_owned();
        let flux = manifest(&[(FLUX_NAME, "apps"), (FLUX_NAMESPACE, "flux-system")], &[]);
        let expected = Owner::Flux { namespace: own("flux-system"), name: own("apps") };
        assert_eq!(owner(&flux), Some(expected));
        let argo = manifest(&[], &[(ARGO_TRACKING, "shop:regent.dev/EncryptedManifest:a/b")]);
        let expected = Owner::Argo { namespace: own("argocd"), name: own("shop") };
        assert_eq!(owner(&argo), Some(expected));
        let argo = manifest(&[(ARGO_INSTANCE, "team_shop")], &[]);
        let expected = Owner::Argo { namespace: own("team"), name: own("shop") };
        assert_eq!(owner(&argo), Some(expected));
        assert_eq!(owner(&manifest(&[], &[])), None);
    }

    /// A cluster that holds `objects`, by path.
    fn cluster(objects: Vec<(&'static str, Value)>) -> kube::Client {
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let found = objects.iter().find(|(path, _)| *path == request.uri().path());
            let (code, body) = match found {
                Some((_, object)) => (200, object.clone()),
                None => (
                    404,
                    serde_json::json!({ "kind": "Status", "code": 404, "reason": "NotFound" }),
                ),
            };
            let body = kube::client::Body::from(body.to_string().into_bytes());
            let answer = http::Response::builder().status(code).body(body);
            async move { answer }
        });
        kube::Client::new(service, "default")
    }

    /// S5.2-6: the revision is that of the Kustomization or Application that applied the manifest.
    #[tokio::test]
    async fn the_revision_is_asked_of_flux_and_of_argo_cd() {
        let cluster = cluster(vec![
            (
                "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux/kustomizations/apps",
                serde_json::json!({
                    "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                    "metadata": { "name": "apps" }, "spec": { "sourceRef": { "name": "platform" } },
                    "status": { "lastAppliedRevision": "main@sha1:abc" },
                }),
            ),
            (
                "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux/gitrepositories/platform",
                serde_json::json!({
                    "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
                    "metadata": { "name": "platform" }, "spec": { "url": "https://git.example/flux" },
                }),
            ),
            (
                "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop",
                serde_json::json!({
                    "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                    "metadata": { "name": "shop" },
                    "spec": { "source": { "repoURL": "https://git.example/argo" } },
                    "status": { "sync": { "revision": "def" } },
                }),
            ),
        ]);
        let flux = manifest(&[(FLUX_NAME, "apps"), (FLUX_NAMESPACE, "flux")], &[]);
        let argo = manifest(&[(ARGO_INSTANCE, "shop")], &[]);
        let gone = manifest(&[(ARGO_INSTANCE, "gone")], &[]);
        for (manifest, repository, commit) in [
            (flux, "https://git.example/flux", "abc"),
            (argo, "https://git.example/argo", "def"),
            (gone, UNKNOWN, UNKNOWN),
        ] {
            let source = find(&cluster, &manifest).await;
            assert_eq!((&*source.repository, &*source.commit), (repository, commit));
        }
    }

    #[test]
    fn a_revision_of_flux_names_the_commit() {
        assert_eq!(flux_commit("main@sha1:0123abc"), "0123abc");
        assert_eq!(without_credentials("https://u:p@host/r"), "https://host/r");
    }
}
