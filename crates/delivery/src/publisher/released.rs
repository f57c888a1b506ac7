//! Whether a PushSecret that marked a path as its own still publishes there. Asked of the API server itself when another
//! wants to, so that nothing has to run at the moment at which a PushSecret goes.

use kube::{Api, Client};
use regent_api::PushSecret;
use regent_types::SecretPath;

use super::explicit::Wanted;

/// Whether `other` (`installation/namespace/name`) is gone, or maps nothing to `path` any more. Of another installation
/// nothing is known; what cannot be read is there.
pub(super) async fn is_released(api: &Client, own: &str, other: &str, path: &SecretPath) -> bool {
    let Some((namespace, name)) = of_same_installation(own, other) else { return false };
    let api: Api<PushSecret> = Api::namespaced(api.clone(), namespace);
    match api.get_opt(name).await {
        Ok(None) => true,
        Ok(Some(there)) => {
            Wanted::parse(&there.spec).is_ok_and(|wanted| !wanted.paths.contains_key(path))
        }
        Err(_) => false,
    }
}

fn of_same_installation<'a>(own: &str, other: &'a str) -> Option<(&'a str, &'a str)> {
    let (installation, place) = other.split_once('/')?;
    let (namespace, name) = place.split_once('/')?;
    let same = own.split_once('/').is_some_and(|(own, _)| own == installation);
    (same && !namespace.is_empty() && !name.is_empty()).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_installations_own_publishers_are_looked_for() {
        assert_eq!(of_same_installation("home/a/b", "home/data/gone"), Some(("data", "gone")));
        for other in ["elsewhere/data/gone", "home/data", "home//gone", "external-secrets"] {
            assert_eq!(of_same_installation("home/a/b", other), None, "{other}");
        }
    }
}
