//! Lists of addresses and networks, for proxies that are trusted.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// Addresses and networks, such as `10.0.0.0/8` or `::1`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A list in a file, or one text in the environment.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    List(Vec<String>),
    Text(String),
}

impl Networks {
    /// Reads networks that are separated by commas.
    ///
    /// # Errors
    /// Names the first text that is not a network.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim);
        Self::of(names.filter(|name| !name.is_empty()))
    }

    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        names.map(network).collect::<Result<_, _>>().map(Self)
    }

    /// True if an address is in one of them. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn network(name: &str) -> Result<IpNet, String> {
    let address = |_| name.parse::<IpAddr>().map(IpNet::from);
    let network = name.parse().or_else(address);
    network.map_err(|_| {
        format!("{name:?} is not an address or a network such as 10.0.0.0/8 or 2001:db8::/32")
    })
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let networks = match Written::deserialize(deserializer)? {
            Written::List(names) => Self::of(names.iter().map(String::as_str)),
            Written::Text(text) => Self::parse(&text),
        };
        networks.map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_both_written() {
        let networks = Networks::parse("10.0.0.0/8, ::1,192.0.2.7").expect("networks");
        for (address, is_in) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("::1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::2", false),
        ] {
            let parsed = address.parse().expect("address");
            assert_eq!(networks.contain(parsed), is_in, "{address}");
        }
        assert_eq!(Networks::parse(""), Ok(Networks::default()));
        let error = Networks::parse("10.0.0.0/33").expect_err("no network");
        assert!(error.contains("10.0.0.0/33"), "{error}");
    }
}
