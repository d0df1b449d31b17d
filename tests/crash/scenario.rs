//! What is moved in the crash tests: small worlds with volumes, catalogs, and data sets that are nobody's business.

use crate::world::{Random, World};
use std::sync::Arc;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::dscb::Format1;
use trackmirror::geometry::{Device, Extent, Geometry, Track};
use trackmirror::migrate::MoveOptions;
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::memory::MemoryVolume;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{NewDataSet, SpaceManager, init};
use trackmirror::{DsName, Volser, track};

pub const CATALOG: &str = "CAT001";
/// So many others that the first track of each VTOC has room for one more DSCB: an F1 and its F3 stand apart.
const BYSTANDER_COUNT: u32 = 13;
const VTOC: Extent = Extent::new(Track(1), 2);

/// A migration, and the world in which it happens.
pub struct Scenario {
    pub name: &'static str,
    pub world: Arc<World>,
    /// The data sets that move.
    pub moved: Vec<DsName>,
    /// Those that do not, with their volume.
    pub others: Vec<(DsName, Volser)>,
    pub sources: Vec<Volser>,
    pub targets: Vec<Volser>,
    pub is_cataloged: bool,
    pub options: MoveOptions,
    /// The state in which it is given up, if it is.
    pub terminate_in: Option<State>,
    /// Somebody changes the last entry while the switch goes on, and corrects it when that is refused.
    pub meddles: bool,
    /// The volumes' own system makes the changes of their VTOCs.
    pub manages_space: bool,
}

/// A world that is being made.
pub struct Builder {
    volumes: Vec<Arc<dyn Volume>>,
    others: Vec<(DsName, Volser)>,
    catalog: Option<CvolCatalog>,
    random: Random,
}

pub fn volser(text: &str) -> Volser {
    text.parse().unwrap()
}

pub fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

fn format1(name: DsName, dsorg: u16) -> Format1 {
    let mut format1 = Format1::new(name);
    format1.set_dsorg(dsorg);
    format1.set_recfm(0x80);
    format1.set_blksize(300);
    format1.set_lrecl(300);
    format1.set_scal1(0x80);
    format1.set_creation_date([76, 0, 200]);
    format1.set_volume_sequence(1);
    format1
}

impl Builder {
    /// Volumes of a few cylinders; those that are fragmented have free space in runs of two tracks only. There is a
    /// catalog on a volume of its own.
    pub fn new(volumes: &[&str], fragmented: &[&str]) -> Builder {
        let mut builder = Builder {
            volumes: Vec::new(),
            others: Vec::new(),
            catalog: None,
            random: Random::new(7),
        };
        for volume in volumes.iter().chain(&[CATALOG]) {
            builder.add_volume(volser(volume), fragmented.contains(volume));
        }
        let catalog = builder.volume(volser(CATALOG));
        let extents = vec![Extent::new(Track(45), 4)];
        let new = NewDataSet { format1: format1(name("SYSCTLG"), 0), extents: extents.clone() };
        VtocSpaceManager::new(catalog.clone()).allocate(&new, &NoJournal).unwrap();
        let catalog = CvolCatalog::format(catalog, extents).unwrap();
        for (other, volser) in &builder.others {
            catalog.add(&builder.entry(*other, &[*volser]), &NoJournal).unwrap();
        }
        builder.catalog = Some(catalog);
        builder
    }

    fn volume(&self, volser: Volser) -> Arc<dyn Volume> {
        self.volumes.iter().find(|volume| volume.volser() == volser).unwrap().clone()
    }

    fn entry(&self, name: DsName, volsers: &[Volser]) -> CatalogEntry {
        let volume = |&volser: &Volser| CatalogVolume {
            unit_type: self.volume(volser).geometry().device.unit_type(),
            volser,
            file_sequence: 0,
        };
        CatalogEntry { name, volumes: volsers.iter().map(volume).collect(), dscb: None }
    }

    fn add_volume(&mut self, volser: Volser, is_fragmented: bool) {
        let device = Device::named("2311").unwrap();
        let geometry = Geometry { device, cylinders: 6, slot_size: device.slot_size() };
        let volume = Arc::new(MemoryVolume::new(volser, geometry));
        init::initialize(&*volume, volser, Some(VTOC), "").unwrap();
        self.volumes.push(volume);
        for number in 0..BYSTANDER_COUNT {
            let other = name(&format!("OTHER.{volser}.N{number}"));
            let rest = is_fragmented && number + 1 == BYSTANDER_COUNT;
            let extent = Extent::new(Track(5 + 3 * number), if rest { 19 } else { 1 });
            self.allocate(other, volser, (1, volser), &[extent]);
            self.others.push((other, volser));
        }
    }

