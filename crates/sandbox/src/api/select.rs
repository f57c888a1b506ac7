//! Label and field selectors.

use serde_json::Value;

use super::meta;
use crate::kinds::ResourceKind;
use crate::status::Failure;

/// A parsed pair of selectors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Term>,
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Term {
    fn key(&self) -> &str {
        match self {
            Self::In(key, _) | Self::NotIn(key, _) | Self::Exists(key) | Self::Absent(key) => key,
        }
    }
}

impl Selector {
    pub(crate) fn parse(labels: &str, fields: &str) -> Result<Self, Failure> {
        let labels: Vec<Term> = split(labels).iter().map(|t| term(t)).collect::<Result<_, _>>()?;
        if labels.iter().any(|t| !meta::qualified(t.key())) {
            return Err(bad(&labels.iter().map(Term::key).collect::<Vec<_>>().join(",")));
        }
        let fields = fields
            .split(',')
            .filter(|t| !t.is_empty())
            .map(|t| {
                let (name, value, equal) = match (t.split_once("!="), t.split_once("==")) {
                    (Some((n, v)), _) => (n, v, false),
                    (None, Some((n, v))) => (n, v, true),
                    (None, None) => {
                        let (n, v) = t.split_once('=').ok_or_else(|| bad(t))?;
                        (n, v, true)
                    }
                };
                Ok((name.to_owned(), value.to_owned(), equal))
            })
            .collect::<Result<_, Failure>>()?;
        Ok(Self { labels, fields })
    }

    /// Whether anything is selected at all.
    pub(crate) fn is_any(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Only some fields can be selected by.
    pub(super) fn supported(&self, kind: &ResourceKind) -> Result<(), Failure> {
        let own: &[&str] = match kind.kind.as_str() {
            "Secret" => &["type"],
            "Namespace" => &["status.phase"],
            "Pod" => &["spec.nodeName", "spec.serviceAccountName", "status.phase", "status.podIP"],
            "Event" => &[
                "involvedObject.kind",
                "involvedObject.name",
                "involvedObject.namespace",
                "involvedObject.uid",
                "regarding.kind",
                "regarding.name",
                "regarding.namespace",
                "regarding.uid",
                "reason",
                "type",
                "reportingComponent",
                "reportingController",
            ],
            "Job" => &["status.successful"],
            _ => &[],
        };
        let known = |name: &str| {
            name == "metadata.name"
                || (name == "metadata.namespace" && kind.namespaced)
                || own.contains(&name)
        };
        match self.fields.iter().find(|(name, ..)| !known(name)) {
            Some((name, ..)) => {
                Err(Failure::bad_request(format!("field label not supported: {name}")))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        let labels = self.labels.iter().all(|t| match t {
            Term::In(key, values) => label(key).is_some_and(|v| values.iter().any(|w| w == v)),
            Term::NotIn(key, values) => label(key).is_none_or(|v| !values.iter().any(|w| w == v)),
            Term::Exists(key) => label(key).is_some(),
            Term::Absent(key) => label(key).is_none(),
        });
        labels
            && self.fields.iter().all(|(path, wanted, equal)| {
                let found = path.split('.').fold(object, |at, part| &at[part]);
                (found.as_str().unwrap_or_default() == wanted) == *equal
            })
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

fn term(text: &str) -> Result<Term, Failure> {
    let set = |rest: &str| -> Option<Vec<String>> {
        let inner = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_owned()).collect())
    };
    if let Some((key, rest)) = text.split_once(" notin ") {
        return Ok(Term::NotIn(key.trim().into(), set(rest).ok_or_else(|| bad(text))?));
    }
    if let Some((key, rest)) = text.split_once(" in ") {
        return Ok(Term::In(key.trim().into(), set(rest).ok_or_else(|| bad(text))?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Term::NotIn(key.trim().into(), vec![value.trim().into()]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Term::In(key.trim().into(), vec![value.trim().into()]));
    }
    Ok(match text.strip_prefix('!') {
        Some(key) => Term::Absent(key.trim().into()),
        None => Term::Exists(text.into()),
    })
}

fn bad(text: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_match_as_the_real_ones_do() {
        let object = json!({ "metadata": { "name": "x", "labels": { "a": "1", "b/c": "2" } } });
        let cases = [
            ("a=1", true),
            ("a==2", false),
            ("a!=2", true),
            ("z!=1", true),
            ("b/c", true),
            ("!z", true),
            ("a in (1,2),b/c=2", true),
            ("a notin (1)", false),
            ("z in (1)", false),
        ];
        for (labels, wanted) in cases {
            assert_eq!(Selector::parse(labels, "").unwrap().matches(&object), wanted, "{labels}");
        }
        assert!(Selector::parse("", "metadata.name=x").unwrap().matches(&object));
        assert!(!Selector::parse("", "metadata.name!=x").unwrap().matches(&object));
    }
}
