//! Asks over connections that stay open, as fast as answers come.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest answer that is expected.
const ANSWER_LEN_MAX: usize = 1 << 20;

/// A request as it is sent.
pub(crate) struct Ask(Vec<u8>);

/// What came of asking for a while.
pub(crate) struct Sample {
    pub(crate) answers: usize,
    /// Answers that were no success.
    pub(crate) refused: usize,
    pub(crate) processor_time: Duration,
    span: Duration,
    slowest_hundredth: Duration,
    median: Duration,
}

impl Ask {
    pub(crate) fn new(method: &str, path: &str, token: &str, body: Option<&Value>) -> Self {
        let body = body.map(Value::to_string).unwrap_or_default();
        let token =
            if token.is_empty() { String::new() } else { format!("X-Vault-Token: {token}\r\n") };
        let length = body.len();
        Self(
            format!(
                "{method} /v1/{path} HTTP/1.1\r\nHost: localhost\r\n{token}X-Vault-Request: true\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .into_bytes(),
        )
    }
}

/// Sends each of `asks` over a connection of its own, again and again for `span`.
pub(crate) async fn run(addr: SocketAddr, asks: &[Ask], span: Duration) -> Result<Sample> {
    let began = Instant::now();
    let end = began + span;
    let connections = asks.iter().map(|ask| one(addr, ask, end));
    let (mut times, mut refused) = (Vec::new(), 0);
    for result in futures::future::join_all(connections).await {
        let (more, no_success) = result?;
        times.extend(more);
        refused += no_success;
    }
    let span = began.elapsed();
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
    Ok(Sample {
        answers: times.len(),
        refused,
        processor_time: Duration::ZERO,
        span,
        slowest_hundredth: at(99),
        median: at(50),
    })
}

async fn one(addr: SocketAddr, ask: &Ask, end: Instant) -> Result<(Vec<Duration>, usize)> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut refused, mut buffer) = (Vec::new(), 0, Vec::with_capacity(8 << 10));
    while Instant::now() < end {
        let began = Instant::now();
        stream.write_all(&ask.0).await?;
        let (status, _) = answer(&mut stream, &mut buffer).await?;
        times.push(began.elapsed());
        refused += usize::from(!(200..300).contains(&status));
    }
    Ok((times, refused))
}

/// Sends `asks` one after the other over one connection. Each must succeed.
pub(crate) async fn in_turn(addr: SocketAddr, asks: impl Iterator<Item = Ask>) -> Result<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(8 << 10);
    for ask in asks {
        stream.write_all(&ask.0).await?;
        let (status, _) = answer(&mut stream, &mut buffer).await?;
        if !(200..300).contains(&status) {
            bail!("answered {status}");
        }
    }
    Ok(())
}

/// Opens a connection and sends all of `ask` but its last byte. The connection is held as long as its value.
pub(crate) async fn held(addr: SocketAddr, ask: &Ask) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(addr).await?;
    let (_, rest) = ask.0.split_last().context("an empty request")?;
    // What the server does not take stays in the buffers of the connection, or is not sent.
    let sent = tokio::time::timeout(Duration::from_millis(200), stream.write_all(rest)).await;
    // One that is refused is closed while it is sent to.
    let _refused = sent;
    Ok(stream)
}

/// One request over a connection of its own, and its answer.
pub(crate) async fn once(addr: SocketAddr, ask: &Ask) -> Result<(u16, Value)> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.write_all(&ask.0).await?;
    let mut buffer = Vec::new();
    let (status, body) = answer(&mut stream, &mut buffer).await?;
    let body = buffer.get(body..).unwrap_or_default();
    Ok((status, serde_json::from_slice(body).unwrap_or_default()))
}

/// Reads one answer into `buffer`; returns its status and where its body begins.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(u16, usize)> {
    buffer.clear();
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = std::str::from_utf8(&buffer[..end]).context("the head of an answer")?;
            let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
            let status = status.with_context(|| format!("no status in {head:?}"))?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            let body = end + 4;
            if buffer.len() >= body + length.unwrap_or(0) {
                return Ok((status, body));
            }
        }
        if buffer.len() > ANSWER_LEN_MAX || stream.read_buf(buffer).await? == 0 {
            bail!("the answer ended early, or not at all");
        }
    }
}

impl Sample {
    /// What the slowest hundredth took at least.
    pub(crate) fn slowest_hundredth(&self) -> Duration {
        self.slowest_hundredth
    }

    /// Answers in a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.span.as_secs_f64()
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |span: Duration| span.as_secs_f64() * 1e3;
        let each = self.processor_time.as_secs_f64() * 1e6 / self.answers.max(1) as f64;
        f.pad(&format!(
            "{:>6.0}/s p50 {:.2} p99 {:.2} ms {each:>4.0} us",
            self.per_second(),
            ms(self.median),
            ms(self.slowest_hundredth)
        ))
    }
}
