//! The data directory: one gateway uses it, and other users cannot read it.

use crate::load::{ours, theirs, world};
use crate::process::binary;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f28_a_second_gateway_names_the_process_that_has_its_directory() {
    let world = world().await;
    let first = world.start().await;
    let before = world.home.log().len();
    // The same configuration, so its ports are taken, too.
    let second = world.home.start().exit().await;
    assert_eq!(second.code(), Some(1));
    let log = world.home.log()[before..].to_owned();
    assert!(log.contains(&format!("is in use by process {}", first.id())), "{log}");
    assert_eq!(first.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_data_is_for_the_gateways_user_alone_whatever_umask_and_modes() {
    let world = world().await;
    world.carrier.set_behaviour(offhook::sim::carrier::Behaviour::default());
    let data = world.home.data();
    fs::create_dir_all(data.join("claims")).unwrap();
    fs::write(data.join("claims/old"), "left by somebody").unwrap();
    for (path, mode) in [("", 0o755), ("claims", 0o777), ("claims/old", 0o664)] {
        fs::set_permissions(data.join(path), Permissions::from_mode(mode)).unwrap();
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("umask 0 && exec \"$0\" \"$@\"").arg(binary());
    let mut gateway = world.home.start_by(shell, &world.home.path("offhook.toml"));
    gateway.ready().await;
    assert!(world.carrier.phone(theirs(0)).text(ours(0), "hello").await.acknowledged());
    assert_eq!(gateway.terminate().await.code(), Some(0));
    let mut looked = 0;
    let mut open = Vec::new();
    look(&data, &mut looked, &mut open);
    assert!(open.is_empty() && looked > 8, "{looked} files, and these are open to others: {open:?}");
    let log = world.home.log();
    assert!(log.contains("was accessible to other users") && log.contains("count=3"), "{log}");
}

fn look(path: &Path, looked: &mut usize, open: &mut Vec<PathBuf>) {
    *looked += 1;
    let about = fs::symlink_metadata(path).unwrap();
    if about.permissions().mode() & 0o077 != 0 {
        open.push(path.to_owned());
    }
    if about.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), looked, open);
        }
    }
}
