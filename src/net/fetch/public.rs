//! Which addresses are on the public internet.
//!
//! Invariant: an address through which this machine, its network or a tunnel of theirs can be reached is not public,
//! however it is written. IPv4 is a list of what is excluded; of IPv6 only global unicast is allowed, less the parts of
//! it that have a special purpose (IANA's registries).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not public.
const NOT_PUBLIC_V4: [([u8; 4], u32); 17] = [
    ([0, 0, 0, 0], 8),        // this network, unspecified
    ([10, 0, 0, 0], 8),       // private
    ([100, 64, 0, 0], 10),    // carrier-grade NAT
    ([127, 0, 0, 0], 8),      // loopback
    ([168, 63, 129, 16], 32), // the host of a virtual machine at Azure
    ([169, 254, 0, 0], 16),   // link-local, metadata of clouds
    ([172, 16, 0, 0], 12),    // private
    ([192, 0, 0, 0], 24),     // protocol assignments
    ([192, 0, 2, 0], 24),     // documentation
    ([192, 31, 196, 0], 24),  // AS112
    ([192, 52, 193, 0], 24),  // multicast tunnels
    ([192, 88, 99, 0], 24),   // 6to4 relays
    ([192, 168, 0, 0], 16),   // private
    ([198, 18, 0, 0], 15),    // benchmarks
    ([198, 51, 100, 0], 24),  // documentation
    ([203, 0, 113, 0], 24),   // documentation
    ([224, 0, 0, 0], 3),      // multicast, reserved, broadcast
];

/// The only IPv6 network that can be public: global unicast. Outside it are loopback, unspecified, IPv4-compatible,
/// NAT64 (`64:ff9b::/96`, `64:ff9b:1::/48`), discard, unique local, link-local, site-local and multicast.
const GLOBAL_UNICAST: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// IPv6 networks in global unicast that are not public.
const NOT_PUBLIC_V6: [(Ipv6Addr, u32); 5] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16), // the former test network
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address is on the public internet. An IPv4-mapped address is judged as the IPv4 address it leads to;
/// other forms that embed one (IPv4-compatible, 6to4, Teredo, NAT64, ISATAP) are never public.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|(network, bits)| v4_is_in(address, *network, *bits)),
        IpAddr::V6(address) => {
            v6_is_in(address, GLOBAL_UNICAST)
                && !NOT_PUBLIC_V6.iter().any(|network| v6_is_in(address, *network))
                && !is_isatap(address)
        }
    }
}

fn v4_is_in(address: Ipv4Addr, network: [u8; 4], bits: u32) -> bool {
    (address.to_bits() ^ Ipv4Addr::from(network).to_bits()) >> (32 - bits) == 0
}

fn v6_is_in(address: Ipv6Addr, (network, bits): (Ipv6Addr, u32)) -> bool {
    (address.to_bits() ^ network.to_bits()) >> (128 - bits) == 0
}

/// Whether the lower half is an IPv4 address in ISATAP's form, which a tunnel unpacks.
fn is_isatap(address: Ipv6Addr) -> bool {
    let [.., universal, marker, _, _] = address.segments();
    matches!(universal, 0 | 0x0200) && marker == 0x5efe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_no_public_network_are_not_public() {
        let all = [
            "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 127.0.0.1 127.255.255.254",
            "168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1",
            "192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1",
            "203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.254 255.255.255.255",
            ":: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:0:8.8.8.8 100::1 1000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1",
            "febf::1 fec0::1 feff::1 ff02::1 ff0e::1",
            "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b::8.8.8.8 64:ff9b:1::1 64:ff9b:1:ffff::8.8.8.8",
            "2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2001:1ff:ffff::1 2001:db8::1",
            "2002:7f00:1:: 2002:a9fe:a9fe::1 2002:808:808::1 3ffe::1 3fff::1 3fff:fff::1 2606:2800::5efe:10.0.0.1",
            "2606:2800::200:5efe:8.8.8.8 4000::1 e000::1",
            "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0 ::ffff:192.168.1.1 ::ffff:255.255.255.255",
        ];
        check(&all, false);
    }

    #[test]
    fn addresses_beside_those_networks_are_public() {
        let all = [
            "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 168.63.129.15",
            "168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0",
            "192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0",
            "203.0.112.255 203.0.114.0 223.255.255.255 ::ffff:8.8.8.8",
            "2001:200::1 2001:4860:4860::8888 2001:db7::1 2001:db9::1 2003::1 2606:2800:220:1::1 2a00:1450::1 3ffd::1",
            "3fff:1000::1 2606:2800::5eff:10.0.0.1",
        ];
        check(&all, true);
    }

    #[track_caller]
    fn check(lines: &[&str], expected: bool) {
        for address in lines.iter().flat_map(|line| line.split(' ')) {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}
