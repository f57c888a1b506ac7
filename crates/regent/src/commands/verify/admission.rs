//! Live admission policies and bindings against what is to be installed: one that is missing, or says something
//! else, leaves a write path open (`writers-known`). And webhooks and mutating policies, which regent has none of.

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_install::access::admission;
use regent_install::access::admission::{BINDING_KIND, POLICY_KIND};
use regent_protocol::invariants::{
    BindingSeen, INTERCEPTORS_KNOWN, InterceptorSeen, RuleSeen, Snapshot, Unseen,
};
use serde_json::Value;

/// Specs by `Kind name`.
type Specs = BTreeMap<String, Value>;

pub(super) async fn gather(
    api: &kube::Client,
    table: &[Value],
    s: &mut Snapshot,
) -> anyhow::Result<()> {
    let mut live = Specs::new();
    for kind in [POLICY_KIND, BINDING_KIND] {
        let (group, version) = admission::API_VERSION.split_once('/').unwrap_or_default();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let all: Api<DynamicObject> = Api::all_with(api.clone(), &resource);
        for object in all.list(&ListParams::default()).await? {
            let name = object.metadata.name.unwrap_or_default();
            live.insert(format!("{kind} {name}"), object.data["spec"].clone());
        }
    }
    s.rbac.extend(differences(table, &live));
    for (kind, versions, mutates) in INTERCEPTORS {
        interceptors(api, kind, versions, mutates, s).await?;
    }
    Ok(())
}

/// Kinds that see or change what is written, newest version first, and whether they may change it.
const INTERCEPTORS: [(&str, &[&str], bool); 3] = [
    ("MutatingWebhookConfiguration", &["v1"], true),
    ("ValidatingWebhookConfiguration", &["v1"], false),
    ("MutatingAdmissionPolicy", &["v1", "v1beta1", "v1alpha1"], true),
];

