//! What one operation is: the objects that carry it, the lock, what is known of the cluster, and what follows from it.
//!
//! Observe ([`Snapshot`]), derive ([`Status`]), act ([`plan()`], [`driver`]). Nothing here knows a browser.

mod derive;
pub mod driver;
mod facts;
mod lock;
mod manager;
pub mod manifests;
mod namespace;
mod objects;
mod plan;
mod reach;
mod report;
mod session;
pub mod settings;
mod snapshot;
mod status;
mod target;
mod values_check;
pub mod yaml;

pub use self::{
    derive::{derive, has_failed},
    facts::{EventLine, Leftovers, PodLine},
    lock::{Lock, Outcome, OutcomeResult},
    manager::{Manager, ManagerTool, manager},
    namespace::{Foreign, ForeignError, RemoveError},
    objects::{ConfigMap, Deployment, Ingress, Job, JobEnd, Lease, Metadata, Pod, Service},
    plan::{Action, Plan, Refusal, Step, StepName, plan},
    reach::Reach,
    report::{mask, report},
    session::{ForgetError, OperationLog, Session, Update},
    settings::{ImageRef, JobSettings, ObjectName, RawSettings, Settings, SettingsError, SettingsField},
    snapshot::{CrashLog, Fed, Permission, Rights, Seen, Snapshot, Why},
    status::{
        AfterCancel, App, Exposure, Notice, Offer, Operating, Phase, PodTrouble, Stage, Status, TroubleKind, Whose,
        Withheld,
    },
    target::Target,
    values_check::ValuesError,
};