    fn allocate(&mut self, name: DsName, on: Volser, place: (u16, Volser), extents: &[Extent]) {
        let volume = self.volume(on);
        let mut format1 = format1(name, Format1::DSORG_PS);
        let track_count: u32 = extents.iter().map(|extent| extent.track_count).sum();
        format1.set_last_used(Some((track_count - 1, 3)));
        format1.set_volume_sequence(place.0);
        format1.set_first_volser(place.1);
        let new = NewDataSet { format1, extents: extents.to_vec() };
        VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
        let tracks = extents.iter().flat_map(|extent| extent.first.0..extent.end().0);
        for track in tracks {
            self.fill(&*volume, Track(track));
        }
    }

    fn fill(&mut self, volume: &dyn Volume, track: Track) {
        let mut slot = vec![0; volume.slot_size()];
        let data: Vec<u8> = (0..900).map(|_| self.random.below(256) as u8).collect();
        let records: Vec<(&[u8], &[u8])> = data.chunks(300).map(|data| (&[][..], data)).collect();
        track::build(&mut slot, volume.place(track), &records).unwrap();
        volume.write(track, &slot).unwrap();
    }

    /// A data set with these parts: for each volume its extents.
    pub fn data_set(
        &mut self,
        text: &str,
        parts: &[(&str, &[(u32, u32)])],
        is_cataloged: bool,
    ) -> DsName {
        let name = name(text);
        let volsers: Vec<Volser> = parts.iter().map(|(volume, _)| volser(volume)).collect();
        for (index, (_, extents)) in parts.iter().enumerate() {
            let extents: Vec<Extent> =
                extents.iter().map(|&(first, count)| Extent::new(Track(first), count)).collect();
            self.allocate(name, volsers[index], (index as u16 + 1, volsers[0]), &extents);
        }
        if is_cataloged {
            let entry = self.entry(name, &volsers);
            self.catalog.as_ref().unwrap().add(&entry, &NoJournal).unwrap();
        }
        name
    }

    /// Says that only the first tracks of a data set on one volume are used.
    pub fn use_only(&self, name: DsName, on: &str, track_count: u32) {
        let space = VtocSpaceManager::new(self.volume(volser(on)));
        let found = space.find(&name).unwrap().unwrap();
        let mut format1 = found.format1;
        format1.set_last_used(Some((track_count - 1, 3)));
        let identity = trackmirror::vtoc::Identity::of(&found);
        space.update(&identity, &format1, &NoJournal).unwrap();
    }

    pub fn scenario(
        self,
        name: &'static str,
        moved: &[DsName],
        sources: &[&str],
        targets: &[&str],
    ) -> Scenario {
        let volsers = |texts: &[&str]| texts.iter().map(|text| volser(text)).collect();
        Scenario {
            name,
            world: World::new(&self.volumes).after(None),
            moved: moved.to_vec(),
            others: self.others,
            sources: volsers(sources),
            targets: volsers(targets),
            is_cataloged: true,
            options: MoveOptions::default(),
            terminate_in: None,
            meddles: false,
            manages_space: false,
        }
    }
}

/// One data set with one extent, from volume to volume.
pub fn single(name: &'static str) -> Scenario {
    let mut builder = Builder::new(&["SRC001", "TGT001"], &[]);
    let moved = builder.data_set("MOVE.IT", &[("SRC001", &[(45, 5)])], true);
    builder.scenario(name, &[moved], &["SRC001"], &["TGT001"])
}

/// Two volumes with five extents and an F3, to one volume where it has five extents again.
pub fn two_volumes() -> Scenario {
    let mut builder = Builder::new(&["SRC001", "SRC002", "TGT001"], &["TGT001"]);
    let first: &[(u32, u32)] = &[(6, 2), (9, 1), (12, 2), (15, 1), (18, 2)];
    let moved = builder.data_set("MOVE.IT", &[("SRC001", first), ("SRC002", &[(50, 2)])], true);
    builder.scenario("two volumes", &[moved], &["SRC001", "SRC002"], &["TGT001"])
}

