//! The port `Enqueue`: who has data sets open, and that nobody opens them while they are switched.
//!
//! A data set may be taken away from its users only when every one of them, on every image, has closed *and unallocated*
//! it: who has it allocated knows where it lies, and would go on writing to the old place. So a migration first asks
//! ([`Enqueue::ask_to_close`]), then lets no new ones in ([`Enqueue::hold`]), then sees whether the last one has gone
//! ([`Enqueue::is_closed`]), and in the end lets everybody in again ([`Enqueue::release`]). In this order: an opener who
//! comes after the hold is refused, one who came before it is seen.
//!
//! Each call may be repeated at any time, and does nothing that is done already: after a crash the migration does not know
//! how far it came. A hold outlives process and machine; it ends by `release` alone.
//!
//! | implementation | for |
//! |---|---|
//! | [`RegistryEnqueue`] | programs that tell the [registry of openers](crate::registry::openers) |
//! | `operator::CommandEnqueue` | a running system, through the operator's own commands |
//! | [`CallbackEnqueue`] | a host that brings functions of its own |
//! | [`NobodyElse`] | volumes that are locked for this process alone |
//! | [`AllOf`] | several of them: all are asked, and all must agree |

use crate::error::{Error, Reason, Result};
use crate::name::{DsName, Volser};
use crate::registry::openers::Openers;
use std::fmt;
use std::sync::Arc;

pub use crate::registry::openers::Opener;

/// Asks to close, sees that it is closed, holds and releases. The volumes are those on which the data sets lie; an
/// implementation that goes by names does not need them.
pub trait Enqueue: Send + Sync + fmt::Debug {
    /// Asks application and operator to close and unallocate these data sets. The request stands until
    /// [`release`](Enqueue::release). It does not wait for them.
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()>;

    /// Who still has one of these data sets open or allocated, on whatever image. Nobody: it is closed. Who cannot be
    /// asked is an opener or an error, never nobody.
    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>>;

    /// Lets nobody open these data sets any more. Durable when it returns. All are held, or an error says which is not.
    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()>;

    /// Takes back requests and holds of these data sets. What is not held is passed over.
    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()>;

    /// Whether [`is_closed`](Enqueue::is_closed) can tell. One that only asks cannot.
    fn can_confirm(&self) -> bool {
        true
    }
}

/// By the registry of openers.
///
/// ```no_run
/// use trackmirror::enqueue::{Enqueue, RegistryEnqueue};
/// use trackmirror::registry::openers::Openers;
/// let enqueue = RegistryEnqueue::new(Openers::system()?, "/home/operator/moves/test");
/// for opener in enqueue.is_closed(&["TEST.SEQ.FB".parse()?], &[])? {
///     println!("{opener}");
/// }
/// # Ok::<(), trackmirror::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RegistryEnqueue {
    openers: Openers,
    owner: String,
}

impl RegistryEnqueue {
    /// In the name of this owner: the state folder of the migration, the same in every run.
    pub fn new(openers: Openers, owner: impl Into<String>) -> RegistryEnqueue {
        RegistryEnqueue { openers, owner: owner.into() }
    }
}

impl Enqueue for RegistryEnqueue {
    fn ask_to_close(&self, data_sets: &[DsName], _: &[Volser]) -> Result<()> {
        self.openers.request(data_sets, &self.owner)
    }

    fn is_closed(&self, data_sets: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        self.openers.openers_of(data_sets)
    }

    fn hold(&self, data_sets: &[DsName], _: &[Volser]) -> Result<()> {
        self.openers.hold(data_sets, &self.owner)
    }

    fn release(&self, data_sets: &[DsName], _: &[Volser]) -> Result<()> {
        // Requests first: nobody shall be let in only to be asked to leave.
        let withdrawn = self.openers.withdraw(data_sets, &self.owner);
        withdrawn.and(self.openers.release(data_sets, &self.owner))
    }
}

/// For volumes that this process has locked for itself alone, and that no system has attached: there is nobody to ask.
#[derive(Clone, Copy, Debug, Default)]
pub struct NobodyElse;

impl Enqueue for NobodyElse {
    fn ask_to_close(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
    fn is_closed(&self, _: &[DsName], _: &[Volser]) -> Result<Vec<Opener>> {
        Ok(Vec::new())
    }
    fn hold(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
    fn release(&self, _: &[DsName], _: &[Volser]) -> Result<()> {
        Ok(())
    }
}

/// What a host does by itself.
pub type Callback<T> = Box<dyn Fn(&[DsName], &[Volser]) -> Result<T> + Send + Sync>;

/// By functions of the host.
///
/// ```
/// use trackmirror::enqueue::{CallbackEnqueue, Enqueue};
/// let enqueue = CallbackEnqueue {
///     ask_to_close: Box::new(|_, _| Ok(())),
///     is_closed: Box::new(|_, _| Ok(Vec::new())),
///     hold: Box::new(|_, _| Ok(())),
///     release: Box::new(|_, _| Ok(())),
/// };
/// assert!(enqueue.is_closed(&["TEST.SEQ.FB".parse()?], &[])?.is_empty());
/// # Ok::<(), trackmirror::Error>(())
/// ```
pub struct CallbackEnqueue {
    /// See [`Enqueue::ask_to_close`].
    pub ask_to_close: Callback<()>,
    /// See [`Enqueue::is_closed`].
    pub is_closed: Callback<Vec<Opener>>,
    /// See [`Enqueue::hold`].
    pub hold: Callback<()>,
    /// See [`Enqueue::release`].
    pub release: Callback<()>,
}

impl fmt::Debug for CallbackEnqueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallbackEnqueue")
    }
}

