//! Where a Redis server is, and how one logs on to it.
//!
//! A password is never shown: what is printed is put together from the parts, never taken from the text that was given.

use crate::error::{Error, Reason, Result};
use redis::{ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo};
use std::fmt;
use std::path::PathBuf;

/// The environment variable that a password is taken from if the address has none: a command line is seen by all.
pub const PASSWORD_VARIABLE: &str = "TRACKMIRROR_REDIS_PASSWORD";

const FORMS: &str = "redis://[user[:password]@]host[:port][/number of the database], rediss:// for TLS, or \
                     redis+unix:///path/of/socket[?db=..&user=..&pass=..]";

/// The address of a Redis server, with everything that is needed to log on.
///
/// ```
/// use trackmirror::remote::RedisServer;
/// let server: RedisServer = "redis://migrator:secret@redis.example.com/2".parse()?;
/// assert_eq!(server.to_string(), "redis://redis.example.com:6379/2");
/// # Ok::<(), trackmirror::Error>(())
/// ```
///
/// Where the address has no password, that of the environment variable `TRACKMIRROR_REDIS_PASSWORD` is taken, if there is
/// one. Special characters of user and password are written as `%XX`.
///
/// With `rediss://` (feature "redis-tls") the server must show a certificate for its host's name that one of this
/// system's root certificates stands for (those of `SSL_CERT_FILE` and `SSL_CERT_DIR`, where these variables are set), or
/// one of the file that the address names. A server that wants to know its clients by certificates, as it does unless it
/// is told otherwise, gets that of two more files: `rediss://host:6380?ca=/etc/ca.pem&cert=/etc/me.pem&key=/etc/me.key`.
#[derive(Clone)]
pub struct RedisServer {
    /// How it is reached.
    pub(super) place: Place,
    /// User, password, database.
    pub(super) access: RedisConnectionInfo,
    /// As it was given.
    given: String,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// At this host and port, in the clear, or not.
    Tcp { host: String, port: u16, tls: Option<Certificates> },
    /// By this socket of the same machine.
    Unix(PathBuf),
}

/// Files with certificates, instead of the system's.
#[derive(Clone, Debug, Default)]
#[cfg_attr(not(feature = "redis-tls"), allow(dead_code))]
pub(super) struct Certificates {
    /// Those that may stand for the server's.
    pub(super) ca: Option<PathBuf>,
    /// Our own, and its key.
    pub(super) own: Option<(PathBuf, PathBuf)>,
}

impl RedisServer {
    /// The address as it was given, with the password if it had one: to be kept where nobody else reads it.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The same server, logged on to with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> RedisServer {
        self.access = self.access.set_password(password);
        self
    }
}

impl std::str::FromStr for RedisServer {
    type Err = Error;

    /// Errors: [`Reason::BadChannel`].
    fn from_str(text: &str) -> Result<RedisServer> {
        let parsed = parse(text)?;
        let has_password = parsed.access.password().is_some_and(|password| !password.is_empty());
        let of_environment = std::env::var(PASSWORD_VARIABLE).unwrap_or_default();
        Ok(match has_password || of_environment.is_empty() {
            true => parsed,
            false => parsed.with_password(&of_environment),
        })
    }
}

fn parse(text: &str) -> Result<RedisServer> {
    let url = redis::parse_redis_url(text)
        .filter(|url| ["redis", "rediss", "redis+unix", "unix"].contains(&url.scheme()))
        .ok_or_else(|| refusal("this is none"))?;
    if url.fragment().is_some() {
        return Err(refusal("write # as %23"));
    }
    let is_tls = url.scheme() == "rediss";
    if is_tls && cfg!(not(feature = "redis-tls")) {
        return Err(refusal(
            "this trackmirror was built without TLS: build it with the feature redis-tls, or give redis:// if \
             the network between can be trusted",
        ));
    }
    // Whether TLS is spoken is not left to the client's library.
    let plain = match is_tls {
        true => text.replacen("rediss:", "redis:", 1),
        false => text.into(),
    };
    let info = plain.as_str().into_connection_info().map_err(|error| refusal(error.category()))?;
    if info.redis_settings().db() < 0 {
        return Err(refusal("the number of the database is negative"));
    }
    let certificates = certificates(&url.query_pairs().into_owned().collect::<Vec<_>>(), is_tls)?;
    let place = match info.addr() {
        ConnectionAddr::Tcp(host, port) => {
            Place::Tcp { host: host.clone(), port: *port, tls: certificates }
        }
        ConnectionAddr::Unix(path) => Place::Unix(path.clone()),
        _ => return Err(refusal("this is none")),
    };
    Ok(RedisServer { place, access: info.redis_settings().clone(), given: text.into() })
}

