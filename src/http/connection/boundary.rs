//! Finds where each request ends in the bytes of a connection.
//!
//! The HTTP library would decode every request in a buffer, which may be thousands, before the
//! first is answered. So it gets one request at a time, and the rest after the answer.

use actix_web::dev::RequestHead;
use actix_web::http::header::CONTENT_LENGTH;
use memchr::memchr;

use super::chunks::Chunks;

/// What comes next.
#[derive(Debug)]
enum Part {
    /// A head, of which this much is known.
    Head(Head),
    /// The handler. The head is complete, and this many bytes of the body came with it.
    Handler { body: u64 },
    /// This many bytes of a body.
    Body(u64),
    /// A body in chunks.
    Chunks(Chunks),
    /// Anything, until the end of the stream.
    Stream,
}

/// The start of a head.
#[derive(Debug, Default)]
struct Head {
    /// Something other than line ends came.
    has_begun: bool,
    /// The current line has something in it.
    has_line: bool,
    /// A line began in one piece of bytes and ended in another: its text is not known.
    is_split: bool,
    /// How long the body is, as far as the head has said.
    length: u64,
    is_chunked: bool,
}

/// Follows the bytes of a connection, request by request.
#[derive(Debug)]
pub struct Boundary(Part);

impl Default for Boundary {
    fn default() -> Self {
        Self(Part::Head(Head::default()))
    }
}

impl Boundary {
    /// How many of these new bytes belong to the present request: at least one, unless
    /// [`Boundary::is_complete`].
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        match &mut self.0 {
            Part::Head(head) => {
                let Some(end) = head.end(bytes) else {
                    return bytes.len();
                };
                let body = head.body_with_head(bytes.len() - end);
                self.0 = Part::Handler { body: body as u64 };
                end + body
            }
            Part::Body(left) => {
                let taken =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= taken as u64;
                taken
            }
            Part::Chunks(chunks) => chunks.take(bytes),
            Part::Handler { .. } => 0,
            Part::Stream => bytes.len(),
        }
    }

    /// The handler of the request begins: the HTTP library has read its head.
    pub fn begin(&mut self, head: &RequestHead, has_body: bool) {
        let came = match self.0 {
            Part::Handler { body } => body,
            _ => 0,
        };
        let length = || {
            head.headers()
                .get(CONTENT_LENGTH)?
                .to_str()
                .ok()?
                .parse()
                .ok()
        };
        self.0 = match has_body.then(length) {
            None => Part::Body(0),
            Some(Some(length)) => Part::Body(u64::saturating_sub(length, came)),
            Some(None) if head.chunked() => Part::Chunks(Chunks::default()),
            Some(None) => Part::Stream,
        };
    }

    /// True if nothing more belongs to the present request, as far as known.
    pub fn is_complete(&self) -> bool {
        match &self.0 {
            Part::Head(_) | Part::Stream => false,
            Part::Handler { .. } => true,
            Part::Body(left) => *left == 0,
            Part::Chunks(chunks) => chunks.have_ended(),
        }
    }

    /// True if the handler of the present request has begun.
    pub fn was_served(&self) -> bool {
        !matches!(self.0, Part::Head(_) | Part::Handler { .. })
    }

    /// True if nothing of the next request has come yet.
    pub fn is_fresh(&self) -> bool {
        matches!(&self.0, Part::Head(head) if !head.has_begun)
    }
}

