use super::super::tables::{TMR_TABLE_VERSION, tmr_sink_put};
use super::*;
use crate::volume::Volume;
use crate::volume::intent::NoJournal;

/// What a host does instead of what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    None,
    /// It says that it is done, and does nothing.
    Nothing,
    /// It does it, and says that it failed.
    Fails,
    /// It gives this code, and does nothing.
    Code(i32),
    /// Its answers are another entry's.
    OtherName,
    /// It gives each entry twice.
    Twice,
    /// It never ends.
    Endless,
    /// An entry has so many volumes.
    Volumes(u32),
    /// An entry's DSCB is this.
    Dscb(u32),
    /// Its name does not end.
    LongName,
    /// Its size is wrong.
    Size(u32),
}

/// A host's catalog.
struct Book {
    entries: BTreeMap<String, tmr_catalog_entry>,
    lie: Lie,
    released: u32,
}

unsafe fn book<'a>(user: *mut c_void) -> &'a mut Book {
    unsafe { &mut *user.cast::<Book>() }
}

unsafe fn said(name: *const c_char) -> String {
    unsafe { std::ffi::CStr::from_ptr(name) }.to_str().unwrap().to_string()
}

fn bent(mut entry: tmr_catalog_entry, lie: Lie) -> tmr_catalog_entry {
    match lie {
        Lie::OtherName => entry.name = to_array("SOMEBODY.ELSE"),
        Lie::Volumes(count) => entry.volume_count = count,
        Lie::Dscb(dscb) => entry.dscb = dscb,
        Lie::LongName => entry.name = [0x41; 96],
        Lie::Size(size) => entry.size = size,
        _ => {}
    }
    entry
}

unsafe extern "C" fn locate(
    user: *mut c_void,
    name: *const c_char,
    entry: *mut tmr_catalog_entry,
    _: *mut tmr_error,
) -> i32 {
    let book = unsafe { book(user) };
    match book.entries.get(&unsafe { said(name) }) {
        None => 4,
        Some(found) => {
            unsafe { *entry = bent(*found, book.lie) };
            0
        }
    }
}

unsafe extern "C" fn list(
    user: *mut c_void,
    mask: *const c_char,
    sink: *mut tmr_sink,
    error: *mut tmr_error,
) -> i32 {
    let book = unsafe { book(user) };
    let mask = DsMask::parse(&unsafe { said(mask) }).unwrap();
    let length = size_of::<tmr_catalog_entry>() as u64;
    let put = |entry: &tmr_catalog_entry| unsafe {
        tmr_sink_put(sink, std::ptr::from_ref(entry).cast(), length, error)
    };
    if book.lie == Lie::Endless {
        let mut entry = book.entries.values().next().copied().unwrap();
        for number in 0u64.. {
            entry.name = to_array(&format!("A.N{number}"));
            if put(&entry) != 0 {
                return 0;
            }
        }
    }
    // Last ones first.
    for (name, entry) in book.entries.iter().rev() {
        if mask.matches(&data_set(name).unwrap()) {
            put(&bent(*entry, book.lie));
            if book.lie == Lie::Twice {
                put(entry);
            }
        }
    }
    match book.lie {
        Lie::Code(code) => code,
        _ => 0,
    }
}

/// Does it, or not, and says so, or not.
fn change(book: &mut Book, act: impl FnOnce(&mut BTreeMap<String, tmr_catalog_entry>)) -> i32 {
    match book.lie {
        Lie::Nothing => 0,
        Lie::Code(code) => code,
        Lie::Fails => {
            act(&mut book.entries);
            12
        }
        _ => {
            act(&mut book.entries);
            0
        }
    }
}

fn name_of(entry: &tmr_catalog_entry) -> String {
    text_in(&entry.name, "it").unwrap().to_string()
}

unsafe extern "C" fn add(
    user: *mut c_void,
    entry: *const tmr_catalog_entry,
    _: *mut tmr_error,
) -> i32 {
    let entry = unsafe { *entry };
    change(unsafe { book(user) }, |entries| {
        entries.insert(name_of(&entry), entry);
    })
}

unsafe extern "C" fn recatalog(
    user: *mut c_void,
    from: *const tmr_catalog_entry,
    to: *const tmr_catalog_entry,
    _: *mut tmr_error,
) -> i32 {
    let to = unsafe { *to };
    assert_eq!(from.is_null(), !unsafe { book(user) }.entries.contains_key(&name_of(&to)));
    change(unsafe { book(user) }, |entries| {
        entries.insert(name_of(&to), to);
    })
}

unsafe extern "C" fn rename(
    user: *mut c_void,
    from: *const c_char,
    to: *const c_char,
    _: *mut tmr_error,
) -> i32 {
    let (from, to) = unsafe { (said(from), said(to)) };
    change(unsafe { book(user) }, |entries| {
        let mut entry = entries.remove(&from).unwrap();
        entry.name = to_array(&to);
        entries.insert(to, entry);
    })
}

