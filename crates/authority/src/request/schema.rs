//! Which fields an endpoint knows. **What is accepted acts**: a field is either acted on, refused by its
//! name, or named in a warning of the answer.

use regent_types::Json;
use regent_types::json::Object;

use crate::error::ApiError;

/// What an endpoint does with the fields of a request.
#[derive(Clone, Copy)]
pub(crate) struct Schema {
    /// Fields that it acts on, and judges itself; `a.b` is the field `b` of the object `a`, of which
    /// it then has no other.
    pub(crate) acts: &'static [&'static str],
    /// Fields that the Vault API knows and this authority does not, each with the reason. Their neutral
    /// values (`null`, `false`, `0`, nothing) change nothing and pass.
    pub(crate) refused: &'static [(&'static str, &'static str)],
}

impl Schema {
    /// An endpoint without fields.
    pub(crate) const NONE: Self = Self::of(&[]);
    /// An endpoint whose fields are a value: each counts.
    pub(crate) const ANY: Self = Self::of(&["*"]);

    /// An endpoint that acts on every field it has.
    pub(crate) const fn of(acts: &'static [&'static str]) -> Self {
        Self { acts, refused: &[] }
    }

    /// The names of fields that the endpoint does not have, sorted; a 400 if one is refused.
    pub(crate) fn judge(&self, data: &Object) -> Result<Vec<String>, ApiError> {
        let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
        for (name, value) in data {
            if self.acts.iter().any(|known| *known == name.as_str() || *known == "*") {
                continue;
            }
            if let Some(inner) = self.within(name) {
                let fields = value.as_object().into_iter().flat_map(Object::keys);
                let strange = fields.filter(|field| !inner.contains(&field.as_str()));
                unknown.extend(strange.map(|field| shown(&format!("{name}.{field}"))));
                continue;
            }
            match self.refused.iter().find(|(refused, _)| *refused == name.as_str()) {
                Some(_) if is_neutral(value) => {}
                Some((name, why)) => {
                    wrong.push(format!("field {name:?} is not supported by this authority: {why}"));
                }
                None => unknown.push(shown(name)),
            }
        }
        if wrong.is_empty() { Ok(unknown) } else { Err(ApiError::Invalid(wrong)) }
    }

    /// The fields of the object `name`, where the endpoint names any.
    fn within(&self, name: &str) -> Option<Vec<&'static str>> {
        let inner = |known: &&'static str| known.strip_prefix(name)?.strip_prefix('.');
        let inner: Vec<_> = self.acts.iter().filter_map(inner).collect();
        (!inner.is_empty()).then_some(inner)
    }
}

/// The warning for fields that were not acted on, as Vault words it.
pub(crate) fn ignored(names: &[String]) -> String {
    format!("Endpoint ignored these unrecognized parameters: [{}]", names.join(" "))
}

fn is_neutral(value: &Json) -> bool {
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Bool(true) => false,
        Json::Number(token) => token.as_i64() == Some(0),
        Json::String(text) => matches!(text.as_str(), "" | "0" | "false"),
        Json::Array(items) => items.iter().all(is_neutral),
        Json::Object(fields) => fields.values().all(is_neutral),
    }
}

/// A name short enough for an answer, without what a terminal would act on.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: Schema = Schema { acts: &["a", "o.x"], refused: &[("r", "why")] };

    #[test]
    fn v11_a_field_acts_is_refused_or_is_reported() {
        for (text, expected) in [
            (r#"{"a": 1}"#, Ok(vec![])),
            (r#"{"a": 1, "x": 1, "b": null}"#, Ok(vec!["b".to_owned(), "x".to_owned()])),
            (r#"{"o": {"x": 1, "y": 2}}"#, Ok(vec!["o.y".to_owned()])),
            (r#"{"r": false}"#, Ok(vec![])),
            (r#"{"r": {"a": [0, "", null]}}"#, Ok(vec![])),
            (r#"{"r": true}"#, Err("field \"r\" is not supported by this authority: why")),
            (r#"{"r": ["x"]}"#, Err("field \"r\" is not supported by this authority: why")),
        ] {
            let Ok(Json::Object(data)) = Json::parse(text.as_bytes()) else { panic!("{text}") };
            let found = SCHEMA.judge(&data).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        }
    }
}
