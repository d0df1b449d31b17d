//! An application that works with the data sets while they move, and remembers what they must hold. It finds them as
//! every user does, by catalog and VTOC; it writes through its monitor; it closes when it is asked, does not open what
//! is held, and looks at everything each time it opens.

use crate::known::{Known, View, has_torn_structure, told};
use crate::world::{Random, World};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use trackmirror::enqueue::{Enqueue, Opener};
use trackmirror::geometry::{Extent, Track};
use trackmirror::monitor::{Area, Identity, Image, Kind};
use trackmirror::volume::VolumeExt;
use trackmirror::volume::intent::NoJournal;
use trackmirror::vtoc::SpaceManager;
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::{DsName, Result, Volser, track};

pub const IMAGE: &str = "SYSA";

/// What the tracks of a data set hold; `None` where nobody knows or cares.
pub type Ledger = Vec<Option<u32>>;

pub struct Application {
    names: Vec<DsName>,
    sources: Vec<Vec<Volser>>,
    is_cataloged: bool,
    state: Mutex<State>,
}

struct State {
    ledgers: Vec<Ledger>,
    /// For each data set where its tracks lie, while it is open.
    open: Option<Vec<Vec<(Volser, Track)>>>,
    areas: BTreeMap<Volser, Area>,
    images: BTreeMap<Volser, Image>,
    /// At a close it notes which track is the last.
    follows_end: bool,
    is_asked: bool,
    is_held: bool,
    /// It does not want to open, even if it may.
    stays_away: bool,
    /// So many writes it still does before it closes.
    last_writes: usize,
    writes_left: usize,
    write_count: usize,
    random: Random,
    wrongs: Vec<String>,
}

impl Application {
    /// It has the data sets open.
    pub fn new(known: &Known, world: &Arc<World>, seed: u64) -> Arc<Application> {
        let used_only = known.scenario.options.used_only;
        let ledger = |(name, volsers, content): &(DsName, Vec<Volser>, Vec<u32>)| -> Ledger {
            let whole = known.view.content(*name, volsers).unwrap().len();
            let mut ledger: Ledger = content.iter().copied().map(Some).collect();
            assert!(ledger.len() == whole || used_only);
            ledger.resize(whole, None);
            ledger
        };
        let application = Application {
            names: known.scenario.moved.clone(),
            sources: known.moved.iter().map(|(_, volsers, _)| volsers.clone()).collect(),
            is_cataloged: known.scenario.is_cataloged,
            state: Mutex::new(State {
                ledgers: known.moved.iter().map(ledger).collect(),
                open: None,
                areas: BTreeMap::new(),
                images: BTreeMap::new(),
                follows_end: used_only,
                is_asked: false,
                is_held: false,
                stays_away: false,
                last_writes: 2,
                writes_left: 40,
                write_count: 0,
                random: Random::new(seed),
                wrongs: Vec::new(),
            }),
        };
        let application = Arc::new(application);
        application.boot(world, &known.scenario.sources);
        application.state.lock().open(&application, world);
        application
    }

    /// The machine starts: nothing of what was in its memory is left.
    pub fn boot(&self, world: &Arc<World>, sources: &[Volser]) {
        self.state.lock().open = None;
        self.lose_areas(world, sources);
    }

    /// The areas of these volumes are others from now on.
    pub fn lose_areas(&self, world: &Arc<World>, sources: &[Volser]) {
        let mut state = self.state.lock();
        for volume in world.foreign_volumes() {
            if sources.contains(&volume.volser()) {
                let area = Area::in_process(Identity::of(&*volume).unwrap()).unwrap();
                let image = Image::register(&area, IMAGE, Kind::Brackets).unwrap();
                state.images.insert(volume.volser(), image);
                state.areas.insert(volume.volser(), area);
            }
        }
    }

    /// From now on it opens nothing, or does again.
    pub fn stay_away(&self, stays_away: bool) {
        self.state.lock().stays_away = stays_away;
    }

    pub fn areas(&self) -> BTreeMap<Volser, Area> {
        self.state.lock().areas.clone()
    }

    pub fn is_held(&self) -> bool {
        self.state.lock().is_held
    }

    /// Whether it does not have the data sets open, and may not open them.
    pub fn is_shut_out(&self) -> bool {
        let state = self.state.lock();
        state.open.is_none() && (state.is_held || state.is_asked)
    }

    pub fn write_count(&self) -> usize {
        self.state.lock().write_count
    }

    pub fn ledgers(&self) -> Vec<Ledger> {
        self.state.lock().ledgers.clone()
    }

    /// What it saw that must not be.
    pub fn wrongs(&self) -> Vec<String> {
        self.state.lock().wrongs.clone()
    }

    pub fn found_wrong(&self, what: String) {
        self.state.lock().wrongs.push(what);
    }

    /// It lives on while this world's process works.
    pub fn beside(self: &Arc<Self>, world: &Arc<World>) {
        let (application, world_of) = (Arc::downgrade(self), Arc::downgrade(world));
        world.set_meanwhile(Some(Arc::new(move || {
            if let (Some(application), Some(world)) =
                (Weak::upgrade(&application), Weak::upgrade(&world_of))
            {
                application.go_on(&world);
            }
        })));
    }

