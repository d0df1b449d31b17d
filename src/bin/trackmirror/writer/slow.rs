//! A volume that writes each track in two halves, with a pause between them: what a copy reads meanwhile is torn, and a
//! writer who dies in between leaves it so.

use super::proof;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use trackmirror::geometry::{Geometry, Track};
use trackmirror::volume::{Held, Lock, Volume, VolumeExt};
use trackmirror::{Result, Volser};

#[derive(Debug)]
pub struct SlowVolume {
    inner: Arc<dyn Volume>,
    pause: Duration,
}

impl SlowVolume {
    pub fn new(inner: Arc<dyn Volume>, pause: Duration) -> SlowVolume {
        SlowVolume { inner, pause }
    }
}

impl Volume for SlowVolume {
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
        self.inner.read(first, buffer)
    }
    fn write(&self, first: Track, buffer: &[u8]) -> Result<()> {
        let slot_size = self.slot_size();
        let end = self.geometry().track_count();
        for (slot, track) in buffer.chunks_exact(slot_size).zip(first.0..end) {
            let half = proof::length(slot) / 2;
            let mut torn = vec![0; slot_size];
            self.inner.read(Track(track), &mut torn)?;
            torn[..half].copy_from_slice(&slot[..half]);
            self.inner.write(Track(track), &torn)?;
            std::thread::sleep(self.pause);
            self.inner.write(Track(track), slot)?;
        }
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }
    fn is_past_caches(&self) -> bool {
        self.inner.is_past_caches()
    }
    fn lock(&self, lock: Lock) -> Result<Held<'_>> {
        self.inner.lock(lock)
    }
}
