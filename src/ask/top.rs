//! `offhook top`: how a running gateway does, live in a terminal.
//!
//! Invariant: what is drawn depends on the last answers, the size of the terminal and nothing else; see `screen`.

mod screen;
mod terminal;

use super::{Door, Platform, QueryFailed};
use crate::http::api::Scope;
use screen::Seen;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;
use terminal::{Input, Terminal};
use tokio::time::Instant;

/// How often the gateway is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Lanes that are asked for; a terminal shows fewer.
const LANES: usize = 100;

/// The width of the screen that is printed where there is no terminal.
const COLUMNS: usize = 100;

/// Shows the gateway until `q`. Where there is no terminal, prints one screen.
pub async fn top(door: &Door<'_>) -> Result<String, QueryFailed> {
    let platform = Platform::of(door, Scope::Read)?;
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let seen = ask(&platform).await?;
        return Ok(screen::draw(&seen, None, COLUMNS, usize::MAX).join("\n") + "\n");
    }
    // The first question is asked before the screen is taken, so that its error stays readable.
    let seen = ask(&platform).await?;
    let mut terminal = Terminal::open().map_err(|error| QueryFailed::Terminal(error.to_string()))?;
    watch(&platform, seen, &mut terminal).await.map_err(|error| QueryFailed::Terminal(error.to_string()))?;
    Ok(String::new())
}

async fn watch(platform: &Platform, mut seen: Seen, terminal: &mut Terminal) -> io::Result<()> {
    // What went wrong last, while the answers before it stay on the screen.
    let mut failed = None;
    let mut next = Instant::now() + EVERY;
    loop {
        let (columns, rows) = terminal.size();
        terminal.show(&screen::draw(&seen, failed.as_deref(), columns, rows))?;
        tokio::select! {
            input = terminal.input() => match input {
                Some(Input::Quit) | None => return Ok(()),
                Some(Input::Resized | Input::Other) => {}
            },
            () = tokio::time::sleep_until(next) => {
                // `q` leaves also while the gateway does not answer.
                tokio::select! {
                    answered = ask(platform) => match answered {
                        Ok(answered) => (seen, failed) = (answered, None),
                        Err(why) => failed = Some(why.to_string()),
                    },
                    () = terminal.quits() => return Ok(()),
                }
                next = Instant::now() + EVERY;
            }
        }
    }
}

async fn ask(platform: &Platform) -> Result<Seen, QueryFailed> {
    Ok(Seen {
        health: platform.get("/v1/health").await?,
        lanes: platform.get(&format!("/v1/lanes?sort=oldest&limit={LANES}")).await?,
        endpoints: platform.get("/v1/endpoints?limit=100").await?,
    })
}

/// Writes to the terminal at once.
fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
