//! The bytes of records and rows.
//!
//! An unsigned number is a varint (seven bits per byte, the lowest first), a signed one a zigzag varint, a byte a byte.
//! A text, a list and a map begin with their length, an option with 0 or 1, an enum with the number of its variant. A
//! struct is its fields in order.

use crate::machine::private::Private;
use crate::model::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Room for at most this many items is reserved before a list is read, because its length may be wrong.
const RESERVED_MAX: usize = 64;

/// A value with a fixed form in records and rows. Only types with this trait can be stored.
pub trait Stored: Sized {
    /// Writes the value in the newest form.
    fn write(&self, writer: &mut Writer);

    /// Reads a value in the form of the reader's version.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid>;
}

/// The bytes are not a value of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The bytes end within a value.
    #[error("the bytes end too early")]
    Short,
    /// Bytes follow the value.
    #[error("bytes are left over")]
    Long,
    /// A value is outside its range.
    #[error("not a valid {0}")]
    Value(&'static str),
    /// No variant has this number.
    #[error("no {0} has the number {1}")]
    Number(&'static str, u32),
    /// The place of a body is outside the record.
    #[error("a body is missing")]
    Body,
}

/// Collects the bytes of a record or a row.
pub struct Writer {
    bytes: Vec<u8>,
    /// The bodies of a record; `None` for a row, which holds personal data inline.
    bodies: Option<Vec<Vec<u8>>>,
}

impl Writer {
    /// The bytes of a row.
    pub(in crate::machine) fn row<T: Stored>(value: &T) -> Vec<u8> {
        let mut writer = Self { bytes: Vec::new(), bodies: None };
        value.write(&mut writer);
        writer.bytes
    }

    /// A writer of a record of this version.
    pub(super) fn record(version: u8) -> Self {
        Self { bytes: vec![version], bodies: Some(Vec::new()) }
    }

    /// The meta and the bodies of a record.
    pub(super) fn finish(self) -> (Vec<u8>, Vec<Vec<u8>>) {
        (self.bytes, self.bodies.unwrap_or_default())
    }

    /// Writes the number of an enum's variant.
    pub(super) fn number(&mut self, number: u32) {
        self.varint(u64::from(number));
    }

    /// Writes a text.
    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// Writes a list.
    pub(super) fn list<T: Stored>(&mut self, list: &[T]) {
        self.length(list.len());
        list.iter().for_each(|item| item.write(self));
    }

    fn length(&mut self, length: usize) {
        self.varint(length as u64);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// The bytes of a record or a row that are still to be read.
pub struct Reader<'a> {
    rest: &'a [u8],
    version: u8,
    bodies: Bodies,
}

/// Where a reader finds personal data.
enum Bodies {
    /// In the row itself.
    Inline,
    /// In bodies beside the meta; `None` stands for one that was erased.
    Beside(Vec<Option<Vec<u8>>>),
    /// Nowhere: every value reads as erased.
    Absent,
}

impl<'a> Reader<'a> {
    /// A reader of a row in the form of a record version.
    pub(in crate::machine) fn row(row: &'a [u8], version: u8) -> Self {
        Self { rest: row, version, bodies: Bodies::Inline }
    }

    /// A reader of a record's meta and bodies.
    pub(super) fn record(meta: &'a [u8], version: u8, bodies: Vec<Option<Vec<u8>>>) -> Self {
        Self { rest: meta, version, bodies: Bodies::Beside(bodies) }
    }

    /// A reader of a record's meta without its bodies.
    pub(super) fn without_people(meta: &'a [u8], version: u8) -> Self {
        Self { rest: meta, version, bodies: Bodies::Absent }
    }

    /// Reads one value, which must take all bytes.
    pub(in crate::machine) fn whole<T: Stored>(mut self) -> Result<T, Invalid> {
        let value = T::read(&mut self)?;
        if self.rest.is_empty() { Ok(value) } else { Err(Invalid::Long) }
    }

    /// Reads a field that versions before `since` lack: it has its default there.
    pub(super) fn since<T: Stored + Default>(&mut self, since: u8) -> Result<T, Invalid> {
        if self.version < since { Ok(T::default()) } else { T::read(self) }
    }

    /// Reads the number of an enum's variant.
    pub(super) fn number(&mut self) -> Result<u32, Invalid> {
        u32::read(self)
    }

    /// Reads a text.
    pub(super) fn text(&mut self) -> Result<&'a str, Invalid> {
        let length = self.length()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Invalid::Value("text"))
    }

    /// Reads the length of what follows, of which every item takes at least one byte.
    fn length(&mut self) -> Result<usize, Invalid> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if length <= self.rest.len() { Ok(length) } else { Err(Invalid::Short) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Invalid> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Invalid::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Invalid> {
        let (byte, rest) = self.rest.split_first().ok_or(Invalid::Short)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn varint(&mut self) -> Result<u64, Invalid> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Invalid::Value("number"))
    }
}

