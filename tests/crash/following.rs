//! While everything happens to the sources that can, in a migration that is interrupted everywhere: extended onto their own
//! and onto another volume, shortened, deleted, renamed, names exchanged, made anew, new. Whenever process or machine end, the
//! next process leads it to the same end: each data set that is there is at the target, cataloged, with what its source
//! held, and of the others nothing is left.

use crate::host_space::HostSpace;
use crate::known::{
    Checked, Known, OPTIONS, View, assert_none_failed, catalog, has_torn_structure, told,
};
use crate::scenario::{Builder, Scenario, volser};
use crate::world::{self, At, Fate, Fault, Random, Slots, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use trackmirror::catalog::{Catalog, CatalogEntry};
use trackmirror::checkpoint::Checkpoint;
use trackmirror::dscb::Format1;
use trackmirror::enqueue::NobodyElse;
use trackmirror::geometry::{Extent, Track};
use trackmirror::host::{Host, Live};
use trackmirror::migrate::{Goal, Migration, MoveOptions, Selection, propose};
use trackmirror::monitor::{Area, Identity, Image, Kind};
use trackmirror::plan::{Mode, Plan};
use trackmirror::state::State;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::check::{Severity, Tracks, check};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{self, DataSetDscbs, Expiration, NewDataSet, SpaceManager};
use trackmirror::{DsName, Result, Volser, track};

/// Eight data sets; all but one lie on SRC001. SRC002 is watched, but nothing lies there in the beginning that is moved
/// but LAST, so that it is a source all the time.
fn scenario(options: MoveOptions) -> Scenario {
    let mut builder = Builder::new(&["SRC001", "SRC002", "TGT001"], &[]);
    let on_first = [
        ("GROUP.GROWS", (6, 2)),
        ("GROUP.LESS", (9, 2)),
        ("GROUP.GOES", (12, 2)),
        ("GROUP.BEFORE", (15, 2)),
        ("GROUP.X", (18, 2)),
        ("GROUP.Y", (21, 2)),
        ("GROUP.ANEW", (24, 2)),
    ];
    let mut moved = Vec::new();
    for (text, extent) in on_first {
        moved.push(builder.data_set(text, &[("SRC001", &[extent])], true));
    }
    moved.push(builder.data_set("GROUP.LAST", &[("SRC001", &[(27, 2)])], true));
    let scenario = builder.scenario("following", &moved, &["SRC001", "SRC002"], &["TGT001"]);
    Scenario { options, ..scenario }
}

type Areas = BTreeMap<Volser, Area>;

/// The system whose data sets they are.
struct Guest {
    areas: Areas,
    images: BTreeMap<Volser, Image>,
    /// What it has done.
    phases: usize,
    random: Random,
    /// It makes the changes of the VTOCs itself.
    manages_space: bool,
}

impl Guest {
    fn new(world: &Arc<World>, manages_space: bool) -> Guest {
        let (areas, images) = (BTreeMap::new(), BTreeMap::new());
        let random = Random::new(99);
        let mut guest = Guest { areas, images, phases: 0, random, manages_space };
        guest.boot(world);
        guest
    }

    fn boot(&mut self, world: &Arc<World>) {
        for text in ["SRC001", "SRC002"] {
            let volume = world.foreign_volume(volser(text));
            let area = Area::in_process(Identity::of(&*volume).unwrap()).unwrap();
            let image = Image::register(&area, "SYSA", Kind::Brackets).unwrap();
            self.images.insert(volume.volser(), image);
            self.areas.insert(volume.volser(), area);
        }
    }

    /// A change of a VTOC, which the monitor notes.
    fn space<T>(&self, world: &Arc<World>, on: &str, act: impl Fn(&VtocSpaceManager) -> T) -> T {
        let volume = world.foreign_volume(volser(on));
        let act = || act(&VtocSpaceManager::new(volume.clone()));
        self.images[&volser(on)].write(Extent::new(Track(1), 2), act).unwrap()
    }

    fn of<T>(
        &self,
        world: &Arc<World>,
        (name, on): (DsName, &str),
        act: impl Fn(&VtocSpaceManager, &vtoc::Identity, DataSetDscbs) -> Result<T>,
    ) -> T {
        self.space(world, on, |space| {
            let found = space.find(&name).unwrap().unwrap();
            act(space, &vtoc::Identity::of(&found), found).unwrap()
        })
    }

    fn fill(&mut self, world: &Arc<World>, on: &str, extent: Extent) {
        let volume = world.foreign_volume(volser(on));
        for place in 0..extent.track_count {
            let track = extent.first.plus(place);
            let data: Vec<u8> = (0..300).map(|_| self.random.below(256) as u8).collect();
            let mut slot = vec![0; volume.slot_size()];
            track::build(&mut slot, volume.place(track), &[(&[], &data)]).unwrap();
            let write = || volume.write(track, &slot).unwrap();
            self.images[&volser(on)].write(Extent::new(track, 1), write).unwrap();
        }
    }

    fn extend(&mut self, world: &Arc<World>, text: &str, by: (u32, u32)) {
        let by = Extent::new(Track(by.0), by.1);
        self.of(world, (text.parse().unwrap(), "SRC001"), |space, of, _| {
            space.extend(of, &[by], &NoJournal)
        });
        self.note_end(world, text);
        self.fill(world, "SRC001", by);
    }

    /// What a close notes: that it is used to its end.
    fn note_end(&self, world: &Arc<World>, text: &str) {
        self.of(world, (text.parse().unwrap(), "SRC001"), |space, of, found| {
            let mut format1 = found.format1;
            format1.set_last_used(Some((found.track_count() - 1, 1)));
            space.update(of, &format1, &NoJournal)
        });
    }

    fn release(&self, world: &Arc<World>, text: &str, track_count: u32) {
        self.of(world, (text.parse().unwrap(), "SRC001"), |space, of, found| {
            let mut format1 = found.format1;
            format1.set_last_used(Some((track_count - 1, 1)));
            space.update(of, &format1, &NoJournal)?;
            space.release(of, track_count, &NoJournal)
        });
    }

    /// Its entry stays, as IEHPROGM leaves it.
    fn scratch(&self, world: &Arc<World>, text: &str) {
        self.of(world, (text.parse().unwrap(), "SRC001"), |space, of, _| {
            space.scratch(of, Expiration::Ignore, &NoJournal)
        });
    }

    fn rename(&self, world: &Arc<World>, text: &str, to: &str) {
        let (name, to): (DsName, DsName) = (text.parse().unwrap(), to.parse().unwrap());
        self.of(world, (name, "SRC001"), |space, of, _| space.rename(of, &to, &NoJournal));
        catalog(world).unwrap().rename(&name, &to, &NoJournal).unwrap();
    }

    fn allocate(&mut self, world: &Arc<World>, text: &str, place: (&str, u16), extent: (u32, u32)) {
        let extent = Extent::new(Track(extent.0), extent.1);
        let mut format1 = Format1::new(text.parse().unwrap());
        format1.set_dsorg(Format1::DSORG_PS);
        format1.set_recfm(0x80);
        format1.set_blksize(300);
        format1.set_lrecl(300);
        format1.set_scal1(0x80);
        format1.set_creation_date([76, 0, 201]);
        format1.set_volume_sequence(place.1);
        format1.set_first_volser(volser("SRC001"));
        format1.set_last_used(Some((extent.track_count - 1, 1)));
        let new = NewDataSet { format1, extents: vec![extent] };
        self.space(world, place.0, |space| space.allocate(&new, &NoJournal).map(drop)).unwrap();
        self.fill(world, place.0, extent);
    }

    fn entry(world: &Arc<World>, text: &str) -> CatalogEntry {
        catalog(world).unwrap().locate(&text.parse().unwrap()).unwrap().unwrap()
    }

    /// What happens outside the window.
    fn first_phase(&mut self, world: &Arc<World>) {
        self.extend(world, "GROUP.GROWS", (45, 3));
        self.release(world, "GROUP.LESS", 1);
        self.scratch(world, "GROUP.GOES");
        self.rename(world, "GROUP.X", "GROUP.Z");
        self.rename(world, "GROUP.Y", "GROUP.X");
        self.rename(world, "GROUP.Z", "GROUP.Y");
    }

    /// What happens in it, or later.
    fn second_phase(&mut self, world: &Arc<World>) {
        self.rename(world, "GROUP.BEFORE", "GROUP.AFTER");
        self.scratch(world, "GROUP.ANEW");
        self.allocate(world, "GROUP.ANEW", ("SRC001", 1), (49, 3));
        let new = "GROUP.NEW";
        self.allocate(world, new, ("SRC001", 1), (53, 2));
        let last = Guest::entry(world, "GROUP.LAST");
        let entry = CatalogEntry { name: new.parse().unwrap(), ..last };
        catalog(world).unwrap().add(&entry, &NoJournal).unwrap();
        self.allocate(world, "GROUP.LAST", ("SRC002", 2), (50, 2));
        let before = Guest::entry(world, "GROUP.LAST");
        let mut entry = before.clone();
        entry.volumes.push(trackmirror::catalog::CatalogVolume {
            volser: volser("SRC002"),
            ..entry.volumes[0]
        });
        entry.dscb = None;
        catalog(world).unwrap().recatalog(&before, &entry, &NoJournal).unwrap();
        self.note_end(world, "GROUP.X");
    }

    fn go_on(&mut self, world: &Arc<World>, state: State) {
        let is_time = match self.phases {
            0 => state == State::Mirrored,
            1 => state == State::Quiesced,
            _ => false,
        };
        if !is_time || has_torn_structure(world) {
            return;
        }
        self.phases += 1;
        match self.phases {
            1 => self.first_phase(world),
            _ => self.second_phase(world),
        }
    }
}

/// What must be in the end: for each data set what it holds.
type Expected = BTreeMap<DsName, Vec<u32>>;

const NAMES: [&str; 9] = [
    "GROUP.AFTER",
    "GROUP.ANEW",
    "GROUP.BEFORE",
    "GROUP.GROWS",
    "GROUP.LAST",
    "GROUP.LESS",
    "GROUP.NEW",
    "GROUP.X",
    "GROUP.Y",
];

fn expected(world: &Arc<World>) -> Expected {
    let view = View::of(world);
    let mut expected = Expected::new();
    for text in NAMES {
        let name: DsName = text.parse().unwrap();
        if let Ok(volsers) = view.locate(name) {
            expected.insert(name, view.content(name, volsers).unwrap());
        }
    }
    expected
}

/// The plan for everything, and for what comes.
fn propose_group(known: &Known, host: &Host) -> Result<Plan> {
    let masks = ["GROUP.**".parse().unwrap()];
    let (sources, targets) = (&known.scenario.sources, &known.scenario.targets);
    let (mode, uncataloged, slack) = (Mode::OnePrimary, false, 10);
    let selection = Selection { masks: &masks, sources, targets, mode, uncataloged, slack };
    let (plan, refusals) = propose(host, &selection)?;
    assert!(refusals.is_empty(), "{refusals:?}");
    Ok(plan)
}

/// A process; it tells a verb again that failed so many times. What must be is noted whenever the guest did something.
fn process(
    known: &Known,
    world: &Arc<World>,
    guest: &mut Guest,
    wanted: &mut Expected,
    mut patience: usize,
) -> Result<()> {
    let areas = guest.areas.clone();
    let mut volumes: Vec<Arc<dyn Volume>> = Vec::new();
    for volume in world.volumes() {
        volumes.push(match areas.get(&volume.volser()) {
            Some(area) => Arc::new(trackmirror::monitor::MonitoredVolume::attach_in(
                volume,
                area,
                "TRACKMIRROR",
            )?),
            None => volume,
        });
    }
    let images = BTreeMap::new();
    let mut host = Host::of_volumes(volumes)?;
    if guest.manages_space {
        for (volser, space) in &mut host.space {
            *space = Arc::new(HostSpace { world: world.clone(), volser: *volser });
        }
    }
    let host = host.monitored_by(Live {
        areas,
        images,
        enqueue: Arc::new(NobodyElse),
        machines: Vec::new(),
    });
    let store = Slots(world.clone());
    let mut migration = if Checkpoint::open(Slots(world.clone()))?.1.is_some() {
        Migration::resume(host, store, None, OPTIONS)?
    } else {
        let plan = propose_group(known, &host)?;
        Migration::new(host, plan, known.scenario.options.clone(), store, None)?
    };
    migration.set_copy_options(OPTIONS);
    migration.set_goal(Goal::Tracks(0));
    let mut verb_count = 0;
    while let Some(verb) = migration.next_verb() {
        verb_count += 1;
        assert!(verb_count < 500, "it comes to no end: {}", migration.state());
        let phases = guest.phases;
        guest.go_on(world, migration.state());
        if guest.phases > phases {
            *wanted = expected(world);
            if guest.phases == 1 {
                // It has some time before the window.
                for _ in 0..6 {
                    migration.step(3)?;
                }
                continue;
            }
        }
        match migration.perform(verb, 3) {
            Err(_) if patience > 0 => patience -= 1,
            done => done?,
        }
    }
    Ok(())
}

fn check_end(known: &Known, world: &Arc<World>, guest: &Guest, wanted: &Expected) -> Checked {
    let view = View::of(world);
    let target = volser("TGT001");
    if guest.phases != 2 {
        return Err(format!("only {} phases happened", guest.phases));
    }
    let mut used = 0;
    for (name, content) in wanted {
        if view.locate(*name).map_err(told)? != [target] {
            return Err(format!("{name} is cataloged on {:?}", view.locate(*name)));
        }
        // Behind it there may be slack.
        let found = view.content(*name, &[target]).map_err(told)?;
        used += found.len() as u32;
        if found.len() < content.len() || found[..content.len()] != content[..] {
            return Err(format!("{name} has another content"));
        }
        if found[content.len()..].windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("the slack of {name} is not empty"));
        }
        for on in ["SRC001", "SRC002"].map(volser) {
            if view.vtoc(on).and_then(|vtoc| vtoc.find(name)).map_err(told)?.is_some() {
                return Err(format!("{name} is still on {on}"));
            }
        }
    }
    for gone in ["GROUP.GOES", "GROUP.BEFORE", "GROUP.Z"] {
        let name = gone.parse().unwrap();
        if view.vtoc(target).and_then(|vtoc| vtoc.find(&name)).map_err(told)?.is_some() {
            return Err(format!("{gone} is at the target"));
        }
    }
    let free = view.free(target).map_err(told)?;
    let before = known.free.iter().find(|(on, _)| *on == target).unwrap().1;
    if free + used != before {
        return Err(format!("{free} tracks are free on the target, {used} are used, of {before}"));
    }
    for volume in world.foreign_volumes() {
        let findings = check(&*volume, Tracks::All).map_err(told)?;
        if let Some(error) = findings.iter().find(|f| f.severity == Severity::Error) {
            return Err(format!("{}: {error}", volume.volser()));
        }
    }
    for (volser, area) in &guest.areas {
        if !area.subscriptions().is_empty() {
            return Err(format!("a subscription is left on {volser}"));
        }
    }
    Ok(())
}

