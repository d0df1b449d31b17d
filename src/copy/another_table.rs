//! A copier goes on with another table: what its data sets are has changed.

use super::{Copier, CopyOptions, Source, Volumes};
use crate::error::Result;
use crate::geometry::Track;
use crate::monitor::Subscription;
use crate::name::Volser;
use crate::translate::TranslateTable;
use std::collections::BTreeMap;

impl Copier {
    /// The same work for another table: what was copied stays so. Tracks that are new in it, or go elsewhere, must be
    /// [work](Subscription::add) before. Source volumes that are not in the present table need a subscription.
    pub fn with_table(
        self,
        table: TranslateTable,
        sources: &Volumes,
        targets: &Volumes,
        further: &BTreeMap<Volser, Subscription>,
        options: CopyOptions,
    ) -> Result<Copier> {
        let mut subscriptions = further.clone();
        for source in &self.plan.sources {
            subscriptions.insert(source.volume.volser(), source.subscription.clone());
        }
        let mut copier = Copier::monitored(table, sources, targets, &subscriptions, options)?;
        (copier.work.totals, copier.work.pass_count) = (self.work.totals, self.work.pass_count);
        copier.keep_place(&self);
        copier.keep_digests(&self);
        Ok(copier)
    }

    /// Goes on with the pass where the other one was, and knows the same hot tracks: else a table that changes again and
    /// again would let no pass end, and the tracks at the end never have their turn.
    fn keep_place(&mut self, of: &Copier) {
        for (number, source) in self.plan.sources.iter().enumerate() {
            let is_same = |old: &Source| old.volume.volser() == source.volume.volser();
            let Some(before) = of.plan.sources.iter().position(is_same) else { continue };
            let old = &of.plan.sources[before];
            for (extent, &start) in source.extents.iter().zip(&source.starts) {
                for track in 0..extent.track_count {
                    if let Some(place) = old.place(extent.first.plus(track)) {
                        let heat = of.work.heat[before][place];
                        self.work.heat[number][start + track as usize] = heat;
                    }
                }
            }
            let begin = (0, Track(0));
            let (extent, track) = of.work.next[before];
            if (extent, track) != begin {
                let next = old.extents.get(extent).map(|within| track.max(within.first));
                let next = next.unwrap_or(Track(u32::MAX));
                let extent = source.extents.partition_point(|extent| extent.end() <= next);
                self.work.next[number] = (extent, next);
            }
        }
    }

    /// Takes over the digests of tracks that are in both tables.
    fn keep_digests(&mut self, of: &Copier) {
        if !self.plan.digests || !of.plan.digests {
            return;
        }
        for (entry, digests) in self.plan.table.entries().iter().zip(&mut self.work.digests) {
            for (digest, number) in digests.iter_mut().zip(0..) {
                let track = entry.source.first.plus(number);
                let known = of.plan.table.position(entry.source_volser, track);
                *digest = known.and_then(|(entry, place)| of.work.digests[entry][place as usize]);
            }
        }
    }
}
