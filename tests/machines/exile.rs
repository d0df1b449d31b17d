//! A machine that is cut off and does not come back: what it wrote and did not report nobody knows, so no window opens until
//! it is retired; and what it reports then, late, changes nothing any more.

use super::play::{Play, Role};
use super::relay::{Cut, Weather};
use super::site::Site;
use super::story::Story;
use super::world::Random;
use super::writer::LONG;
use serde_json::Value;
use std::time::{Duration, Instant};
use trackmirror::state::State;

/// The machine that is cut off.
const NAME: &str = "B";
/// Tracks in a second: so that there is time to look.
const PACE: u32 = 50;
/// At most so many are left when everybody is asked to close, and each writes so often in a second: the goal is reached.
const GOAL_TRACKS: u32 = 20;
const RATE: u32 = 2;

/// The migration of a play in which nothing happens but what is done here.
struct Exile {
    play: Play,
}

impl Exile {
    fn begin(seed: u64) -> Exile {
        let mut random = Random(seed);
        let site = Site::new(&mut random, 2);
        let mut story = Story::quiet(&mut random, 2);
        story.orders.pace = Some(PACE);
        story.orders.goal_tracks = GOAL_TRACKS;
        story.writers.iter_mut().for_each(|(_, habits)| habits.rate = RATE);
        Exile { play: Play::begin(site, story, vec![1]) }
    }

    /// What a verb of the command says of the migration.
    fn say(&self, verb: &[&str]) -> (i32, String) {
        let world = &self.play.site.owner().world;
        let mut command = world.command(verb[0]);
        let output = command.args(&verb[1..]).arg("--state").arg(world.state()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    /// What is known of the machine.
    fn machine(&self) -> Value {
        let (_, text) = self.say(&["image", "list", "--json"]);
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
        let machines = answer["result"]["machines"].as_array().unwrap_or_else(|| panic!("{text}"));
        assert!(machines.len() == 1 && machines[0]["name"] == NAME, "{text}");
        machines[0].clone()
    }

    #[track_caller]
    fn wait_until(&mut self, what: &str, is_so: impl Fn(&Exile) -> bool) {
        let until = Instant::now() + LONG;
        while !is_so(self) {
            assert_eq!(self.play.actor(Role::Migrator).process.ended(), None, "{}", self.play);
            assert!(Instant::now() < until, "never {what}: {}", self.play);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn has_happened(&self, event: &str) -> bool {
        self.play.site.owner().world.has_happened(event)
    }

    fn cut(&self, cut: Cut) {
        self.play.site.network.set(NAME, Weather { cut, ..Weather::default() });
    }

    /// Messages that wait for the owner.
    fn waiting(&self) -> u64 {
        let script = "local n = 0 for _, k in ipairs(redis.call('keys', 'trackmirror:to-owner:*')) do \
                      n = n + redis.call('xlen', k) end return n";
        let answer = self.play.site.redis.ask(&format!("EVAL \"{script}\" 0")).unwrap();
        answer.trim_start_matches(':').parse().unwrap_or_else(|_| panic!("{answer}"))
    }
}

/// Cuts a machine off for ever, sees that nothing opens by itself, and retires it.
pub fn run(seed: u64) {
    let mut exile = Exile::begin(seed);
    exile.wait_until("copying", |exile| exile.has_happened("copy-begun"));
    exile.cut(Cut::Both);
    exile.wait_until("silent", |exile| exile.machine()["standing"] == "silent");
    exile.wait_until("closing", |exile| exile.has_happened("close-requested"));
    let (_, status) = exile.say(&["status"]);
    assert!(status.contains("silent"), "{status}");
    let said = exile.play.actor(Role::Migrator).process.said().join("\n");
    assert!(said.contains("image B on another machine") && said.contains("or retire it"), "{said}");
    assert!(!exile.has_happened("window-opened"), "{}", exile.play);

    // Whoever retires it has made sure that nothing there can write any more.
    for number in 0..exile.play.story.writers.len() {
        if exile.play.story.writers[number].0 == 1 {
            exile.play.actor(Role::Writer(number)).kill();
        }
    }
    let (code, said) = exile.say(&["image", "retire", "--yes", NAME]);
    assert_eq!(code, 0, "{said}");
    exile.wait_until("retired", |exile| exile.machine()["standing"] == "retired");

    // It comes back after all, and reports what it has, while the migration cannot be complete yet.
    let migrator = Role::Migrator;
    exile.play.actor(migrator).process.signal("STOP");
    let before = exile.waiting();
    exile.cut(Cut::None);
    exile.wait_until("reporting", |exile| exile.waiting() > before);
    exile.play.actor(migrator).process.signal("CONT");
    exile.wait_until("refused", |exile| exile.machine()["refused_count"].as_u64() > Some(0));
    assert_eq!(exile.play.actor(migrator).process.wait(), 0, "{}", exile.play);
    assert_eq!(exile.play.site.owner().world.migration_state(), State::Complete);
    exile.play.end();
    let (code, said) = exile.play.judge(true);
    assert_eq!(code, 0, "{said}{}", exile.play);
}
