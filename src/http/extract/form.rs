//! Reads `application/x-www-form-urlencoded` strictly.
//!
//! Decoders usually keep what they cannot decode. Here a name decides who owns an order, so broken
//! input is refused.

use std::borrow::Cow;

use super::fault::Fault;

/// The fields of a body, decoded, in order.
pub fn fields(body: &[u8]) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Fault>> {
    let pairs = body
        .split(|&byte| byte == b'&')
        .filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let at = pair
            .iter()
            .position(|&byte| byte == b'=')
            .unwrap_or(pair.len());
        let value = pair.get(at + 1..).unwrap_or_default();
        Ok((decoded(&pair[..at], b' ')?, decoded(value, b' ')?))
    })
}

/// One decoded segment of a path. There a plus sign is a plus sign.
pub fn segment(text: &str) -> Result<Cow<'_, str>, Fault> {
    decoded(text.as_bytes(), b'+')
}

/// Decodes a text in which a plus sign means `plus`.
fn decoded(text: &[u8], plus: u8) -> Result<Cow<'_, str>, Fault> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        let text = std::str::from_utf8(text).map_err(|_| Fault::NotUtf8)?;
        return Ok(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        bytes.push(match byte {
            b'+' => plus,
            b'%' => {
                let (high, low) = (hex(rest.next())?, hex(rest.next())?);
                high << 4 | low
            }
            plain => plain,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    Ok(Cow::Owned(text))
}

fn hex(digit: Option<&u8>) -> Result<u8, Fault> {
    let value = digit.and_then(|&digit| char::from(digit).to_digit(16));
    value
        .and_then(|value| u8::try_from(value).ok())
        .ok_or(Fault::BrokenPercent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(body: &[u8]) -> Result<Vec<(String, String)>, Fault> {
        let owned = |pair: Result<(Cow<str>, Cow<str>), Fault>| {
            pair.map(|(name, value)| (name.into_owned(), value.into_owned()))
        };
        fields(body).map(owned).collect()
    }

    #[test]
    fn well_formed_fields_are_decoded() {
        let body = b"username=%E7%A7%92+a%2Bb&purchase=2&&goods&x==";
        let expected = [
            ("username", "秒 a+b"),
            ("purchase", "2"),
            ("goods", ""),
            ("x", "="),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(all(body), Ok(expected.to_vec()));
        assert_eq!(all(b""), Ok(vec![]));
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(segment("a+b%2Fc%20%E7%A7%92").as_deref(), Ok("a+b/c 秒"));
        assert_eq!(segment("%zz"), Err(Fault::BrokenPercent));
        assert_eq!(segment("%ff"), Err(Fault::NotUtf8));
    }

    #[test]
    fn broken_fields_are_refused() {
        for body in ["a=%", "a=%2", "a=%zz", "%=1", "a=%+1"] {
            assert_eq!(all(body.as_bytes()), Err(Fault::BrokenPercent), "{body}");
        }
        for body in [&b"a=\xff"[..], b"a=%ff", b"a=%ed%a0%80", b"\xff=1"] {
            assert_eq!(all(body), Err(Fault::NotUtf8), "{body:?}");
        }
    }
}
