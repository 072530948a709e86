//! Reads a PEM file of certificates strictly: an invalid block is reported by its number and line, never skipped.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::ParsedCertificate;
use std::path::Path;

/// Reads a file that holds at least one certificate. The error follows the file's name and quotes none of its content.
/// Text before a block is a comment, and blocks of other kinds, such as keys, are ignored.
pub(super) fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot be read ({error})"))?;
    let mut certificates = Vec::new();
    for block in blocks(&String::from_utf8_lossy(&bytes))? {
        if block.label == "CERTIFICATE" {
            certificates.push(block.certificate()?);
        }
    }
    if certificates.is_empty() { Err("holds no CERTIFICATE in PEM form".to_owned()) } else { Ok(certificates) }
}

/// A PEM block, including its BEGIN and END lines.
struct Block {
    nth: usize,
    line: usize,
    label: String,
    text: String,
}

impl Block {
    fn certificate(&self) -> Result<CertificateDer<'static>, String> {
        let wrong = |what: &str| format!("{what}: block {} at line {}; copy the chain again", self.nth, self.line);
        let certificate =
            CertificateDer::from_pem_slice(self.text.as_bytes()).map_err(|_| wrong("holds a block of invalid PEM"))?;
        ParsedCertificate::try_from(&certificate).map_err(|_| wrong("holds an invalid CERTIFICATE"))?;
        Ok(certificate)
    }
}

fn blocks(text: &str) -> Result<Vec<Block>, String> {
    let (mut blocks, mut open, mut stray) = (Vec::new(), None::<Block>, None);
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let begins = line.strip_prefix("-----BEGIN ").and_then(|label| label.strip_suffix("-----"));
        match (&mut open, begins) {
            (Some(block), Some(_)) => return Err(no_end(block)),
            (None, Some(label)) => {
                let nth = blocks.len() + 1;
                open = Some(Block { nth, line: number, label: label.to_owned(), text: format!("{line}\n") });
                stray = None;
            }
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
                if line == format!("-----END {}-----", block.label) {
                    blocks.extend(open.take());
                }
            }
            (None, None) if !line.is_empty() => stray = stray.or(Some(number)),
            (None, None) => {}
        }
    }
    match (open, stray.filter(|_| !blocks.is_empty())) {
        (Some(block), _) => Err(no_end(&block)),
        (None, Some(line)) => Err(format!("holds text after its last block, at line {line}: remove it")),
        (None, None) => Ok(blocks),
    }
}

fn no_end(block: &Block) -> String {
    format!("is truncated: block {} at line {} has no END line; copy the chain again", block.nth, block.line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::self_signed::SelfSigned;

    #[test]
    fn f27_an_invalid_certificate_in_a_chain_is_named_by_block_and_line() {
        let good = pem();
        let lines = good.lines().count();
        let cut = good.rsplit_once("-----END").unwrap().0.to_owned();
        let no_der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let no_base64 = "-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n";
        for (text, expected) in [
            (format!("{good}{no_der}"), format!("block 2 at line {}", lines + 1)),
            (format!("{good}{no_base64}"), format!("block 2 at line {}", lines + 1)),
            (format!("{good}{cut}"), format!("block 2 at line {} has no END line", lines + 1)),
            (format!("{cut}{good}"), "block 1 at line 1 has no END line".to_owned()),
            (format!("{good}\nnoise\nmore\n"), format!("after its last block, at line {}", lines + 2)),
            (no_der.to_owned(), "block 1 at line 1".to_owned()),
            ("noise".to_owned(), "holds no CERTIFICATE in PEM form".to_owned()),
            (String::new(), "holds no CERTIFICATE in PEM form".to_owned()),
        ] {
            let error = read_text(&text).unwrap_err();
            assert!(error.contains(&expected), "{expected}: {error}");
        }
    }

    #[test]
    fn f27_comments_line_ends_and_other_blocks_are_accepted() {
        let good = pem();
        let key = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
        for text in [
            format!("# leaf\n{good}\n# issuer\n{good}\n\n"),
            format!("{good}{good}").replace('\n', "\r\n"),
            format!("{good}{key}{good}"),
            format!("{good}{}", good.trim_end()),
        ] {
            assert_eq!(read_text(&text).unwrap().len(), 2);
        }
    }

    fn pem() -> String {
        SelfSigned::new("localhost").certificate.replace('\r', "")
    }

    fn read_text(text: &str) -> Result<Vec<CertificateDer<'static>>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }
}
