//! The space manager that writes the VTOC of a volume which no system has attached.
//!
//! The problem: one change touches several DSCBs on several tracks, each track holds the DSCBs of dozens of other data
//! sets, and the volume's own system must be able to use the VTOC whatever happened. So a change is worked out on a
//! copy of the VTOC first, checked there, and then written in steps, with a flush behind each (FORMATS 4.8 and 9.2):
//!
//! 1. format 4 with DIRF on: from here on, the record of free space is void, and every system rebuilds it from the
//!    extents before it allocates;
//! 2. F3s: new ones, to which nothing leads yet;
//! 3. the F1, which is the one write that decides;
//! 4. F3s that nobody needs any more become zero, and free space is recorded anew;
//! 5. format 4 with its counts, and DIRF off.
//!
//! *A crash between two writes* leaves a VTOC that is valid by the rule "DIRF on: the record of free space is void". An
//! F3 without an owner may be left; it keeps its tracks allocated, and does no other harm. With a journal the change is
//! made whole again afterwards: [`Intent::settle`](crate::volume::intent::Intent::settle).
//!
//! *A torn write* may destroy a whole track of the VTOC. Only the journal protects from that: it has the track's image.
//!
//! *F3s are changed in place.* A second F3 with the same extents would, until the first one is gone, look like another
//! data set with the same tracks, since systems that rebuild free space subtract every F3 that they meet. If F1 and F3
//! lie on one track, one write changes both. If not, the F3 is written before the F1 when a data set grows, and behind
//! it when it shrinks, so that a crash in between leaves extents that DS1NOEPV does not count, never counts an extent
//! that is not there. The volume's own system then sees the data set as DS1NOEPV says, and allocates those tracks to
//! nobody. This manager is stricter: a data set whose extents are not as many as DS1NOEPV says is damaged, and the
//! volume is not changed until the journal has settled it.
//!
//! *A data set that gets the space of another one* ([`SpaceManager::replace_space`]): if both F1s are on one track,
//! that one write decides. If not, the placeholder's F1 goes first. In between the tracks of the placeholder belong to
//! nobody, and a crash there leaves the data set where it was, whole. The other order would leave two data sets with
//! the same tracks, which every system refuses, this one included.
//!
//! *The record of free space.* If it is valid when a change begins, it is kept up: what is taken is taken from it, what
//! is freed is added. It may withhold tracks that no DSCB claims (they may hold something that no DSCB tells of), and
//! goes on withholding them; but if it calls a track free that a data set has, every change is refused. If it is void,
//! because DIRF or the DOS bit is on, it is made anew from the extents, as the volume's own system does before it
//! allocates: the DOS bit goes off and DOCVT on, DIRF goes off and DICVT on. DIRF need not stay on then, since after the
//! change nothing stands on what the interrupted one may have left behind. Volumes of more than 65,535 tracks, and
//! those that have F7s already, get F7s, with the DOS bit and DS4EFVLD on and an empty F5.
//!
//! *What is refused as a whole*: a VTOC with an index (it would become stale), volumes of SMS, extended address volumes,
//! stacked packs, split cylinders, and any VTOC that contradicts itself: the space of one data set that does not check
//! could be anywhere.

use super::chain::descriptors;
use super::edit::{Edit, broken};
use super::free_space::{FORMAT5_TRACKS_MAX, FreeSpace};
use super::init::EXTENDED_FREE_LEVEL;
use super::sound::{check_sound, refuse_kinds};
use super::space::{Expiration, Identity, NewDataSet, SpaceManager};
use super::{DataSetDscbs, Vtoc};
use crate::defect::{Defect, defect};
use crate::dscb::{
    Dscb, DscbAddress, DscbExtent, ExtentKind, Format1, Format3, Format4, Format5, Format7,
};
use crate::error::{Error, Reason, Result};
use crate::geometry::Extent;
use crate::name::{DsName, Volser};
use crate::volume::intent::Journal;
use crate::volume::{Held, Lock, Volume};
use std::sync::Arc;

/// The extents that a data set may have on a volume: three in the F1, and thirteen in one F3.
const EXTENTS_MAX: usize = 16;
const EXTENTS_IN_FORMAT1: usize = 3;

