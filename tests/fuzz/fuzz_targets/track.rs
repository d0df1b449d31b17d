//! Track images: what checks is relocated there and back, and is what it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use trackmirror::geometry::{Device, Geometry, Track};
use trackmirror::track::{self, Place};
use trackmirror::volume::label::Label;

fuzz_target!(|bytes: &[u8]| {
    let device = Device::named("3390").unwrap();
    let geometry = Geometry { device, cylinders: 100, slot_size: device.slot_size() };
    let (here, there) = (Place::new(&geometry, Track(7)), Place::new(&geometry, Track(99)));
    // A right home address and R0, so that what lies behind them is reached.
    let mut slot = [&[0][..], &here.cchh(), &here.cchh(), &[0, 0, 0, 8], bytes].concat();
    let _ = Label::find(&slot);
    track::records(&slot).for_each(drop);
    let checked = track::check(&slot, here);
    let digest = track::digest(&slot, here);
    let before = slot.clone();
    if let Ok(summary) = track::relocate(&mut slot, here, there) {
        assert_eq!(checked.unwrap().length, summary.length);
        assert_eq!(track::digest(&slot, there).unwrap(), digest.unwrap());
        track::relocate(&mut slot, there, here).unwrap();
        assert_eq!(slot[..summary.length], before[..summary.length]);
    }
});
