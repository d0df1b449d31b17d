use super::super::boundary::{data_set, text_in};
use super::super::tables::{TMR_TABLE_VERSION, tmr_sink_put};
use super::*;
use crate::bytes::array;
use crate::geometry::Device;
use crate::volume::intent::NoJournal;
use crate::volume::memory::MemoryVolume;
use crate::vtoc::init::initialize;
use crate::vtoc::manager::VtocSpaceManager;
use std::slice::from_raw_parts;

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
    /// It does it elsewhere, or to another length.
    Otherwise,
    /// It gives the DSCBs last ones first.
    Backwards,
    /// It gives the first one twice.
    Twice,
    /// It leaves the last one out.
    Short,
    /// It leaves the first one out.
    Headless,
    /// It leaves one in the middle out.
    Gap,
    /// It never ends.
    Endless,
    /// It gives this place for one.
    Place(u32, u32),
    /// Its structures have this size.
    Size(u32),
    /// A copy of the newest F1 stands in a free DSCB under another name.
    Doubled,
    /// The bytes of the DSCBs are changed at random.
    Garbage(u64),
}

/// A host that manages a volume.
struct Desk {
    space: VtocSpaceManager,
    volume: Arc<MemoryVolume>,
    lie: Lie,
    today: u32,
    released: u32,
}

unsafe fn desk<'a>(user: *mut c_void) -> &'a mut Desk {
    unsafe { &mut *user.cast::<Desk>() }
}

fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

fn bend(dscbs: &mut Vec<tmr_dscb>, lie: Lie) {
    match lie {
        Lie::Backwards => dscbs.reverse(),
        Lie::Twice => dscbs.push(dscbs[0]),
        Lie::Short => drop(dscbs.drain(dscbs.len() - 30..)),
        Lie::Headless => drop(dscbs.remove(0)),
        Lie::Gap => drop(dscbs.remove(3)),
        Lie::Place(track, record) => {
            (dscbs[1].track, dscbs[1].record) = (track, record);
        }
        Lie::Size(size) => dscbs[1].size = size,
        Lie::Doubled => {
            let newest = dscbs.iter().rev().find(|dscb| dscb.bytes[44] == 0xF1).map(|d| d.bytes);
            if let Some(mut bytes) = newest {
                bytes[0] = 0xE9;
                dscbs.last_mut().unwrap().bytes = bytes;
            }
        }
        Lie::Garbage(seed) => {
            let mut state = seed;
            for _ in 0..1 + next_random(&mut state) % 40 {
                let place = next_random(&mut state) as usize % dscbs.len().min(12);
                let byte = next_random(&mut state) as usize % 140;
                dscbs[place].bytes[byte] = match next_random(&mut state) % 4 {
                    0 => 0xFF,
                    1 => 0xF1 + (next_random(&mut state) % 9) as u8,
                    _ => next_random(&mut state) as u8,
                };
            }
        }
        _ => {}
    }
}

unsafe extern "C" fn read(user: *mut c_void, sink: *mut tmr_sink, error: *mut tmr_error) -> i32 {
    let desk = unsafe { desk(user) };
    let vtoc = Vtoc::read(&*desk.volume).unwrap();
    let mut dscbs: Vec<tmr_dscb> = vtoc
        .dscbs
        .iter()
        .map(|(address, dscb)| tmr_dscb {
            size: size_of::<tmr_dscb>() as u32,
            track: address.track.0,
            record: address.record.into(),
            reserved: 0,
            bytes: dscb.to_bytes(),
        })
        .collect();
    bend(&mut dscbs, desk.lie);
    let put = |dscb: &tmr_dscb| unsafe {
        tmr_sink_put(sink, std::ptr::from_ref(dscb).cast(), size_of::<tmr_dscb>() as u64, error)
    };
    if desk.lie == Lie::Endless {
        while put(&dscbs[1]) == 0 {}
    }
    for dscb in &dscbs {
        put(dscb);
    }
    0
}

/// Does it, or not, and says so, or not.
fn change(desk: &Desk, act: impl FnOnce(&VtocSpaceManager) -> Result<()>) -> i32 {
    match desk.lie {
        Lie::Nothing => 0,
        Lie::Code(code) => code,
        Lie::Fails => {
            act(&desk.space).unwrap();
            12
        }
        _ => act(&desk.space).map_or(8, |()| 0),
    }
}

