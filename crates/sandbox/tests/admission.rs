//! ValidatingAdmissionPolicies as the real API server evaluates them: what they match, in whose words they refuse,
//! and what happens where they cannot be evaluated.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's assertions")]

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_sandbox::{Options, Sandbox};
use serde_json::{Value, json};

const GROUP: &str = "admissionregistration.k8s.io";

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let namespace = json!({ "metadata": { "name": "app", "labels": { "team": "a" } } });
    let api: Api<Namespace> = Api::all(sandbox.admin());
    api.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
    sandbox
}

fn api(sandbox: &Sandbox, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(GROUP, "v1", kind);
    Api::all_with(sandbox.admin(), &ApiResource::from_gvk(&kind))
}

/// A policy `p` on ConfigMaps, bound by `b`; `spec` says the rest.
async fn install(sandbox: &Sandbox, spec: Value) -> Result<(), kube::Error> {
    let mut policy = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicy", "metadata": { "name": "p" },
        "spec": { "matchConstraints": { "resourceRules": [{ "apiGroups": [""], "apiVersions": ["v1"],
            "resources": ["configmaps"], "operations": ["CREATE", "UPDATE", "DELETE"] }] } },
    });
    for (key, value) in spec.as_object().unwrap() {
        policy["spec"][key] = value.clone();
    }
    let params = PatchParams::apply("test").force();
    api(sandbox, "ValidatingAdmissionPolicy").patch("p", &params, &Patch::Apply(&policy)).await?;
    bind(sandbox, json!(["Deny"])).await
}

async fn bind(sandbox: &Sandbox, actions: Value) -> Result<(), kube::Error> {
    let binding = json!({
        "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicyBinding", "metadata": { "name": "b" },
        "spec": { "policyName": "p", "validationActions": actions },
    });
    let params = PatchParams::apply("test").force();
    let bindings = api(sandbox, "ValidatingAdmissionPolicyBinding");
    bindings.patch("b", &params, &Patch::Apply(&binding)).await.map(drop)
}

/// What a dry create of a ConfigMap with label `a.b/c: d` is answered.
async fn create(sandbox: &Sandbox) -> String {
    let object =
        json!({ "metadata": { "name": "c", "labels": { "a.b/c": "d" } }, "data": { "k": "v" } });
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let api: Api<ConfigMap> = Api::namespaced(sandbox.admin(), "app");
    match api.create(&params, &serde_json::from_value(object).unwrap()).await {
        Ok(_) => "fine".into(),
        Err(kube::Error::Api(status)) => {
            let said =
                status.message.split_once("denied request: ").map_or(&*status.message, |(_, m)| m);
            format!("{} {}: {said}", status.code, status.reason)
        }
        Err(other) => panic!("{other}"),
    }
}

fn rule(expression: &str) -> Value {
    json!({ "validations": [{ "expression": expression, "message": "no" }] })
}

