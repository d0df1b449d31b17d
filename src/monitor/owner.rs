//! The owner's side of a monitor area: a migration's subscription, from which it takes its work.
//!
//! The order of life: [`open`](Subscription::open) makes every monitor mark from now on; when
//! [`pending_write`](Subscription::pending_write) finds none any more, every write that began before has ended, so what
//! is read from now on has it, or is marked; [`fill`](Subscription::fill) makes all tracks of the plan work. From then on
//! [`next_work`](Subscription::next_work), [`take`](Subscription::take), copy, flush, [`done`](Batch::done), as often as
//! there is work. In the window [`seal`](Subscription::seal), then the same until [`look`](Subscription::look) finds
//! nothing; in the end [`close`](Subscription::close).
//!
//! A process that dies leaves its subscription as it is: monitors go on marking, and `taken` still has what is not
//! durable. The same migration opens it again, in any process, and goes on. Only if it died before `taken` was filled
//! does it begin anew.

use super::area::Area;
use super::file;
use super::flow::{InFlight, Standing};
use super::layout::{Map, image, slot, subscription};
use super::map::HeldByte;
use super::seat;
use super::sync::{Ordering, fence};
use crate::changed::{SharedBits, outside, shared};
use crate::clock::{Clock, SystemClock};
use crate::defect::{Defect, defect};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Track};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A migration's subscription to the changes of one volume. Clones are the same subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    area: Area,
    index: usize,
    /// Writes that began before the subscription, and were not seen to have ended.
    pending: Mutex<Vec<InFlight>>,
    /// The extents of the batches that are out: first track and the track behind.
    out: Mutex<BTreeMap<u32, u32>>,
    _lock: HeldByte,
}

/// Tracks that are being copied. Dropped without [`done`](Batch::done), they stay work.
#[derive(Debug)]
pub struct Batch {
    subscription: Subscription,
    extent: Extent,
    words: Vec<u64>,
}

/// Why a window cannot close now: the first thing found, in the direction in which changes flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotQuiet {
    /// An image fell silent.
    Silent {
        /// The image.
        image: String,
    },
    /// An image is writing.
    InFlight {
        /// The image.
        image: String,
        /// What it writes; `None` if it writes without a slot, and nobody knows.
        extent: Option<Extent>,
    },
    /// A track was written and not taken since.
    Changed {
        /// The first such track.
        track: Track,
        /// An image that wrote it, if its last write in one of its slots was this one.
        image: Option<String>,
    },
    /// A track is not known to be durable at the target.
    Taken {
        /// The first such track.
        track: Track,
    },
    /// An image on another machine has not answered.
    Unanswered {
        /// The image.
        image: String,
    },
    /// An image on another machine is not quiet.
    Elsewhere {
        /// The image.
        image: String,
        /// What was found there.
        why: String,
    },
}

impl NotQuiet {
    /// The track that it is about, or the first one; `None` if nobody knows.
    pub fn track(&self) -> Option<Track> {
        match self {
            NotQuiet::Changed { track, .. } | NotQuiet::Taken { track } => Some(*track),
            NotQuiet::InFlight { extent, .. } => extent.map(|extent| extent.first),
            NotQuiet::Silent { .. } | NotQuiet::Unanswered { .. } | NotQuiet::Elsewhere { .. } => {
                None
            }
        }
    }
}

impl fmt::Display for NotQuiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotQuiet::Silent { image } => write!(f, "image {image} fell silent"),
            NotQuiet::InFlight { image, extent: Some(extent) } => {
                let (first, count) = (extent.first.0, extent.track_count);
                write!(f, "image {image} is writing {count} tracks from track {first} on")
            }
            NotQuiet::InFlight { image, extent: None } => {
                write!(f, "image {image} is writing somewhere on the volume")
            }
            NotQuiet::Changed { track, image: Some(image) } => {
                write!(f, "track {} was written by image {image}", track.0)
            }
            NotQuiet::Changed { track, image: None } => write!(f, "track {} was written", track.0),
            NotQuiet::Taken { track } => write!(f, "track {} is not copied", track.0),
            NotQuiet::Unanswered { image } => {
                write!(f, "image {image} on another machine has not answered")
            }
            NotQuiet::Elsewhere { image, why } => write!(f, "image {image} answered: {why}"),
        }
    }
}

