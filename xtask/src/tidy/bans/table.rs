//! The table of bans. Each entry of `allowed` is one file, or one folder that ends with `/`, and the reason why it may.

use super::ban::Ban;
use super::ban::Scope::{Below, Everywhere, Product};
use super::expose::EXPOSE;

/// Words that no file may have, written apart so that this one has none.
pub(super) const WORDS: [([&str; 2], &str); 3] = [
    (["FIX", "ME"], "mend it or file an issue"),
    (["TO", "DO"], "do it or file an issue"),
    (["XX", "X"], "say what is meant"),
];

pub(super) const BANS: &[Ban] = &[
    Ban {
        patterns: &["Timestamp :: now", "SystemTime :: now", "SystemTime :: UNIX_EPOCH"],
        instead: "take the time as an argument",
        scope: Product,
        allowed: WALL_CLOCKS,
    },
    Ban {
        patterns: &["Instant :: now"],
        instead: "take the time as an argument",
        scope: Product,
        allowed: STOPWATCHES,
    },
    Ban {
        patterns: &["wait_until_ready ("],
        instead: "use the operator's cache sync: kube-runtime wakes one of several tasks that wait on a store",
        scope: Everywhere,
        allowed: &[("crates/operator/src/cache_sync.rs", "the one place that waits")],
    },
    Ban {
        patterns: &["watcher (", "metadata_watcher (", "Controller :: new ("],
        instead: "use the operator's watches, which pause and leave out managedFields",
        scope: Product,
        allowed: &[("crates/operator/src/object_watch.rs", "the one place that watches")],
    },
    Ban {
        patterns: &[
            "PostParams {",
            "PostParams ::",
            "PatchParams {",
            "PatchParams ::",
            "DeleteParams {",
            "DeleteParams ::",
        ],
        instead: "write through the operator's client, which sets the field manager",
        scope: Product,
        allowed: WRITERS,
    },
    Ban {
        patterns: &[". expose (", "Sensitive :: expose", ". expose_secret ("],
        instead: "keep the value in Sensitive",
        scope: Product,
        allowed: EXPOSE,
    },
    Ban {
        patterns: &["env :: var (", "env :: var_os (", "env :: vars"],
        instead: "make it an argument, for clap reads the environment too",
        scope: Product,
        allowed: ENVIRONMENT,
    },
    Ban {
        patterns: &["unbounded_channel", "unbounded (", "unbounded_send"],
        instead: "give the channel a size",
        scope: Everywhere,
        allowed: &[],
    },
    Ban {
        patterns: &["thread :: sleep (", "set_timeout ("],
        instead: "await what is waited for",
        scope: Product,
        allowed: &[],
    },
    Ban {
        patterns: &[
            "fs ::",
            "net ::",
            "process ::",
            "File ::",
            "TcpStream ::",
            "std :: { fs",
            "std :: { net",
        ],
        instead: "take the text as an argument",
        scope: Below(&["crates/types/", "crates/protocol/", "crates/manifest/"]),
        allowed: &[],
    },
    Ban {
        patterns: &["# [ ignore"],
        instead: "let the test run or delete it",
        scope: Everywhere,
        allowed: &[],
    },
];

/// Who looks at the wall clock. All others are told the time.
const WALL_CLOCKS: &[(&str, &str)] = &[
    ("crates/authority/src/options.rs", "the authority's clock, unless it is given another"),
    ("crates/operator/src/context.rs", "the components' clock"),
    ("crates/operator/src/ledger.rs", "an entry says when it was appended"),
    ("crates/control/src/warden/operator_login.rs", "the ledger has when a person did it"),
    ("crates/regent/src/commands/status.rs", "a command looks at the clock once"),
    ("crates/regent/src/commands/authority/restore.rs", "a data file says when it was restored"),
    ("crates/regent/src/commands/seal.rs", "a manifest says when it was sealed"),
    ("crates/regent/src/commands/dev/measure.rs", "it measures"),
    ("crates/lab/src/repository.rs", "commits of the example have a time"),
    ("crates/lab/src/system.rs", "commits of the example have a time"),
    ("crates/sandbox/src/api/admit.rs", "it plays a server, which stamps what it stores"),
    ("crates/sandbox/src/api/mod.rs", "it plays a server, which refuses tokens that have expired"),
    ("crates/sandbox/src/api/reviews.rs", "it plays a server, which issues and reviews tokens"),
    ("crates/sandbox/src/api/table.rs", "it plays a server, which prints ages"),
];

/// Who measures time that passes: ages of caches, pauses, deadlines. Nothing of it is stored or decides about a secret.
const STOPWATCHES: &[(&str, &str)] = &[
    ("crates/authority/src/audit/device.rs", "since when a device has taken nothing"),
    ("crates/authority/src/storage/committer.rs", "when a disk that refused is tried again"),
    (
        "crates/gitops/src/intent/apply.rs",
        "how long an object that is changed again and again rests",
    ),
    ("crates/gitops/src/intent/sync.rs", "whether an object has rested"),
    ("crates/host/src/hosted/connections.rs", "since when a connection has idled"),
    ("crates/host/src/hosted/mod.rs", "how long a stop has taken"),
    ("crates/host/src/hosted/guard.rs", "since when a head has been read"),
    ("crates/gitops/src/bootstrap/keys.rs", "age of the identities that were read"),
    ("crates/gitops/src/intent/reconcile.rs", "when to look at a repository again"),
    ("crates/operator/src/circuit.rs", "since when a server has not answered"),
    ("crates/operator/src/lease/mod.rs", "how long a Lease was seen unchanged"),
    ("crates/operator/src/ledger.rs", "how old the last look at a chain's end is"),
    ("crates/operator/src/ledger_heads.rs", "when to write ledger heads again"),
    ("crates/delivery/src/materializer/authority.rs", "how long the authority takes to answer"),
    ("crates/regent/src/commands/dev/run.rs", "deadline of a run until steady"),
    ("crates/sandbox/src/api/watch.rs", "end of a watch"),
    ("crates/vault/src/session.rs", "when to renew a login"),
    ("crates/vault/src/trust.rs", "age of the certificates that were read"),
];

/// Who writes to the API server with parameters of its own.
const WRITERS: &[(&str, &str)] = &[
    ("crates/operator/", "it sets the field manager"),
    ("crates/lab/", "it plays the person who installs, and the kubelet"),
    ("crates/regent/src/connect.rs", "a person's command"),
];

/// Who reads the environment.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("crates/regent/src/cli.rs", "NO_COLOR is no argument of ours"),
    ("crates/regent/src/commands/identities.rs", "SOPS_AGE_KEY: an identity is never an argument"),
    ("crates/regent/src/connect.rs", "VAULT_TOKEN: a token is never an argument"),
    ("crates/lab/src/authority_server.rs", "a process that it starts logs like itself"),
];
