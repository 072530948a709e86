//! What time it was by the journal when the steady clock showed what, noted for the next process.
//!
//! In one boot of the machine the steady clock goes on whatever becomes of us, so a wall that was set while no gateway ran
//! is found out as if one had run. After another boot nobody can say how long it was, and the wall is believed.

use crate::engine::{Clock as _, WallClock};
use crate::model::Timestamp;
use crate::observe;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How often the clocks are compared.
const EVERY: Duration = Duration::from_secs(1);

/// How often the time is noted, in comparisons. Between two notes a wall that is corrected little by little moves by
/// nothing that counts.
const NOTE_EVERY: u32 = 10;

/// What changes with each boot of the machine.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The clock of a process that begins.
pub(super) fn begin(data_dir: &Path) -> WallClock {
    let noted = std::fs::read_to_string(data_dir.join("clock")).ok();
    let known = noted.as_deref().zip(boot().as_deref()).and_then(|(noted, boot)| read(noted, boot));
    known.map_or_else(WallClock::new, |(at, steady)| WallClock::since(at, steady))
}

/// Compares the clocks until `stop`, and notes the time.
pub(super) async fn watch(mut clock: WallClock, data_dir: PathBuf, stop: CancellationToken) {
    let mut every = interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stands = false;
    for count in 0_u32.. {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = every.tick() => {}
        }
        clock.now();
        stands = compare(&mut clock, stands);
        if count % NOTE_EVERY == 0 {
            let (data_dir, (at, steady)) = (data_dir.clone(), clock.last());
            let noting = tokio::task::spawn_blocking(move || note(&data_dir, at, steady));
            tokio::select! {
                () = stop.cancelled() => return,
                // Where it cannot be noted, the note before is as good.
                _noted = noting => {}
            }
        }
    }
}

/// Tells of a wall that is ahead and not believed, once; `stands` says whether it was before. Returns whether it is.
fn compare(clock: &mut WallClock, stands: bool) -> bool {
    let ahead = clock.ahead();
    observe::clock_ahead(ahead.unwrap_or_default());
    match (clock.jumped(), ahead) {
        (Some(step), _) => observe::clock_believed(step.to.since(step.from)),
        (None, Some(ahead)) if !stands => observe::clock_suspect(ahead),
        (None, None) if stands => observe::clock_set_right(),
        (None, _) => {}
    }
    ahead.is_some()
}

/// Not synced: a machine that stops has another boot id when it is back. And always as long, so that it is written over in
/// one piece, for which a full disk has room, too.
fn note(data_dir: &Path, at: Timestamp, steady: Duration) -> io::Result<()> {
    let Some(boot) = boot() else { return Ok(()) };
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(data_dir.join("clock"))?;
    file.write_all_at(format!("{boot} {:020} {:020}\n", steady.as_millis(), at.as_ms()).as_bytes(), 0)
}

/// The journal's time and the steady clock's, where they were noted in this boot.
fn read(noted: &str, boot: &str) -> Option<(Timestamp, Duration)> {
    let mut words = noted.strip_suffix('\n')?.split(' ');
    let of_this_boot = words.next()? == boot;
    let steady = words.next()?.parse().ok()?;
    let at = words.next()?.parse().ok()?;
    (of_this_boot && words.next().is_none()).then(|| (Timestamp::from_ms(at), Duration::from_millis(steady)))
}

/// Which boot of the machine this is; nothing where the system does not say.
fn boot() -> Option<String> {
    Some(std::fs::read_to_string(BOOT_ID).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn g13_what_is_noted_is_read_again_in_the_same_boot_only() {
        let noted = "a-boot 00000000000000001500 00000001767225600000\n";
        assert_eq!(read(noted, "a-boot"), Some((Timestamp::from_ms(1_767_225_600_000), Duration::from_millis(1_500))));
        assert_eq!(read(noted, "another-boot"), None);
        for torn in ["", "\n", "a-boot", "a-boot 1500", "a-boot 1500 17672256", "a-boot 1 2 3\n", "a-boot x 2\n"] {
            assert_eq!(read(torn, "a-boot"), None, "{torn:?}");
        }
    }

    #[test]
    fn g13_a_process_that_begins_goes_on_with_the_time_of_the_one_before_though_the_wall_was_set() {
        let directory = tempfile::tempdir().unwrap();
        let wall = begin(directory.path()).now();
        assert!(wall.since(WallClock::new().now()) < DAY && begin(directory.path()).ahead().is_none());

        // The process before had another idea of what time it is: the wall was set forward by a day since.
        let (_, steady) = WallClock::new().last();
        for _ in 0..2 {
            note(directory.path(), wall - DAY, steady).unwrap();
        }
        let mut clock = begin(directory.path());
        assert!(clock.now().since(wall - DAY) < Duration::from_secs(60));
        assert!(clock.ahead().is_some_and(|ahead| ahead.abs_diff(DAY) < Duration::from_secs(60)));
        // The journal is known to be further on, and there it goes on.
        clock.not_before(wall);
        assert!(clock.now() >= wall);
    }

    #[test]
    fn g13_a_wall_that_is_ahead_is_told_of_once_and_counted() {
        let metrics = observe::install();
        let (now, steady) = WallClock::new().last();
        let mut clock = WallClock::since(now - DAY, steady);
        clock.now();
        assert!(compare(&mut clock, false));
        assert!(compare(&mut clock, true));
        assert!(metrics.render().contains("offhook_clock_jumps_total 1\n"), "{}", metrics.render());
    }
}
