//! Hosts of our own: network namespaces around a switch whose wires fail as a test says. No packet
//! leaves them. All of it is gone when the test ends, however it ends.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tempfile::TempDir;

use crate::support::native;

/// A host; the test itself is on `C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// The first master.
    M,
    /// Its replica.
    R,
    /// A server of ours.
    S1,
    /// Another one.
    S2,
    /// The clients.
    C,
}

use Host::{C, M, R, S1, S2};

/// The address that servers know Redis by. `M` and `R` have it both; each server is led to one.
pub const SHARED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

impl Host {
    pub const ALL: [Self; 5] = [M, R, S1, S2, C];

    fn name(self) -> &'static str {
        ["m", "r", "s1", "s2", "c"][self.port()]
    }

    /// Its port at the switch, from 0 on.
    fn port(self) -> usize {
        self as usize
    }

    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, 0, self as u8 + 1)
    }

    fn hardware(self) -> String {
        format!("02:00:00:00:00:0{}", self.port() + 1)
    }
}

/// What happens to packets of one direction: percent, and milliseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wire {
    pub loss: u32,
    pub delay: u32,
    /// At random up to so much more.
    pub jitter: u32,
    /// Sent twice.
    pub twice: u32,
    /// Overtaken by those behind.
    pub late: u32,
    /// Kept until this is false again; then all of them go on their way.
    pub hold: bool,
}

impl Wire {
    pub const CUT: Self = Self {
        loss: 100,
        ..Self::GOOD
    };
    pub const HELD: Self = Self {
        hold: true,
        ..Self::GOOD
    };
    pub const GOOD: Self = Self {
        loss: 0,
        delay: 0,
        jitter: 0,
        twice: 0,
        late: 0,
        hold: false,
    };
}

/// How the switch is told to do both.
const LET_GO_AND_HOLD: u32 = 2;

/// Packets of one direction, so far; `kept` is now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Packets {
    pub lost: u64,
    pub doubled: u64,
    pub overtaken: u64,
    pub kept: u64,
}

/// The hosts and the switch between them.
pub struct Lab {
    name: String,
    switch: Mutex<Switch>,
    _broom: Broom,
    folder: TempDir,
}

impl Lab {
    /// Builds it, or says why it cannot be built here.
    fn open() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let own = File::open("/proc/self").and_then(|own| own.metadata());
        if own.is_ok_and(|own| own.uid() != 0) {
            return Err("it needs root".to_owned());
        }
        for (program, argument) in [("ip", "-V"), ("cc", "--version")] {
            let mut look = Command::new(program);
            let look = look.arg(argument).stdout(Stdio::null()).status();
            look.map_err(|error| format!("it needs {program}: {error}"))?;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("seckill-{}-{count}", std::process::id());
        let folder = tempfile::tempdir().expect("folder");
        let broom = Broom::over(&name, folder.path());
        ip(&["netns", "add", &format!("{name}-switch")], "")?;
        let program = folder.path().join("switch");
        native::compile("switch.c", &["-Wall", "-Wextra"], &program);
        Ok(Self {
            switch: Mutex::new(wired(&name, &program)?),
            name,
            _broom: broom,
            folder,
        })
    }

    /// A folder for the files of a host.
    pub fn folder(&self, host: Host) -> PathBuf {
        let folder = self.folder.path().join(host.name());
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// Does something on a host. What it starts or connects there stays there.
    pub fn on<T: Send>(&self, host: Host, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let visit = scope.spawn(|| {
                enter(&self.name, host.name());
                work()
            });
            visit.join().expect("done there")
        })
    }

    /// Starts a program on a host.
    pub fn spawn(&self, host: Host, command: &mut Command) -> io::Result<Child> {
        self.on(host, || command.spawn())
    }

    /// Leads a server to one of the two hosts that have the shared address.
    pub fn lead(&self, server: Host, to: Host) {
        let namespace = format!("{}-{}", self.name, server.name());
        let hardware = to.hardware();
        let neighbour = format!("neigh replace {SHARED} lladdr {hardware} dev e0 nud permanent\n");
        ip(&["-n", &namespace, "-batch", "-"], &neighbour).expect("led there");
    }

    /// Sets one direction; the packets that it had so far.
    pub fn set(&self, from: Host, to: Host, wire: Wire) -> Packets {
        let mut switch = self.switch.lock().expect("not poisoned");
        switch.set(from, to, wire, u32::from(wire.hold))
    }

    /// Lets go what was kept of one direction until now, and keeps what comes.
    pub fn let_go_kept(&self, from: Host, to: Host) {
        let mut switch = self.switch.lock().expect("not poisoned");
        switch.set(from, to, Wire::HELD, LET_GO_AND_HOLD);
    }

    /// Loses everything between two hosts.
    pub fn cut(&self, one: Host, other: Host) {
        self.set(one, other, Wire::CUT);
        self.set(other, one, Wire::CUT);
    }

    /// All wires are good again; the packets of all directions together.
    pub fn heal(&self) -> Packets {
        let mut all = Packets::default();
        let pairs = Host::ALL.map(|from| Host::ALL.map(|to| (from, to)));
        for (from, to) in pairs.into_iter().flatten().filter(|(one, two)| one != two) {
            let packets = self.set(from, to, Wire::GOOD);
            all.lost += packets.lost;
            all.doubled += packets.doubled;
            all.overtaken += packets.overtaken;
        }
        all
    }
}

