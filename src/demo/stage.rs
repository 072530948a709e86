//! How the demo looks: who says what to whom, what is expected, and whether it came.

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    Platform,
    Agent,
    Caller,
    Gateway,
    Carrier,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Agent => "agent",
            Self::Caller => "caller",
            Self::Gateway => "gateway",
            Self::Carrier => "carrier",
        }
    }

    fn style(self) -> Style {
        let color = match self {
            Self::Platform => AnsiColor::Blue,
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

/// Columns before what somebody says: the time and who.
const MARGIN: usize = 19;

/// The caller of the lines to play with.
const CALLER: &str = "+12065550142";

const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();
const UNDERLINED: Style = Style::new().underline();

/// Prints the play and keeps count of what did not come out as expected.
pub(super) struct Stage {
    began: Instant,
    wrong: usize,
    right: usize,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), wrong: 0, right: 0 }
    }

    /// A heading over scenes.
    pub(super) fn act(&self, title: &str) {
        println!("\n{BOLD}{UNDERLINED}{title}{UNDERLINED:#}{BOLD:#}");
    }

    /// A heading.
    pub(super) fn scene(&self, title: &str) {
        println!("\n{BOLD}{title}{BOLD:#}");
    }

    /// Somebody does or says something.
    pub(super) fn line(&self, who: Who, what: impl Display) {
        self.print(who.style(), who.name(), &what.to_string());
    }

    /// Something that must be so.
    pub(super) fn expect(&mut self, what: impl Display, so: bool) {
        if so {
            self.right += 1;
            self.print(Style::new().fg_color(Some(AnsiColor::Green.into())), "ok", &what.to_string());
        } else {
            self.wrong += 1;
            self.print(Style::new().fg_color(Some(AnsiColor::Red.into())).bold(), "WRONG", &what.to_string());
        }
    }

    /// The time, who, and what, which goes on below itself where one line has no room for it.
    fn print(&self, style: Style, who: &str, what: &str) {
        let at = clock(self.began.elapsed().as_secs_f64());
        let mut lines = wrapped(what, COLUMNS - MARGIN).into_iter();
        println!("{DIM}{at}{DIM:#}  {style}{who:>8}{style:#}  {}", lines.next().unwrap_or_default());
        for line in lines {
            println!("{:MARGIN$}{line}", "");
        }
    }

    /// Says how it came out; whether everything did as expected.
    pub(super) fn well(&self) -> bool {
        println!();
        if self.wrong == 0 {
            println!("{BOLD}Everything came out as expected{BOLD:#} ({} checks).", self.right);
        } else {
            println!("{BOLD}{} of {} checks went wrong.{BOLD:#}", self.wrong, self.right + self.wrong);
        }
        self.wrong == 0
    }

    /// How to go on by hand: whatever is done in another terminal shows here.
    pub(super) fn go_on(&self, doors: &[(&'static str, SocketAddr); 3], token: &str, keypad: &str) {
        let [_, (_, platform), (_, ops)] = doors;
        println!("\n{BOLD}The gateway is yours until Ctrl-C.{BOLD:#} Its doors:\n");
        for (name, address) in doors {
            println!("  {name:>8}  http://{address}");
        }
        let json = format!("-H 'Authorization: Bearer {token}' \\\n    -H 'Content-Type: application/json'");
        println!("\nPlay in another terminal, and watch here what comes of it. Begin a call:\n");
        println!("  curl -X PUT http://{platform}/v1/calls/mine \\\n    {json} \\");
        println!("    -d '{{\"caller\":\"{CALLER}\",\"queue\":\"support\"}}'");
        println!("\nText the caller as the agent:\n");
        println!("  curl http://{platform}/v1/calls/mine/messages \\\n    {json} \\");
        println!("    -d '{{\"text\":\"Hello from curl\"}}'");
        println!("\nAnswer as the caller:\n");
        println!("  curl {keypad}{CALLER} -d 'Hello from my phone'");
        println!("\nSee what is counted:\n");
        println!("  curl http://{ops}/metrics\n");
    }

    /// Ctrl-C was heard.
    pub(super) fn stopping(&self) {
        println!("\nStopping the gateway ...");
    }

    /// The end, and what is left.
    pub(super) fn goodbye(&self, kept: Option<&Path>) {
        match kept {
            Some(data) => println!("Goodbye. The data stay in {}.", data.display()),
            None => println!("Goodbye. Nothing of this is kept."),
        }
    }

    /// Says why there is nothing to see.
    pub(super) fn complain(&self, why: &str) {
        eprintln!("{why}");
    }
}

/// Seconds since the beginning, in seven columns.
fn clock(secs: f64) -> String {
    if secs < 1_000.0 { format!("{secs:6.2}s") } else { format!("{secs:6.0}s") }
}

/// A text in lines of at most `columns`, broken between words where it can be. What moves a cursor is not shown.
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
    fn f22_what_is_said_is_broken_between_words_and_fits() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a bcdefgh", 4), ["a", "bcde", "fgh"]);
        assert_eq!(wrapped("\u{1b}[2J", 9), ["\u{fffd}[2J"]);
        assert_eq!(wrapped("", 4), Vec::<String>::new());
    }

    #[test]
    fn f22_the_clock_keeps_its_columns_for_days() {
        for secs in [0.0, 9.99, 999.99, 1_000.0, 259_200.0] {
            assert_eq!(clock(secs).len(), 7, "{secs}");
        }
    }
}
