//! Whether values can be used: the same limits that the chart's schema states.

use super::limits::{LIST_LEN_MAX, NAMESPACES_MAX, REPLICAS_MAX, SNAPSHOTS_MAX};
use super::values::{Component, Destination, Values};
use regent_types::explain::{Advice, Explain};
use regent_types::identity::Identity;

/// A value that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be {found}")]
pub struct Invalid {
    /// Which one, as in the values.
    pub field: String,
    /// What it may be.
    pub expected: String,
    /// What the values have there, as text.
    pub found: String,
}

impl Explain for Invalid {
    fn reason(&self) -> &'static str {
        "InvalidValue"
    }

    fn advice(&self) -> Advice {
        Advice::new(
            format!("{}: {}", self.field, self.expected),
            self.found.clone(),
            format!("change {} in the values or its flag", self.field),
        )
    }
}

impl Values {
    /// The first value that cannot be used, if any.
    pub fn check(&self) -> Result<(), Invalid> {
        is("image.repository", &self.image.repository, "REGISTRY/NAME", repository)?;
        is("image.tag", &self.image.tag, "TAG or TAG@sha256:DIGEST", tag)?;
        is("authority.storage.size", &self.authority.storage.size, "a size such as 10Gi", size)?;
        within("log", self.log.len(), 1, 1_024, "characters")?;
        let at_most = |field: &str, len: usize| within(field, len, 0, LIST_LEN_MAX, "entries");
        at_most("imagePullSecrets", self.image_pull_secrets.len())?;
        at_most("tolerations", self.tolerations.len())?;
        at_most("networkPolicies.authorityClients", self.network_policies.authority_clients.len())?;
        for secret in &self.image_pull_secrets {
            within("imagePullSecrets[].name", secret.name.len(), 1, 253, "characters")?;
        }
        within("priorityClassName", self.priority_class_name.len(), 0, 253, "characters")?;
        let class = self.authority.storage.class_name.len();
        within("authority.storage.className", class, 0, 253, "characters")?;
        let snapshots = &self.authority.snapshots;
        is(
            "authority.snapshots.claim",
            &snapshots.claim,
            "the name of a claim, or nothing",
            claim,
        )?;
        is("authority.snapshots.interval", &snapshots.interval, "a time such as 1h", interval)?;
        let (keep, most) = (snapshots.keep as usize, SNAPSHOTS_MAX as usize);
        within("authority.snapshots.keep", keep, 1, most, "snapshots")?;
        within("namespaces", self.namespaces.len(), 0, NAMESPACES_MAX, "entries")?;
        for namespace in &self.namespaces {
            is("namespaces", namespace, "names of namespaces", name)?;
        }
        let mut sorted: Vec<&String> = self.namespaces.iter().collect();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Invalid {
                field: "namespaces".into(),
                expected: "each namespace once".into(),
                found: format!("{:?} twice", pair[0]),
            });
        }
        users("admission.kubernetes", &self.admission.kubernetes, 1)?;
        users("admission.gitops", &self.admission.gitops, 0)?;
        users("admission.stores", &self.admission.stores, 1)?;
        let mut components = self.components.clone();
        for identity in Identity::ALL {
            if let Some(component) = components.of(identity) {
                one(component, identity)?;
            }
        }
        let policies = &self.network_policies;
        destination("networkPolicies.apiServer", &policies.api_server)?;
        destination("networkPolicies.git", &policies.git)?;
        destination("networkPolicies.externalAuthority", &policies.external_authority)
    }
}

fn one(component: &Component, identity: Identity) -> Result<(), Invalid> {
    let field = |field: &str| format!("components.{}.{field}", identity.name());
    within(&field("replicas"), component.replicas as usize, 1, REPLICAS_MAX as usize, "pods")?;
    within(&field("args"), component.args.len(), 0, LIST_LEN_MAX, "entries")?;
    within(&field("egress"), component.egress.len(), 0, LIST_LEN_MAX, "entries")
}

fn users(field: &str, users: &[String], least: usize) -> Result<(), Invalid> {
    within(field, users.len(), least, LIST_LEN_MAX, "entries")?;
    users.iter().try_for_each(|name| is(field, name, "user names", user))
}

