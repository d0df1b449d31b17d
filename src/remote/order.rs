//! Closing on other machines: what the owner wants, and who has data sets open there.

use crate::bytes::{Decoder, Encode, Encoder};
use crate::enqueue::Opener;
use crate::error::{Error, Reason, Result};
use crate::monitor::remote::take_order;
use crate::name::{DsName, Volser};

/// What is to be done with data sets on the other machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Requests and holds are taken back.
    Open = 0,
    /// Everybody is asked to close.
    Asked = 1,
    /// The same, and nobody opens them any more.
    Held = 2,
    /// The migration has ended: nothing is to be reported any more, and whoever was kept out may open them.
    Ended = 3,
    /// Nothing is to be done but to tell who has them open.
    Told = 4,
}

/// An order of the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub nonce: (u64, u64),
    /// Higher than that of every order given before.
    pub order: u64,
    pub stage: Stage,
    /// In whose name, for the other machine's registry.
    pub owner: String,
    pub data_sets: Vec<DsName>,
    pub volumes: Vec<Volser>,
}

impl Encode for Order {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.nonce);
        to.put(&self.order);
        to.put(&(self.stage as u8));
        to.put(&self.owner);
        to.put(&self.data_sets);
        to.put(&self.volumes);
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Order> {
        Ok(Order {
            nonce: from.get()?,
            order: take_order(from)?,
            stage: match from.get::<u8>()? {
                0 => Stage::Open,
                1 => Stage::Asked,
                2 => Stage::Held,
                3 => Stage::Ended,
                4 => Stage::Told,
                _ => return Err(Error::new(Reason::EndOfData, "not a stage of a close")),
            },
            owner: from.get()?,
            data_sets: from.get()?,
            volumes: from.get()?,
        })
    }
}

/// The answer to an order: it was done, and who has the data sets open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Openers {
    pub nonce: (u64, u64),
    /// The highest order that was seen.
    pub order: u64,
    /// Why it was not done.
    pub trouble: Option<String>,
    pub openers: Vec<Opener>,
}

impl Encode for Openers {
    fn encode(&self, to: &mut Encoder) {
        to.put(&self.nonce);
        to.put(&self.order);
        to.put(&self.trouble);
        to.put(&(self.openers.len() as u32));
        for opener in &self.openers {
            to.put(&opener.image);
            to.put(&opener.program);
            to.put(&opener.process);
            to.put(&opener.data_set);
        }
    }
    fn decode(from: &mut Decoder<'_>) -> Result<Openers> {
        let (nonce, order, trouble) = (from.get()?, take_order(from)?, from.get()?);
        let mut openers = Vec::new();
        for _ in 0..from.get::<u32>()? {
            openers.push(Opener {
                image: from.get()?,
                program: from.get()?,
                process: from.get()?,
                data_set: from.get()?,
            });
        }
        Ok(Openers { nonce, order, trouble, openers })
    }
}
