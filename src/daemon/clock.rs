//! Persists the journal's time together with the steady clock, for the next process.
//!
//! Within one boot the steady clock runs on while no gateway does, so a wall clock that was set meanwhile is
//! detected. After another boot the elapsed time is unknown: the wall clock is followed at once, so that calls and
//! texts continue, and if it is far past the journal's time it is treated as suspect for ten minutes.

use crate::engine::{Clock as _, STEP_MAX, WallClock};
use crate::model::Timestamp;
use crate::observe::{self, Readiness};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(1);

/// How often the time is saved, in comparisons. Gradual clock corrections between two saves are negligible.
const NOTE_EVERY: u32 = 10;

/// Tolerated difference between the journal's time and the system clock, in milliseconds.
const OFFSET_MAX_MS: u64 = 1_000;

/// Changes with each boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The clock of a starting process, for a journal that ends at `last`.
pub(super) fn begin(data_dir: &Path, last: Option<Timestamp>) -> WallClock {
    let noted = std::fs::read_to_string(data_dir.join("clock")).ok();
    let known = noted.as_deref().zip(boot().as_deref()).and_then(|(noted, boot)| read(noted, boot));
    let mut clock = match known {
        Some(Noted { at, steady, untrusted_until }) => WallClock::since(at, steady).untrusted_until(untrusted_until),
        None => {
            let rest = last.map_or(Duration::ZERO, |last| WallClock::new().now().since(last));
            if rest > STEP_MAX {
                observe::clock_untrusted(rest);
                WallClock::after_unknown_downtime().after_downtime()
            } else {
                WallClock::new().after_downtime()
            }
        }
    };
    if let Some(last) = last {
        clock.not_before(last);
    }
    clock
}

/// When the last process was seen to run: the time that it saved, in whatever boot. `None` if it saved nothing.
pub(super) fn last_noted(data_dir: &Path) -> Option<Timestamp> {
    let noted = std::fs::read_to_string(data_dir.join("clock")).ok()?;
    let boot = noted.split(' ').next()?;
    read(&noted, boot).map(|noted| noted.at)
}

/// Compares the clocks until `stop`, and saves the time.
pub(super) async fn watch(mut clock: WallClock, data_dir: PathBuf, readiness: Readiness, stop: CancellationToken) {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut suspect, mut differs) = (false, false);
    for count in 0_u32.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        differs = report_offset(clock.offset_ms(), differs, &readiness);
        suspect = compare(&mut clock, suspect);
        if count % NOTE_EVERY == 0 {
            let ((at, steady), untrusted_until) = (clock.last(), clock.trusted_at());
            let (data_dir, noted) = (data_dir.clone(), Noted { at, steady, untrusted_until });
            let noting = tokio::task::spawn_blocking(move || note(&data_dir, noted));
            tokio::select! {
                () = stop.cancelled() => return,
                // If saving fails, the previous value is still good enough.
                _noted = noting => {}
            }
        }
    }
}

/// Reports the difference between the journal's time and the system clock. More than a second becomes a readiness
/// note, and is logged once; `differs` is the previous result. Returns whether it differs.
fn report_offset(offset_ms: i64, differs: bool, readiness: &Readiness) -> bool {
    observe::clock_offset(offset_ms);
    let is_far = offset_ms.unsigned_abs() > OFFSET_MAX_MS;
    let side = if offset_ms > 0 { "ahead of" } else { "behind" };
    let secs = offset_ms.unsigned_abs() / 1_000;
    let note = format!("the journal's time is {secs} s {side} the system clock: check the system clock");
    readiness.note("clock", is_far.then_some(&note));
    if is_far != differs {
        observe::clock_differs(is_far.then_some(offset_ms));
    }
    is_far
}

/// Reports a suspect wall clock once; `suspect` is the previous result. Returns whether it is suspect.
fn compare(clock: &mut WallClock, suspect: bool) -> bool {
    let ahead = clock.ahead();
    observe::clock_ahead(ahead.unwrap_or_default());
    match (clock.jumped(), ahead) {
        (Some(step), _) => observe::clock_accepted(step.to.since(step.from)),
        (None, Some(ahead)) if !suspect => observe::clock_suspect(ahead),
        (None, None) if suspect => observe::clock_set_right(),
        (None, _) => {}
    }
    ahead.is_some()
}

/// What a process saves for the next one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Noted {
    /// The journal's time.
    at: Timestamp,
    /// The steady clock at that time.
    steady: Duration,
    /// The steady clock at which the time is no longer suspect.
    untrusted_until: Option<Duration>,
}

/// Not synced: after a crash of the machine the boot id differs anyway. The length is constant, so that the file is
/// overwritten in place, which works on a full disk too.
fn note(data_dir: &Path, Noted { at, steady, untrusted_until }: Noted) -> io::Result<()> {
    let Some(boot) = boot() else { return Ok(()) };
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(data_dir.join("clock"))?;
    let untrusted_until = untrusted_until.unwrap_or_default().as_millis();
    let line = format!("{boot} {:020} {:020} {untrusted_until:020}\n", steady.as_millis(), at.as_ms());
    file.write_all_at(line.as_bytes(), 0)
}

