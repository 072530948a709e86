//! Which media of a message are fetched and kept (R12, R13, A49-A52).
//!
//! Invariant: the type of a medium is determined by its first bytes, and a medium of an unknown type is not kept. So no
//! HTML page and no SVG with scripts passes, whatever its declared type. The carrier's declared type can only prevent
//! the fetch.

mod unsupported;

pub use unsupported::{LAST_BYTES, NAMED_BY_BYTES, ZIP, is_also_zip, name_type};

/// Number of first bytes that [`read_type`] reads.
pub const FIRST_BYTES: usize = 12;

/// Limits on the media of one message (A50).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Maximum number of media fetched.
    pub items: usize,
    /// Maximum size of each, in bytes.
    pub item_bytes: u64,
    /// Maximum size of all together, in bytes.
    pub message_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self { items: 10, item_bytes: 5 * MIB, message_bytes: 20 * MIB }
    }
}

impl Bounds {
    /// Maximum size in bytes of the next medium, if those kept before it have `kept_bytes`. A fetch can stop beyond
    /// that: the medium is [`Unkept::TooLarge`].
    pub fn room(&self, kept_bytes: u64) -> u64 {
        self.item_bytes.min(self.message_bytes.saturating_sub(kept_bytes))
    }
}

/// The media types that are kept (R13, A49).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaType {
    /// A photo.
    Jpeg,
    /// A picture or a screenshot.
    Png,
    /// A picture, possibly animated.
    Gif,
    /// A video, the format of most phones.
    Mp4,
    /// A video from a 3G phone.
    ThreeGpp,
    /// A video from an iPhone.
    Quicktime,
}

impl MediaType {
    /// The `Content-Type` under which it is served.
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
    /// It is not an image or video of a supported type.
    UnsupportedMedia,
    /// It is too large by itself or together with the media before it.
    TooLarge,
    /// Too many media come before it.
    TooMany,
    /// It was not received in time.
    TooLate,
    /// The carrier does not have it, or has it no longer.
    NotFound,
    /// Its address is not one that media are fetched from.
    ForbiddenAddress,
    /// The carrier refuses it for another reason.
    CarrierError,
}

impl Unkept {
    /// All reasons, in the order of the contract.
    pub const ALL: [Self; 7] = [
        Self::UnsupportedMedia,
        Self::TooLarge,
        Self::TooMany,
        Self::TooLate,
        Self::NotFound,
        Self::ForbiddenAddress,
        Self::CarrierError,
    ];

    /// The `reason` in the event to the platform.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnsupportedMedia => "unsupported_media",
            Self::TooLarge => "too_large",
            Self::TooMany => "too_many",
            Self::TooLate => "too_late",
            Self::NotFound => "not_found",
            Self::ForbiddenAddress => "forbidden_address",
            Self::CarrierError => "carrier_error",
        }
    }

    /// What an agent reads: what happened and what to ask the caller for. `found` is the type of an unsupported one.
    pub fn detail(self, found: Option<&str>) -> String {
        let words = match (self, found) {
            (Self::UnsupportedMedia, Some("image/heic")) => "iPhone photo in HEIC: ask the caller to send it as JPEG",
            (Self::UnsupportedMedia, Some(found)) => {
                return format!(
                    "{found} cannot be shown: ask the caller for a photo (JPEG, PNG, GIF) or a video (MP4)"
                );
            }
            (Self::UnsupportedMedia, None) => {
                "the file is neither a photo nor a video: ask the caller for a JPEG, PNG, GIF or MP4"
            }
            (Self::TooLarge, _) => "the file is too large: ask the caller for a smaller photo or a shorter video",
            (Self::TooMany, _) => "the message has too many files: ask the caller to send the rest in another message",
            (Self::TooLate, _) => "the file could not be fetched in time: ask the caller to send it again",
            (Self::NotFound, _) => "the carrier does not have the file any more: ask the caller to send it again",
            (Self::ForbiddenAddress, _) => {
                "the file is at an address that is not the carrier's: ask the caller to send it again, and tell an administrator"
            }
            (Self::CarrierError, _) => "the carrier does not give the file out: ask the caller to send it again",
        };
        words.to_owned()
    }
}

