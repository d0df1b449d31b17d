use super::*;
use crate::assess::{Options, assess};
use crate::catalog::{Catalog, CatalogVolume};
use crate::dscb::{Dscb, Format1, Format3};
use crate::error::{Error, Result};
use crate::geometry::{Device, Geometry, Track};
use crate::volume::Volume;
use crate::volume::intent::{Journal, NoJournal};
use crate::volume::memory::MemoryVolume;
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{DataSetDscbs, Expiration, FreeSpace, Identity, NewDataSet, SpaceManager, init};
use proptest::prelude::*;
use std::sync::Arc;

fn name(text: &str) -> DsName {
    DsName::parse(text).unwrap()
}

fn volser(text: &str) -> Volser {
    Volser::parse(text).unwrap()
}

fn mask(text: &str) -> Vec<DsMask> {
    vec![DsMask::parse(text).unwrap()]
}

/// A part: its volume, the record of its F1, its extents.
type PartOf<'a> = (&'a str, u8, &'a [(u32, u32)]);

fn part((on, record, extents): PartOf<'_>, name: DsName) -> Part {
    let mut format1 = Format1::new(name);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_creation_date([90, 0, 1]);
    let extents = extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
    let address = DscbAddress { track: Track(1), record };
    Part {
        volser: volser(on),
        device: Device::named("3330").unwrap(),
        dscbs: DataSetDscbs { address, format1, chain: vec![], extents, user_label: None },
    }
}