/// Manages the space of a volume by writing its VTOC: see the [module](self).
///
/// ```
/// use std::sync::Arc;
/// use trackmirror::dscb::Format1;
/// use trackmirror::geometry::{Device, Extent, Geometry, Track};
/// use trackmirror::volume::{intent::NoJournal, memory::MemoryVolume};
/// use trackmirror::vtoc::{NewDataSet, SpaceManager, init, manager::VtocSpaceManager};
/// let device = Device::named("2314")?;
/// let geometry = Geometry { device, cylinders: 20, slot_size: device.slot_size() };
/// let volume = Arc::new(MemoryVolume::new("VOL001".parse()?, geometry));
/// init::initialize(&*volume, "VOL001".parse()?, None, "")?;
/// let space = VtocSpaceManager::new(volume);
/// let format1 = Format1::new("TEST.DATA".parse()?);
/// let extents = vec![Extent::new(Track(40), 20)];
/// let made = space.allocate(&NewDataSet { format1, extents }, &NoJournal)?;
/// assert_eq!(space.find(&"TEST.DATA".parse()?)?, Some(made));
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VtocSpaceManager {
    volume: Arc<dyn Volume>,
}

impl VtocSpaceManager {
    /// The manager of this volume.
    pub fn new(volume: Arc<dyn Volume>) -> VtocSpaceManager {
        VtocSpaceManager { volume }
    }

    /// Takes the lock, reads the VTOC, and sees that it can be changed.
    fn begin(&self) -> Result<Change<'_>> {
        let volume = &*self.volume;
        if !volume.is_writable() {
            let sentence = "the volume was opened for reading only; open it for writing";
            return Err(Error::new(Reason::ReadOnlyVolume, sentence).on_volume(volume.volser()));
        }
        let held = volume.lock(Lock::Vtoc)?;
        let edit = Edit::read(volume)?;
        refuse_kinds(&edit.vtoc)?;
        let free = check_sound(&edit.vtoc)?;
        let indicators = edit.vtoc.format4().indicators();
        Ok(Change { volume, _held: held, edit, free, indicators, started: false })
    }
}

impl SpaceManager for VtocSpaceManager {
    fn volser(&self) -> Volser {
        self.volume.volser()
    }

    fn read(&self) -> Result<Vtoc> {
        Vtoc::read(&*self.volume)
    }

    /// How the volume was opened does not count: a plan is made of volumes that are opened for reading.
    fn check_writable(&self) -> Result<()> {
        let vtoc = self.read()?;
        refuse_kinds(&vtoc)?;
        check_sound(&vtoc).map(drop)
    }

    fn allocate(&self, new: &NewDataSet, journal: &dyn Journal) -> Result<DataSetDscbs> {
        let name = new.format1.name();
        let allocate = || {
            let mut change = self.begin()?;
            change.vtoc().check_new_name(&name)?;
            if new.format1.is_format8() {
                return Err(refused("format 8 DSCBs are for extended address volumes only"));
            }
            check_extent_count(new.extents.len())?;
            new.extents.iter().try_for_each(|&extent| change.take(extent))?;
            change.start()?;
            let mut format1 = new.format1;
            format1.as_bytes_mut()[44] = 0xF1;
            let needs_format3 = new.extents.len() > EXTENTS_IN_FORMAT1;
            let places = change.edit.free_dscbs(1 + usize::from(needs_format3))?;
            let place = places.get(1).copied();
            if let Some((address, format3)) =
                change.set_extents(&mut format1, &new.extents, (None, 0), place)
            {
                change.edit.set(address, format3)?;
                change.edit.end_step();
            }
            change.edit.set(places[0], Dscb::Format1(format1))?;
            change.edit.end_step();
            change.finish()?;
            change.commit(format!("allocating {name}"), journal, &name)
        };
        allocate().map_err(|error: Error| error.on_volume(self.volser()).of_data_set(name))
    }

    fn extend(&self, of: &Identity, by: &[Extent], journal: &dyn Journal) -> Result<DataSetDscbs> {
        self.of(of, |mut change, found| {
            if by.is_empty() {
                return Ok(found);
            }
            by.iter().try_for_each(|&extent| change.take(extent))?;
            change.start()?;
            change.replace_extents(&found, &Extent::joined(&found.extents, by))?;
            change.finish()?;
            change.commit(format!("extending {}", of.name), journal, &of.name)
        })
    }