impl Subscription {
    /// Subscribes a migration, or takes up again what it subscribed before.
    ///
    /// Errors: [`Reason::SubscriptionInUse`], [`Reason::TooManySubscriptions`], [`Reason::AreaBusy`].
    pub fn open(area: &Area, migration: [u64; 2]) -> Result<Subscription> {
        let _table = area.opened.hold_table().map_err(|trouble| area.trouble(trouble))?;
        let indexes = 0..area.opened.shape.subscription_capacity();
        let (own, others): (Vec<_>, Vec<_>) =
            indexes.partition(|&index| is_of(area, index, migration));
        if let Some(&index) = own.first() {
            let Some(lock) = hold(area, index)? else {
                return Err(area.error(
                    Reason::SubscriptionInUse,
                    "this migration is in use, by another process or by this one; let that end first",
                ));
            };
            return Ok(Subscription::begin(area, index, migration, lock));
        }
        for index in others {
            let state = area.opened.flow().subscription(index, subscription::STATE);
            let is_free = || state.load(Ordering::Acquire) == subscription::FREE;
            if is_free()
                && let Some(lock) = hold(area, index)?
                && is_free()
            {
                return Ok(Subscription::begin(area, index, migration, lock));
            }
        }
        Err(area.error(
            Reason::TooManySubscriptions,
            "the volume has as many unfinished migrations as it can; complete or terminate one",
        ))
    }

    fn begin(area: &Area, index: usize, migration: [u64; 2], lock: HeldByte) -> Subscription {
        let flow = area.opened.flow();
        let put = |word, value| flow.subscription(index, word).store(value, Ordering::Relaxed);
        put(subscription::PROCESS, u64::from(std::process::id()));
        let state = flow.subscription(index, subscription::STATE);
        let mut pending = Vec::new();
        if state.load(Ordering::Acquire) != subscription::FILLED {
            put(subscription::MIGRATION, migration[0]);
            put(subscription::MIGRATION + 1, migration[1]);
            put(subscription::SINCE, SystemClock.now().as_millis() as u64);
            // The life of another subscription may have been noted here.
            for word in subscription::INCARNATION..=subscription::CLOSE {
                put(word, 0);
            }
            state.store(subscription::FILLING, Ordering::Release);
            flow.activate(index);
            pending = flow.in_flight().collect();
        }
        let (pending, out) = (Mutex::new(pending), Mutex::default());
        let inner = Inner { area: area.clone(), index, pending, out, _lock: lock };
        Subscription { inner: Arc::new(inner) }
    }

    /// The area.
    pub fn area(&self) -> &Area {
        &self.inner.area
    }

    /// The migration that it is of.
    pub fn migration(&self) -> [u64; 2] {
        let get = |word| self.word(word).load(Ordering::Acquire);
        [get(subscription::MIGRATION), get(subscription::MIGRATION + 1)]
    }

