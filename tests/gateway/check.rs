//! `offhook check`: what it tries, and what it says of files that editors and people get wrong.

use crate::process::{Home, binary, offhook, quiet, said};
use crate::shared::world;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A user who owns nothing.
const NOBODY: u32 = 65_534;

fn check(home: &Home) -> Output {
    offhook(&["check", home.path("offhook.toml").to_str().unwrap()])
}

/// What it says, once it has said that something is wrong.
#[track_caller]
fn refused(checked: &Output) -> String {
    assert_eq!(checked.status.code(), Some(1), "{}", said(checked));
    said(checked)
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_a_data_directory_that_is_on_no_disk_is_refused_by_check_and_serve() {
    let world = world().await;
    world.home.configure(|text| text.replacen("data_dir = \"data\"", "data_dir = \"/proc/offhook\"", 1));
    let why = "data_dir /proc/offhook cannot be used: /proc is not on a disk file system: use a directory on a disk";
    let text = refused(&check(&world.home));
    assert!(text.contains(why), "{text}");
    assert_eq!(world.home.start().exit().await.code(), Some(1));
    assert!(world.home.log().contains(why) && !world.home.log().contains("full disk"), "{}", world.home.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_check_names_the_user_who_cannot_write_in_the_data_directory() {
    let world = world().await;
    let home = &world.home;
    home.configure(|text| text.replacen("data_dir = \"data\"", "data_dir = \"place/data\"", 1));
    fs::create_dir(home.path("place")).unwrap();
    fs::set_permissions(home.path("place"), Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(reachable(home));
    quiet(&mut command).arg("check").arg(home.path("offhook.toml"));
    if fs::metadata(home.path("place")).is_ok_and(|about| std::os::unix::fs::MetadataExt::uid(&about) == 0) {
        // Root may write everywhere, so somebody else has to try.
        for entry in fs::read_dir(home.path(".")).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        command.uid(NOBODY).gid(NOBODY);
    }
    let text = refused(&command.output().unwrap());
    let expected =
        format!("data_dir {} cannot be created in {} by user ", shown(home, "place/data"), shown(home, "place"));
    let line = text.lines().find(|line| line.starts_with(&expected)).unwrap_or_else(|| panic!("{text}"));
    assert!(line.contains("(uid ") && line.contains("Permission denied") && line.contains("chown"), "{line}");
}

fn shown(home: &Home, name: &str) -> String {
    home.path(name).display().to_string()
}

/// The binary where everybody can run it, in a directory that everybody can enter.
fn reachable(home: &Home) -> std::path::PathBuf {
    fs::set_permissions(home.path("."), Permissions::from_mode(0o755)).unwrap();
    let copy = home.path("offhook");
    fs::copy(binary(), &copy).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_check_says_which_process_listens_at_a_door() {
    let world = world().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap();
    world.home.configure(|text| text.replacen(&world.home.doors.ops.to_string(), &port.to_string(), 1));
    let holder = format!("process {} (", std::process::id());
    let text = refused(&check(&world.home));
    for part in [format!("listen.ops {port} cannot be bound"), holder.clone(), "another port".to_owned()] {
        assert!(text.contains(&part), "{part} is not in:\n{text}");
    }
    assert_eq!(world.home.start().exit().await.code(), Some(1));
    assert!(world.home.log().contains(&holder), "{}", world.home.log());
    drop(taken);
    assert_eq!(check(&world.home).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_check_beside_the_gateway_of_the_same_file_finds_nothing_wrong() {
    let world = world().await;
    let gateway = world.start().await;
    let checked = check(&world.home);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    let note = format!(
        "note: a gateway is already running in {}, process \
        {}",
        world.home.data().display(),
        gateway.id()
    );
    assert!(said(&checked).contains(&note), "{}", said(&checked));
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert!(!said(&check(&world.home)).contains("note:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_check_reports_problems_of_all_that_it_can_read_together() {
    let world = world().await;
    let home = &world.home;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let with_seed = || {
        let paths = [home.path("offhook.toml"), home.path("directory.json")];
        refused(&offhook(&["check", paths[0].to_str().unwrap(), "--seed", paths[1].to_str().unwrap()]))
    };
    home.configure(|text| text.replacen(&home.doors.ops.to_string(), &port, 1));
    let seed = fs::read_to_string(home.path("directory.json")).unwrap();
    home.write("directory.json", &seed.replacen("\"settings\"", "\"setings\"", 1));
    let text = with_seed();
    assert!(text.contains("setings") && text.contains(&format!("listen.ops {port} cannot be bound")), "{text}");
    // Without a valid configuration the machine cannot be tried, but the document is read against the account names.
    home.configure(|text| format!("no_such_key = 1\n{text}"));
    let text = with_seed();
    assert!(text.contains("no_such_key") && text.contains("setings"), "{text}");
    assert!(!text.contains("account \"main\" is not"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_check_prints_a_warning_once() {
    let world = world().await;
    fs::set_permissions(world.home.path("adapter"), Permissions::from_mode(0o644)).unwrap();
    let checked = check(&world.home);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
    assert_eq!(said(&checked).matches("is world-readable").count(), 1, "{}", said(&checked));
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_files_in_another_encoding_are_named_as_what_they_are() {
    let world = world().await;
    let home = &world.home;
    let good = fs::read_to_string(home.path("offhook.toml")).unwrap();
    let seed = fs::read_to_string(home.path("directory.json")).unwrap();
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let with_seed = |home: &Home| {
        let paths = [home.path("offhook.toml"), home.path("directory.json")];
        offhook(&["check", paths[0].to_str().unwrap(), "--seed", paths[1].to_str().unwrap()])
    };
    for (file, bytes, expected) in [
        ("offhook.toml", utf16(&format!("\u{feff}{good}")), "offhook.toml: is UTF-16"),
        ("offhook.toml", utf16(&good), "offhook.toml: is UTF-16"),
        ("offhook.toml", good.replace('\n', "\r").into_bytes(), "lines that end with CR only"),
        ("offhook.toml", [good.as_bytes(), b"# \xe9\n"].concat(), "offhook.toml: is not UTF-8 in line"),
        ("directory.json", utf16(&format!("\u{feff}{seed}")), "directory.json: is UTF-16"),
    ] {
        fs::write(home.path(file), bytes).unwrap();
        let text = refused(&with_seed(home));
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
        home.write("offhook.toml", &good);
        home.write("directory.json", &seed);
    }
    // A byte order mark and the line ends of Windows are no problem.
    home.write("offhook.toml", &format!("\u{feff}{}", good.replace('\n', "\r\n")));
    home.write("directory.json", &format!("\u{feff}{seed}"));
    let checked = with_seed(home);
    assert_eq!(checked.status.code(), Some(0), "{}", said(&checked));
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_words_that_are_nearly_right_are_answered_with_what_was_meant() {
    let world = world().await;
    let good = fs::read_to_string(world.home.path("offhook.toml")).unwrap();
    for (from, to, expected) in [
        ("data_dir", "data_dri", "data_dri is an unknown key: did you mean \"data_dir\"?"),
        ("secret_files", "secret_file", "secret_file is an unknown key: did you mean \"secret_files\"?"),
        (
            "carrier = \"twilio\"",
            "carrier = \"twillio\"",
            "\"twillio\" is not a known carrier: did you mean \"twilio\"?",
        ),
        (
            "data_dir = \"data\"",
            "data_dir = \"~/data\"",
            "data_dir \"~/data\" starts with ~, which only a shell expands",
        ),
        ("\"twilio\"]", "\"~/twilio\"]", "auth_token_files \"~/twilio\" starts with ~"),
        ("https://sms.example.com", "https://süß.example.com", "non-ASCII letters: write its DNS form, \"xn--"),
        (
            "[listen]",
            "[log]\nlevel = \"inof\"\n[listen]",
            "log.level \"inof\" is not supported: did you mean \
            \"info\"?",
        ),
        (
            "[listen]",
            "[log]\nformat = \"xml\"\n[listen]",
            "log.format \"xml\" is not supported: use one of text, json, journal",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        world.home.write("offhook.toml", &good.replacen(from, to, 1));
        let text = refused(&check(&world.home));
        assert!(text.contains(expected), "{expected} is not in:\n{text}");
    }
    assert!(!Path::new("~").exists());
}
