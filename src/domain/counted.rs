//! Numbers with a noun, for people.

/// A number with its noun: `1 unit`, `2 units`, `0 units`. `one` is the singular.
pub fn counted(number: impl Into<i128>, one: &str) -> String {
    match number.into() {
        1 => format!("1 {one}"),
        number => format!("{number} {}", plural(one)),
    }
}

/// The plural of the noun `one`.
pub fn plural(one: &str) -> String {
    format!("{one}s")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_one() {
        assert_eq!(counted(1_u64, "unit"), "1 unit");
        for (number, said) in [
            (0, "0 dead letters"),
            (2, "2 dead letters"),
            (-1, "-1 dead letters"),
        ] {
            assert_eq!(counted(number, "dead letter"), said);
        }
    }
}
