//! What somebody put into the authority beside regent is found, and what could not be looked at is not passed over.

use super::*;

fn found(predicate: &str, change: impl Fn(&mut Snapshot)) -> Vec<String> {
    let mut s = clean();
    change(&mut s);
    let all = check(&s);
    assert!(all.iter().all(|f| f.predicate == predicate), "{all:?}");
    all.into_iter().map(|f| f.object).collect()
}

#[test]
fn h26_another_engine_or_auth_method_is_found() {
    let alone = |change: fn(&mut Snapshot)| found(AUTHORITY_ALONE, change);
    let put = |path: &str| (path.to_owned(), "x".to_owned());
    assert_eq!(alone(|s| s.engines.extend([("pki".into(), "pki".into())])), ["engine pki/"]);
    assert_eq!(
        found(AUTHORITY_ALONE, |s| s.methods.extend([put("userpass"), put("github/team")])),
        ["auth method github/team/", "auth method userpass/"]
    );
    // A neighbour's login mount is its own, as long as all its policies are as the table says.
    let east = |s: &mut Snapshot| s.methods.extend([("east".to_owned(), "jwt".to_owned())]);
    assert_eq!(found(AUTHORITY_ALONE, east), ["auth method east/"]);
    let beside = Neighbour {
        mount: "east".into(),
        installation: None,
        policies: Vec::new(),
        grants: Vec::new(),
    };
    let known = found(AUTHORITY_ALONE, |s| {
        east(s);
        s.neighbours.push(beside.clone());
    });
    assert_eq!(known, Vec::<String>::new());
}

/// Nothing at all is no clean authority: it is one that was not seen.
#[test]
fn h26_mounts_that_are_not_listed_are_found() {
    let alone = |change: fn(&mut Snapshot)| found(AUTHORITY_ALONE, change);
    assert_eq!(alone(|s| s.engines.clear()), ["engine secret/", "engine regent/"]);
    assert_eq!(
        alone(|s| drop(s.engines.insert("regent".into(), "transit".into()))),
        ["engine regent/"]
    );
    assert_eq!(alone(|s| s.methods.clear()), ["auth method kubernetes/"]);
}

#[test]
fn h26_a_default_policy_that_opens_more_is_found() {
    let own = r#"
        # Allow a token to look up its own entity: path "not/this" {
        path "identity/entity/id/{{identity.entity.id}}" {
          capabilities = ["read"]
        }
        path "cubbyhole/*" { capabilities = ["create", "read"] }
        path "sys/wrapping/wrap"
        {
          capabilities = ["update"]
        }
    "#;
    let opens = |text: String| found(AUTHORITY_ALONE, |s| s.default_policy.clone_from(&text)).len();
    assert_eq!(opens(own.to_owned()), 0);
    for more in [
        r#"path "secret/*" { capabilities = ["read"] }"#,
        r#"path "sys/capabilities-self" {} path "regent/*" {}"#,
        r#"{"path": {"secret/*": {"capabilities": ["read"]}}}"#,
        "path \"secret/*\"\n{\n}",
    ] {
        assert_eq!(opens(format!("{own}\n{more}\n")), 1, "{more}");
    }
}

#[test]
fn h26_whoever_gives_policies_is_found() {
    let holder = |object: &str, policies: &[&str]| HolderSeen {
        object: object.into(),
        policies: policies.iter().map(|p| (*p).to_owned()).collect(),
    };
    let objects = found(AUTHORITY_ALONE, |s| {
        s.holders.push(holder("identity group admins", &["regent-orchestrator"]));
        s.holders.push(holder("token role any", &[]));
    });
    assert_eq!(objects, ["identity group admins", "token role any"]);
}

#[test]
fn h26_a_path_that_regent_does_not_write_is_found() {
    for path in ["backup/", "note", "keys/second", "ledger/somebody/"] {
        let objects = found(REGENT_MOUNT_ALONE, |s| _ = s.regent_paths.insert(path.to_owned()));
        assert_eq!(objects, [format!("regent/{path}")]);
    }
}

#[test]
fn h26_a_token_that_does_not_end_is_found() {
    let token = |change: fn(&mut TokenSeen)| {
        let mut token = login_token();
        change(&mut token);
        found(TOKENS_END, |s| s.tokens.push(token.clone())).len()
    };
    assert_eq!(token(|_| ()), 0);
    assert_eq!(token(|t| t.period_s = 3_600), 1);
    assert_eq!(token(|t| t.ttl_s = 0), 1);
    assert_eq!(token(|t| t.ttl_s = 2_764_800), 1);
    assert_eq!(token(|t| t.path = "auth/token/create-orphan".into()), 1);
    assert_eq!(token(|t| t.path = "auth/userpass/login/somebody".into()), 1);
    assert_eq!(token(|t| t.policies = vec!["regent-warden.east".into()]), 0);
    // With nothing of regent's it is nobody's: its policies are judged, and so is root.
    assert_eq!(
        token(|t| {
            t.policies = vec!["default".into()];
            t.ttl_s = 0;
        }),
        0
    );
}

#[test]
fn h26_what_cannot_be_seen_is_not_judged() {
    for predicate in all() {
        let mut s = clean();
        s.unseen.push(Unseen {
            predicate: predicate.name,
            subject: "identity/entity/id".into(),
            why: "permission denied".into(),
            action: "run it as somebody else".into(),
        });
        let told = check(&s);
        assert_eq!(told.len(), 1, "{}", predicate.name);
        assert_eq!(told[0].message, "not judged: permission denied");
        assert_eq!(told[0].advice.action, "run it as somebody else");
    }
}
