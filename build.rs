//! Compresses the console's files, so that the program holds them as browsers get them.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

const WEB: &str = "src/http/console/web";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={WEB}");
    let out = std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    compress(Path::new(WEB), &Path::new(&out).join("web"))
}

/// Writes each file below a folder into another one, under its own name.
fn compress(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            compress(&path, &to)?;
        } else {
            let mut encoder = GzEncoder::new(fs::File::create(to)?, Compression::best());
            encoder.write_all(&fs::read(path)?)?;
            encoder.finish()?;
        }
    }
    Ok(())
}
