//! The body of a request: its media type, and its bytes within limits of size and time.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use tokio::time::timeout;

use super::fault::Fault;

/// Longest wait for a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// A body that is too large is read and discarded up to this size. So its sender, who is still
/// writing, sees the answer instead of a reset connection.
const DISCARDED_BYTES_MAX: usize = 4 << 20;

/// The media type without its parameters; `None` for a compressed body.
pub fn media_type(request: &HttpRequest) -> Option<&[u8]> {
    let header = |name| request.headers().get(name).map(|value| value.as_bytes());
    if header(CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return None;
    }
    let media_type = header(CONTENT_TYPE)?.split(|&byte| byte == b';').next()?;
    Some(media_type.trim_ascii())
}

/// Form, JSON, or neither.
pub fn is_form(request: &HttpRequest) -> Option<bool> {
    let media_type = media_type(request)?;
    if media_type.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        Some(true)
    } else if media_type.eq_ignore_ascii_case(b"application/json") {
        Some(false)
    } else {
        None
    }
}

/// Reads and discards a body that is not needed, up to a limit of size and time. So its sender, who
/// is still writing, sees the answer and may send the next request.
pub async fn discard(body: Payload) {
    let _ = read_body(body, 0).await;
}

/// Reads a whole body of at most this many bytes.
pub async fn read_body(body: Payload, bytes_max: usize) -> Result<BytesMut, Fault> {
    let read = timeout(BODY_TIMEOUT, read_whole(body, bytes_max)).await;
    read.map_err(|_| Fault::Incomplete)?
}

async fn read_whole(mut body: Payload, bytes_max: usize) -> Result<BytesMut, Fault> {
    let mut bytes = BytesMut::new();
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Fault::Incomplete)?;
        length += chunk.len();
        if length <= bytes_max {
            bytes.extend_from_slice(&chunk);
        } else if length > bytes_max.max(DISCARDED_BYTES_MAX) {
            break;
        }
    }
    if length > bytes_max {
        return Err(Fault::TooLarge(bytes_max));
    }
    Ok(bytes)
}

/// The next piece of a body that is read in pieces, within the time for a whole one.
pub async fn next_piece(body: &mut Payload) -> Result<Option<Bytes>, Fault> {
    let next = timeout(BODY_TIMEOUT, body.next()).await;
    let next = next.map_err(|_| Fault::Incomplete)?;
    next.transpose().map_err(|_| Fault::Incomplete)
}
