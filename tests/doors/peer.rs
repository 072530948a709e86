//! Connections to a door, made by hand: from any address of loopback, with whatever bytes.

use crate::process::wire::Answer;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// Longer than any deadline of a door on a busy machine, but that of idle connections.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// Addresses that connections come from. Each has ports for 28,000.
const SOURCES: usize = 64;

/// The address of the nth peer.
pub(crate) fn source(nth: usize) -> IpAddr {
    let last = u8::try_from(nth % SOURCES).expect("there are few");
    Ipv4Addr::new(127, 0, 1, last + 1).into()
}

/// Connects from an address of this machine.
pub(crate) async fn connect(door: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(door).await
}

/// The same, by somebody whose system takes very little before somebody reads it.
pub(crate) async fn connect_narrow(door: SocketAddr, from: IpAddr) -> io::Result<TcpStream> {
    const LEAST_BYTES: u32 = 2_048;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(LEAST_BYTES)?;
    socket.bind((from, 0).into())?;
    socket.connect(door).await
}

/// Does something on a thread with a runtime of its own: what hostile peers compute keeps no honest one of this process from
/// asking. `last`, it comes after everything else on the machine, so that a request is late only where the gateway is.
pub(crate) fn aside<F: Future<Output: Send + 'static>>(
    last: bool,
    doing: impl FnOnce() -> F + Send + 'static,
) -> JoinHandle<F::Output> {
    /// As nice as can be.
    const NICE: i32 = 19;
    let thread = std::thread::spawn(move || {
        if last {
            // Linux takes this for the thread alone.
            rustix::process::setpriority_process(None, NICE).unwrap();
        }
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(doing())
    });
    tokio::task::spawn_blocking(|| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// A connection on which requests follow one another.
pub(crate) struct Line<S> {
    stream: S,
    /// What came behind the last answer.
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// A request as it stands on the wire, and its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let exchange = async {
            self.stream.write_all(request).await?;
            self.stream.flush().await?;
            self.answer().await
        };
        tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some((answer, end)) = first_answer(&self.unread) {
                self.unread.drain(..end);
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Writes bytes to a door, and shows every answer that comes until it closes the connection. It has to close it.
pub(crate) async fn tell(door: SocketAddr, bytes: &[u8]) -> Vec<Answer> {
    let telling = async {
        let mut stream = connect(door, source(0)).await.unwrap();
        let (mut incoming, mut outgoing) = stream.split();
        let mut said = Vec::new();
        // Whoever refuses by the first bytes may have closed before the last are written; what it said is read all the
        // same, and how it closed is its own affair.
        let (_refused, _ended) = tokio::join!(outgoing.write_all(bytes), incoming.read_to_end(&mut said));
        said
    };
    let telling = tokio::time::timeout(PATIENCE, telling).await;
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    let said = telling.unwrap_or_else(|_| panic!("the door has not closed the connection: {shown:?}"));
    all_answers(&said)
}

/// The statuses of answers.
pub(crate) fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status).collect()
}

fn all_answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((answer, end)) = first_answer(bytes) {
        answers.push(answer);
        bytes = &bytes[end..];
    }
    assert!(bytes.is_empty(), "what is no answer: {}", String::from_utf8_lossy(bytes));
    answers
}

/// The first whole answer of `bytes`, and where it ends. The gateway's answers say how long they are.
fn first_answer(bytes: &[u8]) -> Option<(Answer, usize)> {
    const BLANK: &[u8] = b"\r\n\r\n";
    let head = bytes.windows(BLANK.len()).position(|window| window == BLANK)?;
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let begin = head + BLANK.len();
    let end = begin + length.unwrap_or(0);
    let bytes = bytes.get(begin..end)?.to_vec();
    let body = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1)?.parse().ok()?;
    Some((Answer { status, head: text, body, bytes }, end))
}
