//! ServiceAccount tokens: JWTs signed with ES256 under a key that lives as long as the sandbox.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Value, json};

use crate::Error;

/// Verified tokens remembered; more are verified again. Two a component, renewed every five minutes.
const VERIFIED_MAX: usize = 256;
/// Longest token looked at, in bytes.
const TOKEN_LEN_MAX: usize = 8_192;

pub(crate) struct Signer {
    /// Signed parts that were verified: a component shows the same token with every request.
    verified: Mutex<BTreeMap<String, Claims>>,
    pair: EcdsaKeyPair,
    random: SystemRandom,
    issuer: String,
    /// By which the key is named in tokens.
    id: String,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) namespace: String,
    pub(crate) account: String,
    pub(crate) uid: String,
    pub(crate) audiences: Vec<String>,
    /// When it ends, in seconds since 1970.
    pub(crate) expires_s: i64,
}

impl Signer {
    pub(crate) fn new(issuer: &str) -> Result<Self, Error> {
        let fail = |detail: String| Error::Crypto { what: "a token signing key", detail };
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            .map_err(|e| fail(e.to_string()))?;
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
                .map_err(|e| fail(e.to_string()))?;
        let id = BASE64.encode(digest(&SHA256, pair.public_key().as_ref()));
        Ok(Self { verified: Mutex::default(), pair, random, issuer: issuer.to_owned(), id })
    }

    /// Under which name tokens are signed, and where the keys are shown.
    pub(crate) fn configuration(&self) -> Value {
        json!({
            "issuer": self.issuer, "jwks_uri": format!("{}/openid/v1/jwks", self.issuer),
            "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        })
    }

    /// The public key (RFC 7517).
    pub(crate) fn keys(&self) -> Value {
        // An uncompressed point: 4, then both coordinates.
        let point = self.pair.public_key().as_ref();
        let (x, y) = point.split_at(point.len().div_ceil(2));
        let coordinate = |bytes: &[u8]| BASE64.encode(bytes);
        json!({ "keys": [{
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
            "x": coordinate(x.get(1..).unwrap_or_default()), "y": coordinate(y),
        }] })
    }

    pub(crate) fn sign(&self, claims: &Claims, now_s: i64) -> Option<String> {
        let header = json!({ "alg": "ES256", "kid": self.id });
        let subject = format!("system:serviceaccount:{}:{}", claims.namespace, claims.account);
        let body = json!({
            "iss": self.issuer, "sub": subject, "aud": claims.audiences,
            "iat": now_s, "nbf": now_s, "exp": claims.expires_s,
            "kubernetes.io": {
                "namespace": claims.namespace,
                "serviceaccount": { "name": claims.account, "uid": claims.uid },
            },
        });
        let signed = format!("{}.{}", encode(&header), encode(&body));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", BASE64.encode(signature.as_ref())))
    }

    pub(crate) fn verify(&self, token: &str, now_s: i64) -> Result<Claims, &'static str> {
        if token.len() > TOKEN_LEN_MAX {
            return Err("the token is too long");
        }
        let known = || self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known().get(token).cloned();
        let claims = match found {
            Some(claims) => claims,
            None => {
                let claims = self.read(token)?;
                let mut all = known();
                if all.len() >= VERIFIED_MAX {
                    all.clear();
                }
                all.insert(token.to_owned(), claims.clone());
                claims
            }
        };
        if claims.expires_s <= now_s { Err("the token has expired") } else { Ok(claims) }
    }

    fn read(&self, token: &str) -> Result<Claims, &'static str> {
        let (signed, signature) = token.rsplit_once('.').ok_or("not a token")?;
        let signature = BASE64.decode(signature).map_err(|_| "not a token")?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| "the signature is not this cluster's")?;
        let (_, body) = signed.split_once('.').ok_or("not a token")?;
        let body = BASE64.decode(body).map_err(|_| "not a token")?;
        let body: Value = serde_json::from_slice(&body).map_err(|_| "not a token")?;
        let expires_s = body["exp"].as_i64().unwrap_or(0);
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let account = &body["kubernetes.io"]["serviceaccount"];
        Ok(Claims {
            namespace: text(&body["kubernetes.io"]["namespace"]),
            account: text(&account["name"]),
            uid: text(&account["uid"]),
            audiences: body["aud"].as_array().into_iter().flatten().map(text).collect(),
            expires_s,
        })
    }
}

fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_expires_and_for_its_own_cluster_only() {
        let (one, two) = (Signer::new("a").unwrap(), Signer::new("a").unwrap());
        let claims = Claims {
            namespace: "n".into(),
            account: "a".into(),
            uid: "u".into(),
            audiences: vec!["x".into()],
            expires_s: 100,
        };
        let token = one.sign(&claims, 10).unwrap();
        assert_eq!(one.verify(&token, 99), Ok(claims));
        assert_eq!(one.verify(&token, 100), Err("the token has expired"));
        assert!(two.verify(&token, 99).is_err());
        assert!(one.verify(&token.replace('.', "x"), 99).is_err());
    }
}
