//! A kept connection to a door, and what its answers say.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// Headers of an answer: more than any of these servers sends.
const HEADERS_MAX: usize = 16;

/// A connection that asks one thing after the other.
pub struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What tells one answer from another, without its body.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The code in `X-Seckill-Result`; empty for servers that do not say it.
    pub code: String,
    /// Whether it says when to ask again.
    pub retry_after: bool,
}

/// Answers, counted by what they say.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<Answer, u64>);

impl Line {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Asks for one unit of sale `a` and waits for the whole answer.
    pub async fn ask(&mut self, username: &str) -> Result<Answer> {
        let body = format!("goods=a&purchase=1&username={username}");
        let length = body.len();
        let request = format!(
            "POST /seckill HTTP/1.1\r\nhost: bench\r\ncontent-length: {length}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n{body}"
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("a connection was closed".into());
            }
            if let Some(answer) = Answer::whole(&self.buffer)? {
                return Ok(answer);
            }
        }
    }
}

impl Answer {
    /// True for 2xx.
    pub fn is_granted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer in these bytes; `None` while a part of it is missing.
    fn whole(bytes: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(body) = head.parse(bytes)? else {
            return Ok(None);
        };
        let header = |name: &str| {
            let mut found = head.headers.iter();
            let header = found.find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()
        };
        let length = header("content-length").and_then(|text| text.parse::<usize>().ok());
        let length = length.ok_or("an answer without a length")?;
        let answer = Self {
            status: head.code.unwrap_or_default(),
            code: header("x-seckill-result").unwrap_or_default().to_owned(),
            retry_after: header("retry-after").is_some(),
        };
        Ok((bytes.len() >= body + length).then_some(answer))
    }
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, answer: Answer) {
        *self.0.entry(answer).or_default() += 1;
    }

    /// Adds all of another tally.
    pub fn merge(&mut self, other: Self) {
        for (answer, count) in other.0 {
            *self.0.entry(answer).or_default() += count;
        }
    }

    /// How many there are of a kind.
    pub fn count(&self, kind: impl Fn(&Answer) -> bool) -> u64 {
        let kinds = self.0.iter().filter(|(answer, _)| kind(answer));
        kinds.map(|(_, count)| count).sum()
    }
}
