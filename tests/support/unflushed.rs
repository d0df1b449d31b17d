//! A volume that does not wait for the disk: for those who judge what is written, or how fast, and not what is durable.

use std::path::Path;
use std::sync::Arc;
use trackmirror::Result;
use trackmirror::Volser;
use trackmirror::geometry::{Geometry, Track};
use trackmirror::volume::{Held, Lock, Volume};

/// A volume that does not wait for the disk.
#[derive(Debug)]
pub struct Unflushed(pub Arc<dyn Volume>);

impl Volume for Unflushed {
    fn volser(&self) -> Volser {
        self.0.volser()
    }
    fn geometry(&self) -> Geometry {
        self.0.geometry()
    }
    fn location(&self) -> String {
        self.0.location()
    }
    fn path(&self) -> Option<&Path> {
        self.0.path()
    }
    fn is_writable(&self) -> bool {
        self.0.is_writable()
    }
    fn read(&self, first: Track, buffer: &mut [u8]) -> Result<()> {
        self.0.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        self.0.write(first, buffer)
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn is_past_caches(&self) -> bool {
        self.0.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.0.lock(lock)
    }
}