    fn release(
        &self,
        of: &Identity,
        track_count: u32,
        journal: &dyn Journal,
    ) -> Result<DataSetDscbs> {
        self.of(of, |mut change, found| {
            found.check_cut(track_count)?;
            if track_count == found.track_count() {
                return Ok(found);
            }
            let (mut kept, behind) = Extent::cut(&found.extents, track_count);
            behind.into_iter().try_for_each(|extent| change.free.give(extent))?;
            if defect(Defect::ReleaseFreesTooMuch)
                && let Some(last) = kept.last_mut().filter(|last| last.track_count > 1)
            {
                last.track_count -= 1;
                change.free.give(Extent::new(last.end(), 1))?;
            }
            change.start()?;
            change.replace_extents(&found, &kept)?;
            change.finish()?;
            change.commit(format!("releasing space of {}", of.name), journal, &of.name)
        })
    }

    fn scratch(&self, of: &Identity, expiration: Expiration, journal: &dyn Journal) -> Result<()> {
        self.of(of, |mut change, found| {
            check_expiration(&found.format1, expiration)?;
            if !defect(Defect::ScratchLeavesTheSpace) {
                change.give(&found)?;
            }
            change.start()?;
            change.edit.set(found.address, Dscb::Free)?;
            change.edit.end_step();
            change.clear(&found.chain)?;
            change.finish()?;
            change.write(format!("scratching {}", of.name), journal)
        })
    }

    fn rename(&self, of: &Identity, to: &DsName, journal: &dyn Journal) -> Result<DataSetDscbs> {
        self.of(of, |mut change, found| {
            change.vtoc().check_new_name(to)?;
            let mut format1 = found.format1;
            format1.set_name(*to);
            // One DSCB on one track: this needs no DIRF.
            change.edit.set(found.address, Dscb::Format1(format1))?;
            change.commit(format!("renaming {} to {to}", of.name), journal, to)
        })
    }

    fn update(
        &self,
        of: &Identity,
        format1: &Format1,
        journal: &dyn Journal,
    ) -> Result<DataSetDscbs> {
        self.of(of, |mut change, found| {
            let updated = format1.at_place_of(&found.format1);
            change.edit.set(found.address, Dscb::Format1(updated))?;
            change.commit(format!("updating {}", of.name), journal, &of.name)
        })
    }

    fn replace_space(
        &self,
        of: &Identity,
        placeholder: &Identity,
        journal: &dyn Journal,
    ) -> Result<DataSetDscbs> {
        self.of(of, |mut change, found| {
            let other = change.identify(placeholder)?;
            found.check_replacement(&other)?;
            check_kinds(&found)?;
            check_kinds(&other)?;
            change.give(&found)?;
            change.start()?;
            let mut format1 = found.format1;
            format1.set_extents(&other.format1.extents());
            format1.set_extent_count(other.format1.extent_count());
            format1.set_pointer(other.format1.pointer());
            change.edit.set(other.address, Dscb::Free)?;
            if other.address.track != found.address.track {
                change.edit.end_step();
            }
            change.edit.set(found.address, Dscb::Format1(format1))?;
            change.edit.end_step();
            change.clear(&found.chain)?;
            change.finish()?;
            let what = format!("giving the space of {} to {}", placeholder.name, of.name);
            change.commit(what, journal, &of.name)
        })
    }
}

impl VtocSpaceManager {
    /// A change of an existing data set.
    fn of<'a, T>(
        &'a self,
        of: &Identity,
        body: impl FnOnce(Change<'a>, DataSetDscbs) -> Result<T>,
    ) -> Result<T> {
        let begun = self.begin().and_then(|change| {
            let found = change.identify(of)?;
            Ok((change, found))
        });
        begun
            .and_then(|(change, found)| body(change, found))
            .map_err(|error| error.on_volume(self.volser()).of_data_set(of.name))
    }
}

/// A change that is worked out while the VTOC lock is held.
struct Change<'a> {
    volume: &'a dyn Volume,
    _held: Held<'a>,
    edit: Edit,
    /// Free space as it will be.
    free: FreeSpace,
    /// DS4VTOCI as it was.
    indicators: u8,
    /// Whether DIRF goes on first.
    started: bool,
}

