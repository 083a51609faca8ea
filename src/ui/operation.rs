//! An operation while it is under way, and how the last one ended.

use std::cmp::Ordering;

use leptos::prelude::*;

use super::{
    card, notices, paragraph, row, verbatim,
    words::{self, Tone, Words},
};
use crate::installer::{Operating, OutcomeResult, Stage, Status, has_failed};

/// The operation under way: its stages, how long it has run, and what holds it up.
pub(super) fn operation(status: &Status, operating: &Operating) -> AnyView {
    let elapsed = operating.begun.map(|begun| words::of_duration(begun.age(status.now))).unwrap_or_default();
    let stages = words::stages(operating.operation);
    let current = stages.iter().find(|(stage, _)| *stage == operating.stage).map_or("", |(_, label)| *label);
    let stages: Vec<AnyView> = stages.iter().map(|(stage, label)| line(stage.cmp(&operating.stage), label)).collect();
    let job = operating.job.clone();
    let cancel = if operating.stage < Stage::CleaningUp {
        row(vec![notices::act("", "Cancel", async move |session| session.cancel(&job).await)])
    } else {
        ().into_any()
    };
    view! {
        <section class="cv-card" data-tone="busy">
            <div class="cv-row">
                <h2 class="cv-state" data-tone="busy">{words::of_operation(operating.operation)}</h2>
                <span class="cv-muted" role="timer">{elapsed}</span>
            </div>
            {paragraph("cv-muted", operating.chart.clone())}
            {paragraph("cv-muted", words::of_asker(operating, &status.user).unwrap_or_default())}
            <ol class="cv-stages">{stages}</ol>
            <p class="cv-quiet" role="status">{current}</p>
            {operating.trouble.as_ref().map(notices::trouble)}
            {cancel}
        </section>
    }
    .into_any()
}

/// One stage.
fn line(order: Ordering, label: &'static str) -> AnyView {
    let (state, current) = match order {
        Ordering::Less => ("done", None),
        Ordering::Equal => ("now", Some("step")),
        Ordering::Greater => ("next", None),
    };
    view! { <li data-state=state aria-current=current>{label}</li> }.into_any()
}

/// How the last operation ended, where that still matters.
pub(super) fn last(status: &Status) -> AnyView {
    let Some(outcome) = &status.last else { return ().into_any() };
    let operation = words::of_operation(outcome.operation.parse().ok());
    if has_failed(status) {
        let found = outcome.diagnosis();
        let title = format!("{operation} failed: {}", found.title());
        let words = Words { tone: Tone::Bad, title, text: format!("{} {}", found.cause(), found.next_step()) };
        let all = view! { <details><summary>"All of Helm's last words"</summary>{verbatim(outcome.message.clone())}</details> };
        let when = outcome.at().map(|at| words::of_age(at.age(status.now))).unwrap_or_default();
        let what = if outcome.chart.is_empty() { when } else { format!("{}, {when}", outcome.chart) };
        return card(words, vec![paragraph("cv-muted", what), verbatim(found.line), all.into_any()]);
    }
    if status.operating.is_none() && outcome.result == OutcomeResult::Cancelled {
        let title = format!("{operation} was ended before Helm was through");
        return card(Words { tone: Tone::Warn, title, text: "Its Job was deleted while it ran.".to_owned() }, vec![]);
    }
    ().into_any()
}
