//! What the authority has beside what regent put there: engines, auth methods, whoever gets policies by them, tokens,
//! and the top of the `regent/` mount.

use std::collections::BTreeMap;

use regent_protocol::invariants::{
    AUTHORITY_ALONE, HolderSeen, REGENT_MOUNT_ALONE, ROOT_REVOKED, Snapshot, TOKENS_END, TokenSeen,
    Unseen,
};
use regent_types::authority_names::REGENT_MOUNT;
use regent_vault::{Error, Method, Session};
use serde_json::{Value, json};

use regent_host::failure::Failure;

/// Most tokens, entities or groups looked at; of those beyond nothing is known.
const LOOKED_AT_MAX: usize = 10_000;

/// What a person does about something that a reader may not see.
const AS_ANOTHER: &str =
    "run `regent verify --vault-token-file FILE` with a token whose policies let it be read";

/// Requests of one look at the authority.
pub(super) struct Asking<'a> {
    pub(super) session: &'a Session,
}

impl Asking<'_> {
    /// `data` of the answer to a read of `path`; null where there is none.
    pub(super) async fn read(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(Method::GET, path, None).await;
        Ok(answer.map_err(|e| Failure::of(&format!("asking for {path}"), &e))?)
    }

    /// What `path` lists; nothing where there is nothing.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let answer = self.try_list(path).await;
        Ok(answer.map_err(|e| Failure::of(&format!("asking for {path}"), &e))?)
    }

    async fn try_list(&self, path: &str) -> Result<Vec<String>, Error> {
        // LIST is a valid method; the constructor only refuses others.
        let list = Method::from_bytes(b"LIST").unwrap_or(Method::GET);
        let data = self.send(list, path, None).await?;
        let all = data["keys"].as_array().into_iter().flatten();
        Ok(all.filter_map(|k| k.as_str().map(str::to_owned)).collect())
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Error> {
        let answer = self.session.request(method, path, body.as_ref()).await?;
        Ok(answer.map_or(Value::Null, |mut a| a["data"].take()))
    }
}

/// Path without its last slash → type, from what `sys/mounts` or `sys/auth` says.
pub(super) fn types(mounts: &Value) -> BTreeMap<String, String> {
    let all = mounts.as_object().into_iter().flatten();
    let text = |mount: &Value| mount["type"].as_str().unwrap_or_default().to_owned();
    all.map(|(path, mount)| (path.trim_end_matches('/').to_owned(), text(mount))).collect()
}

/// Notes all of it in `s`, which has the mounts already.
pub(super) async fn gather(asking: &Asking<'_>, s: &mut Snapshot) -> anyhow::Result<()> {
    holders(asking, s).await?;
    tokens(asking, s).await?;
    regent_paths(asking, s).await
}

fn not_seen(predicate: &'static str, subject: &str, why: &str) -> Unseen {
    let action = AS_ANOTHER.to_owned();
    Unseen { predicate, subject: subject.to_owned(), why: why.to_owned(), action }
}

/// What the authority said where it was reached and did not show `subject`; another error is the look's own.
fn refused(subject: &str, error: &Error) -> Result<String, Failure> {
    match error {
        Error::Denied { .. } | Error::NotFound { .. } | Error::BadRequest { .. } => {
            Ok(error.to_string())
        }
        _ => Err(Failure::of(&format!("asking for {subject}"), error)),
    }
}

/// Who gets policies by an identity or by a token role.
async fn holders(asking: &Asking<'_>, s: &mut Snapshot) -> anyhow::Result<()> {
    let identities = s.engines.values().any(|kind| kind == "identity");
    let kinds = [
        ("identity entity", "identity/entity/id", identities),
        ("identity group", "identity/group/id", identities),
        ("token role", "auth/token/roles", true),
    ];
    for (kind, path, _) in kinds.into_iter().filter(|(_, _, there)| *there) {
        let names = match asking.try_list(path).await {
            Ok(names) => names,
            Err(error) => {
                s.unseen.push(not_seen(AUTHORITY_ALONE, path, &refused(path, &error)?));
                continue;
            }
        };
        if names.len() > LOOKED_AT_MAX {
            s.unseen.push(not_seen(AUTHORITY_ALONE, path, &more_than_max(names.len())));
        }
        if kind == "token role" {
            // Which policies one allows is for whoever uses it to choose among; there is none in an installation.
            let of = |name: String| HolderSeen {
                object: format!("{kind} {name}"),
                policies: Vec::new(),
            };
            s.holders.extend(names.into_iter().take(LOOKED_AT_MAX).map(of));
            continue;
        }
        for id in names.into_iter().take(LOOKED_AT_MAX) {
            let one = format!("{path}/{id}");
            match asking.send(Method::GET, &one, None).await {
                Ok(found) => s.holders.extend(holder(kind, &id, &found)),
                Err(error) => {
                    s.unseen.push(not_seen(AUTHORITY_ALONE, &one, &refused(&one, &error)?));
                }
            }
        }
    }
    Ok(())
}

fn more_than_max(count: usize) -> String {
    format!("there are {count}, of which {LOOKED_AT_MAX} were looked at")
}