unsafe extern "C" fn remove(user: *mut c_void, name: *const c_char, _: *mut tmr_error) -> i32 {
    let name = unsafe { said(name) };
    change(unsafe { book(user) }, |entries| {
        entries.remove(&name);
    })
}

unsafe extern "C" fn release(user: *mut c_void) {
    unsafe { book(user) }.released += 1;
}

fn functions(book: *mut Book) -> tmr_catalog_functions {
    tmr_catalog_functions {
        size: size_of::<tmr_catalog_functions>() as u32,
        version: TMR_TABLE_VERSION,
        user: book.cast(),
        release: Some(release),
        flags: 0,
        reserved: 0,
        name: to_array("BOOK"),
        volser: to_array("CAT001"),
        check_sound: None,
        locate: Some(locate),
        list: Some(list),
        add: Some(add),
        recatalog: Some(recatalog),
        rename: Some(rename),
        remove: Some(remove),
    }
}

fn entry(name: &str, volsers: &[&str]) -> CatalogEntry {
    let volume = |volser: &&str| CatalogVolume {
        unit_type: [0x30, 0, 0x20, 0x0B],
        volser: volser.parse().unwrap(),
        file_sequence: 7,
    };
    let volumes = volsers.iter().map(volume).collect();
    CatalogEntry { name: name.parse().unwrap(), volumes, dscb: Some([1, 2, 3]) }
}

/// A catalog with TEST.A and TEST.B, and what is behind it.
fn with_catalog(flags: u32, test: impl FnOnce(&HostCatalog, *mut Book)) {
    let mut kept = Book { entries: BTreeMap::new(), lie: Lie::None, released: 0 };
    for entry in [entry("TEST.A", &["VOL001", "VOL002"]), entry("TEST.B", &["VOL002"])] {
        kept.entries.insert(entry.name.to_string(), tmr_catalog_entry::of(&entry).unwrap());
    }
    let book = &raw mut kept;
    let functions = tmr_catalog_functions { flags, ..functions(book) };
    functions.check().unwrap();
    let catalog = HostCatalog {
        table: Table::new(functions, functions.user, functions.release),
        name: "BOOK".into(),
        volser: functions.place().unwrap(),
        read: None,
    };
    test(&catalog, book);
    drop(catalog);
    assert_eq!(kept.released, 1);
}

#[test]
fn entries_are_found_and_changed() {
    with_catalog(0, |catalog, _| {
        let (a, b) = (entry("TEST.A", &["VOL001", "VOL002"]), entry("TEST.B", &["VOL002"]));
        assert_eq!(catalog.locate(&a.name).unwrap(), Some(a.clone()));
        let mask = "TEST.**".parse().unwrap();
        assert_eq!(catalog.list(&mask).unwrap(), [a.clone(), b.clone()]);
        let moved = entry("TEST.A", &["VOL003"]);
        catalog.recatalog(&a, &moved, &NoJournal).unwrap();
        // Again changes nothing.
        catalog.recatalog(&a, &moved, &NoJournal).unwrap();
        assert_eq!(catalog.locate(&a.name).unwrap(), Some(moved.clone()));
        let elsewhere = entry("TEST.A", &["VOL004"]);
        let error = catalog.recatalog(&a, &elsewhere, &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::EntryChanged);
        assert!(error.sentence().contains("VOL003"), "{error}");
        let new = "TEST.C".parse().unwrap();
        catalog.rename(&a.name, &new, &NoJournal).unwrap();
        assert_eq!(catalog.locate(&a.name).unwrap(), None);
        let error = catalog.rename(&new, &b.name, &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::EntryExists);
        assert_eq!(catalog.add(&b, &NoJournal).unwrap_err().reason(), Reason::EntryExists);
        catalog.add(&a, &NoJournal).unwrap();
        catalog.delete(&a.name, &NoJournal).unwrap();
        let error = catalog.delete(&a.name, &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::EntryNotFound);
        assert_eq!(error.data_set(), Some(*a.name.as_bytes()));
        assert_eq!(error.volser(), catalog.volser().map(Into::into));
        assert_eq!(catalog.locate_all(&[a.name, b.name])[1].clone().unwrap(), Some(b));
    });
}

#[test]
fn the_first_of_two_steps_may_be_done() {
    let (old, new) = (entry("TEST.C", &["VOL001"]), entry("TEST.C", &["VOL002"]));
    with_catalog(0, |catalog, _| {
        let error = catalog.recatalog(&old, &new, &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::EntryChanged);
    });
    with_catalog(TMR_CATALOG_TWO_STEPS | TMR_CATALOG_DELEGATED, |catalog, _| {
        assert!(catalog.is_delegated() && catalog.recatalog_is_two_steps());
        catalog.recatalog(&old, &new, &NoJournal).unwrap();
        assert_eq!(catalog.locate(&new.name).unwrap(), Some(new.clone()));
    });
}

