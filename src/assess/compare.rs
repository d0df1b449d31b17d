//! Two assessments compared: what became of each data set.
//!
//! While a data set is mirrored it may be extended, shortened, deleted, renamed, or deleted and made again, and others may
//! appear that the migration was asked to move. [`compare`] takes what was stored and what is found now, and says so
//! for each data set, in one [`AllocationChange`]. It reads nothing and changes nothing.
//!
//! # What makes a data set the same
//! Its name does not: two data sets may exchange their names, and a name may be given to another one. Each part of a data
//! set is known by its *place* on its volume: the address of its F1, its creation date and its first track. At one
//! address stands one F1 at a time, so no two stored data sets can be found in one, and none in two places. In this
//! order, and each data set once:
//!
//! 1. A data set of the old name that has at least one of the parts is the same: [`Fate::Persistent`].
//! 2. One of another name that has one of the parts is the same too: [`Fate::Renamed`]. By the first rule the old name
//!    is gone then, or is another data set's.
//! 3. One that has the old name, but none of the parts, was made anew: [`Fate::Recreated`].
//! 4. If neither is there, it is [`Fate::Deleted`]. What is left over and selected is [`Fate::New`].
//!
//! Extents are not compared as such, but track by track: an extent may have grown, been cut, or been put together with
//! the next one. A track is *kept* if it was and is in the same part, and the kept ones are in the same order as before.
//! All others are in [`AllocationChange::new`] or [`AllocationChange::gone`], or in both.
//!
//! # Why a misjudged identity loses nothing
//! Somebody may scratch a data set and allocate another one of the same name, on the same day, whose F1 and first track come
//! to the same place. Nothing tells it from the first one, and it is called persistent. But monitors note the changed
//! tracks of the *whole* volume, whoever writes them, from before the first track was copied. A kept track is the same
//! track of the same volume: if anybody wrote to it since it was copied, under whatever name, it was noted and is copied
//! again; and if nobody did, the target holds what it holds. The other way round, a data set that is called recreated
//! though it is the old one has all its tracks in `new`: it is copied whole, which costs time only.
//!
//! That holds as long as the tracks in `new` are copied whatever was noted of them. They may have been written before
//! they were in the plan: a track that left the plan and came back is in `gone` of one comparison and in `new` of
//! another. If it came back between two comparisons, it was in the plan all the time, and its changes were noted.
//!
//! # What cannot be seen
//! A data set that is not found on a volume where some DSCBs could not be read is not called deleted, but
//! [`Fate::Unclear`]: its target must not be given up for a damaged block. All volumes of the stored data sets must have
//! been looked at, and data sets that were renamed are found only if what is present was assessed with the mask `**`.

#[cfg(test)]
mod tests;
mod tracks;

use super::{Assessment, Cataloged, Part};
use crate::catalog::CatalogEntry;
use crate::dscb::DscbAddress;
use crate::error::Reason;
use crate::geometry::Extent;
use crate::name::{DsMask, DsName, Volser};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

/// Which records tell that something changed. What exactly changed is always told from the DSCBs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metadata {
    /// Catalog entries and DSCBs.
    #[default]
    Both,
    /// Catalog entries alone: a data set whose entries are as they were is taken to be persistent. A change inside a
    /// volume is not seen, so this does not replace the last comparison before a switch; such a data set's
    /// [`AllocationChange::present`] is the stored one. What no catalog names is compared by its DSCBs.
    Catalog,
    /// DSCBs alone: catalog entries are not looked at.
    Vtoc,
}

/// What became of a data set as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is there, under its name.
    Persistent,
    /// It is there, under another name.
    Renamed,
    /// Its name is there, but it is another data set.
    Recreated,
    /// It is gone.
    Deleted,
    /// It was not there, and is selected.
    New,
    /// It, or a part of it, is not found, but not all DSCBs of its volumes could be read.
    Unclear,
}

/// How tracks came to a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gain {
    /// An extent that was there became longer.
    Merged,
    /// An extent was added to a part that was there.
    Extent,
    /// A part was added: on a volume that held none, or in place of one that was scratched.
    Part,
}

