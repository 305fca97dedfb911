//! Finds the end of a body in chunks (RFC 9112, section 7.1). The HTTP library checks the format;
//! in a malformed body, any end will do.

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Digits of the size of a chunk.
    Size,
    /// The rest of the line of a size.
    Extension,
    /// This many bytes of data.
    Data(u64),
    /// The line end after the data.
    DataEnd,
    /// Lines after the last chunk, and whether the current one has something in it.
    Trailer(bool),
    /// Nothing.
    End,
}

/// Follows the chunks of a body.
#[derive(Debug)]
pub struct Chunks {
    part: Part,
    size: u64,
}

impl Default for Chunks {
    fn default() -> Self {
        Self {
            part: Part::Size,
            size: 0,
        }
    }
}

impl Chunks {
    /// How many of these bytes belong to the body.
    pub fn take(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.part != Part::End {
            if let Part::Data(left) = self.part {
                let rest = (bytes.len() - at) as u64;
                let taken = left.min(rest);
                at += usize::try_from(taken).unwrap_or(bytes.len());
                self.part = match left - taken {
                    0 => Part::DataEnd,
                    left => Part::Data(left),
                };
            } else {
                self.byte(bytes[at]);
                at += 1;
            }
        }
        at
    }

    /// True if the body is complete.
    pub fn have_ended(&self) -> bool {
        self.part == Part::End
    }

    fn byte(&mut self, byte: u8) {
        self.part = match (self.part, byte) {
            (Part::Size | Part::Extension, b'\n') if self.size == 0 => Part::Trailer(false),
            (Part::Size | Part::Extension, b'\n') => Part::Data(std::mem::take(&mut self.size)),
            (Part::Size, _) => match char::from(byte).to_digit(16) {
                Some(digit) => {
                    self.size = self.size.saturating_mul(16).saturating_add(digit.into());
                    Part::Size
                }
                None => Part::Extension,
            },
            (Part::DataEnd, b'\n') => Part::Size,
            (Part::Trailer(has_line), b'\n') if !has_line => Part::End,
            (Part::Trailer(_), b'\n') => Part::Trailer(false),
            (Part::Trailer(has_line), _) => Part::Trailer(has_line || byte != b'\r'),
            (part, _) => part,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_after_its_last_chunk_however_it_is_cut() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "a;name=value\r\n0\r\n\r\n12345\r\nB\r\nhello world\r\n0\r\nx: 1\r\n\r\n",
            "1\na\n0\n\n",
        ] {
            let bytes = format!("{body}GET");
            for cut in 0..bytes.len() {
                let mut chunks = Chunks::default();
                let (one, other) = bytes.as_bytes().split_at(cut);
                let taken = chunks.take(one) + chunks.take(other);
                assert_eq!(
                    (taken, chunks.have_ended()),
                    (body.len(), true),
                    "{body:?} {cut}"
                );
            }
        }
    }
}
