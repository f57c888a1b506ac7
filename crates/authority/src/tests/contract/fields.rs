//! Every field that OpenBao documents for an endpoint that is served here acts, is refused by its name, or
//! is named in a warning. Source: OpenBao API docs 2.4 and the field schemas of its backends.

use serde_json::{Map, Value, json};

use super::logins;
use crate::tests::{App, covers};

/// What becomes of a field.
enum Fate {
    /// It acts; the second text is what must then be read at the first.
    Reads(&'static str, &'static str),
    /// It acts on this request alone, whose answer is at least this.
    Answers(&'static str),
    /// A 400 names it, and as `null` it passes.
    Refused,
    /// A warning names it.
    Reported,
}

use Fate::{Answers, Reads, Refused, Reported};

/// A request, the fields that it needs, and each field with a value: `{n}` is new each time.
type Endpoint = (&'static str, &'static str, Vec<Field>);

const OK: &str = "204";

type Field = (&'static str, &'static str, Fate);

/// What a tune may set, which is read at `read`, and what it may not.
fn tune(read: &'static str) -> Vec<Field> {
    vec![
        ("description", r#""d""#, Reads(read, r#"{"description": "d"}"#)),
        ("default_lease_ttl", "60", Reads(read, r#"{"default_lease_ttl": 60}"#)),
        ("max_lease_ttl", r#""1h""#, Reads(read, r#"{"max_lease_ttl": 3600}"#)),
        ("listing_visibility", r#""hidden""#, Reads(read, r#"{"listing_visibility": "hidden"}"#)),
        ("listing_visibility", r#""bogus""#, Refused),
        ("audit_non_hmac_request_keys", r#"["a"]"#, Refused),
        ("audit_non_hmac_response_keys", r#"["a"]"#, Refused),
        ("passthrough_request_headers", r#"["a"]"#, Refused),
        ("allowed_response_headers", r#"["a"]"#, Refused),
        ("allowed_managed_keys", r#"["a"]"#, Refused),
        ("delegated_auth_accessors", r#"["a"]"#, Refused),
        ("identity_token_key", r#""a""#, Refused),
        ("plugin_version", r#""v1""#, Refused),
        ("user_lockout_config", r#"{"lockout_disable": true}"#, Refused),
        ("force_no_cache", "true", Refused),
        ("token_type", r#""batch""#, Refused),
    ]
}

/// The same of enabling a mount.
fn enable(read: &'static str) -> Vec<Field> {
    let ttl = r#"{"config": {"default_lease_ttl": 60}}"#;
    let max = r#"{"config": {"max_lease_ttl": 3600}}"#;
    let hidden = r#"{"config": {"listing_visibility": "hidden"}}"#;
    vec![
        ("description", r#""d""#, Reads(read, r#"{"description": "d"}"#)),
        ("config.default_lease_ttl", "60", Reads(read, ttl)),
        ("config.max_lease_ttl", r#""1h""#, Reads(read, max)),
        ("config.listing_visibility", r#""hidden""#, Reads(read, hidden)),
        ("config.listing_visibility", r#""bogus""#, Refused),
        ("config.force_no_cache", "true", Refused),
        ("config.audit_non_hmac_request_keys", r#"["a"]"#, Refused),
        ("config.audit_non_hmac_response_keys", r#"["a"]"#, Refused),
        ("config.passthrough_request_headers", r#"["a"]"#, Refused),
        ("config.allowed_response_headers", r#"["a"]"#, Refused),
        ("config.user_lockout_config", r#"{"lockout_threshold": 5}"#, Refused),
        ("config.plugin_version", r#""v1""#, Refused),
        ("config.token_type", r#""batch""#, Refused),
        ("config.bogus", "1", Refused),
        ("local", "true", Refused),
        ("seal_wrap", "true", Refused),
        ("external_entropy_access", "true", Refused),
        ("plugin_name", r#""x""#, Refused),
        ("plugin_version", r#""v1""#, Refused),
    ]
}

fn mounts() -> Vec<Endpoint> {
    let mut secrets = tune("GET sys/mounts/secret/tune");
    secrets.push(("options.version", r#""2""#, Answers(OK)));
    secrets.push(("options.other", r#""2""#, Refused));
    secrets.push(("token_type", r#""service""#, Refused));
    let mut auth = tune("GET sys/auth/kubernetes/tune");
    let service = Reads("GET sys/auth/kubernetes", r#"{"config": {"token_type": "service"}}"#);
    auth.push(("token_type", r#""service""#, service));
    vec![
        ("POST sys/mounts/secret/tune", "{}", secrets),
        ("POST sys/auth/kubernetes/tune", "{}", auth),
        ("POST sys/mounts/m{n}", r#"{"type": "kv-v2"}"#, enable("GET sys/mounts/m{n}")),
        ("POST sys/auth/a{n}", r#"{"type": "kubernetes"}"#, enable("GET sys/auth/a{n}")),
    ]
}

fn system() -> Vec<Endpoint> {
    let policy = r#""path \"a\" { capabilities = [\"read\"] }""#;
    let read = Reads("GET sys/policies/acl/p{n}", r#"{"policy": "~path"}"#);
    vec![
        (
            "PUT sys/policies/acl/p{n}",
            r#"{"policy": "path \"b\" {}"}"#,
            vec![
                ("policy", policy, read),
                ("expiration", r#""2030-01-01T00:00:00Z""#, Refused),
                ("ttl", r#""1h""#, Refused),
                ("cas", "1", Refused),
                ("cas_required", "true", Refused),
            ],
        ),
        (
            "PUT sys/policy/q{n}",
            "{}",
            vec![("rules", policy, Answers(OK)), ("policy", policy, Answers(OK))],
        ),
        (
            "POST sys/capabilities-self",
            r#"{"paths": ["a"]}"#,
            vec![
                ("paths", r#"["b"]"#, Answers(r#"200 {"data": {"b": ["root"]}}"#)),
                ("path", r#""c""#, Answers(r#"200 {"data": {"c": ["root"]}}"#)),
            ],
        ),
        (
            "POST sys/rotate/config",
            "{}",
            vec![
                ("enabled", "false", Refused),
                ("max_operations", "5", Refused),
                ("interval", "60", Refused),
            ],
        ),
    ]
}

fn leases_and_seal() -> Vec<Endpoint> {
    vec![
        (
            "PUT sys/leases/revoke",
            r#"{"lease_id": "a/b"}"#,
            vec![
                ("lease_id", r#""a/c""#, Answers(OK)),
                ("url_lease_id", r#""a/c""#, Answers(OK)),
                ("sync", "true", Answers(OK)),
            ],
        ),
        ("PUT sys/leases/revoke-prefix/a", "{}", vec![("sync", "true", Answers(OK))]),
        (
            "PUT sys/leases/lookup",
            "{}",
            vec![("lease_id", r#""a/b""#, Answers(r#"400 {"errors": ["invalid lease"]}"#))],
        ),
        (
            "PUT sys/leases/renew",
            r#"{"lease_id": "a/b"}"#,
            vec![("increment", "5", Answers(r#"400 {"errors": ["lease not found"]}"#))],
        ),
        (
            "POST sys/wrapping/unwrap",
            "{}",
            vec![("token", r#""x""#, Answers(r#"400 {"errors": ["~wrapping token"]}"#))],
        ),
        (
            "PUT sys/unseal",
            r#"{"reset": true}"#,
            vec![("reset", "true", Answers("200 {}")), ("migrate", "true", Refused)],
        ),
        (
            "PUT sys/generate-root/attempt",
            "{}",
            vec![("otp", r#""x""#, Refused), ("pgp_key", r#""x""#, Refused)],
        ),
        ("DELETE sys/generate-root/attempt", "{}", vec![]),
        (
            "GET sys/health?activecode=299&standbyok=true&sealedcode=299&uninitcode=299&standbycode=299",
            "{}",
            vec![],
        ),
    ]
}

fn tokens() -> Vec<Endpoint> {
    let role = |expected| Reads("GET auth/token/roles/r{n}", expected);
    vec![
        (
            "POST auth/token/create",
            "{}",
            vec![
                (
                    "policies",
                    r#"["p"]"#,
                    Answers(r#"200 {"auth": {"policies": ["default", "p"]}}"#),
                ),
                ("ttl", "60", Answers(r#"200 {"auth": {"lease_duration": 60}}"#)),
                ("lease", "60", Answers(r#"200 {"auth": {"lease_duration": 60}}"#)),
                ("explicit_max_ttl", "60", Answers(r#"200 {"auth": {"lease_duration": 60}}"#)),
                ("period", "60", Answers(r#"200 {"auth": {"lease_duration": 60}}"#)),
                ("num_uses", "2", Answers(r#"200 {"auth": {"num_uses": 2}}"#)),
                ("renewable", "false", Answers(r#"200 {"auth": {"renewable": false}}"#)),
                ("display_name", r#""x""#, Answers("200 {}")),
                ("meta", r#"{"a": "b"}"#, Answers(r#"200 {"auth": {"metadata": {"a": "b"}}}"#)),
                ("no_parent", "true", Answers(r#"200 {"auth": {"orphan": true}}"#)),
                ("no_default_policy", "true", Answers("200 {}")),
                ("type", r#""service""#, Answers("200 {}")),
                ("type", r#""batch""#, Refused),
                ("id", r#""x""#, Refused),
                ("entity_alias", r#""x""#, Refused),
            ],
        ),
        (
            "POST auth/token/roles/r{n}",
            "{}",
            vec![
                ("allowed_policies", r#"["a"]"#, role(r#"{"allowed_policies": ["a"]}"#)),
                ("disallowed_policies", r#"["a"]"#, role(r#"{"disallowed_policies": ["a"]}"#)),
                (
                    "allowed_policies_glob",
                    r#"["a*"]"#,
                    role(r#"{"allowed_policies_glob": ["a*"]}"#),
                ),
                (
                    "disallowed_policies_glob",
                    r#"["a*"]"#,
                    role(r#"{"disallowed_policies_glob": ["a*"]}"#),
                ),
                ("orphan", "true", role(r#"{"orphan": true}"#)),
                ("renewable", "false", role(r#"{"renewable": false}"#)),
                ("path_suffix", r#""x""#, role(r#"{"path_suffix": "x"}"#)),
                ("period", "60", role(r#"{"token_period": 60}"#)),
                ("token_period", "60", role(r#"{"token_period": 60}"#)),
                ("explicit_max_ttl", "60", role(r#"{"token_explicit_max_ttl": 60}"#)),
                ("token_explicit_max_ttl", "60", role(r#"{"explicit_max_ttl": 60}"#)),
                ("token_num_uses", "2", role(r#"{"token_num_uses": 2}"#)),
                ("token_no_default_policy", "true", role(r#"{"token_no_default_policy": true}"#)),
                ("token_type", r#""service""#, role(r#"{"token_type": "default-service"}"#)),
                ("token_type", r#""batch""#, Refused),
                ("bound_cidrs", r#"["10.0.0.0/8"]"#, Refused),
                ("token_bound_cidrs", r#"["10.0.0.0/8"]"#, Refused),
                ("token_strictly_bind_ip", "true", Refused),
                ("allowed_entity_aliases", r#"["a"]"#, Refused),
            ],
        ),
        (
            "POST auth/token/lookup",
            "{}",
            vec![("token", r#""hvs.x""#, Answers(r#"403 {"errors": ["*"]}"#))],
        ),
        ("POST auth/token/revoke", r#"{"token": "hvs.x"}"#, vec![]),
    ]
}

fn kubernetes() -> Vec<Endpoint> {
    let role = |expected| Reads("GET auth/kubernetes/role/r{n}", expected);
    let config = |expected| Reads("GET auth/kubernetes/config", expected);
    vec![
        (
            "POST auth/kubernetes/config",
            r#"{"kubernetes_host": "h"}"#,
            vec![
                ("kubernetes_host", r#""k""#, config(r#"{"kubernetes_host": "k"}"#)),
                (
                    "kubernetes_ca_cert",
                    r#""-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----""#,
                    config(r#"{"kubernetes_ca_cert": "~BEGIN"}"#),
                ),
                ("token_reviewer_jwt", r#""x""#, config(r#"{"token_reviewer_jwt_set": true}"#)),
                ("issuer", r#""i""#, config(r#"{"issuer": "i"}"#)),
                ("disable_iss_validation", "false", config(r#"{"disable_iss_validation": false}"#)),
                ("disable_local_ca_jwt", "false", config(r#"{"disable_local_ca_jwt": false}"#)),
                ("pem_keys", r#"["k"]"#, Refused),
            ],
        ),
        (
            "POST auth/kubernetes/role/r{n}",
            r#"{"bound_service_account_names": "a", "bound_service_account_namespaces": "b"}"#,
            vec![
                (
                    "bound_service_account_names",
                    r#"["x"]"#,
                    role(r#"{"bound_service_account_names": ["x"]}"#),
                ),
                (
                    "bound_service_account_namespaces",
                    r#"["x"]"#,
                    role(r#"{"bound_service_account_namespaces": ["x"]}"#),
                ),
                ("bound_service_account_namespace_selector", r#""{}""#, Refused),
                ("audience", r#""x""#, role(r#"{"audience": "x"}"#)),
                (
                    "alias_name_source",
                    r#""serviceaccount_uid""#,
                    role(r#"{"alias_name_source": "serviceaccount_uid"}"#),
                ),
                ("alias_name_source", r#""serviceaccount_name""#, Reported),
                ("token_policies", r#"["x"]"#, role(r#"{"token_policies": ["x"]}"#)),
                ("policies", r#"["x"]"#, role(r#"{"token_policies": ["x"]}"#)),
                ("token_ttl", "60", role(r#"{"token_ttl": 60}"#)),
                ("ttl", "60", role(r#"{"token_ttl": 60}"#)),
                ("token_max_ttl", "60", role(r#"{"token_max_ttl": 60}"#)),
                ("max_ttl", "60", role(r#"{"token_max_ttl": 60}"#)),
                ("token_explicit_max_ttl", "60", role(r#"{"token_explicit_max_ttl": 60}"#)),
                ("token_period", "60", role(r#"{"token_period": 60}"#)),
                ("period", "60", role(r#"{"token_period": 60}"#)),
                ("token_num_uses", "2", role(r#"{"token_num_uses": 2}"#)),
                ("num_uses", "2", role(r#"{"token_num_uses": 2}"#)),
                ("token_no_default_policy", "true", role(r#"{"token_no_default_policy": true}"#)),
                ("token_type", r#""service""#, role(r#"{"token_type": "service"}"#)),
                ("token_type", r#""batch""#, Refused),
                ("token_bound_cidrs", r#"["10.0.0.0/8"]"#, Refused),
                ("bound_cidrs", r#"["10.0.0.0/8"]"#, Refused),
                ("token_strictly_bind_ip", "true", Refused),
            ],
        ),
    ]
}

fn kv() -> Vec<Endpoint> {
    let config = |expected| Reads("GET secret/config", expected);
    let metadata = |expected| Reads("GET secret/metadata/m{n}", expected);
    vec![
        (
            "POST secret/config",
            "{}",
            vec![
                ("max_versions", "5", config(r#"{"max_versions": 5}"#)),
                ("cas_required", "false", config(r#"{"cas_required": false}"#)),
                (
                    "delete_version_after",
                    r#""1h""#,
                    config(r#"{"delete_version_after": "1h0m0s"}"#),
                ),
                ("metadata_cas_required", "true", Refused),
            ],
        ),
        (
            "PUT secret/data/d{n}",
            r#"{"data": {"k": "v"}}"#,
            vec![
                ("data", r#"{"x": "y"}"#, Reads("GET secret/data/d{n}", r#"{"data": {"x": "y"}}"#)),
                ("options.cas", "0", Answers(r#"200 {"data": {"version": 1}}"#)),
                ("options.bogus", "0", Reported),
                ("version", "1", Reported),
            ],
        ),
        ("GET secret/data/seed?version=1", "{}", vec![]),
        ("GET secret/subkeys/seed?version=1&depth=1", "{}", vec![]),
        ("PUT secret/delete/seed2", r#"{"versions": [1]}"#, vec![("versions", "[1]", Answers(OK))]),
        (
            "POST secret/metadata/m{n}",
            "{}",
            vec![
                ("max_versions", "5", metadata(r#"{"max_versions": 5}"#)),
                ("cas_required", "true", metadata(r#"{"cas_required": true}"#)),
                ("delete_version_after", "60", metadata(r#"{"delete_version_after": "1m0s"}"#)),
                (
                    "custom_metadata",
                    r#"{"a": "b"}"#,
                    metadata(r#"{"custom_metadata": {"a": "b"}}"#),
                ),
                ("metadata_cas_required", "true", Refused),
                ("metadata_cas", "1", Refused),
            ],
        ),
    ]
}

/// `base` with one field more; `a.b` is the field `b` of `a`.
fn with(base: &str, field: &str, value: &Value) -> String {
    let mut body: Map<String, Value> = serde_json::from_str(base).unwrap();
    match field.split_once('.') {
        None => body.insert(field.to_owned(), value.clone()),
        Some((object, inner)) => body.insert(object.to_owned(), json!({inner: value})),
    };
    Value::Object(body).to_string()
}

/// What the answer says of `field`, in an error or in a warning.
fn names(answer: &Value, key: &str, field: &str) -> bool {
    let last = field.rsplit('.').next().unwrap();
    answer[key]
        .as_array()
        .is_some_and(|all| all.iter().any(|text| text.as_str().unwrap().contains(last)))
}

#[tokio::test]
async fn v11_every_documented_field_acts_is_refused_or_is_reported() {
    let (app, _) = logins::app().await;
    app.check(r#"POST sys/mounts/secret {"type": "kv-v2"}"#, OK).await;
    app.check(r#"PUT secret/data/seed {"data": {"k": "v"}}"#, "200 {}").await;
    let mut turn = 0;
    let endpoints =
        [mounts(), system(), leases_and_seal(), tokens(), kubernetes(), kv()].into_iter().flatten();
    for (request, base, fields) in endpoints {
        for (field, value, fate) in fields {
            turn += 1;
            let at = |text: &str| text.replace("{n}", &turn.to_string());
            let value: Value = serde_json::from_str(value).unwrap();
            let bare = at(request);
            let request = format!("{bare} {}", with(base, field, &value));
            let answer = app.ask(&request).await;
            let told = format!("{request}\n  {} {}", answer.status, answer.text);
            let fine = answer.status < 300;
            match fate {
                Reads(read, expected) => {
                    assert!(fine && !names(&answer.body, "warnings", field), "{told}");
                    app.check(&at(read), &format!("200 {{\"data\": {expected}}}")).await;
                }
                Answers(expected) => {
                    let (status, body) = expected.split_once(' ').unwrap_or((expected, "null"));
                    let wanted = serde_json::from_str(body).unwrap();
                    assert_eq!(answer.status.to_string(), status, "{told}");
                    assert!(!names(&answer.body, "warnings", field), "{told}");
                    assert!(covers(&answer.body, &wanted), "{told}\n  expected {expected}");
                }
                Refused => {
                    assert!(answer.status == 400 && names(&answer.body, "errors", field), "{told}");
                    let neutral =
                        app.ask(&format!("{bare} {}", with(base, field, &Value::Null))).await;
                    let known = !["config.bogus", "options.other"].contains(&field);
                    assert!(!known || !names(&neutral.body, "errors", field), "{}", neutral.text);
                }
                Reported => assert!(fine && names(&answer.body, "warnings", field), "{told}"),
            }
        }
        // Whatever else is sent is named, and changes nothing else.
        turn += 1;
        let request = request.replace("{n}", &turn.to_string());
        let request = match (request.starts_with("GET"), request.contains('?')) {
            (true, true) => format!("{request}&bogus=1"),
            (true, false) => format!("{request}?bogus=1"),
            (false, _) if request.starts_with("DELETE") => format!("{request}?bogus=1"),
            (false, _) => format!("{request} {}", with(base, "bogus", &json!(1))),
        };
        let answer = app.ask(&request).await;
        let reported = names(&answer.body, "warnings", "bogus") || answer.status >= 400;
        assert!(reported, "{request}\n  {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn v11_neutral_values_of_what_is_not_there_pass() {
    let app = App::ready().await;
    let neutral = r#"{"type": "kv-v2", "local": false, "seal_wrap": "false", "plugin_version": "",
        "external_entropy_access": null, "config": {"force_no_cache": false, "options": null,
        "audit_non_hmac_request_keys": [], "user_lockout_config": {"lockout_disable": false}}}"#;
    let neutral = neutral.replace("\"options\": null,", "");
    app.check(&format!("POST sys/mounts/m {neutral}"), OK).await;
    let attempt = r#"PUT sys/generate-root/attempt {"otp": "", "pgp_key": null}"#;
    app.check(attempt, r#"200 {"started": true}"#).await;
    let fresh = App::open(crate::Storage::Memory);
    let refused = r#"PUT sys/init {"secret_shares": 1, "secret_threshold": 1, "pgp_keys": ["k"]}"#;
    fresh.check(refused, r#"400 {"errors": ["~\"pgp_keys\""]}"#).await;
    let init = r#"PUT sys/init {"secret_shares": 1, "secret_threshold": 1, "pgp_keys": null,
        "recovery_shares": 0, "root_token_pgp_key": ""}"#;
    fresh.check(init, "200 {}").await;
}
