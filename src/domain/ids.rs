//! The names of things: sales, buyers, orders, and who speaks on a chat platform.

use std::fmt;

use super::Invalid;
use super::words::text;

/// Longest event or item part of a sale id, in bytes.
const PART_BYTES_MAX: usize = 32;
/// Longest username, in bytes of UTF-8.
pub const USERNAME_BYTES_MAX: usize = 128;
/// Longest request id, in bytes of UTF-8.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Longest openid, in bytes.
const OPENID_BYTES_MAX: usize = 64;
/// Longest student number, in bytes.
const NUMBER_BYTES_MAX: usize = 32;
/// Random bytes that [`OrderId::new`] consumes; they give 99 unguessable bits.
pub const ORDER_ID_RANDOM_BYTES: usize = 20;
/// Without `e` and `x`, so that no id of digits and letters reads as a number (`1e5`, `0x1f`).
const ORDER_ID_ALPHABET: &[u8; 32] = b"abcdfghijkmnpqrstuvwyz0123456789";

/// A sale: `event` or `event.item`, each part `[a-z0-9][a-z0-9_-]{0,31}`.
///
/// All keys of an event share one Redis hash slot, so the event is part of the name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaleId {
    text: String,
    event_bytes: usize,
}

impl SaleId {
    /// Accepts exactly the grammar above.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let mut parts = text.splitn(2, '.');
        let event_bytes = parts.next().map_or(0, str::len);
        if !text.splitn(2, '.').all(is_part) {
            return Err(Invalid {
                what: "sale id",
                rule: "`event` or `event.item`, each 1 to 32 of a-z, 0-9, _ and -, \
                       starting with a letter or digit",
            });
        }
        Ok(Self {
            text: text.to_owned(),
            event_bytes,
        })
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the dot: the group of sales that share a hash slot.
    pub fn event(&self) -> &str {
        &self.text[..self.event_bytes]
    }
}

fn is_part(part: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = part.as_bytes();
    bytes.len() <= PART_BYTES_MAX
        && bytes.first().is_some_and(plain)
        && bytes.iter().all(|b| plain(b) || matches!(b, b'_' | b'-'))
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text! {
    /// An event: the part of a sale id before the dot, `[a-z0-9][a-z0-9_-]{0,31}`.
    pub struct Event(&str) is "event": is_part, "1 to 32 of a-z, 0-9, _ and -, starting with a letter or digit"
}

text! {
    /// A buyer: 1 to 128 bytes of UTF-8 without control characters; neither trimmed nor case-folded.
    pub struct Username(String) is "username": |text| is_plain(text, USERNAME_BYTES_MAX), "1 to 128 bytes of UTF-8 without control characters"
}

/// Some text without control characters, so that it fits into records and lines.
fn is_plain(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control)
}

text! {
    /// A client's own name for one request: the same name again is the same request, not a second
    /// one. 1 to 128 bytes of UTF-8 without control characters.
    pub struct RequestId(String) is "request_id": |text| is_plain(text, REQUEST_ID_BYTES_MAX),
        "1 to 128 bytes of UTF-8 without control characters"
}

/// An order: its event, a hyphen, then 20 random letters and digits, the first one a letter.
///
/// Any node finds the keys of an order from its id alone; nobody can guess it; and it never
/// looks like a number, which scanners and scripts would otherwise round or reformat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(String);

impl OrderId {
    /// A new id in the event of `sale`. The caller supplies the randomness.
    pub fn new(sale: &SaleId, random: [u8; ORDER_ID_RANDOM_BYTES]) -> Self {
        let event = sale.event();
        let mut text = String::with_capacity(event.len() + 1 + random.len());
        text.push_str(event);
        text.push('-');
        for (position, byte) in random.into_iter().enumerate() {
            // The first 16 characters of the alphabet are letters.
            let mask = if position == 0 { 15 } else { 31 };
            text.push(ORDER_ID_ALPHABET[usize::from(byte & mask)] as char);
        }
        Self(text)
    }