fn run(known: &Known, manages_space: bool, at: Option<At>, again: Option<At>) -> Checked {
    let mut world = known.scenario.world.after(at);
    let mut guest = Guest::new(&world, manages_space);
    let mut wanted = Expected::new();
    let patience = if at.is_some_and(|at| matches!(at.fault, Fault::Fail(_))) { 3 } else { 0 };
    let mut ended = process(known, &world, &mut guest, &mut wanted, patience);
    for (fault, next) in [(at, again), (again, None)] {
        if !world.is_dead() {
            break;
        }
        world = world.after(next);
        if fault.is_some_and(|at| matches!(at.fault, Fault::Power(_))) {
            guest.boot(&world);
        }
        ended = process(known, &world, &mut guest, &mut wanted, 0);
    }
    if ended.is_err() && patience > 0 && !world.is_dead() {
        world = world.after(None);
        ended = process(known, &world, &mut guest, &mut wanted, 0);
    }
    ended.map_err(|error| format!("resumed: {error}"))?;
    check_end(known, &world, &guest, &wanted).map_err(|what| format!("in the end: {what}"))
}

/// The operations of a run that nothing interrupts.
fn clean_run(known: &Known, manages_space: bool) -> Vec<world::Kind> {
    let world = known.scenario.world.after(None);
    let (mut guest, mut wanted) = (Guest::new(&world, manages_space), Expected::new());
    process(known, &world, &mut guest, &mut wanted, 0).unwrap();
    check_end(known, &world, &guest, &wanted).unwrap();
    world.operations()
}