macro_rules! unsigned {
    ($($type:ident)*) => {
        $(impl Stored for $type {
            fn write(&self, writer: &mut Writer) {
                writer.varint(u64::from(*self));
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                Self::try_from(reader.varint()?).map_err(|_| Invalid::Value(stringify!($type)))
            }
        })*
    };
}

unsigned!(u16 u32 u64);

macro_rules! signed {
    ($($type:ident)*) => {
        $(impl Stored for $type {
            fn write(&self, writer: &mut Writer) {
                let value = i64::from(*self);
                writer.varint(((value << 1) ^ (value >> 63)) as u64);
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                let folded = reader.varint()?;
                let value = (folded >> 1) as i64 ^ -((folded & 1) as i64);
                Self::try_from(value).map_err(|_| Invalid::Value(stringify!($type)))
            }
        })*
    };
}

signed!(i32 i64);

impl Stored for u8 {
    fn write(&self, writer: &mut Writer) {
        writer.bytes.push(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        reader.byte()
    }
}

impl Stored for bool {
    fn write(&self, writer: &mut Writer) {
        u8::from(*self).write(writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Invalid::Value("bool")),
        }
    }
}

impl Stored for String {
    fn write(&self, writer: &mut Writer) {
        writer.text(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        reader.text().map(ToOwned::to_owned)
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn write(&self, writer: &mut Writer) {
        writer.bytes.extend_from_slice(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        reader.take(N).map(|bytes| bytes.try_into().expect("as many bytes were taken"))
    }
}

impl<T: Stored> Stored for Option<T> {
    fn write(&self, writer: &mut Writer) {
        self.is_some().write(writer);
        if let Some(value) = self {
            value.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        bool::read(reader)?.then(|| T::read(reader)).transpose()
    }
}

impl<T: Stored> Stored for Box<T> {
    fn write(&self, writer: &mut Writer) {
        T::write(self, writer);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        T::read(reader).map(Self::new)
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn write(&self, writer: &mut Writer) {
        writer.list(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let length = reader.length()?;
        let mut list = Self::with_capacity(length.min(RESERVED_MAX));
        for _ in 0..length {
            list.push(T::read(reader)?);
        }
        Ok(list)
    }
}

impl<K: Stored + Ord, V: Stored> Stored for BTreeMap<K, V> {
    fn write(&self, writer: &mut Writer) {
        writer.length(self.len());
        for (key, value) in self {
            key.write(writer);
            value.write(writer);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        let length = reader.length()?;
        (0..length).map(|_| <(K, V)>::read(reader)).collect()
    }
}

macro_rules! tuple {
    ($($name:ident: $type:ident),*) => {
        impl<$($type: Stored),*> Stored for ($($type,)*) {
            fn write(&self, writer: &mut Writer) {
                let ($($name,)*) = self;
                $($name.write(writer);)*
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
                Ok(($($type::read(reader)?,)*))
            }
        }
    };
}

tuple!(first: A, second: B);
tuple!(first: A, second: B, third: C);

/// JSON text, by the names of the fields.
impl<T: Serialize + DeserializeOwned> Stored for Json<T> {
    fn write(&self, writer: &mut Writer) {
        writer.text(&serde_json::to_string(&self.0).expect("the directory's resources are plain values"));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        serde_json::from_str(reader.text()?).map(Json).map_err(|_| Invalid::Value("JSON"))
    }
}

/// In a record the place of a body, in a row the value or nothing.
impl<T: Stored> Stored for Private<T> {
    fn write(&self, writer: &mut Writer) {
        let Some(bodies) = &mut writer.bodies else {
            writer.bytes.push(u8::from(self.kept().is_some()));
            if let Self::Kept(value) = self {
                value.write(writer);
            }
            return;
        };
        let place = bodies.len();
        bodies.push(self.kept().map(Writer::row).unwrap_or_default());
        writer.length(place);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Invalid> {
        if let Bodies::Inline = reader.bodies {
            return Ok(Option::<T>::read(reader)?.map_or(Self::Erased, Self::Kept));
        }
        let place = u32::read(reader)? as usize;
        let Bodies::Beside(bodies) = &reader.bodies else { return Ok(Self::Erased) };
        match bodies.get(place).ok_or(Invalid::Body)? {
            // An empty body was erased already when this record was written.
            Some(body) if !body.is_empty() => Reader::row(body, reader.version).whole().map(Self::Kept),
            Some(_) | None => Ok(Self::Erased),
        }
    }
}