unsafe fn extents(of: *const tmr_extent, count: u32, lie: Lie) -> Vec<Extent> {
    let list = unsafe { from_raw_parts(of, count as usize) };
    let mut extents: Vec<Extent> = list.iter().map(|e| e.on_volume().unwrap().1).collect();
    if lie == Lie::Otherwise {
        extents.last_mut().unwrap().first.0 += 1;
    }
    extents
}

/// What a host makes of an identity.
unsafe fn identity(of: *const tmr_identity) -> Identity {
    let of = unsafe { *of };
    assert_eq!((of.size, of.reserved, of.creation_date[3]), (124, 0, 0));
    let address = DscbAddress { track: Track(of.track), record: of.record as u8 };
    let extent = Extent::new(Track(of.first_track), of.first_track_count);
    Identity {
        name: data_set(text_in(&of.name, "it").unwrap()).unwrap(),
        address,
        creation_date: array(&of.creation_date, 0),
        first_extent: Some(extent).filter(|extent| extent.track_count > 0),
    }
}

unsafe extern "C" fn allocate(
    user: *mut c_void,
    format1: *const tmr_dscb,
    of: *const tmr_extent,
    count: u32,
    _: *mut tmr_error,
) -> i32 {
    let desk = unsafe { desk(user) };
    let format1 = Format1::from_bytes(unsafe { (*format1).bytes });
    let extents = unsafe { extents(of, count, desk.lie) };
    change(desk, |space| space.allocate(&NewDataSet { format1, extents }, &NoJournal).map(drop))
}

unsafe extern "C" fn extend(
    user: *mut c_void,
    of: *const tmr_identity,
    by: *const tmr_extent,
    count: u32,
    _: *mut tmr_error,
) -> i32 {
    let desk = unsafe { desk(user) };
    let (of, by) = unsafe { (identity(of), extents(by, count, desk.lie)) };
    change(desk, |space| space.extend(&of, &by, &NoJournal).map(drop))
}

unsafe extern "C" fn release_space(
    user: *mut c_void,
    of: *const tmr_identity,
    track_count: u32,
    _: *mut tmr_error,
) -> i32 {
    let (desk, of) = unsafe { (desk(user), identity(of)) };
    let track_count = track_count + u32::from(desk.lie == Lie::Otherwise);
    change(desk, |space| space.release(&of, track_count, &NoJournal).map(drop))
}

unsafe extern "C" fn scratch(
    user: *mut c_void,
    of: *const tmr_identity,
    today: u32,
    _: *mut tmr_error,
) -> i32 {
    let (desk, of) = unsafe { (desk(user), identity(of)) };
    desk.today = today;
    change(desk, |space| space.scratch(&of, Expiration::Ignore, &NoJournal))
}

unsafe extern "C" fn rename(
    user: *mut c_void,
    of: *const tmr_identity,
    to: *const c_char,
    _: *mut tmr_error,
) -> i32 {
    let (desk, of) = unsafe { (desk(user), identity(of)) };
    let to = unsafe { std::ffi::CStr::from_ptr(to) }.to_str().unwrap();
    let to = if desk.lie == Lie::Otherwise { "OTHER.WISE" } else { to };
    change(desk, |space| space.rename(&of, &data_set(to).unwrap(), &NoJournal).map(drop))
}

unsafe extern "C" fn update(
    user: *mut c_void,
    of: *const tmr_identity,
    format1: *const tmr_dscb,
    _: *mut tmr_error,
) -> i32 {
    let (desk, of) = unsafe { (desk(user), identity(of)) };
    let mut format1 = Format1::from_bytes(unsafe { (*format1).bytes });
    if desk.lie == Lie::Otherwise {
        format1.set_lrecl(1);
    }
    change(desk, |space| space.update(&of, &format1, &NoJournal).map(drop))
}

unsafe extern "C" fn replace_space(
    user: *mut c_void,
    of: *const tmr_identity,
    by: *const tmr_identity,
    _: *mut tmr_error,
) -> i32 {
    let (desk, of, by) = unsafe { (desk(user), identity(of), identity(by)) };
    change(desk, |space| match desk.lie {
        // Only the half of it.
        Lie::Otherwise => space.scratch(&by, Expiration::Ignore, &NoJournal),
        _ => space.replace_space(&of, &by, &NoJournal).map(drop),
    })
}

