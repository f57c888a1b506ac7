//! Which rule decides, and what it lets pass.

use regent_types::json::Object;

use super::{acl, check};
use crate::policies::PolicyStore;
use crate::policy::Acl;
use crate::request::Operation;

#[test]
fn without_a_rule_everything_is_denied() {
    check(&[""], "read secret/data/a = deny\nlist secret/ = deny\nread  = deny");
    assert_eq!(Acl::default().capabilities("secret/data/a"), ["deny"]);
}

#[test]
fn root_may_everything() {
    let root = Acl::root();
    let decision = root.allows(Operation::Delete, "sys/policies/acl/x", &Object::new(), 0);
    assert!(decision.allowed && decision.sudo && root.any_below("secret/"));
    assert_eq!(root.capabilities("x"), ["root"]);
}

#[test]
fn an_exact_rule_wins_over_any_wildcard() {
    check(
        &[r#"
        path "secret/data/*" { capabilities = ["read", "update"] }
        path "secret/data/a" { capabilities = ["read"] }
        path "secret/+/b"    { capabilities = ["deny"] }
        path "secret/data/b" { capabilities = ["read"] }
        path "/secret/data/slash" { capabilities = ["create"] }
        "#],
        "
        read   secret/data/a = deny
        update secret/data/x = allow
        update secret/data/a = deny
        read secret/data/a = allow
        read secret/data/b = allow
        create secret/data/slash = allow
        read secret/data/slash = deny
        read secret/data/ = allow
        read secret/data = deny
        read secret/database = deny
        "
        .replace("read   secret/data/a = deny\n", "")
        .as_str(),
    );
}

#[test]
fn one_rule_decides_and_less_specific_ones_do_not_help() {
    check(
        &[r#"
        path "*"               { capabilities = ["read", "list", "sudo"] }
        path "secret/*"        { capabilities = ["read"] }
        path "secret/data/pay*"{ capabilities = ["create"] }
        path "secret/data/payments/db" { capabilities = ["deny"] }
        "#],
        "
        read secret/data/payroll = deny
        create secret/data/payroll = allow
        read secret/data/other = allow
        list secret/metadata/ = deny
        read auth/token/accessors = sudo
        read secret/data/payments/db = deny
        create secret/data/payments/db = deny
        create secret/data/payments/db2 = allow
        ",
    );
}

/// The order of OpenBao's `CheckAllowedFromNonExactPaths`: later first wildcard, no `*`, fewer `+`,
/// longer, greater text.
#[test]
fn the_most_specific_wildcard_decides() {
    let pair = |winner: &str, loser: &str, path: &str| {
        let rule = |path: &str, capability: &str| {
            format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}\n")
        };
        for order in [[(winner, "read"), (loser, "update")], [(loser, "update"), (winner, "read")]]
        {
            let text: String = order.iter().map(|(path, c)| rule(path, c)).collect();
            check(&[&text], &format!("read {path} = allow\nupdate {path} = deny"));
        }
    };
    pair("foo/bar*", "foo/+/baz", "foo/bar/baz");
    pair("foo/+/bar", "foo/*", "foo/x/bar");
    pair("foo/+", "foo/*", "foo/x");
    pair("foo/+/bar", "+/+/bar", "foo/x/bar");
    pair("foo/bar/+/baz", "foo/+/+/baz", "foo/bar/x/baz");
    pair("foo/+/bar", "foo/+/+", "foo/x/bar");
    pair("foo/+/bar/ba*", "foo/+/bar/b*", "foo/x/bar/bat");
    pair("foo/+/b", "foo/+/*", "foo/x/b");
    pair("+/b/a", "+/+/a", "x/b/a");
}

#[test]
fn a_plus_stands_for_one_segment_and_a_star_only_at_the_end_for_any() {
    check(
        &[r#"
        path "secret/data/+/db"   { capabilities = ["read"] }
        path "secret/data/+/ci-*" { capabilities = ["update"] }
        path "a*b"                { capabilities = ["read"] }
        "#],
        r#"
        read secret/data/team/db = allow
        read secret/data/team/x/db = deny
        read secret/data/db = deny
        read secret/data//db = allow
        update secret/data/team/ci-1 = allow
        update secret/data/team/ci-1/deeper = allow
        update secret/data/team/xci-1 = deny
        read a*b = allow
        read axb = deny
        "#,
    );
}

/// GHSA-xp3c…: a list's path loses its slash only when nothing else was found.
#[test]
fn a_deny_on_a_folder_cannot_be_passed_by_listing_it() {
    check(
        &[r#"
        path "secret/metadata/+"       { capabilities = ["list"] }
        path "secret/metadata/team/*"  { capabilities = ["deny"] }
        "#],
        "
        list secret/metadata/team/ = deny
        list secret/metadata/other/ = allow
        list secret/metadata/ = allow
        ",
    );
    check(
        &[r#"path "secret/metadata/team"  { capabilities = ["list"] }
             path "secret/metadata/te*"   { capabilities = ["deny"] }
             path "kv/+"                  { capabilities = ["list"] }"#],
        "
        list secret/metadata/team/ = allow
        list secret/metadata/tea/ = deny
        read secret/metadata/team/ = deny
        list kv/x/ = allow
        ",
    );
}

#[test]
fn policies_unite_and_a_deny_sticks() {
    let a = r#"path "x/*" { capabilities = ["read"] }"#;
    let b = r#"path "x/*" { capabilities = ["list", "sudo"] }"#;
    let deny = r#"path "x/*" { capabilities = ["deny", "read"] }"#;
    check(&[a, b], "read x/y = sudo\nlist x/y/ = sudo\nupdate x/y = deny");
    for order in [[a, deny, b], [deny, a, b], [a, b, deny]] {
        check(&order, "read x/y = deny\nlist x/ = deny");
        assert_eq!(acl(&order).capabilities("x/y"), ["deny"]);
        assert!(!acl(&order).any_below("x/"));
    }
    assert_eq!(acl(&[a, b]).capabilities("x/y"), ["list", "read", "sudo"]);
    assert_eq!(acl(&[a, b]).capabilities("y"), ["deny"]);
}

#[test]
fn parameters_are_required_allowed_and_denied() {
    let text = r#"
        path "a" {
          capabilities = ["create", "read", "update", "delete", "list"]
          required_parameters = ["Owner"]
          allowed_parameters = { "owner" = [], "ttl" = ["1h", "2*"], "n" = [1, 2.5], "x" = [] }
          denied_parameters { "x" = ["*bad*", "worse"] }
        }
        path "any"     { capabilities = ["update"] allowed_parameters = { "*" = [] "k" = ["v"] } }
        path "nothing" { capabilities = ["update"], denied_parameters = { "*" = [] } }
        path "wrapped" { capabilities = ["read"] min_wrapping_ttl = "1s" max_wrapping_ttl = 90 }
    "#;
    check(
        &[text],
        r#"
        update a {} = deny
        update a {"owner": "me"} = allow
        update a {"OWNER": "me"} = deny
        update a {"owner": "me", "ttl": "1h"} = allow
        update a {"owner": "me", "TTL": "3h"} = deny
        update a {"owner": "me", "ttl": "20h"} = allow
        update a {"owner": "me", "n": 1.0} = allow
        update a {"owner": "me", "n": 3} = deny
        update a {"owner": "me", "other": 1} = deny
        update a {"owner": "me", "x": "is bad too"} = deny
        update a {"owner": "me", "x": "worse"} = deny
        update a {"owner": "me", "X": "worse"} = deny
        update a {"owner": "me", "x": "fine"} = allow
        read a {"version": "3"} = deny
        delete a {"other": 1} = allow
        list a/ {"other": 1} = allow
        update any {"what": "ever"} = allow
        update any {"k": "v"} = allow
        update any {"k": "w"} = deny
        update nothing {"k": "v"} = deny
        update nothing {} = allow
        read wrapped = deny
        "#,
    );
    let open = r#"path "a" { capabilities = ["update"] allowed_parameters = { "ttl" = [] } }"#;
    check(&[text, open], r#"update a {"owner": "me", "ttl": "99h"} = allow"#);
}

/// PROTOCOLS.md §8: a ledger path can be created and never changed.
#[test]
fn create_alone_updates_nothing() {
    check(
        &[r#"path "regent/data/ledger/warden/*" { capabilities = ["create", "read"] }"#],
        "
        create regent/data/ledger/warden/20260101/00000001 = allow
        update regent/data/ledger/warden/20260101/00000001 = deny
        patch  regent/data/ledger/warden/20260101/00000001 = deny
        delete regent/data/ledger/warden/20260101/00000001 = deny
        create regent/data/ledger/publisher/20260101/00000001 = deny
        update regent/destroy/ledger/warden/20260101/00000001 = deny
        "
        .replace("patch  ", "patch ")
        .as_str(),
    );
}

#[test]
fn a_mount_is_visible_if_anything_below_it_is() {
    let any = |text: &str| acl(&[text]).any_below("secret/");
    for text in [
        r#"path "secret/data/a" { capabilities = ["read"] }"#,
        r#"path "secret/data/*" { capabilities = ["read"] }"#,
        r#"path "*" { capabilities = ["read"] }"#,
        r#"path "+/data/x" { capabilities = ["read"] }"#,
        r#"path "secret/+/x*" { capabilities = ["read"] }"#,
    ] {
        assert!(any(text), "{text}");
    }
    for text in [
        r#"path "secret/data/a" { capabilities = ["deny"] }"#,
        r#"path "secret2/data/a" { capabilities = ["read"] }"#,
        r#"path "other/+/x" { capabilities = ["read"] }"#,
        r#"path "*" { capabilities = ["read"] } path "secret/*" { capabilities = ["deny"] }"#,
    ] {
        assert!(!any(text), "{text}");
    }
}

#[test]
fn a_thousand_prefixes_are_searched_by_length() {
    let rule =
        |i: usize| format!("path \"{}*\" {{ capabilities = [\"read\"] }}\n", "ab/".repeat(i));
    let text: String = (1..60).map(rule).collect();
    let deep = format!("{text}path \"ab/ab/abx*\" {{ capabilities = [\"update\"] }}");
    check(
        &[&deep],
        "read ab/ab/ab/ac = allow\nupdate ab/ab/abxy = allow\nread ab/ab/abxy = deny\nread b = deny",
    );
}

/// CVE-2025-5999, CVE-2025-64761: no spelling of `root` is another policy.
#[test]
fn every_spelling_of_root_is_root_or_refused() {
    for name in ["root", "ROOT", "Root", " root", "root ", "\troot\n", "\u{a0}root", "root\u{2003}"]
    {
        assert_eq!(PolicyStore::normalized_name(name).unwrap(), "root", "{name:?}");
    }
    for name in ["", " ", "ro\u{0}ot", "root\u{200b}", "root,", "root/", "*", "../root"] {
        assert!(PolicyStore::normalized_name(name).is_err(), "{name:?}");
    }
}

/// The policies that warden writes (DESIGN.md §2): each text is read, and says what its identity
/// needs. C9-1: an installation with a login mount of its own writes in no other's chain and reads
/// no other's login.
#[test]
fn the_policies_of_regents_own_identities_hold_what_they_promise() {
    let policies = regent_install::access::authority::policies("kubernetes", &[]);
    let of = |name: &str| {
        let policy = policies.iter().find(|policy| policy.name == name);
        policy.unwrap_or_else(|| panic!("{name}")).text.as_str()
    };
    policies.iter().for_each(|policy| drop(acl(&[&policy.text])));
    check(
        &[of("regent-orchestrator")],
        "
        create regent/data/ledger/orchestrator/20260101/00000001 = allow
        update regent/data/ledger/orchestrator/20260101/00000001 = deny
        create regent/data/ledger/publisher/20260101/00000001 = deny
        update regent/data/record/runtime/payments/db = allow
        delete regent/metadata/record/runtime/payments/db = deny
        update regent/data/pending/x = deny
        create secret/data/runtime/payments/db = allow
        update secret/data/platform-data/postgres/payments = deny
        read auth/token/lookup-self = deny
        list regent/metadata/ledger/orchestrator/ = allow
        update sys/policies/acl/x = deny
        ",
    );
    let east = regent_install::access::authority::policies("east", &[]);
    let east = |name: &str| {
        let policy = east.iter().find(|policy| policy.name == name);
        policy.unwrap_or_else(|| panic!("{name}")).text.as_str()
    };
    check(
        &[
            east("regent-orchestrator.east"),
            east("regent-warden.east"),
            east("regent-publisher.east"),
        ],
        "
        create regent/data/ledger/orchestrator.east/20260101/00000001 = allow
        update regent/data/ledger/orchestrator.east/20260101/00000001 = deny
        create regent/data/ledger/orchestrator/20260101/00000001 = deny
        create regent/data/ledger/warden/20260101/00000001 = deny
        create regent/data/ledger/publisher/20260101/00000001 = deny
        read auth/east/config = allow
        read auth/kubernetes/config = deny
        update auth/east/config = deny
        ",
    );
    check(
        &[of("regent-materializer")],
        "
        read secret/data/runtime/payments/db = allow
        update secret/data/runtime/payments/db = deny
        list secret/metadata/runtime/payments/ = deny
        read regent/data/keys/hmac = deny
        read regent/data/record/runtime/payments/db = deny
        ",
    );
    check(
        &[of("regent-publisher")],
        "
        update secret/data/platform-data/postgres/payments = allow
        patch secret/metadata/platform-data/postgres/payments = allow
        update secret/metadata/platform-data/postgres/payments = deny
        read secret/data/runtime/payments/db = deny
        ",
    );
    check(&[of("regent-configurator")], "update sys/policies/acl/x = sudo\ndelete a = sudo");
    check(
        &[of("regent-reader")],
        "list auth/token/accessors/ = sudo\nread auth/token/lookup-self = allow\nread secret/data/runtime/a/b = deny",
    );
}
