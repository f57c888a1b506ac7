//! The table of bans. Each entry of `allowed` is one file, or one folder, and the reason why it may.

use super::ban::Ban;
use super::ban::Scope::{Everywhere, Product};

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
        allowed: &[],
    },
    Ban {
        patterns: &["Instant :: now"],
        instead: "take the time as an argument",
        scope: Product,
        allowed: &[],
    },
    Ban {
        patterns: &["wait_until_ready ("],
        instead: "wait through the operator's cache sync: kube-runtime wakes one of several tasks",
        scope: Everywhere,
        allowed: &[],
    },
    Ban {
        patterns: &["watcher (", "metadata_watcher (", "Controller :: new ("],
        instead: "use the operator's watches and controllers",
        scope: Product,
        allowed: &[],
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
        instead: "write through the operator, which sets the field manager",
        scope: Product,
        allowed: &[],
    },
    Ban {
        patterns: &[". expose ("],
        instead: "keep the value in Sensitive",
        scope: Product,
        allowed: &[],
    },
    Ban {
        patterns: &["env :: var (", "env :: var_os (", "env :: vars"],
        instead: "make it an argument (clap reads the environment)",
        scope: Product,
        allowed: &[],
    },
    Ban {
        patterns: &["unbounded_channel", "unbounded (", "unbounded_send"],
        instead: "give the channel a size",
        scope: Everywhere,
        allowed: &[],
    },
    Ban {
        patterns: &["# [ ignore"],
        instead: "let the test run or delete it",
        scope: Everywhere,
        allowed: &[],
    },
];
