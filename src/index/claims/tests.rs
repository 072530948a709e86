use super::*;
use std::fs::OpenOptions;

const JOURNAL: [u8; 16] = [7; 16];
const DAY: Day = Day(20_000);

fn message(n: u64) -> Claim {
    Claim { account: "main".into(), carrier_id: format!("SM{n:032x}"), kind: ClaimKind::Message }
}

fn open(dir: &Path, today: Day) -> Claims {
    Claims::open(dir, JOURNAL, today, CLAIMS_MAX).unwrap()
}

/// Message `n` in frame `n`, ten to a batch, all on `day`.
fn insert(claims: &mut Claims, messages: std::ops::RangeInclusive<u64>, day: Day) {
    let last = *messages.end();
    for n in messages {
        claims.insert(&message(n), Position(n));
        if n % 10 == 0 || n == last {
            claims.flush_batch(Position(n), day).unwrap();
        }
    }
}

fn found(claims: &Claims, n: u64) -> Vec<Position> {
    claims.find(&message(n)).collect()
}

#[track_caller]
fn assert_found(claims: &Claims, messages: std::ops::RangeInclusive<u64>) {
    for n in messages {
        assert_eq!(found(claims, n), [Position(n)], "message {n}");
    }
}

#[test]
fn a53_only_an_inserted_claim_is_found_at_its_position() {
    let mut claims = Claims::in_memory([1; 16], CLAIMS_MAX);
    insert(&mut claims, 1..=1_000, DAY);
    assert_found(&claims, 1..=1_000);
    assert_eq!(found(&claims, 1_001), []);
    assert_eq!((claims.len(), claims.applied()), (1_000, Position(1_000)));
}

#[test]
fn a62_account_id_kind_and_status_each_make_another_claim() {
    let mut claims = Claims::in_memory([1; 16], CLAIMS_MAX);
    let receipt = |status: &str| Claim { kind: ClaimKind::Receipt { status: status.into() }, ..message(1) };
    let different = [
        message(1),
        Claim { account: "other".into(), ..message(1) },
        Claim { account: "mainS".into(), carrier_id: message(1).carrier_id[1..].into(), ..message(1) },
        Claim { kind: ClaimKind::Quarantine, ..message(1) },
        receipt("sent"),
        receipt("delivered"),
    ];
    for (n, claim) in (1..).zip(&different) {
        assert_eq!(claims.find(claim).next(), None, "{claim:?}");
        claims.insert(claim, Position(n));
        assert_eq!(claims.find(claim).collect::<Vec<_>>(), [Position(n)]);
    }
}

#[test]
fn two_claims_with_one_fingerprint_are_both_candidates() {
    let mut claims = Claims::in_memory([1; 16], CLAIMS_MAX);
    // One claim in two frames stands in for two claims that collide.
    claims.insert(&message(1), Position(1));
    claims.insert(&message(1), Position(2));
    let mut candidates = found(&claims, 1);
    candidates.sort_unstable();
    assert_eq!(candidates, [Position(1), Position(2)]);
}

#[test]
fn g5_claims_survive_both_a_clean_stop_and_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut claims = open(dir.path(), DAY);
    insert(&mut claims, 1..=95, DAY);
    claims.insert(&message(96), Position(96));
    drop(claims);
    let mut claims = open(dir.path(), DAY);
    assert_eq!(claims.applied(), Position(95));
    assert_found(&claims, 1..=95);
    assert_eq!(found(&claims, 96), [], "not flushed, so it must be restored from the journal");

    insert(&mut claims, 96..=120, DAY);
    claims.flush_batch(Position(130), DAY).unwrap();
    claims.close().unwrap();
    let claims = open(dir.path(), DAY);
    assert_eq!(claims.applied(), Position(130), "ten frames without claims");
    assert_found(&claims, 1..=120);
}

