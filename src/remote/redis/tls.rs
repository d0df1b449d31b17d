//! TLS to a server: its certificate must be good for its host's name, and for one of the roots that are trusted.

use super::link::{Answered, Limited, Trouble};
use super::server::Certificates;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::path::Path;
use std::sync::Arc;

/// An encrypted connection.
pub(super) type TlsStream = StreamOwned<ClientConnection, Limited>;

/// Begins to speak TLS; the rest of the greeting is part of the first exchange.
pub(super) fn begin(host: &str, files: &Certificates, plain: Limited) -> Answered<Box<TlsStream>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Trouble::Link(format!("TLS: {error}")))?
        .with_root_certificates(roots(files.ca.as_deref())?);
    let config = match &files.own {
        None => config.with_no_client_auth(),
        Some((certificate, key)) => config
            .with_client_auth_cert(read_certificates(certificate)?, read_key(key)?)
            .map_err(|error| unusable(certificate, &error))?,
    };
    let name = ServerName::try_from(host.to_string())
        .map_err(|error| Trouble::Link(format!("TLS: the host's name: {error}")))?;
    let connection = ClientConnection::new(Arc::new(config), name)
        .map_err(|error| Trouble::Link(format!("TLS: {error}")))?;
    Ok(Box::new(StreamOwned::new(connection, plain)))
}

/// The roots of this file; without one, those of the system, of which single ones may be unusable.
fn roots(file: Option<&Path>) -> Answered<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in read_certificates(file)? {
                roots.add(certificate).map_err(|error| unusable(file, &error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why =
                    found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
                return Err(Trouble::Link(format!(
                    "TLS: this system has no root certificates{why}; install them (ca-certificates), or name a file \
                     with ca=/path in the address"
                )));
            }
        }
    }
    Ok(roots)
}

fn read_certificates(file: &Path) -> Answered<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(file, &error))?;
    match certificates.is_empty() {
        true => Err(unusable(file, &"it has no certificate")),
        false => Ok(certificates),
    }
}

fn read_key(file: &Path) -> Answered<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(file).map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, error: &dyn std::fmt::Display) -> Trouble {
    Trouble::Link(format!("TLS: {}: {error}", file.display()))
}
