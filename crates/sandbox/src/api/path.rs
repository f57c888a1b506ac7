//! Request paths and queries.

/// What a path names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestPath {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) namespace: String,
    /// Empty for a collection.
    pub(crate) name: String,
    pub(crate) subresource: Option<String>,
}

impl RequestPath {
    /// Reads `/api/v1/…` and `/apis/{group}/{version}/…`; `None` for discovery and other paths.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let target = |namespace: &str, resource: &str, name: &str, sub: Option<&str>| Self {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
            subresource: sub.map(str::to_owned),
        };
        match rest {
            [] => None,
            ["namespaces", name, sub @ ("status" | "finalize")] => {
                Some(target("", "namespaces", name, Some(sub)))
            }
            ["namespaces", namespace, resource] => Some(target(namespace, resource, "", None)),
            ["namespaces", namespace, resource, name] => {
                Some(target(namespace, resource, name, None))
            }
            ["namespaces", namespace, resource, name, sub] => {
                Some(target(namespace, resource, name, Some(sub)))
            }
            [resource] => Some(target("", resource, "", None)),
            [resource, name] => Some(target("", resource, name, None)),
            [resource, name, sub] => Some(target("", resource, name, Some(sub))),
            _ => None,
        }
    }
}

/// Query parameters, decoded, in order.
pub(crate) fn query(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|p| !p.is_empty())
        .map(|p| {
            let (name, value) = p.split_once('=').unwrap_or((p, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_collections_objects_and_subresources() {
        let t = |p: &str| {
            RequestPath::parse(p).map(|t| (t.group, t.namespace, t.resource, t.name, t.subresource))
        };
        let own = |a: &str, b: &str, c: &str, d: &str, e: Option<&str>| {
            Some((a.to_owned(), b.to_owned(), c.to_owned(), d.to_owned(), e.map(str::to_owned)))
        };
        assert_eq!(t("/api/v1/namespaces"), own("", "", "namespaces", "", None));
        assert_eq!(t("/api/v1/namespaces/a"), own("", "", "namespaces", "a", None));
        assert_eq!(t("/api/v1/namespaces/a/secrets/b"), own("", "a", "secrets", "b", None));
        assert_eq!(
            t("/apis/x.y/v1/things/b/status"),
            own("x.y", "", "things", "b", Some("status"))
        );
        assert_eq!(t("/apis/x.y/v1"), None);
        assert_eq!(t("/version"), None);
    }

    #[test]
    fn queries_are_decoded() {
        let all = query("labelSelector=a%2Fb%3Dc&watch=true");
        assert_eq!(all[0], ("labelSelector".into(), "a/b=c".into()));
        assert_eq!(all[1], ("watch".into(), "true".into()));
    }
}
