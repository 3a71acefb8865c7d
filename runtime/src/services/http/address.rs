//! Which addresses are globally reachable, by the special-purpose registries of IANA (RFC 6890).
//!
//! Stricter than the registries where that costs nothing: what they list inside a block for special purposes is
//! refused with the block. A network's own NAT64 prefix (RFC 6052 §2.2) looks like any other address of its owner, and
//! cannot be told from it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::Url;

/// Blocks of IPv4 that lead nowhere, to this machine, to a private network or to more than one host.
const SPECIAL_IPV4: [Ipv4Net; 15] = [
    ipv4([0, 0, 0, 0], 8),       // "this network", RFC 791 §3.2
    ipv4([10, 0, 0, 0], 8),      // private use, RFC 1918
    ipv4([100, 64, 0, 0], 10),   // shared by carriers, RFC 6598
    ipv4([127, 0, 0, 0], 8),     // loopback, RFC 1122 §3.2.1.3
    ipv4([169, 254, 0, 0], 16),  // link local, and the metadata of clouds, RFC 3927
    ipv4([172, 16, 0, 0], 12),   // private use, RFC 1918
    ipv4([192, 0, 0, 0], 24),    // protocol assignments, RFC 6890 §2.1
    ipv4([192, 0, 2, 0], 24),    // documentation, RFC 5737
    ipv4([192, 88, 99, 0], 24),  // relays of 6to4, RFC 7526
    ipv4([192, 168, 0, 0], 16),  // private use, RFC 1918
    ipv4([198, 18, 0, 0], 15),   // benchmarking, RFC 2544
    ipv4([198, 51, 100, 0], 24), // documentation, RFC 5737
    ipv4([203, 0, 113, 0], 24),  // documentation, RFC 5737
    ipv4([224, 0, 0, 0], 4),     // multicast, RFC 5771
    ipv4([240, 0, 0, 0], 4),     // reserved, RFC 1112 §4, and broadcast, RFC 8190
];

/// The only part of IPv6 from which unicast addresses are given out (RFC 4291 §2.4). Outside of it are `::`, `::1`,
/// IPv4-compatible addresses, discard-only `100::/64` (RFC 6666), segment identifiers `5f00::/16` (RFC 9602), unique
/// local `fc00::/7` (RFC 4193), link local `fe80::/10`, site local `fec0::/10` (RFC 3879) and multicast `ff00::/8`.
const GLOBAL_UNICAST: Ipv6Net = ipv6([0x2000, 0, 0], 3);

/// Blocks inside of it that are for something else.
const SPECIAL_IPV6: [Ipv6Net; 4] = [
    // Protocol assignments, RFC 2928; among them Teredo 2001::/32 (RFC 4380), which wraps an IPv4 address,
    // benchmarking 2001:2::/48 (RFC 5180) and ORCHID 2001:10::/28, 2001:20::/28 (RFC 4843, RFC 7343).
    ipv6([0x2001, 0, 0], 23),
    ipv6([0x2001, 0xdb8, 0], 32), // documentation, RFC 3849
    ipv6([0x2002, 0, 0], 16),     // 6to4, which wraps an IPv4 address, RFC 3056; no longer in use, RFC 7526
    ipv6([0x3fff, 0, 0], 20),     // documentation, RFC 9637
];

/// Blocks whose last 32 bits are an IPv4 address that decides. The local NAT64 prefix `64:ff9b:1::/48` (RFC 8215) and
/// the translated `::ffff:0:0:0/96` (RFC 2765) are not among them: they are outside of [`GLOBAL_UNICAST`].
const WRAPPED_IPV4: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96), // IPv4-mapped, RFC 4291 §2.5.5.2
    ipv6([0x64, 0xff9b, 0], 96),                                         // NAT64, RFC 6052 §2.1
];

const fn ipv4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn ipv6([a, b, c]: [u16; 3], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Whether the address is one of the public internet.
pub(crate) fn is_globally_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_ipv4(address),
        IpAddr::V6(address) => is_global_ipv6(address),
    }
}

fn is_global_ipv4(address: Ipv4Addr) -> bool {
    !SPECIAL_IPV4.iter().any(|block| block.contains(&address))
}

fn is_global_ipv6(address: Ipv6Addr) -> bool {
    if WRAPPED_IPV4.iter().any(|block| block.contains(&address)) {
        let [.., a, b, c, d] = address.octets();
        return is_global_ipv4(Ipv4Addr::new(a, b, c, d));
    }
    GLOBAL_UNICAST.contains(&address) && !SPECIAL_IPV6.iter().any(|block| block.contains(&address))
}

/// The host of a URL.
pub(super) enum UrlHost {
    /// A name, which is resolved.
    Name,
    /// An address, which no resolver is asked about.
    Literal(IpAddr),
    /// None, or nothing that this code knows.
    Unknown,
}

impl UrlHost {
    pub(super) fn of(url: &Url) -> Self {
        if url.domain().is_some() {
            return Self::Name;
        }
        let host = url.host_str().unwrap_or_default();
        host.trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_or(Self::Unknown, Self::Literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: bool, addresses: &[&str]) {
        for address in addresses {
            assert_eq!(is_globally_reachable(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn the_public_internet_is_reachable() {
        check(
            true,
            &[
                "1.1.1.1",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.0",
                "192.167.255.255",
                "198.17.255.255",
                "198.20.0.0",
                "223.255.255.255",
                "2000::",
                "2001:200::1",
                "2606:4700:4700::1111",
                "3ffe:ffff::1",
                "3fff:1000::",
            ],
        );
    }

    #[test]
    fn special_blocks_are_not_from_their_first_to_their_last_address() {
        check(
            false,
            &[
                "0.0.0.0",
                "0.255.255.255",
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "127.0.0.1",
                "127.255.255.255",
                "169.254.169.254",
                "172.16.0.0",
                "172.31.255.255",
                "192.0.0.8",
                "192.0.0.170",
                "192.0.2.1",
                "192.88.99.1",
                "192.168.0.0",
                "192.168.255.255",
                "198.18.0.0",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "224.0.0.1",
                "239.255.255.255",
                "240.0.0.0",
                "255.255.255.255",
                "::",
                "::1",
                "100::1",
                "2001::1",
                "2001:2::1",
                "2001:10::1",
                "2001:20::1",
                "2001:1ff:ffff::1",
                "2001:db8::1",
                "3fff:fff::1",
                "4000::",
                "5f00::1",
                "fc00::1",
                "fdff:ffff::1",
                "fe80::1",
                "fec0::1",
                "ff02::1",
            ],
        );
    }

    #[test]
    fn ipv4_inside_ipv6_is_unwrapped_or_refused() {
        check(true, &["::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]);
        check(
            false,
            &[
                "::ffff:127.0.0.1",
                "::ffff:10.0.0.1",
                "::127.0.0.1",
                "::1.1.1.1",
                "::ffff:0:127.0.0.1",
                "::ffff:0:1.1.1.1",
                "64:ff9b::127.0.0.1",
                "64:ff9b::a9fe:a9fe",
                "64:ff9b::1:101:101",
                "64:ff9b:1::1.1.1.1",
                "2002:7f00:1::1",
                "2002:101:101::1",
                "2001:0:102:304::80ff:fefe",
            ],
        );
    }
}
