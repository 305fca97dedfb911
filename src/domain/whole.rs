//! Whole numbers as the scripts read them: `whole` in `lua/lib/number.lua`. What only one of the
//! two reads is decided wrong, or never, and no audit sees it.

/// Most digits: all such numbers are exact in the doubles of Lua, and sums of some of them, too.
const DIGITS_MAX: usize = 15;

/// The number of a text of 1 to 15 digits, without a sign, a leading zero or anything else.
pub fn whole(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    let digits = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    // An empty text is no number to `parse`, either.
    text.parse().ok().filter(|_| plain && digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_alone_are_a_number() {
        for (text, number) in [
            ("0", 0),
            ("7", 7),
            ("10", 10),
            ("999999999999999", 999_999_999_999_999),
        ] {
            assert_eq!(whole(text), Some(number));
        }
        for text in [
            "",
            "-1",
            "+1",
            "01",
            "00",
            " 1",
            "1 ",
            "1\n",
            "1.0",
            "1e3",
            "0x1",
            "１",
            "1000000000000000",
            "0000000000000001",
        ] {
            assert_eq!(whole(text), None, "{text:?}");
        }
    }
}
