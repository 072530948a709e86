//! Stops in good order, and starts that must not be.

use crate::ending::judge;
use crate::load::{Load, world};
use std::time::Duration;

/// A load needs a moment to be one.
const UNDER_LOAD: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g30_sigterm_under_load_exits_0_and_loses_nothing_that_was_accepted() {
    let world = world().await;
    let load = Load::start(&world);
    let gateway = world.start().await;
    tokio::time::sleep(UNDER_LOAD).await;
    // The gateway cuts off what is late after ten seconds, and says so.
    let stopped = gateway.terminate().await;
    assert_eq!(stopped.code(), Some(0), "{}", world.home.log());
    assert!(!world.home.log().contains("stopping took too long"), "{}", world.home.log());

    let _gateway = world.start().await;
    tokio::time::sleep(UNDER_LOAD / 2).await;
    let promised = load.end().await;
    let summary = judge(&world, &promised, 0).await;
    println!("a stop under load: {summary:?}");
    assert!(promised.thanked > 50, "there was hardly any load: {summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_gateway_on_the_same_data_says_who_has_it_and_exits_1() {
    let world = world().await;
    let first = world.start().await;
    let beside = fs_config_on_other_ports(&world.home.path("offhook.toml"));
    let second = world.home.start_with(&world.home.write("second.toml", &beside));
    assert_eq!(second.exit().await.code(), Some(1));
    let holder = format!("is in use by process {}: stop that one first", first.id());
    assert!(world.home.log().contains(&holder), "{}", world.home.log());
    assert_eq!(first.terminate().await.code(), Some(0), "the first is none the worse for it");
}

/// The same configuration with doors wherever the system puts them.
fn fs_config_on_other_ports(file: &std::path::Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let door = |line: &str| match line.split_once(" = \"127.0.0.1:") {
        Some((door, _)) => format!("{door} = \"127.0.0.1:0\""),
        None => line.to_owned(),
    };
    text.lines().map(door).collect::<Vec<_>>().join("\n")
}