impl Change<'_> {
    fn vtoc(&self) -> &Vtoc {
        &self.edit.vtoc
    }

    /// The data set that is meant, and not another one under its name.
    fn identify(&self, of: &Identity) -> Result<DataSetDscbs> {
        of.recognise(self.vtoc().find(&of.name)?)
    }

    fn take(&mut self, extent: Extent) -> Result<()> {
        let geometry = self.vtoc().geometry;
        let checked = if extent.track_count == 0 {
            Err(refused("an extent has no tracks"))
        } else {
            geometry.check(extent)
        };
        checked
            .and_then(|()| self.free.take(extent))
            .map_err(|error| error.at_track(extent.first.0, geometry.heads()))
    }

    fn give(&mut self, data_set: &DataSetDscbs) -> Result<()> {
        let mut extents = data_set.extents.iter().chain(&data_set.user_label);
        extents.try_for_each(|&extent| self.free.give(extent))
    }

    fn format4_address(&self) -> DscbAddress {
        DscbAddress { track: self.vtoc().extent.first, record: 1 }
    }

    /// Step 1: DIRF on.
    fn start(&mut self) -> Result<()> {
        let mut format4 = *self.vtoc().format4();
        format4.set_indicators(format4.indicators() | Format4::VTOCI_DIRF);
        self.edit.set(self.format4_address(), Dscb::Format4(format4))?;
        self.edit.end_step();
        self.started = true;
        Ok(())
    }

    /// Puts extents into an F1 that is still to be written, and those that it cannot hold into an F3 for this place. The
    /// extent of user labels comes first; the number of the first data extent is given too.
    fn set_extents(
        &self,
        format1: &mut Format1,
        extents: &[Extent],
        (user_label, first_number): (Option<DscbExtent>, u8),
        format3: Option<DscbAddress>,
    ) -> Option<(DscbAddress, Dscb)> {
        let geometry = self.vtoc().geometry;
        let data = extents.iter().zip(first_number..);
        let data = data.map(|(&extent, number)| DscbExtent::new(extent, number, &geometry));
        let all: Vec<DscbExtent> = user_label.into_iter().chain(data).collect();
        let (in_format1, behind) = all.split_at(all.len().min(EXTENTS_IN_FORMAT1));
        format1.set_extents(in_format1);
        format1.set_extent_count(extents.len() as u8);
        let place = format3.filter(|_| !behind.is_empty());
        format1.set_pointer(self.pointer(place.as_ref()));
        place.map(|place| (place, Dscb::Format3(Format3::new(behind))))
    }

    /// Steps 2 to 4 for a data set that gets other extents.
    fn replace_extents(&mut self, found: &DataSetDscbs, extents: &[Extent]) -> Result<()> {
        check_kinds(found)?;
        let (labels, data): (Vec<_>, Vec<_>) = descriptors(&found.format1, &found.chain)
            .partition(|descriptor| descriptor.kind() == ExtentKind::USER_LABEL);
        let first_number = data.iter().map(|descriptor| descriptor.sequence()).min().unwrap_or(0);
        let count = extents.len() + labels.len();
        check_extent_count(count)?;
        let present = found.chain.first().map(|(address, _)| *address);
        let place = match (count > EXTENTS_IN_FORMAT1, present) {
            (false, _) => None,
            (true, Some(present)) => Some(present),
            (true, None) => self.edit.free_dscbs(1)?.first().copied(),
        };
        let mut format1 = found.format1;
        let numbering = (labels.first().copied(), first_number);
        let format3 = self.set_extents(&mut format1, extents, numbering, place);
        let is_apart = |address: DscbAddress| address.track != found.address.track;
        let grows = extents.len() > found.extents.len();
        if let Some((address, dscb)) = format3.filter(|_| grows) {
            self.edit.set(address, dscb)?;
            if is_apart(address) {
                self.edit.end_step();
            }
        }
        self.edit.set(found.address, Dscb::Format1(format1))?;
        match (format3, present) {
            (Some((address, dscb)), _) if !grows => {
                if is_apart(address) {
                    self.edit.end_step();
                }
                self.edit.set(address, dscb)?;
            }
            (None, Some(_)) => {
                self.edit.end_step();
                self.clear(&found.chain)?;
            }
            _ => {}
        }
        self.edit.end_step();
        Ok(())
    }

    /// Makes DSCBs zero.
    fn clear(&mut self, dscbs: &[(DscbAddress, Dscb)]) -> Result<()> {
        dscbs.iter().try_for_each(|(address, _)| self.edit.set(*address, Dscb::Free))
    }

    /// Steps 4 and 5: free space is recorded, format 4 counts, DIRF is off.
    fn finish(&mut self) -> Result<()> {
        let mut format4 = *self.vtoc().format4();
        let mut indicators = self.indicators & !Format4::VTOCI_DIRF;
        if self.indicators & Format4::VTOCI_DIRF != 0 {
            indicators |= VTOCI_REBUILT;
        }
        let has_format7s = indicators & Format4::VTOCI_EXTENDED_FREE != 0
            || format4.extended_free_level() == EXTENDED_FREE_LEVEL;
        if has_format7s || self.vtoc().usable_track_count() > FORMAT5_TRACKS_MAX {
            self.record_in_format5s(&[Format5::new()])?;
            format4.set_f7_pointer(self.record_in_format7s()?);
            format4.set_extended_free_level(EXTENDED_FREE_LEVEL);
            indicators |= Format4::VTOCI_DOS | Format4::VTOCI_EXTENDED_FREE;
        } else {
            self.record_in_format5s(&self.free.to_format5s())?;
            if indicators & Format4::VTOCI_DOS != 0 {
                indicators = indicators & !Format4::VTOCI_DOS | VTOCI_CONVERTED;
            }
        }
        self.edit.end_step();
        format4.set_indicators(indicators);
        self.set_counts(&mut format4);
        self.edit.set(self.format4_address(), Dscb::Format4(format4))
    }

    /// Writes the chain of F5s: the first one keeps its place, then come those that are there, then free DSCBs; F5s
    /// that are left over become free.
    fn record_in_format5s(&mut self, format5s: &[Format5]) -> Result<()> {
        let first = DscbAddress { track: self.vtoc().extent.first, record: 2 };
        if !matches!(self.vtoc().dscb(first), Some(Dscb::Format5(_))) {
            return Err(Error::new(
                Reason::DamagedVtoc,
                "the second record of the VTOC is no format 5 DSCB; restore the volume",
            )
            .at_track(first.track.0, self.vtoc().geometry.heads()));
        }
        let present = self.places(|dscb| matches!(dscb, Dscb::Format5(_)));
        let places = self.chain_places(present, format5s.len())?;
        for (place, format5) in format5s.iter().enumerate() {
            let mut format5 = *format5;
            format5.set_pointer(self.pointer(places.get(place + 1)));
            self.edit.set(places[place], Dscb::Format5(format5))?;
        }
        Ok(())
    }

    /// Writes the chain of F7s, and returns the address of the first.
    fn record_in_format7s(&mut self) -> Result<[u8; 5]> {
        let format7s: Vec<Format7> = self.free.to_format7s();
        let present = self.places(|dscb| matches!(dscb, Dscb::Format7(_)));
        let places = self.chain_places(present, format7s.len())?;
        for (place, mut format7) in format7s.into_iter().enumerate() {
            format7.set_pointer(self.pointer(places.get(place + 1)));
            self.edit.set(places[place], Dscb::Format7(format7))?;
        }
        Ok(self.pointer(places.first()))
    }

    fn places(&self, is_meant: impl Fn(&Dscb) -> bool) -> Vec<DscbAddress> {
        let dscbs = self.vtoc().dscbs.iter().filter(|(_, dscb)| is_meant(dscb));
        dscbs.map(|(address, _)| *address).collect()
    }

    fn pointer(&self, address: Option<&DscbAddress>) -> [u8; 5] {
        address.map_or([0; 5], |address| address.to_bytes(&self.vtoc().geometry))
    }

    /// Exactly `count` places for a chain: those present, or some of them and the others cleared, or all and free ones.
    fn chain_places(
        &mut self,
        mut places: Vec<DscbAddress>,
        count: usize,
    ) -> Result<Vec<DscbAddress>> {
        for left_over in places.split_off(places.len().min(count)) {
            self.edit.set(left_over, Dscb::Free)?;
        }
        places.extend(self.edit.free_dscbs(count - places.len())?);
        Ok(places)
    }

    /// DS4DSREC and DS4HPCHR.
    fn set_counts(&self, format4: &mut Format4) {
        let vtoc = self.vtoc();
        let free = vtoc.dscbs.iter().filter(|(_, dscb)| dscb.is_free()).count();
        format4.set_free_dscbs(free.min(0xFFFF) as u16);
        let recorded = DscbAddress::from_bytes(format4.highest_f1(), &vtoc.geometry).ok().flatten();
        let recorded = recorded.filter(|address| vtoc.dscb(*address).is_some());
        let highest = vtoc.format1s().last().map(|(address, _)| address).max(recorded);
        format4.set_highest_f1(self.pointer(highest.as_ref()));
    }

    /// Looks at the result once more, and then carries the change out.
    fn write(self, what: String, journal: &dyn Journal) -> Result<()> {
        let vtoc = self.vtoc();
        let sound = check_sound(vtoc).is_ok_and(|free| free == self.free);
        if !sound || vtoc.format4().indicators() & Format4::VTOCI_DIRF != self.dirf_after() {
            return Err(broken("the VTOC would contradict itself after the change"));
        }
        let Change { volume, _held, edit, .. } = self;
        edit.into_intent(what).perform(volume, journal)
    }

    /// A change that never switched DIRF on leaves it as it was; every other one leaves it off.
    fn dirf_after(&self) -> u8 {
        if self.started { 0 } else { self.indicators & Format4::VTOCI_DIRF }
    }

    /// As [`write`](Change::write); returns the data set as it is then.
    fn commit(self, what: String, journal: &dyn Journal, name: &DsName) -> Result<DataSetDscbs> {
        let found = self.vtoc().find(name)?.ok_or_else(|| broken("the data set would be lost"))?;
        self.write(what, journal)?;
        Ok(found)
    }
}

