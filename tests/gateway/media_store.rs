//! A media store that does not work for a while: media stay pending, texts go on, and once it works they are ready.

use crate::erase::erase;
use crate::media::{check_served, hex, medium, text};
use crate::media_faults::{assert_stored_exactly, get, of_kind, photo, send, stored, transcript};
use crate::process::{Gateway, Outside, SOON, binary, said, skipped, wire};
use crate::shared::{OURS, OnThePhone, on_the_phone, world};
use bytes::Bytes;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// More than the small disk has.
const SIZE: usize = 300_000;

#[tokio::test(flavor = "multi_thread")]
async fn a51_while_the_stores_folder_is_gone_media_wait_and_texts_go_on() {
    let world = world().await;
    let _gateway = world.start().await;
    let (store, away) = (world.home.data().join("media"), world.home.path("media.away"));
    let story = Story::begin(&world).await;
    fs::rename(&store, &away).unwrap();
    story.waits(&world, "is not a folder").await;
    assert!(!store.exists(), "no other folder is made in its place");
    let answer = get(&world, &story.kept).await;
    assert_eq!((answer.status, answer.body.contains("storage_unavailable")), (503, true), "{}", answer.body);
    fs::rename(&away, &store).unwrap();
    story.goes_on(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a51_where_the_stores_folder_cannot_be_created_media_wait_for_it_and_texts_go_on() {
    let world = world().await;
    let (parent, store) = (world.home.path("disk"), world.home.path("disk/media"));
    fs::write(&parent, "a file where the disk should be").unwrap();
    world.home.configure(|text| format!("{text}\n[media]\nstore = {store:?}\n"));
    let _gateway = world.start().await;
    let notes = until(&world, |notes| !notes.is_empty()).await;
    assert!(notes.contains("is not a folder") && notes.contains("create the folder"), "{notes}");
    let caller = on_the_phone(&world).await;
    let file = photo(0, SIZE);
    send(&world, &caller, vec![medium("image/jpeg", &file)]).await;
    of_kind(&world, &caller, "message.received", 1).await;
    fs::remove_file(&parent).unwrap();
    fs::create_dir_all(&store).unwrap();
    of_kind(&world, &caller, "media.ready", 1).await;
    let id = text(&transcript(&world, &caller).await[0]["media"][0]["id"]);
    check_served(&world, &id, "image/jpeg", &file).await;
    assert_eq!(until(&world, str::is_empty).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a51_while_the_store_is_read_only_media_wait_and_texts_go_on() {
    let world = world().await;
    let Some(_gateway) = without_roots_rights(&world).await else { return };
    let store = world.home.data().join("media");
    let story = Story::begin(&world).await;
    let locked = Locked::lock(&store);
    story.waits(&world, "refuses access").await;
    check_served(&world, &story.kept, "image/jpeg", &story.files[0]).await;
    drop(locked);
    story.goes_on(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a51_while_the_store_is_full_media_wait_and_texts_go_on() {
    let world = world().await;
    let store = world.home.path("disk");
    fs::create_dir(&store).unwrap();
    let Some(_disk) = SmallDisk::mount(&store) else { return };
    world.home.configure(|text| format!("{text}\n[media]\nstore = {store:?}\n"));
    let _gateway = world.start().await;
    let story = Story::begin(&world).await;
    fs::write(store.join("other"), vec![1; 2 * SIZE]).unwrap_err();
    story.waits(&world, "is full").await;
    fs::remove_file(store.join("other")).unwrap();
    story.goes_on_in(&world, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a51_a_restart_while_the_store_is_gone_is_survived_and_loses_no_medium() {
    let world = world().await;
    let gateway = world.start().await;
    let (store, away) = (world.home.data().join("media"), world.home.path("media.away"));
    let story = Story::begin(&world).await;
    fs::rename(&store, &away).unwrap();
    story.waits(&world, "is not a folder").await;
    gateway.kill();
    fs::rename(&away, &store).unwrap();
    let _gateway = world.start().await;
    story.goes_on(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_an_erasure_on_a_stopped_gateway_deletes_media_before_it_ends() {
    let world = world().await;
    let (ann, files) = ann_and_bob_stopped(&world).await;
    let erased = erase(&world, &ann.number.to_string());
    assert_eq!(erased.status.code(), Some(0), "{}", said(&erased));
    assert_eq!(stored(&world.home.data().join("media")), [hex(&files[1])].into(), "Bob's is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_an_erasure_on_a_stopped_gateway_waits_for_a_store_that_is_gone() {
    let world = world().await;
    let (ann, files) = ann_and_bob_stopped(&world).await;
    let (store, away) = (world.home.data().join("media"), world.home.path("media.away"));
    fs::rename(&store, &away).unwrap();
    for _ in 0..2 {
        let failed = erase(&world, &ann.number.to_string());
        let said = said(&failed);
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(said.contains("create the folder") && said.contains("run the erasure again"), "{said}");
        assert!(!store.exists(), "no other folder is made in its place");
    }
    // A file in its place is refused before anything is erased.
    fs::write(&store, "a file").unwrap();
    let refused = erase(&world, &ann.number.to_string());
    assert!(said(&refused).contains("is a file: use a folder"), "{}", said(&refused));
    fs::remove_file(&store).unwrap();
    fs::rename(&away, &store).unwrap();
    // The start completes it; nobody asks again.
    let gateway = world.start().await;
    assert_stored_exactly(&store, [&files[1]]).await;
    gateway.kill();
    let again = erase(&world, &ann.number.to_string());
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_an_erasure_on_a_stopped_gateway_says_what_to_do_about_a_read_only_store() {
    let world = world().await;
    let (ann, files) = ann_and_bob_stopped(&world).await;
    let store = world.home.data().join("media");
    let Some(mut command) = command_without_roots_rights(&world) else { return };
    let file = world.home.path("offhook.toml");
    command.args(["erase", &ann.number.to_string(), "--config"]).arg(&file);
    let locked = Locked::lock(&store);
    let failed = command.output().unwrap();
    drop(locked);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));
    assert!(said(&failed).contains("make the folder and all in it the gateway's own"), "{}", said(&failed));
    assert_eq!(stored(&store).len(), 2);
    let again = erase(&world, &ann.number.to_string());
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    assert_eq!(stored(&store), [hex(&files[1])].into());
}

/// Two callers, each with a medium in the store, whose calls have ended; the gateway is stopped.
async fn ann_and_bob_stopped(world: &Outside) -> (OnThePhone, [Bytes; 2]) {
    let gateway = world.start().await;
    let (ann, bob) = (on_the_phone(world).await, on_the_phone(world).await);
    let files = [photo(0, SIZE), photo(1, SIZE)];
    for (caller, bytes) in [&ann, &bob].into_iter().zip(&files) {
        send(world, caller, vec![medium("image/jpeg", bytes)]).await;
        of_kind(world, caller, "media.ready", 1).await;
        caller.hangs_up(world).await;
    }
    world.carrier.wait_for_receipts(SOON).await.unwrap();
    assert_eq!(gateway.terminate().await.code(), Some(0));
    assert_eq!(stored(&world.home.data().join("media")), files.iter().map(|bytes| hex(bytes)).collect());
    (ann, files)
}

/// A caller with a medium that is stored, and one that is sent while the store does not work.
struct Story {
    caller: OnThePhone,
    files: [Bytes; 2],
    /// The id of the first.
    kept: String,
}

impl Story {
    async fn begin(world: &Outside) -> Self {
        let caller = on_the_phone(world).await;
        let files = [photo(0, SIZE), photo(1, SIZE)];
        send(world, &caller, vec![medium("image/jpeg", &files[0])]).await;
        of_kind(world, &caller, "media.ready", 1).await;
        let kept = text(&transcript(world, &caller).await[0]["media"][0]["id"]);
        Self { caller, files, kept }
    }

    /// The second medium waits, a note says why in these words, and texts go to and fro.
    async fn waits(&self, world: &Outside, why: &str) {
        send(world, &self.caller, vec![medium("image/jpeg", &self.files[1])]).await;
        let notes = until(world, |notes| !notes.is_empty()).await;
        assert!(notes.starts_with("media: ") && notes.contains(why) && notes.contains("stay pending"), "{notes}");
        let phone = world.carrier.phone(self.caller.number);
        assert!(phone.text(OURS.parse().unwrap(), "can you see it?").await.acknowledged());
        of_kind(world, &self.caller, "message.received", 3).await;
        let sent = world.client.send_text(&self.caller.call, "not yet", "a-1").await.unwrap();
        assert_eq!(sent.status, 202, "{}", sent.json);
        phone.wait_for_text(SOON, |text| text == "not yet").await.unwrap();
        let pending = &transcript(world, &self.caller).await[1]["media"][0];
        assert_eq!(pending["state"], "pending");
        assert_eq!(get(world, &text(&pending["id"])).await.status, 409);
    }

    async fn goes_on(&self, world: &Outside) {
        self.goes_on_in(world, &world.home.data().join("media")).await;
    }

    /// The second medium becomes ready, announced once, and the note is gone.
    async fn goes_on_in(&self, world: &Outside, store: &Path) {
        let events = of_kind(world, &self.caller, "media.", 2).await;
        assert!(events.iter().all(|event| event["type"] == "media.ready") && events.len() == 2, "{events:?}");
        for (nth, bytes) in self.files.iter().enumerate() {
            let id = text(&transcript(world, &self.caller).await[nth]["media"][0]["id"]);
            check_served(world, &id, "image/jpeg", bytes).await;
        }
        assert_eq!(until(world, str::is_empty).await, "");
        assert_stored_exactly(store, &self.files).await;
    }
}

/// The notes of `/readyz`, once they fit. It is ready all the while.
async fn until(world: &Outside, fits: impl Fn(&str) -> bool) -> String {
    let until = Instant::now() + SOON;
    loop {
        let answer = wire::get(world.home.doors.ops, "/readyz").await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let document: Value = serde_json::from_str(&answer.body).unwrap();
        let notes = document["notes"][0].as_str().unwrap_or_default().to_owned();
        if fits(&notes) {
            return notes;
        }
        assert!(Instant::now() < until, "{}\n{}", answer.body, world.home.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A folder that may not be written, until it is dropped.
struct Locked(Vec<PathBuf>);

impl Locked {
    fn lock(folder: &Path) -> Self {
        let below = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let folders: Vec<PathBuf> = below.filter(|path| path.is_dir()).chain([folder.to_owned()]).collect();
        folders.iter().for_each(|path| fs::set_permissions(path, Permissions::from_mode(0o500)).unwrap());
        Self(folders)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        self.0.iter().for_each(|path| fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap());
    }
}

/// Starts a gateway to which a folder's mode applies.
async fn without_roots_rights(world: &Outside) -> Option<Gateway> {
    let command = command_without_roots_rights(world)?;
    let mut gateway = world.home.start_by(command, &world.home.path("offhook.toml"));
    gateway.ready().await;
    Some(gateway)
}

/// The binary as somebody to whom a folder's mode applies, which it does not to root.
fn command_without_roots_rights(world: &Outside) -> Option<Command> {
    let probe = world.home.path("probe");
    fs::create_dir(&probe).unwrap();
    let locked = Locked::lock(&probe);
    let is_bound = fs::write(probe.join("file"), "").is_err();
    drop(locked);
    let mut command = Command::new(binary());
    if !is_bound {
        let without = "--bounding-set=-dac_override,-dac_read_search";
        if !Command::new("setpriv").args([without, "true"]).status().is_ok_and(|status| status.success()) {
            skipped("a read-only media store: it takes another user than root, or setpriv");
            return None;
        }
        command = Command::new("setpriv");
        command.arg(without).arg(binary());
    }
    Some(command)
}

/// A tmpfs with room for one of the media; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=800k", "tmpfs"]).arg(path).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(path.to_owned()));
        }
        skipped("a full media store: a tmpfs cannot be mounted here, run it as root");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The gateway may be at work there still.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
