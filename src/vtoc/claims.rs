//! Who has which tracks: label, VTOC, and every extent of every F1, F8 and F3, whether a chain leads there or not. The
//! volume's own system allocates by the same rule (FORMATS 4.8), so what is claimed by nobody is free.

use super::{DataSetDscbs, Vtoc};
use crate::dscb::{Dscb, DscbAddress, DscbExtent, ExtentKind};
use crate::geometry::{Extent, Track};

/// Who claims an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// Track 0, and track 1 if an IPL program goes on there.
    Label,
    /// The VTOC.
    Vtoc,
    /// An extent in this DSCB.
    Dscb(DscbAddress),
}

/// One claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    /// The tracks.
    pub extent: Extent,
    /// Whose they are.
    pub owner: Owner,
    /// Whether the extent shares its cylinders with others by intent.
    pub split: bool,
}

impl Vtoc {
    /// All claims, by their first tracks. Descriptors that are no run of tracks on this volume claim nothing.
    pub(super) fn claims(&self) -> Vec<Claim> {
        let whole = |extent, owner| Claim { extent, owner, split: false };
        let label = Extent::new(Track(0), if self.has_ipl_text { 2 } else { 1 });
        let mut claims = vec![whole(label, Owner::Label), whole(self.extent, Owner::Vtoc)];
        for (address, dscb) in &self.dscbs {
            let mut claim = |descriptors: &[DscbExtent]| {
                for descriptor in descriptors.iter().filter(|descriptor| !descriptor.is_none()) {
                    if let Ok(extent) = descriptor.extent(&self.geometry) {
                        let split = descriptor.kind() == ExtentKind::SPLIT_CYLINDER;
                        claims.push(Claim { extent, owner: Owner::Dscb(*address), split });
                    }
                }
            };
            match dscb {
                Dscb::Format1(format1) => claim(&format1.extents()),
                Dscb::Format3(format3) => claim(&format3.extents()),
                _ => {}
            }
        }
        claims.sort_unstable();
        claims
    }
}

impl Vtoc {
    /// An extent of this data set that somebody else claims as well.
    pub(crate) fn claimed_by_others(&self, data_set: &DataSetDscbs) -> Option<Extent> {
        let is_own = |owner| match owner {
            Owner::Dscb(address) => {
                address == data_set.address
                    || data_set.chain.iter().any(|(behind, _)| *behind == address)
            }
            _ => false,
        };
        let others: Vec<Claim> =
            self.claims().into_iter().filter(|claim| !is_own(claim.owner)).collect();
        let is_claimed =
            |extent: &Extent| others.iter().any(|claim| claim.extent.overlaps(*extent));
        data_set.extents.iter().chain(&data_set.user_label).copied().find(is_claimed)
    }
}

/// Pairs of claims that have a track in common, each one with the claim before it that reaches farthest. Extents that
/// share cylinders with each other by intent are left out.
pub(super) fn overlaps(claims: &[Claim]) -> impl Iterator<Item = (Claim, Claim)> + '_ {
    let mut farthest: Option<Claim> = None;
    claims.iter().filter_map(move |&claim| {
        let before = farthest;
        if before.is_none_or(|before| before.extent.end() < claim.extent.end()) {
            farthest = Some(claim);
        }
        before
            .filter(|before| before.extent.overlaps(claim.extent) && !(before.split && claim.split))
            .map(|before| (before, claim))
    })
}
