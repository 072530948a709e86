//! Responses at the shutdown deadline.

use crate::http::test_gateway::{TestGateway, call};
use crate::net::{Bounds, Listener};
use crate::observe::Door;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn f13_a_write_in_the_engine_at_the_shutdown_deadline_gets_504() {
    let world = TestGateway::new();
    world.disk.stall();
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (address, stop) = (listener.address().unwrap(), CancellationToken::new());
    let bounds = Bounds { drain: Duration::from_millis(200), ..Bounds::default() };
    let serving = tokio::spawn(listener.serve(Door::Platform, bounds, None, world.api(), stop.clone()));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let body = call().to_string();
    let head = "PUT /v1/calls/c-1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer everything\r\n";
    let head = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    world.disk.is_stalling().await;
    stop.cancel();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.split(' ').nth(1), Some("504"), "{answer}");
    assert!(answer.contains("\"code\":\"outcome_unknown\""), "{answer}");
    serving.await.unwrap();

    // The write was carried out, as the 504 allows.
    world.disk.work();
    let mut follow = world.reads.follow().clone();
    follow.wait_for(crate::model::Position(3)).await.unwrap();
    assert_eq!(world.get("/v1/calls/c-1").await.status, 200);
}
