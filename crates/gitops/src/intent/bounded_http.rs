//! HTTP to a Git server with a bound on what it may answer, and an end to it: a server that advertises references without
//! end, or answers a byte a minute, holds neither memory nor a thread.

use std::any::Any;
use std::io::{BufRead, Error, ErrorKind, Read, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gix::protocol::transport::client::blocking_io::http::reqwest::Remote;
use gix::protocol::transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse,
};

/// What is left of the bytes that a server may answer, and whether to go on at all.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Left>);

#[derive(Debug)]
struct Left {
    /// Bytes that may still come.
    bytes: AtomicU64,
    exceeded: AtomicBool,
    stop: Arc<AtomicBool>,
}

impl Budget {
    /// `bytes` until [`Budget::allow`]; set `stop`, and the next read ends.
    pub(super) fn new(bytes: u64, stop: Arc<AtomicBool>) -> Self {
        let (bytes, exceeded) = (AtomicU64::new(bytes), AtomicBool::new(false));
        Self(Arc::new(Left { bytes, exceeded, stop }))
    }

    /// From now on `bytes` more.
    pub(super) fn allow(&self, bytes: u64) {
        self.0.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether the server answered more than that.
    pub(super) fn is_exceeded(&self) -> bool {
        self.0.exceeded.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<()> {
        if self.0.stop.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::TimedOut, "it took too long and was stopped"));
        }
        if self.0.bytes.load(Ordering::Relaxed) == 0 {
            self.0.exceeded.store(true, Ordering::Relaxed);
            return Err(Error::other("the server answers more than is read"));
        }
        Ok(())
    }

    fn spend(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let _previous = self.0.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(bytes))
        });
    }
}

/// A body that ends with an error where the budget does.
pub(super) struct Bounded<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.budget.check()?;
        let count = self.inner.read(buffer)?;
        self.budget.spend(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Bounded<R> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        self.budget.check()?;
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.budget.spend(amount);
        self.inner.consume(amount);
    }
}

/// gix's own HTTP client, within a budget.
pub(super) struct BoundedHttp {
    inner: Remote,
    budget: Budget,
}

impl BoundedHttp {
    pub(super) fn new(budget: Budget) -> Self {
        Self { inner: Remote::default(), budget }
    }

    fn bounded<R>(&self, inner: R) -> Bounded<R> {
        Bounded { inner, budget: self.budget.clone() }
    }
}

impl Http for BoundedHttp {
    type Headers = <Remote as Http>::Headers;
    type ResponseBody = Bounded<<Remote as Http>::ResponseBody>;
    type PostBody = <Remote as Http>::PostBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let answer = self.inner.get(url, base_url, headers)?;
        Ok(GetResponse { headers: answer.headers, body: self.bounded(answer.body) })
    }

    fn post(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        body: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let answer = self.inner.post(url, base_url, headers, body)?;
        let PostResponse { post_body, headers, body } = answer;
        Ok(PostResponse { post_body, headers, body: self.bounded(body) })
    }

    fn configure(&mut self, config: &dyn Any) -> gix::Result<()> {
        self.inner.configure(config)
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.inner.redirected_base_url()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], budget: &Budget) -> Result<usize> {
        let mut all = Vec::new();
        Bounded { inner: bytes, budget: budget.clone() }.read_to_end(&mut all)
    }

    #[test]
    fn g11_a_body_is_read_up_to_its_budget_and_no_further() {
        let budget = Budget::new(11, Arc::default());
        assert_eq!(read(b"0123456789", &budget).unwrap(), 10);
        assert!(read(b"0123456789", &budget).is_err() && budget.is_exceeded());
        budget.allow(100);
        assert_eq!(read(b"0123456789", &budget).unwrap(), 10);
        let mut lines = Bounded { inner: &b"a\nb\n"[..], budget: Budget::new(2, Arc::default()) };
        assert_eq!(lines.read_until(b'\n', &mut Vec::new()).unwrap(), 2);
        assert!(lines.read_until(b'\n', &mut Vec::new()).is_err());
    }

    #[test]
    fn g15_a_body_ends_once_it_is_stopped() {
        let stop = Arc::new(AtomicBool::new(false));
        let budget = Budget::new(100, Arc::clone(&stop));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(read(b"0", &budget).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(!budget.is_exceeded());
    }
}
