//! "Copy diagnostics": what is known, as Markdown for an issue report, without anything that is nobody's business.
//!
//! It is made of a [`Status`], a [`Snapshot`] and Helm's log, and so of nothing that the page doesn't know: no values,
//! no Secret's content, no names of users. Words of machines can have anything in them, so each of them goes through
//! [`mask`]; what looks like a credential there is taken out, and rather too much than too little.

use super::{
    Target,
    session::OperationLog,
    snapshot::{Seen, Snapshot, Why},
    status::{Exposure, Notice, Phase, Stage, Status},
};
use crate::{
    cluster::{ApiError, Timestamp},
    helm::release::History,
};

/// How many of the log's last lines are taken.
const LOG_LINES: usize = 50;
/// What stands in the place of a credential.
const MASKED: &str = "[masked]";

/// The bundle for an issue report.
#[must_use]
pub fn report(status: &Status, snapshot: &Snapshot, log: &OperationLog) -> String {
    let target = &status.target;
    let mut report = Report(String::new());
    report.title("Crossview for Headlamp");
    report.line("Plugin", env!("CARGO_PKG_VERSION"));
    report.line("Kubernetes", &snapshot.kubernetes);
    report.line("Time", &time(Some(status.now)));
    report.line("Namespace", target.namespace.as_str());
    report.line("Release", target.release.as_str());
    report.line("State", phase(&status.phase));
    if let Phase::Elsewhere { namespace, release } = &status.phase {
        report.line("Found", &[namespace.as_str(), "/", release].concat());
    }
    if let Some(error) = &status.lost {
        report.line("Connection", &error.to_string());
    }
    if let Some(manager) = &status.manager {
        report.line(
            "Managed by",
            &[manager.tool.name(), ": ", &manager.kind, " ", &manager.namespace, "/", &manager.name].concat(),
        );
    }
    for found in status.diagnoses() {
        report.line("Diagnosis", &[found.title(), if found.line.is_empty() { "" } else { ": " }, &found.line].concat());
    }
    app(&mut report, status);
    history(&mut report, target, snapshot);
    operations(&mut report, status);
    if !status.pods.is_empty() {
        report.title("Pods");
    }
    for pod in &status.pods {
        let ready = if pod.ready { "ready" } else { "not ready" };
        let restarts = pod.restarts.to_string();
        report.line(
            &pod.name,
            &[&*pod.phase, ", ", ready, ", restarts: ", &restarts, ". ", &pod.reason, " ", &pod.message].concat(),
        );
    }
    if !status.events.is_empty() {
        report.title("Warnings");
    }
    for event in &status.events {
        let count = event.count.to_string();
        report.line(
            &event.object,
            &[&*time(event.at), ", ", &count, " times, ", &event.reason, ": ", &event.message].concat(),
        );
    }
    notices(&mut report, status);
    if !log.lines.is_empty() {
        report.title("Helm's log");
        report.line("Job", &log.job);
        let skipped = log.lines.len().saturating_sub(LOG_LINES);
        report.block(log.lines.lines().skip(skipped));
    }
    report.0
}

/// Crossview's Deployment, and the last words of what crashes.
fn app(report: &mut Report, status: &Status) {
    report.title("Deployment");
    let app = match &status.app {
        Seen::Present(app) => app,
        Seen::Absent => return report.line("Found", "no"),
        Seen::Unknown(why) => return report.line("Found", &unknown(why)),
    };
    report.line("Chart", &app.chart);
    report.line("App version", &app.version);
    let numbers = [app.desired, app.updated, app.ready, app.available].map(|number| number.to_string());
    report.line("Pods wanted, updated, ready, available", &numbers.join(", "));
    report.line("Status is of the newest generation", if app.observed { "yes" } else { "no" });
    report.line("Rollout", &app.progressing);
    if let Some(trouble) = &app.trouble {
        report.line("Trouble", &[&*trouble.pod, " ", &trouble.container, ": ", &trouble.message].concat());
        report.block(trouble.log.iter().map(String::as_str));
    }
}

