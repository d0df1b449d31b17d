//! The promise of the operator's commands: a change of an attached volume is handed over as statements, its own system
//! makes it, and only what is seen on the volume has happened.
//!
//! The running system is a shell script: it keeps what it was told, and changes the image by putting another one in its
//! place, which the library made by itself.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use support::{assert_refused, copy_sparse, made};
use tempfile::TempDir;
use trackmirror::catalog::cvol::CvolCatalog;
use trackmirror::catalog::{Catalog, CatalogEntry, CatalogVolume};
use trackmirror::checkpoint::MemoryStore;
use trackmirror::dscb::Format1;
use trackmirror::enqueue::{AllOf, Enqueue, NobodyElse};
use trackmirror::geometry::{Device, Extent, Track};
use trackmirror::host::Host;
use trackmirror::migrate::{Migration, MoveOptions, Selection, propose};
use trackmirror::operator::{CommandCatalog, CommandEnqueue, CommandSpaceManager, OperatorCommand};
use trackmirror::plan::Mode;
use trackmirror::state::{State, Verb};
use trackmirror::volume::ckd::CkdVolume;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{self, Access, Volume};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::{Expiration, Identity, NewDataSet, SpaceManager, init};
use trackmirror::{DsName, Reason};

const LONG: &str = "ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH";

fn name(text: &str) -> DsName {
    text.parse().unwrap()
}

/// An attached volume with a catalog, and the script that is its system.
struct World {
    folder: TempDir,
    image: PathBuf,
}

