//! What these tests hold in their hands: who has data sets open, what time it is, and what happens while a catalog is
//! changed.

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use trackmirror::catalog::{Catalog, CatalogEntry};
use trackmirror::clock::Clock;
use trackmirror::enqueue::{Enqueue, Opener};
use trackmirror::volume::intent::Journal;
use trackmirror::{DsMask, DsName, Error, Reason, Result, Volser};

/// The port `Enqueue` as a test wants it.
#[derive(Debug, Default)]
pub struct Desk {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    openers: Vec<&'static str>,
    asked: bool,
    held: bool,
    told: Vec<&'static str>,
    /// Every name that was held, and every one that was released.
    held_names: Vec<DsName>,
    released_names: Vec<DsName>,
    /// A verb that fails, why, and how often.
    failing: Option<(&'static str, Reason, usize)>,
}

impl Desk {
    pub fn new() -> Arc<Desk> {
        Arc::default()
    }

    pub fn open(&self, image: &'static str) {
        self.state.lock().openers.push(image);
    }

    pub fn close(&self, image: &str) {
        self.state.lock().openers.retain(|opener| *opener != image);
    }

    /// This verb fails so often, from now on.
    pub fn fail(&self, verb: &'static str, reason: Reason, count: usize) {
        self.state.lock().failing = Some((verb, reason, count));
    }

    /// What was told since the last time.
    pub fn told(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().told)
    }

    /// Every name that was ever held.
    pub fn held_names(&self) -> Vec<DsName> {
        self.state.lock().held_names.clone()
    }

    /// Every name that was ever released.
    pub fn released_names(&self) -> Vec<DsName> {
        self.state.lock().released_names.clone()
    }

    pub fn is_held(&self) -> bool {
        self.state.lock().held
    }

    pub fn is_free(&self) -> bool {
        let state = self.state.lock();
        !state.held && !state.asked
    }

    fn verb(&self, verb: &'static str, act: impl FnOnce(&mut State)) -> Result<()> {
        let mut state = self.state.lock();
        state.told.push(verb);
        if let Some((failing, reason, count)) = &mut state.failing
            && *failing == verb
            && *count > 0
        {
            *count -= 1;
            return Err(Error::new(*reason, format!("{verb} fails; see what it is")));
        }
        act(&mut state);
        Ok(())
    }
}

impl Enqueue for Desk {
    fn ask_to_close(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        self.verb("ask", |state| state.asked = true)
    }
    fn is_closed(&self, _: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        self.verb("is closed", |_| ())?;
        let opener = |image: &&str| Opener {
            image: image.to_string(),
            program: "job".into(),
            process: None,
            data_set: None,
        };
        Ok(self.state.lock().openers.iter().map(opener).collect())
    }
    fn hold(&self, names: &[DsName], _: &[Volser]) -> Result<()> {
        self.verb("hold", |state| {
            state.held = true;
            state.held_names.extend(names);
        })
    }
    fn release(&self, names: &[DsName], _: &[Volser]) -> Result<()> {
        self.verb("release", |state| {
            (state.held, state.asked) = (false, false);
            state.released_names.extend(names);
        })
    }
}

/// A clock that the test sets. Each look takes a millisecond.
#[derive(Debug, Default)]
pub struct Watch(AtomicU64);

impl Watch {
    pub fn wait(&self, time: Duration) {
        self.0.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for Watch {
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

type Deed = Box<dyn FnOnce() + Send>;

/// A catalog behind whose next change something happens.
#[derive(Clone)]
pub struct Hooked {
    inner: Arc<dyn Catalog>,
    then: Arc<Mutex<Option<Deed>>>,
}

impl Hooked {
    pub fn new(inner: Arc<dyn Catalog>) -> Hooked {
        Hooked { inner, then: Arc::default() }
    }

    /// Once, right behind the next change of an entry.
    pub fn then(&self, deed: impl FnOnce() + Send + 'static) {
        *self.then.lock() = Some(Box::new(deed));
    }
}

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.inner.fmt(f)
    }
}

impl Catalog for Hooked {
    fn name(&self) -> String {
        self.inner.name()
    }
    fn volser(&self) -> Option<Volser> {
        self.inner.volser()
    }
    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        self.inner.locate(name)
    }
    fn as_held(&self, entry: CatalogEntry) -> CatalogEntry {
        self.inner.as_held(entry)
    }
    fn list(&self, mask: &DsMask) -> Result<Vec<CatalogEntry>> {
        self.inner.list(mask)
    }
    fn add(&self, entry: &CatalogEntry, journal: &dyn Journal) -> Result<()> {
        self.inner.add(entry, journal)
    }
    fn recatalog(
        &self,
        from: &CatalogEntry,
        to: &CatalogEntry,
        journal: &dyn Journal,
    ) -> Result<()> {
        self.inner.recatalog(from, to, journal)?;
        let deed = self.then.lock().take();
        if let Some(deed) = deed {
            deed();
        }
        Ok(())
    }
    fn rename(&self, from: &DsName, to: &DsName, journal: &dyn Journal) -> Result<()> {
        self.inner.rename(from, to, journal)
    }
    fn delete(&self, name: &DsName, journal: &dyn Journal) -> Result<()> {
        self.inner.delete(name, journal)
    }
}
