//! A volume before whose reads, writes and flushes something happens, or which refuses them.

use std::path::Path;
use std::sync::Arc;
use trackmirror::geometry::{Geometry, Track};
use trackmirror::volume::{Held, Lock, Volume};
use trackmirror::{Result, Volser};

type Told = Box<dyn Fn(Track, u32) -> Result<()> + Send + Sync>;

/// A volume before whose reads and writes something happens, or which refuses them.
pub struct Between {
    pub inner: Arc<dyn Volume>,
    pub read: Told,
    pub write: Told,
    pub flush: Told,
}

impl Between {
    pub fn reads(
        inner: Arc<dyn Volume>,
        read: impl Fn(Track, u32) -> Result<()> + Send + Sync + 'static,
    ) -> Arc<dyn Volume> {
        let nothing = || -> Told { Box::new(|_, _| Ok(())) };
        Arc::new(Between { inner, read: Box::new(read), write: nothing(), flush: nothing() })
    }

    pub fn writes(
        inner: Arc<dyn Volume>,
        write: impl Fn(Track, u32) -> Result<()> + Send + Sync + 'static,
    ) -> Arc<dyn Volume> {
        let nothing = || -> Told { Box::new(|_, _| Ok(())) };
        Arc::new(Between { inner, read: nothing(), write: Box::new(write), flush: nothing() })
    }

    fn count(&self, bytes: usize) -> u32 {
        (bytes / self.geometry().slot_size as usize) as u32
    }
}

impl std::fmt::Debug for Between {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Volume for Between {
    fn volser(&self) -> Volser {
        self.inner.volser()
    }
    fn geometry(&self) -> Geometry {
        self.inner.geometry()
    }
    fn location(&self) -> String {
        self.inner.location()
    }
    fn path(&self) -> Option<&Path> {
        self.inner.path()
    }
    fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        (self.read)(first, self.count(buffer.len()))?;
        self.inner.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        (self.write)(first, self.count(buffer.len()))?;
        self.inner.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        (self.flush)(Track(0), 0)?;
        self.inner.flush()
    }
    fn check_alone(&self) -> Result<()> {
        self.inner.check_alone()
    }
    fn share(&self) -> Result<()> {
        self.inner.share()
    }
    fn is_past_caches(&self) -> bool {
        self.inner.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.inner.lock(lock)
    }
}
