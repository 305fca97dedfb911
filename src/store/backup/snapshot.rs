//! A snapshot of a running Redis, as a replica gets it: consistent, whatever is written or
//! rewritten meanwhile, and without a file on the server's side.

use std::future::Future;
use std::io::Write;
use std::time::Duration;

use redis::{ConnectionAddr, ConnectionInfo};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, BufReader};
use tokio::io::{AsyncWriteExt, split};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::failure::Failure;

/// Longest silence of the server. While it prepares a snapshot it says an empty line each second.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Most bytes that are read at once.
const PIECE_BYTES: usize = 1 << 16;
/// Longest line of the server.
const LINE_BYTES_MAX: usize = 4096;
/// Bytes of the mark that ends a snapshot whose length is not known before.
const MARK_BYTES: usize = 40;

/// How a snapshot ends.
enum End {
    After(u64),
    AtMark(Vec<u8>),
}

/// Asks the server at `info` for a snapshot and writes it to `sink`; how many bytes it has.
///
/// # Errors
/// [`Failure::Busy`]: the server cannot be reached or refuses; [`Error::PrivateRedis`]: `sink` is
/// full.
pub async fn receive(info: &ConnectionInfo, sink: &mut impl Write) -> Result<u64> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port));
            receive_on(in_time(stream).await?, info, sink).await
        }
        ConnectionAddr::Unix(path) => {
            receive_on(in_time(UnixStream::connect(path)).await?, info, sink).await
        }
        _ => Err(Error::Refused(
            "a backup over TLS is not supported: run `redis-cli --tls --rdb FILE`".to_owned(),
        )),
    }
}

async fn receive_on(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    info: &ConnectionInfo,
    sink: &mut impl Write,
) -> Result<u64> {
    let (read, mut write) = split(stream);
    let mut read = BufReader::with_capacity(PIECE_BYTES, read);
    let settings = info.redis_settings();
    let mut commands: Vec<Vec<&str>> = Vec::new();
    match (settings.username(), settings.password()) {
        (Some(username), Some(password)) => commands.push(vec!["AUTH", username, password]),
        (None, Some(password)) => commands.push(vec!["AUTH", password]),
        (_, None) => {}
    }
    // No file on the server's side, and no commands after the snapshot.
    commands.push(vec!["REPLCONF", "capa", "eof"]);
    commands.push(vec!["REPLCONF", "rdb-only", "1"]);
    for command in &commands {
        in_time(write.write_all(&packed(command))).await?;
        let answer = line(&mut read).await?;
        if answer != b"+OK" {
            return Err(refused(command[0], &answer));
        }
    }
    in_time(write.write_all(&packed(&["SYNC"]))).await?;
    let end = loop {
        let answer = line(&mut read).await?;
        match answer.strip_prefix(b"$") {
            Some(length) => break End::read(length).ok_or_else(|| refused("SYNC", &answer))?,
            None if answer.is_empty() => {} // it is preparing
            None => return Err(refused("SYNC", &answer)),
        }
    };
    end.copy(&mut read, sink).await
}

impl End {
    fn read(text: &[u8]) -> Option<Self> {
        if let Some(mark) = text.strip_prefix(b"EOF:") {
            return (mark.len() == MARK_BYTES).then(|| Self::AtMark(mark.to_vec()));
        }
        std::str::from_utf8(text)
            .ok()?
            .parse()
            .ok()
            .map(Self::After)
    }

    async fn copy(
        &self,
        read: &mut (impl AsyncRead + Unpin),
        sink: &mut impl Write,
    ) -> Result<u64> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut waiting: Vec<u8> = Vec::new(); // may be the beginning of the mark
        let mut copied = 0;
        loop {
            let wanted = match self {
                Self::After(length) => {
                    PIECE_BYTES.min(usize::try_from(length - copied).unwrap_or(PIECE_BYTES))
                }
                Self::AtMark(_) => PIECE_BYTES,
            };
            if wanted == 0 {
                return Ok(copied);
            }
            let bytes = in_time(read.read(&mut piece[..wanted])).await?;
            if bytes == 0 {
                return Err(Failure::Busy("Redis ended the snapshot too early".to_owned()).into());
            }
            waiting.extend_from_slice(&piece[..bytes]);
            let is_end = matches!(self, Self::AtMark(mark) if waiting.ends_with(mark));
            let kept = match self {
                Self::AtMark(_) => waiting.len().min(MARK_BYTES),
                Self::After(_) => 0,
            };
            let ready = waiting.len() - kept;
            sink.write_all(&waiting[..ready])
                .map_err(|e| Error::PrivateRedis(format!("writing the backup: {e}")))?;
            copied += ready as u64;
            waiting.drain(..ready);
            if is_end {
                return Ok(copied);
            }
        }
    }
}

fn packed(words: &[&str]) -> Vec<u8> {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.get_packed_command()
}

/// The next line, without its end.
async fn line(read: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    in_time(
        read.take(LINE_BYTES_MAX as u64)
            .read_until(b'\n', &mut line),
    )
    .await?;
    if line.pop() != Some(b'\n') {
        return Err(Failure::Busy("Redis closed the connection".to_owned()).into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

async fn in_time<T>(work: impl Future<Output = std::io::Result<T>>) -> Result<T, Failure> {
    let silent = |_| Failure::Busy(format!("no word from Redis for {SILENCE_MAX:?}"));
    let done = timeout(SILENCE_MAX, work).await.map_err(silent)?;
    done.map_err(|e| Failure::Busy(format!("the connection to Redis failed: {e}")))
}

fn refused(command: &str, answer: &[u8]) -> Error {
    let answer = String::from_utf8_lossy(answer);
    Error::Refused(format!(
        "Redis gives no snapshot: {command} is answered {answer}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn copied(end: End, pieces: &[&[u8]]) -> Result<Vec<u8>> {
        let (mut server, mut client) = tokio::io::duplex(64);
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        tokio::spawn(async move {
            for piece in pieces {
                server.write_all(&piece).await.expect("sent");
            }
        });
        let mut sink = Vec::new();
        let bytes = end.copy(&mut client, &mut sink).await?;
        assert_eq!(bytes, sink.len() as u64);
        Ok(sink)
    }

    #[tokio::test]
    async fn a_snapshot_ends_at_its_mark_or_after_its_length() {
        let mark = b"0123456789012345678901234567890123456789";
        let at_mark = || End::read(&[b"EOF:", mark.as_slice()].concat()).expect("a mark");
        for cut in 0..mark.len() {
            let (first, second) = mark.split_at(cut);
            let sent = [b"REDIS0010 and more".as_slice(), first, second];
            assert_eq!(
                copied(at_mark(), &sent).await.expect("whole"),
                sent[0],
                "{cut}"
            );
        }
        let nearly: Vec<u8> = [&mark[..39], b"x", mark].concat();
        assert_eq!(
            copied(at_mark(), &[&nearly]).await.expect("whole"),
            nearly[..40]
        );
        let after = || End::read(b"5").expect("a length");
        assert_eq!(
            copied(after(), &[b"12", b"345"]).await.expect("whole"),
            b"12345"
        );
        for (end, sent) in [(at_mark(), b"REDIS".as_slice()), (after(), b"1234")] {
            let cut = copied(end, &[sent]).await.expect_err("cut");
            assert!(cut.to_string().contains("too early"), "{cut}");
        }
        assert!(End::read(b"EOF:short").is_none() && End::read(b"x").is_none());
    }
}
