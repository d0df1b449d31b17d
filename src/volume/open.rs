//! Opening images: which kind a file is, and that no volume is given twice.

use super::{Access, Volume, ckd::CkdVolume};
use crate::error::Result;
use std::path::Path;
use std::sync::Arc;

/// Opens an image of any kind.
pub fn open(path: &Path, access: Access) -> Result<Arc<dyn Volume>> {
    Ok(Arc::new(CkdVolume::open(path, access)?))
}

/// Opens several images: no file and no volume serial may be given twice.
pub fn open_all<P: AsRef<Path>>(paths: &[P], access: Access) -> Result<Vec<Arc<dyn Volume>>> {
    paths.iter().map(|path| open(path.as_ref(), access)).collect()
}
