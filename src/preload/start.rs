//! What is done when the program starts, around a fork, and when it ends; and what all of this object shares.

use crate::bracket::{Turn, Uncancelled, say};
use crate::c::{self, c_int};
use crate::image::{self, Recognised};
use crate::monitor::areas;
use crate::monitor::layout::NAME_BYTES;
use crate::monitor::program::{self, Program};
use crate::opens;
use crate::streams;
use crate::table::{self, FORBIDDEN, OURS};
use std::cell::Cell;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// The environment variable with the image's name.
const NAME_VARIABLE: &str = "TRACKMIRROR_IMAGE";

/// Registrations, one at a time.
pub static REGISTERING: Turn = Turn::new();

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// The program that this process is a part of; `None` if it was started without `trackmirror monitored`.
static PROGRAM: OnceLock<Result<Option<Program>, String>> = OnceLock::new();

struct Settings {
    registry: Option<PathBuf>,
    name: String,
    program: Option<String>,
}

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// As long as this lives, what this thread opens is ours, and it is not cancelled.
pub struct Busy {
    _uncancelled: Uncancelled,
}

impl Busy {
    /// Begins; there is never one inside another.
    pub fn begin() -> Busy {
        let uncancelled = Uncancelled::always();
        BUSY.set(true);
        Busy { _uncancelled: uncancelled }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        BUSY.set(false);
    }
}

/// Whether this thread is just working for us.
#[inline]
pub fn is_busy() -> bool {
    BUSY.get()
}

/// The program may change its environment; what stood there at the start counts.
fn settings() -> &'static Settings {
    SETTINGS.get_or_init(|| {
        let registry = std::env::var_os(areas::VARIABLE).filter(|folder| !folder.is_empty());
        let given = std::env::var(NAME_VARIABLE).ok().filter(|name| !name.is_empty());
        let name = given.unwrap_or_else(program);
        let graphic = |c: char| if c.is_ascii_graphic() { c } else { '_' };
        let name: String = name.chars().map(graphic).take(NAME_BYTES).collect();
        let program = std::env::var(program::VARIABLE).ok().filter(|id| !id.is_empty());
        Settings { registry: registry.map(PathBuf::from), name, program }
    })
}

/// The folder of the areas, if the environment names it.
pub fn named_registry() -> Option<&'static PathBuf> {
    settings().registry.as_ref()
}

/// The folder of the areas, and the mode of files in it.
pub fn registry() -> std::io::Result<(PathBuf, u32)> {
    let folder = match &settings().registry {
        Some(folder) => areas::checked(folder.clone()),
        None => areas::area_folder(),
    }?;
    let mode = areas::file_mode(&folder)?;
    Ok((folder, mode))
}

/// Tells, before a volume is opened for writing, that the program which this process is a part of writes it.
pub fn will_write(device: u64, inode: u64) -> Result<(), String> {
    let told = match PROGRAM.get() {
        Some(Ok(Some(program))) => program.will_write(device, inode),
        Some(Err(why)) => return Err(why.clone()),
        Some(Ok(None)) | None => return Ok(()),
    };
    told.map_err(|error| format!("the program's file: {error}"))
}

/// The name under which this process would be an image.
pub fn name() -> &'static str {
    &settings().name
}

fn program() -> String {
    // SAFETY: the C library sets it before any constructor runs, to a string that stays.
    let name = unsafe {
        let name = c::program_invocation_short_name;
        (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned())
    };
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "program".into())
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let mut time = c::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes the struct.
    unsafe { c::clock_gettime(c::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec as u64 * 1000 + time.tv_nsec as u64 / 1_000_000
}

#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    let error = c::errno();
    table::take_over();
    crate::next::find_all();
    settings();
    crate::bracket::remember_terminal();
    // SAFETY: the handlers are functions that stay.
    unsafe { c::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
    let open = open_descriptors();
    take_part(&open);
    adopt_inherited(open);
    c::set_errno(error);
}

fn open_descriptors() -> Vec<c_int> {
    let _busy = Busy::begin();
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(number).collect()
}

/// Makes this process a part of the program that it was started by, before it does anything: as a rule it has inherited
/// what that takes.
fn take_part(open: &[c_int]) {
    let Some(id) = &settings().program else {
        let _ = PROGRAM.set(Ok(None));
        return;
    };
    let _busy = Busy::begin();
    let has_inherited = |device, inode| {
        let is_it = |descriptor: &&c_int| image::is_file(**descriptor, device, inode);
        let descriptor = open.iter().find(is_it);
        descriptor.inspect(|descriptor| table::set(**descriptor, OURS)).is_some()
    };
    let joined =
        registry().and_then(|(folder, mode)| Program::join(&folder, mode, id, has_inherited));
    let _ = PROGRAM.set(joined.map(Some).map_err(|error| format!("the program's file: {error}")));
}

/// Finds images among the descriptors that the program began with. They cannot be refused any more, but what is written
/// through them can.
fn adopt_inherited(open: Vec<c_int>) {
    for descriptor in open {
        if table::get(descriptor) == OURS || !opens::is_writable(descriptor) {
            continue;
        }
        let recognised = {
            let _busy = Busy::begin();
            image::recognise(descriptor)
        };
        let Ok(Recognised::Image(format)) = recognised else { continue };
        let entry = image::enter(format).unwrap_or_else(|why| {
            say(&["descriptor of a volume is not monitored, writes to it will fail: ", &why]);
            FORBIDDEN
        });
        table::set(descriptor, entry);
        if let Some(image) = image::Image::of(entry) {
            image.is_shared.store(true, Ordering::Relaxed);
            opens::note_appending(image, descriptor);
        }
        streams::replace_standard(descriptor);
    }
}

#[used]
#[unsafe(link_section = ".fini_array")]
static END: extern "C" fn() = end;

extern "C" fn end() {
    set_ending(true);
}

/// Says of every image of this process that its program has begun to end by itself, or that it has not after all. Not
/// from a child that only shares the memory.
pub fn set_ending(is_ending: bool) {
    if table::is_own() {
        image::all().for_each(|image| image.seated().seat.set_ending(is_ending));
    }
}

extern "C" fn before_fork() {
    // Nobody is in the middle of a registration while the memory is copied.
    REGISTERING.take_raw();
}

extern "C" fn in_parent() {
    image::share_all();
    REGISTERING.give_raw();
}

extern "C" fn in_child() {
    REGISTERING.reset();
    table::take_over();
    let _busy = Busy::begin();
    image::share_all();
    for image in image::all() {
        // A thread of the parent may have it; here there is none.
        image.position.reset();
        image.seated().seat.part_in_fork();
    }
}