unsafe extern "C" fn check_writable(user: *mut c_void, _: *mut tmr_error) -> i32 {
    match unsafe { desk(user) }.lie {
        Lie::Code(code) => code,
        _ => 0,
    }
}

unsafe extern "C" fn release(user: *mut c_void) {
    unsafe { desk(user) }.released += 1;
}

fn functions(desk: *mut Desk) -> tmr_space_functions {
    tmr_space_functions {
        size: size_of::<tmr_space_functions>() as u32,
        version: TMR_TABLE_VERSION,
        user: desk.cast(),
        release: Some(release),
        flags: 0,
        reserved: 0,
        read: Some(read),
        check_writable: Some(check_writable),
        allocate: Some(allocate),
        extend: Some(extend),
        release_space: Some(release_space),
        scratch: Some(scratch),
        rename: Some(rename),
        update: Some(update),
        replace_space: Some(replace_space),
    }
}

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

fn new(text: &str, first: u32, track_count: u32) -> NewDataSet {
    let mut format1 = Format1::new(name(text));
    format1.set_creation_date([99, 0, 7]);
    NewDataSet { format1, extents: vec![Extent::new(Track(first), track_count)] }
}

/// A volume with OLD.ONE at tracks 40 to 49 that a host manages, and what is behind it.
fn with_space(test: impl FnOnce(&HostSpace, *mut Desk)) {
    let device = Device::named("2314").unwrap();
    let geometry = Geometry { device, cylinders: 10, slot_size: device.slot_size() };
    let volser = "VOL001".parse().unwrap();
    let volume = Arc::new(MemoryVolume::new(volser, geometry));
    initialize(&*volume, volser, Some(Extent::new(Track(1), 2)), "").unwrap();
    let space = VtocSpaceManager::new(volume.clone());
    space.allocate(&new("OLD.ONE", 40, 10), &NoJournal).unwrap();
    let mut kept = Desk { space, volume: volume.clone(), lie: Lie::None, today: 0, released: 0 };
    let desk = &raw mut kept;
    let functions = functions(desk);
    functions.check().unwrap();
    let host =
        HostSpace { table: Table::new(functions, functions.user, functions.release), volume };
    test(&host, desk);
    drop(host);
    assert_eq!(kept.released, 1);
}

#[test]
fn a_host_manages_a_volume() {
    with_space(|host, desk| {
        let found = |text: &str| host.find(&name(text)).unwrap();
        let one = host.allocate(&new("NEW.ONE", 60, 5), &NoJournal).unwrap();
        assert_eq!(found("NEW.ONE"), Some(one.clone()));
        let more = [Extent::new(Track(65), 2), Extent::new(Track(80), 3)];
        let one = host.extend(&Identity::of(&one), &more, &NoJournal).unwrap();
        assert_eq!(one.extents, [Extent::new(Track(60), 7), Extent::new(Track(80), 3)]);
        let one = host.release(&Identity::of(&one), 6, &NoJournal).unwrap();
        assert_eq!(one.extents, [Extent::new(Track(60), 6)]);
        let mut format1 = one.format1;
        format1.set_lrecl(80);
        let one = host.update(&Identity::of(&one), &format1, &NoJournal).unwrap();
        assert_eq!(one.format1.lrecl(), 80);
        let two = host.rename(&Identity::of(&one), &name("NEW.TWO"), &NoJournal).unwrap();
        assert_eq!(found("NEW.ONE"), None);
        let old = found("OLD.ONE").unwrap();
        let (of, by) = (Identity::of(&old), Identity::of(&two));
        let old = host.replace_space(&of, &by, &NoJournal).unwrap();
        assert_eq!((old.extents, found("NEW.TWO")), (two.extents, None));
        let old = Identity::of(&found("OLD.ONE").unwrap());
        let respect = Expiration::Respect { today: [126, 1, 0x45] };
        host.scratch(&old, respect, &NoJournal).unwrap();
        assert_eq!((found("OLD.ONE"), unsafe { (*desk).today }), (None, 126_325));
        assert_eq!(
            host.scratch(&old, respect, &NoJournal).unwrap_err().reason(),
            Reason::NameNotFound
        );
    });
}

