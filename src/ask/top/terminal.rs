//! The terminal: its size, its keys, and a screen of its own that is left as it was found.

use super::write;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, Read as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// To the other screen, without a cursor.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";

/// The cursor again, and the screen as it was.
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// The size of a terminal that does not say it.
const SIZE: (usize, usize) = (80, 24);

/// What happened at the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// `q`, Ctrl-C or Ctrl-D.
    Quit,
    /// It has another size.
    Resized,
    /// Another key.
    Other,
}

/// The terminal while the screen is shown; dropped, it is as before.
pub(super) struct Terminal {
    before: Termios,
    keys: mpsc::UnboundedReceiver<u8>,
    resized: Signal,
}

impl Terminal {
    /// Takes the screen, and every key as it is pressed.
    pub(super) fn open() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let resized = signal(SignalKind::window_change())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        let (sender, keys) = mpsc::unbounded_channel();
        // A read of the terminal cannot be cancelled: the thread ends with the process.
        std::thread::spawn(move || {
            for key in io::stdin().lock().bytes() {
                let Ok(key) = key else { return };
                if sender.send(key).is_err() {
                    return;
                }
            }
        });
        let terminal = Self { before, keys, resized };
        write(ENTER)?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        size.map_or(SIZE, |size| (usize::from(size.ws_col), usize::from(size.ws_row)))
    }

    /// Replaces what is shown.
    pub(super) fn show(&self, lines: &[String]) -> io::Result<()> {
        // Each line is cleared behind its end rather than the screen before it, which would flicker.
        let mut bytes = b"\x1b[H".to_vec();
        for (nth, line) in lines.iter().enumerate() {
            if nth > 0 {
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\x1b[K");
        }
        bytes.extend_from_slice(b"\x1b[J");
        write(&bytes)
    }

    /// The next input; `None` once the terminal is gone.
    pub(super) async fn input(&mut self) -> Option<Input> {
        tokio::select! {
            key = self.keys.recv() => key.map(input),
            _ = self.resized.recv() => Some(Input::Resized),
        }
    }

    /// Waits until somebody wants to leave.
    pub(super) async fn quits(&mut self) {
        while !matches!(self.input().await, Some(Input::Quit) | None) {}
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal may be closed; then nothing is left to restore.
        let _gone = write(LEAVE);
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

fn input(key: u8) -> Input {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    if matches!(key, b'q' | b'Q' | CTRL_C | CTRL_D) { Input::Quit } else { Input::Other }
}
