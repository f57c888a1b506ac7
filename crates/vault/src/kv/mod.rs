//! KV v2 (reference: authority.md §1.7).
//!
//! ```text
//!   data      read, write under cas          metadata   versions, custom_metadata, list, destroy
//! ```

mod data;
mod metadata;
mod values;

use std::fmt;

use bytes::Bytes;
use http::Method;

use crate::transport::Reply;
use crate::{Error, Session};

pub use data::{KvSecret, VersionState};
pub use metadata::{KvConfig, KvMetadata, VersionInfo};
pub use values::append_json_text;

/// One KV v2 mount, seen through a session.
#[derive(Clone)]
pub struct Kv {
    session: Session,
    mount: String,
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kv").field("mount", &self.mount).finish_non_exhaustive()
    }
}

impl Session {
    /// The KV v2 engine mounted at `mount` (without trailing `/`).
    pub fn kv(&self, mount: &str) -> Kv {
        Kv { session: self.clone(), mount: mount.trim_matches('/').to_owned() }
    }
}

impl Kv {
    /// The mount, without `/`.
    pub fn mount(&self) -> &str {
        &self.mount
    }

    fn path(&self, part: &str, path: &str) -> String {
        format!("{}/{part}/{path}", self.mount)
    }

    /// Sends; denials are answered by one new login, other statuses are left to the caller.
    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, Error> {
        let client = self.session.client();
        self.session
            .run(|held| {
                let (method, body) = (method.clone(), body.clone());
                async move {
                    let reply = client.send(Some(held.token()), method, path, body).await?;
                    match reply.status.as_u16() {
                        401 | 403 => client.check(path, reply),
                        _ => Ok(reply),
                    }
                }
            })
            .await
    }

    /// Sends and takes nothing but success.
    async fn demand(&self, method: Method, path: &str, body: Bytes) -> Result<Reply, Error> {
        let reply = self.send(method, path, body).await?;
        self.session.client().check(path, reply)
    }
}