/// DS4VTOCI, DOCVT: converted from a VTOC with the DOS bit on.
const VTOCI_CONVERTED: u8 = 0x08;
/// DS4VTOCI, DICVT: DIRF was on, and free space was made anew.
const VTOCI_REBUILT: u8 = 0x02;

fn refused(what: &str) -> Error {
    Error::new(Reason::BadRequest, what)
}

fn check_extent_count(count: usize) -> Result<()> {
    if count <= EXTENTS_MAX {
        return Ok(());
    }
    Err(Error::new(
        Reason::TooManyExtents,
        format!(
            "{count} extents on one volume, where {EXTENTS_MAX} are allowed; choose larger extents or another volume"
        ),
    ))
}

/// Only plain data extents in an F1 and one F3 are changed.
fn check_kinds(data_set: &DataSetDscbs) -> Result<()> {
    let mut kinds = descriptors(&data_set.format1, &data_set.chain).map(DscbExtent::kind);
    let plain = [ExtentKind::DATA, ExtentKind::CYLINDERS, ExtentKind::USER_LABEL];
    let is_plain = kinds.all(|kind| plain.contains(&kind))
        && data_set.chain.len() <= 1
        && data_set.chain.iter().all(|(_, dscb)| matches!(dscb, Dscb::Format3(_)));
    if is_plain {
        return Ok(());
    }
    Err(refused(
        "the data set has DSCBs or extents besides plain data in one F1 and one F3; change it with its own system",
    ))
}

/// Whether a data set may be scratched as far as its expiration date tells.
fn check_expiration(format1: &Format1, expiration: Expiration) -> Result<()> {
    let Expiration::Respect { today } = expiration else {
        return Ok(());
    };
    let date = format1.expiration_date();
    let (year, day) = (date[0], u16::from_be_bytes([date[1], date[2]]));
    // 1999.365 and 1999.366 mean never. No system wrote dates before 1960: such a year has lost its century.
    let never = year == 99 && day >= 365;
    let windowed = if year < 60 { year + 100 } else { year };
    if date == [0; 3] || (!never && [windowed, date[1], date[2]] <= today) {
        return Ok(());
    }
    let until = if never {
        "never expires".to_string()
    } else {
        format!("expires on {}.{day:03}", 1900 + u16::from(windowed))
    };
    Err(Error::new(
        Reason::NotExpired,
        format!("the data set {until}; it is kept unless that is overridden"),
    ))
}

#[cfg(test)]
mod tests;
