//! Live admission policies and bindings against what is to be installed: one that is missing, or says something
//! else, leaves a write path open (`writers-known`).

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_install::access::admission;
use regent_install::access::admission::{BINDING_KIND, POLICY_KIND};
use regent_protocol::invariants::{BindingSeen, Snapshot};
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
    Ok(())
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
}
