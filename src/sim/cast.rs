//! Everybody but the migrating process: images with their applications, and what they have open; data sets as their
//! owners know them.

use super::changes::{Job, Notice};
use super::desk::Desk;
use super::disk::Who;
use super::order::Order;
use super::story::{Act, Setup};
use super::world::World;
use super::writes::{Flight, Telling};
use crate::error::Result;
use crate::event::Event;
use crate::geometry::Track;
use crate::monitor::{Area, Identity, Image, Kind, Standing};
use crate::name::{DsName, Volser};
use crate::volume::Volume;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a track lies.
pub(super) type Place = (Volser, Track);

/// A data set as its owner knows it.
#[derive(Clone, Debug)]
pub(super) struct DataSet {
    /// Tells it from every other one that ever had its name.
    pub id: u32,
    pub name: DsName,
    pub is_cataloged: bool,
    pub is_alive: bool,
    /// The volumes on which its owner allocated it, in order.
    pub volsers: Vec<Volser>,
    /// The number of the write that each of its tracks holds; `None` where nothing was written.
    pub truth: Vec<Option<u32>>,
    /// Where its owner allocated it.
    pub home: Vec<Place>,
    /// Where each of its tracks was written last.
    pub written_at: Vec<Option<Place>>,
    /// A change of it is between two of its steps.
    pub changing: bool,
    /// How often it was renamed.
    pub renamed: u32,
    /// Its creation date.
    pub day: u16,
}

/// An image: a system on which applications run.
pub(super) struct SimImage {
    pub name: String,
    pub kind: Kind,
    /// Its registration on each source volume; none while it is dead.
    pub seats: BTreeMap<Volser, Arc<Image>>,
    away: u32,
    pub stopped: u32,
    pub silent: u32,
    /// What is open, and where it was found.
    pub open: BTreeMap<u32, Vec<Place>>,
    /// Where what was open before was found.
    pub before: BTreeMap<u32, Vec<Place>>,
    /// What it closed because it was asked to.
    wanted: BTreeSet<u32>,
    /// Operations until it closes what it was asked to close.
    patience: Option<u16>,
}

/// Everybody but the migrating process.
pub(super) struct Cast {
    pub setup: Setup,
    pub sources: Vec<Volser>,
    pub targets: Vec<Volser>,
    pub catalog: Volser,
    pub data_sets: Vec<DataSet>,
    pub desk: Desk,
    pub order: Order,
    pub jobs: Vec<Job>,
    /// Where a target was whose place somebody else took.
    pub stolen: Vec<Place>,
    /// Its name.
    pub thief: Option<DsName>,
    areas: BTreeMap<Volser, Area>,
    kept: BTreeMap<Volser, Vec<u64>>,
    pub images: Vec<SimImage>,
    pub flights: Vec<Flight>,
    pub last_number: u32,
    /// Moments so far.
    pub moment: u64,
    pub notice: Notice,
    /// How often the stubborn application has still to be given up.
    stubborn: u8,
}

impl Cast {
    pub fn new(
        setup: Setup,
        sources: Vec<Volser>,
        targets: Vec<Volser>,
        catalog: Volser,
        data_sets: Vec<DataSet>,
    ) -> Cast {
        let image = |number: u8| SimImage {
            name: format!("SYS{}", number + 1),
            kind: if number >= setup.tellers_from { Kind::Completions } else { Kind::Brackets },
            seats: BTreeMap::new(),
            away: 0,
            stopped: 0,
            silent: 0,
            open: BTreeMap::new(),
            before: BTreeMap::new(),
            wanted: BTreeSet::new(),
            patience: None,
        };
        let images = (0..setup.images).map(image).collect();
        let stubborn = if setup.never_closes { 2 } else { 0 };
        Cast {
            setup,
            sources,
            targets,
            catalog,
            data_sets,
            desk: Desk::default(),
            order: Order::default(),
            jobs: Vec::new(),
            stolen: Vec::new(),
            thief: None,
            areas: BTreeMap::new(),
            kept: BTreeMap::new(),
            images,
            flights: Vec::new(),
            last_number: 1,
            moment: 0,
            notice: Notice::default(),
            stubborn,
        }
    }

    /// The machine starts: new areas, and every image registers.
    pub fn boot(&mut self, world: &World) -> Result<()> {
        self.areas.clear();
        for &volser in &self.sources {
            let volume = world.volume_of(volser, Who::Others);
            self.areas
                .insert(volser, Area::simulated(Identity::of(&volume)?, self.setup.slots.into())?);
        }
        (0..self.images.len()).try_for_each(|number| self.start(number))
    }