/// Notes those of one kind, in the newest version that is served; a kind that is not served has no objects.
async fn interceptors(
    api: &kube::Client,
    kind: &str,
    versions: &[&str],
    mutates: bool,
    s: &mut Snapshot,
) -> anyhow::Result<()> {
    let (group, _) = admission::API_VERSION.split_once('/').unwrap_or_default();
    for version in versions {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let all: Api<DynamicObject> = Api::all_with(api.clone(), &resource);
        match all.list(&ListParams::default()).await {
            Ok(found) => {
                s.interceptors.extend(found.into_iter().map(|o| interceptor(kind, mutates, &o)));
                return Ok(());
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(kube::Error::Api(status)) if status.code == 403 => {
                s.unseen.push(Unseen {
                    predicate: INTERCEPTORS_KNOWN,
                    subject: kind.to_owned(),
                    why: status.message.clone(),
                    action: format!(
                        "run `regent verify` as somebody who may list {}.{group}",
                        resource.plural
                    ),
                });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn interceptor(kind: &str, mutates: bool, object: &DynamicObject) -> InterceptorSeen {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let texts = |value: &Value| -> Vec<String> {
        list(value).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let hooks = list(&object.data["webhooks"]).into_iter().flat_map(|hook| list(&hook["rules"]));
    let policy = list(&object.data["spec"]["matchConstraints"]["resourceRules"]);
    let rules = hooks.chain(policy).map(|rule| RuleSeen {
        groups: texts(&rule["apiGroups"]),
        resources: texts(&rule["resources"]),
        names: texts(&rule["resourceNames"]),
        verbs: texts(&rule["operations"]),
    });
    let name = object.metadata.name.as_deref().unwrap_or_default();
    InterceptorSeen { object: format!("{kind} {name}"), mutates, rules: rules.collect() }
}

/// Others than the table's are no finding: a policy can only refuse.
fn differences(table: &[Value], live: &Specs) -> Vec<BindingSeen> {
    let mut found = Vec::new();
    let of_admission = |o: &&Value| o["apiVersion"] == admission::API_VERSION;
    for object in table.iter().filter(of_admission) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let full = format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]));
        let seen =
            |says: String, extra| BindingSeen { object: full.clone(), says, extra, widens: false };
        match live.get(&full) {
            None => found.push(seen(full.clone(), false)),
            Some(spec) if *spec == object["spec"] => {}
            Some(spec) => found.push(seen(format!("other {}", parts(spec, &object["spec"])), true)),
        }
    }
    found
}

/// Names of the fields that differ; their text is long and says little.
fn parts(live: &Value, table: &Value) -> String {
    let fields = |v: &Value| v.as_object().map(|o| o.keys().cloned().collect()).unwrap_or_default();
    let mut all: Vec<String> = fields(live);
    all.extend::<Vec<String>>(fields(table));
    all.sort();
    all.dedup();
    all.retain(|field| live[field] != table[field]);
    all.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use regent_install::Values;

    fn table(values: &Values) -> Vec<Value> {
        regent_install::objects(values, &std::collections::BTreeSet::new()).unwrap()
    }

    fn specs(table: &[Value]) -> Specs {
        let name = |o: &Value| {
            let text =
                |p: &str| o.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("{} {}", text("/kind"), text("/metadata/name"))
        };
        table.iter().map(|o| (name(o), o["spec"].clone())).collect()
    }

    /// S5.8-1: a policy that is gone, one that exempts somebody more and a binding that only warns are all seen.
    #[test]
    fn what_is_missing_or_changed_is_found() {
        let all = table(&Values::default());
        let found = |change: &dyn Fn(&mut Specs)| {
            let mut live = specs(&all);
            change(&mut live);
            differences(&all, &live)
        };
        assert_eq!(found(&|_| ()), []);
        let gone = format!("{POLICY_KIND} {}", admission::MATERIALIZED);
        assert_eq!(found(&|live| drop(live.remove(&gone))).len(), 1);
        let policy = format!("{POLICY_KIND} {}", admission::BOOTSTRAP);
        let wider = found(&|live| {
            live.get_mut(&policy).unwrap()["matchConditions"][0]["expression"] = "false".into();
        });
        assert!(wider[0].says.contains("matchConditions"));
        let binding = format!("{BINDING_KIND} {}", admission::BOOTSTRAP);
        let softer = found(&|live| {
            live.get_mut(&binding).unwrap()["validationActions"] = serde_json::json!(["Warn"]);
        });
        assert_eq!(softer.len(), 1);
    }

    /// An installation that exempts other users is as it should be by its own values, and not by the defaults.
    #[test]
    fn the_values_of_an_installation_are_what_it_is_judged_by() {
        let mut own = Values::default();
        own.admission.gitops.push("system:serviceaccount:flux-system:kustomize-controller".into());
        let live = specs(&table(&own));
        assert_eq!(differences(&table(&own), &live), []);
        assert_eq!(differences(&table(&Values::default()), &live).len(), 1);
    }

    #[test]
    fn h26_webhooks_and_mutating_policies_are_read_with_their_rules() {
        let rules = serde_json::json!([{ "apiGroups": [""], "resources": ["secrets"], "operations": ["CREATE"] }]);
        let object = |data: Value| -> DynamicObject {
            let mut object: DynamicObject =
                serde_json::from_value(serde_json::json!({ "metadata": { "name": "x" } })).unwrap();
            object.data = data;
            object
        };
        let hook = object(serde_json::json!({ "webhooks": [{ "rules": rules }, {}] }));
        let policy = object(
            serde_json::json!({ "spec": { "matchConstraints": { "resourceRules": rules } } }),
        );
        for (object, mutates) in [(hook, false), (policy, true)] {
            let seen = interceptor("K", mutates, &object);
            let snapshot = Snapshot { interceptors: vec![seen], ..Snapshot::default() };
            let found = regent_protocol::invariants::check(&snapshot);
            let told = found.iter().filter(|f| f.predicate == INTERCEPTORS_KNOWN);
            assert_eq!(told.map(|f| f.object.as_str()).collect::<Vec<_>>(), ["K x"]);
        }
    }
}
