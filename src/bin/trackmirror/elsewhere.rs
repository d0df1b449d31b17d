//! Images on other machines: how they are named on the command line, and the channels to them.
//!
//! A channel does its input and output in a thread of its own ([`background`]), so that a server that is slow or gone keeps
//! neither copying nor a program's writes waiting.

#[cfg(feature = "redis")]
mod background;

use serde_json::{Value, json};
use std::sync::Arc;
use trackmirror::registry::expected::is_image_name;
use trackmirror::remote::{Channel, Machine, MachineReport, Presence};
use trackmirror::{Error, Reason, Result};

/// An image on another machine, as it is kept for `resume`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    /// Its name.
    pub image: String,
    /// The address of the server through which its agent is reached, as it was given.
    pub server: String,
}

impl Elsewhere {
    /// `NAME@SERVER`; `None` if it is a name alone: that of an image on this machine.
    ///
    /// Error: [`Reason::BadChannel`].
    pub fn parse(text: &str) -> Result<Option<Elsewhere>> {
        // An @ may be a letter of a name; what follows it here is none.
        let is_address = |rest: &str| rest.is_empty() || rest.contains([':', '/']);
        let Some((image, server)) = text.split_once('@').filter(|(_, rest)| is_address(rest))
        else {
            return Ok(None);
        };
        if !is_image_name(image) || !server.contains("://") {
            // It may hold a password, so it is not repeated.
            let why = "an image on another machine is given as NAME@redis://HOST[:PORT], with a name of 1 to 32 printable \
                       characters";
            return Err(Error::new(Reason::BadChannel, why));
        }
        let elsewhere = Elsewhere { image: image.into(), server: server.into() };
        elsewhere.shown_server()?;
        Ok(Some(elsewhere))
    }

    /// The server's address without a password.
    pub fn shown_server(&self) -> Result<String> {
        shown(&self.server)
    }

    /// That its server can be reached; nothing is changed there.
    ///
    /// Error: [`Reason::NotCovered`].
    pub fn check(&self) -> Result<()> {
        check(&self.server).map_err(|error| {
            let why = format!("image {} on another machine: {}", self.image, error.sentence());
            Error::new(Reason::NotCovered, why)
        })
    }

    /// For the request in the state folder.
    pub fn value(&self) -> Value {
        json!({ "image": self.image, "server": self.server })
    }

    /// Reads it again.
    pub fn of_value(value: &Value) -> Option<Elsewhere> {
        let text = |name: &str| value[name].as_str().map(String::from);
        Some(Elsewhere { image: text("image")?, server: text("server")? })
    }

    /// The machine, reached through its server.
    pub fn open(&self) -> Result<Machine> {
        Machine::new(&self.image, owner_channel(&self.server, &self.image)?)
    }
}

#[cfg(feature = "redis")]
fn shown(server: &str) -> Result<String> {
    Ok(server.parse::<trackmirror::remote::RedisServer>()?.to_string())
}

#[cfg(feature = "redis")]
fn check(server: &str) -> Result<()> {
    server.parse::<trackmirror::remote::RedisServer>()?.check()
}

#[cfg(not(feature = "redis"))]
fn check(_: &str) -> Result<()> {
    Err(without_redis())
}

#[cfg(not(feature = "redis"))]
fn shown(_: &str) -> Result<String> {
    Err(without_redis())
}

#[cfg(feature = "redis")]
fn owner_channel(server: &str, image: &str) -> Result<Arc<dyn Channel>> {
    let server = server.parse()?;
    let channel = trackmirror::remote::RedisChannel::owner(&server, image);
    Ok(Arc::new(background::Background::begin(channel)?))
}

#[cfg(not(feature = "redis"))]
fn owner_channel(_: &str, _: &str) -> Result<Arc<dyn Channel>> {
    Err(without_redis())
}

/// The channel of an image's agent, and the server's address without a password.
#[cfg(feature = "redis")]
pub fn agent_channel(server: &str, image: &str) -> Result<(Arc<dyn Channel>, String)> {
    let server: trackmirror::remote::RedisServer = server.parse()?;
    let channel = trackmirror::remote::RedisChannel::agent(&server, image);
    Ok((Arc::new(background::Background::begin(channel)?), server.to_string()))
}

/// The channel of an image's agent.
#[cfg(not(feature = "redis"))]
pub fn agent_channel(_: &str, _: &str) -> Result<(Arc<dyn Channel>, String)> {
    Err(without_redis())
}

#[cfg(not(feature = "redis"))]
fn without_redis() -> Error {
    Error::new(
        Reason::BadChannel,
        "this trackmirror was built without Redis, which carries what machines tell each other: build it with the \
         feature redis (cargo build --features redis), or with redis-tls",
    )
}

/// That no image is named twice.
pub fn check_once(all: &[Elsewhere]) -> Result<()> {
    for (number, one) in all.iter().enumerate() {
        if all[..number].iter().any(|other| other.image == one.image) {
            let why = format!("image {} on another machine is given twice", one.image);
            return Err(Error::new(Reason::BadRequest, why));
        }
    }
    Ok(())
}

/// What is known of the images on other machines, for programs.
pub fn machines_value(reports: &[MachineReport], all: &[Elsewhere]) -> Value {
    let ms = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let value = |report: &MachineReport| {
        let server = all.iter().find(|one| one.image == report.name);
        let applied = report.applied.iter();
        let applied = applied
            .map(|(volser, number)| json!({ "volser": volser.to_string(), "number": number }));
        let needs_answer = !matches!(report.presence, Presence::Left | Presence::Retired);
        json!({
            "name": report.name,
            "standing": report.presence.to_string(),
            "server": server.and_then(|one| one.shown_server().ok()),
            "applied": applied.collect::<Vec<_>>(),
            "delay_ms": report.delay.map(ms),
            "silence_ms": report.silence.map(ms),
            "refused_count": report.refused_count,
            "needs_answer": needs_answer,
            "trouble": report.trouble,
        })
    };
    reports.iter().map(value).collect()
}

/// The same for a migration that nobody leads: only who they are.
pub fn unled_value(all: &[Elsewhere]) -> Value {
    let value = |one: &Elsewhere| json!({ "name": one.image, "standing": "unknown", "server": one.shown_server().ok() });
    all.iter().map(value).collect()
}

#[cfg(all(test, feature = "redis"))]
mod tests {
    use super::*;

    #[test]
    fn images_elsewhere_have_an_address() {
        for here in ["PROD1", "A@B"] {
            assert_eq!(Elsewhere::parse(here).unwrap(), None, "{here}");
        }
        for neither in ["A@", "A@redis:x", "A@127.0.0.1:6379", "@redis://host"] {
            let error = Elsewhere::parse(neither).unwrap_err();
            assert_eq!(error.reason(), Reason::BadChannel, "{neither}");
        }
        let there = Elsewhere::parse("PROD2@redis://u:secret@host/1").unwrap().unwrap();
        assert_eq!(
            (there.image.as_str(), there.server.as_str()),
            ("PROD2", "redis://u:secret@host/1")
        );
        assert_eq!(there.shown_server().unwrap(), "redis://host:6379/1");
        assert_eq!(Elsewhere::of_value(&there.value()), Some(there.clone()));
        assert_eq!(Elsewhere::parse("P@http://x").unwrap_err().reason(), Reason::BadChannel);
        check_once(std::slice::from_ref(&there)).unwrap();
        check_once(&[there.clone(), there]).unwrap_err();
    }
}
