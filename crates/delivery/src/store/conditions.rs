//! In which namespaces a ClusterSecretStore may be used. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::not_ready::NotReady;

/// Whether a ClusterSecretStore with these `conditions` may be used in `namespace` (entries are
/// ORed). A condition that regent cannot evaluate refuses the store.
pub(crate) fn usable_in(
    conditions: &[Value],
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Result<bool, NotReady> {
    if conditions.is_empty() {
        return Ok(true);
    }
    let mut usable = false;
    for condition in conditions {
        let fields =
            condition.as_object().ok_or_else(|| NotReady::unsupported("spec.conditions"))?;
        for (field, value) in fields {
            usable |= match field.as_str() {
                "namespaces" => texts(value).any(|n| n == namespace),
                "namespaceRegexes" => matches_any(value, namespace)?,
                "namespaceSelector" => selects(value, labels)?,
                other => return Err(NotReady::unsupported(&format!("spec.conditions.{other}"))),
            };
        }
    }
    Ok(usable)
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn matches_any(value: &Value, namespace: &str) -> Result<bool, NotReady> {
    for pattern in texts(value) {
        let regex = regex::Regex::new(pattern)
            .map_err(|_| NotReady::unsupported(&format!("spec.conditions regex {pattern:?}")))?;
        if regex.is_match(namespace) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn selects(value: &Value, labels: &BTreeMap<String, String>) -> Result<bool, NotReady> {
    let expressions = value.get("matchExpressions").and_then(Value::as_array);
    if expressions.is_some_and(|e| !e.is_empty()) {
        return Err(NotReady::unsupported("spec.conditions.namespaceSelector.matchExpressions"));
    }
    let Some(wanted) = value.get("matchLabels").and_then(Value::as_object) else { return Ok(true) };
    Ok(wanted.iter().all(|(k, v)| labels.get(k).map(String::as_str) == v.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn store_conditions_are_evaluated_or_refused() {
        let labels = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
        let asked = |conditions: Value| {
            let conditions = conditions.as_array().cloned().unwrap_or_default();
            usable_in(&conditions, "payments", &labels).map_err(|r| r.reason)
        };
        assert_eq!(asked(json!([])), Ok(true));
        assert_eq!(asked(json!([{ "namespaces": ["web"] }])), Ok(false));
        assert_eq!(
            asked(json!([{ "namespaces": ["web"] }, { "namespaceRegexes": ["^pay"] }])),
            Ok(true)
        );
        let by_label = json!([{ "namespaceSelector": { "matchLabels": { "team": "a" } } }]);
        assert_eq!(asked(by_label), Ok(true));
        assert_eq!(asked(json!([{ "somethingNew": true }])), Err("Unsupported"));
    }
}
