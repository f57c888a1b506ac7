//! Where a value is read out of `Sensitive`: each a place where it could leak, each with what it does there. A new one is
//! added on purpose or not at all.

/// Files, and what they read a value for.
pub(super) const EXPOSE: &[(&str, &str)] = &[
    ("crates/authority/src/audit/entry.rs", "tokens become salted HMACs"),
    (
        "crates/authority/src/engines/kubernetes/login.rs",
        "reads the claims of a service account's token",
    ),
    (
        "crates/authority/src/engines/sys/unauthenticated.rs",
        "answers with the root token and the shares that were made",
    ),
    ("crates/authority/src/engines/sys/values.rs", "reads shares and keys out of a request"),
    ("crates/authority/src/engines/token/lookup.rs", "finds the caller's token"),
    ("crates/authority/src/tokens/store.rs", "tokens are stored under their hash"),
    ("crates/authority/src/http/reply.rs", "answers a login with its token"),
    (
        "crates/authority/src/lifecycle/generate_root.rs",
        "encodes the root token with the caller's one-time password",
    ),
    ("crates/gitops/src/bootstrap/hmac.rs", "HMAC of a bootstrap Secret"),
    ("crates/gitops/src/bootstrap/produce.rs", "writes the bootstrap Secret"),
    ("crates/gitops/src/intent/fetch.rs", "gives Git its password"),
    ("crates/delivery/src/materializer/render.rs", "renders the workload's Secret"),
    (
        "crates/delivery/src/materializer/target.rs",
        "compares with and writes the workload's Secret",
    ),
    ("crates/control/src/orchestrator/authority.rs", "stores the HMAC key at its first use"),
    ("crates/control/src/orchestrator/bootstrap.rs", "asks whether a bootstrap Secret is empty"),
    ("crates/delivery/src/publisher/plan.rs", "compares what is published with what is to be"),
    ("crates/control/src/warden/unseal_identity.rs", "writes the unseal identity to its Secret"),
    ("crates/control/src/warden/operator_actions.rs", "seals a share to its holder"),
    ("crates/control/src/warden/share_plan.rs", "seals shares to their holders"),
    (
        "crates/control/src/warden/transport/check.rs",
        "checks that key and certificate belong together",
    ),
    (
        "crates/control/src/warden/transport/issue.rs",
        "signs with the key of the certificate authority",
    ),
    (
        "crates/control/src/warden/transport/certificate_store.rs",
        "reads and writes the Secrets of certificates",
    ),
    ("crates/manifest/src/keys/identity.rs", "writes an identity file"),
    ("crates/manifest/src/secret.rs", "reads and writes a Secret's text"),
    ("crates/protocol/src/hmac.rs", "HMAC of a value"),
    ("crates/regent/src/commands/authority/mod.rs", "reads identities and shares of a person"),
    (
        "crates/regent/src/commands/install/args.rs",
        "reads values of an installation, which may have pull secrets",
    ),
    ("crates/regent/src/commands/keygen.rs", "writes the identity file that was asked for"),
    ("crates/regent/src/commands/open.rs", "prints the plaintext that was asked for"),
    ("crates/regent/src/commands/seal.rs", "encrypts what a person wrote"),
    ("crates/lab/src/example.rs", "encrypts the example's Secrets"),
    ("crates/lab/src/install.rs", "plays the person who brings the manifests' identities"),
    (
        "crates/regent/src/commands/dev/summary.rs",
        "writes the token of the reader for the terminal",
    ),
    ("crates/lab/src/system.rs", "seeds the outer authority of the example"),
    ("crates/lab/src/trust.rs", "writes the root of trust of the example"),
    ("crates/host/src/hosted/reviewer.rs", "has a token reviewed"),
    ("crates/host/src/hosted/tls.rs", "serves with its key"),
    ("crates/sandbox/src/api/mod.rs", "compares the administrator's token"),
    ("crates/sandbox/src/api/reviews.rs", "compares the administrator's token"),
    ("crates/sandbox/src/serve.rs", "serves with its key and writes kubeconfigs"),
    ("crates/types/src/sensitive.rs", "copies a value"),
    ("crates/vault/src/init.rs", "decodes shares"),
    ("crates/vault/src/login.rs", "sends a token to log in"),
    ("crates/vault/src/sys.rs", "decodes the root token and encodes shares"),
    ("crates/vault/src/transport.rs", "sends the token"),
    ("crates/vault/src/wire.rs", "writes values into a request"),
];
