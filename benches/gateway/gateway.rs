//! The real binary at work, for benches that ask it over HTTP.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub type Failed = Box<dyn Error + Send + Sync>;

/// Longer than anything takes anywhere.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const ACCOUNT_SID: &str = "AC11223344556677889900aabbccddeeff";
pub const AUTH_TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub const API_TOKEN: &str = "a-token-of-this-bench-2f6c1b0d9e8a7f65";
const WEBHOOK_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it goes over the wire; `head` has further lines, each with its end.
pub fn request(method: &str, path: &str, head: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: sms.example.com\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

/// Writes a request and reads its response, which needs a `Content-Length`; the gateway sends it.
pub async fn exchange(connection: &mut TcpStream, request: &[u8]) -> Result<Answer, Failed> {
    connection.write_all(request).await?;
    let mut read = Vec::with_capacity(1_024);
    let (end, length) = loop {
        if connection.read_buf(&mut read).await? == 0 {
            return Err("the gateway closed the connection".into());
        }
        let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&read[..end])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).ok_or("no content-length")?;
        break (end, length.trim().parse::<usize>()?);
    };
    while read.len() < end + 4 + length {
        if connection.read_buf(&mut read).await? == 0 {
            return Err("the gateway closed the connection".into());
        }
    }
    let body = read.split_off(end + 4);
    let head = String::from_utf8(read)?.to_ascii_lowercase();
    Ok(Answer { status: head.split(' ').nth(1).ok_or("no status")?.parse()?, head, body })
}

/// A gateway at work, killed when dropped.
pub struct Gateway {
    process: Child,
    pub carriers: SocketAddr,
    pub platform: SocketAddr,
}

impl Gateway {
    /// Starts the binary in an empty directory and waits until it is ready. `endpoint` gets its events; a directory
    /// document is loaded by `--seed`.
    pub async fn start(
        binary: &Path,
        home: &Path,
        endpoint: SocketAddr,
        directory: Option<&str>,
    ) -> Result<Self, Failed> {
        // They are free now. If another process takes one meanwhile, the start fails, and the bench with it.
        let ports: Vec<SocketAddr> = {
            let held: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
            held.iter().map(std::net::TcpListener::local_addr).collect::<Result<_, _>>()?
        };
        let [carriers, platform, ops] = ports[..] else { unreachable!("three were bound") };
        let config = format!(
            r#"data_dir = "data"
[listen]
carriers = "{carriers}"
platform = "{platform}"
console = "127.0.0.1:0"
ops = "{ops}"
[[platform.token]]
name = "bench"
scopes = ["send", "calls", "read", "admin"]
token_file = "api-token"
[[platform.webhook]]
name = "main"
url = "http://{endpoint}/events"
secret_files = ["webhook-key"]
[[account]]
name = "main"
carrier = "twilio"
public_url = "https://sms.example.com"
api_url = "http://127.0.0.1:9"
account_sid = "{ACCOUNT_SID}"
auth_token_files = ["auth-token"]
"#
        );
        let files = [
            ("api-token", API_TOKEN),
            ("webhook-key", WEBHOOK_KEY),
            ("auth-token", AUTH_TOKEN),
            ("directory.json", directory.unwrap_or_default()),
            ("offhook.toml", &config),
        ];
        for (name, text) in files {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(home.join(name));
            file?.write_all(text.as_bytes())?;
        }
        let log = fs::File::create(home.join("log"))?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(home.join("offhook.toml"));
        if directory.is_some() {
            command.arg("--seed").arg(home.join("directory.json"));
        }
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        let mut gateway = Self { process, carriers, platform };
        let began = Instant::now();
        loop {
            if let Ok(mut connection) = TcpStream::connect(ops).await
                && exchange(&mut connection, &request("GET", "/readyz", "", ""))
                    .await
                    .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(gateway);
            }
            if gateway.process.try_wait()?.is_some() || began.elapsed() > PATIENCE {
                return Err(format!("it did not start:\n{}", fs::read_to_string(home.join("log"))?).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// CPU that the process has used, in user and system.
    pub fn cpu(&self) -> Result<Duration, Failed> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // After the name in parentheses, which may hold spaces; times are in hundredths of a second.
        let after_name = stat.rsplit_once(") ").ok_or("no name")?.1;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let ticks = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended_before = self.process.kill();
        let _reaped = self.process.wait();
    }
}
