//! A library (a partitioned data set) with members that the emulator's tools can read.

use std::sync::Arc;
use trackmirror::DsName;
use trackmirror::bytes::to_ebcdic;
use trackmirror::track;
use trackmirror::volume::intent::NoJournal;
use trackmirror::volume::{Volume, VolumeExt};
use trackmirror::vtoc::manager::VtocSpaceManager;
use trackmirror::vtoc::space::Identity;
use trackmirror::vtoc::{SpaceManager, Vtoc};

/// The members, and the first of the record that each begins with.
const MEMBERS: [(&str, u8); 3] = [("ALPHA", 1), ("BETA", 3), ("GAMMA", 5)];

/// Writes a directory and three members over the first two tracks of a library, each full of one character.
pub fn write_members(volume: &Arc<dyn Volume>, name: &DsName, characters: [u8; 3]) {
    let found = Vtoc::read(&**volume).unwrap().find(name).unwrap().unwrap();
    let first = found.extents[0].first;
    let mut directory = vec![0; 256];
    let mut used = 2;
    for (member, record) in MEMBERS {
        let text: Vec<u8> = format!("{member:8}").chars().map(|c| to_ebcdic(c).unwrap()).collect();
        directory[used..used + 8].copy_from_slice(&text);
        directory[used + 8..used + 12].copy_from_slice(&[0, 1, record, 0]);
        used += 12;
    }
    directory[used..used + 8].fill(0xFF);
    used += 12;
    directory[..2].copy_from_slice(&(used as u16).to_be_bytes());
    let last_key = [0xFF; 8];
    let mut slot = vec![0; volume.slot_size()];
    let records = [(&last_key[..], &directory[..]), (&[], &[])];
    track::build(&mut slot, volume.place(first), &records).unwrap();
    volume.write(first, &slot).unwrap();
    let texts = characters.map(|character| vec![character; 80 * 7]);
    let records: Vec<(&[u8], &[u8])> =
        texts.iter().flat_map(|text| [(&[][..], &text[..]), (&[], &[])]).collect();
    track::build(&mut slot, volume.place(first.plus(1)), &records).unwrap();
    volume.write(first.plus(1), &slot).unwrap();
    let space = VtocSpaceManager::new(volume.clone());
    let mut format1 = found.format1;
    format1.set_last_used(Some((1, 6)));
    space.update(&Identity::of(&found), &format1, &NoJournal).unwrap();
    volume.flush().unwrap();
}
