//! Shrinks a failure: fewer steps and fewer behaviours, as long as the same invariant is violated.

use super::plan::Plan;
use super::world::run;
use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Maximum runs to shrink one failure.
const TRIES_MAX: u32 = 60;

thread_local! {
    /// Panics on this thread are expected and not printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Whether panics on this thread are not printed.
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}

/// Runs the plan. Returns what it covered, or the violation, without printing.
pub(crate) fn try_run(plan: &Plan) -> Result<BTreeSet<&'static str>, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !is_quiet() {
                print(info);
            }
        }));
    });
    QUIET.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| run(plan)));
    QUIET.set(false);
    outcome.map_err(|why| panic_text(why.as_ref()))
}

fn panic_text(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().cloned();
    text.or_else(|| why.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The smallest plan found that violates the same invariant.
pub(crate) fn smallest(plan: &Plan, why: &str) -> Plan {
    let mut tries = TRIES_MAX;
    let mut fails = |plan: &Plan| {
        let left = tries.checked_sub(1);
        tries = left.unwrap_or(0);
        left.is_some() && try_run(plan).is_err_and(|other| invariant(&other) == invariant(why))
    };
    let mut plan = fewer_steps(plan.clone(), &mut fails);
    for behaviour in plan.included() {
        let less = plan.and_without(behaviour);
        if fails(&less) {
            plan = less;
        }
    }
    fewer_steps(plan, &mut fails)
}

/// The violated invariant of a panic's text, without numbers.
fn invariant(why: &str) -> &str {
    why.split(" is violated").next().unwrap_or_default().split(|c: char| c.is_ascii_digit()).next().unwrap_or_default()
}

/// Bisects the steps. Failing is not monotonic in the steps, so this finds a short plan, not the shortest.
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
