//! A line of an API server's audit log (`audit.k8s.io/v1`, level Metadata) as a request of a component. Pure.

use regent_types::identity::Identity;
use serde_json::Value;

use super::cells::{self, Ask};

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// Nothing about a component's own rights.
    Other,
    /// A component was let through.
    Granted(Ask<'a>),
    /// RBAC refused a component what the table does not grant everywhere: who, what, where.
    Refused(Ask<'a>, String),
}

/// Reads one. What an admission policy refuses, as a component's dry run before it starts is to be, was within its
/// Role; what intent does as somebody else is within that account's.
pub(super) fn event(line: &Value) -> Event<'_> {
    let text = |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let user = text("/user/username");
    let Some(identity) = Identity::ALL.into_iter().find(|i| i.user_name() == user) else {
        return Event::Other;
    };
    let path = text("/requestURI").split('?').next().unwrap_or_default();
    let code = line.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
    let ask = Ask {
        identity,
        verb: text("/verb"),
        group: text("/objectRef/apiGroup"),
        resource: if line["objectRef"].is_null() { path } else { text("/objectRef/resource") },
        subresource: text("/objectRef/subresource"),
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        created: code == 201,
    };
    // What everybody may ask, discovery and health, is in no table.
    let tabled = !line["objectRef"].is_null() || cells::always_within(&ask);
    let own = line["impersonatedUser"].is_null() && tabled;
    // Whoever may not impersonate is refused before there is a decision to note.
    let decision = text("/annotations/authorization.k8s.io~1decision");
    if decision == "forbid" || (decision.is_empty() && code == 403) {
        // An API server that has just started, or that was just told of a binding, does not know it for a moment.
        return match own && cells::always_within(&ask) {
            true => Event::Other,
            false => {
                let what = format!("{user} {} {}", text("/verb"), text("/requestURI"));
                Event::Refused(ask, what)
            }
        };
    }
    if own { Event::Granted(ask) } else { Event::Other }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(user: &str, decision: &str, code: u64) -> Value {
        json!({
            "verb": "get", "requestURI": "/api/v1/x",
            "user": { "username": user },
            "objectRef": { "resource": "secrets", "namespace": "payments", "name": "db", "apiVersion": "v1" },
            "responseStatus": { "code": code },
            "annotations": { "authorization.k8s.io/decision": decision },
        })
    }

    #[test]
    fn the_servers_verdict_decides() {
        let bootstrap = Identity::Bootstrap.user_name();
        assert!(
            matches!(event(&line(&bootstrap, "allow", 200)), Event::Granted(a) if a.name == "db")
        );
        // By an admission policy: within its Role.
        assert!(matches!(event(&line(&bootstrap, "allow", 403)), Event::Granted(_)));
        let told = format!("{bootstrap} get /api/v1/x");
        let refused = |line: &Value| matches!(event(line), Event::Refused(_, what) if what == told);
        assert!(refused(&line(&bootstrap, "forbid", 403)));
        assert!(refused(&line(&bootstrap, "", 403)));
        assert_eq!(event(&line("admin", "forbid", 403)), Event::Other);
    }

    /// An API server that has just started refuses what a Role grants, until it has read the bindings.
    #[test]
    fn a_refusal_of_what_a_role_grants_is_the_servers_delay() {
        let mut line = line(&Identity::Bootstrap.user_name(), "forbid", 403);
        line["verb"] = "update".into();
        let lease = |name: &str| json!({ "apiGroup": "coordination.k8s.io", "resource": "leases", "namespace": "regent-system", "name": name });
        line["objectRef"] = lease("regent-bootstrap");
        assert_eq!(event(&line), Event::Other);
        line["objectRef"] = lease("regent-warden");
        assert!(matches!(event(&line), Event::Refused(..)));
        // Which namespaces are named no table says: a refusal there counts.
        line["verb"] = "get".into();
        line["objectRef"] = json!({ "resource": "secrets", "namespace": "payments", "name": "db" });
        assert!(matches!(event(&line), Event::Refused(..)));
    }

    #[test]
    fn a_path_counts_where_the_table_has_it() {
        let mut line = line(&Identity::Warden.user_name(), "allow", 200);
        line["objectRef"].take();
        assert_eq!(event(&line), Event::Other);
        line["requestURI"] = "/openid/v1/jwks".into();
        assert!(matches!(event(&line), Event::Granted(a) if a.resource == "/openid/v1/jwks"));
    }

    #[test]
    fn what_is_done_as_somebody_else_uses_no_rule_of_intent() {
        let mut line = line(&Identity::Intent.user_name(), "allow", 200);
        line["impersonatedUser"] =
            json!({ "username": "system:serviceaccount:regent-system:applier" });
        assert_eq!(event(&line), Event::Other);
    }
}
