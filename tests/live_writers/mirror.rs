//! The smallest mirror: subscriptions and a copier in this process, without plan, checkpoint and switch. It shows that
//! writers, ledgers and check are right, and it can be made wrong, so that the check is seen to find losses.

use super::world::{World, extents_of};
use super::writer::LONG;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trackmirror::copy::{Copier, CopyOptions, Volumes};
use trackmirror::dscb::Format1;
use trackmirror::enqueue::{Enqueue, RegistryEnqueue};
use trackmirror::geometry::Extent;
use trackmirror::monitor::{Area, Identity, Subscription};
use trackmirror::registry::openers::Openers;
use trackmirror::translate::TranslateTable;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{FreeSpace, NewDataSet, SpaceManager, Vtoc};
use trackmirror::{DsName, Volser};

pub struct Mirror {
    pub subscriptions: BTreeMap<Volser, Subscription>,
    pub copier: Copier,
    pub table: TranslateTable,
    pub targets: Volumes,
    extents: BTreeMap<Volser, Vec<Extent>>,
    enqueue: RegistryEnqueue,
    data_sets: Vec<DsName>,
}

fn opened(files: &[std::path::PathBuf], access: Access) -> Volumes {
    let volumes = volume::open_all(files, access).unwrap().into_iter();
    volumes.map(|volume| (volume.volser(), volume)).collect()
}

impl Mirror {
    /// Allocates each data set on the first target in one extent, and subscribes to every track of it.
    pub fn new(world: &World) -> Mirror {
        let (sources, targets) =
            (opened(&world.sources, Access::Read), opened(&world.targets[..1], Access::Exclusive));
        let target = targets.values().next().unwrap().clone();
        let mut entries = Vec::new();
        for name in &world.data_sets {
            let source = extents_of(name, &world.sources);
            let to = (target.volser(), allocate(&sources, &target, name, &source));
            entries.extend(TranslateTable::map(&source, &[to]).unwrap());
        }
        let table = TranslateTable::new(entries).unwrap();
        let mut extents: BTreeMap<Volser, Vec<Extent>> = BTreeMap::new();
        for entry in table.entries() {
            extents.entry(entry.source_volser).or_default().push(entry.source);
        }
        let mut subscriptions = BTreeMap::new();
        for (volser, extents) in &extents {
            let identity = Identity::of(&*sources[volser]).unwrap();
            let area = Area::open_in(&world.registry(), identity).unwrap();
            let subscription = Subscription::open(&area, [3, 4]).unwrap();
            let until = Instant::now() + LONG;
            while subscription.pending_write().unwrap().is_some() {
                assert!(Instant::now() < until);
                std::thread::sleep(Duration::from_millis(1));
            }
            subscription.fill(extents).unwrap();
            subscriptions.insert(*volser, subscription);
        }
        let options = CopyOptions { threads: 2, ..CopyOptions::default() };
        let copier =
            Copier::monitored(table.clone(), &sources, &targets, &subscriptions, options).unwrap();
        let openers = Openers::at(&world.registry().join("openers")).unwrap();
        let enqueue = RegistryEnqueue::new(openers, "the mirror of a test");
        let data_sets = world.data_sets.clone();
        Mirror { subscriptions, copier, table, targets, extents, enqueue, data_sets }
    }

    /// Copies for a while.
    pub fn copy_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.copier.step(100).unwrap();
        }
    }

    /// Asks to close, goes on copying (or does not) until all have, and seals.
    pub fn close(&mut self, copying: bool) {
        self.enqueue.ask_to_close(&self.data_sets, &[]).unwrap();
        self.enqueue.hold(&self.data_sets, &[]).unwrap();
        let until = Instant::now() + LONG;
        while !self.enqueue.is_closed(&self.data_sets, &[]).unwrap().is_empty() {
            assert!(Instant::now() < until, "they do not close");
            if copying {
                self.copier.step(100).unwrap();
            }
        }
        for (volser, subscription) in &self.subscriptions {
            subscription.seal(&self.extents[volser]).unwrap();
        }
    }

    /// Copies what is left, until nothing is.
    pub fn finish(&mut self) {
        let until = Instant::now() + LONG;
        while self.subscriptions.iter().any(|(volser, subscription)| {
            subscription.look(&self.extents[volser]).unwrap().is_some()
        }) {
            assert!(Instant::now() < until, "it never becomes quiet");
            self.copier.step(100).unwrap();
        }
    }

    /// Forgets everything that is still to be copied: what a mirror with lost marks would do.
    pub fn forget(&mut self) {
        for (volser, subscription) in &self.subscriptions {
            for extent in &self.extents[volser] {
                subscription.clear_marks(*extent).unwrap();
                subscription.leave_out(*extent).unwrap();
            }
        }
    }
}

/// Space for a data set on the target, in one extent.
fn allocate(
    sources: &Volumes,
    target: &Arc<dyn Volume>,
    name: &DsName,
    source: &[(Volser, Extent)],
) -> Extent {
    let track_count: u32 = source.iter().map(|(_, extent)| extent.track_count).sum();
    let vtoc = Vtoc::read(&**target).unwrap();
    let extent = FreeSpace::of(&vtoc).unwrap().fit(track_count, false).unwrap();
    let model = Vtoc::read(&*sources[&source[0].0]).unwrap().find(name).unwrap().unwrap().format1;
    let mut format1 = Format1::new(*name);
    format1.set_first_volser(target.volser());
    format1.set_volume_sequence(1);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(model.recfm());
    format1.set_lrecl(model.lrecl());
    format1.set_blksize(model.blksize());
    let new = NewDataSet { format1, extents: vec![extent] };
    VtocSpaceManager::new(target.clone()).allocate(&new, &NoJournal).unwrap();
    extent
}