/// Helm's record of the release, newest first.
fn history(report: &mut Report, target: &Target, snapshot: &Snapshot) {
    report.title("Revisions");
    let secrets = match snapshot.releases.all() {
        Seen::Present(secrets) => secrets,
        Seen::Absent => return,
        Seen::Unknown(why) => return report.line("Found", &unknown(&why)),
    };
    let history = History::read(&target.release, secrets.map(|secret| &secret.object));
    for revision in history.revisions().iter().rev() {
        let at = time(revision.modified_at.or(Some(revision.created_at)));
        report.line(&revision.number.to_string(), &[revision.status.as_str(), ", ", &at].concat());
    }
    for broken in history.unreadable() {
        report.line("Unreadable", &broken.to_string());
    }
}

/// The operation under way, and the last one.
fn operations(report: &mut Report, status: &Status) {
    if let Some(operating) = &status.operating {
        report.title("Operation under way");
        report.line("Job", &operating.job);
        report.line("Chart", &operating.chart);
        report.line("Stage", stage(operating.stage));
        report.line("Begun", &time(operating.begun));
        if let Some(trouble) = &operating.trouble {
            report.line("Trouble", &[&*trouble.pod, " ", &trouble.container, ": ", &trouble.message].concat());
        }
    }
    if let Some(last) = &status.last {
        report.title("Last operation");
        report.line("Job", &last.job);
        report.line("Chart", &last.chart);
        report.line("Result", last.result.as_str());
        report.line("Revision", &[&*last.revision.to_string(), " ", &last.status].concat());
        report.line("Ended", &last.at);
        if let Some(cause) = last.cause {
            report.line("Cause", cause.words().title);
        }
        report.block(last.message.lines());
    }
}

/// What has to be said first, and what is left over.
fn notices(report: &mut Report, status: &Status) {
    report.title("Rights and leftovers");
    report.line("Binding of Helm's rights", if status.leftovers.binding { "stands" } else { "none seen" });
    for job in &status.leftovers.jobs {
        report.line("Ended Job", job);
    }
    for notice in &status.notices {
        match notice {
            Notice::LeftoverBinding { job, .. } => report.line("Left over, for the Job", job),
            Notice::Held { job, .. } => report.line("Held back", job),
            Notice::Exposed(Exposure::Ingress(name)) => report.line("Exposed by the Ingress", name),
            Notice::Exposed(Exposure::LoadBalancer(name)) => report.line("Exposed by the LoadBalancer", name),
            Notice::Unseen { what, error } => report.line("Can't be seen", &[what, ": ", &error.to_string()].concat()),
            Notice::Refused { message, .. } => report.line("Refused", message),
        }
    }
}

fn unknown(why: &Why) -> String {
    match why {
        Why::NotAsked => "not known yet".to_owned(),
        Why::Error(error @ ApiError::Forbidden { .. }) => ["not allowed: ", &error.to_string()].concat(),
        Why::Error(error) => error.to_string(),
    }
}

fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Reading => "reading",
        Phase::Unknown(_) => "unknown",
        Phase::NotInstalled => "not installed",
        Phase::Elsewhere { .. } => "installed elsewhere",
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Unwell => "unwell",
        Phase::ScaledToZero => "scaled to zero",
        Phase::Stuck(_) => "release stuck",
        Phase::Terminating => "namespace terminating",
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Preparing => "preparing",
        Stage::Pod => "waiting for its pod",
        Stage::Helm => "Helm runs",
        Stage::CleaningUp => "cleaning up",
        Stage::Starting => "Crossview starts",
    }
}

fn time(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// Markdown that grows; whatever comes in is masked.
struct Report(String);

impl Report {
    fn title(&mut self, title: &str) {
        let text = if self.0.is_empty() { ["# ", title, "\n\n"].concat() } else { ["\n## ", title, "\n\n"].concat() };
        self.0.push_str(&text);
    }

    /// One fact; nothing where there is none.
    fn line(&mut self, name: &str, text: &str) {
        let text = masked(text.lines()).join(" ");
        if !text.trim().is_empty() {
            self.0.push_str(&["- ", name, ": ", text.trim(), "\n"].concat());
        }
    }

    /// Lines of a machine as they are.
    fn block<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        let mut text = String::new();
        for line in masked(lines) {
            // A fence within would end the block.
            text.push_str(&line.replace("```", "'''"));
            text.push('\n');
        }
        if !text.is_empty() {
            self.0.push_str(&["\n```\n", &*text, "```\n"].concat());
        }
    }
}

