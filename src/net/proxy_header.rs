//! The PROXY protocol header, versions 1 and 2: the client for which a proxy opened a connection.
//!
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>
//!
//! Invariant: no byte after the header is read, and a header that does not match the protocol exactly is refused.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The signature of version 2. The shortest version 1 header is longer, so this many bytes can always be read.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest version 1 header, including its line end.
const LINE_MAX_BYTES: usize = 107;

/// Maximum length of version 2 addresses and extensions. Proxies send a few hundred bytes at most.
const REST_MAX_BYTES: usize = 4 * 1024;

/// Reads the header. Returns the client's address, or `None` if the connection is the proxy's own (a health check) or
/// it knows no address. The caller sets the deadline.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let mut begin = [0; SIGNATURE.len()];
    stream.read_exact(&mut begin).await?;
    if begin == *SIGNATURE {
        return read_binary(stream).await;
    }
    let mut line = begin.to_vec();
    if !line.starts_with(b"PROXY ") {
        return Err(invalid("it has no PROXY protocol signature"));
    }
    while !line.ends_with(b"\r\n") {
        if line.len() == LINE_MAX_BYTES {
            return Err(invalid("its version 1 line exceeds 107 bytes"));
        }
        line.push(stream.read_u8().await?);
    }
    read_line(&line[..line.len() - 2]).ok_or_else(|| invalid("its version 1 line is malformed"))
}

/// Parses a version 1 line without its line end; `None` if it is malformed.
fn read_line(line: &[u8]) -> Option<Option<IpAddr>> {
    let line = std::str::from_utf8(line).ok()?;
    let fields = line.strip_prefix("PROXY ")?;
    if fields == "UNKNOWN" || fields.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let [family, from, to, from_port, to_port] = fields.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let (from, to) = match family {
        "TCP4" => (from.parse::<Ipv4Addr>().ok()?.into(), to.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (from.parse::<Ipv6Addr>().ok()?.into(), to.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let _: IpAddr = to;
    (is_port(from_port) && is_port(to_port)).then_some(Some(from))
}

fn is_port(text: &str) -> bool {
    let plain = text == "0" || !text.starts_with('0');
    plain && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Reads version 2 after its signature.
async fn read_binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<IpAddr>> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if length > REST_MAX_BYTES {
        return Err(invalid("it exceeds 4 kB"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match command {
        0x20 => return Ok(None),
        0x21 => {}
        _ => return Err(invalid("its version or command is unknown")),
    }
    // TCP over IPv4 or IPv6: both addresses, then both ports. Other families carry no IP address.
    match family {
        0x11 => address::<4>(&rest, 12).map(|from| Some(Ipv4Addr::from(from).into())),
        0x21 => address::<16>(&rest, 36).map(|from| Some(Ipv6Addr::from(from).into())),
        0x00 | 0x31 => Ok(None),
        _ => Err(invalid("its address family or protocol is not TCP")),
    }
}

fn address<const BYTES: usize>(rest: &[u8], least: usize) -> io::Result<[u8; BYTES]> {
    let from = rest.first_chunk().filter(|_| rest.len() >= least);
    from.copied().ok_or_else(|| invalid("it is too short for its addresses"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f11_a_version_1_proxy_header_gives_the_client_address() {
        for (line, expected) in [
            ("PROXY TCP4 203.0.113.7 10.0.0.5 4711 8080", Some("203.0.113.7")),
            ("PROXY TCP6 2001:db8::7 fd00::5 4711 8080", Some("2001:db8::7")),
            ("PROXY UNKNOWN", None),
            ("PROXY UNKNOWN ffff::1 ffff::2 1 2", None),
        ] {
            let bytes = format!("{line}\r\nGET / HTTP/1.1");
            let mut stream = bytes.as_bytes();
            assert_eq!(read(&mut stream).await.unwrap(), ip(expected), "{line}");
            assert_eq!(stream, b"GET / HTTP/1.1", "nothing after the header is read");
        }
    }

    #[tokio::test]
    async fn f11_a_version_2_proxy_header_gives_the_client_address() {
        let v4 = [&[203, 0, 113, 7, 10, 0, 0, 5, 1, 2, 3, 4][..], b"extension"].concat();
        let v6 = [&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets()[..], &[0; 20]].concat();
        for (command, family, rest, expected) in [
            (0x21, 0x11, &v4[..], Some("203.0.113.7")),
            (0x21, 0x21, &v6, Some("2001:db8::7")),
            (0x20, 0x00, &[], None),
            (0x20, 0x11, &v4, None),
            (0x21, 0x00, &[], None),
            (0x21, 0x31, &[0; 216], None),
        ] {
            let bytes = [&binary(command, family, rest)[..], b"GET /"].concat();
            let mut stream = &bytes[..];
            assert_eq!(read(&mut stream).await.unwrap(), ip(expected), "{command:x} {family:x}");
            assert_eq!(stream, b"GET /", "nothing after the header is read");
        }
    }

    #[tokio::test]
    async fn f11_a_malformed_proxy_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
        for line in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "proxy TCP4 203.0.113.7 10.0.0.5 4711 8080\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.5 4711\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.5 4711 8080 \r\n",
            "PROXY TCP4  203.0.113.7 10.0.0.5 4711 8080\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.5 4711 65536\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.5 +4711 80\r\n",
            "PROXY TCP4 203.0.113.7 10.0.0.5 04711 80\r\n",
            "PROXY TCP4 2001:db8::7 fd00::5 4711 8080\r\n",
            "PROXY TCP6 203.0.113.7 10.0.0.5 4711 8080\r\n",
            "PROXY UDP4 203.0.113.7 10.0.0.5 4711 8080\r\n",
            "PROXY UNKNOWNS\r\n",
            &long,
        ] {
            let refused = read(&mut line.as_bytes()).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{line:?}");
        }
        for (command, family, rest) in [
            (0x11, 0x11, &[0; 12][..]),
            (0x22, 0x11, &[0; 12]),
            (0x21, 0x12, &[0; 12]),
            (0x21, 0x11, &[0; 11]),
            (0x21, 0x21, &[0; 35]),
            (0x21, 0x11, &[0; REST_MAX_BYTES + 1]),
        ] {
            let refused = read(&mut &binary(command, family, rest)[..]).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::InvalidData, "{command:x} {family:x} {}", rest.len());
        }
        for cut in [&b"PROXY TCP4 203.0"[..], &binary(0x21, 0x11, &[0; 12])[..20], b""] {
            assert_eq!(read(&mut &*cut).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
    }

    fn ip(text: Option<&str>) -> Option<IpAddr> {
        text.map(|text| text.parse().unwrap())
    }

    fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }
}
