//! The demo's output: who does what, what is expected, and whether it happened.

use crate::observe::Door;
use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

/// The party that acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Platform,
    Admin,
    Agent,
    Caller,
    Gateway,
    Carrier,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Caller => "caller",
            Self::Gateway => "gateway",
            Self::Carrier => "carrier",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Self::Platform => AnsiColor::Blue,
            Self::Admin => AnsiColor::BrightBlue,
            Self::Agent => AnsiColor::Cyan,
            Self::Caller => AnsiColor::Magenta,
            Self::Gateway => AnsiColor::Yellow,
            Self::Carrier => AnsiColor::White,
        };
        Style::new().fg_color(Some(color.into()))
    }
}

/// Columns of a terminal.
const COLUMNS: usize = 80;

/// Columns in front of a line: the time and the party.
const MARGIN: usize = 19;

/// The caller in the instructions.
const CALLER: &str = "+12065550142";

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const UNDERLINED: Style = Style::new().underline();

/// Prints the demo and counts failed checks.
pub(super) struct Stage {
    began: Instant,
    wrong: usize,
    right: usize,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), wrong: 0, right: 0 }
    }

    /// What is about to be seen.
    pub(super) fn introduction(&self) {
        println!("A gateway, a carrier with phones (simulated), and a platform run in this process");
        println!("and talk over loopback. Each line has the seconds since the start, who acts, and");
        println!("what they do; \"ok\" is a check that passed, \"WRONG\" one that did not.");
    }

    /// A heading above scenes.
    pub(super) fn scenario(&self, title: &str) {
        println!("\n{BOLD}{UNDERLINED}{title}{UNDERLINED:#}{BOLD:#}");
    }

    /// A heading.
    pub(super) fn scene(&self, title: &str) {
        println!("\n{BOLD}{title}{BOLD:#}");
    }

    /// A party does or says something.
    pub(super) fn line(&self, who: Who, what: impl Display) {
        self.print(who.style(), who.name(), &what.to_string());
    }

    /// Checks an expectation and shows the result.
    pub(super) fn expect(&mut self, what: impl Display, so: bool) {
        if so {
            self.right += 1;
            self.print(Style::new().fg_color(Some(AnsiColor::Green.into())), "ok", &what.to_string());
        } else {
            self.wrong += 1;
            self.print(Style::new().fg_color(Some(AnsiColor::Red.into())).bold(), "WRONG", &what.to_string());
        }
    }

    /// Prints the time, the party and the text, which is wrapped and indented.
    fn print(&self, style: Style, who: &str, what: &str) {
        let at = clock(self.began.elapsed().as_secs_f64());
        let mut lines = wrapped(what, COLUMNS - MARGIN).into_iter();
        println!("{DIM}{at}{DIM:#}  {style}{who:>8}{style:#}  {}", lines.next().unwrap_or_default());
        for line in lines {
            println!("{:MARGIN$}{line}", "");
        }
    }

    /// Invites the visitor to run a command.
    pub(super) fn try_out(&self, what: &str, command: &str) {
        println!("\n{what}\n\n  {command}");
    }

    /// Prints the result; returns whether every check passed.
    pub(super) fn finish(&self) -> bool {
        println!();
        if self.wrong == 0 {
            println!("{BOLD}All checks passed{BOLD:#} ({}).", self.right);
        } else {
            println!("{BOLD}{} of {} checks failed.{BOLD:#}", self.wrong, self.right + self.wrong);
        }
        self.wrong == 0
    }

    /// Prints how to continue by hand: actions in another terminal show up here.
    pub(super) fn go_on(&self, doors: &BTreeMap<Door, SocketAddr>, token: &str, keypad: &str, fetch: Option<&str>) {
        let (platform, ops) = (doors[&Door::Platform], doors[&Door::Ops]);
        println!("\n{BOLD}The gateway keeps running until Ctrl-C.{BOLD:#} Its doors:\n");
        for (door, address) in doors {
            println!("  {:>8}  http://{address}", door.label());
        }
        let json = format!("-H 'Authorization: Bearer {token}' \\\n    -H 'Content-Type: application/json'");
        println!("\nTry it in another terminal, and watch the effects here.");
        if let Some(fetch) = fetch {
            println!("Open the first caller's photo:\n\n  {fetch}");
        }
        println!("\nBegin a call:\n");
        println!("  curl -X PUT http://{platform}/v1/calls/mine \\\n    {json} \\");
        println!("    -d '{{\"caller\":\"{CALLER}\",\"queue\":\"support\"}}'");
        println!("\nText the caller as the agent:\n");
        println!("  curl http://{platform}/v1/calls/mine/messages \\\n    {json} \\");
        println!("    -d '{{\"text\":\"Hello from curl\"}}'");
        println!("\nAnswer as the caller:\n");
        println!("  curl {keypad}{CALLER} -d 'Hello from my phone'");
        println!("\nSend a photo as the caller, this one or any other jpg, png or gif:\n");
        println!("  curl {keypad}{CALLER} \\\n    -H 'Content-Type: image/png' --data-binary @label.png");
        println!("\nShow the metrics:\n");
        println!("  curl http://{ops}/metrics\n");
    }

    /// Prints a link to the console.
    pub(super) fn show_link(&self, url: &str) {
        println!(
            "{BOLD}Or be caller and agent yourself, in a browser{BOLD:#} (once, within ten minutes; Enter\nprints another link):\n\n  {url}\n"
        );
    }

    /// Ctrl-C was pressed.
    pub(super) fn stopping(&self) {
        println!("\nStopping the gateway ...");
    }

    /// The end, and where the data is.
    pub(super) fn goodbye(&self, kept: Option<&Path>) {
        match kept {
            Some(data) => println!("Goodbye. The data is kept in {}.", data.display()),
            None => println!("Goodbye. All data was removed."),
        }
    }

    /// Prints why the demo cannot run.
    pub(super) fn show_error(&self, why: &str) {
        eprintln!("{why}");
    }
}

/// Seconds since the start, in seven columns.
fn clock(secs: f64) -> String {
    if secs < 1_000.0 { format!("{secs:6.2}s") } else { format!("{secs:6.0}s") }
}

/// Wraps a text at `columns`, between words if possible. Control characters are replaced.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut used = 0;
    for word in text.split_whitespace() {
        let letters: Vec<char> = word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        for part in letters.chunks(columns) {
            match lines.last_mut() {
                Some(line) if used + 1 + part.len() <= columns => {
                    line.push(' ');
                    line.extend(part);
                    used += 1 + part.len();
                }
                _ => {
                    lines.push(part.iter().collect());
                    used = part.len();
                }
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f22_text_is_wrapped_between_words_and_fits() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a bcdefgh", 4), ["a", "bcde", "fgh"]);
        assert_eq!(wrapped("\u{1b}[2J", 9), ["\u{fffd}[2J"]);
        assert_eq!(wrapped("", 4), Vec::<String>::new());
    }

    #[test]
    fn f22_clock_keeps_its_columns_for_days() {
        for secs in [0.0, 9.99, 999.99, 1_000.0, 259_200.0] {
            assert_eq!(clock(secs).len(), 7, "{secs}");
        }
    }
}
