//! Media in a bucket: `<prefix>/<day>/<sha256 in hex>`.
//!
//! Invariant: an object has its name only when all its bytes are there, because it is written by one request. Multipart
//! uploads are of no use here: S3 wants 5 MiB in each part, so the medium would be whole in memory, and the name would
//! have to be known before the last byte. A medium is written to a local disk first, and streams from there.

mod error;
mod open;
mod upload;
mod wire;

pub(super) use open::check;

use self::error::{failed, is_missing};
use self::upload::{Contents, Signed};
use super::aside::Aside;
use super::incoming::Written;
use super::{Bucket, Digests, Reading, Sha256, StoreFailed, name, named, part};
use crate::model::Day;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload};
use std::ops::Range;
use std::sync::Arc;

/// What the probe writes and deletes.
const PROBE: &str = "probe";

/// A bucket.
pub(super) struct BucketStore {
    objects: Arc<dyn ObjectStore>,
    /// How a medium is written without being whole in memory; `None` for objects that are in memory anyway.
    signed: Option<Signed>,
    prefix: Path,
    /// Its URL, for messages.
    url: Arc<str>,
    aside: Aside,
}

impl BucketStore {
    pub(super) fn open(bucket: &Bucket, aside: &std::path::Path) -> Result<Self, StoreFailed> {
        let url: Arc<str> = bucket.to_string().into();
        let (objects, signed) = open::open(bucket).map_err(|why| StoreFailed::Other(format!("{url}: {why}")))?;
        Ok(Self { objects, signed: Some(signed), prefix: open::prefix(bucket), url, aside: Aside::open(aside)? })
    }

    #[cfg(test)]
    pub(super) fn in_memory(aside: &std::path::Path) -> Result<Self, StoreFailed> {
        let objects = Arc::new(object_store::memory::InMemory::new());
        Ok(Self {
            objects,
            signed: None,
            prefix: Path::from("some/prefix"),
            url: "memory".into(),
            aside: Aside::open(aside)?,
        })
    }

    pub(super) fn aside(&self) -> &Aside {
        &self.aside
    }

    pub(super) async fn keep(&self, day: Day, sha256: Sha256, written: Written) -> Result<(), StoreFailed> {
        if self.size(day, sha256).await? == Some(written.bytes()) {
            return Ok(());
        }
        let (place, bytes) = (self.place(day, &sha256), written.bytes());
        let contents = Contents::new(written, self.aside.clone());
        match &self.signed {
            Some(signed) => signed.put(&self.url, &place, bytes, contents).await,
            None => {
                let whole: Vec<_> = contents.pieces().try_collect().await?;
                self.done(self.objects.put(&place, whole.into_iter().collect()).await).map(drop)
            }
        }
    }

    pub(super) async fn read(
        &self,
        day: Day,
        sha256: Sha256,
        range: Option<Range<u64>>,
    ) -> Result<Option<Reading>, StoreFailed> {
        let mut options = GetOptions::new();
        if range.is_some() {
            // A range beyond the end is an error to the bucket, and how it is told differs.
            let Some(size) = self.size(day, sha256).await? else { return Ok(None) };
            let range = part(range, size);
            if range.is_empty() {
                return Ok(Some(Reading { size, range, pieces: Box::pin(futures_util::stream::empty()) }));
            }
            options.range = Some(GetRange::Bounded(range));
        }
        let opened = self.if_there(self.objects.get_opts(&self.place(day, &sha256), options).await)?;
        Ok(opened.map(|opened| {
            let (size, range, url) = (opened.meta.size, opened.range.clone(), self.url.clone());
            let pieces = opened.into_stream().map_err(move |error| failed(&url, &error));
            Reading { size, range, pieces: Box::pin(pieces) }
        }))
    }

    pub(super) async fn size(&self, day: Day, sha256: Sha256) -> Result<Option<u64>, StoreFailed> {
        let about = self.if_there(self.objects.head(&self.place(day, &sha256)).await)?;
        Ok(about.map(|about| about.size))
    }

    pub(super) async fn delete(&self, day: Day, sha256: Sha256) -> Result<(), StoreFailed> {
        self.if_there(self.objects.delete(&self.place(day, &sha256)).await).map(drop)
    }

    pub(super) async fn days(&self) -> Result<Vec<Day>, StoreFailed> {
        let listed = self.done(self.objects.list_with_delimiter(Some(&self.prefix)).await)?;
        let days = listed.common_prefixes.iter().filter_map(|prefix| Day::parse(prefix.filename()?));
        let mut days: Vec<_> = days.collect();
        days.sort_unstable();
        Ok(days)
    }

    pub(super) fn list(&self, day: Day) -> Digests {
        let url = self.url.clone();
        let found = self.objects.list(Some(&self.of_day(day))).map_err(move |error| failed(&url, &error));
        Box::pin(found.try_filter_map(async |object: ObjectMeta| Ok(object.location.filename().and_then(named))))
    }

    pub(super) async fn delete_day(&self, day: Day) -> Result<(), StoreFailed> {
        let places = self.objects.list(Some(&self.of_day(day))).map_ok(|object| object.location).boxed();
        let mut deleted = self.objects.delete_stream(places);
        while let Some(result) = deleted.next().await {
            self.if_there(result)?;
        }
        Ok(())
    }

    pub(super) async fn probe(&self) -> Result<(), StoreFailed> {
        let place = self.prefix.clone().join(PROBE);
        self.done(self.objects.put(&place, PutPayload::from_static(b"probe")).await)?;
        self.if_there(self.objects.delete(&place).await).map(drop)
    }

    fn done<T>(&self, result: object_store::Result<T>) -> Result<T, StoreFailed> {
        result.map_err(|error| failed(&self.url, &error))
    }

    /// `None` for what is not there, while the bucket itself is.
    fn if_there<T>(&self, result: object_store::Result<T>) -> Result<Option<T>, StoreFailed> {
        match result {
            Err(error) if is_missing(&error) => Ok(None),
            result => self.done(result).map(Some),
        }
    }

    fn of_day(&self, day: Day) -> Path {
        self.prefix.clone().join(day.to_string())
    }

    fn place(&self, day: Day, sha256: &Sha256) -> Path {
        self.of_day(day).join(name(sha256))
    }
}
