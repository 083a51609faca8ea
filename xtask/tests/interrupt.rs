//! What ctrl-C leaves behind: nothing. With scripts that stand in for those of the real cluster.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what surprises a test ends it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// A checkout that has the scripts of the cluster and nothing else, removed at the end.
struct Checkout(PathBuf);

impl Checkout {
    fn new(name: &str, up: &str) -> Self {
        let root = std::env::temp_dir().join(format!("crossview-{name}-{}", std::process::id()));
        let scripts = root.join("tests/cluster");
        fs::create_dir_all(&scripts).unwrap();
        fs::create_dir_all(root.join("xtask")).unwrap();
        fs::write(root.join("Cargo.toml"), "").unwrap();
        fs::write(scripts.join("setup.sh"), "").unwrap();
        fs::write(scripts.join("up.sh"), up).unwrap();
        fs::write(scripts.join("down.sh"), "touch ended").unwrap();
        Self(root)
    }

    fn start(&self) -> Child {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
        xtask.args(["test", "--only=cluster"]).env("CARGO_MANIFEST_DIR", self.0.join("xtask"));
        xtask.env("CROSSVIEW_CACHE", self.0.join("cache")).env_remove("CROSSVIEW_TEST_KUBECONFIG");
        xtask.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _already_gone = fs::remove_dir_all(&self.0);
    }
}

fn wait_for<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(value) = seen() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {LIMIT:?} in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn send(signal: &str, process: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args([signal, process]).stderr(Stdio::null()).status().unwrap().success()
}

fn content(file: &Path) -> Option<String> {
    fs::read_to_string(file).ok().filter(|text| text.ends_with('\n')).map(|text| text.trim().to_owned())
}

fn ended(child: &mut Child) -> ExitStatus {
    wait_for("the end of xtask", || child.try_wait().unwrap())
}

// Whoever presses ctrl-C while the cluster starts was left with half of it running.
#[test]
fn a_cluster_that_is_still_starting_is_ended_on_ctrl_c() {
    let checkout = Checkout::new("interrupt", "sleep 600 & echo $! >process; wait");
    let mut xtask = checkout.start();
    let process = wait_for("the start of the cluster", || content(&checkout.0.join("process")));

    assert!(send("-INT", &xtask.id().to_string()));

    assert!(!ended(&mut xtask).success());
    assert!(checkout.0.join("ended").exists(), "down.sh did not run");
    wait_for("the end of what up.sh started", || (!send("-0", &process)).then_some(()));
}

#[test]
fn a_cluster_that_does_not_come_up_is_ended_too() {
    let checkout = Checkout::new("broken", "exit 1");

    assert!(!ended(&mut checkout.start()).success());

    assert!(checkout.0.join("ended").exists(), "down.sh did not run");
}

// Exit status 3 of a script: this machine can't run the cluster. At home that is no failure.
#[test]
fn a_machine_that_cannot_run_the_cluster_skips_it() {
    let checkout = Checkout::new("cannot", "");
    fs::write(checkout.0.join("tests/cluster/setup.sh"), "echo 'it needs root' >&2; exit 3").unwrap();
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.args(["test", "--only=cluster"]).env("CARGO_MANIFEST_DIR", checkout.0.join("xtask")).env_remove("CI");

    let output = xtask.env_remove("CROSSVIEW_TEST_KUBECONFIG").output().unwrap();

    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("start of the cluster       skipped"), "{printed}");
    assert!(printed.contains("it needs root"), "{printed}");
    assert!(printed.contains(", 0 failed, "), "{printed}");
    assert!(output.status.success(), "{printed}");
    let in_ci = xtask.env("CI", "true").output().unwrap();
    assert!(!in_ci.status.success(), "nothing may be skipped in CI");
}
