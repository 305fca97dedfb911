//! How to log in at Redis: certificates and passwords from files, and what to do when it fails.

use std::path::Path;

use redis::{Client, ClientTlsConfig, ConnectionInfo, RedisError, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::{RedisAccess, RedisUrl, secret};
use crate::error::{self, Error};
use crate::failure::{Failure, Result};

/// The setting that names a file with the password.
const PASSWORD_FILE: &str = "redis.password_file";

/// A client for this address that shows and trusts the configured certificates.
///
/// # Errors
/// [`Error::Config`] with the file and what is wrong with it.
pub fn client(info: ConnectionInfo, access: &RedisAccess) -> error::Result<Client> {
    let plain = access.tls_ca.is_none() && access.tls_identity.is_none();
    let built = if plain {
        Client::open(info)
    } else {
        let root_cert = access.tls_ca.as_deref().map(authorities).transpose()?;
        let identity = access.tls_identity.as_ref();
        let client_tls = identity.map(|(cert, key)| self::identity(cert, key));
        let certificates = TlsCertificates {
            client_tls: client_tls.transpose()?,
            root_cert,
        };
        Client::build_with_tls(info, certificates)
    };
    built.map_err(|e| Error::Config(format!("redis.url {}: {e}", access.url)))
}

fn authorities(path: &Path) -> error::Result<Vec<u8>> {
    let pem = read("redis.tls_ca", path)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("redis.tls_ca", path, &pem)? {
        let added = roots.add(certificate);
        added.map_err(|e| wrong("redis.tls_ca", path, e))?;
    }
    Ok(pem)
}

fn identity(cert: &Path, key: &Path) -> error::Result<ClientTlsConfig> {
    let client_cert = read("redis.tls_cert", cert)?;
    let client_key = read("redis.tls_key", key)?;
    let chain = certificates("redis.tls_cert", cert, &client_cert)?;
    let private = PrivateKeyDer::from_pem_slice(&client_key);
    let private =
        private.map_err(|e| wrong("redis.tls_key", key, format!("no private key: {e}")))?;
    let fits = rustls::sign::CertifiedKey::from_der(
        chain,
        private,
        &rustls::crypto::ring::default_provider(),
    );
    fits.map_err(|e| {
        let cert = cert.display();
        wrong("redis.tls_key", key, format!("not the key of {cert}: {e}"))
    })?;
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn certificates(
    setting: &str,
    path: &Path,
    pem: &[u8],
) -> error::Result<Vec<CertificateDer<'static>>> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let parsed = parsed.map_err(|e| wrong(setting, path, e))?;
    if parsed.is_empty() {
        return Err(wrong(setting, path, "no certificate in PEM form"));
    }
    Ok(parsed)
}

fn read(setting: &str, path: &Path) -> error::Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| wrong(setting, path, e))
}

fn wrong(setting: &str, path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Config(format!("{setting} {}: {why}", path.display()))
}

/// Checks that there is one password at most, and that its file can be read.
///
/// # Errors
/// [`Error::Config`] with the file and what is wrong with it.
pub fn check(info: &ConnectionInfo, access: &RedisAccess) -> error::Result<()> {
    let (url, settings) = (&access.url, info.redis_settings());
    let has_login = settings.username().is_some() || settings.password().is_some();
    if !has_login && !url.expose().starts_with("unix") && url.expose().contains('@') {
        let advice = encoding_advice(url);
        return Err(Error::Config(format!(
            "redis.url {url}: the @ is not where it separates a password from a host{advice}"
        )));
    }
    let Some(path) = &access.password_file else {
        return Ok(());
    };
    if settings.password().is_some() {
        return Err(Error::Config(
            "redis.url holds a password, and redis.password_file is set: keep one of them"
                .to_owned(),
        ));
    }
    secret::read(PASSWORD_FILE, path)
        .map_err(Error::Config)
        .map(drop)
}

/// A client that logs in with the password that the file holds now, if there is a file. So a
/// password that was changed is used after the next failed log-in.
///
/// # Errors
/// [`Failure::Busy`] with the file and what is wrong with it.
pub async fn with_password(client: &Client, access: &RedisAccess) -> Result<Client> {
    let Some(path) = access.password_file.clone() else {
        return Ok(client.clone());
    };
    let read = tokio::task::spawn_blocking(move || secret::read(PASSWORD_FILE, &path)).await;
    let password = read.unwrap_or_else(|e| Err(format!("{PASSWORD_FILE}: {e}")));
    let info = client.get_connection_info().clone();
    let settings = info.redis_settings().clone();
    let settings = settings.set_password(password.map_err(Failure::Busy)?);
    let client = Client::open(info.set_redis_settings(settings));
    client.map_err(|e| Failure::Busy(format!("redis.url {}: {e}", access.url)))
}

/// What is probably wrong with an address that cannot be parsed; empty when nobody knows.
pub fn encoding_advice(url: &RedisUrl) -> &'static str {
    if url.expose().contains('@') {
        "; in a password, write % as %25, / as %2F, ? as %3F, # as %23 and @ as %40"
    } else {
        ""
    }
}

/// What an operator can do about a connection that could not be opened; empty when nobody knows.
pub fn advice(access: &RedisAccess, error: &RedisError) -> &'static str {
    let said = error.to_string();
    let is_tls = access.url.expose().starts_with("rediss");
    let cut_off = error.is_connection_dropped() && !error.is_connection_refusal();
    if !is_tls && !access.url.expose().starts_with("unix") && cut_off {
        return "; if this port speaks TLS, write rediss:// in redis.url";
    }
    if !is_tls {
        return "";
    }
    // A plain Redis waits for the end of what it takes for a command.
    if error.is_timeout() || said.contains("InvalidContentType") {
        return "; if this port does not speak TLS, write redis:// in redis.url";
    }
    if said.contains("UnknownIssuer") {
        return "; set redis.tls_ca to the file of the authority that signed its certificate";
    }
    if said.contains("CertificateRequired") || said.contains("HandshakeFailure") {
        return "; it wants a certificate of the client: set redis.tls_cert and redis.tls_key";
    }
    ""
}