impl World {
    fn new() -> World {
        let folder = support::folder();
        let image = made(folder.path(), "image", "2311", 20);
        edit(&image, |volume| {
            init::initialize(&*volume, volume.volser(), None, "").unwrap();
            let space = VtocSpaceManager::new(volume.clone());
            for (data_set, first, track_count) in
                [("SYSCTLG", 30, 2), ("TEST.DATA", 40, 3), (LONG, 50, 1)]
            {
                let mut format1 = Format1::new(name(data_set));
                format1.set_creation_date([76, 0, 100]);
                let extents = vec![Extent::new(Track(first), track_count)];
                space.allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();
            }
            CvolCatalog::format(volume.clone(), vec![Extent::new(Track(30), 2)]).unwrap();
            let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
            catalog.add(&source(), &NoJournal).unwrap();
        });
        World { folder, image }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Another state of the image, under this name.
    fn state(&self, name: &str, change: impl FnOnce(Arc<dyn Volume>)) {
        copy_sparse(&self.image, &self.file(name));
        edit(&self.file(name), change);
    }

    /// Another state of the catalog, under this name.
    fn cataloged(&self, name: &str, change: impl FnOnce(&CvolCatalog)) {
        self.state(name, |volume| change(&CvolCatalog::find_on(volume).unwrap().unwrap()));
    }

    /// What puts another state in the image's place.
    fn become_state(&self, state: &str) -> String {
        format!("cat {} > {}", self.file(state).display(), self.image.display())
    }

    /// A system that keeps its input in `input.N` for its N-th call, and then does this.
    fn command(&self, act: &str) -> OperatorCommand {
        let folder = self.folder.path().display();
        OperatorCommand {
            time_limit: Duration::from_secs(60),
            look_limit: Duration::from_secs(20),
            ..OperatorCommand::new(format!(
                "cd {folder}; number=$(ls input.* 2>/dev/null | wc -l); cat > input.$number\n{act}"
            ))
        }
    }

    /// The same, where nothing more is to be expected.
    fn impatient(&self, act: &str) -> OperatorCommand {
        OperatorCommand { look_limit: Duration::from_millis(100), ..self.command(act) }
    }

    fn volume(&self) -> Arc<dyn Volume> {
        volume::open(&self.image, Access::Read).unwrap()
    }

    fn catalog(&self, command: OperatorCommand) -> CommandCatalog {
        CommandCatalog::cvol_on(self.volume(), command).unwrap().unwrap()
    }

    fn space(&self, command: OperatorCommand) -> CommandSpaceManager {
        CommandSpaceManager::new(self.volume(), command)
    }

    fn call_count(&self) -> usize {
        (0..).take_while(|number| self.file(&format!("input.{number}")).exists()).count()
    }

    /// What the N-th call read.
    fn input(&self, number: usize) -> String {
        fs::read_to_string(self.file(&format!("input.{number}"))).unwrap()
    }
}

fn edit(image: &Path, change: impl FnOnce(Arc<dyn Volume>)) {
    change(volume::open(image, Access::Exclusive).unwrap());
}

fn entry(data_set: &str, volsers: &[&str], dscb: Option<[u8; 3]>) -> CatalogEntry {
    let unit_type = Device::named("3330").unwrap().unit_type();
    let volumes = volsers.iter().map(|volser| CatalogVolume {
        unit_type,
        volser: volser.parse().unwrap(),
        file_sequence: 0,
    });
    CatalogEntry { name: name(data_set), volumes: volumes.collect(), dscb }
}

fn source() -> CatalogEntry {
    entry("TEST.DATA", &["OLD001"], Some([0, 1, 3]))
}

/// As a migration wants it; a running system leaves the address of the F1 out.
fn target() -> CatalogEntry {
    entry("TEST.DATA", &["NEW001"], Some([0, 1, 5]))
}

/// The states that the catalog goes through when its system recatalogs.
fn states(world: &World) {
    world.cataloged("between", |catalog| catalog.delete(&name("TEST.DATA"), &NoJournal).unwrap());
    world.cataloged("after", |catalog| {
        let to = CatalogEntry { dscb: None, ..target() };
        catalog.recatalog(&source(), &to, &NoJournal).unwrap();
    });
}

#[test]
fn a_recatalog_is_handed_over_and_seen() {
    let world = World::new();
    states(&world);
    let catalog = world.catalog(world.command(&world.become_state("after")));
    assert!(catalog.recatalog_is_two_steps() && catalog.is_delegated());
    assert_eq!(catalog.name(), "SYSCTLG on MADE01");
    catalog.recatalog(&source(), &target(), &NoJournal).unwrap();
    assert_eq!(
        world.input(0),
        " UNCATLG DSNAME=TEST.DATA,CVOL=2311=MADE01\n\
         \x20CATLG DSNAME=TEST.DATA,VOL=3330=NEW001,CVOL=2311=MADE01\n\
         \n\
         {\"version\":1,\"verb\":\"recatalog\",\"catalog\":\"SYSCTLG on MADE01\",\"volume\":\"MADE01\",\
         \"data_set\":\"TEST.DATA\",\"from\":[{\"volume\":\"OLD001\",\"unit\":\"3330\"}],\
         \"to\":[{\"volume\":\"NEW001\",\"unit\":\"3330\"}],\"two_steps\":true}\n"
    );
    let now = catalog.locate(&name("TEST.DATA")).unwrap().unwrap();
    assert!(now.leads_as(&target()) && now != target() && !now.leads_as(&source()));
    catalog.recatalog(&source(), &target(), &NoJournal).unwrap();
    assert_eq!(world.call_count(), 1, "what is done is not done again");
}

#[test]
fn a_change_is_waited_for_because_a_system_writes_when_it_likes() {
    let world = World::new();
    states(&world);
    let later = format!("(sleep 1; {}) &", world.become_state("after"));
    let catalog = world.catalog(world.command(&later));
    catalog.recatalog(&source(), &target(), &NoJournal).unwrap();
    assert!(catalog.locate(&name("TEST.DATA")).unwrap().unwrap().leads_as(&target()));
}

#[test]
fn a_change_that_did_not_happen_is_told() {
    let world = World::new();
    let recatalog = |command: OperatorCommand| {
        world.catalog(command).recatalog(&source(), &target(), &NoJournal)
    };
    let before = fs::read(&world.image).unwrap();
    let still = "TEST.DATA is cataloged on OLD001";
    let said = world.impatient("echo; echo JOB 17 ENDED");
    assert_refused(recatalog(said), Reason::ChangeNotSeen, &[still, "JOB 17 ENDED", "MADE01"]);
    let refused = world.command("echo IEF123I NO SUCH UNIT >&2; exit 12");
    let words = [still, "ended with 12: IEF123I NO SUCH UNIT"];
    assert_refused(recatalog(refused), Reason::CommandRefused, &words);
    let slow = OperatorCommand { time_limit: Duration::from_secs(1), ..world.command("sleep 600") };
    assert_refused(recatalog(slow), Reason::CommandLate, &[still, "after 1 s"]);
    let busy = OperatorCommand { time_limit: Duration::from_secs(1), ..world.command("exit 4") };
    assert_refused(recatalog(busy), Reason::CommandLate, &[still, "not yet"]);
    let missing = world.command("no-such-program-anywhere");
    assert_refused(recatalog(missing), Reason::CommandRefused, &["ended with 127", "not found"]);
    assert!(fs::read(&world.image).unwrap() == before, "nothing is written here");
}

#[test]
fn a_command_that_failed_but_did_it_did_it() {
    let world = World::new();
    states(&world);
    let catalog = world.catalog(world.command(&format!("{}; exit 8", world.become_state("after"))));
    catalog.recatalog(&source(), &target(), &NoJournal).unwrap();
}

#[test]
fn between_two_steps_the_second_is_still_to_do() {
    let world = World::new();
    states(&world);
    let first_step = world.become_state("between");
    let stopped = world.catalog(world.impatient(&first_step));
    let recatalog = |catalog: &CommandCatalog| catalog.recatalog(&source(), &target(), &NoJournal);
    assert_refused(recatalog(&stopped), Reason::ChangeNotSeen, &["TEST.DATA is uncataloged"]);

    // The job failed in its second step, and the command tells.
    let catalog = world.catalog(world.command("exit 8"));
    assert_refused(recatalog(&catalog), Reason::CommandRefused, &["TEST.DATA is uncataloged"]);
    let only_catlg = " CATLG DSNAME=TEST.DATA,VOL=3330=NEW001,CVOL=2311=MADE01\n\n";
    assert!(world.input(1).starts_with(only_catlg), "{}", world.input(1));
    assert!(world.input(1).contains("\"from\":[],"), "{}", world.input(1));

    let catalog = world.catalog(world.command(&world.become_state("after")));
    recatalog(&catalog).unwrap();
    assert!(world.input(2).starts_with(only_catlg));
    assert!(catalog.locate(&name("TEST.DATA")).unwrap().unwrap().leads_as(&target()));

    // Backed out from between the steps.
    fs::copy(world.file("between"), &world.image).unwrap();
    world.cataloged("before", |catalog| catalog.add(&source(), &NoJournal).unwrap());
    let catalog = world.catalog(world.command(&world.become_state("before")));
    catalog.recatalog(&target(), &source(), &NoJournal).unwrap();
    assert!(world.input(3).starts_with(" CATLG DSNAME=TEST.DATA,VOL=3330=OLD001,"));
    assert_eq!(world.call_count(), 4);
}

#[test]
fn an_entry_that_somebody_changed_is_left_alone() {
    let world = World::new();
    let elsewhere = entry("TEST.DATA", &["ALIEN1"], None);
    edit(&world.image, |volume| {
        let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
        catalog.recatalog(&source(), &elsewhere, &NoJournal).unwrap();
    });
    let catalog = world.catalog(world.command("exit 0"));
    let recataloged = catalog.recatalog(&source(), &target(), &NoJournal);
    assert_refused(recataloged, Reason::EntryChanged, &["ALIEN1", "TEST.DATA"]);
    assert_eq!(world.call_count(), 0);
}

#[test]
fn entries_come_go_and_are_renamed() {
    let world = World::new();
    let new = entry(LONG, &["VOL001", "VOL002"], None);
    world.cataloged("added", |catalog| catalog.add(&new, &NoJournal).unwrap());
    let catalog = world.catalog(world.command(&world.become_state("added")));
    catalog.add(&new, &NoJournal).unwrap();
    let first = format!("{:71}X", format!(" CATLG DSNAME={LONG},"));
    let cards = format!("{first}\n               VOL=3330=(VOL001,VOL002),CVOL=2311=MADE01\n\n");
    assert!(world.input(0).starts_with(&cards), "{}", world.input(0));
    assert_refused(catalog.add(&new, &NoJournal), Reason::EntryExists, &["SYSCTLG on MADE01"]);

    world.cataloged("renamed", |catalog| {
        catalog.rename(&name("TEST.DATA"), &name("TEST.OLD"), &NoJournal).unwrap();
    });
    let catalog = world.catalog(world.command(&world.become_state("renamed")));
    catalog.rename(&name("TEST.DATA"), &name("TEST.OLD"), &NoJournal).unwrap();
    let cards = " CATLG DSNAME=TEST.OLD,VOL=3330=OLD001,CVOL=2311=MADE01\n \
                 UNCATLG DSNAME=TEST.DATA,CVOL=2311=MADE01\n\n";
    assert!(world.input(1).starts_with(cards), "{}", world.input(1));
    assert!(world.input(1).contains("\"new_name\":\"TEST.OLD\""));

    world.cataloged("deleted", |catalog| catalog.delete(&name("TEST.OLD"), &NoJournal).unwrap());
    let catalog = world.catalog(world.command(&world.become_state("deleted")));
    catalog.delete(&name("TEST.OLD"), &NoJournal).unwrap();
    assert!(world.input(2).starts_with(" UNCATLG DSNAME=TEST.OLD,CVOL=2311=MADE01\n\n"));
    let gone = catalog.delete(&name("TEST.OLD"), &NoJournal);
    assert_refused(gone, Reason::EntryNotFound, &["TEST.OLD"]);
    assert_eq!(world.call_count(), 3);
}

fn identity(world: &World, data_set: &str) -> Identity {
    let space = VtocSpaceManager::new(world.volume());
    Identity::of(&space.find(&name(data_set)).unwrap().unwrap())
}

#[test]
fn a_data_set_is_scratched_by_its_system() {
    let world = World::new();
    let of = identity(&world, "TEST.DATA");
    world.state("scratched", |volume| {
        let space = VtocSpaceManager::new(volume);
        space.scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
    });
    let lazy = world.space(world.impatient("true"));
    let scratched = lazy.scratch(&of, Expiration::Respect { today: [90, 0, 1] }, &NoJournal);
    assert_refused(scratched, Reason::ChangeNotSeen, &["TEST.DATA is still on MADE01"]);
    assert!(world.input(0).starts_with(" SCRATCH DSNAME=TEST.DATA,VOL=2311=MADE01\n\n"));

    let space = world.space(world.command(&world.become_state("scratched")));
    let other = Identity { creation_date: [77, 0, 1], ..of };
    let wrong = space.scratch(&other, Expiration::Ignore, &NoJournal);
    assert_refused(wrong, Reason::IdentityChanged, &["TEST.DATA", "MADE01"]);
    assert_eq!(world.call_count(), 1, "nothing is handed over for another data set");
    space.scratch(&of, Expiration::Ignore, &NoJournal).unwrap();
    assert_eq!(
        world.input(1),
        " SCRATCH DSNAME=TEST.DATA,VOL=2311=MADE01,PURGE\n\n\
         {\"version\":1,\"verb\":\"scratch\",\"volume\":\"MADE01\",\"data_set\":\"TEST.DATA\",\
         \"purge\":true}\n"
    );
    assert_eq!(space.find(&of.name).unwrap(), None);
    let again = space.scratch(&of, Expiration::Ignore, &NoJournal);
    assert_refused(again, Reason::NameNotFound, &["TEST.DATA"]);
}

#[test]
fn a_data_set_is_renamed_by_its_system() {
    let world = World::new();
    let (of, to) = (identity(&world, LONG), name("ABCDEFGH.ABCDEFGH.ABCDEFGH.ABCDEFGH.ZBCDEFGH"));
    world.state("renamed", |volume| {
        VtocSpaceManager::new(volume).rename(&of, &to, &NoJournal).unwrap();
    });
    let space = world.space(world.impatient("true"));
    let renamed = space.rename(&of, &to, &NoJournal);
    assert_refused(renamed, Reason::ChangeNotSeen, &["has not the name", "ZBCDEFGH"]);
    let taken = space.rename(&of, &name("TEST.DATA"), &NoJournal);
    assert_refused(taken, Reason::NameExists, &["TEST.DATA"]);
    let space = world.space(world.command(&world.become_state("renamed")));
    let found = space.rename(&of, &to, &NoJournal).unwrap();
    assert_eq!((found.format1.name(), found.address), (to, of.address));
    let cards = [
        format!("{:71}X", format!(" RENAME DSNAME={LONG},")),
        format!("{:71}X", "               VOL=2311=MADE01,"),
        format!("               NEWNAME={to}"),
    ];
    assert!(world.input(1).starts_with(&format!("{}\n\n", cards.join("\n"))), "{}", world.input(1));
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    let world = World::new();
    let space = world.space(world.command("true"));
    space.check_writable().unwrap();
    assert!(space.is_delegated());
    let (of, other) = (identity(&world, "TEST.DATA"), identity(&world, LONG));
    let format1 = Format1::new(name("A"));
    let new = NewDataSet { format1, extents: vec![Extent::new(Track(60), 1)] };
    let words = ["MADE01", "attached"];
    let not = Reason::NotDelegated;
    assert_refused(space.allocate(&new, &NoJournal), not, &words);
    assert_refused(space.extend(&of, &[], &NoJournal), not, &words);
    assert_refused(space.release(&of, 1, &NoJournal), not, &words);
    assert_refused(space.update(&of, &format1, &NoJournal), not, &words);
    assert_refused(space.replace_space(&of, &other, &NoJournal), not, &words);
    assert_eq!(world.call_count(), 0);
}

#[test]
fn another_volume_under_the_same_file_is_not_taken_for_it() {
    let world = World::new();
    let space = world.space(world.command("true"));
    fs::remove_file(&world.image).unwrap();
    let other = support::geometry("2311", 20);
    CkdVolume::create(&world.image, other, support::volser("OTHER1")).unwrap();
    assert_refused(space.read(), Reason::IdentityChanged, &["MADE01", "OTHER1"]);
}

#[test]
fn a_system_is_asked_held_and_released() {
    let world = World::new();
    let data_sets = [name("TEST.DATA"), name("TEST.TWO")];
    let volumes = [support::volser("MADE01")];
    let script = "echo \"$TRACKMIRROR_VERB ${TRACKMIRROR_DATA_SET-several} $TRACKMIRROR_VOLUME\" >> verbs\n\
        case $TRACKMIRROR_VERB in\n\
        ask-to-close) exit 4 ;;\n\
        is-closed) cat answer; test ! -s answer || exit 4 ;;\n\
        hold) test -e hold || { touch hold; exit 4; } ;;\n\
        esac";
    let enqueue = CommandEnqueue::of_system(&world.command(script), &volumes);
    fs::write(
        world.file("answer"),
        "SYSA PAYROLL TEST.DATA\n\nSYSA 17\nHELD BY TSO USER IBMUSER\n",
    )
    .unwrap();
    enqueue.ask_to_close(&data_sets, &volumes).unwrap();
    enqueue.hold(&data_sets, &volumes).unwrap();
    let openers = enqueue.is_closed(&data_sets, &volumes).unwrap();
    let told: Vec<_> = openers.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "PAYROLL on image SYSA has TEST.DATA open",
            "17 on image SYSA",
            "HELD BY TSO USER IBMUSER on image ?"
        ]
    );
    fs::write(world.file("answer"), "").unwrap();
    assert_eq!(enqueue.is_closed(&data_sets[..1], &volumes).unwrap(), []);
    enqueue.release(&data_sets, &volumes).unwrap();
    assert_eq!(
        fs::read_to_string(world.file("verbs")).unwrap(),
        "ask-to-close several MADE01\nhold several MADE01\nhold several MADE01\n\
         is-closed several MADE01\nis-closed TEST.DATA MADE01\nrelease several MADE01\n"
    );
    assert_eq!(
        world.input(0),
        "\n{\"version\":1,\"verb\":\"ask-to-close\",\"data_sets\":[\"TEST.DATA\",\"TEST.TWO\"],\
         \"volumes\":[\"MADE01\"]}\n"
    );
    let elsewhere = [support::volser("OTHER1")];
    assert_eq!(enqueue.is_closed(&data_sets, &elsewhere).unwrap(), []);
    enqueue.hold(&data_sets, &elsewhere).unwrap();
    assert_eq!(world.call_count(), 6, "data sets on other volumes are not its business");
}

