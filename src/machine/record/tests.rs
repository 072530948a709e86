//! The codec, and the declared forms against the checked-in list.

use super::codec::{Invalid, Reader, Stored, Writer};
use super::{event, model, state, v1};
use crate::machine::private::Private;
use crate::model::{Json, MessageState, Settings};
use std::collections::BTreeSet;
use std::fs;

/// The declared forms, as `tests/records/forms.txt` has them.
fn declared() -> String {
    let forms = [v1::FORMS, model::FORMS, state::FORMS, event::FORMS].concat();
    let lines = forms.iter().flat_map(|(name, lines)| {
        let heading = std::iter::once(format!("{name}\n"));
        heading.chain(lines.iter().map(|line| format!("    {line}\n")))
    });
    lines.collect()
}

/// A variant or a field that is new in the model changes no stored byte, because no line of this list changes. To add
/// lines, run this with `OFFHOOK_WRITE_SAMPLES` set, and check that the difference is added lines only.
#[test]
fn stored_types_have_the_numbers_and_fields_of_every_version() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/records/forms.txt");
    if std::env::var_os("OFFHOOK_WRITE_SAMPLES").is_some() {
        fs::write(path, declared()).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap();
    assert_eq!(declared(), kept, "a line that is in forms.txt never changes; see CONTRIBUTING.md");
}

#[test]
fn no_two_variants_of_a_type_have_the_same_number() {
    for (name, lines) in [v1::FORMS, model::FORMS, state::FORMS, event::FORMS].concat() {
        if name.starts_with("enum") {
            let numbers: BTreeSet<_> = lines.iter().map(|line| line.split(' ').next()).collect();
            assert_eq!(numbers.len(), lines.len(), "{name}");
        }
    }
}

fn round_trip<T: Stored + PartialEq + std::fmt::Debug>(value: T, bytes: &[u8]) {
    assert_eq!(Writer::row(&value), bytes);
    assert_eq!(Reader::row(bytes, super::VERSION).whole::<T>(), Ok(value));
}

#[test]
fn values_have_the_bytes_that_existing_journals_have() {
    round_trip(127_u64, &[127]);
    round_trip(300_u16, &[0xac, 0x02]);
    round_trip(u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    round_trip(-1_i64, &[1]);
    round_trip(i64::MIN, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    round_trip(64_i32, &[128, 1]);
    round_trip([7_u8; 3], &[7, 7, 7]);
    round_trip(Some("ab".to_owned()), &[1, 2, b'a', b'b']);
    round_trip(vec![(true, 2_u32), (false, 3)], &[2, 1, 2, 0, 3]);
    round_trip(MessageState::Unconfirmed, &[9]);
    round_trip(Private::Kept(5_u16), &[1, 5]);
    round_trip(Private::<u16>::Erased, &[0]);
}

#[test]
fn bytes_that_are_no_value_are_rejected() {
    fn read<T: Stored>(bytes: &[u8]) -> Option<Invalid> {
        Reader::row(bytes, super::VERSION).whole::<T>().err()
    }
    assert_eq!(read::<u64>(&[0x80]), Some(Invalid::Short));
    assert_eq!(read::<u64>(&[1, 2]), Some(Invalid::Long));
    assert_eq!(read::<u64>(&[255, 255, 255, 255, 255, 255, 255, 255, 255, 2]), Some(Invalid::Value("number")));
    assert_eq!(read::<u16>(&[0x80, 0x80, 0x04]), Some(Invalid::Value("u16")));
    assert_eq!(read::<bool>(&[2]), Some(Invalid::Value("bool")));
    assert_eq!(read::<String>(&[1, 0xff]), Some(Invalid::Value("text")));
    assert_eq!(read::<Vec<u64>>(&[255, 255, 255, 255, 15, 0]), Some(Invalid::Short));
    assert_eq!(read::<MessageState>(&[10]), Some(Invalid::Number("MessageState", 10)));
}

#[derive(Debug, PartialEq)]
struct Sample {
    who: Private<String>,
    what: u32,
    texts: Vec<Private<String>>,
}

mod sample {
    use super::{Invalid, Private, Reader, Sample, Stored, Writer};

    crate::machine::record::form::stored! {
        struct Sample {
            who: Private<String>,
            what: u32,
            texts: Vec<Private<String>>,
        }
    }

    #[test]
    fn the_lines_of_a_form_are_its_fields() {
        assert_eq!(
            FORMS,
            [("struct Sample", &["who: Private<String>", "what: u32", "texts: Vec<Private<String>>"][..])]
        );
    }
}

fn sample() -> Sample {
    Sample { who: "Ada".to_owned().into(), what: 7, texts: vec!["a".to_owned().into(), Private::Erased] }
}

/// The sample as a record: its meta, and its bodies.
fn recorded() -> (Vec<u8>, Vec<Option<Vec<u8>>>) {
    let mut writer = Writer::record(super::VERSION);
    sample().write(&mut writer);
    let (meta, bodies) = writer.finish();
    (meta[1..].to_vec(), bodies.into_iter().map(Some).collect())
}

#[test]
fn a_record_keeps_private_values_in_bodies_and_not_in_the_meta() {
    let (meta, bodies) = recorded();
    assert!(!meta.windows(3).any(|window| window == b"Ada"));
    assert_eq!(bodies.len(), 3);
    assert_eq!(Reader::record(&meta, super::VERSION, bodies).whole(), Ok(sample()));
    let without_people = Sample { who: Private::Erased, what: 7, texts: vec![Private::Erased, Private::Erased] };
    assert_eq!(Reader::without_people(&meta, super::VERSION).whole(), Ok(without_people));
}

#[test]
fn an_erased_body_decodes_as_erased_and_the_rest_is_kept() {
    let (meta, mut bodies) = recorded();
    bodies[0] = None;
    let erased = Sample { who: Private::Erased, ..sample() };
    assert_eq!(Reader::record(&meta, super::VERSION, bodies.clone()).whole(), Ok(erased));
    bodies.pop();
    assert_eq!(Reader::record(&meta, super::VERSION, bodies).whole::<Sample>(), Err(Invalid::Body));
}

#[test]
fn a_row_stores_the_value_inline() {
    round_trip(sample(), &[1, 3, b'A', b'd', b'a', 7, 2, 1, 1, b'a', 0]);
}

#[test]
fn settings_without_a_later_field_are_read_with_its_default() {
    let mut written = serde_json::to_value(Settings { late_text: true, ..Settings::default() }).unwrap();
    written.as_object_mut().unwrap().remove("opt_out").unwrap();
    let row = Writer::row(&written.to_string());
    let Json(read) = Reader::row(&row, super::VERSION).whole::<Json<Settings>>().unwrap();
    assert_eq!(read, Settings { late_text: true, ..Settings::default() });
}