#[test]
fn a_file_is_read_up_to_its_first_damage_and_restored_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut claims = open(dir.path(), DAY);
    insert(&mut claims, 1..=100, DAY);
    drop(claims);
    let path = dir.path().join(DAY.0.to_string());
    let good = fs::read(&path).unwrap();
    let cut = |len: usize| good[..len].to_vec();
    let changed = |at: usize| good.iter().enumerate().map(|(n, byte)| if n == at { !byte } else { *byte }).collect();
    // Ten blocks of 16 + 10 × 16 bytes follow a header of 48.
    let damages: [(Vec<u8>, u64); 9] = [
        (cut(0), 0),
        (cut(47), 0),
        (changed(30), 0),
        (cut(48), 0),
        (cut(good.len() - 1), 90),
        (cut(48 + 3 * 176 + 5), 30),
        (changed(48 + 3 * 176), 30),
        (changed(48 + 3 * 176 + 100), 30),
        (good.iter().enumerate().map(|(n, byte)| if n / 512 == 2 { 0 } else { *byte }).collect(), 50),
    ];
    for (n, (damaged, expected)) in damages.into_iter().enumerate() {
        fs::write(&path, damaged).unwrap();
        let mut claims = open(dir.path(), DAY);
        assert_eq!(claims.applied(), Position(expected), "damage {n}");
        assert_found(&claims, 1..=expected);
        insert(&mut claims, expected + 1..=100, DAY);
        drop(claims);
        assert_eq!(open(dir.path(), DAY).applied(), Position(100));
        assert_found(&open(dir.path(), DAY), 1..=100);
    }
}

#[test]
fn claims_lost_at_the_end_of_a_closed_day_are_detected_and_restored() {
    let dir = tempfile::tempdir().unwrap();
    let mut claims = open(dir.path(), DAY);
    insert(&mut claims, 1..=50, DAY);
    insert(&mut claims, 51..=80, Day(DAY.0 + 1));
    insert(&mut claims, 81..=100, Day(DAY.0 + 2));
    drop(claims);
    let yesterday = dir.path().join(DAY.0.to_string());
    OpenOptions::new().write(true).open(yesterday).unwrap().set_len(48 + 2 * 176).unwrap();

    let today = Day(DAY.0 + 2);
    let mut claims = open(dir.path(), today);
    assert_eq!(claims.applied(), Position(20));
    assert_found(&claims, 1..=20);
    assert_found(&claims, 51..=100);
    drop(claims);
    claims = open(dir.path(), today);
    assert_eq!(claims.applied(), Position(20), "still to be restored");
    insert(&mut claims, 21..=101, today);
    drop(claims);
    claims = open(dir.path(), today);
    assert_eq!((claims.applied(), claims.len()), (Position(101), 101));
    assert_found(&claims, 1..=101);
}

#[test]
fn claims_are_restored_when_the_oldest_file_has_an_invalid_header() {
    let dir = tempfile::tempdir().unwrap();
    let tomorrow = Day(DAY.0 + 1);
    let mut claims = open(dir.path(), DAY);
    insert(&mut claims, 1..=50, DAY);
    insert(&mut claims, 51..=80, tomorrow);
    drop(claims);
    fs::write(dir.path().join(DAY.0.to_string()), [0; 300]).unwrap();
    for _ in 0..2 {
        let claims = open(dir.path(), tomorrow);
        assert_eq!((claims.applied(), claims.len()), (Position(0), 30));
        assert_found(&claims, 51..=80);
    }
    insert(&mut open(dir.path(), tomorrow), 1..=81, tomorrow);
    let claims = open(dir.path(), tomorrow);
    assert_eq!(claims.applied(), Position(81));
    assert_found(&claims, 1..=81);
}