    /// Whether somebody else in this process has it, too.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.inner) > 1
    }

    /// A write that began before the subscription and has not ended, if there is one: `None` when the tracks of the
    /// plan may be [filled in](Subscription::fill). Ask again after a while.
    pub fn pending_write(&self) -> Result<Option<NotQuiet>> {
        let area = &self.inner.area;
        area.reap()?;
        let flow = area.opened.flow();
        let mut pending = self.inner.pending.lock();
        pending.retain(|write| !flow.has_ended(write));
        Ok(pending.first().map(|write| self.culprit(write)))
    }

    /// Makes all these tracks work, and everything that is written from now on.
    ///
    /// Errors: [`Reason::NotFilled`], naming the write that has not ended; [`Reason::OutsideVolume`].
    pub fn fill(&self, extents: &[Extent]) -> Result<()> {
        if let Some(write) = self.pending_write()? {
            let why = format!("copying cannot start yet: {write}; try again when that has ended");
            return Err(self.inner.area.error(Reason::NotFilled, why));
        }
        self.add(extents)?;
        let flow = self.inner.area.opened.flow();
        flow.subscription(self.inner.index, subscription::STATE)
            .store(subscription::FILLED, Ordering::SeqCst);
        Ok(())
    }

    /// Whether the tracks of the plan were filled in, now or in an earlier life.
    pub fn is_filled(&self) -> bool {
        let flow = self.inner.area.opened.flow();
        let state = flow.subscription(self.inner.index, subscription::STATE);
        state.load(Ordering::Acquire) == subscription::FILLED
    }

    /// Makes more tracks work: of an extension, or whose target location has changed.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn add(&self, extents: &[Extent]) -> Result<()> {
        let taken = self.map(Map::Taken);
        extents.iter().try_for_each(|extent| taken.set(*extent))
    }

    /// Takes tracks from the work without copying them, because they are not wanted. What was written and not taken since
    /// stays work: only `taken` is cleared, never `changed`.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn leave_out(&self, extent: Extent) -> Result<()> {
        self.map(Map::Taken).clear(extent)
    }

    /// Makes every track of the volume changed, for this migration.
    pub fn all_changed(&self) {
        let changed = self.map(Map::Changed);
        let all = Extent::new(Track(0), changed.track_count());
        changed.set(all).expect("the volume has all its tracks");
    }

    /// Marks tracks as changed, as a monitor does.
    ///
    /// Error: [`Reason::OutsideVolume`]; then nothing is marked.
    pub fn set_changed(&self, extent: Extent) -> Result<()> {
        self.map(Map::Changed).set(extent)
    }

    /// The first run of work within an extent, changed or taken and in no batch, or its first `track_count_max` tracks.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn next_work(&self, within: Extent, track_count_max: u32) -> Result<Option<Extent>> {
        let (changed, taken) = (self.map(Map::Changed), self.map(Map::Taken));
        check(within, &changed)?;
        let word = |index| changed.word(index) | taken.word(index);
        let (mut from, end) = (within.first.0, within.end().0);
        while let Some((first, count)) = shared::first_run(word, from, end, track_count_max) {
            let out = self.inner.out.lock();
            let before = out.range(..=first).next_back();
            match before.filter(|(_, out_end)| **out_end > first) {
                Some((_, out_end)) => from = *out_end,
                None => {
                    let next_out = out.range(first..).next().map_or(u32::MAX, |(first, _)| *first);
                    return Ok(Some(Extent::new(Track(first), count.min(next_out - first))));
                }
            }
        }
        Ok(None)
    }

    /// How much work is left within an extent, batches that are out included.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn left_count(&self, within: Extent) -> Result<u32> {
        let (changed, taken) = (self.map(Map::Changed), self.map(Map::Taken));
        let masks = changed.masks(within.first.0, within.track_count);
        let masks = masks.map_err(|_| outside(within, changed.track_count()))?;
        let bits = |index| changed.word(index) | taken.word(index);
        Ok(masks.map(|(index, mask)| (bits(index) & mask).count_ones()).sum())
    }

    /// How many tracks of an extent were written and not taken since.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn changed_count(&self, within: Extent) -> Result<u32> {
        self.map(Map::Changed).count_in(within)
    }

    /// Takes the work within an extent. The tracks of the batch are to be read after this, not before.
    ///
    /// Errors: [`Reason::TrackInBatch`] if a track is in another batch; [`Reason::OutsideVolume`].
    pub fn take(&self, extent: Extent) -> Result<Batch> {
        let changed = self.map(Map::Changed);
        check(extent, &changed)?;
        let (first, end) = (extent.first.0, extent.end().0);
        {
            let mut out = self.inner.out.lock();
            let before = out.range(..end).next_back();
            if let Some((_, out_end)) = before
                && *out_end > first
            {
                let why = "the copy of a track was begun a second time before the first had ended";
                return Err(self.inner.area.error(Reason::TrackInBatch, why));
            }
            if first < end {
                out.insert(first, end);
            }
        }
        let words = end.div_ceil(64).saturating_sub(first / 64) as usize;
        let mut batch = Batch { subscription: self.clone(), extent, words: vec![0; words] };
        let flow = self.inner.area.opened.flow();
        flow.take(self.inner.index, first, extent.track_count, &mut batch.words);
        if defect(Defect::TakeForgetsTaken) {
            self.map(Map::Taken).clear(extent)?;
        }
        Ok(batch)
    }

    /// Takes the first work within an extent, together with what else is work in the `span_max` tracks that begin there, as
    /// far as no other batch reaches. Only one thread may do so at a time.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn take_next(&self, within: Extent, span_max: u32) -> Result<Option<Batch>> {
        let Some(first) = self.next_work(within, 1)?.map(|work| work.first) else {
            return Ok(None);
        };
        let next_out = {
            let out = self.inner.out.lock();
            out.range(first.0..).next().map_or(u32::MAX, |(next, _)| *next)
        };
        let end = within.end().0.min(first.0.saturating_add(span_max)).min(next_out);
        self.take(Extent::new(first, end - first.0)).map(Some)
    }

    /// A name under which it reports: made by the first who asks, and the same for whoever takes the subscription up
    /// again.
    pub(super) fn incarnation(&self) -> Result<(u64, u64)> {
        let word = |n| self.word(subscription::INCARNATION + n);
        let get = || (word(0).load(Ordering::SeqCst), word(1).load(Ordering::SeqCst));
        // The second word is written last: who dies in between leaves a name that nobody has heard.
        if get().1 == 0 {
            let [high, low] = super::new_migration()?;
            word(0).store(high, Ordering::SeqCst);
            word(1).store(low.max(1), Ordering::SeqCst);
        }
        Ok(get())
    }

    /// The next time it reports under another name.
    pub(super) fn forget_incarnation(&self) {
        self.word(subscription::INCARNATION + 1).store(0, Ordering::SeqCst);
    }

    /// The number of the report made last.
    pub(super) fn report_number(&self) -> u64 {
        self.word(subscription::REPORT_NUMBER).load(Ordering::SeqCst)
    }

    /// A number that no report has had.
    pub(super) fn next_report_number(&self) -> u64 {
        self.word(subscription::REPORT_NUMBER).fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The highest order of a question that was obeyed.
    pub(super) fn question_order(&self) -> &super::sync::AtomicU64 {
        self.word(subscription::QUESTION)
    }

    /// The highest order of a close that was carried out.
    pub(super) fn close_order(&self) -> &super::sync::AtomicU64 {
        self.word(subscription::CLOSE)
    }

    fn word(&self, word: usize) -> &super::sync::AtomicU64 {
        self.inner.area.opened.flow().subscription(self.inner.index, word)
    }

    /// Clears the marks of tracks whose content is about to be read otherwise (those of the VTOC): how many there were.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn clear_marks(&self, extent: Extent) -> Result<u32> {
        let changed = self.map(Map::Changed);
        let count = changed.count_in(extent)?;
        changed.clear(extent)?;
        fence(Ordering::SeqCst);
        Ok(count)
    }

    /// Looks, in the direction in which changes flow, whether anything of these tracks is in flight, changed or taken:
    /// the first that is. Dead images are buried first. With all copying threads joined and the tracks sealed, `None`
    /// means that the target holds everything, and that nothing more comes.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn look(&self, extents: &[Extent]) -> Result<Option<NotQuiet>> {
        let area = &self.inner.area;
        area.reap()?;
        if let Some(write) = self.in_flight(extents)? {
            return Ok(Some(write));
        }
        fence(Ordering::SeqCst);
        for extent in extents.iter().filter(|_| !defect(Defect::LookForgetsChanged)) {
            let first = self.map(Map::Changed).first_in(extent.first.0, extent.track_count);
            if let Some(track) = first.ok().flatten() {
                let (track, image) = (Track(track), self.last_writer(track));
                return Ok(Some(NotQuiet::Changed { track, image }));
            }
        }
        fence(Ordering::SeqCst);
        for extent in extents {
            let first = self.map(Map::Taken).first_in(extent.first.0, extent.track_count);
            if let Some(track) = first.ok().flatten() {
                return Ok(Some(NotQuiet::Taken { track: Track(track) }));
            }
        }
        Ok(None)
    }

    /// The first write in flight that touches these tracks, or a silent image, which may write anything.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn in_flight(&self, extents: &[Extent]) -> Result<Option<NotQuiet>> {
        let changed = self.map(Map::Changed);
        extents.iter().try_for_each(|extent| check(*extent, &changed))?;
        let (flow, shape) = (self.inner.area.opened.flow(), self.inner.area.opened.shape);
        for index in 0..shape.image_capacity() {
            let state = flow.image(index, image::STATE).load(Ordering::SeqCst);
            if Standing::of(state) == Standing::Silent && !defect(Defect::SilenceIsIgnored) {
                return Ok(Some(NotQuiet::Silent { image: self.image_name(index) }));
            }
        }
        let touches = |write: &InFlight| {
            if defect(Defect::LookForgetsSlots)
                || defect(Defect::LookForgetsWritesWithoutSlot) && write.slot.is_none()
            {
                return false;
            }
            let range = Extent::new(Track(write.range.0), write.range.1);
            extents.iter().any(|extent| extent.overlaps(range))
        };
        Ok(flow.in_flight().find(touches).map(|write| self.culprit(&write)))
    }

    /// Seals tracks: every write that begins from now on is refused, and the look finds those that have begun.
    ///
    /// Error: [`Reason::OutsideVolume`]; then nothing is sealed.
    pub fn seal(&self, extents: &[Extent]) -> Result<()> {
        let changed = self.map(Map::Changed);
        extents.iter().try_for_each(|extent| check(*extent, &changed))?;
        let flow = self.inner.area.opened.flow();
        for extent in extents.iter().filter(|_| !defect(Defect::SealsAreNotSet)) {
            flow.seal(self.inner.index, extent.first.0, extent.track_count);
        }
        Ok(())
    }

    /// Opens these tracks of what is sealed: they belong to nobody who is moved any more.
    ///
    /// Error: [`Reason::OutsideVolume`].
    pub fn open_tracks(&self, extents: &[Extent]) -> Result<()> {
        let sealed = self.map(Map::Sealed);
        extents.iter().try_for_each(|extent| sealed.clear(*extent))
    }

    /// Opens everything that this migration sealed, in this or an earlier life.
    pub fn unseal(&self) {
        if !defect(Defect::SealsAreNotOpened) {
            self.inner.area.opened.flow().unseal(self.inner.index);
        }
    }

    /// Ends the subscription: unseals, and nothing is marked for this migration any more.
    pub fn close(self) {
        if !defect(Defect::SubscriptionIsLeft) {
            self.inner.area.opened.flow().deactivate(self.inner.index);
        }
    }

    fn map(&self, map: Map) -> SharedBits<'_> {
        self.inner.area.opened.flow().map(self.inner.index, map)
    }

    fn image_name(&self, index: usize) -> String {
        seat::name_text(seat::name_at(&self.inner.area.opened, index))
    }

    fn culprit(&self, write: &InFlight) -> NotQuiet {
        let extent = Extent::new(Track(write.range.0), write.range.1);
        NotQuiet::InFlight {
            image: self.image_name(write.image),
            extent: write.slot.is_some().then_some(extent),
        }
    }

    /// An image one of whose slots last held this track.
    fn last_writer(&self, track: u32) -> Option<String> {
        let (flow, shape) = (self.inner.area.opened.flow(), self.inner.area.opened.shape);
        let wrote = |index: usize, number: usize| {
            let word = flow.slot(index, number, slot::LAST).load(Ordering::Acquire);
            super::layout::range_of(word, shape.track_count())
                .is_some_and(|(first, count)| (first..first + count).contains(&track))
        };
        (0..shape.image_capacity())
            .find(|&index| (0..shape.slot_capacity()).any(|number| wrote(index, number)))
            .map(|index| self.image_name(index))
    }
}

