//! Mistakes that can be switched on, one at a time in a thread: so that a test sees the simulator find each of them.
//!
//! Without the feature "sim-defects" there is no switch: the question is a constant, and what depends on it is not
//! compiled.

macro_rules! defects {
    ($($name:ident,)*) => {
        /// A mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs)] // Each name says what is done wrong.
        pub enum Defect {
            $($name,)*
        }

        #[cfg(feature = "sim-defects")]
        impl Defect {
            /// All of them.
            pub const ALL: &'static [Defect] = &[$(Defect::$name,)*];
        }
    };
}

defects! {
    // The copier.
    DoneBeforeTheFlush,
    FailedBatchIsDone,
    // The monitors.
    TakeForgetsTaken,
    DoneClearsWhatChangedMeanwhile,
    LookForgetsSlots,
    LookForgetsWritesWithoutSlot,
    LookForgetsChanged,
    StoppedIsTakenForDead,
    DeathForgetsSlots,
    DeathOfATellerForgetsItsWrites,
    SilenceIsIgnored,
    SealsAreNotSet,
    SealsAreNotOpened,
    SubscriptionIsLeft,
    // The close and the window.
    NobodyIsHeld,
    OpenersAreIgnored,
    LetInBeforeUnsealing,
    HoldEndsWithTheProcess,
    CatalogedBeforeTheFinalResynchronization,
    NamesAreNotComparedBeforeTheWindow,
    // The switch.
    NoLook,
    ScratchedBeforeLooked,
    BackOutForgetsTheCatalog,
    SwitchingIsNotDurable,
    // Following.
    VtocReadBeforeMarksAreCleared,
    ComparedByNameOnly,
    JoiningIsNotAdded,
    LeavingTargetStays,
    RenamedTargetKeepsItsName,
    NextPlanIsNotDurable,
    // Resuming.
    VoidAreasAreTrusted,
    TargetIsNotRechecked,
    SettleDropsEverything,
    // Durable state.
    IntentIsNotDurable,
    NoFlushAfterAChange,
    CheckpointHasOneSlot,
    CheckpointForgetsFailures,
    ReleaseFreesTooMuch,
    ScratchLeavesTheSpace,
    CatalogKeepsTheFirstVolume,
}

#[cfg(feature = "sim-defects")]
mod switch {
    use super::Defect;
    use std::cell::Cell;

    impl Defect {
        /// Makes this mistake in this thread while something is done.
        pub fn while_made<T>(self, act: impl FnOnce() -> T) -> T {
            struct Back(Option<Defect>);
            impl Drop for Back {
                fn drop(&mut self) {
                    MADE.set(self.0);
                }
            }
            let _back = Back(MADE.replace(Some(self)));
            act()
        }
    }

    thread_local! {
        static MADE: Cell<Option<Defect>> = const { Cell::new(None) };
    }

    /// Whether this mistake is made.
    pub fn defect(defect: Defect) -> bool {
        MADE.get() == Some(defect)
    }
}

#[cfg(feature = "sim-defects")]
pub(crate) use switch::defect;

/// Whether this mistake is made: never.
#[cfg(not(feature = "sim-defects"))]
#[inline(always)]
pub(crate) const fn defect(_: Defect) -> bool {
    false
}