/// Labels with dots and slashes, variables in order, the namespace, the user, the authorizer: each is seen.
#[tokio::test]
async fn expressions_see_what_the_real_ones_see() {
    let sandbox = sandbox().await;
    let conditions = |expression: &str| {
        json!({ "matchConditions": [{ "name": "c", "expression": expression }],
        "validations": [{ "expression": "false", "message": "no" }] })
    };
    let table = [
        (
            rule("'a.b/c' in object.metadata.labels && object.metadata.labels['a.b/c'] == 'd'"),
            "fine",
        ),
        (rule("oldObject == null && request.operation == 'CREATE' && request.dryRun"), "fine"),
        (rule("namespaceObject.metadata.labels.team == 'a' && request.namespace == 'app'"), "fine"),
        (rule("request.userInfo.username == 'kubernetes-admin'"), "fine"),
        (rule("authorizer.group('x').resource('y').namespace('app').check('z').allowed()"), "fine"),
        (rule("!authorizer.group('x').resource('y').check('z').allowed()"), "422 Invalid: no"),
        (
            json!({ "variables": [{ "name": "a", "expression": "object.data.k" },
                { "name": "b", "expression": "variables.a + '!'" }],
                "validations": [{ "expression": "variables.b == 'v!'" }] }),
            "fine",
        ),
        (
            json!({ "validations": [{ "expression": "false", "reason": "Forbidden",
                "messageExpression": "'k is ' + object.data.k" }] }),
            "403 Forbidden: k is v",
        ),
        (
            // A message of more than one line is not taken.
            json!({ "validations": [{ "expression": "false", "message": "no", "messageExpression": "'a\\nb'" }] }),
            "422 Invalid: no",
        ),
        (
            json!({ "validations": [{ "expression": "1 == 2" }] }),
            "422 Invalid: failed expression: 1 == 2",
        ),
        (conditions("false"), "fine"),
        (conditions("true"), "422 Invalid: no"),
    ];
    for (spec, wanted) in table {
        install(&sandbox, spec.clone()).await.unwrap();
        assert_eq!(create(&sandbox).await, wanted, "{spec}");
        // What another spec of the same applier does not mention goes.
        api(&sandbox, "ValidatingAdmissionPolicy")
            .delete("p", &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// An expression that fails refuses under `Fail`, the default, and lets pass under `Ignore`; messages and audit
/// annotations have no authorizer.
#[tokio::test]
async fn what_cannot_be_evaluated_refuses() {
    let sandbox = sandbox().await;
    install(&sandbox, rule("object.spec.none == 1")).await.unwrap();
    assert!(create(&sandbox).await.contains("resulted in error"));
    let mut ignoring = rule("object.spec.none == 1");
    ignoring["failurePolicy"] = "Ignore".into();
    install(&sandbox, ignoring).await.unwrap();
    assert_eq!(create(&sandbox).await, "fine");
    let mut auditing = rule("true");
    auditing["failurePolicy"] = "Fail".into();
    auditing["auditAnnotations"] = json!([{ "key": "k", "valueExpression": "authorizer.path('/x').check('get').allowed() ? 'a' : 'b'" }]);
    install(&sandbox, auditing).await.unwrap();
    assert!(create(&sandbox).await.contains("resulted in error"));
}

/// A variable that sees itself ends in an error, not in a loop.
#[tokio::test]
async fn variables_see_only_those_before_them() {
    let sandbox = sandbox().await;
    let spec = json!({ "variables": [{ "name": "a", "expression": "variables.b" },
        { "name": "b", "expression": "variables.a" }], "validations": [{ "expression": "variables.a" }] });
    install(&sandbox, spec).await.unwrap();
    assert!(create(&sandbox).await.contains("resulted in error"));
}

/// A policy in force covers deletes, dry or not, and its own removal is always possible.
#[tokio::test]
async fn deletes_are_judged_and_policies_are_not() {
    let sandbox = sandbox().await;
    let api_: Api<ConfigMap> = Api::namespaced(sandbox.admin(), "app");
    let object = serde_json::from_value(json!({ "metadata": { "name": "c" } })).unwrap();
    api_.create(&PostParams::default(), &object).await.unwrap();
    let spec = rule("object != null || (oldObject.metadata.name != 'c' && !request.dryRun)");
    install(&sandbox, spec).await.unwrap();
    let dry = DeleteParams { dry_run: true, ..DeleteParams::default() };
    assert!(api_.delete("c", &dry).await.is_err());
    assert!(api_.delete("c", &DeleteParams::default()).await.is_err());
    assert!(api_.get_opt("c").await.unwrap().is_some());
    bind(&sandbox, json!(["Audit"])).await.unwrap();
    api_.delete("c", &dry).await.unwrap();
    assert!(api_.get_opt("c").await.unwrap().is_some());
    api(&sandbox, "ValidatingAdmissionPolicy").delete("p", &DeleteParams::default()).await.unwrap();
    api_.delete("c", &DeleteParams::default()).await.unwrap();
}

/// CEL that does not parse, and what the sandbox does not evaluate, is refused when it is written.
#[tokio::test]
async fn a_policy_that_cannot_be_evaluated_is_not_taken() {
    let sandbox = sandbox().await;
    let mut params = rule("true");
    params["paramKind"] = json!({ "apiVersion": "v1", "kind": "ConfigMap" });
    for (spec, wanted) in [(rule("object."), "compilation failed"), (params, "evaluates no params")]
    {
        let refused = install(&sandbox, spec).await.unwrap_err().to_string();
        assert!(refused.contains(wanted), "{refused}");
    }
    assert_eq!(create(&sandbox).await, "fine");
}
