//! The private Redis with each server program: it sells, and the programs that can read its data
//! do, while the others refuse. Needs what `make servers` fetches; for `make test-long`.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;

use crate::support::process::{ServerProcess, free_address, program};

/// A server program of another version than the system's.
fn fetched(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers");
    let path = path.join(name);
    assert!(path.is_file(), "{path:?} is missing: run `make servers`");
    path
}

fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let mut candidates = std::env::split_paths(&path).map(|folder| folder.join(name));
    let found = candidates.find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("no {name} on PATH"))
}

/// A machine with some server programs, and data that stay when they are exchanged.
struct Machine {
    programs: TempDir,
    data: PathBuf,
}

impl Machine {
    fn new(data: &Path, servers: &[&Server]) -> Self {
        let programs = tempfile::tempdir().expect("folder");
        let link = |to: &Path, name: &str| symlink(to, programs.path().join(name)).expect("linked");
        link(&on_path("sh"), "sh"); // guards the server
        for (number, server) in servers.iter().enumerate() {
            // Two of one name are in two folders of the PATH.
            let folder = programs.path().join(number.to_string());
            std::fs::create_dir(&folder).expect("folder");
            symlink(&server.path, folder.join(server.file)).expect("linked");
        }
        Self {
            programs,
            data: data.to_owned(),
        }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = program();
        command.args(arguments).arg("--data-dir").arg(&self.data);
        let folder = self.programs.path();
        let folders = (0..9).map(|number| folder.join(number.to_string()));
        let path = std::env::join_paths(folders.chain([folder.to_owned()]));
        command.env("PATH", path.expect("a PATH"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn puts_a_sale(&self) {
        self.succeeds(&["sale", "put", "kept", "--kind", "counter"]);
        self.succeeds(&["stock", "add", "kept", "--count", "7"]);
    }

    /// The data are there, and the directory names this program as their writer.
    fn reads_with(&self, server: &Server) {
        let shown = self.succeeds(&["sale", "show", "kept", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["left"], 7);
        let writer = std::fs::read_to_string(self.data.join("version.json")).expect("named");
        let version = format!(
            "\"program\":\"{}\",\"version\":\"{}",
            server.name, server.version
        );
        assert!(writer.contains(&version), "{writer}");
    }

    fn refuses(&self, words: &str) {
        let output = self.run(&["audit", "kept", "--deep"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert_eq!(said.lines().count(), 1, "one sentence: {said}");
        assert!(said.contains(words), "no {words:?}: {said}");
    }
}

struct Server {
    file: &'static str,
    name: &'static str,
    /// How its version begins.
    version: &'static str,
    path: PathBuf,
}

/// The system's own, Redis 8 and Valkey 9.
fn servers() -> [Server; 3] {
    let server = |file, name, version, path| Server {
        file,
        name,
        version,
        path,
    };
    [
        server("redis-server", "redis", "7.", on_path("redis-server")),
        server("redis-server", "redis", "8.", fetched("redis-server")),
        server("valkey-server", "valkey", "9.", fetched("valkey-server")),
    ]
}

#[test]
#[ignore = "needs `make servers`; for make test-long"]
fn data_are_read_by_the_programs_that_can_and_refused_by_the_others() {
    let [redis_7, redis_8, valkey] = &servers();
    let folder = tempfile::tempdir().expect("folder");
    let data = folder.path().join("of-redis-7");
    let with = |servers: &[&Server]| Machine::new(&data, servers);
    with(&[redis_7]).puts_a_sale();
    // To another kind and back, as long as the log has not been written anew.
    with(&[valkey]).reads_with(valkey);
    with(&[redis_7]).reads_with(redis_7);
    // The kind that wrote the data comes first, whatever else is installed.
    with(&[redis_7, valkey]).reads_with(redis_7);
    // An upgrade; then the older one is passed over, or refused when it is alone.
    with(&[redis_8]).reads_with(redis_8);
    with(&[redis_7, redis_8]).reads_with(redis_8);
    with(&[redis_7]).refuses("is older");

    let data = folder.path().join("of-redis-8");
    let with = |servers: &[&Server]| Machine::new(&data, servers);
    with(&[redis_8]).puts_a_sale();
    with(&[valkey]).refuses("Can't handle RDB format version 12");
    std::fs::remove_file(data.join("version.json")).expect("deleted");
    with(&[redis_7]).refuses("Can't handle RDB format version 12");
    // Without the name of the writer each is tried.
    with(&[redis_7, valkey, redis_8]).reads_with(redis_8);

    let data = folder.path().join("of-valkey-9");
    let with = |servers: &[&Server]| Machine::new(&data, servers);
    with(&[valkey]).puts_a_sale();
    with(&[redis_7, redis_8]).refuses("does not know the format of Valkey 9");
    with(&[redis_7, valkey]).reads_with(valkey);
}

#[tokio::test]
#[ignore = "needs `make servers`; for make test-long"]
async fn every_program_sells_is_backed_up_and_audited() {
    for server in &servers() {
        let folder = tempfile::tempdir().expect("folder");
        let machine = Machine::new(&folder.path().join("data"), &[server]);
        let address = free_address();
        let listen = address.to_string();
        let mut serve = machine.command(&["serve", "--listen", &listen]);
        let serve = serve.stdin(Stdio::null()).stdout(Stdio::null());
        let child = serve.stderr(Stdio::null()).spawn().expect("started");
        let running = ServerProcess::adopt(child, address).await;
        machine.succeeds(&["sale", "put", "b", "--kind", "counter", "--hold", "1s"]);
        for (door, sale) in [("/seckill", "a"), ("/incr", "b")] {
            let code = async |user| running.buyer.code(door, sale, user, "1").await;
            assert_eq!(code("x").await, "grabbed", "{}", server.name);
            assert_eq!(code("x").await, "already_grabbed", "{}", server.name);
        }
        machine.succeeds(&["doctor"]);
        let expired = "seckill_expired_orders_total 1\n";
        running
            .buyer
            .metrics_that(|told| told.contains(expired))
            .await;
        let backup = folder.path().join("backup");
        machine.succeeds(&["backup", backup.to_str().expect("a plain path")]);
        running.kill();
        let restored = Machine::new(&backup, &[server]);
        for sale in ["a", "b"] {
            machine.succeeds(&["audit", sale, "--deep"]);
            restored.succeeds(&["audit", sale, "--deep"]);
        }
    }
}