fn data_set(text: &str, parts: &[PartOf<'_>]) -> Assessment {
    let name = name(text);
    let parts = parts.iter().map(|&of| part(of, name)).collect();
    Assessment { name, parts, cataloged: vec![], refusals: vec![] }
}

fn cataloged(mut data_set: Assessment, catalog: &str, volumes: &[&str]) -> Assessment {
    let volume = |on: &&str| CatalogVolume {
        unit_type: [0x30, 0x50, 0x20, 9],
        volser: volser(on),
        file_sequence: 0,
    };
    let volumes = volumes.iter().map(volume).collect();
    let entry = CatalogEntry { name: data_set.name, volumes, dscb: None };
    data_set.cataloged.push(Cataloged { catalog: catalog.into(), volser: None, entry });
    data_set
}

/// Each change as its words, the new runs and the gone ones: volume, first track, count, place, how.
type Told = (String, Vec<String>, Vec<String>);

fn told(stored: &[Assessment], present: &[Assessment], metadata: Metadata) -> Vec<Told> {
    let changes = compare(stored, present, &mask("A.**"), metadata);
    changes.iter().for_each(assert_applies);
    changes.iter().map(|change| (words(change), runs(&change.new), runs(&change.gone))).collect()
}

/// The words without counts of tracks and extents, which the runs tell.
fn words(change: &AllocationChange<'_>) -> String {
    let words = change.to_string();
    let kept = words.split("; ").filter(|w| !w.contains(" more on ") && !w.contains(" fewer on "));
    kept.collect::<Vec<_>>().join("; ")
}

fn runs<How: fmt::Debug>(runs: &[ChangedRun<How>]) -> Vec<String> {
    let text = |run: &ChangedRun<How>| {
        let Extent { first, track_count } = run.extent;
        format!("{} {}+{track_count} at {} {:?}", run.volser, first.0, run.place, run.how)
    };
    runs.iter().map(text).collect()
}

/// Every track of a data set, in order.
fn tracks(data_set: Option<&Assessment>) -> Vec<(Volser, u32)> {
    let extents = data_set.into_iter().flat_map(Assessment::extents);
    extents.flat_map(|(on, run)| (run.first.0..run.end().0).map(move |t| (on, t))).collect()
}

/// That the stored tracks, without those that are gone, and with the new ones at their places, are the present tracks.
fn assert_applies(change: &AllocationChange<'_>) {
    let (was, now) = (tracks(change.stored), tracks(change.present));
    if change.fate == Fate::Unclear {
        assert_eq!((change.new.len(), change.gone.len()), (0, 0));
        return;
    }
    let mut is_gone = vec![false; was.len()];
    for ChangedRun { volser, extent, place, .. } in &change.gone {
        for (offset, place) in (0..extent.track_count).zip(*place as usize..) {
            assert_eq!(was[place], (*volser, extent.first.0 + offset));
            assert!(!std::mem::replace(&mut is_gone[place], true), "gone twice");
        }
    }
    let kept = was.iter().zip(is_gone).filter(|(_, is_gone)| !is_gone);
    let mut applied: Vec<(Volser, u32)> = kept.map(|(track, _)| *track).collect();
    for ChangedRun { volser, extent, place, .. } in &change.new {
        for (offset, place) in (0..extent.track_count).zip(*place as usize..) {
            applied.insert(place, (*volser, extent.first.0 + offset));
        }
    }
    assert_eq!(applied, now, "{change}");
    let shared = matches!(change.fate, Fate::Persistent | Fate::Renamed);
    assert!(
        shared
            || change.new.iter().map(|run| run.extent.track_count as usize).sum::<usize>()
                == now.len()
    );
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

#[test]
fn tracks_come_and_leave_in_every_way() {
    type Case<'a> = (&'a str, &'a [PartOf<'a>], &'a [PartOf<'a>], &'a [&'a str], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("nothing", &[("V1", 3, &[(40, 5), (60, 7)])], &[("V1", 3, &[(40, 5), (60, 7)])], &[], &[]),
        (
            "extended, merged into the last extent",
            &[("V1", 3, &[(40, 5), (60, 7)])],
            &[("V1", 3, &[(40, 5), (60, 10)])],
            &["V1 67+3 at 12 Merged"],
            &[],
        ),
        (
            "extended by an extent",
            &[("V1", 3, &[(40, 5)])],
            &[("V1", 3, &[(40, 5), (60, 7)])],
            &["V1 60+7 at 5 Extent"],
            &[],
        ),
        (
            "extended by both, more than once",
            &[("V1", 3, &[(40, 5)])],
            &[("V1", 3, &[(40, 9), (60, 7), (80, 1)])],
            &["V1 45+4 at 5 Merged", "V1 60+7 at 9 Extent", "V1 80+1 at 16 Extent"],
            &[],
        ),
        (
            "extended onto another volume",
            &[("V1", 3, &[(40, 5)])],
            &[("V1", 3, &[(40, 5)]), ("V2", 9, &[(40, 5)])],
            &["V2 40+5 at 5 Part"],
            &[],
        ),
        (
            "extended on its first volume, so that the others come later",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])],
            &[("V1", 3, &[(40, 6)]), ("V2", 3, &[(10, 4)])],
            &["V1 45+1 at 5 Merged"],
            &[],
        ),
        (
            "released inside the last extent",
            &[("V1", 3, &[(40, 5), (60, 7)])],
            &[("V1", 3, &[(40, 5), (60, 2)])],
            &[],
            &["V1 62+5 at 7 Released"],
        ),
        (
            "released over several extents",
            &[("V1", 3, &[(40, 5), (60, 7), (80, 2)])],
            &[("V1", 3, &[(40, 3)])],
            &[],
            &["V1 43+2 at 3 Released", "V1 60+7 at 5 Released", "V1 80+2 at 12 Released"],
        ),
        (
            "released on one volume, extended on another",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])],
            &[("V1", 3, &[(40, 2)]), ("V2", 3, &[(10, 4), (30, 1)])],
            &["V2 30+1 at 6 Extent"],
            &["V1 42+3 at 2 Released"],
        ),
        (
            "released and extended elsewhere",
            &[("V1", 3, &[(40, 5), (60, 7)])],
            &[("V1", 3, &[(40, 5), (90, 3)])],
            &["V1 90+3 at 5 Extent"],
            &["V1 60+7 at 5 Released"],
        ),
        (
            "released to nothing, and got space again",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[])],
            &[("V1", 3, &[]), ("V2", 3, &[(7, 2)])],
            &["V2 7+2 at 0 Extent"],
            &["V1 40+5 at 0 Released"],
        ),
        (
            "an extent in the middle disappeared",
            &[("V1", 3, &[(40, 5), (60, 7), (80, 2)])],
            &[("V1", 3, &[(40, 5), (80, 2)])],
            &[],
            &["V1 60+7 at 5 Inside"],
        ),
        (
            "a part disappeared",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4), (20, 1)])],
            &[("V1", 3, &[(40, 5)])],
            &[],
            &["V2 10+4 at 5 Part", "V2 20+1 at 9 Part"],
        ),
        (
            "the first part disappeared",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])],
            &[("V2", 3, &[(10, 4)])],
            &[],
            &["V1 40+5 at 0 Part"],
        ),
        (
            "a part was made anew in the same tracks",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])],
            &[("V1", 3, &[(40, 5)]), ("V2", 4, &[(10, 4)])],
            &["V2 10+4 at 5 Part"],
            &["V2 10+4 at 5 Part"],
        ),
        (
            "extents were put together",
            &[("V1", 3, &[(40, 5), (45, 7)])],
            &[("V1", 3, &[(40, 12)])],
            &[],
            &[],
        ),
        (
            "a gap was closed",
            &[("V1", 3, &[(40, 5), (47, 5)])],
            &[("V1", 3, &[(40, 12)])],
            &["V1 45+2 at 5 Merged"],
            &[],
        ),
        (
            "extents come in another order",
            &[("V1", 3, &[(40, 5), (60, 7), (80, 2)])],
            &[("V1", 3, &[(40, 5), (80, 2), (60, 7)])],
            &["V1 60+7 at 7 Extent"],
            &["V1 60+7 at 5 Inside"],
        ),
        (
            "parts come in another order",
            &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])],
            &[("V2", 3, &[(10, 4)]), ("V1", 3, &[(40, 5)])],
            &["V1 40+5 at 4 Extent"],
            &["V1 40+5 at 0 Released"],
        ),
    ];
    for (what, was, now, new, gone) in cases {
        for to in ["A.B", "X.Y"] {
            let (stored, present) = ([data_set("A.B", was)], [data_set(to, now)]);
            let found = told(&stored, &present, Metadata::Both);
            let fate = if to == "A.B" { "A.B: persistent" } else { "A.B: renamed to X.Y" };
            assert_eq!(found.len(), 1, "{what}");
            assert!(found[0].0.starts_with(fate), "{what}: {found:?}");
            assert_eq!((&found[0].1, &found[0].2), (&strings(new), &strings(gone)), "{what}");
            let changes = compare(&stored, &present, &[], Metadata::Both);
            assert_eq!(changes[0].is_nothing(), to == "A.B" && was == now, "{what}");
            assert_eq!(changes[0].is_extended(), !new.is_empty(), "{what}");
            assert_eq!(changes[0].is_released(), !gone.is_empty(), "{what}");
        }
    }
}

