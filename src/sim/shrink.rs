//! A story that fails, made short: whatever can be left out while it still fails is left out.

use super::story::{Setup, Story};
use super::{Report, run};

/// So often a story is tried at most.
const RUNS_MAX: u32 = 600;

/// A story in the making.
struct Shrinking {
    story: Story,
    runs: u32,
}

impl Shrinking {
    /// Takes another story if it fails too.
    fn try_story(&mut self, other: Story) -> bool {
        if self.runs >= RUNS_MAX || other == self.story {
            return false;
        }
        self.runs += 1;
        let fails = run(&other, false).wrong.is_some();
        if fails {
            self.story = other;
        }
        fails
    }

    /// Leaves out acts, many at a time first.
    fn drop_acts(&mut self) {
        let mut size = self.story.acts.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < self.story.acts.len() {
                let mut other = self.story.clone();
                let end = (from + size).min(other.acts.len());
                other.acts.drain(from..end);
                if !self.try_story(other) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn try_setup(&mut self, change: impl Fn(&mut Setup)) {
        let mut other = self.story.clone();
        change(&mut other.setup);
        self.try_story(other);
    }

    /// Makes the world simpler.
    fn simplify(&mut self) {
        while self.story.setup.data_sets.len() > 1 {
            let before = self.story.setup.data_sets.len();
            self.try_setup(|setup| drop(setup.data_sets.pop()));
            if self.story.setup.data_sets.len() == before {
                break;
            }
        }
        let changes: [fn(&mut Setup); 13] = [
            |setup| setup.outsider = false,
            |setup| setup.images = 1,
            |setup| setup.guest = false,
            |setup| setup.uncataloged = false,
            |setup| setup.keep = false,
            |setup| setup.erase = false,
            |setup| setup.used_only = false,
            |setup| setup.sloppy = false,
            |setup| setup.never_closes = false,
            |setup| setup.eager = false,
            |setup| setup.rude = false,
            |setup| setup.slack = 0,
            |setup| setup.tellers_from = 9,
        ];
        changes.into_iter().for_each(|change| self.try_setup(change));
    }
}

/// A short story that fails too, and its report with everything that happened.
///
/// ```
/// use trackmirror::sim::{Story, shrunk};
/// // A story that does not fail stays as it is.
/// let story = Story::of(1);
/// assert_eq!(shrunk(&story).story, story);
/// ```
pub fn shrunk(story: &Story) -> Report {
    let mut shrinking = Shrinking { story: story.clone(), runs: 0 };
    if run(story, false).wrong.is_some() {
        shrinking.drop_acts();
        shrinking.simplify();
        shrinking.drop_acts();
    }
    run(&shrinking.story, true)
}
