//! What happened last, for who reads of a broken promise.

use super::clock::Time;
use offhook::machine::command::Reply;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::Write;

/// The last steps, told when a promise is broken.
pub(crate) struct Diary {
    seed: u64,
    lines: VecDeque<String>,
}

impl Diary {
    /// A seed's, empty.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, lines: VecDeque::new() }
    }

    /// Something happens.
    pub(crate) fn note(&mut self, time: &Time, what: impl Display) {
        const LINES_MAX: usize = 60;
        self.lines.push_back(format!("{:>10} ms  {what}", time.elapsed_ms()));
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
            let mut out = std::io::stderr().lock();
            // Nowhere to tell of a failure to tell.
            let _told =
                write!(out, "\nseed {} fails; its last steps:\n{lines}run it alone: OFFHOOK_SEED={0}\n", self.seed);
        }
    }
}

/// A reply in few words.
pub(crate) fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Call { shown, .. } => format!("call {}", shown.call.id),
        Reply::EndedUnheard { call, .. } => format!("call {call} ended unheard"),
        Reply::Message { message, .. } => format!("{} {}", message.id, message.state.word()),
        Reply::Refused(refusal) => format!("refused: {}", refusal.code.word()),
        Reply::Started { message } => format!("{} started", message.id),
        other => format!("{other:?}"),
    }
}
