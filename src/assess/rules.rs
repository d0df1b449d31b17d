//! What must not be moved, and why (FORMATS 7.2).
//!
//! Each rule looks at one data set alone. A data set that holds addresses of its own tracks would not work at another
//! place; one whose extents are also written down elsewhere would not be found; one that a system keeps open would be
//! torn from under it.

use super::{Assessment, Part};
use crate::dscb::{Dscb, ExtentKind, Format1};
use crate::error::{Error, Reason};
use crate::name::DsMask;

/// Names that forbid a move, whatever their DSCBs say.
const NAMES: &[(&str, Reason, &str)] = &[
    ("SYS1.VVDS.**", Reason::SystemIndex, "the VVDS belongs to its volume; it is never moved"),
    (
        "SYS1.VTOCIX.**",
        Reason::SystemIndex,
        "the VTOC's index belongs to its volume; it is never moved",
    ),
    (
        "SYS1.LOGREC",
        Reason::Logrec,
        "its header holds absolute track addresses; define it anew at the target by IFCDIP00 or the like",
    ),
    (
        "SYS1.HASP*.**",
        Reason::Spool,
        "a JES2 spool is addressed by absolute tracks, and its checkpoint holds them; drain it and allocate another",
    ),
    (
        "SYS1.SYSPOOL",
        Reason::Spool,
        "a spool is addressed by absolute tracks; drain it and allocate another",
    ),
    ("SYS1.SYSJOBQE", Reason::Spool, "a job queue is addressed by absolute tracks; format it anew"),
    ("SYS1.JES3*.**", Reason::Spool, "a JES3 spool or checkpoint; drain it and allocate another"),
    (
        "SYS1.PAGE*.**",
        Reason::PageDataSet,
        "the system keeps its extents; define another page data set",
    ),
    (
        "SYS1.SWAP*.**",
        Reason::PageDataSet,
        "the system keeps its extents; define another swap data set",
    ),
    (
        "SYS1.*.PAGE",
        Reason::PageDataSet,
        "the system keeps its extents; define another page data set",
    ),
    ("SYS1.STGINDEX", Reason::PageDataSet, "the system keeps its extents; define it anew"),
    (
        "SYS1.XCF.**",
        Reason::Coupling,
        "a couple data set is open on every system; use SETXCF to replace it",
    ),
    (
        "LINUX.V*.PART*.**",
        Reason::LinuxPartition,
        "a partition of Linux is addressed by its first track",
    ),
    (
        "Z999999%.VSAMDSPC.**",
        Reason::Vsam,
        "its catalog holds the extents of every data set in this VSAM space",
    ),
    ("**.CATINDEX", Reason::IcfCatalog, "the index of a catalog; catalogs are moved by IDCAMS"),
];

/// Adds to the assessment every reason that forbids the move.
pub(super) fn apply(data_set: &mut Assessment) {
    let mut refusals = Vec::new();
    // The keys of DSCBs that are no F1 begin with such bytes: no new data set gets such a name.
    if data_set.name.as_bytes()[0] <= 0x40 {
        let sentence =
            "its name begins with a blank or a control character; rename it by its own system";
        refusals.push(Error::new(Reason::BadName, sentence));
    }
    for (mask, reason, sentence) in NAMES {
        let mask = DsMask::parse(mask).expect("the masks of the table are valid");
        if mask.matches(&data_set.name) && refusals.is_empty() {
            refusals.push(Error::new(*reason, *sentence));
        }
    }
    for part in &data_set.parts {
        let mut found = of_part(data_set, part);
        found.retain(|error| !refusals.iter().any(|known| known.reason() == error.reason()));
        refusals.extend(found.into_iter().map(|error| error.on_volume(part.volser)));
    }
    if data_set.parts.windows(2).any(|pair| !alike(&pair[0].dscbs.format1, &pair[1].dscbs.format1))
    {
        refusals.push(Error::new(
            Reason::PartsInconsistent,
            "its parts differ in organization, record format or block size, so they are not of one data set; give \
             only its own volumes, or correct the catalog",
        ));
    }
    data_set.refusals.extend(refusals.into_iter().map(|error| error.of_data_set(data_set.name)));
}

fn alike(one: &Format1, other: &Format1) -> bool {
    let attributes = |f1: &Format1| (f1.dsorg(), f1.recfm(), f1.blksize(), f1.lrecl(), f1.keyl());
    attributes(one) == attributes(other)
}

