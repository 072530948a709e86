//! The caller's photo: the type plate of a boiler, drawn here and written as a PNG.
//!
//! A PNG may hold its pixels uncompressed, so no library is needed. What is fetched from the gateway can be opened in any
//! viewer.

use bytes::Bytes;

const WIDTH: usize = 384;
const HEIGHT: usize = 256;

/// Red, green and blue of each colour: ink, rivets, the stripe, then shades of the plate and of the wall.
const PALETTE: [[u8; 3]; 16] = [
    [30, 32, 36],
    [92, 96, 102],
    [190, 40, 36],
    [176, 180, 186],
    [186, 190, 195],
    [196, 200, 204],
    [206, 209, 213],
    [216, 219, 222],
    [226, 228, 231],
    [120, 98, 74],
    [126, 103, 78],
    [132, 108, 82],
    [138, 114, 87],
    [144, 119, 91],
    [150, 125, 96],
    [156, 130, 100],
];
const INK: u8 = 0;
const RIVET: u8 = 1;
const STRIPE: u8 = 2;
/// The darkest shade of the plate, and how many there are.
const PLATE: (u8, usize) = (3, 6);
/// The same of the wall.
const WALL: (u8, usize) = (9, 7);

/// Rows of five pixels.
const GLYPHS: [(char, [u8; 7]); 27] = [
    ('A', [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11]),
    ('C', [0x0e, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0e]),
    ('D', [0x1e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1e]),
    ('E', [0x1f, 0x10, 0x10, 0x1e, 0x10, 0x10, 0x1f]),
    ('G', [0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0f]),
    ('H', [0x11, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11]),
    ('I', [0x0e, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0e]),
    ('L', [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f]),
    ('M', [0x11, 0x1b, 0x15, 0x15, 0x11, 0x11, 0x11]),
    ('N', [0x11, 0x11, 0x19, 0x15, 0x13, 0x11, 0x11]),
    ('O', [0x0e, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0e]),
    ('R', [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11]),
    ('S', [0x0f, 0x10, 0x10, 0x0e, 0x01, 0x01, 0x1e]),
    ('T', [0x1f, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04]),
    ('V', [0x11, 0x11, 0x11, 0x11, 0x11, 0x0a, 0x04]),
    ('Z', [0x1f, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1f]),
    ('0', [0x0e, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0e]),
    ('1', [0x04, 0x0c, 0x04, 0x04, 0x04, 0x04, 0x0e]),
    ('2', [0x0e, 0x11, 0x01, 0x02, 0x04, 0x08, 0x1f]),
    ('3', [0x1f, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0e]),
    ('4', [0x02, 0x06, 0x0a, 0x12, 0x1f, 0x02, 0x02]),
    ('5', [0x1f, 0x10, 0x1e, 0x01, 0x01, 0x11, 0x0e]),
    ('6', [0x06, 0x08, 0x10, 0x1e, 0x11, 0x11, 0x0e]),
    ('7', [0x1f, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08]),
    ('8', [0x0e, 0x11, 0x11, 0x0e, 0x11, 0x11, 0x0e]),
    ('-', [0x00, 0x00, 0x00, 0x1f, 0x00, 0x00, 0x00]),
    (' ', [0x00; 7]),
];

/// Widths of the bar code's bars and gaps in turn.
const BARS: [usize; 43] = [
    2, 1, 4, 1, 2, 3, 1, 2, 1, 4, 2, 1, 1, 3, 2, 1, 4, 2, 1, 1, 3, 2, 2, 1, 1, 4, 1, 2, 3, 1, 2, 2, 1, 3, 1, 1, 4, 2,
    1, 1, 2, 3, 1,
];

/// The photo as a PNG file.
pub(super) fn type_plate() -> Bytes {
    let mut photo = Photo { pixels: vec![INK; WIDTH * HEIGHT] };
    photo.shade((0, 0), (WIDTH, HEIGHT), WALL);
    photo.fill((22, 22), (346, 218), INK);
    photo.shade((16, 16), (346, 218), PLATE);
    for corner in [(30, 30), (348, 30), (30, 220), (348, 220)] {
        photo.disc(corner, 6, RIVET);
    }
    photo.write((48, 30), 4, "ACME HEATING");
    photo.fill((34, 66), (310, 5), STRIPE);
    photo.write((40, 84), 3, "MODEL   AH-7");
    photo.write((40, 114), 3, "SERIAL  4815-1623");
    photo.write((40, 144), 3, "230 V   50 HZ");
    let mut left = 62;
    for (nth, width) in BARS.into_iter().enumerate() {
        if nth % 2 == 0 {
            photo.fill((left, 176), (width * 3, 44), INK);
        }
        left += width * 3;
    }
    png(&photo.pixels)
}