impl Enqueue for CallbackEnqueue {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        (self.ask_to_close)(data_sets, volumes)
    }
    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        (self.is_closed)(data_sets, volumes)
    }
    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        (self.hold)(data_sets, volumes)
    }
    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        (self.release)(data_sets, volumes)
    }
}

/// Several implementations, each for some of the images: all are asked, held and released, and closed is what all call
/// closed. Those that cannot tell are left out of that, but one must be able to.
#[derive(Clone, Debug)]
pub struct AllOf(pub Vec<Arc<dyn Enqueue>>);

impl AllOf {
    /// Does it with each, whatever becomes of the others; the first error counts, but that somebody else holds it counts
    /// least.
    fn each(&self, mut act: impl FnMut(&dyn Enqueue) -> Result<()>) -> Result<()> {
        let mut result: Result<()> = Ok(());
        for one in &self.0 {
            result = match (result, act(&**one)) {
                (Err(held), Err(other)) if held.reason() == Reason::DataSetHeld => Err(other),
                (result, acted) => result.and(acted),
            };
        }
        result
    }
}

impl Enqueue for AllOf {
    fn ask_to_close(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.each(|one| one.ask_to_close(data_sets, volumes))
    }

    fn is_closed(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<Vec<Opener>> {
        if !self.can_confirm() {
            return Err(nobody_confirms());
        }
        let mut openers = Vec::new();
        for one in self.0.iter().filter(|one| one.can_confirm()) {
            openers.extend(one.is_closed(data_sets, volumes)?);
        }
        Ok(openers)
    }

    /// The first failure ends it. What was held stays so, since it may have been held before: the caller releases.
    fn hold(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.0.iter().try_for_each(|one| one.hold(data_sets, volumes))
    }

    fn release(&self, data_sets: &[DsName], volumes: &[Volser]) -> Result<()> {
        self.each(|one| one.release(data_sets, volumes))
    }

    fn can_confirm(&self) -> bool {
        self.0.iter().any(|one| one.can_confirm())
    }
}

/// Nobody was given who can tell whether the data sets are closed.
pub(crate) fn nobody_confirms() -> Error {
    Error::new(
        Reason::BadRequest,
        "nothing was given that tells whether the data sets are closed; give a command for it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    fn told(name: &'static str, log: &Arc<Mutex<Vec<String>>>, fails: bool) -> Arc<dyn Enqueue> {
        let action = |verb: &'static str| -> Callback<()> {
            let log = log.clone();
            Box::new(move |_, _| {
                log.lock().push(format!("{name} {verb}"));
                if fails { Err(Error::new(Reason::Io, name)) } else { Ok(()) }
            })
        };
        let opener =
            Opener { image: name.into(), program: "job".into(), process: None, data_set: None };
        Arc::new(CallbackEnqueue {
            ask_to_close: action("ask"),
            is_closed: Box::new(move |_, _| Ok(vec![opener.clone()])),
            hold: action("hold"),
            release: action("release"),
        })
    }

    #[test]
    fn all_are_asked_and_all_must_agree() {
        let log = Arc::default();
        let all = AllOf(vec![told("a", &log, true), told("b", &log, false), Arc::new(NobodyElse)]);
        assert_eq!(all.ask_to_close(&[], &[]).unwrap_err().sentence(), "a");
        assert_eq!(all.hold(&[], &[]).unwrap_err().sentence(), "a");
        assert_eq!(all.release(&[], &[]).unwrap_err().sentence(), "a");
        assert_eq!(*log.lock(), ["a ask", "b ask", "a hold", "a release", "b release"]);
        let openers = all.is_closed(&[], &[]).unwrap();
        let images: Vec<_> = openers.iter().map(|opener| opener.image.as_str()).collect();
        assert_eq!(images, ["a", "b"]);
    }

    #[test]
    fn somebody_must_be_able_to_tell() {
        let error = AllOf(Vec::new()).is_closed(&[], &[]).unwrap_err();
        assert_eq!(error.reason(), Reason::BadRequest);
        assert!(AllOf(vec![Arc::new(NobodyElse)]).is_closed(&[], &[]).unwrap().is_empty());
    }
}
