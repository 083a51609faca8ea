//! The simulated Crossview: what its pod does and prints. `test.*` of the tests' own chart works as it does there.

use super::{
    faults::Fault,
    kubelet::{Machine, Next},
    store::later,
};
use crate::cluster::Timestamp;

/// How long Crossview takes until `/api/health` says ok.
const WARM_UP: u64 = 1;
/// How often a probe that fails is told.
const PROBE: u64 = 10;

/// Crossview in its container.
#[derive(Debug, Default)]
pub(super) struct App {
    /// When it will be ready; `None` before it has started.
    ready_at: Option<Timestamp>,
    /// It has read at its start that it never will be.
    is_hopeless: bool,
    is_ready: bool,
    is_failing: bool,
}

impl App {
    pub fn step(&mut self, machine: &mut Machine<'_>) -> Next {
        let now = machine.store.now;
        let Some(ready_at) = self.ready_at else { return self.start(machine) };
        if ready_at > now {
            return Next::At(ready_at);
        }
        // The fault keeps it from getting ready; who is ready stays so.
        self.is_ready = self.is_ready || !(self.is_hopeless || machine.fault == Fault::NeverReady);
        self.is_failing = !self.is_ready;
        if self.is_ready { Next::Rest } else { Next::At(later(now, PROBE)) }
    }

    fn start(&mut self, machine: &mut Machine<'_>) -> Next {
        let now = machine.store.now;
        let setting = |name: &str| machine.environment.get(name).map_or("", String::as_str).to_owned();
        let stamp = now.to_string().get(..19).unwrap_or_default().replace('-', "/").replace('T', " ");
        let crash = setting("TEST_CRASH");
        if !crash.is_empty() || machine.fault == Fault::CrashLoop {
            let words = if crash.is_empty() { "can't read the cluster's configuration" } else { &crash };
            machine.print(&format!("{stamp} fatal: {words}"));
            return Next::Exit(1);
        }
        machine.print(&format!("{stamp} Crossview listens on :{}, auth: {}", setting("PORT"), setting("AUTH_MODE")));
        self.is_hopeless = setting("TEST_NEVER_READY") == "true";
        let warm_up = setting("TEST_READY_AFTER_SECONDS").parse().unwrap_or(0).max(WARM_UP);
        self.ready_at = Some(later(now, warm_up));
        Next::At(later(now, warm_up))
    }

    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether the last probe said no, after the warm-up.
    pub fn is_failing_its_probe(&self) -> bool {
        self.is_failing
    }
}
