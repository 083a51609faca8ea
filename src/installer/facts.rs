//! What Check Status reports beside the state: Crossview's pods, the warnings that explain, and what is left over.

use super::{
    Target,
    derive::{app_pods, deployment},
    manifests::operation_of,
    objects::{Event, Pod},
    snapshot::{Seen, Snapshot},
};
use crate::cluster::Timestamp;

/// How many warnings are told, the newest.
const MOST_EVENTS: usize = 10;

/// One pod of Crossview.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodLine {
    /// Its name.
    pub name: String,
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`; `Terminating` on its way out, as kubectl says.
    pub phase: String,
    /// Takes traffic.
    pub ready: bool,
    /// How often its containers were started anew, together.
    pub restarts: i32,
    /// Why it is as it is, in one word of the kubelet or the scheduler; empty where all is well.
    pub reason: String,
    /// The same in a sentence; often empty.
    pub message: String,
}

/// A warning that the cluster has noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// When it was last so.
    pub at: Option<Timestamp>,
    /// What it is about: `Pod/crossview-5d9c-x2x1z`.
    pub object: String,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// How often.
    pub count: i32,
}

/// What operations have left standing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Jobs of ours that have ended; they go by themselves, 90 seconds after their end.
    pub jobs: Vec<String>,
    /// Whether the binding of Helm's rights stands.
    pub binding: bool,
}

/// Crossview's pods by name.
#[must_use]
pub fn pods(target: &Target, snapshot: &Snapshot) -> Vec<PodLine> {
    app_pods(target, snapshot).map(pod).collect()
}

fn pod(pod: &Pod) -> PodLine {
    let gone = pod.metadata.deletion_timestamp.is_some();
    let telling = pod.containers().filter(|container| !container.ready).find_map(|container| {
        let waiting = container.state.waiting.as_ref().map(|waiting| (&waiting.reason, &waiting.message));
        // An init container that has done its work is neither ready nor telling.
        let ended = container.state.terminated.as_ref().filter(|ended| ended.exit_code != 0);
        waiting.or(ended.map(|ended| (&ended.reason, &ended.message)))
    });
    let own = (&pod.status.reason, &pod.status.message);
    let (reason, message) = match pod.scheduling() {
        _ if !own.0.is_empty() => own,
        Some(refused) => (&refused.reason, &refused.message),
        None => telling.unwrap_or(own),
    };
    PodLine {
        name: pod.metadata.name.clone(),
        phase: if gone { "Terminating".to_owned() } else { pod.status.phase.clone() },
        ready: pod.is_ready(),
        restarts: pod.containers().map(|container| container.restart_count).sum(),
        reason: reason.clone(),
        message: message.clone(),
    }
}

/// The newest warnings about objects of the release, and about our Jobs; newest first.
#[must_use]
pub fn events(target: &Target, snapshot: &Snapshot) -> Vec<EventLine> {
    let app = deployment(target, snapshot).present().map(|found| found.metadata.name.as_str());
    let mut lines: Vec<EventLine> = Vec::new();
    for event in snapshot.events.known().filter(|event| event.r#type == "Warning" && is_of_release(app, event)) {
        let about = &event.involved_object;
        let line = EventLine {
            at: event.at(),
            object: [&*about.kind, "/", &about.name].concat(),
            reason: event.reason.clone(),
            message: event.message.clone(),
            count: event.times(),
        };
        // There are few, so each finds its place; a sort of its own costs the page a kilobyte.
        let place = lines.iter().position(|known| known.at < line.at).unwrap_or(lines.len());
        lines.insert(place, line);
        lines.truncate(MOST_EVENTS);
    }
    lines
}

/// Whether an event is about Crossview's Deployment `app`, what it has made, or a Job of ours. What a Deployment makes
/// is called `NAME-HASH` and `NAME-HASH-SUFFIX`, so `crossview-proxy` beside `crossview` is told from it.
fn is_of_release(app: Option<&str>, event: &Event) -> bool {
    let (kind, name) = (event.involved_object.kind.as_str(), event.involved_object.name.as_str());
    let rest = app.and_then(|app| name.strip_prefix(app)?.strip_prefix('-'));
    let dashes = rest.map(|rest| rest.bytes().filter(|&byte| byte == b'-').count());
    match kind {
        "Deployment" => app == Some(name),
        "ReplicaSet" => dashes == Some(0),
        "Pod" => dashes == Some(1) || name.rsplit_once('-').is_some_and(|(job, _)| operation_of(job).is_some()),
        "Job" => operation_of(name).is_some(),
        _ => false,
    }
}

/// What operations have left standing.
#[must_use]
pub fn leftovers(target: &Target, snapshot: &Snapshot) -> Leftovers {
    let ended = snapshot.jobs.known().filter(|job| job.end().is_some());
    Leftovers {
        jobs: ended.map(|job| job.metadata.name.clone()).collect(),
        binding: matches!(snapshot.binding.one(), Seen::Present(binding) if binding.is_for(&target.namespace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Change;
    use serde_json::{Value, json};

    fn snapshot(events: Vec<Value>) -> Snapshot {
        let labels = json!({
            "app.kubernetes.io/name": "crossview", "app.kubernetes.io/instance": "crossview", "app.kubernetes.io/component": "app",
        });
        let deployment = json!({"metadata": {"name": "crossview"}, "spec": {"selector": {"matchLabels": labels}}});
        let waiting = json!({"name": "crossview", "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}});
        let pod = json!({"metadata": {"name": "crossview-5d9c-x2x1z", "labels": labels}, "status": {"phase": "Running", "containerStatuses": [waiting]}});
        let postgres = json!({"metadata": {"name": "crossview-postgres-77-abcde", "labels": {"app.kubernetes.io/instance": "crossview"}}});
        let mut snapshot = Snapshot::default();
        snapshot.deployments.take(Change::Listed(vec![deployment]));
        snapshot.pods.take(Change::Listed(vec![pod, postgres]));
        snapshot.events.take(Change::Listed(events));
        snapshot
    }

    fn event(number: usize, kind: &str, name: &str, more: &Value) -> Value {
        let mut event = json!({
            "metadata": {"name": format!("e{number:03}")}, "involvedObject": {"kind": kind, "name": name}, "type": "Warning", "reason": "Failed",
            "message": number.to_string(), "count": 1, "lastTimestamp": format!("2026-11-23T01:{:02}:00Z", number % 60),
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            event[key] = value.clone();
        }
        event
    }

    #[test]
    fn a_pod_is_told_with_the_kubelets_word_and_how_often_it_began_anew() {
        let lines = pods(&Target::default(), &snapshot(vec![]));

        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((line.name.as_str(), line.phase.as_str(), line.restarts), ("crossview-5d9c-x2x1z", "Running", 3));
        assert_eq!(
            (line.reason.as_str(), line.message.as_str(), line.ready),
            ("CrashLoopBackOff", "back-off 40s", false)
        );
    }

    #[test]
    fn only_warnings_about_the_release_and_our_jobs_are_told() {
        let told = [
            ("Deployment", "crossview"),
            ("ReplicaSet", "crossview-5d9c"),
            ("Pod", "crossview-5d9c-x2x1z"),
            ("Job", "crossview-helm-install-7"),
            ("Pod", "crossview-helm-repo-update-7-abcde"),
        ];
        let foreign = [
            ("Deployment", "crossview-proxy"),
            ("ReplicaSet", "crossview-proxy-5d9c"),
            ("Pod", "crossview-proxy-5d9c-x2x1z"),
            ("Pod", "web-0"),
            ("Job", "backup-1"),
            ("Node", "crossview"),
        ];
        let mut all: Vec<Value> = told
            .iter()
            .chain(&foreign)
            .enumerate()
            .map(|(number, (kind, name))| event(number, kind, name, &json!({})))
            .collect();
        all.push(event(50, "Pod", "crossview-5d9c-x2x1z", &json!({"type": "Normal"})));

        let lines = events(&Target::default(), &snapshot(all));

        let objects: Vec<&str> = lines.iter().rev().map(|line| line.object.as_str()).collect();
        assert_eq!(objects, told.map(|(kind, name)| format!("{kind}/{name}")));
    }

    #[test]
    fn the_ten_newest_are_told_newest_first_whatever_kind_of_event_they_are() {
        let mut all: Vec<Value> =
            (0..30).map(|number| event(number, "Pod", "crossview-5d9c-x2x1z", &json!({}))).collect();
        // The scheduler's: no count, and times of its own.
        let newer = json!({"lastTimestamp": null, "count": null, "eventTime": "2026-11-23T02:00:00.000000Z"});
        all.push(event(31, "Pod", "crossview-5d9c-x2x1z", &newer));
        let series = json!({"lastTimestamp": null, "count": null, "series": {"count": 4, "lastObservedTime": "2026-11-23T03:00:00.000000Z"}});
        all.push(event(32, "Pod", "crossview-5d9c-x2x1z", &series));

        let lines = events(&Target::default(), &snapshot(all));

        let told: Vec<(&str, i32)> = lines.iter().map(|line| (line.message.as_str(), line.count)).collect();
        let expected: Vec<(String, i32)> = [("32".to_owned(), 4), ("31".to_owned(), 1)]
            .into_iter()
            .chain((22..30).rev().map(|number| (number.to_string(), 1)))
            .collect();
        assert_eq!(told, expected.iter().map(|(message, count)| (message.as_str(), *count)).collect::<Vec<_>>());
    }

    #[test]
    fn ended_jobs_and_the_binding_are_left_over() {
        let mut snapshot = snapshot(vec![]);
        let target = Target::default();
        assert_eq!(leftovers(&target, &snapshot), Leftovers::default());

        let ended =
            json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Complete", "status": "True"}]}});
        snapshot.jobs.take(Change::Listed(vec![ended, json!({"metadata": {"name": "b"}})]));
        snapshot.binding.take(Change::Listed(vec![json!({"metadata": {"name": "x"}})]));

        assert_eq!(leftovers(&target, &snapshot), Leftovers { jobs: vec!["a".to_owned()], binding: true });
    }
}
