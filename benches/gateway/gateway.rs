//! The real binary at work, for benches that ask it over HTTP.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use sha1::Sha1;
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
const PUBLIC_URL: &str = "https://sms.example.com";
const WEBHOOK_KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A request as it goes over the wire; `head` has further lines, each with its end.
pub fn request(method: &str, path: &str, head: &str, body: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: sms.example.com\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// The name of an account.
pub fn account(nth: usize) -> String {
    if nth == 0 { "main".to_owned() } else { format!("account-{nth}") }
}

/// The SID of an account.
pub fn account_sid(nth: usize) -> String {
    if nth == 0 { ACCOUNT_SID.to_owned() } else { format!("AC{nth:032x}") }
}

/// A webhook of Twilio for a received message to the `nth` account, signed.
pub fn webhook(nth: usize, parameters: &mut [(&str, &str)]) -> Vec<u8> {
    let path = format!("/carriers/{}/messages", account(nth));
    parameters.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(AUTH_TOKEN.as_bytes()).expect("HMAC takes keys of every length");
    mac.update(format!("{PUBLIC_URL}{path}").as_bytes());
    for (name, value) in &*parameters {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&*parameters).finish();
    let head = format!(
        "X-Twilio-Signature: {signature}\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n"
    );
    request("POST", &path, &head, &body)
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

/// What a gateway is started with.
pub struct Setup<'a> {
    /// Gets its events.
    pub endpoint: SocketAddr,
    /// A directory document, loaded by `--seed`.
    pub directory: Option<&'a str>,
    /// How many accounts it has.
    pub accounts: usize,
    /// Where the carrier of all of them is.
    pub carrier: SocketAddr,
    /// Further sections of the configuration, and the files that they name.
    pub more: (&'a str, &'a [(&'a str, &'a str)]),
}

/// Nothing listens there: nothing is sent.
pub const NO_CARRIER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9);

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
        Self::start_with(
            binary,
            home,
            &Setup { endpoint, directory, accounts: 1, carrier: NO_CARRIER, more: ("", &[]) },
        )
        .await
    }

    /// The same with more to choose, and in a directory in which one may have run before.
    pub async fn start_with(binary: &Path, home: &Path, setup: &Setup<'_>) -> Result<Self, Failed> {
        // They are free now. If another process takes one meanwhile, the start fails, and the bench with it.
        let ports: Vec<SocketAddr> = {
            let held: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
            held.iter().map(std::net::TcpListener::local_addr).collect::<Result<_, _>>()?
        };
        let [carriers, platform, ops] = ports[..] else { unreachable!("three were bound") };
        let config = config([carriers, platform, ops], setup);
        let (_, more) = setup.more;
        let own = [
            ("api-token", API_TOKEN),
            ("webhook-key", WEBHOOK_KEY),
            ("auth-token", AUTH_TOKEN),
            ("directory.json", setup.directory.unwrap_or_default()),
            ("offhook.toml", &config),
        ];
        for (name, text) in own.iter().chain(more) {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(home.join(name));
            file?.write_all(text.as_bytes())?;
        }
        let log = fs::File::create(home.join("log"))?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(home.join("offhook.toml"));
        if setup.directory.is_some() {
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

    /// Kills the process and waits for its end.
    pub fn kill(&mut self) -> Result<(), Failed> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Memory of the process in kB: `VmRSS`, or since the last [`Self::forget_peak`] at most, `VmHWM`.
    pub fn memory_kb(&self, which: &str) -> Result<u64, Failed> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).ok_or("no such line")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Lets `VmHWM` begin at what it is now.
    pub fn forget_peak(&self) -> Result<(), Failed> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")?)
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

fn config([carriers, platform, ops]: [SocketAddr; 3], setup: &Setup<'_>) -> String {
    let mut config = format!(
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
url = "http://{}/events"
secret_files = ["webhook-key"]
"#,
        setup.endpoint
    );
    for nth in 0..setup.accounts {
        config += &format!(
            r#"[[account]]
name = "{}"
carrier = "twilio"
public_url = "{PUBLIC_URL}"
api_url = "http://{}"
account_sid = "{}"
auth_token_files = ["auth-token"]
"#,
            account(nth),
            setup.carrier,
            account_sid(nth)
        );
    }
    config + setup.more.0
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended_before = self.process.kill();
        let _reaped = self.process.wait();
    }
}
