//! Globs of roles: `*` stands for any run of characters, anywhere (ryanuber/go-glob, as
//! Vault uses it).

/// Whether `text` fits `glob`. Linear in both: the first fit of each part is the best one.
pub(crate) fn matches(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut left) = text.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_star_stands_for_any_run() {
        for (glob, text, fits) in [
            ("*", "", true),
            ("*", "payments", true),
            ("pay*", "payments", true),
            ("pay*", "repay", false),
            ("*-ci", "team-ci", true),
            ("*-ci", "-c", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxcyyb", false),
            ("a*a", "a", false),
            ("team-*-prod", "team-a-b-prod", true),
            ("team", "teams", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(super::matches(glob, text), fits, "{glob} {text}");
        }
    }
}
