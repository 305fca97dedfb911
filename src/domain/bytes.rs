//! Numbers of bytes for people.

/// The number in the largest unit that fits, by steps of 1024: `1.5 GiB`, `12.0 MiB`, `512 bytes`.
pub fn shown(bytes: u64) -> String {
    let units = [("GiB", 1_u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / unit as f64),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn the_largest_unit_is_taken() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (3 << 20, "3.0 MiB"),
            ((1 << 30) + (1 << 29), "1.5 GiB"),
            (u64::MAX, "17179869184.0 GiB"),
        ] {
            assert_eq!(shown(bytes), text);
        }
    }
}
