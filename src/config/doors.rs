//! `[listen]` and `[limits]`: the doors and their connection limits.

use super::section::{Reading, Section};
use crate::model::Timestamp;
use crate::net::{Bounds, ServerTls, TlsFiles, TlsProblem};
use crate::observe::Door;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// The configuration of every door, in the order of [`Door::ALL`].
#[derive(Clone, Debug)]
pub struct Doors(Vec<DoorConfig>);

/// Address and protection of a door.
#[derive(Clone, Debug)]
pub struct DoorConfig {
    /// Which door.
    pub door: Door,
    /// Address and port.
    pub address: SocketAddr,
    /// TLS, unless the door is on loopback or behind a TLS proxy.
    pub tls: Option<ServerTls>,
    /// The problem text if its certificate has expired. A gateway starts with such a certificate, but a reload
    /// rejects it.
    pub expired: Option<String>,
    /// Trusted proxies start each connection with a PROXY protocol header.
    pub proxy_protocol: bool,
}

/// Connection limits of the doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum connections per door.
    pub connections_max: usize,
    /// Maximum connections per door from one address (a /64 for IPv6).
    pub connections_per_address_max: usize,
    /// Our own proxies: exempt from the limit per address, and trusted to report a client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// The doors at which trusted proxies use the PROXY protocol.
    pub proxy_protocol: Vec<Door>,
}

impl Doors {
    /// All doors without TLS, at these addresses.
    pub fn plain(mut address: impl FnMut(Door) -> SocketAddr) -> Self {
        let plain = |door: &Door| DoorConfig {
            door: *door,
            address: address(*door),
            tls: None,
            expired: None,
            proxy_protocol: false,
        };
        Self(Door::ALL.iter().map(plain).collect())
    }

    /// One door.
    pub fn of(&self, door: Door) -> &DoorConfig {
        &self.0[door as usize]
    }

    /// All doors.
    pub fn iter(&self) -> impl Iterator<Item = &DoorConfig> {
        self.0.iter()
    }

    /// One line for each expired certificate.
    pub fn expired(&self) -> Vec<String> {
        self.iter().filter_map(|door| door.expired.clone()).collect()
    }

    /// The same doors with PROXY protocol set according to the limits.
    pub(super) fn with(mut self, limits: &Limits) -> Self {
        for config in &mut self.0 {
            config.proxy_protocol = limits.proxy_protocol.contains(&config.door);
        }
        self
    }
}

/// How long before its expiry a certificate causes a warning.
const EXPIRES_SOON: Duration = Duration::from_secs(21 * 24 * 60 * 60);

/// Allows plaintext for all doors without TLS of their own.
const PLAINTEXT: &str = "plaintext";

/// The keys of a door beside its name, which is the key of its address.
struct Keys {
    plaintext: &'static str,
    tls: &'static str,
}

fn keys(door: Door) -> Keys {
    match door {
        Door::Carriers => Keys { plaintext: "carriers_plaintext", tls: "carriers_tls" },
        Door::Platform => Keys { plaintext: "platform_plaintext", tls: "platform_tls" },
        Door::Console => Keys { plaintext: "console_plaintext", tls: "console_tls" },
        Door::Ops => Keys { plaintext: "ops_plaintext", tls: "ops_tls" },
    }
}