/// Decides by declared type which media of a message are fetched, in the carrier's order. Only media that are fetched
/// count against the limit, so a vCard does not displace a photo.
pub fn to_fetch<'a>(declared: impl IntoIterator<Item = Option<&'a str>>, bounds: &Bounds) -> Vec<Result<(), Unkept>> {
    let mut fetched = 0;
    let judged = declared.into_iter().map(|declared| {
        if type_is_excluded(declared) {
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

/// Whether the declared type alone excludes a medium. Any image or video type may be a supported one mislabelled; file
/// stores without type information use `application/octet-stream` or `binary/octet-stream`.
fn type_is_excluded(declared: Option<&str>) -> bool {
    let essence = declared.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.split_once('/') {
        None | Some(("image" | "video", _) | (_, "octet-stream")) => false,
        Some(_) => true,
    }
}

/// The type of a fetched medium of `bytes` bytes, if it is kept. `first_bytes` are at least its first [`FIRST_BYTES`]
/// bytes, or all if it is shorter; `kept_bytes` is the total size of the media kept before it in the message.
pub fn keep(first_bytes: &[u8], bytes: u64, kept_bytes: u64, bounds: &Bounds) -> Result<MediaType, Unkept> {
    let found = read_type(first_bytes).ok_or(Unkept::UnsupportedMedia)?;
    if bytes > bounds.room(kept_bytes) { Err(Unkept::TooLarge) } else { Ok(found) }
}

/// The type of a medium by its first bytes alone (A52); `None` if it is not a supported one.
///
/// Videos begin with a box: four bytes of length, then a four-byte name. The length begins with a zero byte, which no
/// text does.
pub fn read_type(first_bytes: &[u8]) -> Option<MediaType> {
    /// First boxes of QuickTime files older than `ftyp`.
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

/// The type by the major brand of the file. Compatible brands are ignored: HEIF pictures and music list `isom` or
/// `mp42` among them.
fn of_brand(brand: &[u8; 4]) -> Option<MediaType> {
    match brand {
        b"qt  " => Some(MediaType::Quicktime),
        // 3gp4 to 3gp9 and related brands, and 3g2a to 3g2c (3GPP2), which the same players support.
        [b'3', b'g', _, _] => Some(MediaType::ThreeGpp),
        [b'i', b's', b'o', b'm' | b'2'..=b'9'] | b"mp41" | b"mp42" | b"avc1" | b"mmp4" | b"dash" => {
            Some(MediaType::Mp4)
        }
        // Brands of Apple, Sony and Adobe.
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
    fn r13_photos_pictures_and_animations_are_kept() {
        check(PHOTO, Some(Jpeg));
        check(b"\xff\xd8\xff\xe1\x1c\x45Exif\0\0MM\0*", Some(Jpeg));
        check(PNG, Some(Png));
        check(b"GIF89a\x40\x01\xf0\0\xf7\0\0\0", Some(Gif));
        check(b"GIF87a\x40\x01\xf0\0\x80\0\0\0", Some(Gif));
        assert_eq!([Jpeg, Png, Gif].map(MediaType::content_type), ["image/jpeg", "image/png", "image/gif"]);
    }

    #[test]
    fn r12_a49_videos_from_phones_are_kept() {
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
    fn r12_a49_quicktime_without_ftyp_is_kept() {
        check(b"\0\0\x0c\x74moov\0\0\0\x6cmvhd", Some(Quicktime));
        check(b"\0\x4a\x12\x08mdat\0\0\0\0", Some(Quicktime));
        check(b"\0\0\0\x01mdat\0\0\0\0\0\x4a\x12\x08", Some(Quicktime));
        check(b"\0\0\0\x08wide\0\x4a\x12\x08mdat", Some(Quicktime));
        check(b"\0\0\x02\0free\0\0\0\0", Some(Quicktime));
    }

    #[test]
    fn a52_other_formats_are_not_accepted() {
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
    fn a52_truncated_first_bytes_have_no_type() {
        for (whole, needed) in
            [(PHOTO, 3), (PNG, 8), (b"GIF89a", 6), (b"\0\0\0\x18ftypmp42", 12), (b"\0\0\0\x08wide", 8)]
        {
            check(&whole[..needed - 1], None);
            assert!(read_type(&whole[..needed]).is_some() && needed <= FIRST_BYTES, "{needed}");
        }
    }

    #[test]
    fn a52_a_mislabelled_medium_is_judged_by_its_bytes() {
        for (declared, first_bytes, expected) in [
            ("image/jpeg", &b"<!DOCTYPE html>"[..], Err(UnsupportedMedia)),
            ("image/png", b"<svg xmlns=\"http:", Err(UnsupportedMedia)),
            ("image/svg+xml", b"<svg xmlns=\"http:", Err(UnsupportedMedia)),
            ("image/gif", PNG, Ok(Png)),
            ("image/heic", PHOTO, Ok(Jpeg)),
            ("video/mp4", b"\0\0\0\x18ftyp3gp4", Ok(ThreeGpp)),
            ("application/octet-stream", PHOTO, Ok(Jpeg)),
        ] {
            let bounds = Bounds::default();
            assert_eq!(to_fetch([Some(declared)], &bounds), [Ok(())], "{declared}");
            assert_eq!(keep(first_bytes, 1_000, 0, &bounds), expected, "{declared}");
        }
    }

    #[test]
    fn a49_media_of_an_unsupported_declared_type_are_not_fetched() {
        let fetched = |declared| to_fetch([declared], &Bounds::default())[0];
        for declared in
            ["text/vcard", "text/x-vCard; charset=utf-8", "application/pdf", "audio/amr", "AUDIO/MP4", "text/html"]
        {
            assert_eq!(fetched(Some(declared)), Err(UnsupportedMedia), "{declared}");
        }
        for declared in ["", "image/jpeg", " Image/JPG ; name=a.jpg", "video/x-m4v", "binary/octet-stream", "jpeg"] {
            assert_eq!(fetched(Some(declared)), Ok(()), "{declared}");
        }
        assert_eq!(fetched(None), Ok(()));
        assert_eq!(UnsupportedMedia.word(), "unsupported_media");
    }

    #[test]
    fn a50_ten_media_are_fetched_and_a_vcard_does_not_count() {
        let photos = |n| std::iter::repeat_n(Some("image/jpeg"), n);
        let judged = to_fetch(photos(9).chain([Some("text/vcard")]).chain(photos(2)), &Bounds::default());
        let fetched: Vec<_> = judged.iter().map(|judged| judged.is_ok()).collect();
        assert_eq!(fetched, [vec![true; 9], vec![false, true, false]].concat());
        assert_eq!((judged[9], judged[11]), (Err(UnsupportedMedia), Err(TooMany)));
        assert_eq!(TooMany.word(), "too_many");
    }

    #[test]
    fn a50_a_medium_has_at_most_5_mib_and_a_message_20() {
        let kept = |bytes, before| keep(PHOTO, bytes, before, &Bounds::default());
        assert_eq!(kept(5 * MIB, 0), Ok(Jpeg));
        assert_eq!(kept(5 * MIB + 1, 0), Err(TooLarge));
        assert_eq!(kept(5 * MIB, 15 * MIB), Ok(Jpeg));
        assert_eq!(kept(5 * MIB, 15 * MIB + 1), Err(TooLarge));
        assert_eq!(kept(MIB, 19 * MIB), Ok(Jpeg), "a medium that is too large does not exclude a later small one");
        assert_eq!(kept(1, 20 * MIB), Err(TooLarge));
        assert_eq!(
            keep(b"%PDF-1.7", 6 * MIB, 0, &Bounds::default()),
            Err(UnsupportedMedia),
            "an unsupported type takes precedence over the size"
        );
        assert_eq!(TooLarge.word(), "too_large");
    }

    #[track_caller]
    fn check(first_bytes: &[u8], expected: Option<MediaType>) {
        assert_eq!(read_type(first_bytes), expected, "{}", first_bytes.escape_ascii());
    }
}