    /// Accepts any `event-suffix` whose event is one; the store knows whether the order exists.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let well_formed = text.rsplit_once('-').is_some_and(|(event, suffix)| {
            is_part(event)
                && suffix.len() == ORDER_ID_RANDOM_BYTES
                && suffix.bytes().all(|b| ORDER_ID_ALPHABET.contains(&b))
        });
        if !well_formed {
            return Err(Invalid {
                what: "order id",
                rule: "an event, a hyphen and 20 lower-case letters and digits",
            });
        }
        Ok(Self(text.to_owned()))
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The random part as a number: the event and this number are the id.
    pub fn to_number(&self) -> u128 {
        let suffix = self.0.bytes().rev().take(ORDER_ID_RANDOM_BYTES).rev();
        suffix.fold(0, |number, byte| {
            let digit = ORDER_ID_ALPHABET.iter().position(|&letter| letter == byte);
            number << 5 | digit.unwrap_or(0) as u128
        })
    }

    /// The order of `event` whose random part is `number`.
    pub fn from_number(event: &str, number: u128) -> Self {
        let digits = (0..ORDER_ID_RANDOM_BYTES).rev();
        let letter = |place| char::from(ORDER_ID_ALPHABET[(number >> (5 * place) & 31) as usize]);
        Self(format!(
            "{event}-{}",
            digits.map(letter).collect::<String>()
        ))
    }

    /// The event that the order belongs to.
    pub fn event(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(event, _)| event)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text! {
    /// Somebody on the chat platform, as the platform names them: `[A-Za-z0-9_-]{1,64}`.
    pub struct OpenId(&str) is "openid": |text| is_token(text, OPENID_BYTES_MAX), "1 to 64 of A-Z, a-z, 0-9, _ and -"
}

text! {
    /// A student number: `[A-Za-z0-9_-]{1,32}`. It owns the tickets; which
    /// openid is bound to it may change.
    pub struct Number(&str) is "number": |text| is_token(text, NUMBER_BYTES_MAX), "1 to 32 of A-Z, a-z, 0-9, _ and -"
}

impl Number {
    /// The buyer that it is to the sales.
    pub fn username(&self) -> Username {
        Username(self.0.clone())
    }
}

/// Text that stands anywhere without quotes: in addresses, keys and lines.
fn is_token(text: &str, bytes_max: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_id_is_an_event_with_an_optional_item() {
        let longest = "z".repeat(32);
        for (text, event) in [
            ("a", "a"),
            ("spring-2026", "spring-2026"),
            ("spring.tea_50g", "spring"),
            ("0.0", "0"),
            (longest.as_str(), longest.as_str()),
        ] {
            let id = SaleId::parse(text).expect(text);
            assert_eq!((id.as_str(), id.event()), (text, event));
        }
    }

    #[test]
    fn what_could_break_a_key_is_no_sale_id() {
        let too_long = "z".repeat(33);
        for text in [
            "", ".", "a.", ".a", "a.b.c", "A", "-a", "_a", "a b", "a{b}", "a}", "茶", "a\n", "a:b",
            "*", &too_long,
        ] {
            assert!(SaleId::parse(text).is_err(), "{text:?}");
            assert!(Event::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_username_is_taken_as_it_is() {
        for text in [" a ", "A", "秒杀", "🦀", "{a}", &"x".repeat(128)] {
            assert_eq!(Username::parse(text.to_owned()).expect(text).as_str(), text);
        }
        for text in ["", "a\0", "a\n", "\u{7f}", "\u{85}", &"x".repeat(129)] {
            assert!(Username::parse(text.to_owned()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_order_id_carries_its_event_and_is_never_a_number() {
        for event in ["1e", "0x1", "spring-2026", "7"] {
            let sale = SaleId::parse(event).expect(event);
            for byte in 0..=255 {
                let id = OrderId::new(&sale, [byte; ORDER_ID_RANDOM_BYTES]);
                assert_eq!(id.event(), event);
                assert_eq!(OrderId::parse(id.as_str()), Ok(id.clone()));
                assert_eq!(OrderId::from_number(event, id.to_number()), id);
                assert!(id.as_str().parse::<f64>().is_err(), "{id}");
                let suffix = &id.as_str()[event.len() + 1..];
                assert!(suffix.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
            }
        }
    }

    #[test]
    fn openids_and_numbers_are_plain_tokens() {
        for text in ["o", "oA-_9", "2019010001"] {
            assert_eq!(OpenId::parse(text).expect(text).as_str(), text);
            let number = Number::parse(text).expect(text);
            let buyer = Username::parse(text.to_owned());
            assert_eq!((number.as_str(), Ok(number.username())), (text, buyer));
        }
        assert!(OpenId::parse(&"o".repeat(64)).is_ok());
        assert!(Number::parse(&"1".repeat(32)).is_ok());
        for text in ["", " ", "a b", "学号", "１", "a\n", "a/b", "a.b"] {
            assert!(OpenId::parse(text).is_err(), "{text:?}");
            assert!(Number::parse(text).is_err(), "{text:?}");
        }
        assert!(OpenId::parse(&"o".repeat(65)).is_err());
        assert!(Number::parse(&"1".repeat(33)).is_err());
    }
}
