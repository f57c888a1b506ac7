//! By which keys and under which name this cluster's API server signs tokens: what an authority is told that judges
//! them alone (`login.method: Keys`).

mod key;

use std::collections::BTreeSet;

use http::Request;
use serde_json::Value;

use super::Error;
use key::pem;

/// Where an API server says under which name it signs (OpenID Connect Discovery 1.0).
const CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Where it shows its public keys (RFC 7517).
const KEYS: &str = "/openid/v1/jwks";
/// Keys taken: one in use, and a few while they are changed.
const KEYS_MAX: usize = 16;
/// Longest answer read as JSON; a key takes well below 1 KiB.
const ANSWER_LEN_MAX: usize = 256 * 1024;

/// The name and the public keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Issuer {
    /// Claim `iss` of its tokens.
    pub(super) name: String,
    /// Public keys, PEM, without a line end after the last line.
    pub(super) keys: BTreeSet<String>,
}

impl Issuer {
    /// Asks the API server of `api`, with that client's rights.
    pub(super) async fn ask(api: &kube::Client) -> Result<Self, Error> {
        let (configuration, keys) = (get(api, CONFIGURATION).await?, get(api, KEYS).await?);
        Self::read(&configuration, &keys).map_err(Error::Issuer)
    }

    /// Reads the two answers. A key that cannot be read refuses all: with a part of them some tokens would be good and
    /// some not, which nobody could explain.
    fn read(configuration: &Value, keys: &Value) -> Result<Self, String> {
        let name = configuration["issuer"].as_str().filter(|name| !name.is_empty());
        let name = name.ok_or("it names no issuer")?.to_owned();
        let all = keys["keys"].as_array().filter(|all| !all.is_empty());
        let all = all.ok_or("it shows no keys")?;
        // A key for anything but signatures signs no token.
        let mut signing =
            all.iter().filter(|key| matches!(key["use"].as_str(), None | Some("sig")));
        let read: BTreeSet<String> =
            signing.by_ref().take(KEYS_MAX).map(pem).collect::<Result<_, _>>()?;
        if signing.next().is_some() {
            return Err(format!("it shows more than {KEYS_MAX} keys"));
        }
        if read.is_empty() {
            return Err("it shows no keys that sign".to_owned());
        }
        Ok(Self { name, keys: read })
    }
}

async fn get(api: &kube::Client, path: &'static str) -> Result<Value, Error> {
    let request = Request::get(path).body(Vec::new());
    let request = request.map_err(|error| Error::Issuer(error.to_string()))?;
    let text = api.request_text(request).await.map_err(Error::api("read", path))?;
    if text.len() > ANSWER_LEN_MAX {
        return Err(Error::Issuer(format!("{path} answers with more than {ANSWER_LEN_MAX} bytes")));
    }
    serde_json::from_str(&text).map_err(|error| Error::Issuer(format!("{path}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn point() -> String {
        "A".repeat(43)
    }

    fn keys(all: Value) -> Result<Issuer, String> {
        Issuer::read(&json!({ "issuer": "https://api" }), &json!({ "keys": all }))
    }

    #[test]
    fn every_signing_key_is_taken() {
        let key = |last: &str| json!({ "kty": "EC", "crv": "P-256", "x": point(), "y": format!("{}{last}", "A".repeat(42)) });
        let mut other = key("E");
        other["use"] = "enc".into();
        let found = keys(json!([key("A"), key("A"), key("E"), other])).unwrap();
        assert_eq!((found.name.as_str(), found.keys.len()), ("https://api", 2));
    }

    #[test]
    fn what_cannot_be_used_is_refused_as_a_whole() {
        let good = json!({ "kty": "EC", "crv": "P-256", "x": point(), "y": point() });
        let many: Vec<Value> = std::iter::repeat_n(good.clone(), KEYS_MAX + 1).collect();
        let cases = [
            (json!([]), "it shows no keys"),
            (json!([{ "kty": "oct", "k": "AAAA" }]), "a key of type oct is not supported"),
            (json!([good, { "kty": "RSA" }]), "a key has no field n"),
            (json!(many), "it shows more than 16 keys"),
        ];
        for (all, expected) in cases {
            assert_eq!(keys(all).unwrap_err(), expected);
        }
        assert!(Issuer::read(&json!({ "issuer": "" }), &json!({ "keys": [good] })).is_err());
    }
}
