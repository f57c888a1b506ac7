//! `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`: one value of a sealed manifest
//! (SOPS `aes/cipher.go`).

use aes_gcm::aead::consts::{U12, U16, U32};
use aes_gcm::aead::generic_array::{ArrayLength, GenericArray};
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Tag as GcmTag};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::scalar::{Scalar, ScalarKind, go_float};
use crate::Error;

/// Start of every token; text that starts so is never a plain value.
pub(crate) const TOKEN_PREFIX: &str = "ENC[AES256_GCM,data:";
/// SOPS writes 32-byte nonces and reads any length; other writers use 12 or 16.
const IV_BYTES: usize = 32;
const TAG_BYTES: usize = 16;

/// The key that all values of one manifest are encrypted with.
pub(crate) struct DataKey(Zeroizing<[u8; 32]>);

/// Nonce of a value, as stored.
pub(crate) type Iv = Vec<u8>;

impl DataKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|_| Error::NoRandomness)?;
        Ok(Self(key))
    }

    /// `None` if it does not have 32 bytes.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(Self(key))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &*self.0
    }

    /// Encrypts a scalar; null and empty text stay as they are, which is `None`. `iv` is reused if
    /// given, which is right only for the same text at the same place, as SOPS does.
    pub(crate) fn seal(
        &self,
        scalar: &Scalar,
        aad: &str,
        iv: Option<&Iv>,
    ) -> Result<Option<String>, Error> {
        let name = match scalar.kind {
            _ if scalar.is_blank() => return Ok(None),
            ScalarKind::Null => return Ok(None),
            ScalarKind::Str => "str",
            ScalarKind::Int => "int",
            ScalarKind::Float => "float",
            ScalarKind::Bool => "bool",
            ScalarKind::Time => "time",
            ScalarKind::Bytes => "bytes",
            ScalarKind::Comment => "comment",
        };
        let iv = match iv {
            Some(iv) if iv.len() == IV_BYTES => iv.clone(),
            _ => {
                let mut fresh = vec![0; IV_BYTES];
                getrandom::fill(&mut fresh).map_err(|_| Error::NoRandomness)?;
                fresh
            }
        };
        let mut data = scalar.bytes.clone();
        let cipher = self.cipher::<U32>();
        let nonce = GenericArray::from_slice(&iv);
        let tag =
            cipher.encrypt_in_place_detached(nonce, aad.as_bytes(), &mut data).map_err(|_| {
                Error::TooLarge { what: "a value", limit: super::limits::TEXT_BYTES_MAX }
            })?;
        Ok(Some(format!(
            "{TOKEN_PREFIX}{},iv:{},tag:{},type:{name}]",
            STANDARD.encode(&*data),
            STANDARD.encode(&iv),
            STANDARD.encode(tag)
        )))
    }

    /// Decrypts a token at the place that `aad` names. `None` if it does not authenticate.
    pub(crate) fn open(&self, token: &Token, aad: &str) -> Option<Scalar> {
        let mut data = Zeroizing::new(token.data.clone());
        match token.iv.len() {
            32 => self.open_with::<U32>(token, aad, &mut data)?,
            16 => self.open_with::<U16>(token, aad, &mut data)?,
            12 => self.open_with::<U12>(token, aad, &mut data)?,
            _ => return None,
        }
        canonical(token.kind, data)
    }

    fn open_with<N: ArrayLength<u8>>(
        &self,
        token: &Token,
        aad: &str,
        data: &mut Zeroizing<Vec<u8>>,
    ) -> Option<()> {
        self.cipher::<N>()
            .decrypt_in_place_detached(
                GenericArray::from_slice(&token.iv),
                aad.as_bytes(),
                data,
                GcmTag::from_slice(&token.tag),
            )
            .ok()
    }

    fn cipher<N: ArrayLength<u8>>(&self) -> AesGcm<Aes256, N> {
        AesGcm::new(GenericArray::from_slice(&*self.0))
    }
}

/// A token, parsed. Stricter than SOPS in one point: nothing may follow the closing bracket.
pub(crate) struct Token {
    data: Vec<u8>,
    pub(crate) iv: Iv,
    tag: Vec<u8>,
    pub(crate) kind: ScalarKind,
}

impl Token {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(TOKEN_PREFIX)?.strip_suffix(']')?;
        let (data, rest) = body.split_once(",iv:")?;
        let (iv, rest) = rest.split_once(",tag:")?;
        let (tag, kind) = rest.split_once(",type:")?;
        let kind = match kind {
            "str" => ScalarKind::Str,
            "int" => ScalarKind::Int,
            "float" => ScalarKind::Float,
            "bool" => ScalarKind::Bool,
            "time" => ScalarKind::Time,
            "bytes" => ScalarKind::Bytes,
            "comment" => ScalarKind::Comment,
            _ => return None,
        };
        let bytes = |text: &str| STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty());
        let tag = bytes(tag).filter(|tag| tag.len() == TAG_BYTES)?;
        Some(Self { data: bytes(data)?, iv: bytes(iv)?, tag, kind })
    }
}

/// Decrypted bytes as Go would print them after parsing, which is what the MAC holds.
fn canonical(kind: ScalarKind, data: Zeroizing<Vec<u8>>) -> Option<Scalar> {
    let text = || std::str::from_utf8(&data).ok();
    let bytes = match kind {
        ScalarKind::Int => Zeroizing::new(text()?.parse::<i64>().ok()?.to_string().into_bytes()),
        ScalarKind::Float => Zeroizing::new(go_float(text()?.parse().ok()?).into_bytes()),
        ScalarKind::Bool => match text()? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Zeroizing::new(b"True".to_vec()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Zeroizing::new(b"False".to_vec()),
            _ => return None,
        },
        ScalarKind::Time => {
            Zeroizing::new(super::gotime::parse(text()?)?.rfc3339_nano().into_bytes())
        }
        ScalarKind::Str | ScalarKind::Bytes | ScalarKind::Comment | ScalarKind::Null => data,
    };
    Some(Scalar { kind, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_at_its_own_place_only() {
        let key = DataKey::generate().unwrap();
        let scalar = Scalar::new(ScalarKind::Str, "value");
        let text = key.seal(&scalar, "data:a:", None).unwrap().unwrap();
        let token = Token::parse(&text).unwrap();
        assert!(key.open(&token, "data:a:").is_some_and(|opened| opened == scalar));
        assert!(key.open(&token, "data:b:").is_none());
        assert!(DataKey::generate().unwrap().open(&token, "data:a:").is_none());
        let again = key.seal(&scalar, "data:a:", Some(&token.iv)).unwrap().unwrap();
        assert_eq!(again, text);
    }

    #[test]
    fn blank_values_stay_and_malformed_tokens_are_refused() {
        let key = DataKey::generate().unwrap();
        assert!(key.seal(&Scalar::new(ScalarKind::Str, ""), "a:", None).unwrap().is_none());
        assert!(key.seal(&Scalar::new(ScalarKind::Null, ""), "a:", None).unwrap().is_none());
        let good = key.seal(&Scalar::new(ScalarKind::Int, "5"), "a:", None).unwrap().unwrap();
        let bad = [good.replace("int", "uint"), format!("{good}x"), good.replace("tag:", "tag:AA")];
        assert!(bad.iter().all(|text| Token::parse(text).is_none()));
    }
}