#[test]
fn a_change_counts_if_it_is_seen_and_only_then() {
    let (old, new) = (entry("TEST.B", &["VOL002"]), entry("TEST.B", &["VOL009"]));
    let other = entry("TEST.C", &["VOL001"]);
    let all = |catalog: &HostCatalog| {
        [
            catalog.recatalog(&old, &new, &NoJournal),
            catalog.add(&other, &NoJournal),
            catalog.rename(&old.name, &"TEST.D".parse().unwrap(), &NoJournal),
            catalog.delete(&"TEST.A".parse().unwrap(), &NoJournal),
        ]
    };
    for (lie, reason) in [
        (Lie::Nothing, Reason::ChangeNotSeen),
        (Lie::Code(4), Reason::HostLied),
        (Lie::Code(8), Reason::HostRefused),
        (Lie::Code(12), Reason::HostFailed),
        (Lie::Code(i32::MIN), Reason::HostFailed),
    ] {
        with_catalog(0, |catalog, book| {
            unsafe { (*book).lie = lie };
            for result in all(catalog) {
                let error = result.unwrap_err();
                assert_eq!((error.reason(), error.data_set().is_some()), (reason, true), "{lie:?}");
            }
        });
    }
    with_catalog(0, |catalog, book| {
        unsafe { (*book).lie = Lie::Fails };
        assert!(all(catalog).iter().all(Result::is_ok));
    });
}

#[test]
fn answers_that_cannot_be_are_refused() {
    let name = "TEST.A".parse().unwrap();
    let mask = "**".parse().unwrap();
    for lie in [
        Lie::Volumes(0),
        Lie::Volumes(60),
        Lie::Volumes(u32::MAX),
        Lie::Volumes(59),
        Lie::Dscb(5),
        Lie::Dscb(u32::MAX),
        Lie::LongName,
    ] {
        with_catalog(0, |catalog, book| {
            unsafe { (*book).lie = lie };
            assert_eq!(catalog.locate(&name).unwrap_err().reason(), Reason::HostLied, "{lie:?}");
            assert_eq!(catalog.list(&mask).unwrap_err().reason(), Reason::HostLied, "{lie:?}");
        });
    }
    for (lie, mask) in [
        (Lie::OtherName, "TEST.**"),
        (Lie::Twice, "**"),
        (Lie::Code(4), "**"),
        (Lie::Size(3), "**"),
        (Lie::Size(1529), "**"),
        (Lie::Endless, "**"),
    ] {
        with_catalog(0, |catalog, book| {
            unsafe { (*book).lie = lie };
            let error = catalog.list(&mask.parse().unwrap()).unwrap_err();
            assert_eq!(error.reason(), Reason::HostLied, "{lie:?}");
            assert_eq!(error.volser(), catalog.volser().map(Into::into));
        });
    }
    with_catalog(0, |catalog, book| {
        unsafe { (*book).lie = Lie::OtherName };
        let error = catalog.locate(&name).unwrap_err();
        assert!(error.to_string().contains("SOMEBODY.ELSE"), "{error}");
        assert_eq!(error.data_set(), Some(*name.as_bytes()));
    });
}

#[test]
fn an_entry_that_no_host_can_hold_is_refused() {
    with_catalog(0, |catalog, _| {
        let wide = entry("TEST.WIDE", &["VOL001"; 60]);
        assert_eq!(catalog.add(&wide, &NoJournal).unwrap_err().reason(), Reason::BadValue);
        catalog.add(&entry("TEST.WIDE", &["VOL001"; 59]), &NoJournal).unwrap();
    });
}