/// Moves this thread to a host.
fn enter(lab: &str, host: &str) {
    let namespace = File::open(format!("/var/run/netns/{lab}-{host}")).expect("a namespace");
    let network = Some(LinkNameSpaceType::Network);
    move_into_link_name_space(namespace.as_fd(), network).expect("moved");
}

/// Builds the hosts of a lab around its switch, which is started.
fn wired(name: &str, program: &Path) -> Result<Switch, String> {
    let switch = format!("{name}-switch");
    let pairs = Host::ALL.map(|host| {
        let port = host.name();
        format!("link add name {port} type veth peer name far-{port}\nlink set dev {port} up\n")
    });
    ip(&["-n", &switch, "-batch", "-"], &pairs.concat())?;
    let running = Switch::start(name, program);
    for host in Host::ALL {
        let own = format!("{name}-{}", host.name());
        ip(&["netns", "add", &own], "")?;
        let (far, hardware) = (format!("far-{}", host.name()), host.hardware());
        let moved = format!("link set dev {far} netns {own} name e0 address {hardware}\n");
        ip(&["-n", &switch, "-batch", "-"], &moved)?;
        let mut setup = format!(
            "link set dev lo up\naddr add {}/24 dev e0\nlink set dev e0 up\n",
            host.address()
        );
        if [M, R].contains(&host) {
            setup.push_str(&format!("addr add {SHARED}/32 dev lo\n"));
        }
        ip(&["-n", &own, "-batch", "-"], &setup)?;
    }
    Ok(running)
}

/// Runs `ip` with these lines as its input.
fn ip(arguments: &[&str], lines: &str) -> Result<(), String> {
    let mut command = Command::new("ip");
    let command = command.args(arguments).stdin(Stdio::piped());
    let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("ip runs");
    let mut input = child.stdin.take().expect("its input");
    // A test that does not read it says what is wrong.
    let _ = input.write_all(lines.as_bytes());
    drop(input);
    let done = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&done.stderr);
    let wrong = format!("ip {}: {}", arguments.join(" "), said.trim());
    done.status.success().then_some(()).ok_or(wrong)
}

/// The running switch.
struct Switch {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Switch {
    fn start(lab: &str, program: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(Host::ALL.map(Host::name));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let spawned = thread::scope(|scope| {
            let visit = scope.spawn(|| {
                enter(lab, "switch");
                command.spawn()
            });
            visit.join().expect("spawned")
        });
        let mut child = spawned.expect("the switch starts");
        let orders = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut switch = Self {
            child,
            orders,
            answers,
        };
        assert_eq!(switch.answer(), "ready");
        switch
    }

    fn set(&mut self, from: Host, to: Host, wire: Wire, hold: u32) -> Packets {
        let Wire {
            loss,
            delay,
            jitter,
            twice,
            late,
            ..
        } = wire;
        let (from, to) = (from.port(), to.port());
        let line = format!("{from} {to} {loss} {delay} {jitter} {twice} {late} {hold}\n");
        self.orders.write_all(line.as_bytes()).expect("it listens");
        let answer = self.answer();
        let numbers = answer.split(' ').map(|number| number.parse());
        let numbers: Result<Vec<u64>, _> = numbers.collect();
        let [lost, doubled, overtaken, kept] = numbers.expect("numbers")[..] else {
            panic!("the switch said {answer:?}");
        };
        Packets {
            lost,
            doubled,
            overtaken,
            kept,
        }
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        line.trim_end().to_owned()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A shell that ends what still runs in a lab and removes its namespaces and its folder: when it is
/// dropped, or when this process ends, however it ends.
struct Broom(Child);

const SWEEP: &str = r#"read -r _
for name; do
    ip netns pids "$name" | xargs -r kill -KILL
    ip netns delete "$name"
done
rm -rf "$0""#;

impl Broom {
    fn over(lab: &str, folder: &Path) -> Self {
        let hosts = Host::ALL.map(Host::name).into_iter().chain(["switch"]);
        let names = hosts.map(|host| format!("{lab}-{host}"));
        let mut shell = Command::new("sh");
        shell.args(["-c", SWEEP]).arg(folder).args(names);
        shell.process_group(0); // a Ctrl-C is for this process
        shell.stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().expect("a shell"))
    }
}

impl Drop for Broom {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Runs a test on host `C` of a lab of its own; where there cannot be one, says so instead.
pub fn in_lab<T: Future<Output = ()>>(test: impl FnOnce(Lab) -> T + Send) {
    let lab = match Lab::open() {
        Ok(lab) => lab,
        Err(why) => return println!("skipped: {why}"),
    };
    let ended = thread::scope(|scope| {
        let visit = scope.spawn(|| {
            enter(&lab.name, C.name());
            // Its threads start where this one is.
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(2).enable_all().build();
            runtime.expect("a runtime").block_on(test(lab));
        });
        visit.join()
    });
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
