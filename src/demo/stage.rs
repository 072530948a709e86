//! How the demo looks: who says what to whom, what is expected, and whether it came.

use anstream::{eprintln, println};
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::net::SocketAddr;
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
        let at = self.began.elapsed().as_secs_f64();
        let style = who.style();
        println!("{DIM}{at:6.2}s{DIM:#}  {style}{:>8}{style:#}  {what}", who.name());
    }

    /// Something that must be so.
    pub(super) fn expect(&mut self, what: impl Display, so: bool) {
        let at = self.began.elapsed().as_secs_f64();
        if so {
            self.right += 1;
            let style = Style::new().fg_color(Some(AnsiColor::Green.into()));
            println!("{DIM}{at:6.2}s{DIM:#}  {style}{:>8}{style:#}  {what}", "ok");
        } else {
            self.wrong += 1;
            let style = Style::new().fg_color(Some(AnsiColor::Red.into())).bold();
            println!("{DIM}{at:6.2}s{DIM:#}  {style}{:>8}{style:#}  {what}", "WRONG");
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

    /// How to go on by hand.
    pub(super) fn go_on(&self, doors: &[(&'static str, SocketAddr); 3], token: &str) {
        println!("\n{BOLD}The gateway is yours until Ctrl-C.{BOLD:#}");
        for (name, address) in doors {
            println!("  {name:>8}  http://{address}");
        }
        let platform = doors[1].1;
        let ops = doors[2].1;
        println!(
            "\n  curl -X PUT http://{platform}/v1/calls/mine -H 'Authorization: Bearer {token}' \\\n       \
             -H 'Content-Type: application/json' -d '{{\"caller\":\"+12065550142\",\"queue\":\"support\"}}'"
        );
        println!(
            "\n  curl http://{platform}/v1/calls/mine/messages -H 'Authorization: Bearer {token}' \\\n       \
             -H 'Content-Type: application/json' -d '{{\"text\":\"Hello from curl\"}}'"
        );
        println!("\n  curl http://{ops}/metrics");
    }

    /// Says why there is nothing to see.
    pub(super) fn complain(&self, why: &str) {
        eprintln!("{why}");
    }
}
