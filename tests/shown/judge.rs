//! What is seen of a world: by the catalog and the VTOCs, and by the emulator's tools, which know nothing of this library.

use crate::moves::Unloaded;
use crate::support;
use crate::world::{BLOCKS, LAST_BLOCKS, World, records};
use std::collections::BTreeMap;
use std::fs;
use trackmirror::catalog::Catalog;
use trackmirror::geometry::Track;
use trackmirror::volume::VolumeExt;
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::{DataSetDscbs, FreeSpace, Vtoc};
use trackmirror::{DsName, Volser};

impl World {
    pub fn vtoc(&self, on: &str) -> Vtoc {
        Vtoc::read(&*self.reading(on)).unwrap()
    }

    pub fn find(&self, on: &str, name: DsName) -> Option<DataSetDscbs> {
        self.vtoc(on).find(&name).unwrap()
    }

    /// The extents of a data set on a volume.
    pub fn extents(&self, on: &str, name: DsName) -> Vec<(u32, u32)> {
        let found = self.find(on, name).unwrap_or_else(|| panic!("{name} on {on}"));
        found.extents.iter().map(|extent| (extent.first.0, extent.track_count)).collect()
    }

    /// The volumes to which the catalog leads from a name; none if it is not cataloged.
    pub fn looked_up(&self, name: DsName) -> Vec<String> {
        let entry = self.catalog().locate(&name).unwrap();
        let volumes = entry.map(|entry| entry.volumes).unwrap_or_default();
        volumes.iter().map(|volume| volume.volser.to_string()).collect()
    }

    /// Free tracks of a volume.
    pub fn free(&self, on: &str) -> u32 {
        FreeSpace::of(&self.vtoc(on)).unwrap().track_count()
    }

    /// The same by the emulator's tool: what is left of the volume beside label, VTOC, and the data sets that it lists.
    pub fn free_by_tool(&self, on: &str) -> u32 {
        let (vtoc, listed) = (self.vtoc(on), self.listed(on));
        let used: u32 = listed.values().map(|(tracks, _)| tracks).sum();
        vtoc.usable_track_count() - 1 - vtoc.extent.track_count - used
    }

    /// The data sets of a volume with their tracks and extents, as the emulator's tool lists them.
    pub fn listed(&self, on: &str) -> BTreeMap<String, (u32, u32)> {
        let image = self.image(on);
        let text = support::tool("dasdls", ["-info".as_ref(), image.as_os_str()]);
        let listed = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |from_end: usize| -> Option<u32> {
                words.get(words.len().checked_sub(from_end)?)?.parse().ok()
            };
            // The tail of a line: tracks, percent used, extents, unit and number of the secondary request.
            Some((words.first()?.to_string(), (number(5)?, number(3)?)))
        };
        text.lines().filter_map(listed).collect()
    }

    /// What is listed of one data set.
    pub fn listed_one(&self, on: &str, name: DsName) -> Option<(u32, u32)> {
        self.listed(on).get(&name.to_string()).copied()
    }

    /// What every track of a volume holds: to see which ones somebody wrote.
    pub fn tracks(&self, on: &str) -> Vec<Vec<u8>> {
        let volume = self.reading(on);
        let track = |track| {
            let mut slot = vec![0; volume.slot_size()];
            volume.read(Track(track), &mut slot).unwrap();
            slot
        };
        (0..volume.geometry().track_count()).map(track).collect()
    }

    /// Everything that its applications wrote into it, in order.
    pub fn written(&self, name: DsName) -> Vec<u8> {
        let numbers = self.ledger(name).numbers;
        let (last, full) = numbers.split_last().unwrap();
        let mut bytes: Vec<u8> = full.iter().flat_map(|number| records(*number, BLOCKS)).collect();
        bytes.extend(records(*last, LAST_BLOCKS));
        bytes
    }

    /// What the emulator's tool reads of a data set on these volumes.
    pub fn read_by_tool(&self, name: DsName, on: &[&str]) -> Vec<u8> {
        on.iter().flat_map(|serial| self.unloaded(name, serial).only().to_vec()).collect()
    }

    /// The files that the emulator's tool makes of a data set on a volume.
    pub fn unloaded(&self, name: DsName, on: &str) -> Unloaded {
        let found = self.find(on, name).unwrap_or_else(|| panic!("{name} on {on}"));
        let unloaded = crate::moves::unload(&self.image(on), &found.format1, name);
        unloaded.expect("the tool reads it")
    }

    /// That a name leads to these volumes, and that the emulator's tools find and read there everything that was ever
    /// written into it.
    #[track_caller]
    pub fn assert_moved(&self, name: DsName, on: &[&str]) {
        if self.ledger(name).is_cataloged {
            assert_eq!(self.looked_up(name), on, "{name} is cataloged elsewhere");
        }
        for serial in on {
            assert!(self.listed(serial).contains_key(&name.to_string()), "{name} on {serial}");
        }
        for serial in self.sources.iter().map(Volser::to_string) {
            assert_eq!(self.listed_one(&serial, name), None, "{name} is still on {serial}");
        }
        assert!(self.read_by_tool(name, on) == self.written(name), "{name} reads otherwise");
    }

    /// That every volume is sound, each track of it belongs to what the emulator's tool lists or is free, and nothing
    /// of a migration is left.
    #[track_caller]
    pub fn assert_clean(&self) {
        let volsers = self.sources.iter().chain(&self.targets);
        for serial in volsers.map(Volser::to_string) {
            let findings = check(&*self.reading(&serial), Tracks::All).unwrap();
            let errors: Vec<_> =
                findings.iter().filter(|f| f.severity == Severity::Error).collect();
            assert!(errors.is_empty(), "{serial}: {errors:?}");
            assert_eq!(self.free(&serial), self.free_by_tool(&serial), "{serial}");
        }
        assert_eq!(self.catalog().check().unwrap().damage, []);
        assert!(self.desk.is_free(), "somebody is held");
        for (serial, area) in &self.areas {
            assert!(area.subscriptions().is_empty(), "a subscription is left on {serial}");
        }
        let files = fs::read_dir(self.folder.path()).unwrap().flatten();
        let names: Vec<String> =
            files.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name.contains("unfinished")), "a note is left: {names:?}");
    }
}
