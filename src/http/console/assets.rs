//! The console's files, which are in the binary, compressed by `build.rs`: `/assets/BUILD/...`, where BUILD stands for all
//! their content, so that browsers may keep them for ever.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::LazyLock;

/// The compressed files, by their path in the folder `web`.
macro_rules! compressed {
    ($($name:literal,)*) => {
        [$(($name, include_bytes!(concat!(env!("OUT_DIR"), "/web/", $name)).as_slice())),*]
    };
}

static FILES: &[(&str, &[u8])] = &include!("web/files.rs");

/// How long a browser may keep a file.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The page that shows all others.
const INDEX: &str = "index.html";

static GZIP: LazyLock<HashMap<&str, &[u8]>> = LazyLock::new(|| FILES.iter().copied().collect());

/// A file as it was before `build.rs`. A debug build reads it from the folder that `OFFHOOK_WEB` names, so that a page can
/// be changed without building.
fn plain(name: &str, gzip: &[u8]) -> Vec<u8> {
    if let Some(bytes) = folder().and_then(|folder| std::fs::read(folder.join(name)).ok()) {
        return bytes;
    }
    let mut bytes = Vec::new();
    GzDecoder::new(gzip).read_to_end(&mut bytes).expect("build.rs compressed it");
    bytes
}

fn folder() -> Option<PathBuf> {
    if cfg!(debug_assertions) { std::env::var_os("OFFHOOK_WEB").map(PathBuf::from) } else { None }
}

/// Names the content of all files.
static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (name, gzip) in FILES {
        let bytes = plain(name, gzip);
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

/// The page with the names of this build's files.
static PAGE: LazyLock<Bytes> = LazyLock::new(|| {
    let page = plain(INDEX, GZIP[INDEX]);
    String::from_utf8_lossy(&page).replace("/assets/BUILD/", &format!("/assets/{}/", *BUILD)).into()
});

/// The page, whatever its address.
pub(super) fn page() -> Response {
    response(INDEX, PAGE.clone(), HeaderValue::from_static("no-store"))
}

/// The file at `path`, below `/assets/`; none if it does not exist in this build.
pub(super) fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let name = path.strip_prefix(&**BUILD)?.strip_prefix('/')?;
    let gzip = *GZIP.get(name)?;
    let compressed = folder().is_none() && accepts_gzip(headers);
    let bytes = if compressed { Bytes::from_static(gzip) } else { plain(name, gzip).into() };
    let mut response = response(name, bytes, FOR_EVER);
    let own = response.headers_mut();
    own.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if compressed {
        own.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Some(response)
}

fn response(name: &str, bytes: Bytes, kept: HeaderValue) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    own.insert(header::CACHE_CONTROL, kept);
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|word| word.trim() == "gzip")
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
        let page = String::from_utf8_lossy(&PAGE);
        assert!(!page.contains("BUILD"), "{page}");
        for address in page.split('"').filter_map(|part| part.strip_prefix("/assets/")) {
            assert!(file(address, &HeaderMap::new()).is_some(), "{address}");
        }
        assert!(file("0000000000000000/look.css", &HeaderMap::new()).is_none(), "another build's");
        assert!(file(&format!("{}/../files.rs", *BUILD), &HeaderMap::new()).is_none());
    }

    #[test]
    fn all_files_together_are_small() {
        let bytes: usize = FILES.iter().map(|(_, gzip)| gzip.len()).sum();
        let modules = FILES.iter().filter(|(name, _)| name.ends_with(".js")).count();
        assert!(bytes <= 150 * 1024 && modules <= 36, "{bytes} bytes compressed, {modules} modules");
    }
}