/// The saved values, if they are from this boot.
fn read(noted: &str, boot: &str) -> Option<Noted> {
    let mut words = noted.strip_suffix('\n')?.split(' ');
    let of_this_boot = words.next()? == boot;
    let mut number = || words.next()?.parse::<u64>().ok();
    let (steady, at, untrusted_until) = (number()?, number()?, number()?);
    (of_this_boot && words.next().is_none()).then(|| Noted {
        at: Timestamp::from_ms(at),
        steady: Duration::from_millis(steady),
        untrusted_until: Some(untrusted_until).filter(|until| *until > 0).map(Duration::from_millis),
    })
}

/// The id of this boot; `None` if the system has none.
fn boot() -> Option<String> {
    Some(std::fs::read_to_string(BOOT_ID).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn g13_saved_time_is_used_in_the_same_boot_only() {
        let noted = "a-boot 00000000000000001500 00000001767225600000 00000000000000000000\n";
        let (at, steady) = (Timestamp::from_ms(1_767_225_600_000), Duration::from_millis(1_500));
        assert_eq!(read(noted, "a-boot"), Some(Noted { at, steady, untrusted_until: None }));
        assert_eq!(read(noted, "another-boot"), None);
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(last_noted(directory.path()), None);
        std::fs::write(directory.path().join("clock"), noted).unwrap();
        assert_eq!(last_noted(directory.path()), Some(at), "in whatever boot");
        let untrusted = "a-boot 1500 1767225600000 601500\n";
        let untrusted_until = Some(Duration::from_millis(601_500));
        assert_eq!(read(untrusted, "a-boot"), Some(Noted { at, steady, untrusted_until }));
        for torn in
            ["", "\n", "a-boot", "a-boot 1500", "a-boot 1 2", "a-boot 1 2 3", "a-boot 1 2 3 4\n", "a-boot x 2 3\n"]
        {
            assert_eq!(read(torn, "a-boot"), None, "{torn:?}");
        }
    }

    #[test]
    fn g13_new_process_continues_the_time_although_the_wall_clock_was_set() {
        let directory = tempfile::tempdir().unwrap();
        let wall = begin(directory.path(), None).now();
        assert!(wall.since(WallClock::new().now()) < DAY && begin(directory.path(), None).ahead().is_none());

        // The previous process had another time: the wall clock has been set forward by a day since.
        let (_, steady) = WallClock::new().last();
        for _ in 0..2 {
            note(directory.path(), Noted { at: wall - DAY, steady, untrusted_until: None }).unwrap();
        }
        let mut clock = begin(directory.path(), Some(wall - DAY));
        assert!(clock.now().since(wall - DAY) < Duration::from_secs(60));
        assert!(clock.ahead().is_some_and(|ahead| ahead.abs_diff(DAY) < Duration::from_secs(60)));
        // The journal is known to be ahead, so time continues from there.
        clock.not_before(wall);
        assert!(clock.now() >= wall);
    }

    #[test]
    fn g13_after_a_reboot_a_wall_clock_far_past_the_journal_is_suspect() {
        let directory = tempfile::tempdir().unwrap();
        let wall = WallClock::new().now();
        for (last, untrusted) in
            [(None, false), (Some(wall - Duration::from_secs(60)), false), (Some(wall - DAY), true)]
        {
            let mut clock = begin(directory.path(), last);
            assert_eq!(clock.is_untrusted(), untrusted, "{last:?}");
            assert!(clock.now() >= wall, "calls and texts go by it at once");
            let (at, steady) = clock.last();
            // The same for a process started in the meantime.
            let noted = Noted { at, steady, untrusted_until: clock.trusted_at() };
            note(directory.path(), noted).unwrap();
            assert_eq!(begin(directory.path(), Some(at)).is_untrusted(), untrusted);
            std::fs::remove_file(directory.path().join("clock")).unwrap();
        }
    }

    #[test]
    fn f24_journal_ahead_of_the_clock_is_reported() {
        let metrics = observe::install();
        let (directory, readiness) = (tempfile::tempdir().unwrap(), Readiness::new());
        let last = WallClock::new().now() + Duration::from_secs(3_600);
        let mut clock = begin(directory.path(), Some(last));
        assert!(report_offset(clock.offset_ms(), false, &readiness));
        assert_eq!(readiness.notes().len(), 1);
        let note = "clock: the journal's time is 3600 s ahead of the system clock: check the system clock";
        assert!(readiness.notes()[0] == note || readiness.notes()[0] == note.replace("3600", "3599"));
        let shown = metrics.render();
        let line = shown.lines().find_map(|line| line.strip_prefix("offhook_clock_offset_seconds ")).unwrap();
        assert!((3_590.0..3_601.0).contains(&line.parse::<f64>().unwrap()), "{line}");

        // It is correct again, and then behind.
        assert!(!report_offset(-1_000, true, &readiness));
        assert_eq!(readiness.notes(), [""; 0]);
        assert!(report_offset(-2_500, false, &readiness));
        assert!(readiness.notes()[0].contains("is 2 s behind the system clock"), "{:?}", readiness.notes());
    }

    #[test]
    fn g13_suspect_wall_clock_is_reported_once_and_counted() {
        let metrics = observe::install();
        let (now, steady) = WallClock::new().last();
        let mut clock = WallClock::since(now - DAY, steady);
        clock.now();
        assert!(compare(&mut clock, false));
        assert!(compare(&mut clock, true));
        assert!(metrics.render().contains("offhook_clock_jumps_total 1\n"), "{}", metrics.render());
    }
}
