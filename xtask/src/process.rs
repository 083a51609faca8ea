//! Running other programs: their output shown line by line with the step's name and its seconds, and nothing left
//! running when this program ends.
//!
//! What always holds: each child leads a process group of its own (on Unix), so that ctrl-C in a terminal reaches
//! this program alone, which passes it on to the groups that are running, whole trees at once. A child that cleans
//! up after an interrupt is not in that list; it runs to its end.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, ErrorKind, IsTerminal as _, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A child that prints nothing for this long is said to be still running.
const SILENCE: Duration = Duration::from_secs(30);
/// How long output is read on after the child has ended: what it started in the background may hold the pipe open.
const DRAIN: Duration = Duration::from_millis(500);

/// Process groups to end on an interrupt.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
/// Interrupts received so far (ctrl-C, SIGTERM, SIGHUP).
static INTERRUPTS: AtomicUsize = AtomicUsize::new(0);

/// How a program ended, and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// As the system reports it.
    pub status: ExitStatus,
    /// Lines of stdout and stderr in the order in which they came.
    pub lines: Vec<String>,
    /// Lines of stdout alone.
    pub stdout: Vec<String>,
    /// From start to end.
    pub took: Duration,
}

/// Which of a child's lines the user sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// Both streams.
    All,
    /// Its stderr.
    Stderr,
}

/// What an interrupt means for a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnInterrupt {
    /// It is ended, and not started any more.
    End,
    /// It goes on, and may start: it is what cleans up.
    GoOn,
}

/// Installs the handler for ctrl-C, SIGTERM and SIGHUP; once, before anything is started.
///
/// # Errors
/// The system refuses the handler.
pub fn handle_interrupts() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        let force = INTERRUPTS.fetch_add(1, Ordering::SeqCst) > 0;
        let running = running().clone();
        eprintln!("interrupted: ending {} running step(s){}", running.len(), if force { " at once" } else { "" });
        for group in running {
            end_group(group, force);
        }
    })
    .context("cannot handle ctrl-C")
}

/// Whether this program was asked to stop.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTS.load(Ordering::SeqCst) > 0
}

/// Runs `command` to its end under the name `step`.
///
/// # Errors
/// It cannot be started, this program was interrupted, or it ended with a failure; the last is told by its exit
/// status, since its own words were shown.
pub fn run(step: &str, command: &mut Command) -> anyhow::Result<Finished> {
    let finished = run_whatever_it_says(step, command)?;
    succeeded(command, finished)
}

/// Like [`run`], for a program whose stdout is for machines: only its stderr is shown.
///
/// # Errors
/// As [`run`].
pub fn run_quietly_on_stdout(step: &str, command: &mut Command) -> anyhow::Result<Finished> {
    let finished = follow(step, command, Shown::Stderr, OnInterrupt::End)?;
    succeeded(command, finished)
}

/// Like [`run`], but a failure of the program is a result, for callers who read its output first.
///
/// # Errors
/// It cannot be started, or this program was interrupted.
pub fn run_whatever_it_says(step: &str, command: &mut Command) -> anyhow::Result<Finished> {
    follow(step, command, Shown::All, OnInterrupt::End)
}

/// Like [`run`], but an interrupt neither prevents nor ends it: for what cleans up.
///
/// # Errors
/// It cannot be started, or it ended with a failure.
pub fn run_to_the_end(step: &str, command: &mut Command) -> anyhow::Result<Finished> {
    let finished = follow(step, command, Shown::All, OnInterrupt::GoOn)?;
    succeeded(command, finished)
}

/// The output of a program that is quick and quiet, or `None` where it cannot be run or fails.
#[must_use]
pub fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// A program that runs beside this one until it is dropped; its whole process group then ends.
#[derive(Debug)]
#[must_use = "dropping it ends the program"]
pub struct Background {
    child: Child,
    words: String,
}

impl Background {
    /// Starts `command`, with its standard streams as the caller set them (input is closed).
    ///
    /// # Errors
    /// It cannot be started, or this program was interrupted.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = spawn(command, OnInterrupt::End)?;
        Ok(Self { child, words: words_of(command) })
    }

    /// The child itself, for its pipes.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits until it ends by itself or by an interrupt.
    ///
    /// # Errors
    /// It ended with a failure, and not because of an interrupt.
    pub fn wait(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait().with_context(|| format!("cannot wait for {}", self.words))?;
        if !status.success() && !interrupted() {
            bail!("{} ended with {status}", self.words);
        }
        Ok(())
    }

    /// Whether it has ended, and how.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask about {}", self.words))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let group = self.child.id();
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            end_group(group, false);
            let deadline = Instant::now() + Duration::from_secs(5);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
        }
        end_group(group, true);
        let _already_gone = self.child.wait();
        running().remove(&group);
    }
}

fn succeeded(command: &Command, finished: Finished) -> anyhow::Result<Finished> {
    if !finished.status.success() {
        bail!("{} ended with {}", words_of(command), finished.status);
    }
    Ok(finished)
}