/// Each pixel as its colour's number in the palette, row by row.
struct Photo {
    pixels: Vec<u8>,
}

impl Photo {
    fn fill(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), colour: u8) {
        for row in self.pixels.chunks_mut(WIDTH).skip(top).take(height) {
            row.iter_mut().skip(left).take(width).for_each(|pixel| *pixel = colour);
        }
    }

    /// Fills with light that falls from the upper left.
    fn shade(&mut self, (left, top): (usize, usize), (width, height): (usize, usize), (darkest, shades): (u8, usize)) {
        for (y, row) in self.pixels.chunks_mut(WIDTH).skip(top).take(height).enumerate() {
            for (x, pixel) in row.iter_mut().skip(left).take(width).enumerate() {
                let far = (x + 2 * y) * shades / (width + 2 * height);
                *pixel = darkest + (shades - 1 - far) as u8;
            }
        }
    }

    fn disc(&mut self, (x, y): (usize, usize), radius: usize, colour: u8) {
        for (row, line) in self.pixels.chunks_mut(WIDTH).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                if column.abs_diff(x).pow(2) + row.abs_diff(y).pow(2) <= radius.pow(2) {
                    *pixel = colour;
                }
            }
        }
    }

    /// Writes with letters of 5 by 7 dots of `size` pixels.
    fn write(&mut self, (left, top): (usize, usize), size: usize, text: &str) {
        for (nth, letter) in text.chars().enumerate() {
            let found = GLYPHS.iter().find(|(glyph, _)| *glyph == letter);
            let (_, rows) = found.expect("the font has the letters of the plate");
            for (y, row) in rows.iter().enumerate() {
                for x in (0..5).filter(|x| (row >> (4 - x)) & 1 == 1) {
                    self.fill((left + (6 * nth + x) * size, top + y * size), (size, size), INK);
                }
            }
        }
    }
}

/// A PNG of these pixels, two to a byte.
fn png(pixels: &[u8]) -> Bytes {
    let mut rows = Vec::new();
    for row in pixels.chunks(WIDTH) {
        // The row is not filtered.
        rows.push(0);
        rows.extend(row.chunks(2).map(|pair| (pair[0] << 4) | pair[1]));
    }
    let mut header = Vec::new();
    header.extend((WIDTH as u32).to_be_bytes());
    header.extend((HEIGHT as u32).to_be_bytes());
    // Four bits a pixel, by a palette, in one pass.
    header.extend([4, 3, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"PLTE", PALETTE.as_flattened());
    chunk(&mut file, b"IDAT", &stored(&rows));
    chunk(&mut file, b"IEND", &[]);
    file.into()
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let from = file.len();
    file.extend(kind);
    file.extend(data);
    let checksum = crc32(&file[from..]);
    file.extend(checksum.to_be_bytes());
}

/// A zlib stream of blocks that are not compressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let len = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    let shifted = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| shifted(crc)))
}

fn adler32(data: &[u8]) -> u32 {
    let add = |(a, b): (u32, u32), byte: &u8| ((a + u32::from(*byte)) % 65_521, (a + b + u32::from(*byte)) % 65_521);
    let (a, b) = data.iter().fold((1, 0), add);
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::media::{MediaType, read_type};

    #[test]
    fn f22_the_photo_is_a_whole_png() {
        let file = type_plate();
        assert_eq!(read_type(&file), Some(MediaType::Png));
        assert!(file.ends_with(b"\0\0\0\0IEND\xae\x42\x60\x82"), "each chunk has its checksum");
        let mut rest = &file[8..];
        let mut kinds = Vec::new();
        while let Some((len, after)) = rest.split_first_chunk::<4>() {
            let (data, after) = after.split_at(4 + u32::from_be_bytes(*len) as usize);
            kinds.push(String::from_utf8_lossy(&data[..4]).into_owned());
            rest = &after[4..];
        }
        assert_eq!(kinds, ["IHDR", "PLTE", "IDAT", "IEND"]);
    }

    #[test]
    fn checksums_are_those_of_the_png_and_zlib_formats() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(stored(b"ab")[..7], [0x78, 0x01, 1, 2, 0, 0xfd, 0xff]);
        assert_eq!(stored(&[0; 65_536]).len(), 2 + 5 + 65_535 + 5 + 1 + 4);
    }
}