fn of_part(data_set: &Assessment, part: &Part) -> Vec<Error> {
    let dscbs = &part.dscbs;
    let f1 = &dscbs.format1;
    let mut refusals = Vec::new();
    let mut rule = |applies: bool, reason: Reason, sentence: &str| {
        if applies {
            refusals.push(Error::new(reason, sentence));
        }
    };
    let dsorg = f1.dsorg();
    let has_space = !dscbs.extents.is_empty();
    rule(
        !has_space && data_set.parts.len() == 1,
        Reason::NoExtents,
        "it has no extents, so there is nothing to move; a model or placeholder is defined anew",
    );
    let vsam = dsorg & Format1::DSORG_AM != 0;
    rule(
        vsam && f1.optcd() & 0x40 != 0,
        Reason::IcfCatalog,
        "an ICF catalog, which is always open; move it by IDCAMS",
    );
    rule(
        vsam && f1.optcd() & 0x40 == 0,
        Reason::Vsam,
        "the extents of a VSAM data set are also held in its catalog or in the VVDS; move it by IDCAMS",
    );
    let has_format2 = dscbs
        .chain
        .iter()
        .any(|(_, dscb)| matches!(dscb, Dscb::Other(other) if other.as_bytes()[44] == 0xF2));
    rule(
        dsorg & Format1::DSORG_IS != 0 || has_format2,
        Reason::Isam,
        "the indexes of an ISAM data set hold absolute addresses; unload and load it by IEBISAM",
    );
    rule(
        dsorg & Format1::DSORG_UNMOVABLE != 0,
        Reason::Unmovable,
        "it is marked unmovable (DS1DSORG); it may hold addresses of its own tracks",
    );
    rule(
        has_space && f1.scal1() & 0xC0 == 0,
        Reason::AbsoluteAllocation,
        "it was allocated at absolute tracks (ABSTR), so its owner wants it where it is",
    );
    rule(
        dsorg & Format1::DSORG_DA != 0 && f1.optcd() & 0x08 != 0,
        Reason::ActualAddressing,
        "a BDAM data set with actual addressing (OPTCD=A): its programs keep absolute addresses",
    );
    rule(
        f1.indicators() & Format1::DSIND_CHECKPOINT != 0,
        Reason::CheckpointData,
        "a checkpoint data set: a restart would use the old track addresses",
    );
    rule(
        f1.smsfg() & Format1::SMSFG_MANAGED != 0,
        Reason::SmsManaged,
        "managed by SMS: the VVDS has a record of it that would stay behind",
    );
    rule(
        f1.smsfg() & (Format1::SMSFG_PDSE | Format1::SMSFG_HFS) != 0,
        Reason::Pdse,
        "a PDSE or HFS data set, whose pages other systems may keep in their buffers",
    );
    rule(
        f1.smsfg() & Format1::SMSFG_EXTENDED != 0,
        Reason::ExtendedFormat,
        "an extended-format data set: the VVDS may have a record of it that would stay behind",
    );
    rule(
        dscbs.user_label.is_some(),
        Reason::UserLabel,
        "it has a track of user labels, which stands apart from its extents",
    );
    let kinds =
        f1.extents().into_iter().chain(dscbs.chain.iter().flat_map(|(_, dscb)| match dscb {
            Dscb::Format3(f3) => f3.extents().to_vec(),
            _ => Vec::new(),
        }));
    rule(
        kinds.into_iter().any(|extent| extent.kind() == ExtentKind::SPLIT_CYLINDER),
        Reason::SplitCylinder,
        "it shares cylinders with other data sets (SPLIT)",
    );
    let known = [Format1::DSORG_PS, Format1::DSORG_PO, Format1::DSORG_DA].contains(&dsorg);
    let explained = dsorg & (Format1::DSORG_AM | Format1::DSORG_IS | Format1::DSORG_UNMOVABLE) != 0;
    // A CVOL has no organization, and all addresses in it are relative to its start.
    let is_cvol = dsorg == 0 && data_set.name.starts_with("SYSCTLG ");
    rule(
        has_space && !known && !explained && !is_cvol,
        Reason::UnknownOrganization,
        "its organization (DS1DSORG) is none of PS, PO and DA: nobody knows what its tracks hold",
    );
    refusals
}
