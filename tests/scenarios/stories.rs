//! The stories. Each one begins on a cluster without Crossview and says what a user would see.

use crossview_headlamp::{
    helm::{
        chart::{Chart, ChartRef},
        command::Command,
        values,
    },
    installer::{Notice, OutcomeResult, Phase, Seen, Stage, driver::StartError},
};

use super::{browser::Browser, world::World};

const BINDING: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/crossview-helm-installer-admin";
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
        browser.until("nothing is installed", |status| status.phase == Phase::NotInstalled).await;
    }

    let (one, other) =
        futures::join!(first.run(install("4.6.0"), values::INSTALL), second.run(install("4.6.0"), values::INSTALL));

    let losers = [&one, &other].into_iter().filter(|result| matches!(result, Err(StartError::Busy { .. }))).count();
    assert_eq!(losers, 1, "{one:?} {other:?}");
    first.until("Crossview is ready", |status| status.phase == Phase::Ready && status.operating.is_none()).await;
    let jobs = first.session.snapshot().jobs.known().count();
    assert_eq!(jobs, 1);
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
        world.sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(gone, "the values outlive their Job");
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
            an_uninstall_ends_with_nothing_installed,
            without_secrets_the_rest_still_shows,
            a_refusal_is_never_not_installed,
            who_may_not_give_helm_its_rights_is_told_before_the_click,
            a_deleted_job_is_an_operation_that_was_ended,
            the_values_secret_goes_with_its_job,
        }
    };
    ($tell:path: $($name:ident),+ $(,)?) => {$(
        #[test]
        fn $name() {
            $tell(async |world| $crate::stories::$name(world).await);
        }
    )+};
}
pub(crate) use stories;