fn follow(step: &str, command: &mut Command, shown: Shown, on_interrupt: OnInterrupt) -> anyhow::Result<Finished> {
    let started = Instant::now();
    let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()), on_interrupt)?;
    let group = child.id();
    let (lines_of, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        read_lines(stdout, true, lines_of.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        read_lines(stderr, false, lines_of.clone());
    }
    drop(lines_of);

    let mut all = Vec::new();
    let mut stdout = Vec::new();
    let mut last_word = Instant::now();
    let mut ended = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(100)) {
            Ok((from_stdout, line)) => {
                if shown == Shown::All || !from_stdout {
                    show(step, started, &line);
                    last_word = Instant::now();
                }
                if from_stdout {
                    stdout.push(line.clone());
                }
                all.push(line);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if ended.is_none() && child.try_wait().context("cannot ask about a child")?.is_some() {
            ended = Some(Instant::now());
        }
        if ended.is_some_and(|at| at.elapsed() > DRAIN) {
            break;
        }
        if last_word.elapsed() > SILENCE {
            show(step, started, "still running");
            last_word = Instant::now();
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {}", words_of(command)))?;
    running().remove(&group);
    if interrupted() && on_interrupt == OnInterrupt::End {
        bail!("interrupted");
    }
    Ok(Finished { status, lines: all, stdout, took: started.elapsed() })
}

fn spawn(command: &mut Command, on_interrupt: OnInterrupt) -> anyhow::Result<Child> {
    command.stdin(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    // Held over the check and the start, so that an interrupt finds either no child or a listed one.
    let mut running = running();
    if on_interrupt == OnInterrupt::End && interrupted() {
        bail!("interrupted before {}", words_of(command));
    }
    let child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow::anyhow!("{} is not installed, or not on PATH", command.get_program().display()),
        _ => anyhow::Error::new(error).context(format!("cannot start {}", words_of(command))),
    })?;
    if on_interrupt == OnInterrupt::End {
        running.insert(child.id());
    }
    Ok(child)
}

fn running() -> MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn end_group(leader: u32, force: bool) {
    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    if let Ok(leader) = i32::try_from(leader) {
        // An error means that the group is gone, which is what was wanted.
        let _gone = killpg(Pid::from_raw(leader), if force { Signal::SIGKILL } else { Signal::SIGTERM });
    }
}

#[cfg(not(unix))]
fn end_group(leader: u32, _force: bool) {
    let _gone = ask(Command::new("taskkill").args(["/T", "/F", "/PID"]).arg(leader.to_string()));
}

fn read_lines(from: impl Read + Send + 'static, stdout: bool, to: mpsc::Sender<(bool, String)>) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while matches!(from.read_until(b'\n', &mut bytes), Ok(length) if length > 0) {
            let line = String::from_utf8_lossy(&bytes);
            // What a progress bar rewrote is shown in its last form.
            let line = line.trim_end().rsplit('\r').next().unwrap_or_default().to_owned();
            if to.send((stdout, line)).is_err() {
                return;
            }
            bytes.clear();
        }
    });
}

/// Prints one line of progress on stderr, so that stdout stays for results.
pub fn show(step: &str, started: Instant, line: &str) {
    let seconds = started.elapsed().as_secs();
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[2m[{step} {seconds:>3} s]\x1b[0m {line}");
    } else {
        eprintln!("[{step} {seconds:>3} s] {line}");
    }
}

/// The program and its arguments, as one line for people.
#[must_use]
pub fn words_of(command: &Command) -> String {
    let mut words = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args().map(OsStr::to_string_lossy) {
        words.push(' ');
        words.push_str(&argument);
    }
    words
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_failure_names_the_program_and_its_status() {
        let error = run("demo", &mut shell("exit 3")).unwrap_err();

        assert_eq!(error.to_string(), "sh -c exit 3 ended with exit status: 3");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = run("demo", &mut Command::new("no-such-program-here")).unwrap_err();

        assert_eq!(error.to_string(), "no-such-program-here is not installed, or not on PATH");
    }

    #[test]
    fn both_streams_are_kept_and_stdout_apart() {
        let finished = run("demo", &mut shell("echo out; echo err >&2; printf '10%%\\r100%%\\n'")).unwrap();

        assert_eq!(finished.stdout, ["out", "100%"]);
        assert_eq!(finished.lines.len(), 3);
        assert!(finished.lines.contains(&"err".to_owned()));
    }

    // Scripts that start a cluster leave daemons behind which keep the pipes; the step must end with the script.
    #[test]
    fn a_daemon_that_keeps_the_pipe_does_not_keep_the_step() {
        let finished = run("demo", &mut shell("sleep 60 & echo $!")).unwrap();

        assert!(finished.took < Duration::from_secs(30), "{:?}", finished.took);
        let _ended = ask(Command::new("kill").arg(&finished.stdout[0]));
    }

    #[test]
    fn dropping_a_background_program_ends_its_children_too() {
        let mut command = shell("sleep 60 & echo $!; wait");
        let mut background = Background::start(command.stdout(Stdio::piped())).unwrap();
        let mut grandchild = String::new();
        BufReader::new(background.child().stdout.take().unwrap()).read_line(&mut grandchild).unwrap();

        drop(background);

        let deadline = Instant::now() + Duration::from_secs(10);
        while ask(Command::new("kill").args(["-0", grandchild.trim()])).is_some() {
            assert!(Instant::now() < deadline, "{} is still there", grandchild.trim());
            thread::sleep(Duration::from_millis(10));
        }
    }
}