/// Three data sets, one of six volumes, so that its entry is in a block of its own, to two volumes.
pub fn group() -> Scenario {
    let volumes = ["SRC001", "SRC002", "SRC003", "SRC004", "SRC005", "SRC006"];
    let mut all = volumes.to_vec();
    all.extend(["TGT001"]);
    let mut builder = Builder::new(&all, &[]);
    let one = builder.data_set("GROUP.A", &[("SRC001", &[(45, 3)])], true);
    let parts: Vec<(&str, &[(u32, u32)])> =
        volumes.iter().map(|volume| (*volume, &[(52, 1)][..])).collect();
    let six = builder.data_set("GROUP.B", &parts, true);
    let two = builder.data_set("GROUP.C", &[("SRC002", &[(45, 2)]), ("SRC001", &[(55, 1)])], true);
    builder.scenario("a group", &[one, six, two], &volumes, &["TGT001"])
}

pub fn kept() -> Scenario {
    let options = MoveOptions { keep: true, ..MoveOptions::default() };
    Scenario { options, ..single("kept") }
}

pub fn erased() -> Scenario {
    let options = MoveOptions { erase: true, ..MoveOptions::default() };
    Scenario { options, ..single("erased") }
}

pub fn used_only() -> Scenario {
    let mut builder = Builder::new(&["SRC001", "TGT001"], &[]);
    let moved = builder.data_set("MOVE.IT", &[("SRC001", &[(45, 8)])], true);
    builder.use_only(moved, "SRC001", 3);
    let options = MoveOptions { used_only: true, ..MoveOptions::default() };
    Scenario { options, ..builder.scenario("used only", &[moved], &["SRC001"], &["TGT001"]) }
}

pub fn uncataloged() -> Scenario {
    let mut builder = Builder::new(&["SRC001", "SRC002", "TGT001"], &[]);
    let parts: &[(&str, &[(u32, u32)])] = &[("SRC001", &[(45, 3)]), ("SRC002", &[(45, 2)])];
    let moved = builder.data_set("MOVE.IT", parts, false);
    let scenario = builder.scenario("uncataloged", &[moved], &["SRC001", "SRC002"], &["TGT001"]);
    Scenario { is_cataloged: false, ..scenario }
}

/// Extents combined on the data set's own volume. Its F1 and that of its placeholder stand on different tracks.
pub fn combined() -> Scenario {
    let mut builder = Builder::new(&["SRC001"], &[]);
    let extents: &[(u32, u32)] = &[(6, 2), (9, 2), (12, 1), (15, 1), (18, 1)];
    let moved = builder.data_set("MOVE.IT", &[("SRC001", extents)], true);
    builder.scenario("combined", &[moved], &["SRC001"], &["SRC001"])
}

/// A group that is given up in this state.
pub fn terminated(name: &'static str, state: State) -> Scenario {
    let mut builder = Builder::new(&["SRC001", "SRC002", "TGT001"], &["TGT001"]);
    let one = builder.data_set("GROUP.A", &[("SRC001", &[(45, 7)])], true);
    let two = builder.data_set("GROUP.B", &[("SRC002", &[(45, 2)]), ("SRC001", &[(55, 1)])], true);
    let scenario = builder.scenario(name, &[one, two], &["SRC001", "SRC002"], &["TGT001"]);
    Scenario { terminate_in: Some(state), ..scenario }
}

impl Scenario {
    /// The same, led to its end.
    pub fn completed(self) -> Scenario {
        Scenario { terminate_in: None, ..self }
    }

    /// The same, where the volumes' own system manages their space.
    pub fn managed_by_the_system(self) -> Scenario {
        Scenario { manages_space: true, ..self }
    }
}

/// A switch that is refused in its middle, and backed out.
pub fn refused() -> Scenario {
    let mut builder = Builder::new(&["SRC001", "SRC002", "TGT001"], &[]);
    let one = builder.data_set("GROUP.A", &[("SRC001", &[(45, 2)])], true);
    let two = builder.data_set("GROUP.B", &[("SRC002", &[(45, 2)]), ("SRC001", &[(55, 1)])], true);
    let scenario = builder.scenario("refused", &[one, two], &["SRC001", "SRC002"], &["TGT001"]);
    Scenario { meddles: true, ..scenario }
}
