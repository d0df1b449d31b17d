//! Whether a volume is sound: label, VTOC, every DSCB, every extent, free space, and the addresses on every track.
//!
//! A finding is an *error* if something contradicts itself, so that no tool may change the volume, or some tracks
//! cannot be told apart from others. What is odd, but harms nobody, is a *remark*.

use super::chain::{descriptors, format};
use super::claims::{Claim, Owner, overlaps};
use super::free_space::{FreeSpace, Record, format5_chain, format7_chain};
use super::{DataSetDscbs, Vtoc};
use crate::dscb::{Dscb, DscbAddress, ExtentKind, Format1, Format4};
use crate::error::{Error, Reason, Result};
use crate::geometry::{Extent, Geometry, Track};
use crate::name::{DsName, Volser};
use crate::track;
use crate::volume::{Volume, VolumeExt};
use std::collections::{HashMap, HashSet};
use std::fmt;

/// A badly damaged volume could have more findings than anybody reads.
const FINDINGS_MAX: usize = 1000;

/// Which tracks are read and checked, besides those of the VTOC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracks {
    /// All.
    All,
    /// Those that somebody claims.
    Used,
    /// None.
    None,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Odd, but harmless.
    Remark,
    /// The volume contradicts itself, or cannot be read there.
    Error,
}

/// What was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The volume.
    pub volser: Volser,
    /// Tracks of a cylinder of the volume.
    pub heads: u16,
    /// The track, if it is about one; for a DSCB, the track where that stands.
    pub track: Option<Track>,
    /// The DSCB, if it is about one.
    pub dscb: Option<DscbAddress>,
    /// The data set, if it is about one.
    pub data_set: Option<DsName>,
    /// What was seen.
    pub sentence: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Remark => "remark",
        };
        write!(f, "{severity}: volume {}", self.volser)?;
        if let Some(Track(track)) = self.track {
            let heads = u32::from(self.heads).max(1);
            write!(f, ", track {track} ({}/{})", track / heads, track % heads)?;
        }
        if let Some(address) = self.dscb {
            write!(f, ", DSCB R{}", address.record)?;
        }
        if let Some(name) = self.data_set {
            write!(f, ", data set {name}")?;
        }
        write!(f, ": {}", self.sentence)
    }
}