/// Every third operation from this one on; the others with the next seeds, and in the other tests.
fn everywhere(first: usize, options: MoveOptions) {
    let known = Known::of(scenario(options));
    let operations = clean_run(&known, false);
    let (mut run_count, mut failures) = (0, Vec::new());
    for seed in 0..crate::seed_count() {
        let places = operations.iter().enumerate().skip((first + seed as usize) % 3).step_by(3);
        for (index, kind) in crate::share(places) {
            let operation = index + 1;
            let mut random = Random::new(seed << 20 | operation as u64);
            let faults = [
                Fault::Kill(Fate::Done),
                Fault::Kill([Fate::TornOld, Fate::TornGarbage, Fate::Dropped][random.below(3)]),
                Fault::Power(Fate::ALL[random.below(4)]),
                Fault::Fail(Fate::ALL[random.below(4)]),
            ];
            let fault = faults[(operation / 3 + seed as usize) % faults.len()];
            let at = At { operation, fault, seed: random.below(1 << 30) as u64 };
            let again = At::again(&mut random, 3, 40);
            run_count += 1;
            let failed = run(&known, false, Some(at), again).err();
            failures.extend(failed.map(|what| format!("{kind:?}, {at:?}, {again:?}: {what}")));
        }
    }
    eprintln!("following: {} operations, {run_count} runs", operations.len());
    assert_none_failed("following", run_count, &failures);
}

#[test]
fn whatever_happens_to_the_sources() {
    everywhere(0, MoveOptions::default());
}

#[test]
fn whatever_happens_while_only_used_tracks_are_copied() {
    everywhere(1, MoveOptions { used_only: true, ..MoveOptions::default() });
}

#[test]
fn whatever_happens_and_the_sources_are_kept() {
    everywhere(2, MoveOptions { keep: true, ..MoveOptions::default() });
}

/// Nothing of what it did is in the journal: a process that ends before it has noted a change finds it made.
#[test]
fn whatever_happens_where_the_system_itself_manages_the_space() {
    let known = Known::of(scenario(MoveOptions::default()));
    let operations = clean_run(&known, true);
    let mut failures = Vec::new();
    for (index, kind) in operations.iter().enumerate() {
        for fate in [Fate::Dropped, Fate::Done] {
            let at = At { operation: index + 1, fault: Fault::Kill(fate), seed: index as u64 };
            let failed = run(&known, true, Some(at), None).err();
            failures.extend(failed.map(|what| format!("{kind:?}, {at:?}: {what}")));
        }
    }
    assert_none_failed("space of the system", 2 * operations.len(), &failures);
}