#[test]
fn identity_is_not_the_name() {
    let one = |text, record, first| data_set(text, &[("V1", record, &[(first, 5)])]);
    let dated = |mut data_set: Assessment| {
        data_set.parts[0].dscbs.format1.set_creation_date([91, 0, 1]);
        data_set
    };
    let (a, b) = (|| one("A.A", 3, 40), || one("A.B", 4, 60));
    type Case = (&'static str, Vec<Assessment>, Vec<Assessment>, &'static [&'static str]);
    let cases: Vec<Case> = vec![
        ("deleted", vec![a(), b()], vec![b()], &["A.A: deleted", "A.B: persistent"]),
        ("new", vec![a()], vec![a(), b()], &["A.A: persistent", "A.B: new"]),
        ("new, but not selected", vec![a()], vec![a(), one("B.B", 4, 60)], &["A.A: persistent"]),
        ("renamed", vec![a()], vec![one("A.C", 3, 40)], &["A.A: renamed to A.C"]),
        (
            "renamed out of the selection",
            vec![a()],
            vec![one("B.A", 3, 40)],
            &["A.A: renamed to B.A"],
        ),
        ("another date", vec![a()], vec![dated(a())], &["A.A: deleted and made anew"]),
        ("another address", vec![a()], vec![one("A.A", 5, 40)], &["A.A: deleted and made anew"]),
        (
            "another first track",
            vec![a()],
            vec![one("A.A", 3, 41)],
            &["A.A: deleted and made anew"],
        ),
        (
            "another volume",
            vec![a()],
            vec![data_set("A.A", &[("V2", 3, &[(40, 5)])])],
            &["A.A: deleted and made anew"],
        ),
        (
            "renamed, but another date",
            vec![a()],
            vec![dated(one("A.C", 3, 40))],
            &["A.A: deleted", "A.C: new"],
        ),
        (
            "two exchanged their names",
            vec![a(), b()],
            vec![one("A.A", 4, 60), one("A.B", 3, 40)],
            &["A.A: renamed to A.B", "A.B: renamed to A.A"],
        ),
        (
            "three changed names around",
            vec![a(), b(), one("A.C", 5, 80)],
            vec![one("A.A", 5, 80), one("A.B", 3, 40), one("A.C", 4, 60)],
            &["A.A: renamed to A.B", "A.B: renamed to A.C", "A.C: renamed to A.A"],
        ),
        (
            "renamed away, and the name made anew",
            vec![a()],
            vec![one("A.A", 9, 90), one("A.Z", 3, 40)],
            &["A.A: renamed to A.Z", "A.A: new"],
        ),
        (
            "renamed out of the selection, and the name made anew",
            vec![a()],
            vec![one("A.A", 9, 90), one("Z.Z", 3, 40)],
            &["A.A: renamed to Z.Z", "A.A: new"],
        ),
        (
            "deleted, and another renamed to its name",
            vec![a(), b()],
            vec![one("A.A", 4, 60)],
            &["A.A: deleted", "A.B: renamed to A.A"],
        ),
        (
            "deleted, and a stranger renamed to its name",
            vec![a()],
            vec![one("A.A", 8, 200)],
            &["A.A: deleted and made anew"],
        ),
        (
            "made anew where another was",
            vec![a(), b()],
            vec![dated(one("A.A", 4, 60))],
            &["A.A: deleted and made anew", "A.B: deleted"],
        ),
        (
            "one scratched, one made anew in its place under a third name",
            vec![a(), b()],
            vec![b(), dated(one("A.C", 3, 40))],
            &["A.A: deleted", "A.B: persistent", "A.C: new"],
        ),
    ];
    for (what, stored, present, expected) in &cases {
        for metadata in [Metadata::Both, Metadata::Vtoc, Metadata::Catalog] {
            let reversed: Vec<Assessment> = present.iter().rev().cloned().collect();
            for present in [present, &reversed] {
                let mut found: Vec<String> =
                    told(stored, present, metadata).into_iter().map(|(words, ..)| words).collect();
                // New ones come in the order of what is present.
                found[stored.len()..].sort();
                assert_eq!(found, strings(expected), "{what}");
            }
        }
    }
}

#[test]
fn what_was_made_anew_is_copied_whole() {
    let stored = [data_set("A.A", &[("V1", 3, &[(40, 5)])])];
    let present = [data_set("A.A", &[("V1", 4, &[(40, 5), (60, 2)])])];
    let found = told(&stored, &present, Metadata::Both);
    assert_eq!(found[0].1, strings(&["V1 40+5 at 0 Part", "V1 60+2 at 5 Part"]));
    assert_eq!(found[0].2, strings(&["V1 40+5 at 0 Part"]));
    let change = &compare(&stored, &present, &[], Metadata::Both)[0];
    assert!(!change.is_extended() && !change.is_released() && !change.is_nothing());
}

#[test]
fn a_rename_that_is_half_done_loses_no_part() {
    let stored = [data_set("A.A", &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])])];
    let (first, second): (PartOf<'_>, PartOf<'_>) = (("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)]));
    let present = [data_set("A.A", &[second]), data_set("A.C", &[first])];
    let found = told(&stored, &present, Metadata::Both);
    assert_eq!(found[0].2, strings(&["V1 40+5 at 0 Part"]));
    assert_eq!((&found[1].0, &found[1].1), (&"A.C: new".into(), &strings(&["V1 40+5 at 0 Part"])));
    // Both parts went to different names.
    let present = [data_set("A.D", &[second]), data_set("A.C", &[first])];
    let found = told(&stored, &present, Metadata::Both);
    assert!(found[0].0.starts_with("A.A: renamed to A.C"), "{found:?}");
    assert_eq!(found[1].0, "A.D: new");
}

/// For each byte of an F1 behind the name, the field that it belongs to.
#[test]
fn every_byte_of_a_dscb_belongs_to_a_field() {
    let stored = [data_set("A.A", &[("V1", 3, &[(40, 5)])])];
    for offset in 44..140 {
        let mut present = stored.clone();
        present[0].parts[0].dscbs.format1.as_bytes_mut()[offset] ^= 0x01;
        let changes = compare(&stored, &present, &[], Metadata::Both);
        if (53..56).contains(&offset) {
            assert_eq!(changes[0].fate, Fate::Recreated);
        } else {
            assert_eq!(
                (changes[0].fate, changes[0].fields.len()),
                (Fate::Persistent, 1),
                "{offset}"
            );
            assert!(!changes[0].is_nothing());
        }
    }
}

#[test]
fn what_differs_in_the_dscbs_is_named() {
    use Field::*;
    type Change = fn(&mut DataSetDscbs);
    let cases: &[(Change, &[Field])] = &[
        (|d| d.format1.set_last_used(Some((3, 1))), &[LastUsed]),
        (|d| d.format1.set_last_used(Some((0x01_0000, 0))), &[LastUsed]),
        (|d| d.format1.set_balance(99), &[Balance]),
        (|d| d.format1.as_bytes_mut()[76] = 9, &[ReferenceDate]),
        (|d| d.format1.set_expiration_date([99, 1, 1]), &[ExpirationDate]),
        (|d| d.format1.set_indicators(0x80), &[Indicators]),
        (|d| d.format1.set_blksize(800), &[Attributes]),
        (|d| d.format1.set_secondary([0, 0, 9]), &[SpaceRequest]),
        (|d| d.format1.set_volume_sequence(2), &[Volumes]),
        (|d| d.format1.as_bytes_mut()[61] = 0x40, &[Flags]),
        (|d| d.format1.as_bytes_mut()[60] = 0x40, &[Other]),
        (|d| d.user_label = Some(Extent::new(Track(9), 1)), &[UserLabel]),
        (
            |d| {
                let address = DscbAddress { track: Track(1), record: 8 };
                d.chain.push((address, Dscb::Format3(Format3::new(&[]))));
            },
            &[Extents],
        ),
        (
            |d| {
                d.format1.set_balance(99);
                d.format1.set_last_used(Some((3, 1)));
            },
            &[LastUsed, Balance],
        ),
    ];
    for (number, (change, fields)) in cases.iter().enumerate() {
        let parts: &[PartOf<'_>] = &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(40, 5)])];
        let stored = [data_set("A.A", parts)];
        let mut present = stored.clone();
        change(&mut present[0].parts[1].dscbs);
        let changes = compare(&stored, &present, &[], Metadata::Both);
        let expected: Vec<_> = fields.iter().map(|field| (volser("V2"), *field)).collect();
        assert_eq!(
            (changes[0].fate, &changes[0].fields),
            (Fate::Persistent, &expected),
            "{number}"
        );
    }
}

#[test]
fn a_change_is_seen_in_the_catalog_alone_in_the_vtoc_alone_and_in_both() {
    let one = || data_set("A.A", &[("V1", 3, &[(40, 5)])]);
    let two = || data_set("A.A", &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])]);
    let grown = || data_set("A.A", &[("V1", 3, &[(40, 6)])]);
    let other = || data_set("A.Z", &[("V1", 3, &[(40, 5)])]);
    let new = strings(&["V2 10+4 at 5 Part"]);
    use Metadata::{Both, Catalog, Vtoc};
    type Case = (Assessment, Assessment, Metadata, &'static str, Vec<String>);
    let cases: Vec<Case> = vec![
        // The entry names a volume more, and the data set is extended onto it.
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(two(), "C", &["V1", "V2"]),
            Both,
            "A.A: persistent; another entry in C",
            new.clone(),
        ),
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(two(), "C", &["V1", "V2"]),
            Catalog,
            "A.A: persistent; another entry in C",
            new.clone(),
        ),
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(two(), "C", &["V1", "V2"]),
            Vtoc,
            "A.A: persistent",
            new.clone(),
        ),
        // Without a catalog the DSCBs tell, whatever is asked.
        (one(), two(), Catalog, "A.A: persistent", new),
        // Inside a volume the catalog sees nothing.
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(grown(), "C", &["V1"]),
            Catalog,
            "A.A: persistent",
            vec![],
        ),
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(grown(), "C", &["V1"]),
            Vtoc,
            "A.A: persistent",
            strings(&["V1 45+1 at 5 Merged"]),
        ),
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(grown(), "C", &["V1"]),
            Both,
            "A.A: persistent",
            strings(&["V1 45+1 at 5 Merged"]),
        ),
        // The entry changed, and nothing else.
        (cataloged(one(), "C", &["V1"]), one(), Both, "A.A: persistent; no entry in C", vec![]),
        (cataloged(one(), "C", &["V1"]), one(), Vtoc, "A.A: persistent", vec![]),
        (one(), cataloged(one(), "C", &["V1"]), Both, "A.A: persistent; an entry in C", vec![]),
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(one(), "D", &["V1"]),
            Both,
            "A.A: persistent; no entry in C; an entry in D",
            vec![],
        ),
        // It was renamed, in the catalog too, or only on the volume.
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(other(), "C", &["V1"]),
            Both,
            "A.A: renamed to A.Z",
            vec![],
        ),
        (
            cataloged(one(), "C", &["V1"]),
            cataloged(other(), "C", &["V1"]),
            Catalog,
            "A.A: renamed to A.Z",
            vec![],
        ),
        (
            cataloged(one(), "C", &["V1"]),
            other(),
            Both,
            "A.A: renamed to A.Z; no entry in C",
            vec![],
        ),
        (cataloged(one(), "C", &["V1"]), other(), Vtoc, "A.A: renamed to A.Z", vec![]),
    ];
    for (number, (was, now, metadata, words, new)) in cases.into_iter().enumerate() {
        let found = told(&[was], &[now], metadata);
        let [(said, runs, _)] = &found[..] else { panic!("{number}: {found:?}") };
        assert_eq!((said.as_str(), runs), (words, &new), "{number}");
    }
}

