//! Addresses of authorities: `https` anywhere, `http` on loopback only, because tokens and values
//! travel there.

use http::Uri;

use crate::Error;

/// A checked base address without trailing `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) base: String,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
}

impl Address {
    /// Checks `text`. Credentials, queries and plain http beyond loopback are refused.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let shown = text.rsplit('@').next().unwrap_or_default().chars().take(200).collect();
        let fail = |problem| Error::Address { address: shown, problem };
        let Ok(uri) = text.trim_end_matches('/').parse::<Uri>() else {
            return Err(fail("is no URL"));
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fail("has no scheme or no host"));
        };
        if authority.as_str().contains('@') {
            return Err(fail("holds credentials; they belong nowhere in an address"));
        }
        if uri.query().is_some() {
            return Err(fail("has a query"));
        }
        let tls = match scheme {
            "https" => true,
            "http" if is_loopback(authority.host()) => false,
            "http" => {
                return Err(fail("is plain http, which is spoken on loopback addresses only"));
            }
            _ => return Err(fail("is neither https nor http")),
        };
        let base = format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'));
        Ok(Self { base, tls })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_spoken_on_loopback_only() {
        for good in [
            "http://127.0.0.1:8200",
            "http://[::1]:1",
            "http://localhost:1/",
            "https://a.b:8200/x/",
        ] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1:8200",
            "http://localhost.evil:1",
            "ftp://a",
            "a:8200",
            "",
            "https://u:p@h",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_in_an_address_are_not_repeated() {
        let error = Address::parse("https://user:planted@host").map(|a| a.base);
        assert!(error.is_err_and(|e| !format!("{e} {e:?}").contains("planted")));
    }
}