#[test]
fn what_a_system_does_not_answer_is_never_closed() {
    let world = World::new();
    let data_sets = [name("TEST.DATA")];
    let is_closed = |command: OperatorCommand| {
        let enqueue = CommandEnqueue { is_closed: Some(command), ..CommandEnqueue::default() };
        enqueue.is_closed(&data_sets, &[])
    };
    let refused = is_closed(world.command("echo NO CONSOLE; exit 1"));
    assert_refused(refused, Reason::CommandRefused, &["`is-closed` ended with 1: NO CONSOLE"]);
    let slow = OperatorCommand { time_limit: Duration::from_secs(1), ..world.command("sleep 600") };
    assert_refused(is_closed(slow), Reason::CommandLate, &["`is-closed`"]);
    assert_eq!(is_closed(world.command("exit 4")).unwrap().len(), 1, "somebody, even if not named");

    let only_asks =
        CommandEnqueue { ask_to_close: Some(world.command("true")), ..CommandEnqueue::default() };
    assert_refused(only_asks.is_closed(&data_sets, &[]), Reason::BadRequest, &["closed"]);
    let both = AllOf(vec![Arc::new(only_asks), Arc::new(NobodyElse)]);
    both.ask_to_close(&data_sets, &[]).unwrap();
    assert_eq!(both.is_closed(&data_sets, &[]).unwrap(), []);
}

