//! Python, and the tools of `requirements.txt` in an environment of their own.

use crate::process::skipped;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/requirements.txt");

/// Whether this machine has Python; says SKIPPED if not.
pub(crate) fn python() -> bool {
    let there = works(Command::new("python3").args(["-c", "import sys; sys.exit(sys.version_info < (3, 9))"])).is_ok();
    if !there {
        skipped("there is no python3 of at least 3.9: a client in Python is not run");
    }
    there
}

/// The directory of the tools' programs; says SKIPPED if they cannot be installed.
pub(crate) fn tools() -> Option<PathBuf> {
    static TOOLS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match TOOLS.get_or_init(install) {
        Ok(programs) => Some(programs.clone()),
        Err(why) => {
            skipped(&format!("tools in Python cannot be installed: {why}"));
            None
        }
    }
}

/// Installs the tools, unless the same ones are there.
fn install() -> Result<PathBuf, String> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let (programs, installed) = (place.join("bin"), place.join("installed.txt"));
    let wanted = fs::read_to_string(REQUIREMENTS).unwrap();
    if fs::read_to_string(&installed).is_ok_and(|there| there == wanted) {
        return Ok(programs);
    }
    works(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place))?;
    let mut pip = Command::new(programs.join("pip"));
    works(pip.args(["install", "--quiet", "--no-deps", "--disable-pip-version-check", "-r", REQUIREMENTS]))?;
    fs::write(installed, wanted).unwrap();
    Ok(programs)
}

/// Runs a command to its end; its last line of complaint if it fails.
fn works(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let complaint = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
    if output.status.success() { Ok(()) } else { Err(complaint) }
}
