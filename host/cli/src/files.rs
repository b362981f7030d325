//! Files that somebody names: read up to a bound, whatever they turn out to be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use replicant_check::RuntimeConfig;

use crate::output::grouped;

/// Reads a component, which a node would read too.
pub(crate) fn component(file: &Path) -> Result<Vec<u8>> {
    read(file, RuntimeConfig::default().component_bytes_max)
}

/// Reads a file of at most so many bytes. It may be a pipe or a device: these have no size that
/// could be looked at before.
pub(crate) fn read(file: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    bounded(opened, bytes_max).with_context(|| format!("cannot read {}", file.display()))
}

/// Reads a file of text.
pub(crate) fn text(file: &Path, bytes_max: u64) -> Result<String> {
    let bytes = read(file, bytes_max)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not text in UTF-8", file.display()))
}

/// Reads to the end, which must come within so many bytes.
pub(crate) fn bounded(reader: impl Read, bytes_max: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = reader.take(bytes_max.saturating_add(1));
    reader.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        bail!("it has more than {} bytes", grouped(bytes_max));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn what_has_no_end_is_read_up_to_the_bound() {
        let endless = read(Path::new("/dev/zero"), 1_000).unwrap_err();
        assert!(format!("{endless:#}").contains("more than 1,000 bytes"));
        assert_eq!(bounded(&[7; 1_000][..], 1_000).unwrap().len(), 1_000);
        assert!(bounded(std::io::repeat(7), 1_000).is_err());
    }

    #[test]
    fn a_pipe_is_read_up_to_the_bound_too() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let writing = std::thread::spawn(move || while writer.write_all(&[b'x'; 512]).is_ok() {});
        let file = format!("/dev/fd/{}", reader.as_raw_fd());
        let endless = read(Path::new(&file), 100_000).unwrap_err();
        assert!(format!("{endless:#}").contains("more than 100,000 bytes"));
        drop(reader);
        writing.join().unwrap();
    }

    #[test]
    fn what_is_no_text_or_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bytes");
        std::fs::write(&file, [0xff]).unwrap();
        assert!(text(&file, 10).unwrap_err().to_string().contains("UTF-8"));
        let none = text(&folder.path().join("none"), 10).unwrap_err();
        assert!(none.to_string().contains("none"), "{none}");
    }
}