/// Every change, each on a volume of its own.
fn all_changes(lie: Lie) -> Vec<(&'static str, Result<()>)> {
    type Act = fn(&HostSpace) -> Result<()>;
    let old = |host: &HostSpace| Identity::of(&host.find(&name("OLD.ONE")).unwrap().unwrap());
    let acts: [(&str, Act); 7] = [
        ("allocate", |host| host.allocate(&new("NEW.ONE", 60, 5), &NoJournal).map(drop)),
        ("extend", |host| {
            let of = Identity::of(&host.find(&name("OLD.ONE"))?.unwrap());
            host.extend(&of, &[Extent::new(Track(70), 2)], &NoJournal).map(drop)
        }),
        ("release_space", |host| {
            let of = Identity::of(&host.find(&name("OLD.ONE"))?.unwrap());
            host.release(&of, 4, &NoJournal).map(drop)
        }),
        ("scratch", |host| {
            let of = Identity::of(&host.find(&name("OLD.ONE"))?.unwrap());
            host.scratch(&of, Expiration::Ignore, &NoJournal)
        }),
        ("rename", |host| {
            let of = Identity::of(&host.find(&name("OLD.ONE"))?.unwrap());
            host.rename(&of, &name("OLD.TWO"), &NoJournal).map(drop)
        }),
        ("update", |host| {
            let found = host.find(&name("OLD.ONE"))?.unwrap();
            let mut format1 = found.format1;
            format1.set_lrecl(133);
            host.update(&Identity::of(&found), &format1, &NoJournal).map(drop)
        }),
        ("replace_space", |host| {
            let of = Identity::of(&host.find(&name("OLD.ONE"))?.unwrap());
            let by = Identity::of(&host.find(&name("SPACE.HOLDER"))?.unwrap());
            host.replace_space(&of, &by, &NoJournal).map(drop)
        }),
    ];
    let mut results = Vec::new();
    for (what, act) in acts {
        with_space(|host, desk| {
            let _ = old(host);
            host.allocate(&new("SPACE.HOLDER", 100, 10), &NoJournal).unwrap();
            unsafe { (*desk).lie = lie };
            results.push((what, act(host)));
        });
    }
    results
}

#[test]
fn a_change_counts_if_it_is_seen_and_only_then() {
    for (lie, reason) in [
        (Lie::Nothing, Reason::ChangeNotSeen),
        (Lie::Code(4), Reason::HostLied),
        (Lie::Code(8), Reason::HostRefused),
        (Lie::Code(12), Reason::HostFailed),
        (Lie::Code(i32::MAX), Reason::HostFailed),
    ] {
        for (what, result) in all_changes(lie) {
            let error = result.unwrap_err();
            assert_eq!(error.reason(), reason, "{what} {lie:?}: {error}");
            assert!(error.data_set().is_some() && error.volser().is_some(), "{what}: {error}");
        }
    }
    for (what, result) in all_changes(Lie::Otherwise) {
        if what != "scratch" {
            assert_eq!(result.unwrap_err().reason(), Reason::ChangeNotSeen, "{what}");
        }
    }
    for (what, result) in all_changes(Lie::Fails) {
        assert!(result.is_ok(), "{what}: {result:?}");
    }
}

#[test]
fn what_is_no_vtoc_is_refused() {
    for (lie, reason) in [
        (Lie::Twice, Reason::DamagedVtoc),
        (Lie::Short, Reason::DamagedVtoc),
        (Lie::Headless, Reason::DamagedVtoc),
        (Lie::Gap, Reason::DamagedVtoc),
        (Lie::Endless, Reason::HostLied),
        (Lie::Place(1, 0), Reason::HostLied),
        (Lie::Place(1, 256), Reason::HostLied),
        (Lie::Place(200, 1), Reason::HostLied),
        (Lie::Place(u32::MAX, 1), Reason::HostLied),
        (Lie::Place(0, 1), Reason::DamagedVtoc),
        (Lie::Place(199, 255), Reason::DamagedVtoc),
        (Lie::Size(155), Reason::HostLied),
        (Lie::Size(0), Reason::HostLied),
    ] {
        with_space(|host, desk| {
            unsafe { (*desk).lie = lie };
            let error = host.read().unwrap_err();
            assert_eq!(error.reason(), reason, "{lie:?}: {error}");
            assert_eq!(error.volser(), Some(host.volser().into()));
            assert!(host.allocate(&new("NEW.ONE", 60, 5), &NoJournal).is_err());
        });
    }
    with_space(|host, desk| {
        let right = host.read().unwrap().dscbs;
        unsafe { (*desk).lie = Lie::Backwards };
        assert_eq!(host.read().unwrap().dscbs, right);
    });
}

