//! G43: the units, as systemd sees them.

use crate::process::{binary, said, skipped};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What the unit may be exposed to at most, in tenths of systemd's ten.
const EXPOSURE_MAX: u32 = 15;

fn units() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd");
    let mut units: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    units.sort();
    units
}

/// What `systemd-analyze` says; none where it is not here.
fn analyze(arguments: &[&str], files: &[PathBuf]) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).args(files).env("SYSTEMD_PAGER", "").output();
    if output.is_err() {
        skipped("what systemd says of the units: there is no systemd-analyze here");
    }
    output.ok()
}

#[test]
fn g43_systemd_finds_nothing_wrong_with_the_units() {
    // It looks for what is to be started, which is not installed here.
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
