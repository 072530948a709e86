//! The demo, and a visitor who goes on by hand with the lines it prints.

use crate::process::{SOON, binary, quiet, wire};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Columns of a terminal.
const COLUMNS: usize = 80;

#[tokio::test(flavor = "multi_thread")]
async fn f22_the_demo_shows_what_comes_of_what_a_visitor_does_by_hand() {
    let mut demo = Program::start(&["demo"]);
    let played = demo.says("Show the metrics").await;
    assert!(played.contains("\nAll checks passed (36)."), "{played}");
    let acts = ["First scenario: ", "Second scenario: ", "Third scenario: "];
    assert!(acts.is_sorted_by_key(|act| played.find(act).expect(act)), "{played}");
    let shown = demo.says("/metrics").await;
    let lines = commands(&shown);
    let [open, again, begin, send, answer, photo, count] = &lines[..] else { panic!("seven lines: {lines:#?}") };

    let opened = open.run().await;
    assert_eq!((opened.status, again.run().await.bytes), (200, opened.bytes.clone()), "{}", opened.head);
    assert!(opened.bytes.starts_with(b"\x89PNG\r\n\x1a\n") && opened.bytes.ends_with(b"IEND\xae\x42\x60\x82"));
    assert!(played.contains(&format!("gets media.ready: image/png, {} bytes", opened.bytes.len())), "{played}");

    assert_eq!(begin.run().await.status, 201);
    demo.says("call.started mine").await;
    assert_eq!(send.run().await.status, 202);
    demo.says("message.queued mine: Hello from curl").await;
    demo.says("+12065550142 reads: Hello from curl").await;
    demo.says("message.delivered mine").await;
    assert!(answer.run().await.body.contains("+12065550100 received it"));
    demo.says("message.received mine: Hello from my phone").await;
    assert_eq!(photo.file.as_deref(), open.file.as_deref(), "it sends the file that was fetched");
    assert!(photo.with(&opened.bytes).await.body.contains("+12065550100 received it"));
    let ready = format!("media.ready mine: image/png, {} bytes,", opened.bytes.len());
    demo.says(&ready).await;
    assert!(count.run().await.body.contains("offhook_sends_total"));

    assert_eq!(demo.interrupt().await.code(), Some(0));
    let shown = demo.says("Goodbye.").await;
    for line in shown.lines() {
        assert!(line.chars().count() <= COLUMNS, "{} columns: {line}", line.chars().count());
    }
}

/// A program at work that shows lines. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    shown: Arc<Mutex<String>>,
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        let command = quiet(&mut command).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        let lines = BufReader::new(child.stdout.take().expect("its output is piped")).lines();
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = Arc::clone(&shown);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *screen.lock().unwrap() += &(line + "\n");
            }
        });
        Self { child, shown }
    }

    /// The whole output, once it contains `what`. The scripted part of the demo takes about 15 s.
    pub(crate) async fn says(&self, what: &str) -> String {
        let until = Instant::now() + 4 * SOON;
        loop {
            let shown = self.shown.lock().unwrap().clone();
            if shown.contains(what) {
                return shown;
            }
            assert!(Instant::now() < until, "{what:?} is not shown:\n{shown}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ctrl-C.
    async fn interrupt(&mut self) -> ExitStatus {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -INT {}", self.child.id())).status();
        assert!(sent.is_ok_and(|status| status.success()));
        let until = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.shown.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error is a child that has ended by itself and was waited for.
        let _ended = self.child.kill();
        let _waited = self.child.wait();
    }
}

/// A line that begins with `curl`, as a shell would read it.
#[derive(Debug)]
struct Curl {
    method: Option<String>,
    url: String,
    head: Vec<String>,
    body: Option<String>,
    /// What it reads or writes.
    file: Option<String>,
}

impl Curl {
    async fn run(&self) -> wire::Answer {
        self.with(self.body.as_deref().unwrap_or_default().as_bytes()).await
    }

    /// Runs it with this content of its file.
    async fn with(&self, body: &[u8]) -> wire::Answer {
        let (address, path) = self.url.trim_start_matches("http://").split_once('/').expect("a URL with a path");
        let address: SocketAddr = address.parse().expect("an address of loopback");
        let method = self.method.as_deref().unwrap_or(if body.is_empty() { "GET" } else { "POST" });
        let head: Vec<&str> = self.head.iter().map(String::as_str).collect();
        wire::ask(address, method, &format!("/{path}"), &head, body).await.unwrap()
    }
}

fn commands(shown: &str) -> Vec<Curl> {
    let joined = shown.replace("\\\n", " ");
    joined.lines().filter(|line| line.trim_start().starts_with("curl ")).map(command).collect()
}

fn command(line: &str) -> Curl {
    let mut curl = Curl { method: None, url: String::new(), head: Vec::new(), body: None, file: None };
    let mut words = words(line).into_iter().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("an option has a value");
        match word.as_str() {
            "-X" => curl.method = Some(value()),
            "-H" => curl.head.push(value()),
            "-d" => curl.body = Some(value()),
            "-o" => curl.file = Some(value()),
            "--data-binary" => curl.file = value().strip_prefix('@').map(str::to_owned),
            _ => curl.url = word,
        }
    }
    curl
}

/// Words between blanks; what stands in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (nth, part) in line.split('\'').enumerate() {
        if nth % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
