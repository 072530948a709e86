//! G3: the power goes. The data lies on a disk of its own, an ext4 file system in a file; at any moment the gateway is held
//! still, the file is copied, and everything goes on from the copy. What the system had not brought to the disk is lost.

use crate::ending::{judge, judge_the_journal};
use crate::kills::Moments;
use crate::load::{Load, world};
use crate::process::{Gateway, Home, binary, quiet, skipped};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// How often the power goes unless `OFFHOOK_IMAGES` says otherwise.
const IMAGES: usize = 5;

/// It goes so long after the gateway is ready.
const AFTER_READY_MS: u64 = 700;

/// What the disk has room for. It takes none of that until it is written.
const DISK: &str = "4G";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g3_what_the_disk_has_when_the_power_goes_is_everything_that_was_acknowledged() {
    let images: usize =
        std::env::var("OFFHOOK_IMAGES").map_or(IMAGES, |text| text.parse().expect("OFFHOOK_IMAGES is a count"));
    let world = world().await;
    let disk = match Disk::make(&world.home) {
        Ok(disk) => disk,
        Err(why) => return skipped(&format!("g3, images of the disk: {why}")),
    };
    let began = Instant::now();
    // From 300 bytes to 60 kB: a body of more than 64 kB finds the carriers' door closed.
    let load = Load::of_long_texts(&world);
    let mut moments = Moments::new(0x0ff4_0003);
    for nth in 0..images {
        let mut gateway = in_boot(&world.home, nth);
        gateway.ready().await;
        moments.wait(AFTER_READY_MS).await;
        gateway.signal("STOP");
        let image = disk.copy();
        gateway.kill();
        disk.becomes(&image);
    }
    let mut gateway = in_boot(&world.home, images);
    gateway.ready().await;
    let promised = load.end().await;
    let summary = judge(&world, &promised, images).await;
    println!("the power went {images} times in {:.1?}: {summary:?}", began.elapsed());
    assert!(promised.acknowledged > 50, "there was hardly any load: {summary:?}");
    assert!(gateway.terminate().await.success());
    // For this reason, or because so little of the index was on the disk that it looks like another version's.
    let log = world.home.log();
    let rebuilt: usize =
        ["unclean_stop", "other_version"].map(|why| log.matches(&format!("why=\"{why}\"")).count()).iter().sum();
    assert!(rebuilt > 0, "no start saw that the machine had stopped:\n{}", world.home.log());
    judge_the_journal(&world);
}

/// Starts a gateway that sees another boot of the machine than those before it: the name of the boot is what tells it
/// that the index may be torn.
fn in_boot(home: &Home, nth: usize) -> Gateway {
    let name = home.write("boot_id", &format!("00000000-0000-4000-8000-{nth:012}\n"));
    let script = "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"";
    let mut command = Command::new("unshare");
    quiet(&mut command).args(["--mount", "sh", "-c", script]).arg(name).arg(binary());
    home.start_by(command, &home.path("offhook.toml"))
}

/// The file system under the data. It is unmounted when dropped, however the test ends.
struct Disk {
    image: PathBuf,
    data: PathBuf,
}

impl Disk {
    /// An empty one, mounted where the data will be, or why that cannot be had.
    fn make(home: &Home) -> Result<Self, String> {
        let disk = Self { image: home.path("disk"), data: home.data() };
        fs::create_dir(&disk.data).map_err(|error| error.to_string())?;
        run(Command::new("truncate").args(["--size", DISK]).arg(&disk.image))?;
        // Few inodes, so that their tables are small and written at once, and not later by a thread of the kernel.
        let options = ["-q", "-F", "-N", "4096", "-J", "size=16", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
        run(Command::new("mkfs.ext4").args(options).arg(&disk.image))?;
        run(Command::new("unshare").args(["--mount", "true"]))?;
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).args([&self.image, &self.data]))
    }

    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(&self.data))
    }

    /// What is on the disk now. Who writes to it is to be held still.
    fn copy(&self) -> PathBuf {
        let copy = self.image.with_extension("copy");
        run(Command::new("cp").arg("--sparse=always").args([&self.image, &copy])).unwrap();
        copy
    }

    /// The machine comes back with that on its disk.
    fn becomes(&self, copy: &Path) {
        self.unmount().unwrap();
        fs::rename(copy, &self.image).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Where something still holds it, it goes when that ends. An error is a disk that is not mounted.
        let _unmounted = self.unmount().or_else(|_| run(Command::new("umount").arg("--lazy").arg(&self.data)));
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output.status.success().then_some(()).ok_or(said)
}
