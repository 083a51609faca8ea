//! An operation while it is under way, and how the last one ended.

use std::cmp::Ordering;

use super::{
    Node, Page,
    ask::{Question, button_to_ask},
    button, card, classed, clipboard, element, more, nothing, notices, paragraph, row, section, state, verbatim,
    words::{self, Tone, Words},
};
use crate::{
    helm::diagnosis::{Cause, Place, offers_repository},
    installer::{
        Operating, Stage, Status, Whose, has_failed,
        manifests::{BINDING_NAME, SERVICE_ACCOUNT_NAME},
    },
};

/// The operation under way: its stages, how long it has run, and what holds it up.
pub(super) fn operation(page: &Page, status: &Status, operating: &Operating) -> Node {
    let elapsed = operating.begun.map(|begun| words::of_duration(begun.age(status.now))).unwrap_or_default();
    let stages = words::stages(operating.operation);
    let current = stages.iter().find(|(stage, _)| *stage == operating.stage).map_or("", |(_, label)| *label);
    let stages = stages.iter().map(|(stage, label)| line(stage.cmp(&operating.stage), label)).collect();
    let cancel = if operating.stage < Stage::CleaningUp && !operating.cancelled {
        let kind = if operating.trouble.is_some() { "main" } else { "" };
        row(vec![button_to_ask(page, kind, "Cancel", Question::Cancel(operating.job.clone()))])
    } else {
        nothing()
    };
    let ending = if operating.cancelled { words::of_after_cancel(operating.after_cancel()) } else { "" };
    let head = classed("div", "cv-row")
        .child(state(Tone::Busy, words::of_operation(operating.operation)))
        .child(classed("span", "cv-muted").with("role", "timer").child(elapsed));
    section(Tone::Busy)
        .child(head)
        .child(paragraph("cv-muted", &operating.chart))
        .child(paragraph("cv-muted", &words::of_asker(operating, &status.user).unwrap_or_default()))
        .child(classed("ol", "cv-stages").children(stages))
        .child(classed("p", "cv-quiet").with("role", "status").child(current))
        .child(paragraph("", ending))
        .child(operating.trouble.as_ref().map(|trouble| notices::trouble(page, trouble, Whose::Helm)))
        .child(cancel)
        .into()
}

/// One stage.
fn line(order: Ordering, label: &str) -> Node {
    let stage = match order {
        Ordering::Less => element("li").with("data-state", "done"),
        Ordering::Equal => element("li").with("data-state", "now").with("aria-current", "step"),
        Ordering::Greater => element("li").with("data-state", "next"),
    };
    stage.child(label).into()
}

/// How the last operation ended, where that still matters.
pub(super) fn last(page: &Page, status: &Status) -> Node {
    let Some(outcome) = status.last.as_ref().filter(|_| status.operating.is_none()) else { return nothing() };
    let operation = words::of_operation(outcome.operation.parse().ok());
    let when = outcome.at().map(|at| words::of_age(at.age(status.now))).unwrap_or_default();
    let what = if outcome.chart.is_empty() { when } else { format!("{}, {when}", outcome.chart) };
    if has_failed(status) {
        let found = outcome.diagnosis();
        let title = format!("{operation} failed: {}", found.title());
        let words = Words { tone: Tone::Bad, title, text: format!("{} {}", found.cause(), found.next_step()) };
        let all = more("All of Helm's last words", verbatim(&outcome.message));
        return card(
            &words,
            vec![
                paragraph("cv-muted", &what),
                verbatim(&found.line),
                repository(page, &outcome.chart, found.cause),
                all,
                kubectl(page, found.cause, &outcome.job),
            ],
        );
    }
    match words::of_ending(operation, outcome) {
        Some(words) => card(&words, vec![paragraph("cv-muted", &what)]),
        None => nothing(),
    }
}

/// The way out where the registry has no such chart: the repository that has it.
fn repository(page: &Page, chart: &str, cause: Cause) -> Node {
    let repository = chart.parse().ok().and_then(|chart| offers_repository(&chart, cause));
    let Some(repository) = repository else { return nothing() };
    let label = format!("Use {repository}");
    let choose = page.click_with(Box::new(move |page| {
        page.change(|model| {
            model.install.choose(&repository);
            model.update.form.choose(&repository);
        });
    }));
    row(vec![button("", &label, choose).into()])
}

/// Lines for a terminal that show more, on request.
pub(super) fn kubectl(page: &Page, cause: Cause, job: &str) -> Node {
    let target = page.target();
    let place = Place {
        namespace: &target.namespace,
        release: &target.release,
        job,
        service_account: SERVICE_ACCOUNT_NAME,
        binding: BINDING_NAME,
    };
    let lines = cause.kubectl(place);
    if lines.is_empty() { nothing() } else { more("Look further with kubectl", clipboard::lines(page, &lines)) }
}