fn certificates(pairs: &[(String, String)], is_tls: bool) -> Result<Option<Certificates>> {
    let file = |name: &str| {
        let pair = pairs.iter().find(|(key, value)| key == name && !value.is_empty());
        pair.map(|(_, path)| PathBuf::from(path))
    };
    let (ca, cert, key) = (file("ca"), file("cert"), file("key"));
    if !is_tls {
        return match (&ca, &cert, &key) {
            (None, None, None) => Ok(None),
            _ => Err(refusal("certificates are used with rediss:// alone")),
        };
    }
    let own = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        _ => return Err(refusal("give cert= and key= both, or none")),
    };
    Ok(Some(Certificates { ca, own }))
}

fn refusal(why: &str) -> Error {
    Error::new(
        Reason::BadChannel,
        format!("not the address of a Redis server: {why}; such an address is {FORMS}"),
    )
}

impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let db = self.access.db();
        match &self.place {
            Place::Unix(path) => write!(f, "redis+unix://{}?db={db}", path.display()),
            Place::Tcp { host, port, tls } => {
                let scheme = if tls.is_some() { "rediss" } else { "redis" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}/{db}"),
                    false => write!(f, "{scheme}://{host}:{port}/{db}"),
                }
            }
        }
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisServer({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<RedisServer>().unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn addresses_are_understood_and_shown_without_passwords() {
        for (given, expected) in [
            ("redis://a", "redis://a:6379/0"),
            ("redis://:pw@a:77/3", "redis://a:77/3"),
            ("redis://user:pw%23%40@[::1]:77/3", "redis://[::1]:77/3"),
            ("redis+unix:///tmp/x.sock?db=2&user=u&pass=pw", "redis+unix:///tmp/x.sock?db=2"),
            ("unix:///tmp/x.sock", "redis+unix:///tmp/x.sock?db=0"),
        ] {
            assert_eq!(shown(given), expected);
            let server: RedisServer = given.parse().unwrap();
            assert!(!format!("{server:?}").contains("pw"));
            assert_eq!(server.given(), given);
        }
        let server: RedisServer = "redis://user:p%23w@a".parse().unwrap();
        assert_eq!(
            (server.access.username(), server.access.password()),
            (Some("user"), Some("p#w"))
        );
        assert_eq!(server.with_password("new").access.password(), Some("new"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_a_password_in_the_text() {
        for wrong in [
            "",
            "host",
            "host:6379",
            "http://:secret@a",
            "redis://",
            "redis:///1",
            "redis://:secret@a/x",
            "redis://:secret@a/-1",
            "redis://:secret@a#insecure",
            "redis://:secret@a:99999",
            "redis://:secret@0.0.0.0",
            "redis://:sec#ret@a",
            "redis+unix:relative?pass=secret",
            "redis://:secret@a?ca=/x",
        ] {
            let error = wrong.parse::<RedisServer>().unwrap_err();
            assert_eq!(error.reason(), Reason::BadChannel, "{wrong}");
            assert!(!error.sentence().contains("secret"), "{error}");
            assert!(error.sentence().contains("redis://[user"), "{error}");
        }
    }

    #[test]
    #[cfg(feature = "redis-tls")]
    fn certificates_come_from_files() {
        assert_eq!(shown("rediss://a"), "rediss://a:6379/0");
        let server: RedisServer = "rediss://a:1/2?ca=/c%20a&cert=/b&key=/d".parse().unwrap();
        let Place::Tcp { tls: Some(certificates), .. } = &server.place else { panic!("no TLS") };
        assert_eq!(certificates.ca, Some("/c a".into()));
        assert_eq!(certificates.own, Some(("/b".into(), "/d".into())));
        assert!("rediss://a?cert=/b".parse::<RedisServer>().is_err());
    }

    #[test]
    #[cfg(not(feature = "redis-tls"))]
    fn without_tls_it_is_said_what_to_build() {
        let error = "rediss://a".parse::<RedisServer>().unwrap_err();
        assert!(error.sentence().contains("redis-tls"), "{error}");
    }
}
