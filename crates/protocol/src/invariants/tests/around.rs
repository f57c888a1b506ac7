//! Every way around the rights on Secrets is found, and none that leads nowhere.

use super::*;

fn named(rule: RuleSeen, name: &str) -> RuleSeen {
    RuleSeen { names: vec![name.into()], ..rule }
}

/// What the predicate finds of `grants` beside a clean installation.
fn found(grants: &[GrantSeen]) -> Vec<String> {
    let mut s = clean();
    s.bindings.extend_from_slice(grants);
    let predicate = all().into_iter().find(|p| p.name == WAYS_AROUND_KNOWN).unwrap();
    predicate.check(&s).into_iter().map(|f| f.message).collect()
}

fn holds(namespace: &str, rule: RuleSeen) -> bool {
    found(&[grant(namespace, &[rule])]).is_empty()
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ADMISSION: &str = "admissionregistration.k8s.io";

#[test]
fn h26_whoever_runs_pods_beside_secrets_is_found() {
    // `shop` holds a materialized Secret, `playground` holds none.
    for namespace in ["shop", "regent-system", "kube-system", ""] {
        for (group, resource, verb) in [
            ("", "pods", "create"),
            ("", "pods", "patch"),
            ("apps", "deployments", "patch"),
            ("apps", "*", "update"),
            ("batch", "cronjobs", "create"),
            ("", "replicationcontrollers", "update"),
            ("", "pods/exec", "create"),
            ("", "pods/ephemeralcontainers", "patch"),
        ] {
            let rule = rule(group, resource, verb);
            assert!(!holds(namespace, rule.clone()), "{namespace} {rule:?}");
            assert!(holds("playground", rule.clone()), "{rule:?}");
        }
    }
    assert!(holds("shop", rule("", "pods", "delete")));
    assert!(holds("shop", rule("", "pods/log", "get")));
    assert!(!holds("", rule("", "nodes/proxy", "get")));
    assert!(holds("shop", rule("", "nodes/proxy", "get")));
}

#[test]
fn h26_whoever_becomes_another_account_is_found() {
    for (resource, verb) in
        [("serviceaccounts/token", "create"), ("serviceaccounts", "impersonate")]
    {
        let any = rule("", resource, verb);
        for namespace in ["regent-system", "kube-system", ""] {
            assert!(!holds(namespace, any.clone()), "{namespace} {resource}");
        }
        assert!(holds("shop", any.clone()), "{resource}");
        assert!(!holds("regent-system", named(any.clone(), "regent-orchestrator")));
        // People who look, and the account that intent acts as.
        assert!(holds("regent-system", named(any.clone(), "regent-reader")));
        assert!(holds("regent-system", named(any.clone(), "applier")));
    }
    let users = rule("", "users", "impersonate");
    assert!(!holds("", users.clone()));
    assert!(!holds("", named(users.clone(), "system:serviceaccount:regent-system:regent-warden")));
    assert!(holds("", named(users, "somebody@example.org")));
    let groups = rule("", "groups", "impersonate");
    assert!(!holds("", named(groups.clone(), "system:masters")));
    assert!(holds("", named(groups, "developers")));
    let signers = rule("certificates.k8s.io", "signers", "approve");
    assert!(!holds("", named(signers.clone(), "kubernetes.io/kube-apiserver-client")));
    assert!(holds("", named(signers, "kubernetes.io/kubelet-serving")));
}

#[test]
fn h26_whoever_widens_or_binds_roles_is_found() {
    assert!(!holds("shop", rule(RBAC, "roles", "escalate")));
    assert!(!holds("", rule(RBAC, "clusterroles", "escalate")));
    assert!(!holds("shop", rule(RBAC, "clusterroles", "bind")));
    // The API server itself keeps whoever has neither verb within their own rights.
    assert!(holds("", rule(RBAC, "clusterroles", "create")));
    assert!(holds("", rule(RBAC, "rolebindings", "create")));
    let bind = |name| grant("shop", &[named(rule(RBAC, "clusterroles", "bind"), name)]);
    let mut s = clean();
    let roles = [("editor", rule("", "secrets", "*")), ("viewer", rule("", "pods", "get"))];
    s.cluster_roles = roles.map(|(name, rule)| (format!("ClusterRole {name}"), vec![rule])).into();
    s.bindings.push(bind("viewer"));
    assert_eq!(check(&s), Vec::new());
    s.bindings.push(bind("editor"));
    assert_eq!(check(&s).len(), 1);
}

#[test]
fn h26_whoever_writes_what_regent_goes_by_is_found() {
    let map = rule("", "configmaps", "update");
    assert!(!holds("regent-system", map.clone()));
    assert!(!holds("regent-system", named(map.clone(), "regent-sealed-shares")));
    assert!(!holds("", named(map.clone(), "regent-authority-ca")));
    assert!(holds("regent-system", named(map.clone(), "somebodys")));
    assert!(holds("shop", map));
    assert!(holds("regent-system", rule("", "configmaps", "get")));
    for resource in [
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "mutatingadmissionpolicies",
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
    ] {
        assert!(!holds("", rule(ADMISSION, resource, "delete")), "{resource}");
        assert!(holds("", rule(ADMISSION, resource, "watch")), "{resource}");
    }
    assert!(!holds("shop", rule("regent.dev", "workflowruns", "create")));
    assert!(holds("shop", rule("regent.dev", "workflowruns", "get")));
    for (group, resource) in [
        ("regent.dev", "runtimesecrets/status"),
        ("regent.dev", "*/status"),
        ("external-secrets.io", "externalsecrets/status"),
    ] {
        assert!(!holds("shop", rule(group, resource, "patch")), "{resource}");
        assert!(holds("shop", rule(group, resource, "get")), "{resource}");
    }
    assert!(!holds("shop", rule("regent.dev", "writepaths", "override")));
}

/// One finding a binding, which tells all of it; what is exempt is named, and what is not beside it is found.
#[test]
fn h26_who_is_exempt_is_named() {
    let controller = SubjectSeen::account("kube-system", "deployment-controller");
    let mut both = grant("", &[rule("", "pods", "create"), rule("", "configmaps", "*")]);
    both.subjects.push(controller.clone());
    let told = found(&[both]);
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("ServiceAccount playground/somebody may run Pods"), "{told:?}");
    assert!(told[0].contains("; change the ConfigMaps of warden"), "{told:?}");
    let mut s = clean();
    let exempt_alone =
        GrantSeen { subjects: vec![controller], ..grant("", &[rule("*", "*", "*")]) };
    s.bindings.push(exempt_alone);
    assert_eq!(check(&s), Vec::new());
    let named: Vec<String> = exempted(&s).into_values().flatten().collect();
    for object in ["RoleBinding by-hand", "ClusterRoleBinding cluster-admin", "engine sys/"] {
        assert!(named.iter().any(|n| n == object), "{object}: {named:?}");
    }
    // Everybody who is logged in is nobody in particular.
    let mut s = clean();
    s.bindings[0].subjects[0].name = "system:authenticated".into();
    let told: Vec<_> = check(&s).into_iter().map(|f| (f.predicate, f.message)).collect();
    assert_eq!(told[1].0, WAYS_AROUND_KNOWN);
    assert_eq!(told[1].1, "Group system:authenticated may do everything");
    assert_eq!(told[0].0, "writers-known");
}

#[test]
fn h26_a_webhook_that_sees_secrets_is_found() {
    let found = |seen: InterceptorSeen| {
        let mut s = clean();
        s.interceptors.push(seen);
        check(&s).len()
    };
    assert_eq!(found(interceptor(true, "secrets")), 1);
    assert_eq!(found(interceptor(false, "secrets")), 1);
    assert_eq!(found(interceptor(true, "runtimesecrets")), 1);
    assert_eq!(found(interceptor(false, "runtimesecrets")), 0);
    assert_eq!(
        found(InterceptorSeen { rules: vec![rule("*", "*/*", "")], ..interceptor(false, "") }),
        1
    );
    assert_eq!(
        found(InterceptorSeen { rules: vec![rule("", "pods", "")], ..interceptor(true, "") }),
        0
    );
}
