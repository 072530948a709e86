//! A trace of the last steps, printed when an invariant is violated.

use super::clock::Time;
use super::plan::Plan;
use super::shrink;
use offhook::machine::command::Reply;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::Write;

/// The last steps, printed when the run panics.
pub(crate) struct Trace {
    plan: Plan,
    lines: VecDeque<String>,
}

impl Trace {
    /// An empty trace.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { plan: plan.clone(), lines: VecDeque::new() }
    }

    /// Adds a line.
    pub(crate) fn note(&mut self, time: &Time, what: impl Display) {
        const LINES_MAX: usize = 100;
        self.lines.push_back(format!("{:>10} ms  {what}", time.elapsed_ms()));
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() && !shrink::is_quiet() {
            let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
            let mut out = std::io::stderr().lock();
            // A failed write to stderr cannot be reported.
            let _written = write!(out, "\nlast steps:\n{lines}\nreproduce with: {}\n", self.plan);
        }
    }
}

/// A short form of a reply.
pub(crate) fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Call { shown, .. } => format!("call {}", shown.call.id),
        Reply::EndedBeforeStart { call, .. } => format!("call {call} ended before start"),
        Reply::Message { message, .. } => format!("{} {}", message.id, message.state.word()),
        Reply::Refused(refusal) => format!("refused: {}", refusal.code.word()),
        Reply::Started { message } => format!("{} started", message.id),
        other => format!("{other:?}"),
    }
}
