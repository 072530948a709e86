use super::*;
use crate::model::Position;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(60 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const START: Timestamp = Timestamp::from_ms(1_796_000_000_123);

const SECOND: Duration = Duration::from_secs(1);

fn opened(at: Timestamp) -> (TempDir, MediaLinks) {
    let folder = tempfile::tempdir().unwrap();
    let links = MediaLinks::open(folder.path(), at).unwrap();
    (folder, links)
}

fn medium(nth: u16) -> MediaId {
    MediaId::new(START.day(), Position(7), nth)
}

/// The text of the file.
fn file(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join(FILE)).unwrap()
}

#[test]
fn a_link_works_until_its_time() {
    let (_folder, links) = opened(START);
    let link = links.sign(medium(1), START + HOUR, START);
    assert_eq!(link.expires, "1796003600123");
    assert_eq!(links.check(medium(1), &link, START), Ok(()));
    assert_eq!(links.check(medium(1), &link, Timestamp::from_ms(1_796_003_600_122)), Ok(()));
    assert_eq!(links.check(medium(1), &link, Timestamp::from_ms(1_796_003_600_123)), Err(LinkRefused::Over));
    let longer = links.sign(medium(1), START + DAY, START);
    assert_eq!(longer, link, "none lasts for more than an hour");
}

#[test]
fn a_link_that_differs_in_anything_is_forged() {
    let (_folder, links) = opened(START);
    let link = links.sign(medium(1), START + HOUR, START);
    assert_eq!(links.check(medium(2), &link, START), Err(LinkRefused::Forged));
    for expires in ["1796003600124", "1796003600122", "+1796003600123", "01796003600123", "1796003600123 ", "", "x"] {
        let other = Link { expires: expires.to_owned(), ..link.clone() };
        assert_eq!(links.check(medium(1), &other, START), Err(LinkRefused::Forged), "{expires}");
    }
    let signatures = (0..link.signature.len()).flat_map(|at| {
        let signature = link.signature.clone();
        let with = move |letter: &str| {
            let mut other = signature.clone();
            other.replace_range(at..=at, letter);
            other
        };
        ["A", "B", "_", "", "="].map(with)
    });
    let others = signatures.chain([String::new(), format!("{}A", link.signature), format!("{}=", link.signature)]);
    let mut count = 0;
    for signature in others.filter(|other| *other != link.signature) {
        let other = Link { signature, ..link.clone() };
        assert_eq!(links.check(medium(1), &other, START), Err(LinkRefused::Forged), "{}", other.signature);
        count += 1;
    }
    assert!(count > 43 * 4, "{count}");
    let (_elsewhere, others) = opened(START);
    assert_eq!(others.check(medium(1), &link, START), Err(LinkRefused::Forged), "each gateway has its own key");
}

#[test]
fn a_link_outlives_a_restart() {
    let (folder, links) = opened(START);
    let link = links.sign(medium(1), START + HOUR, START);
    let again = MediaLinks::open(folder.path(), START + SECOND).unwrap();
    assert_eq!(again.check(medium(1), &link, START + SECOND), Ok(()));
    assert_eq!(again.sign(medium(1), START + HOUR, START), link, "it has the same key");
}

#[test]
fn a_link_outlives_the_replacement_of_its_key_by_its_time() {
    let (folder, links) = opened(START);
    let before = START + DAY - SECOND;
    let link = links.sign(medium(1), before + HOUR, before);
    let first = file(&folder);
    let after = START + DAY;
    let new = links.sign(medium(1), before + HOUR, after);
    assert_ne!(new.signature, link.signature, "another key signs");
    assert_eq!(file(&folder).lines().count(), 2);
    assert!(file(&folder).ends_with(&first), "the key before is kept");
    let restarted = MediaLinks::open(folder.path(), after).unwrap();
    for links in [&links, &restarted] {
        assert_eq!(links.check(medium(1), &link, before + HOUR - SECOND), Ok(()));
        assert_eq!(links.check(medium(1), &new, before + HOUR - SECOND), Ok(()));
        assert_eq!(links.check(medium(1), &link, before + HOUR), Err(LinkRefused::Over));
    }
    let last = links.sign(medium(1), after + HOUR + HOUR, after + HOUR);
    assert_eq!(file(&folder).lines().count(), 1, "the key before is deleted when no link of it can last");
    assert_eq!(links.check(medium(1), &last, after + HOUR), Ok(()));
}

#[test]
fn a_key_that_was_replaced_an_hour_ago_signs_nothing_any_more() {
    let (folder, links) = opened(START);
    let stolen = Keys::read(&file(&folder)).unwrap().sign(medium(1), START + DAY * 9);
    assert_eq!(links.check(medium(1), &stolen, START + DAY), Ok(()));
    links.sign(medium(1), START + DAY, START + DAY);
    assert_eq!(links.check(medium(1), &stolen, START + DAY + HOUR - SECOND), Ok(()));
    assert_eq!(links.check(medium(1), &stolen, START + DAY + HOUR), Err(LinkRefused::Forged));
}

#[test]
fn a_key_of_the_future_is_replaced() {
    let (folder, links) = opened(START + DAY * 300);
    let first = file(&folder);
    let link = links.sign(medium(1), START + HOUR, START);
    assert!(file(&folder).ends_with(&first) && file(&folder) != first);
    assert_eq!(links.check(medium(1), &link, START), Ok(()));
    links.sign(medium(1), START + DAY, START + DAY);
    assert_eq!(file(&folder).lines().count(), 2);
    assert!(!file(&folder).contains(first.trim()), "the clock is right again");
}

#[test]
fn the_file_is_private_and_one_without_keys_is_replaced() {
    let (folder, links) = opened(START);
    let path = folder.path().join(FILE);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let link = links.sign(medium(1), START + HOUR, START);
    for damaged in [&b""[..], b"\xff\xfe", b"1796000000123 AAAA\n", b"x", &file(&folder).as_bytes()[..40]] {
        std::fs::write(&path, damaged).unwrap();
        let links = MediaLinks::open(folder.path(), START).unwrap();
        assert_eq!(links.check(medium(1), &link, START), Err(LinkRefused::Forged));
        let new = links.sign(medium(1), START + HOUR, START);
        let again = MediaLinks::open(folder.path(), START).unwrap();
        assert_eq!(again.check(medium(1), &new, START), Ok(()));
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let failed = MediaLinks::open(folder.path(), START).err().unwrap().to_string();
    assert!(failed.contains("media-link-keys, cannot be used"), "{failed}");
}

#[test]
fn where_no_key_can_be_written_the_one_before_serves_on() {
    let (folder, links) = opened(START);
    std::fs::create_dir(folder.path().join(FILE).with_extension("new")).unwrap();
    let link = links.sign(medium(1), START + DAY * 2 + HOUR, START + DAY * 2);
    assert_eq!(links.check(medium(1), &link, START + DAY * 2), Ok(()));
    let restarted = MediaLinks::open(folder.path(), START + DAY * 2).unwrap();
    assert_eq!(restarted.check(medium(1), &link, START + DAY * 2), Ok(()), "a key is used once it is durable");
}
