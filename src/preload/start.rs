//! What is done when the program starts, and around a fork; and what all of this object shares.

use crate::bracket::{Turn, Uncancelled, say};
use crate::c::{self, c_int};
use crate::image::{self, Recognised};
use crate::monitor::areas;
use crate::monitor::layout::NAME_BYTES;
use crate::opens;
use crate::streams;
use crate::table::{self, FORBIDDEN};
use std::cell::Cell;
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The environment variable with the image's name.
const NAME_VARIABLE: &str = "TRACKMIRROR_IMAGE";

/// Registrations, one at a time.
pub static REGISTERING: Turn = Turn::new();

static SETTINGS: OnceLock<Settings> = OnceLock::new();

struct Settings {
    registry: Option<PathBuf>,
    name: String,
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
        Settings { registry: registry.map(PathBuf::from), name }
    })
}

/// The folder of the areas, if the environment names one.
pub fn registry() -> Option<&'static PathBuf> {
    settings().registry.as_ref()
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
    adopt_inherited();
    c::set_errno(error);
}

/// Finds images among the descriptors that the program began with. They cannot be refused any more, but what is written
/// through them can.
fn adopt_inherited() {
    let open: Vec<c_int> = {
        let _busy = Busy::begin();
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return };
        let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        entries.flatten().filter_map(number).collect()
    };
    for descriptor in open {
        if !opens::is_writable(descriptor) {
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
            image.is_shared.store(true, std::sync::atomic::Ordering::Relaxed);
            opens::note_appending(image, descriptor);
        }
        streams::replace_standard(descriptor);
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