#[test]
fn an_entry_may_differ_and_lead_to_the_same_place() {
    let stored = [cataloged(data_set("A.A", &[("V1", 3, &[(40, 5)])]), "C", &["V1"])];
    let mut present = stored.clone();
    present[0].cataloged[0].entry.dscb = Some([0, 1, 3]);
    let changes = compare(&stored, &present, &[], Metadata::Both);
    assert_eq!(changes[0].entries.len(), 1);
    assert!(!changes[0].entries[0].leads_elsewhere());
    present[0].cataloged[0].entry.volumes[0].volser = volser("V2");
    assert!(compare(&stored, &present, &[], Metadata::Both)[0].entries[0].leads_elsewhere());
}

/// What cannot be read is neither deleted nor released.
#[test]
fn what_could_not_be_read_is_unclear() {
    let damaged = |text: &str, on: &str| {
        let error = Error::new(Reason::DamagedDscb, "damaged").on_volume(volser(on));
        Assessment { refusals: vec![error], ..data_set(text, &[]) }
    };
    let both = data_set("A.A", &[("V1", 3, &[(40, 5)]), ("V2", 3, &[(10, 4)])]);
    let fate = |present: &[Assessment]| {
        let changes = compare([&both], present, &[], Metadata::Both);
        assert!(changes[0].new.is_empty() || changes[0].fate != Fate::Unclear);
        changes[0].fate
    };
    // Itself, or what may be its new name.
    assert_eq!(fate(&[damaged("A.A", "V1")]), Fate::Unclear);
    assert_eq!(fate(&[damaged("X.Y", "V2")]), Fate::Unclear);
    assert_eq!(fate(&[damaged("X.Y", "V3")]), Fate::Deleted);
    // One part.
    let first = || data_set("A.A", &[("V1", 3, &[(40, 5)])]);
    let half = |on| Assessment { refusals: damaged("A.A", on).refusals, ..first() };
    assert_eq!(fate(&[half("V2")]), Fate::Unclear);
    assert_eq!(fate(&[half("V3")]), Fate::Persistent);
    assert_eq!(fate(&[first(), damaged("X.Y", "V2")]), Fate::Unclear);
    // Another one of its name, while it may be under a name that cannot be read.
    let anew = data_set("A.A", &[("V1", 7, &[(90, 5)])]);
    assert_eq!(fate(std::slice::from_ref(&anew)), Fate::Recreated);
    assert_eq!(fate(&[anew, damaged("X.Y", "V1")]), Fate::Unclear);
    // That the catalog names a volume, and the VTOC does not have it, is clear enough.
    let error = Error::new(Reason::CatalogMismatch, "not there").on_volume(volser("V1"));
    let gone = Assessment { refusals: vec![error], ..data_set("A.A", &[]) };
    assert_eq!(fate(&[gone]), Fate::Deleted);
}

