//! Media in a bucket of moto, a server that speaks S3.

use crate::python::tools;
use offhook::model::{Day, Secret};
use offhook::rules::media::Bounds;
use offhook::work::media::store::{Access, Bucket, MediaConfig, Place, Store, StoreFailed, suite};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const DAY: Day = Day(20_786);

/// How long the server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn media_are_kept_in_a_bucket_of_an_s3_server() {
    let Some(tools) = tools() else { return };
    let aside = tempfile::tempdir().unwrap();
    let server = Server::start(&tools);
    server.create("media");
    for prefix in ["", "off/hook"] {
        suite::all(&server.store("media", prefix, aside.path())).await;
    }
    let nowhere = server.store("no-such-bucket", "", aside.path());
    let mut incoming = nowhere.writer(DAY);
    incoming.write("medium".into()).await.unwrap();
    for failed in [incoming.finish().await.unwrap_err(), nowhere.probe().await.unwrap_err()] {
        assert!(matches!(&failed, StoreFailed::Gone(why) if why.contains("there is no bucket")), "{failed}");
    }
    let store = server.store("media", "", aside.path());
    let stored = suite::put(&store, DAY, b"medium").await;
    drop(server);
    let mut incoming = store.writer(DAY);
    incoming.write("another".into()).await.unwrap();
    for failed in [
        incoming.finish().await.unwrap_err(),
        store.probe().await.unwrap_err(),
        store.size(DAY, stored.sha256).await.unwrap_err(),
        store.days().await.unwrap_err(),
    ] {
        assert!(matches!(&failed, StoreFailed::Gone(why) if why.contains("cannot be reached")), "{failed}");
    }
    assert_eq!(std::fs::read_dir(aside.path().join("aside")).unwrap().count(), 0, "nothing is left aside");
}

/// A running moto; it ends when dropped.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start(tools: &Path) -> Self {
        let mut command = Command::new(tools.join("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| line.split_once("Running on ").map(|(_, url)| url.trim().to_owned()));
        // What it says about requests is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url: url.expect("it says where it listens") }
    }

    fn create(&self, bucket: &str) {
        let address = self.url.trim_start_matches("http://");
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
        let head = "Connection: close\r\nContent-Length: 0\r\n\r\n";
        write!(connection, "PUT /{bucket} HTTP/1.1\r\nHost: {address}\r\n{head}").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    fn store(&self, name: &str, prefix: &str, aside: &Path) -> Store {
        let access = Access::S3 {
            region: "us-east-1".to_owned(),
            endpoint: Some(self.url.clone()),
            key_id: "id".to_owned(),
            key: Secret::new("key"),
            token: None,
        };
        let bucket = Bucket { name: name.to_owned(), prefix: prefix.to_owned(), access };
        let place = Place::Bucket { bucket, aside: aside.to_owned() };
        Store::open(&MediaConfig { place, limits: Bounds::default() }).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
