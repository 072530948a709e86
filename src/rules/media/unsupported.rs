//! Names the type of a file that is not kept, so that people can say what to send in its place (A49, A52).
//!
//! Invariant: the name is determined by the first bytes, and only for people and logs: nothing is kept or refused by it.

/// Number of first bytes that [`name_type`] reads at most. Text may begin with comments.
pub const NAMED_BY_BYTES: usize = 512;

/// First bytes of files, by their place; the first line that matches names the type.
const SIGNATURES: &[(usize, &[u8], &str)] = &[
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"#!AMR-WB\n", "audio/amr-wb"),
    (0, b"#!AMR\n", "audio/amr"),
    (0, b"#!AMR_MC1.0\n", "audio/amr"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"MThd", "audio/midi"),
    (0, b"caff", "audio/x-caf"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\0\0\x01\xba", "video/mpeg"),
    (0, b"\0\0\x01\xb3", "video/mpeg"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
];

/// Number of last bytes that [`is_also_zip`] reads: the record at an archive's end, with the longest comment.
pub const LAST_BYTES: usize = ZIP_END_BYTES + 65_535;

const ZIP_END_BYTES: usize = 22;

/// The type of a zip archive.
pub const ZIP: &str = "application/zip";

/// Whether a file that ends like this can be opened as a zip archive. Those are read from their end, so they may begin
/// as a photo.
pub fn is_also_zip(last_bytes: &[u8]) -> bool {
    last_bytes.windows(ZIP_END_BYTES).enumerate().any(|(at, record)| {
        let comment_bytes = usize::from(u16::from_le_bytes([record[20], record[21]]));
        record.starts_with(b"PK\x05\x06") && at + ZIP_END_BYTES + comment_bytes == last_bytes.len()
    })
}

/// The type of a file that is not of a supported type, as far as its first [`NAMED_BY_BYTES`] bytes say; `None` if they
/// do not. What else the file may be read as, further in, does not count here.
pub fn name_type(first_bytes: &[u8]) -> Option<&'static str> {
    let first_bytes = &first_bytes[..first_bytes.len().min(NAMED_BY_BYTES)];
    let matches = |(place, bytes, _): &&(usize, &[u8], &str)| {
        // The three at place 8 are forms of one container.
        first_bytes.get(*place..).is_some_and(|rest| rest.starts_with(bytes))
            && (*place == 0 || first_bytes.starts_with(b"RIFF"))
    };
    if let Some((_, _, name)) = SIGNATURES.iter().find(matches) {
        return Some(name);
    }
    match first_bytes {
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("image/bmp"),
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => {
            Some(if contains(rest, b"webm") { "video/webm" } else { "video/x-matroska" })
        }
        [_, _, _, _, b'f', b't', b'y', b'p', brands @ ..] => of_brands(brands),
        _ => of_text(first_bytes),
    }
}

/// The type by the major brand, and by the compatible ones where it is a general one. The brands end where the box does;
/// what follows it here are lengths and names of other boxes.
fn of_brands(brands: &[u8]) -> Option<&'static str> {
    let major: &[u8; 4] = brands.first_chunk()?;
    match major {
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some("image/heic"),
        b"avif" | b"avis" => Some("image/avif"),
        b"mif1" | b"msf1" if contains(brands, b"heic") || contains(brands, b"heix") => Some("image/heic"),
        b"mif1" | b"msf1" if contains(brands, b"avif") => Some("image/avif"),
        b"mif1" | b"msf1" => Some("image/heif"),
        b"M4A " | b"M4B " | b"M4P " => Some("audio/mp4"),
        b"crx " => Some("image/x-canon-cr3"),
        _ => Some("application/mp4"),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The type of text, by what it begins with.
fn of_text(first_bytes: &[u8]) -> Option<&'static str> {
    let text = plain_text(first_bytes)?;
    let text = text.trim_start().to_ascii_lowercase();
    match text.as_str() {
        "" => None,
        card if card.starts_with("begin:vcard") => Some("text/vcard"),
        calendar if calendar.starts_with("begin:vcalendar") => Some("text/calendar"),
        markup if markup.starts_with('<') => Some(of_markup(markup)),
        _ => Some("text/plain"),
    }
}