    fn start(&mut self, number: usize) -> Result<()> {
        let image = &mut self.images[number];
        for (volser, area) in &self.areas {
            if !image.seats.contains_key(volser) {
                let seat = Image::register(area, &image.name, image.kind)?;
                image.seats.insert(*volser, Arc::new(seat));
            }
        }
        Ok(())
    }

    pub fn areas(&self) -> BTreeMap<Volser, Area> {
        self.areas.clone()
    }

    pub fn image_names(&self) -> Vec<String> {
        self.images.iter().map(|image| image.name.clone()).collect()
    }

    /// Keeps the areas as they are at this moment.
    pub fn keep_areas(&mut self) {
        self.kept = self.areas.iter().map(|(on, area)| (*on, area.snapshot())).collect();
    }

    pub fn put_areas_back(&mut self) {
        for (volser, words) in std::mem::take(&mut self.kept) {
            self.areas[&volser].restore(&words);
        }
    }

    /// The machine ended: programs are gone, and so is what was in memory. What stands on the volumes is the truth, where
    /// somebody's writes were lost.
    pub fn lose_power(&mut self, world: &World, lost: &BTreeMap<Volser, BTreeSet<u32>>) {
        self.flights.clear();
        for image in &mut self.images {
            kill(image);
            image.away = 0;
        }
        if let Err(error) = self.boot(world) {
            world.wrong(format!("the machine does not start: {error}"));
        }
        self.jobs.iter_mut().for_each(Job::lose_power);
        self.note_ends(self.data_sets.iter().map(|data_set| data_set.id).collect());
        self.accept_losses(world, lost);
    }

    /// An event of the migration; an error says what is wrong with it.
    pub fn hear(&mut self, event: &Event) -> std::result::Result<(), String> {
        self.order.hear(event)?;
        match event {
            Event::Closed { .. } => self.notice.hear_closed(self.moment),
            Event::Accommodated { .. } if self.order.is_in_window() => {
                return self.notice.check_in_window();
            }
            _ => {}
        }
        Ok(())
    }

    /// What was not closed properly is verified by its system: which track is the last.
    fn note_ends(&mut self, ids: Vec<u32>) {
        if self.setup.used_only {
            let closed = ids.into_iter().filter(|id| {
                let data_set = &self.data_sets[*id as usize];
                data_set.is_alive && !data_set.changing
            });
            self.jobs.extend(closed.map(|id| Job::touch(id, true)));
        }
    }

    /// A moment of everybody's life.
    pub fn go_on(&mut self, world: &World) {
        self.moment += 1;
        for number in 0..self.images.len() {
            self.live(number, world);
        }
        self.fly(world);
        self.work(world);
    }

    fn live(&mut self, number: usize, world: &World) {
        let image = &mut self.images[number];
        if image.away > 0 {
            image.away -= 1;
            if image.away == 0 {
                let name = image.name.clone();
                world.note(|| format!("{name} starts"));
                if let Err(error) = self.start(number) {
                    world.wrong(format!("{name} cannot start: {error}"));
                }
            }
            return;
        }
        if image.silent > 0 {
            image.silent -= 1;
            let is_writing = self.flights.iter().any(|flight| flight.image == number);
            if image.silent == 0 && is_writing {
                image.silent = 1;
            } else if image.silent == 0 {
                self.come_back(number, world);
            }
        }
        let image = &mut self.images[number];
        if image.stopped > 0 {
            image.stopped -= 1;
            return;
        }
        self.open_what_is_wanted(number, world);
        self.close_if_asked(number, world);
    }

    /// Whoever had to close opens again as soon as he may, and writes at once.
    fn open_what_is_wanted(&mut self, number: usize, world: &World) {
        if !self.setup.eager {
            return;
        }
        for id in self.images[number].wanted.clone() {
            let data_set = self.data_set(id);
            let name = data_set.name;
            if !data_set.is_alive || self.desk.is_asked(&name) || self.desk.is_held(&name) {
                continue;
            }
            self.open(number, id, world);
            if self.images[number].open.contains_key(&id) {
                self.images[number].wanted.remove(&id);
                let track = world.random().below(12) as u8;
                self.begin_write_of(number, (id, track), [0; 3], false, world);
            }
        }
    }

    fn close_if_asked(&mut self, number: usize, world: &World) {
        let asked: Vec<u32> = self.images[number]
            .open
            .keys()
            .copied()
            .filter(|id| self.desk.is_asked(&self.data_set(*id).name))
            .collect();
        if asked.is_empty() {
            self.images[number].patience = None;
            return;
        }
        if number == 0 && self.stubborn > 0 {
            return;
        }
        let patience = self.images[number].patience.get_or_insert(self.setup.patience);
        if *patience > 0 {
            *patience -= 1;
            return;
        }
        for id in asked {
            self.close(number, id, world);
            if !self.images[number].open.contains_key(&id) {
                self.images[number].wanted.insert(id);
            }
        }
    }

