//! The steps that a state allows, as they are found.

use super::rules::{Config, Label};
use super::world::World;
use super::{machine, owner};

#[derive(Default)]
pub struct Steps {
    found: Vec<(Label, World)>,
}

impl Steps {
    pub fn add(&mut self, label: Label, world: World) {
        self.found.push((label, world));
    }

    /// Every step that someone can take in this state, and the state after it.
    pub fn of(&mut self, world: &World, config: &Config) -> &[(Label, World)] {
        self.found.clear();
        machine::steps(world, config, self);
        owner::steps(world, config, self);
        for (_, world) in &mut self.found {
            owner::settle(world, config);
        }
        &self.found
    }
}
