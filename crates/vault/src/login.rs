//! Tokens, what a login gives, and where the token comes from that proves an identity.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use regent_types::Sensitive;

use crate::Error;

/// Longest service account token read; real ones are below 4 KiB.
const JWT_LEN_MAX: u64 = 64 * 1024;

/// A token of the authority. Prints nothing.
pub struct Token(Sensitive<String>);

impl Token {
    /// Takes `text` as a token.
    pub fn new(text: Sensitive<String>) -> Self {
        Self(text)
    }

    /// A second owner of the same token.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The token's text: for the header, and where a person is handed one on purpose.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a login gave.
#[derive(Debug)]
pub struct Login {
    /// The token to send with requests; wiped when dropped.
    pub token: Token,
    /// Its accessor, which is no secret.
    pub accessor: String,
    /// Lifetime in seconds; 0 means none.
    pub lease_duration_s: u64,
    /// Names of the policies that the token has.
    pub policies: Vec<String>,
}

/// Where the token comes from that proves this identity to the authority.
pub trait JwtSource: Send + Sync {
    /// The token as it is now; read anew for each login, because it is rotated.
    fn jwt(&self) -> Result<Sensitive<String>, Error>;
}

/// A projected service account token.
#[derive(Clone, Debug)]
pub struct FileJwt {
    /// The file of the projected volume.
    pub path: PathBuf,
}

impl JwtSource for FileJwt {
    fn jwt(&self) -> Result<Sensitive<String>, Error> {
        let fail = |source: std::io::Error| Error::Jwt {
            place: self.path.display().to_string(),
            source: Arc::new(source),
        };
        let length = std::fs::metadata(&self.path).map_err(fail)?.len();
        if length > JWT_LEN_MAX {
            return Err(fail(std::io::Error::other("longer than any token")));
        }
        let text = zeroize::Zeroizing::new(std::fs::read_to_string(&self.path).map_err(fail)?);
        match text.trim() {
            "" => Err(fail(std::io::Error::other("empty"))),
            jwt => Ok(Sensitive::new(jwt.to_owned())),
        }
    }
}