/// How tracks left a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// They were released from the end of a part.
    Released,
    /// They are gone from inside a part, or come in another order now: no system does that by itself.
    Inside,
    /// The part is gone.
    Part,
}

/// A run of tracks that came or left, within one extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedRun<How> {
    /// The volume.
    pub volser: Volser,
    /// The tracks.
    pub extent: Extent,
    /// The place of the first one, counted from the start of the data set as it is (if they came) or was (if they left).
    pub place: u32,
    /// How they came or left.
    pub how: How,
}

/// What differs in the DSCBs of a part, extents aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The part itself: it came, left, was scratched and made again, or has another place among the parts.
    Part,
    /// DS1LSTAR, DS1TTTHI.
    LastUsed,
    /// DS1TRBAL.
    Balance,
    /// DS1REFD.
    ReferenceDate,
    /// DS1EXPDT.
    ExpirationDate,
    /// DS1DSIND.
    Indicators,
    /// DS1DSORG, DS1RECFM, DS1OPTCD, DS1BLKL, DS1LRECL, DS1KEYL, DS1RKP.
    Attributes,
    /// DS1SCALO, DS1SCXTF, DS1SCXTV: how space is requested.
    SpaceRequest,
    /// DS1DSSN, DS1VOLSQ.
    Volumes,
    /// The format, DS1FLAG1, DS1SMSFG.
    Flags,
    /// DS1NOBDB, DS1SYSCD, and what is reserved.
    Other,
    /// The descriptors of the extents, or the DSCBs behind the F1, whether or not the tracks are the same.
    Extents,
    /// The track of user labels.
    UserLabel,
}

/// The bytes of an F1 behind its name, field by field. The creation date is part of a part's identity.
const FIELDS: &[(Field, Range<usize>)] = &[
    (Field::LastUsed, 98..101),
    (Field::LastUsed, 104..105),
    (Field::Balance, 101..103),
    (Field::ReferenceDate, 75..78),
    (Field::ExpirationDate, 56..59),
    (Field::Indicators, 93..94),
    (Field::Attributes, 82..93),
    (Field::SpaceRequest, 79..82),
    (Field::SpaceRequest, 94..98),
    (Field::Volumes, 45..53),
    (Field::Flags, 44..45),
    (Field::Flags, 61..62),
    (Field::Flags, 78..79),
    (Field::Other, 60..61),
    (Field::Other, 62..75),
    (Field::Other, 103..104),
    (Field::Extents, 59..60),
    (Field::Extents, 105..140),
];

/// What differs in one catalog, for a data set that was and is there. If it was renamed, the name in the entry alone is
/// no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryChange<'a> {
    /// The catalog's name.
    pub catalog: &'a str,
    /// What it said; nothing if it had no entry.
    pub stored: Option<&'a CatalogEntry>,
    /// What it says under the present name; nothing if it has no entry.
    pub present: Option<&'a CatalogEntry>,
}

impl EntryChange<'_> {
    /// Whether the name leads elsewhere: to other volumes, to another F1, or to or from nowhere. Otherwise the entry
    /// differs only in what its system may add or leave out.
    pub fn leads_elsewhere(&self) -> bool {
        match (self.stored, self.present) {
            (Some(stored), Some(present)) => {
                !stored.leads_as(&CatalogEntry { name: stored.name, ..present.clone() })
            }
            _ => true,
        }
    }
}

/// What became of one data set.
///
/// The kept tracks, with those in `new` put in at their places, are the present data set; with those in `gone`, the
/// stored one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationChange<'a> {
    /// What became of it as a whole.
    pub fate: Fate,
    /// What it was; nothing if it is new.
    pub stored: Option<&'a Assessment>,
    /// What it is; nothing if it is deleted, or unclear and not found at all. Its refusals tell what forbids moving it
    /// now.
    pub present: Option<&'a Assessment>,
    /// The tracks that must be copied whatever was noted of them, in the present order: all of a new or recreated one.
    pub new: Vec<ChangedRun<Gain>>,
    /// The tracks that it had, in the stored order: all of a deleted or recreated one. Tracks that are in `new` too are
    /// in both.
    pub gone: Vec<ChangedRun<Loss>>,
    /// What differs in the DSCBs of a persistent or renamed one, by volume.
    pub fields: Vec<(Volser, Field)>,
    /// What differs in the catalogs, for one that was and is there.
    pub entries: Vec<EntryChange<'a>>,
}

