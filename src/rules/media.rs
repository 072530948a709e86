//! Which media of a message are fetched and kept (R12, R13, A49-A52).
//!
//! What a carrier claims of a medium can only keep it from being fetched. What it is, its own first bytes say; where they
//! say nothing we know, it is not kept. So no page and no drawing with scripts ever passes, whatever it is called.

use crate::model::Timestamp;
use std::time::Duration;

/// As many first bytes as [`read_type`] looks at.
pub const FIRST_BYTES: usize = 12;

/// How much of one message's media is kept, and for how long it is tried (A50, A51).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Media fetched.
    pub items: usize,
    /// Bytes of each.
    pub item_bytes: u64,
    /// Bytes of all together.
    pub message_bytes: u64,
    /// From the message's acceptance until the last byte is here.
    pub wait: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { items: 10, item_bytes: 5 * MIB, message_bytes: 20 * MIB, wait: Duration::from_secs(120) }
    }
}

impl Bounds {
    /// The most bytes the next medium may have, where those before it that were kept have `kept_bytes`. A fetch can stop
    /// past that: what it fetches is [`Unkept::TooLarge`].
    pub fn room(&self, kept_bytes: u64) -> u64 {
        self.item_bytes.min(self.message_bytes.saturating_sub(kept_bytes))
    }

    /// When media of a message accepted at `accepted` are given up.
    pub fn until(&self, accepted: Timestamp) -> Timestamp {
        accepted + self.wait
    }
}

/// What is kept (R13, A49).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaType {
    /// A photo.
    Jpeg,
    /// A picture or a screenshot.
    Png,
    /// A picture that may move.
    Gif,
    /// A video, as most phones make them.
    Mp4,
    /// A video of a phone for 3G networks.
    ThreeGpp,
    /// A video of an iPhone.
    Quicktime,
}

impl MediaType {
    /// The type a browser is told.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Mp4 => "video/mp4",
            Self::ThreeGpp => "video/3gpp",
            Self::Quicktime => "video/quicktime",
        }
    }
}

/// Why a medium is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unkept {
    /// It is something else than images and videos of the types we keep.
    UnsupportedMedia,
    /// It has too many bytes, or has them after too many others.
    TooLarge,
    /// Too many stand before it.
    TooMany,
    /// It did not come in time.
    TooLate,
}

impl Unkept {
    /// The `reason` the platform hears.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnsupportedMedia => "unsupported_media",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::TooLate => "too_late",
        }
    }
}

/// For each medium of a message, in the carrier's order, whether it is fetched, by the type the carrier claims. Only
/// those that are fetched count: a visiting card takes no photo's place.
pub fn to_fetch<'a>(claimed: impl IntoIterator<Item = Option<&'a str>>, bounds: &Bounds) -> Vec<Result<(), Unkept>> {
    let mut fetched = 0;
    let judged = claimed.into_iter().map(|claimed| {
        if clearly_something_else(claimed) {
            return Err(Unkept::UnsupportedMedia);
        }
        if fetched == bounds.items {
            return Err(Unkept::TooMany);
        }
        fetched += 1;
        Ok(())
    });
    judged.collect()
}

/// Whether a claimed type alone rules a medium out. Any image or video may be one of ours under a wrong name; stores of
/// files that know nothing say `application/octet-stream` or `binary/octet-stream`.
fn clearly_something_else(claimed: Option<&str>) -> bool {
    let essence = claimed.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        None | Some(("image" | "video", _) | (_, "octet-stream")) => false,
        Some(_) => true,
    }
}

/// What a fetched medium of `bytes` bytes is, if it is kept. `first_bytes` are its first [`FIRST_BYTES`] or more, or all
/// it has; `kept_bytes` are those of the media before it in the message that were kept.
pub fn keep(first_bytes: &[u8], bytes: u64, kept_bytes: u64, bounds: &Bounds) -> Result<MediaType, Unkept> {
    let found = read_type(first_bytes).ok_or(Unkept::UnsupportedMedia)?;
    if bytes > bounds.room(kept_bytes) { Err(Unkept::TooLarge) } else { Ok(found) }
}

/// Whether there is time left for the media of a message that joined its call at `accepted`. The end of the call takes
/// none of it: what was sent before is part of the conversation (A51).
pub fn in_time(accepted: Timestamp, now: Timestamp, bounds: &Bounds) -> Result<(), Unkept> {
    if now < bounds.until(accepted) { Ok(()) } else { Err(Unkept::TooLate) }
}

/// What a medium is, by its first bytes alone (A52); none where it is nothing we keep.
///
/// Videos begin with a box: four bytes of length, then four of its name. A length begins with zero, which no text does.
pub fn read_type(first_bytes: &[u8]) -> Option<MediaType> {
    /// What QuickTime's files begin with that are older than `ftyp`.
    const OLD_QUICKTIME: [&[u8; 4]; 6] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];
    match first_bytes {
        [0xff, 0xd8, 0xff, ..] => Some(MediaType::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(MediaType::Png),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(MediaType::Gif),
        [0, 0, _, _, b'f', b't', b'y', b'p', brand @ ..] => of_brand(brand.first_chunk()?),
        [0, _, _, _, name @ ..] if OLD_QUICKTIME.iter().any(|old| name.starts_with(*old)) => Some(MediaType::Quicktime),
        _ => None,
    }
}