impl Area {
    /// Ends the subscription of a migration that nobody can take up again.
    ///
    /// Errors: [`Reason::SubscriptionInUse`] if a living process owns it; [`Reason::BadRequest`] if there is none.
    pub fn drop_subscription(&self, migration: [u64; 2]) -> Result<()> {
        let mut indexes = 0..self.opened.shape.subscription_capacity();
        let Some(index) = indexes.find(|&index| is_of(self, index, migration)) else {
            return Err(self.error(Reason::BadRequest, "the volume has no such subscription"));
        };
        let Some(_lock) = hold(self, index)? else {
            let why = "a living process owns this migration; end it first";
            return Err(self.error(Reason::SubscriptionInUse, why));
        };
        self.opened.flow().deactivate(index);
        Ok(())
    }
}

fn is_of(area: &Area, index: usize, migration: [u64; 2]) -> bool {
    let flow = area.opened.flow();
    let get = |word| flow.subscription(index, word).load(Ordering::Acquire);
    get(subscription::STATE) != subscription::FREE
        && [get(subscription::MIGRATION), get(subscription::MIGRATION + 1)] == migration
}

fn hold(area: &Area, index: usize) -> Result<Option<HeldByte>> {
    let held = area.opened.locks.try_hold(file::subscription_byte(index), true);
    held.map_err(|e| Error::io("cannot lock the monitor area", &e))
}

