use super::super::boundary::to_array;
use super::super::host::{tmr_host_add_volume, tmr_host_close, tmr_host_new};
use super::super::tables::{TMR_TABLE_VERSION, tmr_sink_put};
use super::super::volume::{tmr_volume_close, tmr_volume_in_memory, tmr_volume_info};
use super::*;
use std::ptr::{null, null_mut};
use std::slice::from_raw_parts;

/// What goes over a line, and how it behaves.
#[derive(Default)]
struct Line {
    sent: Vec<Vec<u8>>,
    coming: Vec<Vec<u8>>,
    code: i32,
    refused: u32,
    released: u32,
}

unsafe fn line<'a>(user: *mut c_void) -> &'a mut Line {
    unsafe { &mut *user.cast::<Line>() }
}

unsafe extern "C" fn send(
    user: *mut c_void,
    message: *const c_void,
    length: u64,
    _: *mut tmr_error,
) -> i32 {
    let message = unsafe { from_raw_parts(message.cast::<u8>(), length as usize) };
    unsafe { line(user) }.sent.push(message.to_vec());
    unsafe { line(user) }.code
}

unsafe extern "C" fn receive(user: *mut c_void, sink: *mut tmr_sink, error: *mut tmr_error) -> i32 {
    let line = unsafe { line(user) };
    let mut left = Vec::new();
    for message in line.coming.drain(..) {
        let (data, length) = (message.as_ptr().cast(), message.len() as u64);
        if unsafe { tmr_sink_put(sink, data, length, error) } != 0 {
            line.refused += 1;
            left.push(message);
        }
    }
    line.coming = left;
    line.code
}

unsafe extern "C" fn release(user: *mut c_void) {
    unsafe { line(user) }.released += 1;
}

fn functions(line: *mut Line) -> tmr_channel_functions {
    tmr_channel_functions {
        size: size_of::<tmr_channel_functions>() as u32,
        version: TMR_TABLE_VERSION,
        user: line.cast(),
        release: Some(release),
        send: Some(send),
        receive: Some(receive),
    }
}

#[test]
fn messages_go_and_come() {
    let mut kept = Line { coming: vec![vec![1], vec![2, 3]], ..Line::default() };
    let line = &raw mut kept;
    let channel = HostChannel::new(functions(line));
    channel.send(b"there").unwrap();
    assert_eq!(channel.receive().unwrap(), [vec![1], vec![2, 3]]);
    assert!(channel.receive().unwrap().is_empty());
    unsafe { (*line).code = 12 };
    assert_eq!(channel.send(b"again").unwrap_err().reason(), Reason::HostFailed);
    assert_eq!(channel.receive().unwrap_err().reason(), Reason::HostFailed);
    drop(channel);
    assert_eq!((kept.sent, kept.released), (vec![b"there".to_vec(), b"again".to_vec()], 1));
}

#[test]
fn what_has_come_is_kept_though_the_call_fails() {
    let mut kept = Line { coming: vec![vec![1]], code: 8, ..Line::default() };
    let channel = HostChannel::new(functions(&raw mut kept));
    assert_eq!(channel.receive().unwrap(), [vec![1]]);
}

#[test]
fn one_call_takes_so_much_and_no_message_that_is_none() {
    let many = vec![vec![7]; MESSAGES_MAX + 3];
    let mut kept = Line { coming: many, ..Line::default() };
    let line = &raw mut kept;
    let channel = HostChannel::new(functions(line));
    assert_eq!(channel.receive().unwrap().len(), MESSAGES_MAX);
    assert_eq!(channel.receive().unwrap().len(), 3);
    let huge = vec![0; MESSAGE_LENGTH_MAX + 1];
    unsafe { (*line).coming = vec![Vec::new(), huge, vec![9]] };
    assert_eq!(channel.receive().unwrap(), [vec![9]]);
    let long = vec![vec![0; MESSAGE_LENGTH_MAX]; BYTES_MAX / MESSAGE_LENGTH_MAX + 2];
    unsafe { (*line).coming = long };
    assert_eq!(channel.receive().unwrap().len(), BYTES_MAX / MESSAGE_LENGTH_MAX);
    drop(channel);
    assert_eq!(kept.refused, 3 + 2);
}

#[test]
fn images_are_of_volumes_that_are_there_and_machines_have_one_name() {
    let info = tmr_volume_info {
        size: size_of::<tmr_volume_info>() as u32,
        cylinders: 3,
        heads: 0,
        track_count: 0,
        slot_size: 0,
        flags: 0,
        volser: to_array("VOL001"),
        device: to_array("2314"),
        location: [0; 256],
    };
    let (mut host, mut volume, error) = (null_mut(), null_mut(), null_mut());
    let (mut kept, image) = (Line::default(), c"SYSB".as_ptr());
    unsafe {
        assert_eq!(tmr_host_new(&raw mut host, error), 0);
        assert_eq!(tmr_volume_in_memory(&raw const info, &raw mut volume, error), 0);
        assert_eq!(tmr_host_add_volume(host, volume, error), 0);
        assert_eq!(tmr_host_add_image(host, c"VOL001".as_ptr(), image, error), 0);
        assert_eq!(tmr_host_add_image(host, c"VOL001".as_ptr(), image, error), 8);
        assert_eq!(tmr_host_add_image(host, c"VOL002".as_ptr(), image, error), 8);
        assert_eq!(tmr_host_add_image(host, c"VOL001".as_ptr(), c"A B".as_ptr(), error), 8);
        assert_eq!(tmr_host_add_image(host, c"VOL001".as_ptr(), null(), error), 8);
        let table = functions(&raw mut kept);
        assert_eq!(tmr_host_add_machine(host, image, &raw const table, 0, 0, error), 0);
        assert_eq!(tmr_host_add_machine(host, image, &raw const table, 1, 1, error), 8);
        assert_eq!(tmr_host_add_machine(host, c"".as_ptr(), &raw const table, 1, 1, error), 8);
        let none = tmr_channel_functions { send: None, ..table };
        assert_eq!(tmr_host_add_machine(host, c"SYSC".as_ptr(), &raw const none, 1, 1, error), 8);
        assert_eq!(tmr_volume_close(&raw mut volume), 0);
        assert_eq!(kept.released, 0);
        assert_eq!(tmr_host_close(&raw mut host), 0);
    }
    assert_eq!(kept.released, 1);
}
