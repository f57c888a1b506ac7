//! Policies of other installations on the same authority, told from policies that nobody of regent's wrote.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::policies;
use regent_types::authority_names::policy_name;
use regent_types::grant::PathGrant;
use regent_types::identity::Identity;
use regent_types::neighbour::{Neighbour, described_installation, parts_of};

/// Installations beside that of the login mount `own`, among `mounts` that exist, with their descriptions: those all of whose policies in
/// `live` are there and are what the table says for their mount. Which paths are granted there is in another cluster's
/// RuntimeAuthority; it is read from the policies themselves and told.
pub fn neighbours(
    own: &str,
    mounts: &BTreeMap<String, String>,
    live: &BTreeMap<String, String>,
) -> Vec<Neighbour> {
    let others: BTreeSet<&str> =
        live.keys().filter_map(|name| parts_of(name)).map(|(_, mount)| mount).collect();
    let others = others.into_iter().filter(|mount| *mount != own);
    others
        .filter_map(|mount| {
            let installation = described_installation(mounts.get(mount)?).map(str::to_owned);
            Some(Neighbour { installation, ..neighbour(mount, live)? })
        })
        .collect()
}

fn neighbour(mount: &str, live: &BTreeMap<String, String>) -> Option<Neighbour> {
    let reads = live.get(&policy_name(&Identity::Materializer.account(), mount))?;
    let plain = policies(mount, &[]);
    let plain =
        plain.iter().find(|p| p.name == policy_name(&Identity::Materializer.account(), mount))?;
    let paths = |text: &str| -> Vec<String> {
        let stanzas = text.lines().filter_map(|line| line.strip_prefix("path \"secret/data/"));
        stanzas.filter_map(|rest| rest.strip_suffix("\" {")).map(str::to_owned).collect()
    };
    let known = paths(&plain.text);
    let granted: Vec<PathGrant> = paths(reads)
        .into_iter()
        .filter(|path| !known.contains(path))
        .map(|path| PathGrant {
            path: path.strip_suffix('*').map_or(path.clone(), str::to_owned),
            namespace: String::new(),
        })
        .collect();
    let table = policies(mount, &granted);
    let same = table.iter().all(|p| live.get(&p.name) == Some(&p.text));
    same.then(|| Neighbour {
        mount: mount.to_owned(),
        installation: None,
        policies: table.into_iter().map(|p| p.name).collect(),
        grants: granted.into_iter().map(|g| g.path).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(mounts: &[&str], grants: &[PathGrant]) -> BTreeMap<String, String> {
        let all = mounts.iter().flat_map(|mount| policies(mount, grants));
        all.map(|p| (p.name, p.text)).collect()
    }

    fn mounts() -> BTreeMap<String, String> {
        let described = [("kubernetes", ""), ("east", "regent installation e"), ("west", "w")];
        described.map(|(mount, text)| (mount.to_owned(), text.to_owned())).into()
    }

    fn found(own: &str, live: &BTreeMap<String, String>) -> Vec<String> {
        neighbours(own, &mounts(), live).into_iter().map(|n| n.mount).collect()
    }

    /// C9-1: each of two installations knows the other for what it is.
    #[test]
    fn an_installation_beside_the_own_one_is_known() {
        let live = live(&["kubernetes", "east"], &[]);
        assert_eq!(found("kubernetes", &live), ["east"]);
        assert_eq!(found("east", &live), ["kubernetes"]);
        assert_eq!(found("west", &live), ["east", "kubernetes"]);
    }

    #[test]
    fn what_it_is_granted_is_told() {
        let grant = |path: &str| PathGrant { path: path.into(), namespace: "n".into() };
        let live = live(&["east"], &[grant("legacy/"), grant("old/one")]);
        let all = neighbours("kubernetes", &mounts(), &live);
        assert_eq!(all[0].grants, ["legacy/", "old/one"]);
        assert_eq!(all[0].installation.as_deref(), Some("e"));
    }

    /// S5.8-1: a policy under such a name that says anything else is nobody's.
    #[test]
    fn a_changed_policy_makes_no_neighbour() {
        for name in
            ["regent-publisher.east", "regent-configurator.east", "regent-materializer.east"]
        {
            let mut live = live(&["east"], &[]);
            live.get_mut(name).unwrap().push_str("path \"regent/data/keys/hmac\" {\n}\n");
            assert_eq!(found("kubernetes", &live), Vec::<String>::new(), "{name}");
        }
        let mut live = live(&["east"], &[]);
        live.remove("regent-reader.east");
        assert_eq!(found("kubernetes", &live), Vec::<String>::new());
    }

    #[test]
    fn policies_without_their_mount_are_nobodys() {
        let live = live(&["gone"], &[]);
        assert_eq!(found("kubernetes", &live), Vec::<String>::new());
        assert_eq!(parts_of("regent-warden.east"), Some(("regent-warden", "east")));
        assert_eq!(parts_of("somebody.east"), None);
    }
}