    /// The window was given up once more: some day the stubborn one is ended.
    pub fn give_up_stubborn(&mut self) {
        self.stubborn = self.stubborn.saturating_sub(1);
    }

    fn close(&mut self, number: usize, id: u32, world: &World) {
        let is_flying = self.flights.iter().any(|f| f.image == number && f.id == id);
        let waits = !self.setup.sloppy || self.images[number].kind != Kind::Brackets;
        if is_flying && waits {
            return;
        }
        let image = &mut self.images[number];
        let Some(places) = image.open.remove(&id) else { return };
        let by = image.name.clone();
        let on_source = self.areas.contains_key(&places[0].0);
        image.before.insert(id, places);
        let name = self.data_set(id).name;
        world.note(|| format!("{by} closes {name}"));
        if on_source && (self.setup.used_only || self.setup.patience.is_multiple_of(2)) {
            self.jobs.push(Job::touch(id, self.setup.used_only));
        }
    }

    pub fn data_set(&self, id: u32) -> &DataSet {
        &self.data_sets[id as usize]
    }

    /// The data set that a story means by a number: one of those that live.
    pub fn meant(&self, number: u8) -> Option<u32> {
        let alive: Vec<u32> = self.data_sets.iter().filter(|d| d.is_alive).map(|d| d.id).collect();
        let number = usize::from(number).checked_rem(alive.len())?;
        Some(alive[number])
    }

    fn image_number(&self, number: u8) -> usize {
        usize::from(number) % self.images.len()
    }

    /// Whether its programs run.
    pub fn runs(&self, number: usize) -> bool {
        let image = &self.images[number];
        image.away == 0 && image.stopped == 0
    }

    /// Whether they run, and tell what they write.
    fn is_up(&self, number: usize) -> bool {
        self.runs(number) && self.images[number].silent == 0
    }

    /// Who has one of these open: image, data set.
    pub fn openers(&self, names: &[DsName]) -> Vec<(String, DsName)> {
        let mut openers = Vec::new();
        for image in &self.images {
            for id in image.open.keys() {
                let name = self.data_set(*id).name;
                if names.contains(&name) {
                    openers.push((image.name.clone(), name));
                }
            }
        }
        let jobs = self.names_of_jobs().into_iter().filter(|name| names.contains(name));
        openers.extend(jobs.map(|name| ("SYS1".to_string(), name)));
        openers
    }

    /// Whether a write of this track is under way.
    pub fn is_being_written(&self, id: u32, index: usize) -> bool {
        self.flights.iter().any(|flight| flight.id == id && flight.index == index)
    }

    pub fn is_in_use(&self, id: u32) -> bool {
        self.images.iter().any(|image| image.open.contains_key(&id))
            || self.flights.iter().any(|flight| flight.id == id)
    }

    /// What the story says for now.
    pub fn act(&mut self, world: &World, act: Act) {
        match act {
            Act::Open { image, data_set } => {
                if let Some(id) = self.meant(data_set) {
                    self.open(self.image_number(image), id, world);
                }
            }
            Act::Close { image, data_set } => {
                if let Some(id) = self.meant(data_set) {
                    self.close(self.image_number(image), id, world);
                }
            }
            Act::Write { image, data_set, track, steps } => {
                self.begin_write(self.image_number(image), (data_set, track), steps, false, world);
            }
            Act::WriteLate { image, data_set, track, steps } => {
                self.begin_write(self.image_number(image), (data_set, track), steps, true, world);
            }
            Act::Flush { volume } => {
                let all: Vec<Volser> = self.sources.iter().chain(&self.targets).copied().collect();
                let volser = all[usize::from(volume) % all.len()];
                if let Some(disk) = world.disks().volumes.get_mut(&volser) {
                    disk.flush();
                }
            }
            Act::Die { image, away } => self.die(self.image_number(image), away, world),
            Act::Stop { image, stopped } => {
                let number = self.image_number(image);
                let image = &mut self.images[number];
                image.stopped = u32::from(stopped) + 1;
                let name = image.name.clone();
                world.note(|| format!("{name} is stopped"));
                world.count(|counts| counts.image_stops += 1);
            }
            Act::Silence { image, silent } => {
                self.fall_silent(self.image_number(image), silent, world);
            }
            act => self.change(world, act),
        }
    }

