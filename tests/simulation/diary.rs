//! What happened last, for who reads of a broken promise.

use super::clock::Time;
use super::plan::Plan;
use super::shrink;
use offhook::machine::command::Reply;
use std::collections::VecDeque;
use std::fmt::Display;
use std::io::Write;

/// The last steps, told when a promise is broken.
pub(crate) struct Trace {
    plan: Plan,
    lines: VecDeque<String>,
}

impl Trace {
    /// A world's, empty.
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { plan: plan.clone(), lines: VecDeque::new() }
    }

    /// Something happens.
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
            // Nowhere to tell of a failure to tell.
            let _told = write!(out, "\nits last steps:\n{lines}\nlive it again: {}\n", self.plan);
        }
    }
}

/// A reply in few words.
pub(crate) fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Call { shown, .. } => format!("call {}", shown.call.id),
        Reply::EndedBeforeStart { call, .. } => format!("call {call} ended unheard"),
        Reply::Message { message, .. } => format!("{} {}", message.id, message.state.word()),
        Reply::Refused(refusal) => format!("refused: {}", refusal.code.word()),
        Reply::Started { message } => format!("{} started", message.id),
        other => format!("{other:?}"),
    }
}
