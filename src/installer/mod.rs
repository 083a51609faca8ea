//! What one operation is: the objects that carry it, the lock, what is known of the cluster, and what follows from it.
//!
//! Observe ([`Snapshot`]), derive ([`Status`]), act ([`plan()`], [`driver`]). Nothing here knows a browser.

mod derive;
pub mod driver;
mod lock;
pub mod manifests;
mod objects;
mod plan;
mod session;
mod snapshot;
mod status;
mod target;

pub use self::{
    derive::{derive, has_failed},
    lock::{Lock, Outcome, OutcomeResult},
    objects::{Deployment, Ingress, Job, JobEnd, Lease, Metadata, Pod, Service},
    plan::{Action, Plan, Refusal, Step, StepName, plan},
    session::{OperationLog, Session, Update},
    snapshot::{Fed, Permission, Rights, Seen, Snapshot, Why},
    status::{App, Exposure, Notice, Offer, Operating, Phase, PodTrouble, Stage, Status, TroubleKind, Withheld},
    target::Target,
};
