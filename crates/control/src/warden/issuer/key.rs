//! A JSON Web Key (RFC 7517, RFC 7518 §6) as the PEM of its SubjectPublicKeyInfo (RFC 5280 §4.1.2.7): the form in which
//! OpenBao and Vault take keys. Pure.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

/// Longest number in a key: RSA with 16 384 bits.
const NUMBER_LEN_MAX: usize = 2_048;
/// Characters in a line of PEM (RFC 7468 §2).
const LINE_LEN: usize = 64;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;

/// `rsaEncryption` with its NULL parameters.
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const EC: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
/// Curves: name, length of a coordinate in bytes, object identifier.
const CURVES: [(&str, usize, &[u8]); 3] = [
    ("P-256", 32, b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"),
    ("P-384", 48, b"\x06\x05\x2b\x81\x04\x00\x22"),
    ("P-521", 66, b"\x06\x05\x2b\x81\x04\x00\x23"),
];

/// `key` as PEM, without a line end after the last line.
pub(super) fn pem(key: &Value) -> Result<String, String> {
    let der = match key["kty"].as_str().unwrap_or_default() {
        "RSA" => rsa(key)?,
        "EC" => ec(key)?,
        other => return Err(format!("a key of type {other} is not supported")),
    };
    let code = STANDARD.encode(der);
    let mut text = String::from("-----BEGIN PUBLIC KEY-----\n");
    let mut rest = code.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(LINE_LEN));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str("-----END PUBLIC KEY-----");
    Ok(text)
}

fn rsa(key: &Value) -> Result<Vec<u8>, String> {
    let numbers = [integer(&field(key, "n")?), integer(&field(key, "e")?)].concat();
    Ok(info(RSA, &tlv(SEQUENCE, &numbers)))
}

fn ec(key: &Value) -> Result<Vec<u8>, String> {
    let name = key["crv"].as_str().unwrap_or_default();
    let curve = CURVES.iter().find(|(known, ..)| *known == name);
    let (_, length, identifier) = curve.ok_or(format!("the curve {name} is not supported"))?;
    let (x, y) = (field(key, "x")?, field(key, "y")?);
    if x.len() != *length || y.len() != *length {
        return Err(format!("a coordinate on {name} is not {length} bytes long"));
    }
    // 4: both coordinates, uncompressed.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    Ok(info(&[EC, identifier].concat(), &point))
}

fn field(key: &Value, name: &str) -> Result<Vec<u8>, String> {
    let text = key[name].as_str().ok_or(format!("a key has no field {name}"))?;
    let bytes =
        URL_SAFE_NO_PAD.decode(text).map_err(|_| format!("field {name} is not base64url"))?;
    match bytes.len() {
        1..=NUMBER_LEN_MAX => Ok(bytes),
        length => Err(format!("field {name} has {length} bytes")),
    }
}

/// An unsigned number: no needless zero before it, and one where its first bit would make it negative.
fn integer(bytes: &[u8]) -> Vec<u8> {
    let zeros = bytes.iter().take(bytes.len().saturating_sub(1)).take_while(|b| **b == 0).count();
    let bytes = &bytes[zeros..];
    let mut content = Vec::with_capacity(bytes.len() + 1);
    if bytes.first().is_some_and(|b| *b >= 0x80) {
        content.push(0);
    }
    content.extend_from_slice(bytes);
    tlv(INTEGER, &content)
}

fn info(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    // 0: no unused bits at the end.
    let key = tlv(BIT_STRING, &[&[0], key].concat());
    tlv(SEQUENCE, &[tlv(SEQUENCE, algorithm), key].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
    let mut out = vec![tag];
    match (length.as_slice(), u8::try_from(length.len())) {
        ([], _) => out.push(0),
        ([short], _) if *short < 0x80 => out.push(*short),
        // The long form: how many bytes the length takes, with the first bit set.
        (long, Ok(count)) => {
            out.push(0x80 | count);
            out.extend_from_slice(long);
        }
        (_, Err(_)) => {}
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Made with `openssl genrsa` and `openssl rsa -pubout`.
    const RSA_N: &str = "y-lgy3-pWqi6i7h9_plc9jIkH64sE5Cy0OCV1bqgcXHse5Z4EGmOgFb2mhYPDCCCmYR1fbIstxLM8NecX9aTmOe8\
        PaPpF2R4fMtjUTQ1xlvcQ0yH8J8kBRkZW1e_wdCMGCiSE2Ys1qcjLRORpwUpL0-gdLmNmtunFnu2-NbVfw9UdMmzuTn8acPVCFyqpdbe2VNf\
        CNb4O7gdJadUiw2suBCIDAZ6BWmoSirSfAw5ng-lm6PuC5AF_grNU93ULqLxllcQXoIO7MP5JNWZ9Xp_spQ_D66V579tSRc-6h4cIOwjyelJ\
        -qxwHAlUZW5uZIo1dNx3a7gSzCYY4zFbXBrdqQ";
    const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAy+lgy3+pWqi6i7h9/plc
9jIkH64sE5Cy0OCV1bqgcXHse5Z4EGmOgFb2mhYPDCCCmYR1fbIstxLM8NecX9aT
mOe8PaPpF2R4fMtjUTQ1xlvcQ0yH8J8kBRkZW1e/wdCMGCiSE2Ys1qcjLRORpwUp
L0+gdLmNmtunFnu2+NbVfw9UdMmzuTn8acPVCFyqpdbe2VNfCNb4O7gdJadUiw2s
uBCIDAZ6BWmoSirSfAw5ng+lm6PuC5AF/grNU93ULqLxllcQXoIO7MP5JNWZ9Xp/
spQ/D66V579tSRc+6h4cIOwjyelJ+qxwHAlUZW5uZIo1dNx3a7gSzCYY4zFbXBrd
qQIDAQAB
-----END PUBLIC KEY-----";

    #[test]
    fn an_rsa_key_is_what_openssl_writes() {
        let key = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "n": RSA_N, "e": "AQAB" });
        assert_eq!(pem(&key).unwrap(), RSA_PEM);
    }

    /// Against another implementation of the same form.
    #[test]
    fn an_elliptic_key_is_what_rcgen_writes() {
        for (curve, algorithm) in
            [("P-256", &rcgen::PKCS_ECDSA_P256_SHA256), ("P-384", &rcgen::PKCS_ECDSA_P384_SHA384)]
        {
            let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let (x, y) = pair.public_key_raw()[1..].split_at(pair.public_key_raw().len() / 2);
            let code = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let key = json!({ "kty": "EC", "crv": curve, "x": code(x), "y": code(y) });
            let expected = pair.public_key_pem().replace("\r\n", "\n");
            assert_eq!(pem(&key).unwrap(), expected.trim());
        }
    }

    #[test]
    fn what_is_no_key_is_said() {
        let short = json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" });
        for (key, expected) in [
            (json!({ "kty": "EC", "crv": "secp256k1" }), "the curve secp256k1 is not supported"),
            (short, "a coordinate on P-256 is not 32 bytes long"),
            (json!({ "kty": "RSA", "n": "", "e": "AQAB" }), "field n has 0 bytes"),
            (json!({ "kty": "RSA", "n": "+", "e": "AQAB" }), "field n is not base64url"),
        ] {
            assert_eq!(pem(&key).unwrap_err(), expected);
        }
    }
}
