//! The stories. Each one begins on a cluster without Crossview and says what a user would see.

use std::time::Duration;

use crossview_headlamp::{
    cluster::{ApiError, Request},
    helm::{
        chart::{CROSSVIEW_REPOSITORY, Chart, ChartRef},
        command::Command,
        diagnosis::Cause,
        release::{ReleaseStatus, Revision},
        values,
        version::VersionChange,
    },
    installer::{
        AfterCancel, Foreign, ForgetError, ManagerTool, Notice, Offer, OutcomeResult, Phase, RemoveError, Seen, Stage,
        Status, Target, ValuesError, Withheld, driver::StartError, manifests, report,
    },
};
use serde_json::{Value, json};

use super::{browser::Browser, world::World};

const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/crossview-helm-installer-admin";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/crossview/deployments/crossview";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/crossview/leases/crossview-helm-crossview";

fn install(version: &str) -> Command {
    let chart = Chart::from(ChartRef::default()).with_version(version.parse().unwrap()).unwrap();
    Command::Install { chart, values: true }
}

async fn installed(world: &dyn World) -> Browser<'_> {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();
    browser.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;
    browser
}

/// Install goes through its stages in order, ends ready, and leaves no rights behind.
pub async fn an_install_is_followed_to_its_end(world: &dyn World) {
    let browser = installed(world).await;

    let mut stages: Vec<Stage> =
        browser.said().iter().filter_map(|status| Some(status.operating.as_ref()?.stage)).collect();
    stages.dedup();
    assert!(stages.is_sorted(), "{stages:?}");
    assert!(stages.contains(&Stage::Preparing) && stages.contains(&Stage::Helm), "{stages:?}");
    let status = browser.session.status();
    let Seen::Present(app) = &status.app else { panic!("{status:#?}") };
    assert_eq!((app.chart.as_str(), app.version.as_str(), app.ready), ("crossview-4.6.0", "v4.6.0", 1));
    let Seen::Present(revision) = &status.revision else { panic!("{status:#?}") };
    assert_eq!(revision.number, 1);
    browser.until_log("STATUS: deployed").await;
    let last = browser.until("the outcome is kept", |status| status.last.is_some()).await.last.unwrap();
    assert_eq!(last.result, OutcomeResult::Succeeded, "{last:?}");
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
    let lease = world.read(LEASE).await.expect("the lease");
    assert_eq!(lease.pointer("/spec/holderIdentity"), None, "the lock is still held");
    assert!(!status.notices.iter().any(|notice| matches!(notice, Notice::LeftoverBinding { .. })), "{status:#?}");
}

/// The needed values have reached Crossview: no sign-in, no database.
pub async fn the_values_reach_crossview(world: &dyn World) {
    let browser = installed(world).await;

    browser.until("authentication is off", |_| browser.session.snapshot().auth_mode.as_deref() == Some("none")).await;
    let postgres = world.read("/apis/apps/v1/namespaces/crossview/deployments/crossview-postgres").await;
    assert_eq!(postgres, None);
}