/// Lines that follow each other without credentials: a key in PEM goes over several, and may have lost its first ones.
fn masked<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut masked: Vec<String> = Vec::new();
    let mut in_key = false;
    for line in lines {
        let (begins, ends) = (line.contains("-----BEGIN "), line.contains("-----END "));
        let of_key = line.contains("PRIVATE KEY");
        if ends && of_key && !in_key && !begins {
            masked.clear();
        }
        in_key |= begins && of_key;
        masked.push(if in_key || (ends && of_key) { MASKED.to_owned() } else { mask(line) });
        in_key &= !ends;
    }
    masked
}

/// Parts of names whose values are nobody's business.
const TELLING: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "credential",
    "signature",
    "authorization",
];
/// How credentials of widespread products begin.
const BEGINNINGS: [&str; 12] =
    ["eyJ", "ghp_", "gho_", "ghs_", "ghu_", "github_pat_", "glpat-", "xox", "AKIA", "ASIA", "sha256~", "dckr_pat_"];
/// A run of digits and letters of both cases that is this long is no word.
const LONG: usize = 24;

/// `line` without what looks like a credential: bearer tokens, user and password in a URL, the values of names such as
/// `password` whatever stands between, and tokens by their looks.
#[must_use]
pub fn mask(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    // What the next word is the value of.
    let mut telling = false;
    while !rest.is_empty() {
        let is_word = |c: char| !c.is_whitespace() && !"\"'`,;&<>(){}[]=:?|\\".contains(c);
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            let mut chars = rest.chars();
            let between = chars.next().unwrap_or_default();
            // Whatever ends a pair ends the value's turn, but not what stands between name and value.
            telling &= !matches!(between, ',' | ';' | '&');
            masked.push(between);
            rest = chars.as_str();
            continue;
        }
        let (word, after) = rest.split_at(end);
        let small = word.to_ascii_lowercase();
        // `USER:PASSWORD@HOST` behind `://`, of which the user is this word.
        if masked.ends_with("//") || (masked.ends_with(':') && word.starts_with("//")) {
            let host = &rest[..rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len())];
            let authority = host.trim_start_matches('/');
            let authority = &authority[..authority.find(['/', '?']).unwrap_or(authority.len())];
            if let Some(at) = authority.rfind('@') {
                let skipped = host.len() - host.trim_start_matches('/').len() + at;
                masked.push_str(if word.starts_with("//") { "//" } else { "" });
                masked.push_str(MASKED);
                rest = &rest[skipped..];
                telling = false;
                continue;
            }
        }
        let scheme = small == "bearer" || (telling && small == "basic");
        if scheme && after.starts_with([' ', ':', '=']) {
            telling = true;
            masked.push_str(word);
        } else if telling || is_token(word) {
            masked.push_str(MASKED);
            telling = false;
        } else {
            let name = TELLING.iter().any(|part| small.contains(part));
            let sign = after.trim_start_matches(['"', '\'', '\\']).trim_start();
            telling = name && (sign.starts_with(['=', ':']) || (word.starts_with("--") && after.starts_with(' ')));
            masked.push_str(word);
        }
        rest = after;
    }
    masked
}