    /// A moment of its life.
    pub fn go_on(&self, world: &Arc<World>) {
        let mut state = self.state.lock();
        if state.open.is_none() {
            let is_kept_out = state.is_held || state.is_asked || state.stays_away;
            let may = !is_kept_out && !has_torn_structure(world);
            if may && state.random.below(3) == 0 {
                state.open(self, world);
            }
        } else if state.is_asked && state.last_writes == 0 {
            state.close(self, world);
        } else if state.writes_left > 0 && state.random.below(6) == 0 {
            state.writes_left -= 1;
            state.last_writes -= usize::from(state.is_asked);
            state.write(world);
        } else if state.is_asked {
            state.last_writes -= 1;
        }
    }

    /// What it finds where everybody would look, now.
    pub fn check(&self, world: &Arc<World>) {
        let mut state = self.state.lock();
        if let Err(wrong) = state.find(self, world) {
            state.wrongs.push(wrong);
        }
    }
}

impl State {
    /// Where the data sets are, and that they hold what they must.
    fn find(
        &self,
        of: &Application,
        world: &Arc<World>,
    ) -> std::result::Result<Vec<Vec<(Volser, Track)>>, String> {
        let view = View::of(world);
        let mut places = Vec::new();
        for (number, name) in of.names.iter().enumerate() {
            let volsers = match of.is_cataloged {
                true => view.locate(*name).map_err(told)?.to_vec(),
                false => of.sources[number].clone(),
            };
            let content = view.content(*name, &volsers).map_err(told)?;
            let ledger = &self.ledgers[number];
            let differs =
                |(found, wanted): (&u32, &Option<u32>)| wanted.is_some_and(|w| w != *found);
            if content.len() < ledger.len() {
                return Err(format!("{name} on {volsers:?} has {} tracks", content.len()));
            }
            if let Some(track) = content.iter().zip(ledger).position(differs) {
                return Err(format!("{name} on {volsers:?} has lost a write of its track {track}"));
            }
            let mut tracks = Vec::new();
            for volser in volsers {
                let found = view.vtoc(volser).and_then(|vtoc| vtoc.find(name)).map_err(told)?;
                let extents = found.expect("its content was read").extents;
                let all = extents.iter().flat_map(|e| e.first.0..e.end().0);
                tracks.extend(all.map(|track| (volser, Track(track))));
            }
            places.push(tracks);
        }
        Ok(places)
    }

    fn open(&mut self, of: &Application, world: &Arc<World>) {
        match self.find(of, world) {
            Ok(places) => self.open = Some(places),
            Err(wrong) => self.wrongs.push(format!("when it was opened: {wrong}")),
        }
    }

    /// Closes: what it notes in the DSCBs is what a system notes at a close.
    fn close(&mut self, of: &Application, world: &Arc<World>) {
        let Some(open) = self.open.take() else { return };
        for (number, (name, places)) in of.names.iter().zip(open).enumerate() {
            let volsers: std::collections::BTreeSet<Volser> =
                places.iter().map(|(volser, _)| *volser).collect();
            for volser in volsers {
                let space = VtocSpaceManager::new(world.foreign_volume(volser));
                let Some(found) = space.find(name).unwrap() else { continue };
                let mut format1 = found.format1;
                let day = &mut format1.as_bytes_mut()[76];
                *day = day.wrapping_add(1);
                if self.follows_end
                    && let Some(last) = self.ledgers[number].iter().rposition(Option::is_some)
                {
                    format1.set_last_used(Some((last as u32, 3)));
                }
                let identity = trackmirror::vtoc::Identity::of(&found);
                space.update(&identity, &format1, &NoJournal).unwrap();
            }
        }
    }

    fn write(&mut self, world: &Arc<World>) {
        let Some(open) = &self.open else { return };
        let number = self.random.below(open.len());
        let place = self.random.below(self.ledgers[number].len());
        let (volser, track) = open[number][place];
        let volume = world.foreign_volume(volser);
        let mut slot = vec![0; volume.slot_size()];
        self.write_count += 1;
        let data: Vec<u8> = (0..300).map(|_| self.random.below(256) as u8).collect();
        let records: Vec<(&[u8], &[u8])> = data.chunks(100).map(|data| (&[][..], data)).collect();
        track::build(&mut slot, volume.place(track), &records).unwrap();
        let digest = track::digest(&slot, volume.place(track)).unwrap();
        let write = || volume.write(track, &slot).unwrap();
        let written = match self.images.get(&volser) {
            Some(image) => image.write(Extent::new(track, 1), write),
            None => {
                write();
                Ok(())
            }
        };
        match written {
            Ok(()) => self.ledgers[number][place] = Some(digest),
            Err(error) => self.wrongs.push(format!("it is let in, but: {error}")),
        }
    }
}

/// The port, beside a world in which its verbs may be interrupted.
pub struct Asked {
    pub application: Arc<Application>,
    pub world: Arc<World>,
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asked")
    }
}

impl Enqueue for Asked {
    fn ask_to_close(&self, names: &[DsName], _: &[Volser]) -> Result<()> {
        assert_eq!(names, self.application.names);
        self.world.enqueue("ask", || {
            let mut state = self.application.state.lock();
            (state.is_asked, state.last_writes) = (true, 2);
        })
    }
    fn is_closed(&self, _: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        self.world.enqueue("is closed", || {})?;
        let opener = || Opener {
            image: IMAGE.into(),
            program: "application".into(),
            process: None,
            data_set: None,
        };
        let is_open = self.application.state.lock().open.is_some();
        Ok(is_open.then(opener).into_iter().collect())
    }
    fn hold(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        self.world.enqueue("hold", || self.application.state.lock().is_held = true)
    }
    fn release(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        self.world.enqueue("release", || {
            let mut state = self.application.state.lock();
            (state.is_asked, state.is_held) = (false, false);
        })
    }
}