/// What a file says it is before all. The brands it says it can be read as, too, tell nothing: pictures in HEIF and music
/// name `isom` or `mp42` among them.
fn of_brand(brand: &[u8; 4]) -> Option<MediaType> {
    match brand {
        b"qt  " => Some(MediaType::Quicktime),
        // 3gp4 to 3gp9, their kin, and 3g2a to 3g2c of the other 3G networks, which the same players play.
        [b'3', b'g', _, _] => Some(MediaType::ThreeGpp),
        [b'i', b's', b'o', b'm' | b'2'..=b'9'] | b"mp41" | b"mp42" | b"avc1" | b"mmp4" | b"dash" => {
            Some(MediaType::Mp4)
        }
        // Apple's, Sony's and Adobe's.
        [b'M', b'4', b'V', _] | b"MSNV" | b"XAVC" | b"F4V " | b"f4v " => Some(MediaType::Mp4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MediaType::*;
    use Unkept::*;

    const MIB: u64 = 1024 * 1024;
    const PHOTO: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";

    #[test]
    fn r13_photos_pictures_and_moving_pictures_are_kept() {
        check(PHOTO, Some(Jpeg));
        check(b"\xff\xd8\xff\xe1\x1c\x45Exif\0\0MM\0*", Some(Jpeg));
        check(PNG, Some(Png));
        check(b"GIF89a\x40\x01\xf0\0\xf7\0\0\0", Some(Gif));
        check(b"GIF87a\x40\x01\xf0\0\x80\0\0\0", Some(Gif));
        assert_eq!([Jpeg, Png, Gif].map(MediaType::content_type), ["image/jpeg", "image/png", "image/gif"]);
    }

    #[test]
    fn r12_a49_videos_of_phones_are_kept() {
        check(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", Some(Mp4));
        check(b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", Some(Mp4));
        for brand in ["mp41", "avc1", "iso2", "iso6", "M4V ", "M4VP", "mmp4", "MSNV"] {
            check(format!("\0\0\0\x18ftyp{brand}\0\0\0\0").as_bytes(), Some(Mp4));
        }
        for brand in ["3gp4", "3gp5", "3gp6", "3gp7", "3gp8", "3gp9", "3gg6", "3ge7", "3g2a", "3g2b"] {
            check(format!("\0\0\0\x18ftyp{brand}\0\0\x03\0").as_bytes(), Some(ThreeGpp));
        }
        check(b"\0\0\0\x14ftypqt  \0\0\0\0qt  \0\0\0\x08wide", Some(Quicktime));
        let types = ["video/mp4", "video/3gpp", "video/quicktime"];
        assert_eq!([Mp4, ThreeGpp, Quicktime].map(MediaType::content_type), types);
    }

    #[test]
    fn r12_a49_quicktime_from_before_its_files_said_so_is_kept() {
        check(b"\0\0\x0c\x74moov\0\0\0\x6cmvhd", Some(Quicktime));
        check(b"\0\x4a\x12\x08mdat\0\0\0\0", Some(Quicktime));
        check(b"\0\0\0\x01mdat\0\0\0\0\0\x4a\x12\x08", Some(Quicktime));
        check(b"\0\0\0\x08wide\0\x4a\x12\x08mdat", Some(Quicktime));
        check(b"\0\0\x02\0free\0\0\0\0", Some(Quicktime));
    }

    #[test]
    fn a52_nothing_else_is_taken_for_one_of_them() {
        let others: &[&[u8]] = &[
            b"<!DOCTYPE html><script>",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>",
            b"<?xml version=\"1.0\"?><svg>",
            b"\xef\xbb\xbf<svg onload=\"\">",
            b"\0<\0s\0v\0g\0>\0\0",
            b"<!--ftypisom--><script>",
            b"GIF8<script>alert(1)</script>",
            b"\x89PNG<script>alert(1)</script>",
            b"moov<svg>",
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            b"\0\0\0\x1cftypavif\0\0\0\0mif1isom",
            b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom",
            b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
            b"RIFF\x24\x08\0\0WEBPVP8 ",
            b"RIFF\x24\x08\0\0AVI LIST",
            b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81",
            b"BM\x36\x10\x0e\0\0\0\0\0",
            b"%PDF-1.7\n%\xe2\xe3",
            b"PK\x03\x04\x14\0\0\0\x08\0\0\0",
            b"MZ\x90\0\x03\0\0\0\x04\0\0\0",
            b"BEGIN:VCARD\r\n",
            b"#!AMR\n\x3c\x91\x17\x16\xbe\x66",
            b"",
        ];
        others.iter().for_each(|first_bytes| check(first_bytes, None));
    }

    #[test]
    fn a52_first_bytes_that_stop_short_are_no_type() {
        for (whole, needed) in
            [(PHOTO, 3), (PNG, 8), (b"GIF89a", 6), (b"\0\0\0\x18ftypmp42", 12), (b"\0\0\0\x08wide", 8)]
        {
            check(&whole[..needed - 1], None);
            assert!(read_type(&whole[..needed]).is_some() && needed <= FIRST_BYTES, "{needed}");
        }
    }

    #[test]
    fn a52_a_liar_is_fetched_and_judged_by_its_own_bytes() {
        for (claimed, first_bytes, expected) in [
            ("image/jpeg", &b"<!DOCTYPE html>"[..], Err(UnsupportedMedia)),
            ("image/png", b"<svg xmlns=\"http:", Err(UnsupportedMedia)),
            ("image/svg+xml", b"<svg xmlns=\"http:", Err(UnsupportedMedia)),
            ("image/gif", PNG, Ok(Png)),
            ("image/heic", PHOTO, Ok(Jpeg)),
            ("video/mp4", b"\0\0\0\x18ftyp3gp4", Ok(ThreeGpp)),
            ("application/octet-stream", PHOTO, Ok(Jpeg)),
        ] {
            let bounds = Bounds::default();
            assert_eq!(to_fetch([Some(claimed)], &bounds), [Ok(())], "{claimed}");
            assert_eq!(keep(first_bytes, 1_000, 0, &bounds), expected, "{claimed}");
        }
    }

    #[test]
    fn a49_what_is_clearly_something_else_is_told_and_its_bytes_are_not_fetched() {
        let fetched = |claimed| to_fetch([claimed], &Bounds::default())[0];
        for claimed in
            ["text/vcard", "text/x-vCard; charset=utf-8", "application/pdf", "audio/amr", "AUDIO/MP4", "text/html"]
        {
            assert_eq!(fetched(Some(claimed)), Err(UnsupportedMedia), "{claimed}");
        }
        for claimed in ["", "image/jpeg", " Image/JPG ; name=a.jpg", "video/x-m4v", "binary/octet-stream", "jpeg"] {
            assert_eq!(fetched(Some(claimed)), Ok(()), "{claimed}");
        }
        assert_eq!(fetched(None), Ok(()));
        assert_eq!(UnsupportedMedia.word(), "unsupported_media");
    }

    #[test]
    fn a50_all_ten_are_fetched_and_a_visiting_card_takes_no_photos_place() {
        let photos = |n| std::iter::repeat_n(Some("image/jpeg"), n);
        let judged = to_fetch(photos(9).chain([Some("text/vcard")]).chain(photos(2)), &Bounds::default());
        let fetched: Vec<_> = judged.iter().map(|judged| judged.is_ok()).collect();
        assert_eq!(fetched, [vec![true; 9], vec![false, true, false]].concat());
        assert_eq!((judged[9], judged[11]), (Err(UnsupportedMedia), Err(TooMany)));
        assert_eq!(TooMany.word(), "too_many");
    }

    #[test]
    fn a50_one_has_5_mib_at_most_and_all_together_20() {
        let kept = |bytes, before| keep(PHOTO, bytes, before, &Bounds::default());
        assert_eq!(kept(5 * MIB, 0), Ok(Jpeg));
        assert_eq!(kept(5 * MIB + 1, 0), Err(TooLarge));
        assert_eq!(kept(5 * MIB, 15 * MIB), Ok(Jpeg));
        assert_eq!(kept(5 * MIB, 15 * MIB + 1), Err(TooLarge));
        assert_eq!(kept(MIB, 19 * MIB), Ok(Jpeg), "one too large before does not shut out a small one");
        assert_eq!(kept(1, 20 * MIB), Err(TooLarge));
        assert_eq!(
            keep(b"%PDF-1.7", 6 * MIB, 0, &Bounds::default()),
            Err(UnsupportedMedia),
            "a smaller one would not do"
        );
        assert_eq!(TooLarge.word(), "too_large");
    }

    #[test]
    fn a51_media_of_a_text_accepted_before_the_hang_up_have_two_minutes_from_then() {
        let (accepted, bounds) = (Timestamp::from_ms(1_000_000), Bounds::default());
        let after = |ms| in_time(accepted, accepted + Duration::from_millis(ms), &bounds);
        assert_eq!([after(0), after(119_999), after(120_000)], [Ok(()), Ok(()), Err(TooLate)]);
        assert_eq!(bounds.until(accepted), Timestamp::from_ms(1_120_000));
        assert_eq!(TooLate.word(), "too_late");
    }

    #[track_caller]
    fn check(first_bytes: &[u8], expected: Option<MediaType>) {
        assert_eq!(read_type(first_bytes), expected, "{}", first_bytes.escape_ascii());
    }
}
