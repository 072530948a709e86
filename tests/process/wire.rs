//! HTTP written by hand, so that it can be wrong in any way.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than the gateway's own deadlines, so that it is the gateway who gives up.
const DEADLINE: Duration = Duration::from_secs(35);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

/// A GET.
pub(crate) async fn get(door: SocketAddr, path: &str) -> io::Result<Answer> {
    ask(door, "GET", path, &[], b"").await
}

/// A request with these header lines and this body, and what comes back until the connection ends.
pub(crate) async fn ask(door: SocketAddr, method: &str, path: &str, head: &[&str], body: &[u8]) -> io::Result<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(door).await?;
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {door}\r\nConnection: close\r\n");
        for line in head {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(request.as_bytes()).await?;
        // A server that refuses by the head alone may close before the body is written.
        let _refused = stream.write_all(body).await;
        let mut answer = Vec::new();
        let ended = stream.read_to_end(&mut answer).await;
        if answer.is_empty() {
            ended?;
        }
        read(&answer)
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Writes these bytes, whatever they are, and reads all that comes.
pub(crate) async fn tell(door: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(door).await?;
        stream.write_all(bytes).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await?;
        Ok(String::from_utf8_lossy(&heard).into_owned())
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn read(answer: &[u8]) -> io::Result<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let (head, bytes) = (String::from_utf8_lossy(&answer[..end]), answer[end + 4..].to_vec());
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.into_owned(), body: String::from_utf8_lossy(&bytes).into_owned(), bytes })
}