/// A stored assessment comes from a checkpoint, and its extents may be anything.
#[test]
fn extents_that_make_no_sense_are_compared_too() {
    let max = u32::MAX;
    let odd: &[&[(u32, u32)]] = &[
        &[(40, 5), (40, 5)],
        &[(40, 5), (42, 1), (41, 9)],
        &[(40, 0), (40, 5), (45, 0)],
        &[(max - 5, 5)],
        &[(40, max - 40)],
        &[],
    ];
    for was in odd {
        for now in odd {
            let (stored, present) =
                (data_set("A.A", &[("V1", 3, was)]), data_set("A.A", &[("V1", 3, now)]));
            let changes = compare([&stored], [&present], &[], Metadata::Both);
            assert!(was != now || changes[0].new.is_empty() || was.len() > 1, "{was:?}");
        }
    }
}

/// The volumes of a small world, as their own system sees them.
struct World {
    volumes: Vec<VtocSpaceManager>,
    entries: BTreeMap<DsName, Vec<Volser>>,
    random: u64,
    made: u32,
}

#[derive(Debug)]
struct Entries(BTreeMap<DsName, Vec<Volser>>);

impl Catalog for Entries {
    fn name(&self) -> String {
        "CATALOG".into()
    }
    fn volser(&self) -> Option<Volser> {
        None
    }
    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        let volume = |volser: &Volser| CatalogVolume {
            unit_type: [0x30, 0x50, 0x20, 9],
            volser: *volser,
            file_sequence: 0,
        };
        let entry = |volumes: &Vec<Volser>| CatalogEntry {
            name: *name,
            volumes: volumes.iter().map(volume).collect(),
            dscb: None,
        };
        Ok(self.0.get(name).map(entry))
    }
    fn list(&self, _: &DsMask) -> Result<Vec<CatalogEntry>> {
        unreachable!("an assessment asks for names")
    }
    fn add(&self, _: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        unreachable!("an assessment changes nothing")
    }
    fn recatalog(&self, _: &CatalogEntry, _: &CatalogEntry, _: &dyn Journal) -> Result<()> {
        unreachable!("an assessment changes nothing")
    }
    fn rename(&self, _: &DsName, _: &DsName, _: &dyn Journal) -> Result<()> {
        unreachable!("an assessment changes nothing")
    }
    fn delete(&self, _: &DsName, _: &dyn Journal) -> Result<()> {
        unreachable!("an assessment changes nothing")
    }
}