#[test]
fn a_name_that_is_no_name_reaches_no_command() {
    let world = World::new();
    let mut bytes = [0x40; 44];
    bytes[..4].copy_from_slice(&[0xC1, 0x4B, 0x5B, 0x4D]); // A.$(
    let odd = DsName::from_bytes(bytes);
    let enqueue = CommandEnqueue::of_system(&world.command("true"), &[]);
    assert_refused(enqueue.hold(&[odd], &[]), Reason::BadName, &["A.$("]);
    let from = CatalogEntry { name: odd, ..source() };
    let catalog = world.catalog(world.command("true"));
    assert!(catalog.add(&from, &NoJournal).is_err());
    assert_eq!(world.call_count(), 0);
}

/// A volume of its own, with a VTOC.
fn volume_named(world: &World, volser: &str) -> Arc<dyn Volume> {
    let (file, serial) = (world.file(volser), support::volser(volser));
    let volume = CkdVolume::create(&file, support::geometry("2311", 10), serial).unwrap();
    init::initialize(&volume, serial, None, "").unwrap();
    Arc::new(volume)
}

/// A migration of TEST.MOVE from OLD001 to NEW001, up to its switch. Its catalog is on an attached volume, whose system
/// goes from state to state as the file `steps` tells it, one line for each call.
fn migration_before_its_switch(world: &World, steps: &[&str]) -> Migration {
    let (old, new) = (volume_named(world, "OLD001"), volume_named(world, "NEW001"));
    let mut format1 = Format1::new(name("TEST.MOVE"));
    format1.set_first_volser(old.volser());
    format1.set_volume_sequence(1);
    format1.set_creation_date([76, 0, 100]);
    format1.set_dsorg(Format1::DSORG_PS);
    format1.set_recfm(0x90);
    format1.set_blksize(800);
    format1.set_lrecl(80);
    format1.set_scal1(0x80);
    format1.set_indicators(Format1::DSIND_LAST_VOLUME);
    let extents = vec![Extent::new(Track(20), 3)];
    let space = VtocSpaceManager::new(old.clone());
    let made = space.allocate(&NewDataSet { format1, extents }, &NoJournal).unwrap();

    let volume = |volser: &str| CatalogVolume {
        unit_type: Device::named("2311").unwrap().unit_type(),
        volser: support::volser(volser),
        file_sequence: 0,
    };
    let before = CatalogEntry {
        name: name("TEST.MOVE"),
        volumes: vec![volume("OLD001")],
        dscb: Some(made.address.to_ttr()),
    };
    // What the system writes by itself has no address of an F1.
    let again = CatalogEntry { dscb: None, ..before.clone() };
    let after = CatalogEntry { volumes: vec![volume("NEW001")], ..again.clone() };
    world.cataloged("source", |catalog| catalog.add(&again, &NoJournal).unwrap());
    world.cataloged("target", |catalog| catalog.add(&after, &NoJournal).unwrap());
    copy_sparse(&world.image, &world.file("neither"));
    edit(&world.image, |volume| {
        let catalog = CvolCatalog::find_on(volume).unwrap().unwrap();
        catalog.add(&before, &NoJournal).unwrap();
    });

    fs::write(world.file("steps"), steps.join("\n") + "\n").unwrap();
    let next = format!(
        "step=$(head -n 1 steps) && sed -i 1d steps && cat $step > {}",
        world.image.display()
    );
    let command = OperatorCommand { look_limit: Duration::from_secs(1), ..world.command(&next) };
    let mut host = Host::of_volumes(vec![old, new]).unwrap();
    host.catalogs.push(Arc::new(world.catalog(command)));
    let attached = volume::open(&world.image, Access::MonitoredWrite).unwrap();
    host.volumes.insert(attached.volser(), attached);
    let masks = ["TEST.MOVE".parse().unwrap()];
    let (sources, targets) = ([support::volser("OLD001")], [support::volser("NEW001")]);
    let selection = Selection {
        masks: &masks,
        sources: &sources,
        targets: &targets,
        mode: Mode::default(),
        uncataloged: false,
        slack: 0,
    };
    let (plan, refusals) = propose(&host, &selection).unwrap();
    assert!(refusals.is_empty(), "{refusals:?}");
    let options = MoveOptions::default();
    let mut migration = Migration::new(host, plan, options, MemoryStore::default(), None).unwrap();
    while let Some(verb) = migration.next_verb().filter(|verb| *verb != Verb::Switch) {
        migration.perform(verb, 10).unwrap();
    }
    assert_eq!(migration.state(), State::Quiesced);
    migration
}