    fn open(&mut self, number: usize, id: u32, world: &World) {
        let data_set = self.data_set(id);
        let is_free = !self.desk.is_held(&data_set.name) && !data_set.changing;
        if !self.is_up(number) || !is_free || !self.is_sound(world) {
            return;
        }
        if self.images[number].open.contains_key(&id) {
            return;
        }
        let (by, name) = (self.images[number].name.clone(), data_set.name);
        match self.find(world, data_set) {
            Ok(places) => {
                world.note(|| format!("{by} opens {name} on {}", places[0].0));
                self.images[number].open.insert(id, places);
            }
            Err(what) => world.wrong(format!("{by} opens {name}: {what}")),
        }
    }

    /// An image is killed. What its device was writing comes to its end, or never began.
    fn die(&mut self, number: usize, away: u8, world: &World) {
        if self.images[number].away > 0 {
            return;
        }
        let (flights, others) =
            std::mem::take(&mut self.flights).into_iter().partition(|f| f.image == number);
        self.flights = others;
        let flights: Vec<Flight> = flights;
        for flight in &flights {
            if flight.step == 1 || flight.step == 0 && world.random().once_in(2) {
                self.put(flight, false, world);
            }
        }
        self.note_ends(self.images[number].open.keys().copied().collect());
        let image = &mut self.images[number];
        // Their slots stay taken.
        flights.into_iter().for_each(drop);
        kill(image);
        image.away = u32::from(away) + 1;
        let name = image.name.clone();
        world.note(|| format!("{name} is killed"));
        world.count(|counts| counts.image_deaths += 1);
    }

    /// Nobody knows any more what an image writes; it goes on all the same, if it has something to write.
    fn fall_silent(&mut self, number: usize, silent: u8, world: &World) {
        let image = &mut self.images[number];
        if image.away > 0 || image.silent > 0 {
            return;
        }
        for (volser, area) in &self.areas {
            if image.seats.contains_key(volser)
                && let Err(error) = area.set_silent(&image.name)
            {
                world.wrong(format!("{} cannot be silent: {error}", image.name));
            }
        }
        image.silent = u32::from(silent) + 1;
        let name = image.name.clone();
        world.note(|| format!("{name} falls silent"));
        world.count(|counts| counts.image_silences += 1);
    }

    fn come_back(&mut self, number: usize, world: &World) {
        let image = &self.images[number];
        for (volser, area) in &self.areas {
            if image.seats.contains_key(volser)
                && let Err(error) = area.set_back(&image.name)
            {
                world.wrong(format!("{} cannot come back: {error}", image.name));
            }
        }
        let name = image.name.clone();
        world.note(|| format!("{name} is back"));
    }

    /// A volume as the first image that is up has it; nothing if none is.
    pub fn as_image(&self, world: &World, volser: Volser) -> Option<Arc<dyn Volume>> {
        let number = (0..self.images.len()).find(|&number| self.is_up(number))?;
        let image = &self.images[number];
        let inner = world.volume_of(volser, Who::Others);
        let seat = image.seats.get(&volser).cloned();
        Some(Arc::new(Telling { inner, image: seat, kind: image.kind }))
    }

    /// Whether nothing is under way.
    pub fn is_calm(&self) -> bool {
        let is_up = |number| self.is_up(number);
        self.flights.is_empty() && self.jobs.is_empty() && (0..self.images.len()).all(is_up)
    }

    /// That nothing is left of the migration in any area.
    pub fn check_areas(&self) -> std::result::Result<(), String> {
        for (volser, area) in &self.areas {
            if !area.subscriptions().is_empty() {
                return Err(format!("a subscription is left on {volser}"));
            }
            let is_there = |image: &crate::monitor::ImageReport| {
                image.name == super::driver::IMAGE && image.standing == Standing::Attached
            };
            if area.images().iter().any(is_there) {
                return Err(format!("the migrating image is still registered on {volser}"));
            }
        }
        Ok(())
    }

    /// Places of an open data set change with it.
    pub fn move_places(&mut self, id: u32, home: &[Place]) {
        for image in &mut self.images {
            if let Some(places) = image.open.get_mut(&id) {
                *places = home.to_vec();
            }
            image.before.remove(&id);
        }
    }
}

/// Ends the programs of an image without a word.
fn kill(image: &mut SimImage) {
    let seats = std::mem::take(&mut image.seats);
    seats.into_values().filter_map(Arc::into_inner).for_each(Image::die);
    image.open.clear();
    image.before.clear();
    image.wanted.clear();
    (image.stopped, image.silent, image.patience) = (0, 0, None);
}