/// An entity that a login made by itself has no policies.
fn holder(kind: &str, id: &str, found: &Value) -> Option<HolderSeen> {
    let policies = texts(&found["policies"]);
    let name = found["name"].as_str().unwrap_or(id);
    (!policies.is_empty()).then(|| HolderSeen { object: format!("{kind} {name}"), policies })
}

fn texts(list: &Value) -> Vec<String> {
    let all = list.as_array().into_iter().flatten();
    all.filter_map(|text| text.as_str().map(str::to_owned)).collect()
}

async fn tokens(asking: &Asking<'_>, s: &mut Snapshot) -> anyhow::Result<()> {
    const ACCESSORS: &str = "auth/token/accessors";
    let accessors = match asking.try_list(ACCESSORS).await {
        // Whoever asks has a token, so that there is one at least.
        Ok(none) if none.is_empty() => {
            s.unseen.push(not_seen(TOKENS_END, ACCESSORS, "no token is listed"));
            return Ok(());
        }
        Ok(accessors) => accessors,
        Err(error) => {
            let why = refused(ACCESSORS, &error)?;
            for predicate in [TOKENS_END, ROOT_REVOKED] {
                s.unseen.push(not_seen(predicate, ACCESSORS, &why));
            }
            return Ok(());
        }
    };
    if accessors.len() > LOOKED_AT_MAX {
        s.unseen.push(not_seen(TOKENS_END, ACCESSORS, &more_than_max(accessors.len())));
    }
    let mut failed = BTreeMap::new();
    for accessor in accessors.into_iter().take(LOOKED_AT_MAX) {
        let body = json!({ "accessor": accessor });
        match asking.send(Method::POST, "auth/token/lookup-accessor", Some(body)).await {
            Ok(found) => {
                let token = token(accessor, &found);
                if token.policies.iter().any(|p| p == "root") {
                    s.root_accessors.push(token.accessor.clone());
                }
                s.tokens.push(token);
            }
            Err(error) => {
                let why = refused("a token accessor", &error)?;
                failed.insert(accessor, why);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    // A token may end between the listing and the look; one that is still listed was not seen.
    for accessor in asking.list(ACCESSORS).await? {
        if let Some(why) = failed.get(&accessor) {
            s.unseen.push(not_seen(TOKENS_END, &format!("token accessor {accessor}"), why));
        }
    }
    Ok(())
}

fn token(accessor: String, found: &Value) -> TokenSeen {
    let number = |field: &str| found[field].as_i64().unwrap_or_default();
    let mut policies = texts(&found["policies"]);
    policies.extend(texts(&found["identity_policies"]));
    TokenSeen {
        accessor,
        policies,
        path: found["path"].as_str().unwrap_or_default().to_owned(),
        // What is left is 0 for one that never ends.
        ttl_s: if number("ttl") == 0 { 0 } else { number("ttl").max(number("creation_ttl")) },
        period_s: number("period"),
    }
}

/// Folders whose names are looked at one level deeper: among them is none of anybody else's.
const DEEPER: [&str; 2] = ["keys/", "ledger/"];

async fn regent_paths(asking: &Asking<'_>, s: &mut Snapshot) -> anyhow::Result<()> {
    let kv = asking.session.kv(REGENT_MOUNT);
    for folder in [""].into_iter().chain(DEEPER) {
        match kv.list(folder).await {
            Ok(names) => {
                let names = names.into_iter().map(|name| format!("{folder}{name}"));
                s.regent_paths.extend(names.filter(|name| !DEEPER.contains(&name.as_str())));
            }
            Err(error) => {
                let subject = format!("{REGENT_MOUNT}/{folder}");
                let why = refused(&subject, &error)?;
                s.unseen.push(not_seen(REGENT_MOUNT_ALONE, &subject, &why));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h26_a_token_is_read_as_the_authority_tells_it() {
        let login = json!({
            "policies": ["regent-reader"], "path": "auth/kubernetes/login", "ttl": 3_000,
            "creation_ttl": 3_600, "explicit_max_ttl": 0,
        });
        let seen = token("a".into(), &login);
        assert_eq!((seen.ttl_s, seen.period_s), (3_600, 0));
        let mut periodic = login.clone();
        periodic["period"] = json!(60);
        assert_eq!(token("a".into(), &periodic).period_s, 60);
        let endless =
            json!({ "policies": [], "identity_policies": ["x"], "ttl": 0, "creation_ttl": 0 });
        let seen = token("a".into(), &endless);
        assert_eq!((seen.ttl_s, seen.policies), (0, vec!["x".to_owned()]));
    }

    #[test]
    fn h26_an_entity_of_a_login_gives_nothing() {
        let made = json!({ "name": "entity_1", "policies": null });
        assert_eq!(holder("identity entity", "1", &made), None);
        let given = json!({ "name": "somebody", "policies": ["regent-warden"] });
        let seen = holder("identity entity", "1", &given).unwrap();
        assert_eq!(seen.object, "identity entity somebody");
    }

    #[test]
    fn h26_mounts_are_read_without_their_slash() {
        let said = json!({ "secret/": { "type": "kv" }, "team/github/": { "type": "github" } });
        let types = types(&said);
        assert_eq!(types["secret"], "kv");
        assert_eq!(types["team/github"], "github");
    }
}
