//! A data set in many extents on several volumes becomes one extent on one volume, while it is written to.

use crate::moving::Request;
use crate::support::between::Between;
use crate::support::lead::to;
use crate::support::{assert_refused, volser};
use crate::world::{Deed, World, name};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fs;
use std::sync::Arc;
use trackmirror::Reason;
use trackmirror::enqueue::{AllOf, RegistryEnqueue};
use trackmirror::event::Event;
use trackmirror::migrate::Goal;
use trackmirror::operator::{CommandEnqueue, OperatorCommand};
use trackmirror::registry::openers::Openers;
use trackmirror::state::State;
use trackmirror::volume::Volume;
use trackmirror::vtoc::Vtoc;

/// The whole method: what the event log says, but for each step's progress and each state.
const LOG: &[&str] = &[
    "assessed",
    "allocated",
    "monitors-started",
    "monitors-started",
    "copy-begun",
    "pass",
    "pass",
    "pass",
    "resynchronized",
    "close-requested",
    "still-open",
    "pass",
    "still-open",
    "closed",
    "window-opened",
    "pass",
    "finally-resynchronized",
    "nothing-differs",
    "cataloged",
    "looked",
    "released",
    "scratched",
    "scratched",
    "completed",
];

const IMAGES: [&str; 2] = ["SYSA", "SYSB"];

/// What is written to the source while each run of tracks is copied, one after the other.
type Meanwhile = Arc<Mutex<VecDeque<Vec<Deed>>>>;

/// The operator, by a command of his own: what he was told is in the file `asked`, and jobs of his that have the data
/// set are in the file `jobs`.
fn operator(world: &World) -> CommandEnqueue {
    let (asked, jobs) = (world.path("asked"), world.path("jobs"));
    fs::write(&jobs, "SYSB NIGHTJOB\n").unwrap();
    let ask = format!("cat >> '{}'", asked.display());
    let is_closed = format!("test ! -s '{0}' || {{ cat '{0}'; exit 4; }}", jobs.display());
    CommandEnqueue {
        ask_to_close: Some(OperatorCommand::new(ask)),
        is_closed: Some(OperatorCommand::new(is_closed)),
        ..CommandEnqueue::default()
    }
}

