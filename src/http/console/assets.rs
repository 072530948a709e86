//! The console's files, which are in the binary: `/assets/BUILD/...`, where BUILD stands for all their content, so that
//! browsers may keep them for ever.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;

include!("web/files.rs");

/// How long a browser may keep a file.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// A file as it is sent.
struct Sent {
    content_type: &'static str,
    plain: Bytes,
    gzip: Bytes,
}

static SENT: LazyLock<HashMap<&str, Sent>> = LazyLock::new(|| {
    FILES
        .iter()
        .map(|(name, bytes)| {
            let bytes = content(name, bytes);
            let plain = match *name {
                PAGE => Bytes::from(
                    String::from_utf8_lossy(&bytes).replace("/assets/BUILD/", &format!("/assets/{}/", *BUILD)),
                ),
                _ => bytes,
            };
            (*name, Sent { content_type: content_type(name), gzip: gzip(&plain), plain })
        })
        .collect()
});

/// What is sent of a file. A debug build reads it from the folder that `OFFHOOK_WEB` names, so that a page can be changed
/// without building.
fn content(name: &str, embedded: &'static [u8]) -> Bytes {
    let folder = if cfg!(debug_assertions) { std::env::var_os("OFFHOOK_WEB") } else { None };
    match folder.map(|folder| std::fs::read(std::path::Path::new(&folder).join(name))) {
        Some(Ok(bytes)) => Bytes::from(bytes),
        Some(Err(_)) | None => Bytes::from_static(embedded),
    }
}

/// The page that shows all others.
const PAGE: &str = "index.html";

/// Names the content of all files.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, bytes) in FILES {
        let bytes = content(name, bytes);
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
});

/// What `/v1/me` says of the build, so that a page of another one knows.
pub(super) fn build() -> &'static str {
    &BUILD
}

/// The page, whatever its address.
pub(super) fn page(headers: &HeaderMap) -> Response {
    let mut response = sent(PAGE, headers).unwrap_or_default();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The file at `path`, below `/assets/`; none if it does not exist in this build.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = path.strip_prefix(&**BUILD)?.strip_prefix('/')?;
    let mut response = sent(name, headers)?;
    response.headers_mut().insert(header::CACHE_CONTROL, FOR_EVER);
    Some(response)
}

fn sent(name: &str, headers: &HeaderMap) -> Option<Response> {
    let file = SENT.get(name)?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::OK;
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    own.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let zipped = accepted.flat_map(|value| value.split(',')).any(|word| word.trim() == "gzip");
    if zipped {
        own.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    *response.body_mut() = Body::from(if zipped { file.gzip.clone() } else { file.plain.clone() });
    Some(response)
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("memory can be written").into()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn below(directory: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, root, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn the_binary_has_exactly_the_files_of_the_folder() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/console/web");
        let mut found = BTreeSet::new();
        below(&root, &root, &mut found);
        found.remove("files.rs");
        let listed: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(found, listed, "list them in web/files.rs");
    }

    #[test]
    fn the_page_names_files_of_this_build_only() {
        let page = String::from_utf8_lossy(&SENT[PAGE].plain);
        assert!(!page.contains("BUILD"), "{page}");
        for address in page.split('"').filter_map(|part| part.strip_prefix("/assets/")) {
            assert!(file(address, &HeaderMap::new()).is_some(), "{address}");
        }
        assert!(file("0000000000000000/look.css", &HeaderMap::new()).is_none(), "another build's");
        assert!(file(&format!("{}/../files.rs", *BUILD), &HeaderMap::new()).is_none());
    }

    #[test]
    fn all_files_together_are_small() {
        let bytes: usize = SENT.values().map(|file| file.gzip.len()).sum();
        let modules = FILES.iter().filter(|(name, _)| name.ends_with(".js")).count();
        assert!(bytes <= 150 * 1024 && modules <= 36, "{bytes} bytes compressed, {modules} modules");
    }
}
