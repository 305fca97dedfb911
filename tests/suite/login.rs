//! Logging in as operators have it: a TLS port that wants certificates of its own authority, and a
//! password in a file that changes. What is wrong is named with its file or setting.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use seckill::config::{Redis, RedisAccess, RedisUrl};
use seckill::domain::sale::StockKind;
use seckill::error::Error;
use seckill::private_redis::{Options, Persistence};
use seckill::store::Store;
use tempfile::TempDir;

use crate::support::app::TestApp;
use crate::support::process::free_address;
use crate::support::redis::{PrivateRedis, World, sale_id};
use crate::support::{PATIENCE, TIMEOUT};

fn with_arguments(arguments: &[&str]) -> PrivateRedis {
    PrivateRedis::start(Options {
        persistence: Persistence::Memory,
        extra: arguments.iter().map(|&word| word.to_owned()).collect(),
    })
}

/// An authority, and what it signed for a server and for a client.
struct Certificates(TempDir);

impl Certificates {
    fn new() -> Self {
        let made = Self(tempfile::tempdir().expect("folder"));
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("signed");
        made.write("ca.pem", &authority.pem());
        for name in ["server", "client"] {
            let key = KeyPair::generate().expect("a key");
            let mut params = CertificateParams::new(vec!["localhost".to_owned()]).expect("valid");
            params.distinguished_name.push(DnType::CommonName, name);
            let certificate = params.signed_by(&key, &authority).expect("signed");
            made.write(&format!("{name}.pem"), &certificate.pem());
            made.write(&format!("{name}.key"), &key.serialize_pem());
        }
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// A server that nobody reaches without a certificate of the authority.
    fn redis(&self) -> (PrivateRedis, u16) {
        let port = free_address().port();
        let file = |name: &str| self.path(name).to_str().expect("a plain path").to_owned();
        let redis = with_arguments(&[
            "--tls-port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--tls-cert-file",
            &file("server.pem"),
            "--tls-key-file",
            &file("server.key"),
            "--tls-ca-cert-file",
            &file("ca.pem"),
            "--tls-auth-clients",
            "yes",
        ]);
        (redis, port)
    }

    fn settings(&self, url: String) -> Redis {
        Redis {
            url: Some(RedisUrl::new(url)),
            tls_ca: Some(self.path("ca.pem")),
            tls_cert: Some(self.path("client.pem")),
            tls_key: Some(self.path("client.key")),
            timeout: TIMEOUT,
            ..Redis::default()
        }
    }
}

fn store(settings: &Redis) -> Result<Store, Error> {
    let url = settings.url.clone().expect("an address");
    Store::new(settings.access(&url), &settings.prefix, settings.timeout)
}

/// What is said when a sale cannot be looked at with these settings.
async fn refused(settings: &Redis) -> String {
    match store(settings) {
        Ok(store) => match store.sale_snapshot(&sale_id("a")).await {
            Ok(_) => panic!("it was read"),
            Err(failure) => failure.to_string(),
        },
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_tls_port_with_its_own_authority_and_certificates_of_clients() {
    let certificates = Certificates::new();
    let (redis, port) = certificates.redis();
    let world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 1).await;
    let good = certificates.settings(format!("rediss://localhost:{port}"));
    let app = TestApp::with(&world, |config| {
        config.redis = Redis {
            prefix: world.prefix.clone(),
            ..good.clone()
        }
    });
    let app = app.await;
    assert_eq!(app.operator().get("/readyz").await.status, 200);
    assert_eq!(app.buyer.code("/seckill", "a", "x", "1").await, "grabbed");
    assert_eq!(
        app.operator().get("/admin/sales/a/orders").await.status,
        200
    );
    world.assert_holds(&sale).await;
    app.stop().await;

    let stranger = Redis {
        tls_cert: None,
        tls_key: None,
        ..good.clone()
    };
    let said = refused(&stranger).await;
    assert!(said.contains("redis.tls_cert"), "{said}");
    let distrustful = Redis {
        tls_ca: None,
        ..good.clone()
    };
    let said = refused(&distrustful).await;
    assert!(said.contains("redis.tls_ca"), "{said}");
    let url = RedisUrl::new(format!("redis://localhost:{port}"));
    let plain = Redis {
        url: Some(url),
        ..Redis::default()
    };
    let said = refused(&plain).await;
    assert!(said.contains("write rediss://"), "{said}");
    let plain_port = free_address().port();
    let _plain = with_arguments(&["--port", &plain_port.to_string(), "--bind", "127.0.0.1"]);
    let impatient = Redis {
        timeout: Duration::from_millis(500),
        ..certificates.settings(format!("rediss://localhost:{plain_port}"))
    };
    let said = refused(&impatient).await;
    assert!(said.contains("write redis://"), "{said}");
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_its_setting() {
    let certificates = Certificates::new();
    let good = certificates.settings("rediss://localhost:1".to_owned());
    assert!(store(&good).is_ok());
    let named = |settings: &Redis, setting: &str, path: &Path| {
        let Some(Error::Config(said)) = store(settings).err() else {
            panic!("{setting} {} was taken", path.display());
        };
        let (path, said) = (path.display().to_string(), said.as_str());
        assert!(said.contains(setting) && said.contains(&path), "{said}");
    };
    for wrong in ["missing.pem", "empty.pem", "client.key"] {
        certificates.write("empty.pem", "");
        let path = certificates.path(wrong);
        let (mut ca, mut cert) = (good.clone(), good.clone());
        ca.tls_ca = Some(path.clone());
        named(&ca, "redis.tls_ca", &path);
        cert.tls_cert = Some(path.clone());
        named(&cert, "redis.tls_cert", &path);
    }
    for wrong in ["missing.key", "client.pem", "server.key"] {
        let path = certificates.path(wrong);
        let mut key = good.clone();
        key.tls_key = Some(path.clone());
        named(&key, "redis.tls_key", &path);
    }
    for wrong in ["missing", "empty.pem"] {
        let path = certificates.path(wrong);
        let mut password = good.clone();
        password.password_file = Some(path.clone());
        named(&password, "redis.password_file", &path);
    }
}

#[test]
fn one_password_and_its_encoding() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "hunter2\n").expect("written");
    let access = |url: &str, file: Option<&Path>| {
        let access = RedisAccess {
            password_file: file.map(Path::to_owned),
            ..RedisAccess::from(&RedisUrl::new(url))
        };
        let built = Store::new(access, "x:", Duration::from_secs(1));
        built.err().map(|error| error.to_string())
    };
    assert_eq!(access("redis://shop@localhost", Some(&file)), None);
    assert_eq!(access("redis://:p%40s%2F@localhost", None), None);
    for url in ["redis://:hunter2@localhost", "unix:///x?pass=hunter2"] {
        let said = access(url, Some(&file)).expect("two passwords");
        assert!(said.contains("redis.password_file"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    for url in [
        "redis://:hunter2/x@localhost",
        "redis://:hunter2#x@localhost",
        "redis://:hunter2?x@localhost",
        "redis://shop:12?hunter2@localhost",
    ] {
        let said = access(url, None).expect("not encoded");
        assert!(said.contains("/ as %2F"), "{url}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}

/// Somebody changes the password at Redis, cuts off who is logged in, and then writes the file.
#[tokio::test]
async fn a_password_that_changes_needs_no_restart() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("password");
    std::fs::write(&file, "old\n").expect("written");
    let port = free_address().port();
    let listen = ["--port", &port.to_string(), "--bind", "127.0.0.1"];
    let user = ["--user", "shop", "on", ">old", "~*", "&*", "+@all"];
    let redis = with_arguments(&[&listen[..], &user].concat());
    let mut world = World::at(redis.url()).await;
    let sale = world.sale("a", StockKind::List, 50).await;
    let app = TestApp::with(&world, |config| {
        config.redis.url = Some(RedisUrl::new(format!("redis://shop@127.0.0.1:{port}")));
        config.redis.password_file = Some(file.clone());
    });
    let app = app.await;
    for (number, password) in ["new", "newer"].into_iter().enumerate() {
        let user = format!("before-{number}");
        assert_eq!(app.buyer.code("/seckill", "a", &user, "1").await, "grabbed");
        let password = format!(">{password}");
        let set = ["ACL", "SETUSER", "shop", "resetpass", &password];
        let () = world.run(&set).await;
        let _: i64 = world.run(&["CLIENT", "KILL", "USER", "shop"]).await;
        let user = format!("after-{number}");
        let deadline = Instant::now() + PATIENCE;
        while app.buyer.code("/seckill", "a", &user, "1").await != "busy" {
            assert!(Instant::now() < deadline, "the old password works");
        }
        std::fs::write(&file, &password[1..]).expect("written");
        for path in [
            "/readyz",
            "/sales",
            "/orders/a-00000000000000000000?username=x",
        ] {
            while app.buyer.get(path).await.status == 503 {
                assert!(
                    Instant::now() < deadline,
                    "{path}: the new password does not work"
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        while app.buyer.code("/seckill", "a", &user, "1").await == "busy" {
            assert!(Instant::now() < deadline, "the new password does not work");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let export = app.operator().get("/admin/sales/a/orders").await;
        assert_eq!(export.status, 200, "{}", export.body);
    }
    world.assert_holds(&sale).await;
    app.stop().await;
}
