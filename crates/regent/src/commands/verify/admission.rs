//! Live admission policies and bindings against the table: one that is missing, or says something else, leaves a
//! write path open (`writers-known`).

use std::collections::BTreeMap;

use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use regent_protocol::invariants::{BindingSeen, Snapshot};
use regent_types::access::admission::{self, BINDING_KIND, POLICY_KIND, Settings};
use serde_json::Value;

/// Specs by `Kind name`.
type Specs = BTreeMap<String, Value>;

pub(super) async fn gather(api: &kube::Client, s: &mut Snapshot) -> anyhow::Result<()> {
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
    s.rbac.extend(differences(&live));
    Ok(())
}

/// Others than the table's are no finding: a policy can only refuse.
fn differences(live: &Specs) -> Vec<BindingSeen> {
    let mut found = Vec::new();
    for object in admission::objects(&Settings::default()) {
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

    fn table() -> Specs {
        let name = |o: &Value| {
            let text =
                |p: &str| o.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
            format!("{} {}", text("/kind"), text("/metadata/name"))
        };
        let all = admission::objects(&Settings::default());
        all.iter().map(|o| (name(o), o["spec"].clone())).collect()
    }

    /// S5.8-1: a policy that is gone, one that exempts somebody more and a binding that only warns are all seen.
    #[test]
    fn what_is_missing_or_changed_is_found() {
        assert_eq!(differences(&table()), []);
        let mut gone = table();
        gone.remove(&format!("{POLICY_KIND} {}", admission::MATERIALIZED));
        assert_eq!(differences(&gone).len(), 1);
        let mut wider = table();
        let policy = wider.get_mut(&format!("{POLICY_KIND} {}", admission::BOOTSTRAP)).unwrap();
        policy["matchConditions"][0]["expression"] = "false".into();
        assert!(differences(&wider)[0].says.contains("matchConditions"));
        let mut softer = table();
        let binding = softer.get_mut(&format!("{BINDING_KIND} {}", admission::BOOTSTRAP)).unwrap();
        binding["validationActions"] = serde_json::json!(["Warn"]);
        assert_eq!(differences(&softer).len(), 1);
    }
}
