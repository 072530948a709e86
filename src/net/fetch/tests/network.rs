//! A network in memory: names, their addresses, and hosts with certificates that play scripts.

use super::super::connect::{Network, Socket};
use super::{FetchBounds, Fetcher};
use crate::net::self_signed::SelfSigned;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

/// What a host does on one connection once it has read the request; then it closes.
pub(super) type Script = Vec<Step>;

pub(super) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// Sends this until the peer goes.
    Repeat(Vec<u8>, Duration),
    /// Keeps the connection and does nothing.
    Hang,
    /// Closes the connection below TLS, as a broken one ends.
    Cut,
}

/// A response with its headers as written and its body.
pub(super) fn response(head: &str, body: &[u8]) -> Script {
    vec![send(format!("HTTP/1.1 {}\r\n\r\n", head.replace('\n', "\r\n"))), Step::Send(body.to_vec())]
}

/// A 200 with the right length.
pub(super) fn whole(body: &str) -> Script {
    response(&format!("200 OK\ncontent-length: {}", body.len()), body.as_bytes())
}

pub(super) fn redirect(status: u16, location: &str) -> Script {
    response(&format!("{status} Elsewhere\nlocation: {location}\ncontent-length: 0"), b"")
}

pub(super) fn send(text: impl Into<String>) -> Step {
    Step::Send(text.into().into_bytes())
}

/// A public address that never answers.
pub(super) const SILENT: &str = "9.9.9.9";

/// A host with a public address.
pub(super) struct Site {
    host: &'static str,
    /// The answers to look-ups of its name, in order; the last is given again.
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    address: IpAddr,
    /// One for each connection; the last is played again.
    scripts: Mutex<VecDeque<Arc<Script>>>,
    certificate: SelfSigned,
}

impl Site {
    pub(super) fn new(host: &'static str, scripts: impl IntoIterator<Item = Script>) -> Self {
        let address = IpAddr::V4(Ipv4Addr::new(93, 184, host.as_bytes()[0], host.len() as u8));
        let scripts: VecDeque<_> = scripts.into_iter().map(Arc::new).collect();
        let answers = Mutex::new(VecDeque::from([vec![address]]));
        Self { host, answers, address, scripts: Mutex::new(scripts), certificate: SelfSigned::new(host) }
    }

    /// With these answers instead of its address.
    pub(super) fn answering(self, answers: &[&[&str]]) -> Self {
        let parsed = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        *self.answers.lock().unwrap() = answers.iter().map(parsed).collect();
        self
    }

    /// With a certificate for another name.
    pub(super) fn certified_as(self, name: &str) -> Self {
        Self { certificate: SelfSigned::new(name), ..self }
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }
}

#[derive(Clone)]
pub(super) struct TestNetwork(Arc<Inner>);

struct Inner {
    sites: Vec<Site>,
    connected: Mutex<Vec<SocketAddr>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TestNetwork {
    pub(super) fn new(sites: impl IntoIterator<Item = Site>) -> Self {
        let sites = sites.into_iter().collect();
        Self(Arc::new(Inner { sites, connected: Mutex::default(), requests: Arc::default() }))
    }

    /// A fetcher that trusts the certificates of all hosts.
    pub(super) fn fetcher(&self) -> Fetcher<Self> {
        let mut roots = RootCertStore::empty();
        for site in &self.0.sites {
            roots.add(CertificateDer::from_pem_slice(site.certificate.certificate.as_bytes()).unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Fetcher::on(self.clone(), config, FetchBounds::default())
    }

    /// Where connections were opened to, in order.
    pub(super) fn connected(&self) -> Vec<SocketAddr> {
        self.0.connected.lock().unwrap().clone()
    }

    /// The heads of the requests that arrived, in order.
    pub(super) fn requests(&self) -> Vec<String> {
        self.0.requests.lock().unwrap().clone()
    }
}

impl Network for TestNetwork {
    type Stream = DuplexStream;

    async fn look_up(&self, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let site = self.0.sites.iter().find(|site| site.host == name).ok_or(io::ErrorKind::NotFound)?;
        let answer = front(&mut site.answers.lock().unwrap());
        Ok(answer.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<DuplexStream> {
        self.0.connected.lock().unwrap().push(to);
        if to.ip().to_string() == SILENT {
            std::future::pending::<()>().await;
        }
        let site = self.0.sites.iter().find(|site| site.address == to.ip()).ok_or(io::ErrorKind::ConnectionRefused)?;
        let (ours, theirs) = tokio::io::duplex(16 * 1024);
        let script = front(&mut site.scripts.lock().unwrap());
        tokio::spawn(serve(theirs, acceptor(&site.certificate), script, self.0.requests.clone()));
        Ok(ours)
    }
}

/// The first of the list, which stays if it is the last.
fn front<T: Clone>(list: &mut VecDeque<T>) -> T {
    if list.len() > 1 { list.pop_front().unwrap() } else { list[0].clone() }
}

fn acceptor(certificate: &SelfSigned) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(peer: DuplexStream, tls: TlsAcceptor, script: Arc<Script>, requests: Arc<Mutex<Vec<String>>>) {
    let Ok(mut peer) = tls.accept(peer).await else { return };
    let Some(head) = read_head(&mut peer).await else { return };
    requests.lock().unwrap().push(head);
    for step in script.iter() {
        if play(&mut peer, step).await.is_err() {
            return;
        }
    }
    let _ = peer.shutdown().await;
}

async fn play(peer: &mut impl Socket, step: &Step) -> io::Result<()> {
    match step {
        Step::Send(bytes) => {
            peer.write_all(bytes).await?;
            peer.flush().await
        }
        Step::Wait(time) => {
            tokio::time::sleep(*time).await;
            Ok(())
        }
        Step::Repeat(bytes, pause) => loop {
            peer.write_all(bytes).await?;
            peer.flush().await?;
            tokio::time::sleep(*pause).await;
        },
        Step::Hang => std::future::pending().await,
        Step::Cut => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

pub(super) async fn read_head(peer: &mut impl Socket) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(peer.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