fn destination(field: &str, destination: &Destination) -> Result<(), Invalid> {
    within(&format!("{field}.ports"), destination.ports.len(), 1, LIST_LEN_MAX, "entries")?;
    within(&format!("{field}.peers"), destination.peers.len(), 0, LIST_LEN_MAX, "entries")?;
    match destination.ports.contains(&0) {
        true => Err(Invalid {
            field: format!("{field}.ports"),
            expected: "ports from 1 to 65535".into(),
            found: "0".into(),
        }),
        false => Ok(()),
    }
}

fn is(field: &str, text: &str, expected: &str, holds: fn(&str) -> bool) -> Result<(), Invalid> {
    if holds(text) {
        return Ok(());
    }
    Err(Invalid { field: field.into(), expected: expected.into(), found: format!("{text:?}") })
}

fn within(field: &str, found: usize, least: usize, most: usize, of: &str) -> Result<(), Invalid> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    let expected = format!("from {least} to {most} {of}");
    Err(Invalid { field: field.into(), expected, found: format!("{found} {of}") })
}

fn name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| inside(c) || c == '-')
        && text.starts_with(inside)
        && text.ends_with(inside)
}

fn claim(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.is_empty()
        || (text.len() <= 253
            && text.chars().all(|c| inside(c) || c == '-' || c == '.')
            && text.starts_with(inside)
            && text.ends_with(inside))
}

fn interval(text: &str) -> bool {
    let number = ['m', 'h'].iter().find_map(|unit| text.strip_suffix(*unit));
    number.is_some_and(|n| {
        n.len() <= 4
            && n.starts_with(|c: char| ('1'..='9').contains(&c))
            && n.chars().all(|c| c.is_ascii_digit())
    })
}

fn user(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ":._@/-".contains(c))
}

fn repository(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:/-".contains(c))
}

fn tag(text: &str) -> bool {
    let (tag, digest) = match text.split_once("@sha256:") {
        Some((tag, digest)) => (tag, Some(digest)),
        None => (text, None),
    };
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    text.len() <= 255
        && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && digest.is_none_or(|digest| digest.len() == 64 && digest.chars().all(hex))
}

fn size(text: &str) -> bool {
    let number = ["Mi", "Gi", "Ti"].iter().find_map(|unit| text.strip_suffix(unit));
    number.is_some_and(|n| {
        n.starts_with(|c: char| ('1'..='9').contains(&c)) && n.chars().all(|c| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each change to the defaults that must be refused, with the field that is named.
    #[test]
    fn what_cannot_work_is_refused_with_its_field() {
        type Change = fn(&mut Values);
        let cases: [(&str, Change); 18] = [
            ("image.repository", |v| v.image.repository = "Not here".into()),
            ("image.tag", |v| v.image.tag = "1@sha256:beef".into()),
            ("authority.storage.size", |v| v.authority.storage.size = "10 GB".into()),
            ("authority.snapshots.claim", |v| v.authority.snapshots.claim = "Not a name".into()),
            ("authority.snapshots.interval", |v| v.authority.snapshots.interval = "0h".into()),
            ("authority.snapshots.keep", |v| v.authority.snapshots.keep = 0),
            ("log", |v| v.log = String::new()),
            ("namespaces", |v| v.namespaces = vec!["Payments".into()]),
            ("namespaces", |v| v.namespaces = vec!["a".into(); NAMESPACES_MAX + 1]),
            ("namespaces", |v| v.namespaces = vec!["a".into(), "b".into(), "a".into()]),
            ("admission.kubernetes", |v| v.admission.kubernetes.clear()),
            ("admission.gitops", |v| v.admission.gitops = vec!["a\"b".into()]),
            ("components.warden.replicas", |v| v.components.warden.replicas = 0),
            ("components.intent.replicas", |v| v.components.intent.replicas = 6),
            ("components.intent.args", |v| v.components.intent.args = vec![String::new(); 65]),
            ("networkPolicies.git.ports", |v| v.network_policies.git.ports = vec![]),
            ("networkPolicies.apiServer.ports", |v| v.network_policies.api_server.ports = vec![0]),
            ("tolerations", |v| v.tolerations = vec![serde_json::Map::new(); 65]),
        ];
        assert_eq!(Values::default().check(), Ok(()));
        for (field, change) in cases {
            let mut values = Values::default();
            change(&mut values);
            assert_eq!(values.check().unwrap_err().field, field);
        }
    }
}
