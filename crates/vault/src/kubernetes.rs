//! Login by kubernetes auth (reference: authority.md §1.9).

use http::Method;
use regent_types::Sensitive;
use serde::{Deserialize, Serialize};

use crate::login::{Login, Token};
use crate::{Client, Error, wire};

#[derive(Serialize)]
struct LoginBody<'a> {
    role: &'a str,
    #[serde(serialize_with = "wire::exposed")]
    jwt: &'a Sensitive<String>,
}

#[derive(Deserialize)]
struct LoginAnswer {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    #[serde(deserialize_with = "wire::sensitive")]
    client_token: Sensitive<String>,
    #[serde(default)]
    accessor: String,
    #[serde(default)]
    lease_duration: u64,
    #[serde(default)]
    policies: Vec<String>,
}

impl Client {
    /// Logs in at `auth/{mount}/login` with `role`. Denied: the account may not use the role, or
    /// the reviewer did not accept the token.
    pub async fn login_kubernetes(
        &self,
        mount: &str,
        role: &str,
        jwt: &Sensitive<String>,
    ) -> Result<Login, Error> {
        let path = format!("auth/{mount}/login");
        let body = wire::body(&path, &LoginBody { role, jwt })?;
        let reply = self.check(&path, self.send(None, Method::POST, &path, body).await?)?;
        let LoginAnswer { auth } = wire::parse(&path, &reply.body, "auth.client_token")?;
        Ok(Login {
            token: Token::new(auth.client_token),
            accessor: auth.accessor,
            lease_duration_s: auth.lease_duration,
            policies: auth.policies,
        })
    }
}
