//! A carrier's media, as plain as can be, since it shares the machine with the gateway.

use crate::gateway::Failed;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What each file begins with; its number comes next.
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01";

/// Bytes that are written at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The pause between two pieces at the slow pace.
const PAUSE: Duration = Duration::from_millis(10);

/// How files are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each request is answered 503.
    Nothing,
    /// As fast as they are taken.
    Full,
    /// In pieces with pauses, so that all fetches there may be run at once.
    Slow,
}

/// The carrier; its tasks end with the runtime.
pub(crate) struct Carrier {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    pace: AtomicU8,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Carrier {
    pub(crate) async fn start() -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        state.pace.store(Pace::Full as u8, Ordering::Relaxed);
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A connection that is cut is the gateway's own doing: it is killed.
                tokio::spawn(async move { drop(serve(stream, &state).await) });
            }
        });
        Ok(Self { address, state })
    }

    /// The URL of a file, which redirects to the storage.
    pub(crate) fn url(&self, nth: usize, bytes: usize) -> String {
        format!("http://{}/media/{bytes}/{nth}", self.address)
    }

    pub(crate) fn set_pace(&self, pace: Pace) {
        self.state.pace.store(pace as u8, Ordering::Relaxed);
    }

    /// How many files were given out at the same time at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::Relaxed)
    }
}

/// Answers the one request of a connection.
async fn serve(mut stream: TcpStream, state: &State) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let mut read = Vec::with_capacity(1_024);
    while !read.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
    let path = std::str::from_utf8(&read)?.split(' ').nth(1).ok_or("no path")?;
    let pace = state.pace.load(Ordering::Relaxed);
    if pace == Pace::Nothing as u8 {
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await?;
    } else if let Some(file) = path.strip_prefix("/media/") {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: /storage/{file}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
    } else {
        let (bytes, nth) = path.trim_start_matches("/storage/").split_once('/').ok_or("no file")?;
        let at_once = state.at_once.fetch_add(1, Ordering::Relaxed) + 1;
        state.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        let given = give_out(&mut stream, nth.parse()?, bytes.parse()?, pace == Pace::Slow as u8).await;
        state.at_once.fetch_sub(1, Ordering::Relaxed);
        given?;
    }
    stream.shutdown().await?;
    Ok(())
}

async fn give_out(stream: &mut TcpStream, nth: u64, bytes: usize, slowly: bool) -> Result<(), Failed> {
    let begins = [JPEG, &nth.to_be_bytes()].concat();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&begins).await?;
    let mut left = bytes - begins.len();
    while left > 0 {
        let piece = left.min(PIECE_BYTES);
        stream.write_all(&[7; PIECE_BYTES][..piece]).await?;
        left -= piece;
        if slowly && left > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}