/// The text, without a mark of its byte order. Of UTF-16 its ASCII letters are enough.
fn plain_text(first_bytes: &[u8]) -> Option<String> {
    let text = match first_bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => text.to_vec(),
        [0xff, 0xfe, text @ ..] | [0xfe, 0xff, text @ ..] => text.iter().copied().filter(|byte| *byte != 0).collect(),
        text => text.to_vec(),
    };
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    (!text.iter().any(is_control)).then(|| String::from_utf8_lossy(&text).into_owned())
}

/// The type of XML or HTML in lower case, by its first element or declared type.
fn of_markup(text: &str) -> &'static str {
    let mut rest = text;
    let mut is_xml = false;
    loop {
        rest = rest.trim_start();
        let end = match rest {
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<?") => "?>",
            _ => break,
        };
        is_xml |= rest.starts_with("<?xml");
        rest = rest.split_once(end).map_or("", |(_, after)| after);
    }
    let rest = rest.strip_prefix("<!doctype").map_or_else(|| rest.trim_start_matches('<'), str::trim_start);
    let name = rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != ':').next().unwrap_or_default();
    match name.rsplit(':').next().unwrap_or_default() {
        "svg" => "image/svg+xml",
        "smil" => "application/smil",
        "html" => "text/html",
        _ if is_xml => "application/xml",
        // A browser reads as HTML whatever begins like it.
        _ => "text/html",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::media::{MediaType, read_type};

    #[test]
    fn a52_a_zip_archive_is_known_by_its_end_whatever_it_begins_as() {
        let end = |comment: &[u8]| {
            let length = u16::try_from(comment.len()).unwrap().to_le_bytes();
            [&b"\xff\xd8\xff\xe0 a photo PK\x05\x06"[..], &[0; 16], &length, comment].concat()
        };
        assert!(is_also_zip(&end(b"")) && is_also_zip(&end(b"a comment")) && is_also_zip(&end(&[b'c'; 65_535])));
        assert!(!is_also_zip(&[&end(b"")[..], b"x"].concat()), "the record is not at the end");
        assert!(!is_also_zip(b"PK\x05\x06") && !is_also_zip(b"") && !is_also_zip(&[0; 100]));
    }

    #[test]
    fn pictures_that_phones_make_are_named() {
        for (first_bytes, name) in [
            (&b"\0\0\0\x24ftypheic\0\0\0\0mif1MiHBmiafheic"[..], "image/heic"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image/heic"),
            (b"\0\0\0\x18ftypheix\0\0\0\0mif1heix", "image/heic"),
            (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1iso8", "image/heif"),
            (b"\0\0\0\x1cftypavif\0\0\0\0mif1isom", "image/avif"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "image/avif"),
            (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "image/x-canon-cr3"),
            (b"RIFF\x24\x08\0\0WEBPVP8 ", "image/webp"),
            (b"BM\x36\x10\x0e\0\0\0\0\0\x36\0", "image/bmp"),
            (b"II*\0\x08\0\0\0", "image/tiff"),
            (b"MM\0*\0\0\0\x08", "image/tiff"),
            (b"\0\0\x01\0\x01\0", "image/x-icon"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
        ] {
            check(first_bytes, Some(name));
        }
    }

    #[test]
    fn sound_and_other_videos_are_named() {
        for (first_bytes, name) in [
            (&b"#!AMR\n\x3c\x91\x17\x16\xbe\x66"[..], "audio/amr"),
            (b"#!AMR-WB\n\x04", "audio/amr-wb"),
            (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom", "audio/mp4"),
            (b"ID3\x03\0\0\0", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"OggS\0\x02", "audio/ogg"),
            (b"caff\0\x01\0\0desc", "audio/x-caf"),
            (b"RIFF\x24\x08\0\0WAVEfmt ", "audio/wav"),
            (b"RIFF\x24\x08\0\0AVI LIST", "video/x-msvideo"),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm", "video/webm"),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x88matroska", "video/x-matroska"),
            (b"\0\0\0\x18ftypzzzz\0\0\0\0", "application/mp4"),
        ] {
            check(first_bytes, Some(name));
        }
    }

    #[test]
    fn documents_and_programs_are_named() {
        for (first_bytes, name) in [
            (&b"%PDF-1.7\n%\xe2\xe3"[..], "application/pdf"),
            (b"PK\x03\x04\x14\0\0\0\x08\0\0\0", "application/zip"),
            (b"\x1f\x8b\x08\0", "application/gzip"),
            (b"MZ\x90\0\x03\0\0\0", "application/vnd.microsoft.portable-executable"),
            (b"BEGIN:VCARD\r\nVERSION:3.0", "text/vcard"),
            (b"\xef\xbb\xbfbegin:vCard\n", "text/vcard"),
            (b"BEGIN:VCALENDAR\r\n", "text/calendar"),
            (b"{\"error\":\"gone\"}", "text/plain"),
            ("Grüße".as_bytes(), "text/plain"),
        ] {
            check(first_bytes, Some(name));
        }
    }

    #[test]
    fn markup_is_named_by_its_first_element_past_comments() {
        for (text, name) in [
            ("<!DOCTYPE html><script>", "text/html"),
            ("\r\n  <HTML><body>", "text/html"),
            ("<!-- <svg> --><html>", "text/html"),
            ("<script>alert(1)</script>", "text/html"),
            ("<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"\"><html>", "text/html"),
            ("<svg xmlns=\"http://www.w3.org/2000/svg\"><script>", "image/svg+xml"),
            ("\u{feff}<svg onload=\"\">", "image/svg+xml"),
            ("<?xml version=\"1.0\"?>\n<!-- a photo -->\n<svg:svg>", "image/svg+xml"),
            ("<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\">", "image/svg+xml"),
            ("<smil><head>", "application/smil"),
            ("<?xml version='1.0'?><!DOCTYPE smil SYSTEM ''>", "application/smil"),
            ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", "application/xml"),
            ("<!-- a comment without end", "text/html"),
        ] {
            check(text.as_bytes(), Some(name));
        }
        let utf16: Vec<u8> = "\u{feff}<svg>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        check(&utf16, Some("image/svg+xml"));
    }

    #[test]
    fn bytes_that_say_nothing_have_no_name() {
        for first_bytes in [&b""[..], b"   \n", b"\0\0\0\0", b"\x01\x02\x03", b"\0\0\0\x18ftyp", b"abc\0def"] {
            check(first_bytes, None);
        }
        let far = [&vec![b' '; NAMED_BY_BYTES][..], b"<svg>"].concat();
        check(&far, None);
    }

    #[test]
    fn a_file_of_two_types_is_what_its_first_bytes_say() {
        for (first_bytes, found) in [
            (&b"\xff\xd8\xff\xe0PK\x03\x04\x14\0\0\0<script>"[..], MediaType::Jpeg),
            (b"GIF89a/*<svg onload=alert(1)>*/=1;", MediaType::Gif),
            (b"\x89PNG\r\n\x1a\n%PDF-1.7<html>", MediaType::Png),
            (b"\0\0\0\x18ftypmp42heicheic<html>", MediaType::Mp4),
        ] {
            assert_eq!(read_type(first_bytes), Some(found), "{}", first_bytes.escape_ascii());
        }
        for (first_bytes, name) in [
            (&b"%PDF-1.7\n\xff\xd8\xff\xe0\0\x10JFIF"[..], "application/pdf"),
            (b"PK\x03\x04\x14\0\0\0GIF89a", "application/zip"),
            (b"<!--\xff\xd8\xff--><svg>", "image/svg+xml"),
            (b"MZ\xff\xd8\xff", "application/vnd.microsoft.portable-executable"),
        ] {
            check(first_bytes, Some(name));
        }
    }

    #[track_caller]
    fn check(first_bytes: &[u8], expected: Option<&str>) {
        assert_eq!(read_type(first_bytes), None, "{}", first_bytes.escape_ascii());
        assert_eq!(name_type(first_bytes), expected, "{}", first_bytes.escape_ascii());
    }
}
