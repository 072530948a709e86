//! A failure, made small: fewer steps and fewer moods, as long as the same promise is broken.

use super::plan::Plan;
use super::world::live;
use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Worlds lived to make one failure smaller.
const TRIES_MAX: u32 = 60;

thread_local! {
    /// Failures on this thread are looked for, and not told.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether failures on this thread are not to be told.
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}

/// Lives the plan and says what was met, or what was broken, without a word to anybody else.
pub(crate) fn lived(plan: &Plan) -> Result<BTreeSet<&'static str>, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_quiet() {
                tell(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| live(plan)));
    QUIET.set(false);
    outcome.map_err(|why| said(why.as_ref()))
}

fn said(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The smallest plan found that breaks what this one breaks.
pub(crate) fn smallest(plan: &Plan, why: &str) -> Plan {
    let mut tries = TRIES_MAX;
    let mut fails = |plan: &Plan| {
        let tried = tries.checked_sub(1);
        tries = tried.unwrap_or(0);
        tried.is_some() && lived(plan).is_err_and(|other| promise(&other) == promise(why))
    };
    let mut plan = fewer_steps(plan.clone(), &mut fails);
    for behaviour in plan.one_less() {
        let less = plan.and_without(behaviour);
        if fails(&less) {
            plan = less;
        }
    }
    fewer_steps(plan, &mut fails)
}

/// What a message is about, without its numbers.
fn promise(why: &str) -> &str {
    why.split(" is broken").next().unwrap_or_default().split(|c: char| c.is_ascii_digit()).next().unwrap_or_default()
}

/// A life that ends earlier need not fail where a longer one does, so this finds a short one, not the shortest.
pub(crate) fn fewer_steps(mut plan: Plan, fails: &mut impl FnMut(&Plan) -> bool) -> Plan {
    let mut passes = 0;
    while plan.steps - passes > 1 {
        let half = plan.for_steps(passes + (plan.steps - passes) / 2);
        if fails(&half) {
            plan = half;
        } else {
            passes = half.steps;
        }
    }
    plan
}