fn check(extent: Extent, map: &SharedBits) -> Result<()> {
    match map.masks(extent.first.0, extent.track_count) {
        Ok(_) => Ok(()),
        Err(_) => Err(outside(extent, map.track_count())),
    }
}

impl Batch {
    /// The extent that was asked for.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// How many tracks it has.
    pub fn track_count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Its tracks, in runs.
    pub fn runs(&self) -> impl Iterator<Item = Extent> + '_ {
        let base = self.extent.first.0 / 64 * 64;
        let word = |index: usize| self.words.get(index).copied().unwrap_or(0);
        let mut from = self.extent.first.0 - base;
        let end = from + self.extent.track_count;
        std::iter::from_fn(move || {
            let (first, count) = shared::first_run(word, from, end, u32::MAX)?;
            from = first + count;
            Some(Extent::new(Track(base + first), count))
        })
    }

    /// Tells that all its tracks are durable at the target.
    pub fn done(self) {
        let inner = &self.subscription.inner;
        inner.area.opened.flow().done(inner.index, self.extent.first.0, &self.words);
        if defect(Defect::DoneClearsWhatChangedMeanwhile) {
            // The extent was checked when it was taken.
            let _ = self.subscription.map(Map::Changed).clear(self.extent);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // Another batch cannot have begun at the same track meanwhile.
        if self.extent.track_count != 0 {
            self.subscription.inner.out.lock().remove(&self.extent.first.0);
        }
    }
}