impl AllocationChange<'_> {
    /// The stored name, or that of a new data set.
    pub fn name(&self) -> DsName {
        let data_set = self.stored.or(self.present);
        data_set.map_or(DsName::from_bytes([0x40; 44]), |data_set| data_set.name)
    }

    /// Whether nothing differs at all.
    pub fn is_nothing(&self) -> bool {
        self.fate == Fate::Persistent
            && self.new.is_empty()
            && self.gone.is_empty()
            && self.fields.is_empty()
            && self.entries.is_empty()
    }

    /// Whether the same data set has tracks that it had not.
    pub fn is_extended(&self) -> bool {
        matches!(self.fate, Fate::Persistent | Fate::Renamed) && !self.new.is_empty()
    }

    /// Whether the same data set has lost tracks.
    pub fn is_released(&self) -> bool {
        matches!(self.fate, Fate::Persistent | Fate::Renamed) && !self.gone.is_empty()
    }
}

/// What became of each stored data set, in their order, and behind them what is new: the data sets that are present, were
/// not stored, and have a name that one of the masks selects.
///
/// `stored` should have all data sets that the masks selected when they were assessed, also those that are not moved:
/// what is missing there and present is called new, also space that stands under a temporary name while extents are
/// combined. A data set without parts counts as not there.
///
/// ```
/// use trackmirror::assess::compare::{Fate, Gain, Metadata, compare};
/// use trackmirror::assess::{Assessment, Part};
/// use trackmirror::dscb::{DscbAddress, Format1};
/// use trackmirror::geometry::{Device, Extent, Track};
/// use trackmirror::vtoc::DataSetDscbs;
/// # fn main() -> trackmirror::Result<()> {
/// let data_set = |name: &str, extents: &[Extent]| -> trackmirror::Result<Assessment> {
///     let name = name.parse()?;
///     let dscbs = DataSetDscbs {
///         address: DscbAddress { track: Track(1), record: 3 },
///         format1: Format1::new(name),
///         chain: vec![],
///         extents: extents.to_vec(),
///         user_label: None,
///     };
///     let part = Part { volser: "OLD001".parse()?, device: Device::named("3390")?, dscbs };
///     Ok(Assessment { name, parts: vec![part], cataloged: vec![], refusals: vec![] })
/// };
/// // It was renamed, and got five more tracks behind its extent.
/// let stored = [data_set("TEST.OLD", &[Extent::new(Track(30), 10)])?];
/// let present = [data_set("TEST.NEW", &[Extent::new(Track(30), 15)])?];
/// let changes = compare(&stored, &present, &["TEST.**".parse()?], Metadata::Both);
/// assert_eq!(changes.len(), 1);
/// assert_eq!(changes[0].fate, Fate::Renamed);
/// assert_eq!(changes[0].new[0].extent, Extent::new(Track(40), 5));
/// assert_eq!((changes[0].new[0].place, changes[0].new[0].how), (10, Gain::Merged));
/// assert_eq!(changes[0].to_string(), "TEST.OLD: renamed to TEST.NEW; 5 tracks more on OLD001");
/// # Ok(())
/// # }
/// ```
pub fn compare<'a>(
    stored: impl IntoIterator<Item = &'a Assessment>,
    present: impl IntoIterator<Item = &'a Assessment>,
    masks: &[DsMask],
    metadata: Metadata,
) -> Vec<AllocationChange<'a>> {
    let stored: Vec<&Assessment> =
        stored.into_iter().filter(|data_set| !data_set.parts.is_empty()).collect();
    let (mut found, mut unreadable) = (Vec::new(), BTreeSet::new());
    for data_set in present {
        unreadable.extend(unreadable_volumes(data_set));
        if !data_set.parts.is_empty() {
            found.push(data_set);
        }
    }
    let pairs = Pairs::of(&stored, &found, metadata);
    let mut changes = Vec::new();
    for (was, pair) in stored.iter().copied().zip(&pairs.of_stored) {
        let is_seen = |part: &Part| !unreadable.contains(&part.volser);
        let are_seen = was.parts.iter().all(is_seen);
        changes.push(match *pair {
            // Its DSCBs were not looked at, so nobody may take what they say now for compared.
            Some((_, Alike::Entries)) => bare(Fate::Persistent, Some(was), Some(was)),
            Some((now, Alike::Place)) => same(was, found[now], metadata, is_seen),
            Some((now, Alike::Name)) if are_seen => {
                let tracks = whole(Fate::Recreated, Some(was), Some(found[now]));
                AllocationChange { entries: entries(was, found[now], metadata), ..tracks }
            }
            None if are_seen => whole(Fate::Deleted, Some(was), None),
            pair => bare(Fate::Unclear, Some(was), pair.map(|(now, _)| found[now])),
        });
    }
    let is_selected = |now: &Assessment| masks.iter().any(|mask| mask.matches(&now.name));
    for (now, is_taken) in found.iter().copied().zip(&pairs.is_taken) {
        if !is_taken && is_selected(now) {
            changes.push(whole(Fate::New, None, Some(now)));
        }
    }
    changes
}

