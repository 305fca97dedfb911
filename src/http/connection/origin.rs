//! Which addresses count as one client.

use std::net::{IpAddr, Ipv6Addr};

/// The part of an address that one client has: an IPv4 address, or the first 64 bits of an IPv6
/// address, which a whole home shares. An IPv4 address written as IPv6 counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

/// The bits of an IPv6 address that name a network.
const NETWORK: u128 = !0 << 64;

impl Origin {
    /// The origin of this address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = Ipv6Addr::from_bits(address.to_bits() & NETWORK);
                Self(IpAddr::V6(network))
            }
            address => Self(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_has_one_origin() {
        let of = |text: &str| Origin::of(text.parse().expect("address"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
