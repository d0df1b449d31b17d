//! Whether the host's own file system has room for what will be written to an image.

use std::path::Path;
use trackmirror::{Error, Reason, Result};

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// That a new sparse image with so many tracks can be made here: each track takes one block of the file system.
///
/// Error: [`Reason::HostSpace`].
pub fn check_new_image(path: &Path, track_count: u32) -> Result<()> {
    let folder = folder_of(path);
    let status = status(folder)?;
    check(folder, &status, u64::from(track_count).saturating_mul(status.f_bsize.max(512)))
}

/// The bytes that a file can still take of its file system, because they are holes.
fn hole_bytes(path: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).map_err(|error| Error::io(path.display(), &error))?;
    Ok(metadata.len().saturating_sub(metadata.blocks().saturating_mul(512)))
}

/// That these many bytes can be written into existing images, some of which may lie in one file system.
///
/// Error: [`Reason::HostSpace`].
pub fn check_images<'a>(writes: impl IntoIterator<Item = (&'a Path, u64)>) -> Result<()> {
    use std::collections::BTreeMap;
    use std::os::unix::fs::MetadataExt;
    let mut by_device: BTreeMap<u64, (&Path, u64)> = BTreeMap::new();
    for (path, bytes) in writes {
        let metadata =
            std::fs::metadata(path).map_err(|error| Error::io(path.display(), &error))?;
        if !metadata.is_file() {
            continue;
        }
        let needed = by_device.entry(metadata.dev()).or_insert((path, 0));
        needed.1 = needed.1.saturating_add(bytes.min(hole_bytes(path)?));
    }
    by_device.values().try_for_each(|&(path, needed)| check(path, &status(path)?, needed))
}

fn status(path: &Path) -> Result<rustix::fs::StatVfs> {
    rustix::fs::statvfs(path).map_err(|error| Error::io(path.display(), &error.into()))
}

fn check(place: &Path, status: &rustix::fs::StatVfs, needed: u64) -> Result<()> {
    let available = status.f_bavail.saturating_mul(status.f_frsize);
    if needed <= available {
        return Ok(());
    }
    Err(Error::new(
        Reason::HostSpace,
        format!(
            "up to {} MB are needed in the file system of {}, and {} MB are free; make room there",
            needed.div_ceil(1 << 20),
            place.display(),
            available >> 20
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_system_holds_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        check_new_image(&image, 1).unwrap();
        let file = std::fs::File::create(&image).unwrap();
        file.set_len(1 << 40).unwrap();
        check_images([(image.as_path(), 1000)]).unwrap();
        let status = status(folder.path()).unwrap();
        let too_much = status.f_bavail * status.f_frsize + 1;
        assert_eq!(check(&image, &status, too_much).unwrap_err().reason(), Reason::HostSpace);
        // Two images share what there is, which others take and give meanwhile.
        if too_much < 1 << 40 {
            let most = too_much / 4 * 3;
            let writes = [(image.as_path(), most), (image.as_path(), most)];
            assert_eq!(check_images(writes).unwrap_err().reason(), Reason::HostSpace);
        }
    }
}