/// The volumes on which the DSCBs of a name could not be read: there is a refusal, but no part. That a catalog names a
/// volume whose VTOC does not have the name, is said of a VTOC that was read.
fn unreadable_volumes(data_set: &Assessment) -> impl Iterator<Item = Volser> + '_ {
    let refusals =
        data_set.refusals.iter().filter(|refusal| refusal.reason() != Reason::CatalogMismatch);
    refusals
        .filter_map(|refusal| refusal.volser().map(Volser::from_bytes))
        .filter(|volser| !data_set.parts.iter().any(|part| part.volser == *volser))
}

/// What makes a stored and a present data set belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alike {
    /// Name and entries, where nothing else is asked.
    Entries,
    /// A part in its place.
    Place,
    /// The name alone.
    Name,
}

/// Which stored data set belongs to which present one.
struct Pairs {
    of_stored: Vec<Option<(usize, Alike)>>,
    is_taken: Vec<bool>,
}

impl Pairs {
    fn of(stored: &[&Assessment], present: &[&Assessment], metadata: Metadata) -> Pairs {
        let (mut by_name, mut by_address) = (BTreeMap::new(), BTreeMap::new());
        for (number, now) in present.iter().enumerate() {
            by_name.entry(now.name).or_insert(number);
            for part in &now.parts {
                let address: (Volser, DscbAddress) = (part.volser, part.dscbs.address);
                by_address.entry(address).or_insert((number, part));
            }
        }
        let named = |was: &Assessment| by_name.get(&was.name).copied();
        let shares_part = |was: &Assessment, now: &Assessment| {
            was.parts.iter().any(|part| now.parts.iter().any(|found| is_same_part(part, found)))
        };
        let in_place = |part: &Part| {
            let (now, found) = by_address.get(&(part.volser, part.dscbs.address)).copied()?;
            is_same_part(part, found).then_some(now)
        };
        let mut pairs =
            Pairs { of_stored: vec![None; stored.len()], is_taken: vec![false; present.len()] };
        if metadata == Metadata::Catalog {
            pairs.find(stored, Alike::Entries, |was| {
                let as_before = |now: &usize| entries(was, present[*now], metadata).is_empty();
                let now = named(was).filter(as_before);
                now.filter(|_| !was.cataloged.is_empty()).into_iter().collect()
            });
        }
        pairs.find(stored, Alike::Place, |was| {
            named(was).filter(|&now| shares_part(was, present[now])).into_iter().collect()
        });
        pairs.find(stored, Alike::Place, |was| was.parts.iter().filter_map(in_place).collect());
        pairs.find(stored, Alike::Name, |was| named(was).into_iter().collect());
        pairs
    }