impl Head {
    /// Where the head ends in these bytes, if it does.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if !self.has_begun {
            // Line ends before a request are ignored.
            at = bytes
                .iter()
                .position(|byte| !matches!(byte, b'\r' | b'\n'))?;
            self.has_begun = true;
        }
        while let Some(length) = memchr(b'\n', &bytes[at..]) {
            let line = bytes[at..at + length].trim_ascii_end();
            at += length + 1;
            if line.is_empty() && !self.has_line {
                return Some(at);
            }
            self.is_split |= self.has_line;
            self.has_line = false;
            self.line(line);
        }
        self.has_line |= !bytes[at..].trim_ascii_end().is_empty();
        None
    }

    fn line(&mut self, line: &[u8]) {
        if let Some(value) = header(line, b"content-length") {
            let value = std::str::from_utf8(value).ok();
            self.length = value.and_then(|value| value.parse().ok()).unwrap_or(0);
        } else if header(line, b"transfer-encoding").is_some() {
            self.is_chunked = true;
        }
    }

    /// How many of the bytes that came with the head belong to its body, if that is certain.
    fn body_with_head(&self, came: usize) -> usize {
        if self.is_split || self.is_chunked {
            return 0;
        }
        usize::try_from(self.length).map_or(came, |length| length.min(came))
    }
}

/// The value of a header line with this name.
fn header<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    start
        .eq_ignore_ascii_case(name)
        .then_some(value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    /// How much of each piece is handed over: before the handler begins, and then.
    fn taken(
        header: Option<(&'static str, &'static str)>,
        before: &[&str],
        then: &[&str],
    ) -> (Vec<usize>, Vec<usize>, bool) {
        let mut boundary = Boundary::default();
        let first = before
            .iter()
            .map(|piece| boundary.take(piece.as_bytes()))
            .collect();
        let mut request = TestRequest::post();
        if let Some(header) = header {
            request = request.insert_header(header);
        }
        boundary.begin(request.to_request().head(), header.is_some());
        let second = then
            .iter()
            .map(|piece| boundary.take(piece.as_bytes()))
            .collect();
        (first, second, boundary.is_complete())
    }

    #[test]
    fn one_request_is_handed_over_at_a_time() {
        let get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let twice = get.repeat(2);
        assert_eq!(taken(None, &[&twice], &[]), (vec![get.len()], vec![], true));
        let bare = "GET / HTTP/1.1\nhost: x\n\nGET";
        assert_eq!(
            taken(None, &[bare], &[]),
            (vec![bare.len() - 3], vec![], true)
        );
        let stray = "\r\n\r\nGET / HTTP/1.1\r\n\r\nGET";
        assert_eq!(
            taken(None, &[stray], &[]),
            (vec![stray.len() - 3], vec![], true)
        );
        let split = ["GET / HT", "TP/1.1\r\n", "\r", "\nG"];
        assert_eq!(taken(None, &split, &[]), (vec![8, 8, 1, 1], vec![], true));
    }

    #[test]
    fn a_body_goes_with_its_head_and_not_further() {
        let length = Some(("content-length", "5"));
        let post = "POST / HTTP/1.1\r\nContent-LENGTH:  5 \r\n\r\n";
        let whole = format!("{post}12345POST");
        assert_eq!(
            taken(length, &[&whole], &[]),
            (vec![post.len() + 5], vec![], true)
        );
        let part = format!("{post}12");
        assert_eq!(
            taken(length, &[&part], &["3", "45P"]),
            (vec![part.len()], vec![1, 2], true)
        );
        // A header whose line comes in two pieces may have said anything.
        let split = ["POST / HTTP/1.1\r\ncontent-le", "ngth: 5\r\n\r\n12345P"];
        assert_eq!(
            taken(length, &split, &["12345P"]),
            (vec![27, 11], vec![5], true)
        );
    }

    #[test]
    fn chunks_are_followed_to_their_end() {
        let chunked = Some(("transfer-encoding", "chunked"));
        let post = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        let whole = format!("{post}0\r\n\r\n");
        let body = "3\r\na\r\n\r\n0\r\n\r\nPOST";
        assert_eq!(
            taken(chunked, &[&whole], &[body]),
            (vec![post.len()], vec![body.len() - 4], true)
        );
    }

    #[test]
    fn a_fresh_boundary_has_seen_nothing_but_line_ends() {
        let mut boundary = Boundary::default();
        assert_eq!(boundary.take(b"\r\n"), 2);
        assert!(boundary.is_fresh());
        assert_eq!(boundary.take(b"G"), 1);
        assert!(!boundary.is_fresh() && !boundary.is_complete());
    }
}