/// Checks a volume. What is wrong with it is a finding; only a failed input operation is an error.
pub fn check(volume: &dyn Volume, tracks: Tracks) -> Result<Vec<Finding>> {
    let mut findings = Findings::new(volume.volser(), volume.geometry());
    let vtoc = match Vtoc::read(volume) {
        Ok(vtoc) => Some(vtoc),
        Err(error) if is_damage(&error) => {
            findings.add_error(&error, None);
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(vtoc) = &vtoc {
        add_vtoc(vtoc, &mut findings);
    }
    check_tracks(volume, vtoc.as_ref(), tracks, &mut findings)?;
    Ok(findings.finish())
}

fn is_damage(error: &Error) -> bool {
    use Reason::*;
    matches!(error.reason(), NoLabel | NoVtoc | DamagedVtoc | DamagedTrack | ForeignTrack)
}

/// Checks what a VTOC says, without reading any other track.
pub fn check_vtoc(vtoc: &Vtoc) -> Vec<Finding> {
    let mut findings = Findings::new(vtoc.volser, vtoc.geometry);
    add_vtoc(vtoc, &mut findings);
    findings.finish()
}

fn add_vtoc(vtoc: &Vtoc, findings: &mut Findings) {
    let claims = vtoc.claims();
    check_format4(vtoc, findings);
    check_counts(vtoc, findings);
    check_data_sets(vtoc, findings);
    check_chains(vtoc, Record::of(vtoc.format4()), findings);
    check_overlaps(vtoc, &claims, findings);
    check_free_space(vtoc, &claims, findings);
}

/// Collects findings, up to a limit.
struct Findings {
    volser: Volser,
    geometry: Geometry,
    found: Vec<Finding>,
    left_out: usize,
}

impl Findings {
    fn new(volser: Volser, geometry: Geometry) -> Findings {
        Findings { volser, geometry, found: Vec::new(), left_out: 0 }
    }

    fn add(&mut self, severity: Severity, place: Place, sentence: impl Into<String>) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        self.found.push(Finding {
            severity,
            volser: self.volser,
            heads: self.geometry.heads(),
            track: place.track.or(place.dscb.map(|address| address.track)),
            dscb: place.dscb,
            data_set: place.data_set,
            sentence: sentence.into(),
        });
    }

    fn is_full(&self) -> bool {
        self.found.len() >= FINDINGS_MAX
    }

    fn error(&mut self, place: Place, sentence: impl Into<String>) {
        self.add(Severity::Error, place, sentence);
    }

    fn remark(&mut self, place: Place, sentence: impl Into<String>) {
        self.add(Severity::Remark, place, sentence);
    }

    fn add_error(&mut self, error: &Error, dscb: Option<DscbAddress>) {
        let place = Place {
            track: error.track().map(Track),
            dscb,
            data_set: error.data_set().map(DsName::from_bytes),
        };
        self.error(place, error.sentence());
    }

    fn finish(mut self) -> Vec<Finding> {
        if self.left_out > 0 {
            let sentence = format!("there are {} findings more", self.left_out);
            self.found.push(Finding {
                severity: Severity::Error,
                volser: self.volser,
                heads: self.geometry.heads(),
                track: None,
                dscb: None,
                data_set: None,
                sentence,
            });
        }
        self.found
    }
}

/// What a finding is about.
#[derive(Clone, Copy, Default)]
struct Place {
    track: Option<Track>,
    dscb: Option<DscbAddress>,
    data_set: Option<DsName>,
}

impl Place {
    fn track(track: Track) -> Place {
        Place { track: Some(track), ..Place::default() }
    }
    fn dscb(address: DscbAddress) -> Place {
        Place { dscb: Some(address), ..Place::default() }
    }
    fn data_set(address: DscbAddress, name: DsName) -> Place {
        Place { dscb: Some(address), data_set: Some(name), track: None }
    }
}

fn check_format4(vtoc: &Vtoc, findings: &mut Findings) {
    let (format4, geometry) = (vtoc.format4(), vtoc.geometry);
    let here = Place::track(vtoc.extent.first);
    if format4.heads() != geometry.heads() {
        let (says, has) = (format4.heads(), geometry.heads());
        findings.error(
            here,
            format!("DS4DSTRK says {says} tracks in a cylinder, but the volume has {has}"),
        );
    }
    if u32::from(format4.track_length()) != geometry.device.track_length {
        findings.error(
            here,
            format!(
                "DS4DEVTK is {}, but a track of a {} has {}",
                format4.track_length(),
                geometry.device.type_name(),
                geometry.device.track_length
            ),
        );
    }
    if !vtoc.is_extended() && u32::from(format4.cylinders()) != geometry.cylinders {
        findings.remark(
            here,
            format!(
                "DS4DSCYL says {} cylinders, but the volume has {}",
                format4.cylinders(),
                geometry.cylinders
            ),
        );
    }
    if format4.vtoc_extent_count() != 1 {
        findings.remark(here, format!("DS4NOEXT is {} instead of 1", format4.vtoc_extent_count()));
    }
    if vtoc.extent.end().0 > vtoc.usable_track_count() {
        findings.error(here, "the VTOC reaches beyond the usable tracks");
    }
    for (bit, sentence) in [
        (
            Format4::VTOCI_DIRF,
            "DIRF is on: a change was begun and not ended; the record of free space is void",
        ),
        (Format4::VTOCI_STACKED, "the volume is a stacked pack of VSE"),
        (Format4::VTOCI_INDEXED, "the VTOC has an index, which only its own system can keep right"),
    ] {
        if format4.indicators() & bit != 0 {
            findings.remark(here, sentence);
        }
    }
    let void = Format4::VTOCI_DOS | Format4::VTOCI_EXTENDED_FREE | Format4::VTOCI_INDEXED;
    if format4.indicators() & void == Format4::VTOCI_DOS {
        findings.remark(here, "the DOS bit is on: the record of free space is void");
    }
    if format4.smsfg() != 0 {
        findings.remark(here, "the volume is managed by SMS");
    }
    if vtoc.is_extended() {
        findings.remark(here, "the volume is an extended address volume");
    }
    if format4.f6_pointer() != [0; 5] {
        findings.remark(here, "the volume has split cylinders");
    }
}

/// Numbers that the format 4 repeats.
fn check_counts(vtoc: &Vtoc, findings: &mut Findings) {
    let format4 = vtoc.format4();
    let here = Place::track(vtoc.extent.first);
    let mut counts: HashMap<Track, u32> = HashMap::new();
    for (address, _) in &vtoc.dscbs {
        *counts.entry(address.track).or_default() += 1;
    }
    let expected = u32::from(format4.dscbs_per_track());
    let differing = counts.values().filter(|&&count| count != expected).count();
    if differing > 0 {
        findings.remark(
            here,
            format!("DS4DEVDT says {expected} DSCBs on a track; {differing} tracks of the VTOC have another number"),
        );
    }
    let on = |bit| format4.indicators() & bit != 0;
    let free = vtoc.dscbs.iter().filter(|(_, dscb)| dscb.is_free()).count();
    if usize::from(format4.free_dscbs()) != free.min(0xFFFF)
        && !on(Format4::VTOCI_INDEXED)
        && !on(Format4::VTOCI_DIRF)
    {
        findings.remark(
            here,
            format!("DS4DSREC says {} free DSCBs, but there are {free}", format4.free_dscbs()),
        );
    }
    let highest = vtoc.format1s().last();
    let recorded = DscbAddress::from_bytes(format4.highest_f1(), &vtoc.geometry).ok().flatten();
    if let Some((address, format1)) = highest.filter(|(address, _)| recorded < Some(*address)) {
        findings.remark(
            Place::data_set(address, format1.name()),
            "its DSCB stands behind the highest one that DS4HPCHR tells of",
        );
    }
}

fn check_data_sets(vtoc: &Vtoc, findings: &mut Findings) {
    let mut names = HashSet::new();
    for (address, format1) in vtoc.format1s() {
        let place = Place::data_set(address, format1.name());
        if !names.insert(format1.name()) {
            findings.error(place, "another data set of this name is on the volume");
        }
        match vtoc.data_set(address, format1) {
            Ok(data_set) => check_data_set(vtoc, place, &data_set, findings),
            Err(error) => findings.add_error(&error, Some(address)),
        }
    }
}

fn check_data_set(vtoc: &Vtoc, place: Place, data_set: &DataSetDscbs, findings: &mut Findings) {
    let usable = Track(vtoc.usable_track_count());
    for extent in data_set.extents.iter().chain(&data_set.user_label) {
        if extent.end() > usable {
            let (first, last) = (extent.first.0, extent.end().0 - 1);
            findings.error(
                place,
                format!("its extent of tracks {first} to {last} reaches beyond the usable tracks"),
            );
        }
    }
    for descriptor in descriptors(&data_set.format1, &data_set.chain) {
        let (Ok(extent), kind) = (descriptor.extent(&vtoc.geometry), descriptor.kind()) else {
            continue;
        };
        let aligned = extent.is_cylinder_aligned(vtoc.geometry.heads());
        if (kind == ExtentKind::CYLINDERS && !aligned) || (kind == ExtentKind::DATA && aligned) {
            let with = if aligned { "" } else { "out" };
            findings.remark(
                place,
                format!(
                    "extent {} has type X'{:02X}' with{with} cylinder boundaries",
                    descriptor.sequence(),
                    kind.0
                ),
            );
        }
    }
    let first_volser = data_set.format1.first_volser();
    if data_set.format1.volume_sequence() == 1 && first_volser != vtoc.volser {
        findings.remark(
            place,
            format!("DS1DSSN is {first_volser}: the volume was relabelled, or the data set came from there"),
        );
    }
}

/// Each DSCB behind an F1 must belong to exactly one; nothing else may be there but free space and the F4.
fn check_chains(vtoc: &Vtoc, record: Record, findings: &mut Findings) {
    let mut owners: HashMap<DscbAddress, DsName> = HashMap::new();
    for (address, format1) in vtoc.format1s() {
        for (behind, _) in vtoc.chain(address, format1).0 {
            if let Some(other) = owners.insert(behind, format1.name()) {
                findings.error(
                    Place::data_set(behind, format1.name()),
                    format!("the DSCB also belongs to {other}"),
                );
            }
        }
    }
    let free_space: HashSet<DscbAddress> = match record {
        Record::Void => HashSet::new(),
        Record::Format5 => format5_chain(vtoc).unwrap_or_default().into_iter().collect(),
        // The empty F5 of such a volume stays where it always is.
        Record::Format7 => format7_chain(vtoc)
            .unwrap_or_default()
            .into_iter()
            .chain([DscbAddress { track: vtoc.extent.first, record: 2 }])
            .collect(),
    };
    for (address, dscb) in vtoc.dscbs.iter().skip(1) {
        let what = vtoc.describe((*address, format(dscb)));
        match dscb {
            Dscb::Free | Dscb::Format1(_) => {}
            Dscb::Format5(_) | Dscb::Format7(_) => {
                if record != Record::Void && !free_space.contains(address) {
                    findings.remark(Place::dscb(*address), format!("no chain leads to the {what}"));
                }
            }
            Dscb::Format3(_) | Dscb::Format9(_) if owners.contains_key(address) => {}
            Dscb::Other(_) if owners.contains_key(address) || format(dscb) == 0xF6 => {}
            Dscb::Format3(_) => findings.error(
                Place::dscb(*address),
                format!("no data set leads to the {what}, which keeps its tracks allocated"),
            ),
            _ => findings.error(Place::dscb(*address), format!("nothing leads to the {what}")),
        }
    }
}

fn check_overlaps(vtoc: &Vtoc, claims: &[Claim], findings: &mut Findings) {
    for (first, second) in overlaps(claims) {
        let address = match (second.owner, first.owner) {
            (Owner::Dscb(address), _) | (_, Owner::Dscb(address)) => Some(address),
            _ => None,
        };
        findings.error(
            Place { dscb: address, track: Some(second.extent.first), data_set: None },
            overlap_sentence(vtoc, first, second),
        );
    }
}

/// Two claims that overlap, in a sentence.
pub(super) fn overlap_sentence(vtoc: &Vtoc, first: Claim, second: Claim) -> String {
    let describe = |claim: Claim| {
        let (low, high) = (claim.extent.first.0, claim.extent.end().0 - 1);
        format!("tracks {low} to {high} of {}", owner_text(vtoc, claim.owner))
    };
    format!("{} overlap {}", describe(second), describe(first))
}

fn owner_text(vtoc: &Vtoc, owner: Owner) -> String {
    match owner {
        Owner::Label => "the label".into(),
        Owner::Vtoc => "the VTOC".into(),
        Owner::Dscb(address) => match vtoc.dscb(address) {
            Some(Dscb::Format1(format1)) => format1.name().to_string(),
            Some(dscb) => format!("the {}", vtoc.describe((address, format(dscb)))),
            None => "nobody".into(),
        },
    }
}

fn check_free_space(vtoc: &Vtoc, claims: &[Claim], findings: &mut Findings) {
    let recorded = match FreeSpace::recorded(vtoc) {
        Ok(Some(recorded)) => recorded,
        Ok(None) => return,
        Err(error) => return findings.add_error(&error, None),
    };
    if vtoc.format4().indicators() & Format4::VTOCI_INDEXED != 0 {
        return;
    }
    let complement = FreeSpace::unclaimed(vtoc, claims);
    let both = complement.intersection(&recorded);
    let here = vtoc.extent.first;
    if both != recorded {
        findings.error(
            Place::track(here),
            format!(
                "{} tracks are recorded as free that are not: {}",
                recorded.track_count() - both.track_count(),
                first_difference(&recorded, &both)
            ),
        );
    }
    if both != complement {
        findings.remark(
            Place::track(here),
            format!(
                "{} tracks that nobody claims are not recorded as free: {}",
                complement.track_count() - both.track_count(),
                first_difference(&complement, &both)
            ),
        );
    }
}

/// The first track of `more` that is not in `less`.
pub(super) fn first_difference(more: &FreeSpace, less: &FreeSpace) -> String {
    let mut rest = more.clone();
    let removed = less.runs().iter().try_for_each(|&run| rest.take(run));
    match (removed, rest.runs().first()) {
        (Ok(()), Some(run)) => format!("tracks {} to {}", run.first.0, run.end().0 - 1),
        _ => "none".into(),
    }
}

fn check_tracks(
    volume: &dyn Volume,
    vtoc: Option<&Vtoc>,
    tracks: Tracks,
    findings: &mut Findings,
) -> Result<()> {
    let geometry = volume.geometry();
    let whole = Extent::new(Track(0), geometry.track_count());
    let claims = vtoc.map(Vtoc::claims).unwrap_or_default();
    let runs = match (tracks, vtoc) {
        (Tracks::None, _) => Vec::new(),
        (Tracks::All, _) | (Tracks::Used, None) => vec![whole],
        (Tracks::Used, Some(_)) => union(&claims),
    };
    let owner_name = |track: Track| {
        let behind = claims.partition_point(|claim| claim.extent.first <= track);
        let claim = claims[..behind].last().filter(|claim| claim.extent.contains(track))?;
        match (claim.owner, vtoc?) {
            (Owner::Dscb(address), vtoc) => vtoc.format1s().find_map(|(first, format1)| {
                let mut chain = vtoc.chain(first, format1).0.into_iter();
                (first == address || chain.any(|(behind, _)| behind == address))
                    .then(|| Format1::name(format1))
            }),
            _ => None,
        }
    };
    let heads = u32::from(geometry.heads());
    let slot_size = volume.slot_size();
    let mut buffer = vec![0; heads as usize * slot_size];
    for run in runs {
        let mut first = run.first;
        while first < run.end() {
            let in_cylinder = heads - first.0 % heads;
            let track_count = in_cylinder.min(run.end().since(first));
            let slots = &mut buffer[..track_count as usize * slot_size];
            volume.read(first, slots)?;
            for (slot, number) in slots.chunks_exact(slot_size).zip(0..) {
                let track = first.plus(number);
                let checked = track::check(slot, volume.place(track));
                if checked.as_ref().is_ok_and(|summary| summary.foreign_count == 0) {
                    continue;
                }
                let data_set = if findings.is_full() { None } else { owner_name(track) };
                let place = Place { data_set, ..Place::track(track) };
                match checked {
                    Ok(summary) => findings.remark(
                        place,
                        format!(
                            "{} records carry the address of another track",
                            summary.foreign_count
                        ),
                    ),
                    Err(error) => findings.error(place, error.sentence()),
                }
            }
            first = first.plus(track_count);
        }
    }
    Ok(())
}

/// The tracks of all claims, as runs that do not overlap.
fn union(claims: &[Claim]) -> Vec<Extent> {
    let mut runs: Vec<Extent> = Vec::new();
    for claim in claims {
        match runs.last_mut().filter(|run| claim.extent.first <= run.end()) {
            Some(run) => {
                let end = run.end().max(claim.extent.end());
                run.track_count = end.since(run.first);
            }
            None => runs.push(claim.extent),
        }
    }
    runs
}