impl World {
    fn new(seed: u64) -> World {
        let volume = |text: &str| {
            let device = Device::named("3330").unwrap();
            let geometry = Geometry { device, cylinders: 6, slot_size: device.slot_size() };
            let volume = Arc::new(MemoryVolume::new(volser(text), geometry));
            init::initialize(&*volume, volume.volser(), None, "").unwrap();
            VtocSpaceManager::new(volume)
        };
        let volumes = ["V1", "V2"].map(volume).into();
        World { volumes, entries: BTreeMap::new(), random: seed, made: 0 }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) as usize % limit.max(1)
    }

    fn free(&mut self, on: usize) -> Vec<Extent> {
        let free = FreeSpace::of(&self.volumes[on].read().unwrap()).unwrap();
        let count = 1 + self.below(3);
        let runs: Vec<Extent> = free.runs().to_vec();
        (0..count.min(runs.len()))
            .map(|number| {
                // Often from the start of a run, so that extents are merged.
                let skip = self.below(3) as u32 * self.below(5) as u32;
                let run = runs[number];
                let skip = skip.min(run.track_count - 1);
                let count = 1 + self.below(9) as u32;
                Extent::new(run.first.plus(skip), count.min(run.track_count - skip))
            })
            .collect()
    }

    fn allocate(&mut self, name: DsName, on: usize) {
        let mut format1 = Format1::new(name);
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_scal1(0x80);
        let sequence = self.entries.get(&name).map_or(1, |volumes| volumes.len() as u16 + 1);
        format1.set_volume_sequence(sequence);
        // There are few days, so that one is often taken for another.
        format1.set_creation_date([90, 0, self.below(2) as u8]);
        let extents = self.free(on);
        if self.volumes[on].allocate(&NewDataSet { format1, extents }, &NoJournal).is_ok() {
            self.entries.entry(name).or_default().push(self.volumes[on].volser());
        }
    }

    fn identity(&self, on: usize, name: &DsName) -> Option<Identity> {
        self.volumes[on].find(name).unwrap().map(|found| Identity::of(&found))
    }

    fn scratch(&mut self, name: &DsName, on: usize) {
        let of = self.identity(on, name).unwrap();
        self.volumes[on].scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
        let volser = self.volumes[on].volser();
        let volumes = self.entries.get_mut(name).unwrap();
        volumes.retain(|volume| *volume != volser);
        if volumes.is_empty() {
            self.entries.remove(name);
        }
    }

    fn rename(&mut self, name: DsName, to: DsName) {
        for on in 0..self.volumes.len() {
            if let Some(of) = self.identity(on, &name) {
                self.volumes[on].rename(&of, &to, &NoJournal).unwrap();
            }
        }
        let volumes = self.entries.remove(&name).unwrap();
        self.entries.insert(to, volumes);
    }

    /// One change by anybody.
    fn change(&mut self) {
        let names: Vec<DsName> = self.entries.keys().copied().collect();
        let some = names.get(self.below(names.len())).copied();
        let on = self.below(2);
        let Some((name, of)) = some.and_then(|name| Some((name, self.identity(on, &name)?))) else {
            self.made += 1;
            return match some {
                Some(name) => self.allocate(name, on),
                None => self.allocate(DsName::parse(&format!("A.N{}", self.made)).unwrap(), on),
            };
        };
        let dscbs = self.volumes[on].find(&name).unwrap().unwrap();
        self.made += 1;
        let fresh = DsName::parse(&format!("A.N{}", self.made)).unwrap();
        match self.below(9) {
            0 => self.scratch(&name, on),
            1 => {
                // Made anew under the same name, often in the same place.
                self.scratch(&name, on);
                self.allocate(name, on);
            }
            2 => self.rename(name, fresh),
            3 if names.len() > 1 => {
                let other = names[self.below(names.len())];
                if other != name {
                    self.rename(name, fresh);
                    self.rename(other, name);
                    self.rename(fresh, other);
                }
            }
            4 | 5 => {
                let by = self.free(on);
                match self.volumes[on].extend(&of, &by, &NoJournal) {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.reason(), Reason::TooManyExtents),
                }
            }
            6 => {
                let keep = self.below(dscbs.track_count() as usize + 1) as u32;
                self.volumes[on].release(&of, keep, &NoJournal).unwrap();
            }
            7 => {
                let mut format1 = dscbs.format1;
                format1.set_balance(self.below(5) as u16);
                self.volumes[on].update(&of, &format1, &NoJournal).unwrap();
            }
            _ => self.allocate(fresh, on),
        }
    }

    fn assess(&self) -> Vec<Assessment> {
        let space = self.volumes.iter().map(|v| Arc::new(v.clone()) as Arc<dyn SpaceManager>);
        let catalog = Arc::new(Entries(self.entries.clone())) as Arc<dyn Catalog>;
        let options = Options { uncataloged: true };
        assess(&mask("**"), &space.collect::<Vec<_>>(), &[catalog], &options).unwrap()
    }
}

