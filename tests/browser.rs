//! The console's files and pages, by Node and Chromium: units of its modules, and scenarios against the real binary.
//! What each shows stands in `tests/browser`; `npm run pages` there is a longer run over a gateway in small.
//!
//! They need Node, Chromium and the packages that `npm ci` installs there. Where these are missing a test prints SKIPPED.

#[allow(dead_code, unreachable_pub, reason = "the other test targets use the rest of it")]
#[path = "process/process.rs"]
mod process;

use process::{binary, skipped};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// One of them at a time has the machine.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn units_of_the_consoles_modules_pass() {
    pass("units");
}

#[test]
fn scenarios_pass_in_chromium_against_the_real_binary() {
    pass("scenarios");
}

/// Runs a script of `tests/browser/package.json`; it says itself what failed.
fn pass(script: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    if !runs("node") || !runs("npm") {
        return skipped("the console's pages: install Node and npm");
    }
    // As in `chromium.mjs`.
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let usual = ["/usr/bin/chromium-headless-shell", "/usr/bin/chromium"].map(PathBuf::from);
    if !named.map_or_else(|| usual.iter().any(|path| path.exists()), |path| path.exists()) {
        return skipped("the console's pages: install Chromium, or name it in CHROMIUM");
    }
    if !directory.join("node_modules/playwright-core").exists() {
        return skipped("the console's pages: run npm ci --ignore-scripts in tests/browser");
    }
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", script]).current_dir(&directory).env("OFFHOOK_BIN", binary());
    // Browsers ask loopback, whatever proxy the machine has.
    npm.env("NO_PROXY", "127.0.0.1,localhost").stdin(Stdio::null());
    let status = npm.status().expect("npm was found above");
    assert!(status.success(), "npm run {script}, in tests/browser: {status}; what failed stands above");
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
