//! Forgeries put off nobody who signs rightly while the machine keeps up, and connections have a bound per address. This
//! machine's own address beyond loopback stands for a stranger's: what goes there does not leave the machine.

use crate::peer::{Line, connect};
use crate::process::{Outside, skipped, wire};
use crate::stage::{happened, plain, texts};
use crate::webhook::Webhook;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Instant;

/// Rounds, and forgeries in each before a right one. In all they are far more than an address may fail with.
const ROUNDS: usize = 40;
const FORGERIES: usize = 50;

/// Connections of one address.
const CONNECTIONS_MAX: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f11_g24_forgeries_put_off_nobody_who_shares_their_address() {
    let world = open_to_strangers().await;
    let gateway = world.start().await;
    let port = world.home.doors.carriers.port();
    let mut rights = 0;
    for (nth, address) in [Some(Ipv4Addr::LOCALHOST.into()), own_address()].into_iter().flatten().enumerate() {
        let mut line = Line::new(connect((address, port).into(), address).await.unwrap());
        for round in 0..ROUNDS {
            let mut wrong = Webhook::text("SMwrong", "+14155550101", "wrong");
            wrong.signatures = vec!["AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()];
            for _ in 0..FORGERIES {
                assert_eq!(line.ask(&wrong.bytes()).await.unwrap().status, 403);
            }
            let right = Webhook::text(&format!("SM{nth}x{round}"), "+14155550101", "right");
            assert_eq!(line.ask(&right.bytes()).await.unwrap().status, 200, "the {round}th at {address}");
            rights += 1;
        }
    }
    assert_eq!(texts(&happened(&world.home)), rights);
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_its_share_of_connections_and_leaves_the_others_theirs() {
    let Some(stranger) = own_address() else { return };
    let world = open_to_strangers().await;
    world.home.configure(|text| format!("{text}\n[limits]\nconnections_per_address_max = {CONNECTIONS_MAX}\n"));
    let gateway = world.start().await;
    let port = world.home.doors.carriers.port();
    let right = |nth: usize| Webhook::text(&format!("SM{nth}"), "+14155550101", "right").bytes();
    let line = async |to: IpAddr| Line::new(connect((to, port).into(), to).await.unwrap());

    let mut kept = Vec::new();
    for nth in 0..CONNECTIONS_MAX {
        let mut line = line(stranger).await;
        assert_eq!(line.ask(&right(nth)).await.unwrap().status, 200);
        kept.push(line);
    }
    assert!(line(stranger).await.ask(&right(100)).await.is_err(), "one too many is closed unread");
    assert_eq!(line(Ipv4Addr::LOCALHOST.into()).await.ask(&right(101)).await.unwrap().status, 200);
    for (nth, kept) in kept.iter_mut().enumerate() {
        assert_eq!(kept.ask(&right(nth)).await.unwrap().status, 200, "those that are there stay");
    }
    let refused = "offhook_connections_refused_total{door=\"carriers\",reason=\"address_full\"} 1";
    assert!(gateway.metrics().await.contains(refused));

    kept.pop();
    let until = Instant::now() + crate::peer::PATIENCE;
    while line(stranger).await.ask(&right(102)).await.is_err() {
        assert!(Instant::now() < until, "its place is not free again");
    }
    assert_eq!(wire::get(world.home.doors.ops, "/readyz").await.unwrap().status, 200);
}

/// Surroundings whose carriers' door is open on every address of the machine.
async fn open_to_strangers() -> Outside {
    let world = plain().await;
    let (here, everywhere) = (world.home.doors.carriers, Ipv4Addr::UNSPECIFIED);
    let port = here.port();
    world.home.configure(|text| {
        text.replace(
            &format!("carriers = \"{here}\""),
            &format!("carriers = \"{everywhere}:{port}\"\ncarriers_plaintext = true"),
        )
    });
    world
}

/// An address of this machine other than loopback. Nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let elsewhere = (Ipv4Addr::new(198, 51, 100, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let address = socket.connect(elsewhere).and_then(|()| socket.local_addr()).map(|address| address.ip());
    if !address.as_ref().is_ok_and(|address| !address.is_loopback()) {
        skipped("this machine has only loopback addresses");
    }
    address.ok().filter(|address| !address.is_loopback())
}
