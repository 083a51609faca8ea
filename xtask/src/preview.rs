//! The page by itself: set up this machine, then build, serve and rebuild it with Trunk.
//!
//! On a simulated cluster Trunk serves alone. On a real one [`FrontDoor`] stands before Trunk and `kubectl proxy`.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::command::{ClusterChoice, PreviewOptions};
use crate::front_door::{Behind, FrontDoor, Upstream, random_prefix};
use crate::prerequisites;
use crate::process::Background;
use crate::project::{Project, hex};
use crate::tools::{self, Tool};

/// How long `kubectl proxy` may take until it listens. It asks nobody before that, but may log in somewhere.
const KUBECTL_TIMEOUT: Duration = Duration::from_mins(1);
/// How often Trunk is asked whether it listens; it does once its first build is done.
const TRUNK_POLL: Duration = Duration::from_millis(200);

/// Serves the page until ctrl-C: `cargo xtask preview`.
///
/// # Errors
/// A prerequisite is missing, the port is taken, or Trunk or kubectl fails.
pub fn run(project: &Project, options: &PreviewOptions) -> anyhow::Result<()> {
    let Some(choice) = &options.cluster else {
        return serve(project, options.port, &[])?.wait();
    };
    prerequisites::kubectl()?;
    let door = FrontDoor::listen(options.port)?;
    let kubectl = KubectlProxy::start(Path::new("kubectl"), choice)?;
    let page = free_address()?;
    let mut trunk = serve(project, page.port(), &[])?;
    wait_until_served(&mut trunk, page)?;
    println!("\nOpen {}\n", open(door, &kubectl, page));
    println!("Whoever has this address acts on the cluster with your rights, until you end this with ctrl-C.\n");
    trunk.wait()
}

/// Opens the door to the page's server and to the cluster; the address for the browser.
#[must_use]
pub fn open(door: FrontDoor, kubectl: &KubectlProxy, page: SocketAddr) -> String {
    let address = door.address_to_open();
    let (cluster, cluster_prefix) = kubectl.upstream();
    door.open(Behind { page: Upstream::Port(page), cluster, cluster_prefix });
    address
}

/// Installs what Trunk needs and starts `trunk serve` on 127.0.0.1 at `port`, with `arguments` after its own.
///
/// # Errors
/// A prerequisite is missing or cannot be installed.
pub fn serve(project: &Project, port: u16, arguments: &[&str]) -> anyhow::Result<Background> {
    prerequisites::wasm_target(project)?;
    let wasm_bindgen = Tool::wasm_bindgen(project)?.ensure(project)?;
    let trunk = Tool::trunk().ensure(project)?;
    let mut command = Command::new(trunk.join("trunk"));
    command.current_dir(&project.root).args(["serve", "--address=127.0.0.1", "--port"]).arg(port.to_string());
    command.args(arguments).env("PATH", tools::path_with([wasm_bindgen, trunk])?);
    // Trunk takes the variable for a boolean option and refuses the value 1.
    command.env_remove("NO_COLOR");
    Background::start(&mut command)
}

/// Waits until Trunk listens, which it does once its first build is over, be it good or bad.
///
/// # Errors
/// Trunk ended, or this program was interrupted, which ends Trunk too.
pub fn wait_until_served(trunk: &mut Background, address: SocketAddr) -> anyhow::Result<()> {
    while TcpStream::connect(address).is_err() {
        if let Some(status) = trunk.ended()? {
            bail!("trunk ended with {status}");
        }
        thread::sleep(TRUNK_POLL);
    }
    Ok(())
}

/// A free port of 127.0.0.1. Another program may take it before it is used; who uses it then says so.
///
/// # Errors
/// No port is free.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// A running `kubectl proxy`, ended when dropped.
///
/// It listens on a Unix socket in a folder of this user alone, which no browser and no other user can open; on
/// Windows on a free port of 127.0.0.1 below a random path.
#[derive(Debug)]
pub struct KubectlProxy {
    /// Before `folder`, so that it ends before its socket goes.
    _process: Background,
    upstream: Upstream,
    prefix: String,
    _folder: Option<PrivateFolder>,
}

impl KubectlProxy {
    /// Starts it, and waits until it listens.
    ///
    /// # Errors
    /// kubectl cannot be started, says why it cannot serve, or does not listen within a minute.
    pub fn start(kubectl: &Path, choice: &ClusterChoice) -> anyhow::Result<Self> {
        let mut command = Command::new(kubectl);
        if let Some(kubeconfig) = &choice.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        if let Some(context) = &choice.context {
            command.arg("--context").arg(context);
        }
        command.arg("proxy").arg("--accept-hosts=^localhost$").stdout(Stdio::piped());
        if cfg!(unix) {
            let folder = PrivateFolder::create()?;
            let socket = folder.path.join("kubectl.sock");
            command.arg("--unix-socket").arg(&socket);
            let (process, _address) = start_and_wait(&mut command)?;
            #[cfg(unix)]
            return Ok(Self {
                _process: process,
                upstream: Upstream::Socket(socket),
                prefix: "/".to_owned(),
                _folder: Some(folder),
            });
        }
        let prefix = random_prefix()?;
        command.args(["--address=127.0.0.1", "--port=0"]).arg(format!("--api-prefix={prefix}"));
        let (process, address) = start_and_wait(&mut command)?;
        let address = address.parse().with_context(|| format!("expected an address from kubectl, got {address:?}"))?;
        Ok(Self { _process: process, upstream: Upstream::Port(address), prefix, _folder: None })
    }

    /// Where it listens, and the path in front of the API server's own paths.
    #[must_use]
    pub fn upstream(&self) -> (Upstream, String) {
        (self.upstream.clone(), self.prefix.clone())
    }
}

/// Starts `kubectl proxy` and returns what it says it listens on.
fn start_and_wait(command: &mut Command) -> anyhow::Result<(Background, String)> {
    const SERVING: &str = "Starting to serve on ";

    let mut process = Background::start(command)?;
    let stdout = process.child().stdout.take().context("kubectl has no standard output")?;
    let (line_of, line) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            match line.strip_prefix(SERVING) {
                Some(address) => {
                    let _waits_no_more = line_of.send(address.to_owned());
                }
                None => eprintln!("[kubectl] {line}"),
            }
        }
    });
    match line.recv_timeout(KUBECTL_TIMEOUT) {
        Ok(address) => Ok((process, address)),
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("kubectl proxy ended before it served"),
        Err(mpsc::RecvTimeoutError::Timeout) => bail!("kubectl proxy did not serve within {KUBECTL_TIMEOUT:?}"),
    }
}

/// A new folder that only this user may enter, removed when dropped.
#[derive(Debug)]
struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    fn create() -> anyhow::Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).context("cannot draw random bytes")?;
        // Short: the path of a Unix socket has about a hundred bytes.
        let path = std::env::temp_dir().join(format!("crossview-{}", hex(&bytes)));
        #[cfg_attr(not(unix), expect(unused_mut, reason = "Windows has no mode to set"))]
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.path);
    }
}