    /// Gives each stored data set that has no partner yet the first of its candidates that is not taken.
    fn find(
        &mut self,
        stored: &[&Assessment],
        alike: Alike,
        candidates: impl Fn(&Assessment) -> Vec<usize>,
    ) {
        for (was, pair) in stored.iter().zip(&mut self.of_stored) {
            if pair.is_some() {
                continue;
            }
            if let Some(now) = candidates(was).into_iter().find(|&now| !self.is_taken[now]) {
                self.is_taken[now] = true;
                *pair = Some((now, alike));
            }
        }
    }
}

/// Whether both are one part of one data set, whatever its name: see the [module](self). A part that had no space may
/// have got some, or lost all.
fn is_same_part(was: &Part, now: &Part) -> bool {
    let first = |part: &Part| part.dscbs.extents.first().map(|extent| extent.first);
    let starts_alike = match (first(was), first(now)) {
        (Some(was), Some(now)) => was == now,
        _ => true,
    };
    was.volser == now.volser
        && was.dscbs.address == now.dscbs.address
        && was.dscbs.format1.creation_date() == now.dscbs.format1.creation_date()
        && starts_alike
}

/// A change that tells nothing of tracks, fields and entries.
fn bare<'a>(
    fate: Fate,
    stored: Option<&'a Assessment>,
    present: Option<&'a Assessment>,
) -> AllocationChange<'a> {
    let (new, gone, fields, entries) = (vec![], vec![], vec![], vec![]);
    AllocationChange { fate, stored, present, new, gone, fields, entries }
}

/// A change of all tracks.
fn whole<'a>(
    fate: Fate,
    stored: Option<&'a Assessment>,
    present: Option<&'a Assessment>,
) -> AllocationChange<'a> {
    let parts = |data_set: Option<&'a Assessment>| data_set.map_or(&[][..], |d| &d.parts);
    let (was, now) = (parts(stored), parts(present));
    let (new, gone) = tracks::compare(was, now, &vec![None; now.len()]);
    AllocationChange { new, gone, ..bare(fate, stored, present) }
}

/// What differs between a data set as it was and as it is.
fn same<'a>(
    was: &'a Assessment,
    now: &'a Assessment,
    metadata: Metadata,
    is_seen: impl Fn(&Part) -> bool,
) -> AllocationChange<'a> {
    let partner = |part: &Part| was.parts.iter().position(|stored| is_same_part(stored, part));
    let partners: Vec<Option<usize>> = now.parts.iter().map(partner).collect();
    let lost = || {
        let parts = was.parts.iter().enumerate();
        parts.filter(|(number, _)| !partners.contains(&Some(*number))).map(|(_, part)| part)
    };
    if !lost().all(is_seen) {
        return bare(Fate::Unclear, Some(was), Some(now));
    }
    let (new, gone) = tracks::compare(&was.parts, &now.parts, &partners);
    let mut fields = Vec::new();
    for (number, (part, partner)) in now.parts.iter().zip(&partners).enumerate() {
        let stored = partner.map(|place| &was.parts[place]);
        if *partner != Some(number) || stored.is_some_and(|stored| stored.device != part.device) {
            fields.push((part.volser, Field::Part));
        }
        let differ = stored.map_or_else(Vec::new, |stored| fields_of_part(stored, part));
        fields.extend(differ.into_iter().map(|field| (part.volser, field)));
    }
    for part in lost() {
        if !fields.contains(&(part.volser, Field::Part)) {
            fields.push((part.volser, Field::Part));
        }
    }
    let fate = if was.name == now.name { Fate::Persistent } else { Fate::Renamed };
    let entries = entries(was, now, metadata);
    AllocationChange { new, gone, fields, entries, ..bare(fate, Some(was), Some(now)) }
}

fn fields_of_part(was: &Part, now: &Part) -> Vec<Field> {
    let (was, now) = (&was.dscbs, &now.dscbs);
    let differs = |range: &Range<usize>| {
        was.format1.as_bytes()[range.clone()] != now.format1.as_bytes()[range.clone()]
    };
    let differing = FIELDS.iter().filter(|(_, range)| differs(range));
    let mut fields: Vec<Field> = differing.map(|(field, _)| *field).collect();
    fields.dedup();
    let same_extents = was.extents == now.extents && was.chain == now.chain;
    if !same_extents && !fields.contains(&Field::Extents) {
        fields.push(Field::Extents);
    }
    if was.user_label != now.user_label {
        fields.push(Field::UserLabel);
    }
    fields
}