#[test]
fn many_extents_on_several_volumes_become_one_while_they_are_written() {
    let world = World::new(&["OLD001", "OLD002"], &["NEW001"]);
    let ledger = name("TEST.LEDGER");
    world.make(
        ledger,
        &[("OLD001", &[(100, 12), (130, 9), (160, 4)]), ("OLD002", &[(90, 8), (120, 7)])],
    );
    assert_eq!(world.listed_one("OLD001", ledger), Some((25, 3)));
    assert_eq!(world.listed_one("OLD002", ledger), Some((15, 2)));

    let openers = Openers::at(&world.path("openers")).unwrap();
    let application = openers.open(&ledger, "SYSA").unwrap();
    let by_registry = RegistryEnqueue::new(openers.clone(), "the test");
    let by_operator = operator(&world);
    // Whenever tracks are written to the target, the log says that the monitors are there, and an application writes.
    let (log, areas) = (world.log.clone(), world.areas.clone());
    let meanwhile = Meanwhile::default();
    let deeds = meanwhile.clone();
    let watch_copies = move |volume: Arc<dyn Volume>| -> Arc<dyn Volume> {
        let (log, areas, deeds) = (log.clone(), areas.clone(), deeds.clone());
        let vtoc = Vtoc::read(&*volume).unwrap().extent;
        Between::writes(volume, move |track, _| {
            if vtoc.contains(track) {
                return Ok(());
            }
            let events = log.events();
            for (serial, area) in &areas {
                let images = IMAGES.map(String::from).to_vec();
                let started = Event::MonitorsStarted { volser: *serial, images };
                assert!(events.contains(&started), "track {} comes too early", track.0);
                area.check_coverage(&IMAGES).unwrap();
            }
            let now = deeds.lock().pop_front().unwrap_or_default();
            now.into_iter().try_for_each(|deed| deed())
        })
    };
    let request = Request {
        images: &IMAGES,
        enqueue: Some(Arc::new(AllOf(vec![Arc::new(by_registry), Arc::new(by_operator)]))),
        wrap: &watch_copies,
        ..Request::default()
    };
    let mut migration = world.begin(&request);

    // One primary request of the total space, under the same name.
    let plan = migration.plan();
    let [planned] = &plan.data_sets[..] else { panic!("one data set is planned") };
    let [part] = &planned.parts[..] else { panic!("one part is planned") };
    assert_eq!((planned.assessment.name, part.new.format1.name()), (ledger, ledger));
    assert_eq!((part.volser, part.new.extents.len()), (volser("NEW001"), 1));
    assert_eq!(part.new.extents[0].track_count, 40);
    migration.reserve().unwrap();
    assert_eq!(world.listed_one("NEW001", ledger), Some((40, 1)));
    let allocated = Event::Allocated {
        data_set: ledger,
        volser: volser("NEW001"),
        extents: part.new.extents.clone(),
    };
    assert!(world.log.events().contains(&allocated));

    // Not before all images are covered.
    let empty = world.tracks("NEW001");
    assert_refused(migration.step(40), Reason::NotCovered, &["SYSB"]);
    assert!(world.tracks("NEW001") == empty, "something was copied");
    world.attach("SYSB");

    // Pass by pass, while both images go on writing: for each run of tracks that is copied, the places that are written.
    migration.set_goal(Goal::Tracks(3));
    let first_copy: [&[usize]; 5] = [&[], &[0, 1, 2, 3], &[12, 13], &[25], &[7]];
    let second: [&[usize]; 4] = [&[0, 1], &[], &[12], &[2, 25]];
    let third: [&[usize]; 3] = [&[], &[1], &[12]];
    for places in first_copy.iter().chain(&second).chain(&third) {
        let images = IMAGES.iter().cycle();
        let deeds =
            places.iter().zip(images).map(|(place, image)| world.later(image, ledger, *place));
        meanwhile.lock().push_back(deeds.collect());
    }
    while migration.state() == State::Copying {
        migration.step(100).unwrap();
    }
    assert!(meanwhile.lock().is_empty(), "everything was written");
    assert_eq!(migration.state(), State::Mirrored);
    let left_by_pass: Vec<u64> = world.log.events().iter().filter_map(left_of_pass).collect();
    assert_eq!(left_by_pass, [8, 5, 2], "the first copy and two resynchronizations");

    // The preliminary resynchronization is done, and nobody was asked for anything yet.
    assert_eq!(world.events().iter().filter(|word| **word == "resynchronized").count(), 1);
    assert!(!world.events().contains(&"close-requested"));
    assert_eq!(application.close_requested().unwrap(), None);
    assert!(!world.path("asked").exists());

    // Application and operator are asked, both of them have it still, and nobody else gets it.
    let still_open = migration.quiesce().unwrap();
    let images: Vec<&str> = still_open.iter().map(|opener| opener.image.as_str()).collect();
    assert_eq!(images, ["SYSA", "SYSB"]);
    assert!(application.close_requested().unwrap().is_some());
    let told = fs::read_to_string(world.path("asked")).unwrap();
    assert!(told.contains("\"ask-to-close\"") && told.contains("TEST.LEDGER"), "{told}");
    assert_refused(openers.open(&ledger, "SYSA"), Reason::DataSetHeld, &["TEST.LEDGER"]);
    assert_eq!(migration.state(), State::Closing);

    // Those who have it write on, and are followed.
    world.write("SYSA", ledger, 5);
    world.write("SYSB", ledger, 35);
    migration.step(20).unwrap();
    drop(application);
    assert_eq!(migration.quiesce().unwrap().len(), 1, "closed by one is not closed");
    assert_eq!(migration.state(), State::Closing);
    [6, 20, 36].iter().for_each(|place| world.write("SYSB", ledger, *place));
    fs::write(world.path("jobs"), "").unwrap();
    assert!(!world.events().contains(&"window-opened"));
    assert_eq!(migration.quiesce().unwrap(), []);

    // In the window: nobody writes, the rest is copied, the rest is compared, and the catalog comes last.
    assert_eq!(migration.state(), State::Quiesced);
    assert_refused(world.try_write("SYSB", ledger, 6), Reason::VolumeSealed, &[]);
    to(&mut migration, State::Switched);
    assert!(openers.holds().unwrap().is_empty(), "it may be opened");
    assert_eq!(openers.open(&ledger, "SYSA").unwrap().data_set(), &ledger);
    assert_eq!(world.looked_up(ledger), ["NEW001"]);
    assert!(migration.receipt().window_tracks >= 3, "{:?}", migration.receipt());
    to(&mut migration, State::Complete);
    drop(migration);

    let words = world.events().into_iter();
    let words: Vec<&str> = words.filter(|word| !["moved", "copied"].contains(word)).collect();
    assert_eq!(words, LOG);
    let events = world.log.events();
    let of_window = |event: &Event| match event {
        Event::FinallyResynchronized { copied_tracks } => Some(*copied_tracks),
        _ => None,
    };
    assert!(events.iter().find_map(of_window) >= Some(3), "the window copied what came last");
    world.assert_moved(ledger, &["NEW001"]);
    assert_eq!(world.listed_one("NEW001", ledger), Some((40, 1)));
    world.assert_clean();
}

/// What was left when a pass ended.
fn left_of_pass(event: &Event) -> Option<u64> {
    match event {
        Event::Passed { left_tracks, .. } => Some(*left_tracks),
        _ => None,
    }
}
