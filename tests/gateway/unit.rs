//! G43: the units, as systemd sees them.

use crate::process::{SOON, binary, quiet, said, skipped};
use crate::shared::world;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// What the unit may be exposed to at most, in tenths of systemd's ten.
const EXPOSURE_MAX: u32 = 15;

fn units() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let is_unit = |file: &PathBuf| file.extension().is_some_and(|is| is == "service" || is == "socket");
    let mut units: Vec<_> = files.filter(is_unit).collect();
    units.sort();
    units
}

/// The output of `systemd-analyze`; `None` without the program.
fn analyze(arguments: &[&str], files: &[PathBuf]) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).args(files).env("SYSTEMD_PAGER", "").output();
    if output.is_err() {
        skipped("the check of the units: systemd-analyze is missing");
    }
    output.ok()
}

#[test]
fn g43_systemd_finds_nothing_wrong_with_the_units() {
    // It checks that the binary exists, which is not installed here.
    let directory = tempfile::tempdir().unwrap();
    let binary = binary();
    let copies: Vec<_> = (units().into_iter())
        .map(|unit| {
            let text = fs::read_to_string(&unit).unwrap().replace("/usr/bin/offhook", binary.to_str().unwrap());
            let copy = directory.path().join(unit.file_name().unwrap());
            fs::write(&copy, text).unwrap();
            copy
        })
        .collect();
    let Some(verified) = analyze(&["verify", "--man=no"], &copies) else { return };
    // It also tells of units of the machine it runs on.
    let ours: Vec<_> = said(&verified).lines().filter(|line| line.contains("offhook")).map(str::to_owned).collect();
    assert!(verified.status.success() && ours.is_empty(), "{}", said(&verified));
}

#[test]
fn g43_the_unit_is_exposed_to_little() {
    let service: Vec<_> =
        units().into_iter().filter(|unit| unit.extension().is_some_and(|is| is == "service")).collect();
    assert_eq!(service.len(), 1);
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let Some(scored) = analyze(&["security", "--offline=true", "--no-pager", &threshold], &service) else { return };
    let said = said(&scored);
    let last = said.lines().last().unwrap_or_default();
    println!("{last}");
    assert!(scored.status.success() && last.contains("exposure level"), "{said}");
}

#[test]
fn each_socket_of_the_units_is_for_a_door_at_its_place_in_the_example() {
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/offhook.toml")).unwrap();
    let sockets: Vec<_> =
        units().into_iter().filter(|unit| unit.extension().is_some_and(|is| is == "socket")).collect();
    assert_eq!(sockets.len(), 2);
    for socket in sockets {
        let text = fs::read_to_string(&socket).unwrap();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).unwrap();
        let line = format!("{} = \"{}\"", value("FileDescriptorName"), value("ListenStream"));
        assert!(example.lines().any(|found| found == line), "{line} is not in the example");
    }
}

/// The lines of the service, without its comments.
fn service() -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/offhook.service")).unwrap();
    let settings = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    settings.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The one value of a key of the service.
fn value(key: &str) -> String {
    let found: Vec<_> = service().into_iter().filter(|(at, _)| at == key).map(|(_, value)| value).collect();
    assert_eq!(found.len(), 1, "{key}: {found:?}");
    found.concat()
}

/// Whether systemd starts the service again after it has exited with this.
fn is_started_again(status: Option<i32>) -> bool {
    let statuses = value("RestartPreventExitStatus");
    !statuses.split(' ').any(|prevented| Some(prevented.parse().unwrap()) == status)
}

#[test]
fn f15_the_unit_runs_nothing_but_the_gateway() {
    let commands: Vec<_> = service().into_iter().filter(|(key, _)| key.starts_with("Exec")).collect();
    assert!(commands.len() > 1);
    for (key, command) in commands {
        assert!(command.starts_with("/usr/bin/offhook "), "{key}={command} needs something else to be installed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_the_reload_of_the_unit_reaches_the_gateway() {
    let world = world().await;
    let gateway = world.start().await;
    let line = value("ExecReload").replace("$MAINPID", &gateway.id().to_string());
    let arguments: Vec<_> = line.split(' ').skip(1).collect();
    let output = quiet(Command::new(binary()).args(arguments)).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let until = Instant::now() + SOON;
    while !gateway.metrics().await.contains("offhook_reloads_total{outcome=\"taken\"} 1") {
        assert!(Instant::now() < until, "{}", world.home.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(gateway.terminate().await.code(), Some(0));

    let missing = quiet(Command::new(binary()).args(["reload", "2147483647"])).output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(said(&missing).contains("cannot signal process 2147483647"), "{}", said(&missing));
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_missing_secret_is_named_and_systemd_does_not_try_again() {
    let world = world().await;
    fs::remove_file(world.home.path("twilio")).unwrap();
    let status = world.home.start().exit().await.code();
    assert!(!is_started_again(status), "{status:?}");
    let log = world.home.log();
    assert!(log.contains("auth_token_files \"twilio\" cannot be read"), "{log}");
    // What systemd exits with itself where it cannot load credentials.
    assert!(!is_started_again(Some(243)));
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_disk_that_fails_is_tried_again_for_as_long_as_it_takes() {
    let world = world().await;
    world.home.configure(|text| text.replacen("data_dir = \"data\"", "data_dir = \"/proc/offhook\"", 1));
    assert!(is_started_again(world.home.start().exit().await.code()));
    assert_eq!(value("Restart"), "always");
    let number = |key: &str| value(key).parse::<u32>().unwrap();
    // Starts that are RestartSec apart stay below the limit; those that connections at the sockets bring about do not.
    assert!(number("StartLimitIntervalSec") / number("RestartSec") < number("StartLimitBurst"));
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/offhook.service")).unwrap();
    let unit = text.split("[Service]").next().unwrap();
    assert!(unit.contains("\nStartLimitIntervalSec=") && unit.contains("\nStartLimitBurst="), "they belong to [Unit]");
}

#[test]
fn f15_the_group_that_may_read_the_configuration_is_that_of_the_unit() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/offhook.sysusers");
    let text = fs::read_to_string(&file).unwrap();
    let user = value("User");
    assert!(text.lines().any(|line| line.starts_with(&format!("u {user} - "))), "{text}");
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let into = format!("--root={}", root.path().display());
    let Ok(made) = Command::new("systemd-sysusers").arg(into).arg(&file).output() else {
        return skipped("the unit's user: systemd-sysusers is missing");
    };
    let groups = fs::read_to_string(root.path().join("etc/group")).unwrap_or_default();
    assert!(groups.lines().any(|line| line.starts_with(&format!("{user}:"))), "{groups}{}", said(&made));
}