/// The address of a door that the file does not name.
pub fn default_address(door: Door) -> SocketAddr {
    let port = match door {
        Door::Carriers => 8080,
        Door::Platform => 8081,
        Door::Console => 8082,
        Door::Ops => 9464,
    };
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// All doors; `None` if any of them is invalid.
pub(super) fn listen(root: &Section<'_>, reading: &mut Reading<'_>) -> Option<Doors> {
    let empty = Section::empty(root, "listen");
    let section = root.section("listen", reading).unwrap_or(empty);
    let plaintext = section.flag(PLAINTEXT, reading);
    let doors: Vec<_> = Door::ALL.iter().map(|one| door(&section, *one, plaintext, reading)).collect();
    section.no_other_keys(reading);

    for (index, door) in doors.iter().enumerate() {
        let same = doors[..index].iter().position(|other| same_place(other.as_ref(), door.as_ref()));
        if let Some(other) = same {
            let (key, other) = (Door::ALL[index].label(), section.named(Door::ALL[other].label()));
            reading.problem(&section, key, format!("is the same as {other}: give each door its own port"));
        }
    }
    doors.into_iter().collect::<Option<_>>().map(Doors)
}

/// Whether both cannot be bound at once. Port 0 picks a free port. `0.0.0.0` covers every IPv4 address, and `[::]`
/// covers IPv4 too.
fn same_place(one: Option<&DoorConfig>, other: Option<&DoorConfig>) -> bool {
    let covers = |one: IpAddr, other: IpAddr| one.is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    one.zip(other).is_some_and(|(one, other)| {
        let (here, there) = (one.address.ip(), other.address.ip());
        let same = here == there || covers(here, there) || covers(there, here);
        one.address.port() != 0 && one.address.port() == other.address.port() && same
    })
}

fn door(listen: &Section<'_>, door: Door, all_plaintext: bool, reading: &mut Reading<'_>) -> Option<DoorConfig> {
    let (key, Keys { plaintext: plaintext_key, tls: tls_key }) = (door.label(), keys(door));
    let default = default_address(door).to_string();
    let text = listen.text(key, reading).unwrap_or(&default);
    let address: Option<SocketAddr> = text.parse().ok();
    if address.is_none() {
        let fix = format!("write an address and a port, as in {default:?}, or omit it for that default");
        reading.problem(listen, key, format!("{text:?} is not an address: {fix}"));
    }
    let plaintext = listen.flag(plaintext_key, reading);
    let section = listen.section(tls_key, reading);
    let wants_tls = section.is_some();
    let tls = section.and_then(|section| tls(&section, reading));

    if wants_tls && plaintext {
        let text = format!("is true, but [{}] is set too: remove one of them", listen.named(tls_key));
        reading.problem(listen, plaintext_key, text);
    }
    let address = address?;
    if !address.ip().to_canonical().is_loopback() && !wants_tls && !plaintext && !all_plaintext {
        let (tls, plain) = (listen.named(tls_key), listen.named(plaintext_key));
        let all = listen.named(PLAINTEXT);
        let fix = format!(
            "add [{tls}] with certificate_file and key_file, or {plain} = true (or {all} = true for \
             all doors) if a proxy terminates TLS, or listen on 127.0.0.1"
        );
        reading.problem(listen, key, format!("{text:?} accepts outside connections without TLS: {fix}"));
        return None;
    }
    if wants_tls && tls.is_none() {
        return None;
    }
    let (tls, expired) = tls.unzip();
    Some(DoorConfig { door, address, tls, expired: expired.flatten(), proxy_protocol: false })
}

/// A door's TLS, and the problem text if its certificate has expired.
fn tls(section: &Section<'_>, reading: &mut Reading<'_>) -> Option<(ServerTls, Option<String>)> {
    let certificate = section.required_text("certificate_file", "the file of the certificate chain, in PEM", reading);
    let key = section.required_text("key_file", "the file of its private key, in PEM", reading);
    let client_ca = section.text("client_ca_file", reading);
    section.no_other_keys(reading);
    let (certificate, key) = (certificate?, key?);
    let files = TlsFiles {
        certificate_file: reading.path(certificate),
        key_file: reading.path(key),
        client_ca_file: client_ca.map(|file| reading.path(file)),
    };
    let (at, problem) = match ServerTls::load(&files) {
        Ok(tls) => {
            warn_of_mode(section, key, &files.key_file, reading);
            let expired = expired(section, certificate, &tls, reading);
            return Some((tls, expired));
        }
        Err(TlsProblem::Certificate(why)) => ("certificate_file", format!("{certificate:?} {why}")),
        Err(TlsProblem::Key(why)) => ("key_file", format!("{key:?} {why}")),
        Err(TlsProblem::ClientCa(why)) => ("client_ca_file", format!("{:?} {why}", client_ca.unwrap_or_default())),
        Err(TlsProblem::Pair(why)) => ("key_file", format!("{key:?} and {certificate:?} {why}")),
    };
    reading.problem(
        section,
        at,
        format!("{problem}: use the right file, with a path relative to the configuration, readable by this user"),
    );
    None
}

/// Returns a problem if a certificate has expired, and warns if it soon will.
fn expired(section: &Section<'_>, file: &str, tls: &ServerTls, reading: &mut Reading<'_>) -> Option<String> {
    const KEY: &str = "certificate_file";
    let expires = Timestamp::default() + tls.expires()?;
    if expires <= reading.now() {
        let text = format!("{file:?} expired at {expires}: renew it; clients refuse to connect until then");
        return Some(reading.line(section, KEY, &text));
    }
    let left = expires.since(reading.now());
    if left <= EXPIRES_SOON {
        let days = left.as_secs() / (24 * 60 * 60);
        let (named, days) = (section.named(KEY), format!("{days} day{}", if days == 1 { "" } else { "s" }));
        reading.warning(format!("{named} {file:?} expires at {expires}, in {days}: renew it"));
    }
    None
}

/// Warns about a key that is world-readable.
fn warn_of_mode(section: &Section<'_>, name: &str, file: &Path, reading: &mut Reading<'_>) {
    let mode = std::fs::metadata(file).map(|about| about.permissions().mode()).unwrap_or_default();
    if mode & 0o007 != 0 {
        reading.warning(format!("{} {name:?} is world-readable: chmod 600 it", section.named("key_file")));
    }
}

/// `[limits]`, each key with its default.
pub(super) fn limits(root: &Section<'_>, reading: &mut Reading<'_>) -> Limits {
    let empty = Section::empty(root, "limits");
    let section = root.section("limits", reading).unwrap_or(empty);
    let bounds = Bounds::default();
    let mut trusted_proxies = Vec::new();
    for text in section.texts("trusted_proxies", reading).unwrap_or_default() {
        match network(text) {
            Some(network) => trusted_proxies.push(network),
            None => {
                let fix = "write it as in \"10.0.0.5\" or \"10.0.0.0/16\"";
                let text = format!("names {text:?}, which is neither an IP address nor a network: {fix}");
                reading.problem(&section, "trusted_proxies", text);
            }
        }
    }
    let mut proxy_protocol = Vec::new();
    for name in section.texts("proxy_protocol", reading).unwrap_or_default() {
        if let Some(door) = Door::ALL.iter().find(|door| door.label() == name) {
            proxy_protocol.push(*door);
        } else {
            let doors: Vec<_> = Door::ALL.iter().map(|door| door.label()).collect();
            let text = format!("names {name:?}, which is not a door: use {}", doors.join(", "));
            reading.problem(&section, "proxy_protocol", text);
        }
    }
    let limits = Limits {
        connections_max: section.count("connections_max", 16..=1_000_000, bounds.connections_max, reading),
        connections_per_address_max: section.count(
            "connections_per_address_max",
            1..=1_000_000,
            bounds.connections_per_address_max,
            reading,
        ),
        trusted_proxies,
        proxy_protocol,
    };
    section.no_other_keys(reading);
    limits
}

/// A bare address is a network of one.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpAddr>().map(|address| address.to_canonical().into()).ok().or_else(|| text.parse().ok())
}

impl Default for Limits {
    fn default() -> Self {
        let Bounds { connections_max, connections_per_address_max, .. } = Bounds::default();
        Self { connections_max, connections_per_address_max, trusted_proxies: Vec::new(), proxy_protocol: Vec::new() }
    }
}

impl Limits {
    /// Limits for a door's listener.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            trusted_proxies: self.trusted_proxies.clone(),
            ..Bounds::default()
        }
    }
}