fn is_on(world: &World, volser: &str) -> bool {
    let catalog = CvolCatalog::find_on(world.volume()).unwrap().unwrap();
    let entry = catalog.locate(&name("TEST.MOVE")).unwrap().unwrap();
    entry.volumes[0].volser == support::volser(volser)
}

#[test]
fn a_migration_goes_on_between_the_two_steps_of_its_catalog() {
    let world = World::new();
    let mut migration = migration_before_its_switch(&world, &["neither", "target"]);
    let words = ["TEST.MOVE is uncataloged", "MADE01"];
    assert_refused(migration.switch(), Reason::ChangeNotSeen, &words);
    assert_eq!(migration.state(), State::Switching);
    migration.switch().unwrap();
    assert!(is_on(&world, "NEW001"));
    migration.complete().unwrap();
    assert_eq!(world.call_count(), 2);
}

#[test]
fn a_migration_backs_out_from_between_the_two_steps_of_its_catalog() {
    let world = World::new();
    let mut migration = migration_before_its_switch(&world, &["neither", "source"]);
    assert_refused(migration.switch(), Reason::ChangeNotSeen, &["TEST.MOVE is uncataloged"]);
    migration.back_out().unwrap();
    assert_eq!(migration.state(), State::Mirrored);
    assert!(is_on(&world, "OLD001"));
    assert!(world.input(1).starts_with(" CATLG DSNAME=TEST.MOVE,VOL=2311=OLD001,"));
}