/// Whether a word looks like a credential by itself.
fn is_token(word: &str) -> bool {
    let known = BEGINNINGS.iter().any(|begin| word.strip_prefix(begin).is_some_and(|rest| rest.len() >= 12));
    // Digests, uids and names have small letters alone; an escape of a URL has a digit and a capital, too.
    let random = |part: &str| {
        let has = |wanted: fn(&u8) -> bool| part.as_bytes().iter().any(wanted);
        part.len() >= LONG && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit)
    };
    known || (!word.contains('%') && word.split('/').any(random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::Change,
        helm::log::Log,
        installer::{
            Permission, derive,
            manifests::{self, CHART_ANNOTATION, OUTCOME_ANNOTATION},
            snapshot::CrashLog,
        },
    };
    use proptest::prelude::*;
    use serde_json::json;

    /// What must never be found in a report.
    const SECRETS: [&str; 8] = [
        "hunter2",
        "correcthorse",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
        "ghp_0123456789abcdefABCDEF0123456789abcd",
        "dG9wLXNlY3JldC12YWx1ZQ",
        "Zm9vYmFyYmF6MTIzNDU2Nzg5MEFCQ0RFRg",
        "MIIEvQIBADANBgkqhkiG",
        "s3cr3t-of-the-release",
    ];

    /// Every way in which a machine could say one of them.
    fn leaky() -> String {
        [
            "Error: GET https://reader:hunter2@ghcr.io/v2/: password=hunter2, user=reader",
            "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
            "helm upgrade --set secrets.adminPassword=correcthorse --password correcthorse --version 4.6.0",
            "{\"password\": \"correcthorse\", \"token\":\"hunter2\"}",
            "got ghp_0123456789abcdefABCDEF0123456789abcd and Zm9vYmFyYmF6MTIzNDU2Nzg5MEFCQ0RFRg",
            "-----BEGIN RSA PRIVATE KEY-----",
            "MIIEvQIBADANBgkqhkiG",
            "-----END RSA PRIVATE KEY-----",
            "the end of it",
        ]
        .join("\n")
    }

    /// A cluster in which every text that a report could be made of has secrets in it.
    fn leaky_cluster() -> (Status, Snapshot, OperationLog) {
        let leak = leaky();
        let labels = json!({"app.kubernetes.io/name": "crossview", "app.kubernetes.io/instance": "crossview", "app.kubernetes.io/component": "app"});
        let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": leak});
        let mut snapshot = Snapshot {
            now: Timestamp::from_millis(1_795_395_723_000),
            kubernetes: "v1.34.4".to_owned(),
            ..Snapshot::default()
        };
        snapshot
            .namespace
            .take(Change::Listed(vec![json!({"metadata": {"name": "crossview", "annotations": annotations}})]));
        snapshot.deployments.take(Change::Listed(vec![json!({
            "metadata": {"name": "crossview", "generation": 2, "labels": labels, "annotations": annotations},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"spec": {"containers": [{"env": [{"name": "P", "value": "hunter2"}]}]}}},
            "status": {"conditions": [{"type": "Progressing", "status": "True", "message": leak}]},
        })]));
        let crashing = json!({"name": "crossview", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": leak}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": leak}}});
        snapshot.pods.take(Change::Listed(vec![json!({
            "metadata": {"name": "crossview-1-a", "labels": labels, "annotations": annotations},
            "spec": {"containers": [{"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]}]},
            "status": {"phase": "Running", "containerStatuses": [crashing]},
        })]));
        snapshot.crash = CrashLog {
            pod: "crossview-1-a".to_owned(),
            container: "crossview".to_owned(),
            ends: 3,
            lines: leak.lines().map(str::to_owned).collect(),
        };
        snapshot.events.take(Change::Listed(vec![json!({
            "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "name": "crossview-1-a"}, "type": "Warning", "reason": "Failed", "message": leak,
        })]));
        snapshot.releases.take(Change::Listed(vec![json!({
            "metadata": {"name": "sh.helm.release.v1.crossview.v1", "creationTimestamp": "2026-11-23T01:00:00Z", "annotations": annotations,
                "labels": {"owner": "helm", "name": "crossview", "version": "1", "status": "failed"}},
            "data": {"release": "dG9wLXNlY3JldC12YWx1ZQ"}, "stringData": {"values.yaml": "key: s3cr3t-of-the-release"},
        })]));
        let outcome = json!({"operation": "update", "job": "crossview-helm-update-1", "chart": "oci://reader:hunter2@ghcr.io/a/b 4.6.0", "user": "jane",
            "result": "failed", "message": leak, "at": "2026-11-23T01:01:03Z"});
        snapshot.lease.take(Change::Listed(vec![
            json!({"metadata": {"name": "l", "annotations": {OUTCOME_ANNOTATION: outcome.to_string()}}}),
        ]));
        snapshot.jobs.take(Change::Listed(vec![json!({
            "metadata": {"name": "crossview-helm-update-1", "annotations": {CHART_ANNOTATION: "oci://reader:hunter2@ghcr.io/a/b"}, "labels": {manifests::OPERATION_LABEL: "update"}},
            "spec": {"template": {"spec": {"containers": [{"args": ["--password=hunter2"]}]}}},
            "status": {"conditions": [{"type": "Failed", "status": "True", "message": leak}]},
        })]));
        snapshot.services.take(Change::Failed(ApiError::Forbidden { message: leak.clone() }));
        snapshot.rights.refused = vec![(Permission::CreateJob, leak.clone())];
        let mut lines = Log::default();
        lines.push(leak.as_bytes());
        let status = derive(&Target::default(), &snapshot);
        (status, snapshot, OperationLog { job: "crossview-helm-update-1".to_owned(), lines })
    }

    #[test]
    fn no_secret_gets_into_a_report_wherever_it_comes_from() {
        let (status, snapshot, log) = leaky_cluster();

        let report = report(&status, &snapshot, &log);

        for secret in SECRETS {
            assert!(!report.contains(secret), "{secret} is in\n{report}");
        }
        assert!(!report.contains("jane"), "a user's name is in\n{report}");
        // What is left says what has happened, and each place was really there.
        let places = [
            "- Kubernetes: v1.34.4",
            "- State: release stuck",
            "- Chart: oci://[masked]@ghcr.io/a/b 4.6.0",
            "- 1: failed, 2026-11-23T01:00:00",
            "- Result: failed",
            "- crossview-1-a: Running, not ready, restarts: 2",
            "- Pod/crossview-1-a: ",
            "- Refused: ",
            "- Can't be seen: services: ",
            "## Helm's log",
            "- Rollout: ",
            "--version 4.6.0",
            "the end of it",
        ];
        for place in places {
            assert!(report.contains(place), "{place:?} is not in\n{report}");
        }
    }

    // A termination message begins anywhere.
    #[test]
    fn a_key_that_has_lost_its_first_lines_is_masked_as_well() {
        let lines = ["9w0BAQEFAASC", "-----END PRIVATE KEY-----", "after it"];

        assert_eq!(masked(lines.into_iter()), [MASKED, "after it"]);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_taken() {
        let (status, snapshot, mut log) = leaky_cluster();
        log.lines = Log::default();
        for number in 0..200 {
            log.lines.push(format!("line {number} ```\n").as_bytes());
        }

        let report = report(&status, &snapshot, &log);

        assert!(
            !report.contains("line 149 ") && report.contains("line 150 '''") && report.contains("line 199 "),
            "{report}"
        );
    }

    #[test]
    fn what_helps_is_not_masked() {
        for line in [
            "Error: ghcr.io/crossplane-contrib/crossview-chart/crossview:9.9.9: not found",
            "Get \"https://private.registry.test/v2/\": basic credential not found",
            "Digest: sha256:db225c0f776095d907c88c80ef2abd7b6ea3a14553ac3c56261258e7a3eddfc4",
            "secrets is forbidden: User \"system:serviceaccount:crossview:crossview-helm-installer\" cannot list resource \"secrets\" in API group \"\"",
            "MountVolume.SetUp failed for volume \"values\" : secret \"crossview-helm-install-1795395723\" not found",
            "GET \"https://ghcr.io/token?scope=repository%3Acrossplane-contrib%2Fno-such-chart%3Apull&service=ghcr.io\": response status code 403: denied",
            "pod crossview-7d9f8c6b5d-x2x1z (uid 0b1d4c22-3f61-4a52-9d53-0a1b2c3d4e5f) sits at node-1@10.0.0.11:443",
        ] {
            assert_eq!(mask(line), line);
        }
    }

    #[test]
    fn values_are_masked_whatever_stands_between_them_and_their_names() {
        let cases = [
            ("password=x y", "password=[masked] y"),
            ("PGPASSWORD: x", "PGPASSWORD: [masked]"),
            ("{\"clientSecret\" : \"x\"}", "{\"clientSecret\" : \"[masked]\"}"),
            ("a?token=x&b=c", "a?token=[masked]&b=c"),
            ("postgres://u:p@db:5432/x", "postgres://[masked]@db:5432/x"),
            ("https://u@db/x?a=b@c", "https://[masked]@db/x?a=b@c"),
            ("bearer abc", "bearer [masked]"),
            ("token=, next=1", "token=, next=1"),
        ];
        for (line, expected) in cases {
            assert_eq!(mask(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "(\\PC|://|@|password=|Bearer |\"){0,20}") {
            let _ = mask(&line);
        }

        #[test]
        fn a_password_in_a_url_never_stays(user in "[a-z]{1,8}", password in "[!-.0-~]{6,12}") {
            // A blank or a quote ends a URL for everybody who reads it.
            prop_assume!(!password.contains(['"', '/', '?']));
            let masked = mask(&["pull https://", &user, ":", &password, "@ghcr.io/v2"].concat());
            prop_assert_eq!(masked, "pull https://[masked]@ghcr.io/v2");
        }
    }
}
