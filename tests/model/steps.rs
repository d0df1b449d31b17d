//! The steps that a state allows, as they are found.

use crate::rules::{Config, Deed, Label, Who};
use crate::world::{Tracks, World};
use crate::{copier, monitor, owner};

#[derive(Default)]
pub struct Steps {
    found: Vec<(Label, World)>,
}

impl Steps {
    pub fn add(&mut self, who: Who, deed: Deed, tracks: Tracks, world: World) {
        self.found.push((Label { who, deed, tracks }, world));
    }

    /// The state after the step that was added last, for what the same step does besides.
    pub fn last_world(&mut self) -> &mut World {
        &mut self.found.last_mut().expect("a step was added").1
    }

    /// Every step that someone can take in this state, and the state after it.
    pub fn of(&mut self, world: &World, config: &Config) -> &[(Label, World)] {
        self.found.clear();
        monitor::steps(world, config, self);
        copier::steps(world, config, self);
        owner::steps(world, config, self);
        &self.found
    }
}
