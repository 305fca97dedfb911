//! A large answer that several requests share. Each request sends it in small pieces as the client
//! reads, so a client that does not read holds only one piece in memory.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;

/// Largest piece.
const PIECE_BYTES_MAX: usize = 16 << 10;

/// The body of such an answer: these parts in order.
pub struct Pieces<const PARTS: usize>([Bytes; PARTS]);

impl<const PARTS: usize> Pieces<PARTS> {
    /// Parts that other requests may share.
    pub fn of(parts: [Bytes; PARTS]) -> Self {
        Self(parts)
    }
}

impl<const PARTS: usize> MessageBody for Pieces<PARTS> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        let bytes = self.0.iter().map(|part| part.len() as u64);
        BodySize::Sized(bytes.sum())
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let mut parts = self.get_mut().0.iter_mut();
        let part = parts.find(|part| !part.is_empty());
        Poll::Ready(part.map(|part| Ok(part.split_to(part.len().min(PIECE_BYTES_MAX)))))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    #[test]
    fn pieces_are_small_and_make_up_the_whole() {
        let long: Vec<u8> = (0..100_000).map(|n| n as u8).collect();
        let parts = ["head".into(), "".into(), long.clone().into(), "tail".into()];
        let mut body = Pieces::of(parts);
        let whole = [b"head".as_slice(), &long, b"tail"].concat();
        assert_eq!(body.size(), BodySize::Sized(whole.len() as u64));
        let mut context = Context::from_waker(noop_waker_ref());
        let mut read = Vec::new();
        while let Poll::Ready(Some(Ok(piece))) = Pin::new(&mut body).poll_next(&mut context) {
            assert!((1..=PIECE_BYTES_MAX).contains(&piece.len()));
            read.extend_from_slice(&piece);
        }
        assert!(read == whole && body.size() == BodySize::Sized(0));
    }
}
