use super::*;
use crate::catalog::CatalogVolume;
use crate::geometry::Track;
use crate::volume::Volume;
use crate::volume::intent::{Journal, NoJournal};
use crate::volume::memory::MemoryVolume;
use crate::vtoc::manager::VtocSpaceManager;
use crate::vtoc::{NewDataSet, init};

fn name() -> DsName {
    DsName::parse("PRIV.DATA").unwrap()
}

fn volser(text: &str) -> Volser {
    Volser::parse(text).unwrap()
}

/// A volume with one sequential data set.
fn volume() -> Arc<dyn SpaceManager> {
    let device = Device::named("3330").unwrap();
    let geometry = Geometry { device, cylinders: 10, slot_size: device.slot_size() };
    let volume = Arc::new(MemoryVolume::new(volser("VOL001"), geometry));
    init::initialize(&*volume, volume.volser(), None, "").unwrap();
    let space = VtocSpaceManager::new(volume);
    let mut format1 = Format1::new(name());
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_scal1(0x80);
    format1.set_volume_sequence(1);
    let extents = vec![Extent::new(Track(40), 5)];
    space.allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
    Arc::new(space)
}

/// What a catalog says of the one name.
#[derive(Clone, Copy, Debug)]
enum Says {
    Nothing,
    On(&'static str),
    Alias,
    AskCatalogOn(&'static str),
    Unknown,
}

/// A catalog on a volume of that serial.
#[derive(Debug)]
struct Told(&'static str, Says);

impl Catalog for Told {
    fn name(&self) -> String {
        self.0.into()
    }
    fn volser(&self) -> Option<Volser> {
        Some(volser(self.0))
    }
    fn locate(&self, name: &DsName) -> Result<Option<CatalogEntry>> {
        let kind = |on| Err(Error::new(Reason::EntryKind, "another kind").on_volume(volser(on)));
        match self.1 {
            Says::Nothing => Ok(None),
            Says::AskCatalogOn(other) => kind(other),
            Says::Unknown => kind(self.0),
            Says::Alias => {
                let name = DsName::parse("TRUE.DATA")?;
                let said = Told(self.0, Says::On("VOL001")).locate(&name)?;
                Ok(said.map(|entry| CatalogEntry { name, ..entry }))
            }
            Says::On(on) => {
                let volser = volser(on);
                let volume =
                    CatalogVolume { unit_type: [0x30, 0x50, 0x20, 9], volser, file_sequence: 0 };
                Ok(Some(CatalogEntry { name: *name, volumes: vec![volume], dscb: None }))
            }
        }
    }
    fn list(&self, _: &DsMask) -> Result<Vec<CatalogEntry>> {
        Ok(self.locate(&name())?.into_iter().collect())
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

/// The catalogs that lead to the data set, and the reasons that forbid to move it.
fn assessed(catalogs: &[(&'static str, Says)], uncataloged: bool) -> (Vec<String>, Vec<Reason>) {
    let catalogs: Vec<Arc<dyn Catalog>> =
        catalogs.iter().map(|&(on, says)| Arc::new(Told(on, says)) as Arc<dyn Catalog>).collect();
    let masks = ["PRIV.**".parse().unwrap()];
    let found = assess(&masks, &[volume()], &catalogs, &Options { uncataloged }).unwrap();
    let [data_set] = &found[..] else { panic!("{found:?}") };
    let leading = data_set.cataloged.iter().map(|cataloged| cataloged.catalog.clone()).collect();
    (leading, data_set.refusals.iter().map(Error::reason).collect())
}

#[test]
fn a_name_that_one_catalog_leaves_to_another_is_found_there() {
    let refers = ("CAT001", Says::AskCatalogOn("CAT002"));
    for catalogs in
        [[refers, ("CAT002", Says::On("VOL001"))], [("CAT002", Says::On("VOL001")), refers]]
    {
        assert_eq!(assessed(&catalogs, false), (vec!["CAT002".into()], vec![]));
    }
    // The other one was asked, and does not know it.
    let unknown = [refers, ("CAT002", Says::Nothing)];
    assert_eq!(assessed(&unknown, false), (vec![], vec![Reason::NotCataloged]));
    assert_eq!(assessed(&unknown, true), (vec![], vec![]));
}

#[test]
fn a_name_that_is_left_to_a_catalog_that_is_not_given_is_refused() {
    let refers = [("CAT001", Says::AskCatalogOn("CAT002")), ("CAT003", Says::Nothing)];
    assert_eq!(assessed(&refers, true), (vec![], vec![Reason::EntryKind]));
    assert_eq!(assessed(&[("CAT001", Says::Unknown)], true), (vec![], vec![Reason::EntryKind]));
}

#[test]
fn a_name_that_is_an_alias_is_not_moved_with_the_entry_of_another_data_set() {
    let catalogs = [("CAT001", Says::Alias), ("CAT002", Says::On("VOL001"))];
    assert_eq!(assessed(&catalogs, false), (vec!["CAT002".into()], vec![Reason::EntryKind]));
    assert_eq!(assessed(&catalogs[..1], true), (vec![], vec![Reason::EntryKind]));
}