#[test]
fn claims_past_the_end_of_the_journal_are_dropped_permanently() {
    for end in [1, 30, 51, 52, 77, 81, 100] {
        let dir = tempfile::tempdir().unwrap();
        let mut claims = open(dir.path(), DAY);
        insert(&mut claims, 1..=50, DAY);
        insert(&mut claims, 51..=80, Day(DAY.0 + 1));
        insert(&mut claims, 81..=100, Day(DAY.0 + 2));
        claims.retain_before(Position(end)).unwrap();
        for claims in [claims, open(dir.path(), Day(DAY.0 + 2))] {
            assert_eq!((claims.applied(), claims.len() as u64), (Position(end - 1), end - 1));
            assert_found(&claims, 1..=end - 1);
            assert_eq!(found(&claims, end), []);
        }
    }
}

#[test]
fn a_claim_is_kept_for_eight_whole_days() {
    let dir = tempfile::tempdir().unwrap();
    let mut both = [open(dir.path(), DAY), Claims::in_memory([1; 16], CLAIMS_MAX)];
    for claims in &mut both {
        insert(claims, 1..=50, DAY);
        insert(claims, 51..=60, Day(DAY.0 + 3));
        claims.expire(Day(DAY.0 + CLAIM_DAYS)).unwrap();
        assert_found(claims, 1..=60);
        claims.expire(Day(DAY.0 + CLAIM_DAYS + 1)).unwrap();
        assert_eq!(found(claims, 50), []);
        assert_found(claims, 51..=60);
    }
    drop(both);
    assert!(!dir.path().join(DAY.0.to_string()).exists());
    let claims = open(dir.path(), Day(DAY.0 + CLAIM_DAYS + 1));
    assert_eq!(claims.len(), 10);
    drop(claims);
    for _ in 0..2 {
        let claims = open(dir.path(), Day(DAY.0 + 30));
        assert_eq!(found(&claims, 60), []);
        assert_eq!(claims.applied(), Position(60), "dropped, but not to be restored");
    }
}

#[test]
fn many_frames_without_a_claim_are_not_read_again_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut claims = open(dir.path(), DAY);
    insert(&mut claims, 1..=10, DAY);
    claims.flush_batch(Position(10 + CLAIMLESS_FRAMES_MAX - 1), DAY).unwrap();
    assert_eq!(open(dir.path(), DAY).applied(), Position(10));
    claims.flush_batch(Position(10 + CLAIMLESS_FRAMES_MAX), DAY).unwrap();
    assert_eq!(open(dir.path(), DAY).applied(), Position(10 + CLAIMLESS_FRAMES_MAX));
}

#[test]
fn claims_of_another_journal_or_key_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let mut claims = open(dir.path(), DAY);
    insert(&mut claims, 1..=50, DAY);
    drop(claims);
    let other = Claims::open(dir.path(), [8; 16], DAY, CLAIMS_MAX).unwrap();
    assert!(other.len() == 0 && other.applied() == Position(0));

    insert(&mut open(dir.path(), DAY), 1..=50, DAY);
    fs::write(dir.path().join("key"), b"torn").unwrap();
    assert_eq!(open(dir.path(), DAY).len(), 0);
}

#[test]
fn i9_the_oldest_claims_are_dropped_early_when_there_are_too_many() {
    let dir = tempfile::tempdir().unwrap();
    let claims_max = 30_000;
    let mut claims = Claims::open(dir.path(), JOURNAL, DAY, claims_max).unwrap();
    for batch in 0..5_000 {
        insert(&mut claims, batch * 10 + 1..=batch * 10 + 10, DAY);
        // An eighth is freed over 256 batches, during which 2,560 are added here.
        assert!(claims.len() < claims_max + 2_570);
    }
    assert_eq!(found(&claims, 1), []);
    assert_found(&claims, 40_000..=50_000);
    drop(claims);
    let claims = Claims::open(dir.path(), JOURNAL, DAY, claims_max).unwrap();
    assert!(claims.len() <= claims_max);
    assert_found(&claims, 40_000..=50_000);
    assert_eq!(claims.applied(), Position(50_000));
}