#[test]
fn space_that_two_have_is_not_taken() {
    with_space(|host, desk| {
        unsafe { (*desk).lie = Lie::Doubled };
        let error = host.allocate(&new("NEW.ONE", 60, 5), &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::HostLied, "{error}");
        assert_eq!(error.data_set(), Some(name("NEW.ONE").into()));
    });
    with_space(|host, _| {
        for (first, reason) in [(45, Reason::ExtentNotFree), (199, Reason::OutsideVolume)] {
            let error = host.allocate(&new("NEW.ONE", first, 5), &NoJournal).unwrap_err();
            assert_eq!(error.reason(), reason);
        }
        let error = host.allocate(&new("NEW.ONE", u32::MAX, 5), &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::OutsideVolume);
        let error = host.allocate(&new("NEW.ONE", 60, 0), &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::BadRequest);
        let error = host.allocate(&new("OLD.ONE", 60, 5), &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::NameExists);
    });
}

#[test]
fn garbage_panics_nobody() {
    let (mut read_count, mut allocated_count) = (0, 0);
    with_space(|host, desk| {
        for seed in 0..400 {
            unsafe { (*desk).lie = Lie::Garbage(seed) };
            if let Ok(vtoc) = host.read() {
                read_count += 1;
                let _ = (vtoc.data_sets().count(), FreeSpace::of(&vtoc));
            }
            let _ = host.find(&name("OLD.ONE"));
            if let Ok(made) = host.allocate(&new("NEW.ONE", 60, 5), &NoJournal) {
                assert_eq!(made.extents, [Extent::new(Track(60), 5)]);
                allocated_count += 1;
            }
            unsafe { (*desk).lie = Lie::None };
            if let Some(made) = host.find(&name("NEW.ONE")).unwrap() {
                host.scratch(&Identity::of(&made), Expiration::Ignore, &NoJournal).unwrap();
            }
        }
    });
    assert!(read_count > 20 && allocated_count > 0, "{read_count} {allocated_count}");
}

#[test]
fn what_a_host_cannot_do_is_refused_and_what_it_leaves_is_the_library_s() {
    with_space(|host, desk| {
        let table = tmr_space_functions {
            read: None,
            check_writable: None,
            allocate: None,
            flags: TMR_SPACE_DELEGATED,
            release: None,
            ..functions(desk)
        };
        let less = HostSpace {
            table: Table::new(table, table.user, table.release),
            volume: host.volume.clone(),
        };
        assert!(less.is_delegated() && !host.is_delegated());
        less.check_writable().unwrap();
        assert_eq!(less.read().unwrap().dscbs, host.read().unwrap().dscbs);
        let error = less.allocate(&new("NEW.ONE", 60, 5), &NoJournal).unwrap_err();
        assert_eq!(error.reason(), Reason::NotDelegated);
        unsafe { (*desk).lie = Lie::Code(8) };
        assert_eq!(host.check_writable().unwrap_err().reason(), Reason::HostRefused);
    });
}

#[test]
fn a_table_is_for_a_volume_that_was_added() {
    use super::super::host::{tmr_host_close, tmr_host_new};
    with_space(|_, desk| {
        let (mut host, error) = (std::ptr::null_mut(), std::ptr::null_mut());
        let table = tmr_space_functions { release: None, ..functions(desk) };
        let set = |host, table: &tmr_space_functions| unsafe {
            tmr_host_set_space_manager(host, c"VOL001".as_ptr(), std::ptr::from_ref(table), error)
        };
        unsafe {
            assert_eq!(tmr_host_new(&raw mut host, error), 0);
            assert_eq!(set(host, &table), 8);
            let mut given = alone::<tmr_host, super::super::host::Given>(host).unwrap();
            given.volumes.push((*desk).volume.clone());
            drop(given);
            assert_eq!(set(host, &table), 0);
            assert_eq!(set(host, &tmr_space_functions { flags: 2, ..table }), 8);
            assert_eq!(set(host, &tmr_space_functions { version: 0, ..table }), 8);
            assert_eq!(tmr_host_close(&raw mut host), 0);
        }
    });
}