/// What differs in the catalogs.
fn entries<'a>(
    was: &'a Assessment,
    now: &'a Assessment,
    metadata: Metadata,
) -> Vec<EntryChange<'a>> {
    if metadata == Metadata::Vtoc {
        return Vec::new();
    }
    let in_catalog = |data_set: &'a Assessment, catalog: &str| {
        data_set.cataloged.iter().find(|cataloged| cataloged.catalog == catalog)
    };
    let is_same = |was: &Cataloged, now: &Cataloged| {
        let entry = CatalogEntry { name: was.entry.name, ..now.entry.clone() };
        was.volser == now.volser && was.entry == entry
    };
    let mut changes = Vec::new();
    for stored in &was.cataloged {
        let present = in_catalog(now, &stored.catalog);
        if !present.is_some_and(|present| is_same(stored, present)) {
            let present = present.map(|present| &present.entry);
            let stored = (&stored.catalog, Some(&stored.entry));
            changes.push(EntryChange { catalog: stored.0, stored: stored.1, present });
        }
    }
    for present in &now.cataloged {
        if in_catalog(was, &present.catalog).is_none() {
            let (catalog, present) = (&present.catalog, Some(&present.entry));
            changes.push(EntryChange { catalog, stored: None, present });
        }
    }
    changes
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Field::Part => "its part",
            Field::LastUsed => "last used track",
            Field::Balance => "space on it",
            Field::ReferenceDate => "date of last reference",
            Field::ExpirationDate => "expiration date",
            Field::Indicators => "indicators",
            Field::Attributes => "attributes",
            Field::SpaceRequest => "space request",
            Field::Volumes => "volume sequence",
            Field::Flags => "flags",
            Field::Other => "other fields",
            Field::Extents => "extents",
            Field::UserLabel => "track of user labels",
        })
    }
}

/// In words, for events: `TEST.OLD: renamed to TEST.NEW; 5 tracks more on OLD001`.
impl fmt::Display for AllocationChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name())?;
        match (self.fate, self.present) {
            (Fate::Renamed, Some(present)) => write!(f, "renamed to {}", present.name)?,
            (Fate::Persistent | Fate::Renamed, _) => f.write_str("persistent")?,
            (Fate::Recreated, _) => f.write_str("deleted and made anew")?,
            (Fate::Deleted, _) => f.write_str("deleted")?,
            (Fate::New, _) => f.write_str("new")?,
            (Fate::Unclear, _) => f.write_str("not all of its DSCBs could be read")?,
        }
        write_runs(f, &self.new, "more")?;
        write_runs(f, &self.gone, "fewer")?;
        for (volser, field) in &self.fields {
            // The runs tell of the extents.
            let is_told = self.new.iter().map(|run| run.volser).any(|v| v == *volser)
                || self.gone.iter().any(|run| run.volser == *volser);
            if !(is_told && matches!(field, Field::Extents | Field::Part)) {
                write!(f, "; {field} on {volser}")?;
            }
        }
        self.entries.iter().try_for_each(|entry| {
            let what = match (entry.stored, entry.present) {
                (_, None) => "no entry",
                (None, _) => "an entry",
                _ => "another entry",
            };
            write!(f, "; {what} in {}", entry.catalog)
        })
    }
}

fn write_runs<How>(
    f: &mut fmt::Formatter<'_>,
    runs: &[ChangedRun<How>],
    what: &str,
) -> fmt::Result {
    let mut by_volume: BTreeMap<Volser, u64> = BTreeMap::new();
    for run in runs {
        *by_volume.entry(run.volser).or_default() += u64::from(run.extent.track_count);
    }
    by_volume.iter().try_for_each(|(volser, count)| {
        let tracks = if *count == 1 { "track" } else { "tracks" };
        write!(f, "; {count} {tracks} {what} on {volser}")
    })
}