/// The stored DSCBs, extents and entries with what a change says put in, and everything else as it was.
fn assert_nothing_else_differs(change: &AllocationChange<'_>) {
    let (Some(was), Some(now)) = (change.stored, change.present) else { return };
    if !matches!(change.fate, Fate::Persistent | Fate::Renamed) {
        return;
    }
    assert_eq!(was.name != now.name, change.fate == Fate::Renamed);
    let mut applied = was.clone();
    applied.name = now.name;
    applied.refusals = now.refusals.clone();
    for part in &mut applied.parts {
        part.dscbs.format1.set_name(now.name);
    }
    for cataloged in &mut applied.cataloged {
        cataloged.entry.name = now.name;
    }
    if change.new.is_empty()
        && change.gone.is_empty()
        && change.fields.is_empty()
        && change.entries.is_empty()
    {
        assert_eq!(&applied, now);
        return;
    }
    // Each part: the fields that differ, and no others.
    for (part, present) in applied.parts.iter().filter_map(|part| {
        now.parts.iter().find(|found| is_same_part(part, found)).map(|found| (part, found))
    }) {
        let mut dscbs = part.dscbs.clone();
        for (_, field) in change.fields.iter().filter(|(volser, _)| *volser == part.volser) {
            for (_, range) in FIELDS.iter().filter(|(of, _)| of == field) {
                let to = &mut dscbs.format1.as_bytes_mut()[range.clone()];
                to.copy_from_slice(&present.dscbs.format1.as_bytes()[range.clone()]);
            }
            if *field == Field::Extents {
                dscbs.extents.clone_from(&present.dscbs.extents);
                dscbs.chain.clone_from(&present.dscbs.chain);
            }
        }
        assert_eq!(dscbs, present.dscbs);
    }
    if change.entries.is_empty() {
        assert_eq!(applied.cataloged, now.cataloged);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changes_are_told_whole(seed in any::<u64>(), before in 1..25u32, after in 0..25u32) {
        let mut world = World::new(seed);
        (0..before).for_each(|_| world.change());
        let stored = world.assess();
        (0..after).for_each(|_| world.change());
        let present = world.assess();
        for metadata in [Metadata::Both, Metadata::Vtoc] {
            let changes = compare(&stored, &present, &mask("A.**"), metadata);
            let mut taken: Vec<DsName> =
                changes.iter().filter_map(|change| Some(change.present?.name)).collect();
            for change in &changes {
                assert_applies(change);
                prop_assert!(change.fate != Fate::Unclear);
                if metadata == Metadata::Both {
                    assert_nothing_else_differs(change);
                }
            }
            // Each stored data set once and in order; each present one exactly once.
            let names: Vec<DsName> = changes.iter().filter_map(|c| Some(c.stored?.name)).collect();
            prop_assert!(names.iter().eq(stored.iter().map(|was| &was.name)));
            taken.sort();
            prop_assert!(taken.iter().eq(present.iter().map(|now| &now.name)));
            // What is the same compares as nothing.
            prop_assert!(after > 0 || changes.iter().all(AllocationChange::is_nothing));
        }
        for change in compare(&present, &present, &mask("**"), Metadata::Both) {
            prop_assert!(change.is_nothing());
        }
    }
}
