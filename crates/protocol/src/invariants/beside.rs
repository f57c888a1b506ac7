//! What is in the authority beside what regent put there: engines, auth methods, whoever they let in, tokens, paths.

use regent_types::authority_names::{REGENT_MOUNT, SECRET_MOUNT};
use regent_types::neighbour::parts_of;

use super::exempt;
use super::finding::Findings;
use super::snapshot::Snapshot;

/// Type of regent's two mounts.
const KV: &str = "kv";

/// No engine, auth method, token role, identity entity or group but regent's, its neighbours' and those of every
/// authority.
pub(super) fn authority_alone(s: &Snapshot, found: &mut Findings) {
    for (path, kind) in s.engines.iter().filter(|(path, _)| !exempt::is_engine(path)) {
        found.add(
            format!("engine {path}/"),
            format!("regent did not mount this engine of type {kind}"),
            ["secret/ and regent/", path, "unmount it, or move it to an authority of its own"],
        );
    }
    for mount in [SECRET_MOUNT, REGENT_MOUNT] {
        let kind = s.engines.get(mount).map_or("nothing", String::as_str);
        if kind != KV {
            found.add(
                format!("engine {mount}/"),
                "regent's own mount is not what it should be",
                [KV, kind, "see what warden says in RuntimeAuthority regent"],
            );
        }
    }
    for (path, kind) in s.methods.iter().filter(|(path, _)| !exempt::is_method(s, path)) {
        found.add(
            format!("auth method {path}/"),
            format!("lets others log in, by a method of type {kind}"),
            [
                "the login mounts of installations whose policies are as the table says",
                path,
                "disable it, or move its users to an authority of their own",
            ],
        );
    }
    if !s.methods.contains_key(&s.login_mount) {
        found.add(
            format!("auth method {}/", s.login_mount),
            "the installation's login mount is not listed",
            [&s.login_mount, "nothing", "see what warden says in RuntimeAuthority regent"],
        );
    }
    for path in opened(&s.default_policy).iter().filter(|path| !exempt::is_default_path(path)) {
        found.add(
            "policy default",
            format!("opens {path} to every token that has it"),
            [
                "what a token needs for itself",
                path,
                "put the policy back, and find out who changed it",
            ],
        );
    }
    for holder in &s.holders {
        let policies = holder.policies.join(", ");
        found.add(
            &holder.object,
            match policies.as_str() {
                "" => "gives tokens policies that their makers choose".to_owned(),
                _ => format!("gives policies beside the roles of the login mount: {policies}"),
            },
            ["none that gives policies", &policies, "remove it, or take its policies away"],
        );
    }
}

/// Paths that a policy's text opens. A line that opens something in another way than OpenBao's own text does is shown as
/// it is: what it says is not known.
fn opened(policy: &str) -> Vec<&str> {
    let stanzas = policy.lines().map(str::trim).filter(|line| {
        let opens = line.contains('{') || line.starts_with("path");
        opens && *line != "{" && !line.starts_with('#') && !line.starts_with("//")
    });
    let path = |line| {
        let (path, rest) = str::strip_prefix(line, "path \"")?.split_once('"')?;
        (rest.matches('{').count() <= 1).then_some(path)
    };
    stanzas.map(|line| path(line).unwrap_or(line)).collect()
}

/// Nothing lies in `regent/` but what regent writes there.
pub(super) fn regent_mount_alone(s: &Snapshot, found: &mut Findings) {
    for path in s.regent_paths.iter().filter(|path| !exempt::is_regent_path(path)) {
        found.add(
            format!("{REGENT_MOUNT}/{path}"),
            "a path that regent does not write",
            [
                "record/, pending/, keys/hmac, and ledger/ with a folder of each writer",
                path,
                "find its writer in the authority's audit log, and remove it",
            ],
        );
    }
}

/// Every token with a policy of regent's was made by a login, ends by itself, and soon. Root tokens are judged by
/// `root-revoked`, tokens with hand-written policies by these.
pub(super) fn tokens_end(s: &Snapshot, found: &mut Findings) {
    let of_regent =
        |policy: &String| s.policies_expected.contains_key(policy) || parts_of(policy).is_some();
    for token in &s.tokens {
        let policies: Vec<&str> =
            token.policies.iter().filter(|p| of_regent(p)).map(String::as_str).collect();
        if policies.is_empty() {
            continue;
        }
        let login = token.path.strip_prefix("auth/").and_then(|p| p.strip_suffix("/login"));
        let own =
            |mount: &str| mount == s.login_mount || s.neighbours.iter().any(|n| n.mount == mount);
        let says = if token.period_s > 0 {
            format!("is renewed for ever, {} s at a time", token.period_s)
        } else if token.ttl_s <= 0 {
            "never ends".to_owned()
        } else if token.ttl_s > s.token_ttl_max_s {
            format!("lives for {} s", token.ttl_s)
        } else if !login.is_some_and(own) {
            format!("was made by {} and no login", token.path)
        } else {
            continue;
        };
        let policies = policies.join(", ");
        found.add(
            format!("token accessor {}", token.accessor),
            format!("a token with {policies} {says}"),
            [
                &format!("a login of at most {} s", s.token_ttl_max_s),
                &token.path,
                "revoke it by its accessor, and find out who made it",
            ],
        );
    }
}
