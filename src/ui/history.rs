//! The revisions that Helm keeps of the release, and the way back to them.

use super::{
    Node, Page,
    ask::{Question, button_to_ask},
    classed, element, more_lasting, nothing, words,
};
use crate::{
    helm::release::{History, Revision},
    installer::{Seen, Status},
};

/// All revisions, newest first; nothing where they can't be seen.
pub(super) fn history(page: &Page, status: &Status) -> Node {
    let Seen::Present(history) = &status.history else { return nothing() };
    if history.revisions().is_empty() {
        return nothing();
    }
    let head = ["Revision", "State", "Chart", "Changed", ""].into_iter().map(|name| {
        let cell = element("th").with("scope", "col").child(name);
        if name.is_empty() { cell.with("aria-label", "Roll back") } else { cell }.into()
    });
    let lines = history.revisions().iter().rev().map(|revision| line(page, status, history, revision)).collect();
    let table = classed("table", "cv-table")
        .child(element("thead").child(element("tr").children(head.collect())))
        .child(element("tbody").children(lines));
    more_lasting(page, 2, "History", classed("div", "cv-wide").child(table).into())
}

fn line(page: &Page, status: &Status, history: &History, revision: &Revision) -> Node {
    let is_target = history.rollback_targets().any(|target| target.number == revision.number);
    let back = if is_target && status.rollback.is_offered() {
        let label = format!("Roll back to {}", revision.number);
        button_to_ask(page, "", &label, Question::RollBack(revision.number))
    } else {
        nothing()
    };
    let changed = revision.modified_at.unwrap_or(revision.created_at);
    element("tr")
        .child(element("td").child(revision.number.to_string()))
        .child(element("td").child(revision.status.as_str()))
        .child(element("td").child(status.chart_of(revision.number).unwrap_or("not known")))
        .child(element("td").with("title", &changed.to_string()).child(words::of_age(changed.age(status.now))))
        .child(element("td").child(back))
        .into()
}
