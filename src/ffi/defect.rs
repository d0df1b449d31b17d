//! A mistake that can be switched on, so that a test sees what becomes of a panic: inside a call that has its handle.
//!
//! Without the feature "sim-defects" there is no switch, and nothing is compiled.

#[cfg(feature = "sim-defects")]
mod switch {
    use std::cell::Cell;

    thread_local! {
        static IS_WANTED: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets every call that this thread makes meanwhile panic as soon as it has its handle.
    pub fn while_calls_panic<T>(act: impl FnOnce() -> T) -> T {
        IS_WANTED.set(true);
        let done = act();
        IS_WANTED.set(false);
        done
    }

    pub(in crate::ffi) fn panic_if_wanted() {
        assert!(!IS_WANTED.get(), "a mistake that was asked for");
    }
}

#[cfg(feature = "sim-defects")]
pub(super) use switch::panic_if_wanted;
#[cfg(feature = "sim-defects")]
pub use switch::while_calls_panic;

#[cfg(not(feature = "sim-defects"))]
#[inline(always)]
pub(super) const fn panic_if_wanted() {}