/// A version that doesn't exist ends in Helm's own words, not in a spinner, and can be tried again at once.
pub async fn a_wrong_version_fails_with_helms_words(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;

    browser.run(install("3.7.0"), values::INSTALL).await.unwrap();

    let status = browser.until("it has failed", crossview_headlamp::installer::has_failed).await;
    let last = status.last.unwrap();
    assert!(last.message.contains("3.7.0"), "{last:?}");
    assert!(last.message.contains("not found"), "{last:?}");
    assert_eq!(status.phase, Phase::NotInstalled);
    assert!(status.install.is_offered());
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// A second browser shows the same operation, live, and says whose it is; so does one that reloads in the middle.
pub async fn a_second_browser_sees_the_same_operation(world: &dyn World) {
    let first = Browser::open(world, "admin");
    let second = Browser::open(world, "viewer");
    first.until("nothing is installed", |status| status.phase == Phase::NotInstalled && !status.user.is_empty()).await;
    second.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;

    first.run(install("4.6.0"), values::INSTALL).await.unwrap();

    let seen = second
        .until("an operation is under way", |status| status.operating.as_ref().is_some_and(|op| !op.user.is_empty()))
        .await;
    let operating = seen.operating.unwrap();
    assert_eq!(operating.user, "admin");
    assert!(!seen.install.is_offered());
    let reloaded = Browser::open(world, "admin");
    reloaded.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;
    second.until("Crossview is ready", |status| status.phase == Phase::Ready).await;
}

/// The page that has begun an operation is gone in the middle: another one ends it, and no rights stay behind.
pub async fn leaving_in_the_middle_leaves_no_rights_behind(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();

    drop(browser);

    let later = Browser::open(world, "admin");
    later.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// Two clicks at the same moment in two browsers make one Job.
pub async fn two_clicks_make_one_job(world: &dyn World) {
    let (first, second) = (Browser::open(world, "admin"), Browser::open(world, "admin"));
    for browser in [&first, &second] {
        let asked = |status: &Status| status.phase == Phase::NotInstalled && !status.user.is_empty();
        browser.until("nothing is installed", asked).await;
    }

    let (one, other) =
        futures::join!(first.run(install("4.6.0"), values::INSTALL), second.run(install("4.6.0"), values::INSTALL));

    let is_told =
        |result: &&Result<(), StartError>| matches!(result, Err(StartError::Busy { user, .. }) if user == "admin");
    let losers = [&one, &other].into_iter().filter(is_told).count();
    assert_eq!(losers, 1, "{one:?} {other:?}");
    first.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;
    let jobs = first.session.snapshot().jobs.known().count();
    assert_eq!(jobs, 1);
}

fn is_start(request: &Request) -> bool {
    request.method() == "PATCH" && request.path.contains("/jobs/")
}

/// The Job was not let go, and nobody can tell: the page says so, and leaves nothing behind.
pub async fn a_start_that_is_lost_is_taken_back(world: &dyn World) {
    let browser = Browser::open_losing(world, "admin", false, is_start);
    let asked = |status: &Status| status.phase == Phase::NotInstalled && !status.user.is_empty();
    browser.until("nothing is installed", asked).await;

    let told = browser.run(install("4.6.0"), values::INSTALL).await.unwrap_err();

    assert!(matches!(told, StartError::Unanswered { error: ApiError::Unreachable { .. }, .. }), "{told:?}");
    let ended = |status: &Status| status.operating.is_none() && status.last.is_some() && status.install.is_offered();
    let last = browser.until("it has ended", ended).await.last;
    assert_eq!(last.map(|last| last.result), Some(OutcomeResult::Cancelled));
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
    assert_eq!(browser.session.snapshot().jobs.known().count(), 0);
}

/// The Job was let go, and the page didn't hear so: the operation goes on, with its rights to its end and no longer.
pub async fn a_start_whose_answer_is_lost_goes_on(world: &dyn World) {
    let browser = Browser::open_losing(world, "admin", true, is_start);
    let asked = |status: &Status| status.phase == Phase::NotInstalled && !status.user.is_empty();
    browser.until("nothing is installed", asked).await;

    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();

    let ended = |status: &Status| status.phase == Phase::Ready && status.operating.is_none() && status.last.is_some();
    let status = browser.until("Crossview is ready", ended).await;
    assert_eq!(status.last.map(|last| last.result), Some(OutcomeResult::Succeeded));
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// Uninstall takes the release away and says that nothing is installed.
pub async fn an_uninstall_ends_with_nothing_installed(world: &dyn World) {
    let browser = installed(world).await;

    browser.run(Command::Uninstall, "").await.unwrap();

    browser
        .until("nothing is installed", |status| status.phase == Phase::NotInstalled && status.operating.is_none())
        .await;
    assert_eq!(world.read("/apis/apps/v1/namespaces/crossview/deployments/crossview").await, None);
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
    assert!(browser.session.status().install.is_offered());
}

/// Who may not see Secrets still sees that Crossview runs, and reads which permission is missing.
pub async fn without_secrets_the_rest_still_shows(world: &dyn World) {
    drop(installed(world).await);

    let viewer = Browser::open(world, "viewer");

    let status = viewer
        .until("Crossview is ready", |status| {
            status.phase == Phase::Ready
                && status.revision != Seen::Unknown(crossview_headlamp::installer::Why::NotAsked)
        })
        .await;
    assert!(matches!(status.revision, Seen::Unknown(_)), "{:?}", status.revision);
    let status = viewer
        .until("it says what can't be seen", |status| {
            status.notices.iter().any(|notice| matches!(notice, Notice::Unseen { what: "secrets", .. }))
        })
        .await;
    assert!(matches!(status.app, Seen::Present(_)));
}

/// Who may see nothing is not told that nothing is installed.
pub async fn a_refusal_is_never_not_installed(world: &dyn World) {
    let browser = Browser::open(world, "nobody");

    let status = browser.until("it can't be told", |status| matches!(status.phase, Phase::Unknown(_))).await;

    assert!(!browser.said().iter().any(|status| status.phase == Phase::NotInstalled), "{status:#?}");
}

/// Who may not bind cluster-admin is told before the click, and not offered Install.
pub async fn who_may_not_give_helm_its_rights_is_told_before_the_click(world: &dyn World) {
    let browser = Browser::open(world, "operator");

    let status = browser.until("the refusal is known", |status| !status.notices.is_empty()).await;

    let refused = status.notices.iter().any(|notice| {
        matches!(
            notice,
            Notice::Refused { permission: crossview_headlamp::installer::Permission::BindClusterAdmin, .. }
        )
    });
    assert!(refused, "{:#?}", status.notices);
    assert!(!status.install.is_offered());
}

/// A Job that somebody deletes while it runs is said to be cancelled, and its rights go.
pub async fn a_deleted_job_is_an_operation_that_was_ended(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();
    let job = browser
        .until("a Job is there", |status| status.operating.as_ref().is_some_and(|op| op.stage >= Stage::Pod))
        .await;
    let job = job.operating.unwrap().job;

    world.delete(&format!("/apis/batch/v1/namespaces/crossview/jobs/{job}")).await;

    let status =
        browser.until("the operation has ended", |status| status.operating.is_none() && status.last.is_some()).await;
    assert!(matches!(status.last.unwrap().result, OutcomeResult::Cancelled | OutcomeResult::Succeeded));
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// The values are gone when their Job is.
pub async fn the_values_secret_goes_with_its_job(world: &dyn World) {
    let browser = installed(world).await;
    let job = browser.session.snapshot().jobs.known().next().expect("the Job").metadata.name.clone();
    let secret = format!("/api/v1/namespaces/crossview/secrets/{job}");
    assert!(world.read(&secret).await.is_some());

    world.delete(&format!("/apis/batch/v1/namespaces/crossview/jobs/{job}")).await;

    browser.until("the Job is gone", |_| browser.session.snapshot().jobs.known().next().is_none()).await;
    let mut gone = false;
    for _ in 0..100 {
        gone = world.read(&secret).await.is_none();
        if gone {
            break;
        }
        world.sleep(Duration::from_millis(100)).await;
    }
    assert!(gone, "the values outlive their Job");
}

/// The values that an installation needs, and `more`.
fn with(more: &str) -> String {
    format!("{}{more}\n", values::INSTALL)
}

/// Opens a page on a cluster without Crossview.
async fn opened(world: &dyn World) -> Browser<'_> {
    let browser = Browser::open(world, "admin");
    browser
        .until("nothing is installed", |status| status.phase == Phase::NotInstalled && !status.user.is_empty())
        .await;
    browser
}

/// Installs what can't be installed: the page names `cause`, shows Helm's `words` for it, and the rights are gone.
async fn fails(browser: &Browser<'_>, world: &dyn World, command: Command, values: &str, cause: Cause, words: &str) {
    browser.run(command, values).await.unwrap();

    browser.until("it has ended", |status| status.operating.is_none() && status.last.is_some()).await;
    let found = browser.until_named(cause).await;
    assert!(found.line.contains(words), "{cause:?}: {words:?} is not in {found:?}");
    let last = browser.session.status().last.unwrap();
    assert_eq!(
        (last.result, last.cause, last.user.as_str()),
        (OutcomeResult::Failed, Some(cause), "admin"),
        "{last:?}"
    );
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

async fn ready(browser: &Browser<'_>, chart: &str) -> Status {
    let is_it = |status: &Status| matches!(&status.app, Seen::Present(app) if app.chart == chart);
    browser.until(chart, |status| status.phase == Phase::Ready && status.operating.is_none() && is_it(status)).await
}

fn update(version: &str, values: bool) -> Command {
    let chart = Chart::from(ChartRef::default()).with_version(version.parse().unwrap()).unwrap();
    Command::Update { chart, values }
}

/// What the page says of each revision: its number, its status and its chart.
fn revisions(status: &Status) -> Vec<(u32, String, Option<String>)> {
    let Seen::Present(history) = &status.history else { panic!("{status:#?}") };
    let line = |revision: &Revision| {
        let chart = status.chart_of(revision.number).map(str::to_owned);
        (revision.number, revision.status.to_string(), chart)
    };
    history.revisions().iter().map(line).collect()
}

fn line(number: u32, status: &str, chart: &str) -> (u32, String, Option<String>) {
    (number, status.to_owned(), Some(chart.to_owned()).filter(|chart| !chart.is_empty()))
}

/// An update to another version says what it does, keeps what was set, and can be rolled back; the history names the
/// chart of each revision.
pub async fn an_update_keeps_the_values_and_a_rollback_brings_the_old_version_back(world: &dyn World) {
    let browser = installed(world).await;
    let status = browser.session.status();
    let Seen::Present(app) = &status.app else { panic!("{status:#?}") };
    let change = |version: &str| VersionChange::of(&app.chart, Some(&version.parse().unwrap()));
    assert_eq!(change("4.7.0-rc.3"), VersionChange::Upgrade);
    assert_eq!(change("v4.6.0"), VersionChange::Same);
    assert_eq!(change("4.5.0"), VersionChange::Downgrade);
    assert!(!status.rollback.is_offered() && status.update.is_offered(), "{status:#?}");

    browser.run(update("4.7.0-rc.3", false), "").await.unwrap();

    let status = ready(&browser, "crossview-4.7.0-rc.3").await;
    assert_eq!(
        revisions(&status),
        [line(1, "superseded", "crossview-4.6.0"), line(2, "deployed", "crossview-4.7.0-rc.3")]
    );
    browser.until("authentication is off", |_| browser.session.snapshot().auth_mode.as_deref() == Some("none")).await;
    assert_eq!(world.read("/apis/apps/v1/namespaces/crossview/deployments/crossview-postgres").await, None);
    assert!(status.rollback.is_offered(), "{status:#?}");

    browser.run(Command::Rollback { revision: 1 }, "").await.unwrap();

    let status = ready(&browser, "crossview-4.6.0").await;
    assert_eq!(
        revisions(&status),
        [
            line(1, "superseded", "crossview-4.6.0"),
            line(2, "superseded", "crossview-4.7.0-rc.3"),
            line(3, "deployed", "crossview-4.6.0")
        ]
    );
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

fn chart(reference: &str) -> Command {
    Command::Install { chart: reference.parse().unwrap(), values: true }
}

/// Each registry and repository that fails is named with its own cause, and the next try can begin at once.
pub async fn every_source_that_fails_is_named_with_its_cause(world: &dyn World) {
    const CHART: &str = "crossplane-contrib/crossview-chart/crossview:4.6.0";
    let browser = opened(world).await;
    let cases = [
        ("refused.registry.test", Cause::RegistryUnreachable, "connection refused"),
        ("nowhere.registry.test", Cause::HostNotFound, "no such host"),
        ("untrusted.registry.test", Cause::Tls, "certificate signed by unknown authority"),
        ("private.registry.test", Cause::RegistryDenied, "basic credential not found"),
        ("limited.registry.test", Cause::RateLimited, "429"),
    ];
    for (host, cause, words) in cases {
        fails(&browser, world, chart(&format!("oci://{host}/{CHART}")), values::INSTALL, cause, words).await;
        assert!(browser.session.status().install.is_offered(), "{host}");
    }
    let repository = "https://crossplane-contrib.github.io/crossview crossview:9.9.9";
    fails(&browser, world, chart(repository), values::INSTALL, Cause::ChartNotFound, "9.9.9").await;
}

/// What is wrong with the chart or its values is named before anything of it is in the cluster.
pub async fn a_chart_that_cannot_be_rendered_is_named_with_the_templates_words(world: &dyn World) {
    let browser = opened(world).await;

    let template = with("test:\n  failTemplate: config.server.port must be a number");
    fails(&browser, world, install("4.6.0"), &template, Cause::Values, "config.server.port must be a number").await;
    fails(&browser, world, install("4.6.0"), "config:\n  a: 1\n b: 2\n", Cause::Values, "yaml").await;
    let route = with("httproute:\n  enabled: true");
    fails(&browser, world, install("4.6.0"), &route, Cause::MissingKind, "HTTPRoute").await;
}

/// An object of the chart's name that belongs to somebody else is left alone, and named.
pub async fn an_object_of_somebody_else_is_named_and_left_alone(world: &dyn World) {
    world.create("/api/v1/namespaces", json!({"metadata": {"name": "crossview"}})).await;
    let maps = "/api/v1/namespaces/crossview/configmaps";
    world.create(maps, json!({"metadata": {"name": "crossview-config"}, "data": {"mine": "yes"}})).await;
    let browser = opened(world).await;

    fails(&browser, world, install("4.6.0"), values::INSTALL, Cause::Owned, "crossview-config").await;

    let map = world.read(&format!("{maps}/crossview-config")).await.expect("it is still there");
    assert_eq!(map["data"], json!({"mine": "yes"}));
}

/// Rights that are taken away under a running Helm are named as what they are.
pub async fn a_helm_without_rights_is_forbidden_and_not_unknown(world: &dyn World) {
    let browser = opened(world).await;
    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();

    world.delete(BINDING).await;

    browser.until("it has failed", crossview_headlamp::installer::has_failed).await;
    let found = browser.until_named(Cause::Forbidden).await;
    assert!(found.line.contains("crossview-helm-installer"), "{found:?}");
}

/// A webhook that refuses what the chart makes is quoted.
pub async fn an_admission_webhook_is_quoted(world: &dyn World) {
    let browser = opened(world).await;
    let webhook = json!({
        "name": "labels.admission.test", "clientConfig": world.denying_webhook(), "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "crossview"}},
    });
    let all = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    world.create(all, json!({"metadata": {"name": "crossview-test"}, "webhooks": [webhook]})).await;
    // The API server reads its webhooks a moment after they are made.
    world.sleep(Duration::from_secs(2)).await;

    let words = "every object needs the label cost-center";
    fails(&browser, world, install("4.6.0"), values::INSTALL, Cause::Admission, words).await;

    world.delete(&format!("{all}/crossview-test")).await;
}

/// Makes the namespace with a quota of none of `resource`, and waits until it counts.
async fn quota(world: &dyn World, resource: &str) {
    world.create("/api/v1/namespaces", json!({"metadata": {"name": "crossview"}})).await;
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {resource: "0"}}});
    let all = "/api/v1/namespaces/crossview/resourcequotas";
    world.create(all, quota).await;
    for _ in 0..100 {
        let seen = world.read(&format!("{all}/none")).await.expect("the quota");
        if seen["status"]["hard"].get(resource).is_some() {
            return;
        }
        world.sleep(Duration::from_millis(100)).await;
    }
    panic!("the quota never counted");
}

/// A quota that refuses an object of the chart is quoted with its name.
pub async fn a_quota_that_refuses_the_chart_is_quoted(world: &dyn World) {
    quota(world, "count/services").await;
    let browser = opened(world).await;

    fails(&browser, world, install("4.6.0"), values::INSTALL, Cause::Quota, "exceeded quota: none").await;
}

/// A quota that refuses Helm's own pod is told while the Job waits, and Cancel ends it.
pub async fn a_quota_that_refuses_helms_pod_is_told_while_it_waits(world: &dyn World) {
    quota(world, "pods").await;
    let browser = opened(world).await;
    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();

    let found = browser.until_named(Cause::Quota).await;
    assert!(found.line.contains("exceeded quota: none"), "{found:?}");
    let status = browser.session.status();
    let operating = status.operating.expect("it still waits");
    assert!(status.events.iter().any(|event| event.reason == "FailedCreate" && event.object.contains(&operating.job)));

    browser.session.cancel(&operating.job).await.unwrap();
    browser.until("it has ended", |status| status.operating.is_none() && status.last.is_some()).await;
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// A pod that the namespace's Pod Security level forbids is told with the rule that it breaks.
pub async fn pod_security_that_forbids_crossview_is_told_with_its_rules(world: &dyn World) {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    world.create("/api/v1/namespaces", json!({"metadata": {"name": "crossview", "labels": labels}})).await;
    let browser = opened(world).await;

    browser.run(install("4.6.0"), &with("test:\n  insecure: true")).await.unwrap();

    let found = browser.until_named(Cause::PodSecurity).await;
    assert!(found.line.contains("runAsNonRoot"), "{found:?}");
    browser.until("Crossview is unwell", |status| status.phase == Phase::Unwell).await;
}

/// Helm's image that can't be had is told while the Job waits; Cancel keeps the reason.
pub async fn a_helm_image_that_cannot_be_pulled_is_told_and_kept_after_cancel(world: &dyn World) {
    let browser = opened(world).await;
    browser.run_in("docker.io/alpine/helm:9.9.9", install("4.6.0"), values::INSTALL).await.unwrap();

    let found = browser.until_named(Cause::HelmImage).await;
    assert!(found.line.contains("alpine/helm:9.9.9"), "{found:?}");

    let job = browser.session.status().operating.expect("it waits").job;
    browser.session.cancel(&job).await.unwrap();
    let status = browser.until("it has ended", |status| status.operating.is_none() && status.last.is_some()).await;
    let last = status.last.unwrap();
    assert_eq!((last.result, last.cause), (OutcomeResult::Cancelled, Some(Cause::HelmImage)), "{last:?}");
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// No node takes Helm's pod: the scheduler's words are shown, and it goes on by itself when one does.
pub async fn a_pod_that_no_node_takes_is_told_in_the_schedulers_words_and_goes_on(world: &dyn World) {
    let nodes = world.read("/api/v1/nodes").await.expect("nodes");
    let nodes: Vec<String> = nodes["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| format!("/api/v1/nodes/{}", node["metadata"]["name"].as_str().unwrap()))
        .collect();
    for node in &nodes {
        world.patch(node, json!({"spec": {"unschedulable": true}})).await;
    }
    let browser = opened(world).await;
    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();

    let found = browser.until_named(Cause::Unschedulable).await;
    assert!(found.line.contains("nodes are available"), "{found:?}");

    for node in &nodes {
        world.patch(node, json!({"spec": {"unschedulable": null}})).await;
    }
    browser.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;
}

/// The Job's deadline ends a Helm that waits for ever, and is told as the reason.
pub async fn a_deadline_is_told_as_the_reason(world: &dyn World) {
    let browser = opened(world).await;
    let silent = "oci://silent.registry.test/crossplane-contrib/crossview-chart/crossview:4.6.0";
    browser.run(chart(silent), values::INSTALL).await.unwrap();
    let status =
        browser.until("Helm runs", |status| status.operating.as_ref().is_some_and(|op| op.stage == Stage::Helm)).await;
    let job = format!("/apis/batch/v1/namespaces/crossview/jobs/{}", status.operating.unwrap().job);

    world.patch(&job, json!({"spec": {"activeDeadlineSeconds": 1}})).await;

    browser.until("it has failed", crossview_headlamp::installer::has_failed).await;
    browser.until_named(Cause::Deadline).await;
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// A pod of Helm that somebody takes away is not an unknown failure.
pub async fn a_pod_that_is_taken_from_helm_is_told(world: &dyn World) {
    let browser = opened(world).await;
    let silent = "oci://silent.registry.test/crossplane-contrib/crossview-chart/crossview:4.6.0";
    browser.run(chart(silent), values::INSTALL).await.unwrap();
    let status = browser
        .until("Helm's log is there", |status| status.operating.as_ref().is_some_and(|op| op.pod.is_some()))
        .await;

    world.delete(&format!("/api/v1/namespaces/crossview/pods/{}", status.operating.unwrap().pod.unwrap())).await;

    browser.until("it has failed", crossview_headlamp::installer::has_failed).await;
    browser.until_named(Cause::PodKilled).await;
}

/// A namespace that is being deleted is told, and nothing is offered until it is gone.
pub async fn a_namespace_that_is_being_deleted_is_told_and_waited_for(world: &dyn World) {
    let maps = "/api/v1/namespaces/crossview/configmaps";
    world.create("/api/v1/namespaces", json!({"metadata": {"name": "crossview"}})).await;
    world.create(maps, json!({"metadata": {"name": "hold", "finalizers": ["crossview.test/hold"]}})).await;
    let browser = opened(world).await;

    world.delete("/api/v1/namespaces/crossview").await;

    browser.until_named(Cause::NamespaceTerminating).await;
    let status = browser.session.status();
    assert_eq!(status.phase, Phase::Terminating);
    assert!(!status.install.is_offered() && !status.remove_namespace.is_offered());
    world.patch(&format!("{maps}/hold"), json!({"metadata": {"finalizers": null}})).await;
    browser
        .until("Install is offered again", |status| status.phase == Phase::NotInstalled && status.install.is_offered())
        .await;
}

/// Crossview's image that can't be had makes it unwell, with the kubelet's words, its pods and their warnings.
pub async fn a_crossview_image_that_cannot_be_pulled_is_told_with_its_pods_and_warnings(world: &dyn World) {
    let browser = opened(world).await;

    browser.run(install("4.6.0"), &with("image:\n  tag: v9.9.9")).await.unwrap();

    let found = browser.until_named(Cause::AppImage).await;
    assert!(found.line.contains("v9.9.9"), "{found:?}");
    let status = browser
        .until("the warning is there", |status| status.events.iter().any(|event| event.message.contains("v9.9.9")))
        .await;
    assert_eq!(status.phase, Phase::Unwell);
    let [pod] = status.pods.as_slice() else { panic!("{:#?}", status.pods) };
    assert!(matches!(pod.reason.as_str(), "ErrImagePull" | "ImagePullBackOff") && !pod.ready, "{pod:?}");
    browser.until("the way back is open", |status| status.uninstall.is_offered()).await;
}

/// A Crossview that ends again and again is told with what it said last, and so does the report for an issue.
pub async fn a_crossview_that_crashes_is_told_with_its_last_words(world: &dyn World) {
    let browser = opened(world).await;

    browser.run(install("4.6.0"), &with("test:\n  crash: can't open the inventory")).await.unwrap();

    browser.until_named(Cause::AppCrash).await;
    let last_words = |status: &Status| match &status.app {
        Seen::Present(app) => app
            .trouble
            .as_ref()
            .is_some_and(|trouble| trouble.log.iter().any(|line| line.contains("can't open the inventory"))),
        _ => false,
    };
    let status = browser.until("its last words are there", last_words).await;
    assert!(status.pods.iter().any(|pod| pod.restarts > 0), "{:#?}", status.pods);
    let report = report(&status, &browser.session.snapshot(), &browser.session.log());
    for part in
        ["can't open the inventory", "- State: unwell", "Crossview ends right after its start", "- Kubernetes: v1."]
    {
        assert!(report.contains(part), "{part:?} is not in\n{report}");
    }
}

/// Scaled to zero is a state of its own, and ends as it began.
pub async fn scaled_to_zero_is_told_and_comes_back(world: &dyn World) {
    let browser = installed(world).await;

    world.patch(DEPLOYMENT, json!({"spec": {"replicas": 0}})).await;

    browser.until_named(Cause::ScaledToZero).await;
    assert_eq!(browser.session.status().phase, Phase::ScaledToZero);
    world.patch(DEPLOYMENT, json!({"spec": {"replicas": 1}})).await;
    // The Deployment's controller writes its numbers and its words in writes of their own.
    let is_back = |status: &Status| {
        status.phase == Phase::Ready
            && matches!(&status.app, Seen::Present(app) if (app.observed, app.updated, app.available) == (true, 1, 1)
                && app.progressing.contains("successfully progressed"))
    };
    browser.until("all of Crossview is back", is_back).await;
}

/// A Crossview under another release name is found in the same namespace, and can be looked after.
pub async fn another_release_name_is_found_and_named(world: &dyn World) {
    let target = Target { release: "views".parse().unwrap(), ..Target::default() };
    let theirs = Browser::open_at(world, "admin", target);
    theirs.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    theirs.run(install("4.6.0"), values::INSTALL).await.unwrap();
    theirs.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;

    let browser = Browser::open(world, "admin");

    browser.until_named(Cause::OtherRelease).await;
    let expected = Phase::Elsewhere { namespace: "crossview".to_owned(), release: "views".to_owned() };
    assert_eq!(browser.session.status().phase, expected);
}

/// What Flux or Argo CD looks after is shown and left to it, and is ours again when they let go.
pub async fn what_a_gitops_controller_manages_is_left_to_it(world: &dyn World) {
    let browser = installed(world).await;
    let marks = [
        (
            json!({"labels": {"helm.toolkit.fluxcd.io/name": "views", "helm.toolkit.fluxcd.io/namespace": "flux-system"}}),
            ManagerTool::Flux,
            "HelmRelease",
        ),
        (
            json!({"labels": {"helm.toolkit.fluxcd.io/name": null, "helm.toolkit.fluxcd.io/namespace": null}, "annotations": {"argocd.argoproj.io/tracking-id": "views:apps/Deployment:crossview/crossview"}}),
            ManagerTool::ArgoCd,
            "Application",
        ),
    ];
    for (metadata, tool, kind) in marks {
        world.patch(DEPLOYMENT, json!({"metadata": metadata})).await;

        let managed = |status: &Status| status.manager.as_ref().is_some_and(|manager| manager.tool == tool);
        let status = browser.until("somebody else manages it", managed).await;
        let manager = status.manager.clone().unwrap();
        assert_eq!((manager.kind.as_str(), manager.name.as_str()), (kind, "views"));
        browser.until_named(Cause::Managed).await;
        assert_eq!(status.phase, Phase::Ready);
        for offer in [&status.install, &status.update, &status.uninstall] {
            assert_eq!(*offer, Offer::Withheld(Withheld::Managed));
        }
    }
    world.patch(DEPLOYMENT, json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": null}}})).await;
    browser.until("it can be uninstalled", |status| status.uninstall.is_offered()).await;
}

/// Rights that are left over are told first, and one click takes them away.
pub async fn a_leftover_binding_is_told_and_removed_by_one_click(world: &dyn World) {
    world.create("/api/v1/namespaces", json!({"metadata": {"name": "crossview"}})).await;
    let bindings = BINDING.rsplit_once('/').unwrap().0;
    world.create(bindings, manifests::binding(&Target::default(), "crossview-helm-install-1")).await;
    let browser = opened(world).await;

    browser.until_named(Cause::LeftoverBinding).await;
    assert!(browser.session.status().leftovers.binding);

    browser.session.remove_leftover().await.unwrap();
    browser.until("it is gone", |status| !status.leftovers.binding && status.diagnoses().is_empty()).await;
    assert_eq!(world.read(BINDING).await, None);
}

/// An operation whose end no page saw: Helm's own record is told, and whose it was; the next one can begin.
pub async fn an_end_that_nobody_saw_is_told_by_helms_record(world: &dyn World) {
    drop(installed(world).await);
    let lost = json!({
        "metadata": {"annotations": {"crossview-headlamp/user": "jane", "crossview-headlamp/chart": "oci://ghcr.io/a/b 4.6.0"}},
        "spec": {"holderIdentity": "crossview-helm-update-1", "acquireTime": "2020-01-01T00:00:00.000000Z"},
    });
    world.patch(LEASE, lost).await;

    let browser = Browser::open(world, "admin");

    let unseen = |status: &Status| {
        status.last.as_ref().is_some_and(|last| last.result == OutcomeResult::Unseen && !last.status.is_empty())
    };
    let status = browser.until("nobody saw it", unseen).await;
    let last = status.last.clone().unwrap();
    assert_eq!(
        (last.operation.as_str(), last.user.as_str(), last.revision, last.status.as_str()),
        ("update", "jane", 1, "deployed")
    );
    browser.until_named(Cause::Unseen).await;
    assert!(browser.session.status().uninstall.is_offered());
}

/// A namespace goes only when nothing foreign is in it, and who can't see everything is not told that it is empty.
pub async fn a_namespace_goes_only_when_nothing_foreign_is_in_it(world: &dyn World) {
    let browser = installed(world).await;
    assert!(matches!(browser.session.remove_namespace().await, Err(RemoveError::Withheld(_))));
    browser.run(Command::Uninstall, "").await.unwrap();
    browser.until("it could go", |status| status.remove_namespace.is_offered()).await;
    let maps = "/api/v1/namespaces/crossview/configmaps";
    world.create(maps, json!({"metadata": {"name": "mine"}})).await;
    let mine = Foreign { kind: "ConfigMap".to_owned(), name: "mine".to_owned() };

    // What Crossview leaves behind goes by itself in a moment.
    let mut found = vec![];
    for _ in 0..100 {
        found = browser.session.foreign().await.unwrap();
        if found == std::slice::from_ref(&mine) {
            break;
        }
        world.sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(found, std::slice::from_ref(&mine));
    assert_eq!(browser.session.remove_namespace().await, Err(RemoveError::Foreign(vec![mine])));
    let viewer = Browser::open(world, "viewer");
    let error = viewer.session.foreign().await.unwrap_err();
    assert_eq!(error.kind, "Secret");

    world.delete(&format!("{maps}/mine")).await;
    browser.session.remove_namespace().await.unwrap();
    browser.until("it is gone", |_| browser.session.snapshot().namespace.one() == Seen::Absent).await;
}

/// An update with values lays them over what was set.
pub async fn an_update_with_values_changes_them_and_nothing_else(world: &dyn World) {
    let browser = installed(world).await;

    browser.run(update("4.6.0", true), "replicaCount: 2\n").await.unwrap();

    browser
        .until("two pods are ready", |status| {
            let two = matches!(&status.app, Seen::Present(app) if (app.ready, app.desired) == (2, 2));
            two && status.operating.is_none()
        })
        .await;
    browser.until("authentication is off", |_| browser.session.snapshot().auth_mode.as_deref() == Some("none")).await;
}

/// A chart of a repository is installed, and Update Helm Repo brings its versions to every browser, without any rights.
pub async fn a_repositorys_versions_come_to_every_browser(world: &dyn World) {
    let reference: ChartRef = CROSSVIEW_REPOSITORY.parse().unwrap();
    let (browser, second) = (Browser::open(world, "admin"), Browser::open(world, "viewer"));
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    let chart = Chart::from(reference.clone()).with_version("4.6.0".parse().unwrap()).unwrap();
    browser.run(Command::Install { chart, values: true }, values::INSTALL).await.unwrap();
    let status = ready(&browser, "crossview-4.6.0").await;
    assert!(status.update_repo.is_offered() && status.versions.is_none(), "{status:#?}");

    browser.run(Command::update_repo(&reference).unwrap(), "").await.unwrap();

    assert_eq!(world.read(BINDING).await, None, "it has rights");
    let status = second.until("versions are offered", |status| status.versions.is_some()).await;
    let versions = status.versions.unwrap();
    assert!(versions.are_of(&reference), "{versions:?}");
    let dates = world.helm_image().is_default();
    let offers: Vec<_> = versions
        .offers
        .iter()
        .map(|offer| (offer.version.to_string(), offer.app_version.clone(), offer.created.clone()))
        .collect();
    let expected = [("4.7.0-rc.3", "2026-11-09"), ("4.6.0", "2026-10-14"), ("4.5.0", "2026-08-03")]
        .map(|(version, day)| (version.to_owned(), format!("v{version}"), if dates { day } else { "" }.to_owned()));
    assert_eq!(offers, expected);
    let last = browser.until("it has ended", |status| status.operating.is_none()).await.last.unwrap();
    assert_eq!((last.operation.as_str(), last.result), ("repo-update", OutcomeResult::Succeeded), "{last:?}");
}

/// An install that is cancelled before Helm has changed anything leaves nothing.
pub async fn an_install_cancelled_before_helm_changes_anything_leaves_nothing(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    let chart = "oci://silent.registry.test/crossplane-contrib/crossview-chart/crossview:4.6.0".parse().unwrap();
    browser.run(Command::Install { chart, values: true }, values::INSTALL).await.unwrap();
    let at_work = |status: &Status| status.operating.as_ref().is_some_and(|op| op.stage == Stage::Helm);
    let job = browser.until("Helm is at work", at_work).await.operating.unwrap().job;

    browser.session.cancel(&job).await.unwrap();

    let status = browser.until("it has ended", |status| status.operating.is_none() && status.last.is_some()).await;
    assert_eq!(status.last.unwrap().result, OutcomeResult::Cancelled);
    assert_eq!(status.phase, Phase::NotInstalled);
    assert!(status.install.is_offered());
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
}

/// Begins `command` and waits until Helm has written down that it is `status`; gives the Job.
async fn in_the_middle(world: &dyn World, browser: &Browser<'_>, command: Command, status: ReleaseStatus) -> String {
    world.hold_config_maps().await;
    browser.run(command, values::INSTALL).await.unwrap();
    let under_way = |said: &Status| {
        matches!(&said.revision, Seen::Present(revision) if revision.status == status) && said.operating.is_some()
    };
    browser.until(status.as_str(), under_way).await.operating.unwrap().job
}

/// An install that is cancelled in the middle ends as Helm says that it ended, with no rights left; what it left can be
/// uninstalled.
pub async fn an_install_cancelled_in_the_middle_is_failed_and_can_be_uninstalled(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    let job = in_the_middle(world, &browser, install("4.6.0"), ReleaseStatus::PendingInstall).await;
    // Helm's record and its pod come by two watches, in any order.
    let warns = |status: &Status| {
        status.operating.as_ref().is_some_and(|operating| operating.after_cancel() == AfterCancel::Failed)
    };
    browser.until("a cancelled install is said to fail", warns).await;

    browser.session.cancel(&job).await.unwrap();

    let failed = Phase::Stuck(ReleaseStatus::Failed);
    let status = browser.until("it has failed", |status| status.phase == failed && status.operating.is_none()).await;
    assert!(browser.said().iter().any(|said| said.operating.as_ref().is_some_and(|op| op.cancelled)), "never said");
    assert_eq!(status.last.as_ref().map(|last| last.result), Some(OutcomeResult::Cancelled));
    assert_eq!(world.read(BINDING).await, None, "rights are left over");
    assert!(status.uninstall.is_offered() && status.install.is_offered(), "{status:#?}");
    assert!(!status.rollback.is_offered() && status.forget.is_none(), "{status:#?}");

    browser.run(Command::Uninstall, "").await.unwrap();

    let gone = |status: &Status| status.phase == Phase::NotInstalled && status.operating.is_none();
    browser.until("nothing is installed", gone).await;
}

/// An update whose Helm could not even write down that it was ended.
async fn stuck_in_an_update<'world>(world: &'world dyn World) -> Browser<'world> {
    let browser = installed(world).await;
    // Its values differ, so that Helm has a ConfigMap to write.
    let job = in_the_middle(world, &browser, update("4.7.0-rc.3", true), ReleaseStatus::PendingUpgrade).await;
    world.delete(BINDING).await;

    browser.session.cancel(&job).await.unwrap();

    let stuck = Phase::Stuck(ReleaseStatus::PendingUpgrade);
    let status = browser.until("it is stuck", |status| status.phase == stuck && status.operating.is_none()).await;
    assert!(!status.update.is_offered() && !status.install.is_offered(), "{status:#?}");
    assert!(status.uninstall.is_offered() && status.rollback.is_offered(), "{status:#?}");
    assert_eq!(status.forget, Some(2));
    browser
}

/// A release that is stuck in an update can be rolled back, as Helm allows it.
pub async fn a_stuck_update_can_be_rolled_back(world: &dyn World) {
    let browser = stuck_in_an_update(world).await;

    browser.run(Command::Rollback { revision: 1 }, "").await.unwrap();

    let done = |status: &Status| {
        matches!(&status.revision, Seen::Present(revision) if revision.number == 3 && revision.status == ReleaseStatus::Deployed)
            && status.operating.is_none()
    };
    let status = browser.until("it is rolled back", done).await;
    assert_eq!(status.forget, None);
    ready(&browser, "crossview-4.6.0").await;
}

/// The pending revision of a stuck release can be forgotten, once, and only while nothing runs.
pub async fn a_stuck_updates_pending_revision_can_be_forgotten(world: &dyn World) {
    let browser = stuck_in_an_update(world).await;
    assert_eq!(browser.session.forget(1).await, Err(ForgetError::NotPending { revision: 1 }));

    browser.session.forget(2).await.unwrap();

    let status = browser.until("it is no longer stuck", |status| !matches!(status.phase, Phase::Stuck(_))).await;
    assert_eq!(revisions(&status).len(), 1);
    assert!(status.update.is_offered(), "{status:#?}");
    assert_eq!(browser.session.forget(2).await, Err(ForgetError::NotPending { revision: 2 }));
}

/// Values that Helm could not read are refused by the cluster's own reader before anything is sent, without a word of
/// what is in them.
pub async fn values_that_do_not_parse_are_refused_before_anything_is_sent(world: &dyn World) {
    let (browser, nobody) = (Browser::open(world, "admin"), Browser::open(world, "nobody"));
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    let check = async |text: &str| browser.session.check_values(text).await;

    for text in ["", "# nothing\n", values::INSTALL, "a: 1", "kind: [a]\n", "data: text", "{a: [1, 2]}"] {
        assert_eq!(check(text).await, Ok(()), "{text}");
    }
    for text in ["- a\n- b\n", "just words", "7"] {
        assert_eq!(check(text).await, Err(ValuesError::NotAMapping), "{text}");
    }
    for text in ["a: 1\nhunter2: b: c\n", "hunter2: 1\n\tb: 2\n"] {
        let error = check(text).await.unwrap_err();
        assert!(matches!(error, ValuesError::Yaml { line: Some(1..=3), .. }), "{text}: {error:?}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let unchecked = nobody.session.check_values("a: 1").await;
    assert!(matches!(unchecked, Err(ValuesError::NotChecked(ApiError::Forbidden { .. }))), "{unchecked:?}");
    assert_eq!(world.read("/api/v1/namespaces/crossview").await, None, "something was made");
}

/// Makes the namespace, as its owner would, and an object in it.
async fn prepare(world: &dyn World, plural: &str, object: Value) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crossview"}});
    if world.read("/api/v1/namespaces/crossview").await.is_none() {
        world.create("/api/v1/namespaces", namespace).await;
    }
    world.create(&format!("/api/v1/namespaces/crossview/{plural}"), object).await;
}

/// A login for registry and repository is read by Helm from a Secret that is there already.
pub async fn a_login_is_read_from_a_secret(world: &dyn World) {
    // reader and the password of tests/cluster, as Docker's configuration has them.
    let login = "cmVhZGVyOmNvcnJlY3QgaG9yc2UgYmF0dGVyeSBzdGFwbGU=";
    let registry = json!({"auths": {"private.registry.test": {"auth": login}}}).to_string();
    let registry = json!({
        "metadata": {"name": "registry-login"}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": registry},
    });
    prepare(world, "secrets", registry).await;
    let list = "apiVersion: \"\"\nrepositories:\n- name: crossview\n  url: https://private.registry.test/charts\n  username: reader\n  password: correct horse battery staple\n";
    let list = json!({"metadata": {"name": "repository-login"}, "stringData": {"repositories.yaml": list}});
    prepare(world, "secrets", list).await;
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;

    browser.settings.borrow_mut().credentials = Some("registry-login".parse().unwrap());
    let chart = "oci://private.registry.test/crossplane-contrib/crossview-chart/crossview:4.6.0".parse().unwrap();
    browser.run(Command::Install { chart, values: true }, values::INSTALL).await.unwrap();
    ready(&browser, "crossview-4.6.0").await;

    browser.settings.borrow_mut().credentials = Some("repository-login".parse().unwrap());
    let reference: ChartRef = "https://private.registry.test/charts crossview".parse().unwrap();
    browser.run(Command::update_repo(&reference).unwrap(), "").await.unwrap();
    let status = browser.until("versions are offered", |status| status.versions.is_some()).await;
    assert!(status.versions.unwrap().are_of(&reference));
    browser.until("it has ended", |status| status.operating.is_none()).await;
    let chart = Chart::from(reference).with_version("4.7.0-rc.3".parse().unwrap()).unwrap();
    browser.run(Command::Update { chart, values: false }, "").await.unwrap();
    ready(&browser, "crossview-4.7.0-rc.3").await;
    let jobs = browser.session.snapshot().jobs.known().map(|job| job.metadata.name.clone()).collect::<Vec<_>>();
    for job in jobs {
        let job = world.read(&format!("/apis/batch/v1/namespaces/crossview/jobs/{job}")).await;
        assert!(!format!("{job:?}").contains("battery"), "{job:?}");
    }
}

/// Another certificate authority is trusted once a ConfigMap names it.
pub async fn an_authority_is_trusted_that_a_config_map_names(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    let chart: Chart =
        "oci://untrusted.registry.test/crossplane-contrib/crossview-chart/crossview:4.6.0".parse().unwrap();
    browser.run(Command::Install { chart: chart.clone(), values: true }, values::INSTALL).await.unwrap();
    let status = browser.until("it has failed", crossview_headlamp::installer::has_failed).await;
    assert_eq!(status.last.unwrap().diagnosis().cause, Cause::Tls);

    let map = json!({"metadata": {"name": "our-ca"}, "data": {"ca.crt": world.unknown_authority()}});
    prepare(world, "configmaps", map).await;
    browser.settings.borrow_mut().ca = Some("our-ca".parse().unwrap());
    browser.run(Command::Install { chart, values: true }, values::INSTALL).await.unwrap();

    ready(&browser, "crossview-4.6.0").await;
}

/// A proxy is asked for the registry, and not for the cluster itself; image pull secrets are the pod's.
pub async fn a_proxy_is_asked_for_the_registry_alone(world: &dyn World) {
    let browser = Browser::open(world, "admin");
    browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    {
        let mut settings = browser.settings.borrow_mut();
        settings.https_proxy = Some("http://nowhere.registry.test:3128".parse().unwrap());
        settings.pull_secret = Some("pull".parse().unwrap());
    }

    browser.run(install("4.6.0"), values::INSTALL).await.unwrap();

    let status = browser.until("it has failed", crossview_headlamp::installer::has_failed).await;
    let last = status.last.unwrap();
    assert!(last.message.contains("proxyconnect"), "{last:?}");
    assert!(last.message.contains("nowhere.registry.test"), "{last:?}");
    // Without an exception it would have asked the proxy for the cluster before, and not come so far.
    browser.until_log("does not exist. Installing it now.").await;
    let job = world.read(&format!("/apis/batch/v1/namespaces/crossview/jobs/{}", last.job)).await.expect("the Job");
    assert_eq!(job.pointer("/spec/template/spec/imagePullSecrets/0/name"), Some(&json!("pull")));
}

/// One test for each story, told by `$tell`: what is told on one cluster is told on the other.
macro_rules! stories {
    ($tell:path) => {
        crate::stories::stories! { $tell:
            an_install_is_followed_to_its_end,
            the_values_reach_crossview,
            a_wrong_version_fails_with_helms_words,
            a_second_browser_sees_the_same_operation,
            leaving_in_the_middle_leaves_no_rights_behind,
            two_clicks_make_one_job,
            a_start_whose_answer_is_lost_goes_on,
            a_start_that_is_lost_is_taken_back,
            an_uninstall_ends_with_nothing_installed,
            without_secrets_the_rest_still_shows,
            a_refusal_is_never_not_installed,
            who_may_not_give_helm_its_rights_is_told_before_the_click,
            a_deleted_job_is_an_operation_that_was_ended,
            the_values_secret_goes_with_its_job,
            every_source_that_fails_is_named_with_its_cause,
            a_chart_that_cannot_be_rendered_is_named_with_the_templates_words,
            an_object_of_somebody_else_is_named_and_left_alone,
            a_helm_without_rights_is_forbidden_and_not_unknown,
            an_admission_webhook_is_quoted,
            a_quota_that_refuses_the_chart_is_quoted,
            a_quota_that_refuses_helms_pod_is_told_while_it_waits,
            pod_security_that_forbids_crossview_is_told_with_its_rules,
            a_helm_image_that_cannot_be_pulled_is_told_and_kept_after_cancel,
            a_pod_that_no_node_takes_is_told_in_the_schedulers_words_and_goes_on,
            a_deadline_is_told_as_the_reason,
            a_pod_that_is_taken_from_helm_is_told,
            a_namespace_that_is_being_deleted_is_told_and_waited_for,
            a_crossview_image_that_cannot_be_pulled_is_told_with_its_pods_and_warnings,
            a_crossview_that_crashes_is_told_with_its_last_words,
            scaled_to_zero_is_told_and_comes_back,
            another_release_name_is_found_and_named,
            what_a_gitops_controller_manages_is_left_to_it,
            a_leftover_binding_is_told_and_removed_by_one_click,
            an_end_that_nobody_saw_is_told_by_helms_record,
            a_namespace_goes_only_when_nothing_foreign_is_in_it,
            values_that_do_not_parse_are_refused_before_anything_is_sent,
        }
        crate::stories::operations! { $tell }
    };
    ($tell:path: $($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            $tell(async |world| $crate::stories::$name(world).await);
        }
    )+};
}
pub(crate) use stories;

/// The stories in which Helm does something, for whichever Helm.
macro_rules! operations {
    ($tell:path) => {
        crate::stories::stories! { $tell:
            an_update_keeps_the_values_and_a_rollback_brings_the_old_version_back,
            an_update_with_values_changes_them_and_nothing_else,
            a_repositorys_versions_come_to_every_browser,
            an_install_cancelled_before_helm_changes_anything_leaves_nothing,
            an_install_cancelled_in_the_middle_is_failed_and_can_be_uninstalled,
            a_stuck_update_can_be_rolled_back,
            a_stuck_updates_pending_revision_can_be_forgotten,
            a_login_is_read_from_a_secret,
            an_authority_is_trusted_that_a_config_map_names,
            a_proxy_is_asked_for_the_registry_alone,
        }
    };
}
pub(crate) use operations;
