//! Where a request ends in the bytes of a connection.

use std::cell::Cell;

use actix_web::dev::RequestHead;
use actix_web::http::header::CONTENT_LENGTH;
use memchr::memmem;

/// The end of a head, and of a body in chunks.
const BLANK_LINE: &[u8] = b"\r\n\r\n";

/// How the body of a request ends.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// After so many bytes.
    Length(u64),
    /// With an empty chunk.
    Chunked,
}

/// Tells whether the bytes that came end where a request ends, or hold the start of another one.
///
/// When it cannot tell (requests that came before earlier ones were answered, heads with bare line
/// feeds), it takes them for the start of another one: then the next request must come soon.
#[derive(Debug)]
pub struct Boundary {
    received: Cell<u64>,
    /// Where the head ends, if it was seen in the bytes.
    head_end: Cell<Option<u64>>,
    body: Cell<Body>,
    ends_blank: Cell<bool>,
}

impl Default for Boundary {
    fn default() -> Self {
        Self {
            received: Cell::new(0),
            head_end: Cell::new(None),
            body: Cell::new(Body::Length(0)),
            ends_blank: Cell::new(false),
        }
    }
}

impl Boundary {
    /// These bytes came.
    pub fn received(&self, bytes: &[u8]) {
        let before = self.received.get();
        self.received.set(before + bytes.len() as u64);
        self.ends_blank.set(bytes.ends_with(BLANK_LINE));
        if self.head_end.get().is_none() {
            let found = memmem::find(bytes, BLANK_LINE);
            let end = found.map(|at| before + (at + BLANK_LINE.len()) as u64);
            self.head_end.set(end);
        }
    }

    /// This is the request whose head came.
    pub fn request(&self, head: &RequestHead, has_body: bool) {
        let length = || {
            head.headers()
                .get(CONTENT_LENGTH)?
                .to_str()
                .ok()?
                .parse()
                .ok()
        };
        let body = match has_body {
            false => Body::Length(0),
            true => length().map_or(Body::Chunked, Body::Length),
        };
        self.body.set(body);
    }

    /// True when any byte came since the last request.
    pub fn has_begun(&self) -> bool {
        self.received.get() > 0
    }

    /// True when the bytes that came end with the request.
    pub fn is_reached(&self) -> bool {
        match self.body.get() {
            Body::Chunked => self.ends_blank.get(),
            Body::Length(length) => {
                let end = self.head_end.get().map(|head_end| head_end + length);
                end == Some(self.received.get())
            }
        }
    }

    /// The next request begins.
    pub fn restart(&self) {
        self.received.set(0);
        self.head_end.set(None);
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// Whether these pieces, of which the first is there when the handler begins, end a request.
    fn reached(pieces: &[&str], header: Option<(&'static str, &'static str)>) -> bool {
        let boundary = Boundary::default();
        let (first, rest) = pieces.split_first().expect("pieces");
        boundary.received(first.as_bytes());
        let mut request = TestRequest::post();
        if let Some(header) = header {
            request = request.insert_header(header);
        }
        boundary.request(request.to_request().head(), header.is_some());
        for piece in rest {
            boundary.received(piece.as_bytes());
        }
        boundary.is_reached()
    }

    #[test]
    fn it_knows_whole_requests() {
        let length = Some(("content-length", "5"));
        let chunked = Some(("transfer-encoding", "chunked"));
        assert!(reached(&["GET / HTTP/1.1\r\nhost: x\r\n\r\n"], None));
        assert!(reached(
            &["POST / HTTP/1.1\r\n\r\nab\n\ncd"],
            Some(("content-length", "6"))
        ));
        assert!(reached(&["POST / HTTP/1.1\r\n\r\n", "12", "345"], length));
        assert!(reached(
            &["POST / HTTP/1.1\r\n\r\n", "1\r\na\r\n0\r\n\r\n"],
            chunked
        ));
    }

    #[test]
    fn it_sees_the_start_of_another_request() {
        let length = Some(("content-length", "5"));
        let chunked = Some(("transfer-encoding", "chunked"));
        assert!(!reached(&["GET / HTTP/1.1\r\n\r\nG"], None));
        assert!(!reached(&["GET / HTTP/1.1\r\n\r\n", "GET /"], None));
        assert!(!reached(&["POST / HTTP/1.1\r\n\r\n12345P"], length));
        assert!(!reached(
            &["POST / HTTP/1.1\r\n\r\n", "0\r\n\r\nP"],
            chunked
        ));
        // Bare line feeds: it cannot tell.
        assert!(!reached(&["GET / HTTP/1.1\n\n"], None));
    }

    #[test]
    fn each_request_counts_from_zero() {
        let boundary = Boundary::default();
        for _ in 0..2 {
            assert!(!boundary.has_begun());
            boundary.received(b"GET / HTTP/1.1\r\n\r\n");
            boundary.request(TestRequest::get().to_request().head(), false);
            assert!(boundary.has_begun() && boundary.is_reached());
            boundary.restart();
        }
    }
}
