//! Labels, annotations and fixed names on Kubernetes objects. Domain `regent.dev`.

/// Where regent's own workloads and objects live.
pub const SYSTEM_NAMESPACE: &str = "regent-system";
/// The one RuntimeAuthority, the one ClusterSecretStore that regent serves by default (C5a-3).
pub const AUTHORITY_NAME: &str = "regent";
/// The store that ExternalSecrets and PushSecrets name (RFC row C5a-3).
pub const STORE_NAME: &str = "vault-backend";
/// Address of the embedded authority inside a cluster.
pub const AUTHORITY_SERVICE_URL: &str = "https://regent-authority.regent-system.svc:8200";
/// Audience of tokens that log in to the authority (PROTOCOLS.md §3).
pub const AUTHORITY_AUDIENCE: &str = "regent-authority";

/// Label on every Secret that regent writes: `bootstrap` or `materialized`.
pub const CLASS: &str = "regent.dev/class";
/// Value of [`CLASS`] on a bootstrap Secret.
pub const CLASS_BOOTSTRAP: &str = "bootstrap";
/// Value of [`CLASS`] on a materialized Secret.
pub const CLASS_MATERIALIZED: &str = "materialized";
/// Label on objects that intent applied: the GitSource `namespace.name`.
pub const SOURCE: &str = "regent.dev/source";
/// Annotation: repository URL an object came from, without credentials (S5.2-6).
pub const SOURCE_REPO: &str = "regent.dev/source-repo";
/// Annotation: commit an object came from, or `unknown` (S5.2-6).
pub const SOURCE_COMMIT: &str = "regent.dev/source-commit";
/// Annotation: file an object came from (S5.2-6).
pub const SOURCE_FILE: &str = "regent.dev/source-file";
/// Annotation: `namespace/name` of the EncryptedManifest (S5.2-6).
pub const MANIFEST: &str = "regent.dev/manifest";
/// Label: uid of the EncryptedManifest (S5.2-6).
pub const MANIFEST_UID: &str = "regent.dev/manifest-uid";
/// Annotation: when the object was produced, RFC 3339 (S5.2-6).
pub const PRODUCED_AT: &str = "regent.dev/produced-at";
/// Annotation on a bootstrap Secret: names of the labels and annotations that its manifest declares, as JSON.
pub const DECLARED: &str = "regent.dev/declared";
/// Annotation on a bootstrap Secret that the orchestrator alone may set: the disposition being carried out.
pub const HANDED_OVER: &str = "regent.dev/handed-over";
/// Annotation beside [`HANDED_OVER`]: `namespace/name` of the RuntimeSecret that took over.
pub const HANDED_OVER_TO: &str = "regent.dev/handed-over-to";
/// Annotation on a materialized Secret: JSON object, mount-relative path → `number@created_time`.
pub const VERSIONS: &str = "regent.dev/versions";
/// Annotation on a materialized Secret that an ExternalSecret owns (`creationPolicy: Owner`): the ExternalSecret's name.
/// No owner reference says so, because the garbage collector would take the Secret with the ExternalSecret's definition.
pub const OWNED_BY: &str = "regent.dev/external-secret";
/// Annotation on a definition of regent's, or on its namespace: `true` where a person means to delete it.
pub const CONFIRM_DELETION: &str = "regent.dev/confirm-deletion";
/// Label on everything that an installation consists of, with value [`REGENT`].
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Value of [`PART_OF`] on objects of this system.
pub const REGENT: &str = "regent";
/// Annotation on a RuntimeSecret by which a person reports a leak; its value is the reason.
pub const COMPROMISED: &str = "regent.dev/compromised";
/// Annotation by which ESO users force a refresh; any change of it nudges the materializer.
pub const FORCE_SYNC: &str = "external-secrets.io/force-sync";
/// Label on a Namespace: comma-free list is not possible in a label, so one label per owned datasource:
/// `datasource.regent.dev/NAME: "true"` lets this namespace publish under `platform-*/NAME/` (PROTOCOLS.md §6).
pub const DATASOURCE_PREFIX: &str = "datasource.regent.dev/";
/// ESO's own mark on Secrets that it manages, kept for its users' tools.
pub const ESO_MANAGED: &str = "reconcile.external-secrets.io/managed";
/// Controller class of stores that regent serves; ESO's default class is served as well.
pub const CONTROLLER_CLASS: &str = "regent";
/// Secret in [`SYSTEM_NAMESPACE`] with the age identities that open manifests (key `identities`).
pub const MANIFEST_IDENTITY_SECRET: &str = "regent-manifest-identity";
/// Secret in [`SYSTEM_NAMESPACE`] with the unseal identity that warden makes (key `identity`).
pub const UNSEAL_IDENTITY_SECRET: &str = "regent-unseal-identity";
/// ConfigMap in [`SYSTEM_NAMESPACE`] with the sealed shares (ciphertext): a copy of the embedded authority's, the
/// only ones in the cluster of an external authority.
pub const SEALED_SHARES: &str = "regent-sealed-shares";
/// Annotation on it: names of the holders who recovered the seal, until warden has recorded it.
pub const RECOVERED_BY: &str = "regent.dev/recovered-by";
/// Secret in [`SYSTEM_NAMESPACE`] with bootstrap's own HMAC key (key `key`).
pub const BOOTSTRAP_HMAC_SECRET: &str = "regent-bootstrap-hmac";
/// Secret in [`SYSTEM_NAMESPACE`] with the CA that signs the embedded authority's certificate (keys `ca.crt`, `ca.key`;
/// `next.*` while its successor is staged; `old.crt`).
pub const AUTHORITY_CA_SECRET: &str = "regent-authority-ca";
/// Secret in [`SYSTEM_NAMESPACE`] with what the embedded authority serves with (keys `tls.crt`, `tls.key`, `ca.crt`).
pub const AUTHORITY_TLS_SECRET: &str = "regent-authority-tls";
/// ConfigMap in [`SYSTEM_NAMESPACE`] with the CA certificates that clients of the authority trust (key [`CA_KEY`]).
pub const AUTHORITY_CA_BUNDLE: &str = "regent-authority-ca";
/// Key of the bundle in [`AUTHORITY_CA_BUNDLE`] and [`AUTHORITY_TLS_SECRET`].
pub const CA_KEY: &str = "ca.crt";
/// Annotation on [`AUTHORITY_CA_BUNDLE`]: since when it holds what it holds, RFC 3339.
pub const PUBLISHED_AT: &str = "regent.dev/published-at";