#[test]
fn catalogs_are_told_apart_by_name_and_found_beside_those_given() {
    use super::super::host::{tmr_host_close, tmr_host_new};
    let mut book = Book { entries: BTreeMap::new(), lie: Lie::None, released: 0 };
    let table = functions(&raw mut book);
    let (mut host, error) = (std::ptr::null_mut(), std::ptr::null_mut());
    unsafe {
        assert_eq!(tmr_host_new(&raw mut host, error), 0);
        assert_eq!(tmr_host_find_catalogs(host, error), 0);
        assert_eq!(tmr_host_add_catalog(host, &raw const table, error), 0);
        assert_eq!(tmr_host_add_catalog(host, &raw const table, error), 8);
        for bad in [
            tmr_catalog_functions { name: [0; 64], ..table },
            tmr_catalog_functions { name: to_array("A\nB"), ..table },
            tmr_catalog_functions { name: [0x41; 64], ..table },
            tmr_catalog_functions { volser: to_array("TOOLONG"), ..table },
            tmr_catalog_functions { flags: 4, ..table },
            tmr_catalog_functions { locate: None, ..table },
            tmr_catalog_functions { list: None, ..table },
            tmr_catalog_functions { locate: None, list: None, volser: [0; 16], ..table },
            // Its volume was not added.
            tmr_catalog_functions { locate: None, list: None, ..table },
            tmr_catalog_functions { reserved: 1, ..table },
            tmr_catalog_functions { size: 24, ..table },
            tmr_catalog_functions { size: 4096, ..table },
        ] {
            assert_eq!(tmr_host_add_catalog(host, &raw const bad, error), 8);
        }
        let given = alone::<tmr_host, _>(host.cast_const()).unwrap();
        let names: Vec<_> = given.ports().unwrap().catalogs.iter().map(|c| c.name()).collect();
        assert_eq!(names, ["BOOK"]);
        drop(given);
        assert_eq!(tmr_host_close(&raw mut host), 0);
    }
    assert_eq!(book.released, 1);
}

/// Changes the catalog behind the pointer, as a system does that has its volume attached.
unsafe extern "C" fn recatalog_on_volume(
    user: *mut c_void,
    from: *const tmr_catalog_entry,
    to: *const tmr_catalog_entry,
    _: *mut tmr_error,
) -> i32 {
    let (catalog, from, to) = unsafe { (&*user.cast::<CvolCatalog>(), &*from, &*to) };
    catalog.recatalog(&from.told().unwrap(), &to.told().unwrap(), &NoJournal).unwrap();
    0
}

#[test]
fn a_catalog_is_read_on_its_volume_and_changed_by_the_host() {
    use super::super::host::{tmr_host_close, tmr_host_new};
    use crate::dscb::Format1;
    use crate::geometry::{Device, Extent, Geometry, Track};
    use crate::volume::memory::MemoryVolume;
    use crate::vtoc::manager::VtocSpaceManager;
    use crate::vtoc::{NewDataSet, SpaceManager};

    let device = Device::named("3350").unwrap();
    let geometry = Geometry { device, cylinders: 2, slot_size: device.slot_size() };
    let volser = "CAT001".parse().unwrap();
    let volume: Arc<dyn Volume> = Arc::new(MemoryVolume::new(volser, geometry));
    crate::vtoc::init::initialize(&*volume, volser, None, "").unwrap();
    let table = tmr_catalog_functions {
        locate: None,
        list: None,
        recatalog: Some(recatalog_on_volume),
        release: None,
        ..functions(std::ptr::null_mut())
    };
    let (mut host, error) = (std::ptr::null_mut(), std::ptr::null_mut());
    unsafe {
        assert_eq!(tmr_host_new(&raw mut host, error), 0);
        alone::<tmr_host, _>(host.cast_const()).unwrap().volumes.push(volume.clone());
        assert_eq!(tmr_host_add_catalog(host, &raw const table, error), 8, "there is no SYSCTLG");
    }
    let mut format1 = Format1::new("SYSCTLG".parse().unwrap());
    format1.set_volume_sequence(1);
    format1.set_first_volser(volser);
    let extents = vec![Extent::new(Track(40), 2)];
    let new = NewDataSet { format1, extents: extents.clone() };
    VtocSpaceManager::new(volume.clone()).allocate(&new, &NoJournal).unwrap();
    let cvol = CvolCatalog::format(volume, extents).unwrap();
    let old = CatalogEntry { dscb: None, ..entry("TEST.A", &["VOL001"]) };
    cvol.add(&old, &NoJournal).unwrap();
    let table = tmr_catalog_functions { user: (&raw const cvol).cast_mut().cast(), ..table };
    unsafe { assert_eq!(tmr_host_add_catalog(host, &raw const table, error), 0) };
    let given = unsafe { alone::<tmr_host, _>(host.cast_const()) }.unwrap();
    let catalog = given.ports().unwrap().catalogs[0].clone();
    drop(given);
    assert_eq!(catalog.name(), "BOOK");
    assert_eq!(catalog.locate(&old.name).unwrap(), Some(old.clone()));
    assert_eq!(catalog.list(&"TEST.**".parse().unwrap()).unwrap(), std::slice::from_ref(&old));
    let moved = CatalogEntry { dscb: None, ..entry("TEST.A", &["VOL002"]) };
    catalog.recatalog(&old, &moved, &NoJournal).unwrap();
    assert_eq!(catalog.locate_all(&[old.name])[0].clone().unwrap(), Some(moved));
    unsafe { assert_eq!(tmr_host_close(&raw mut host), 0) };
}
