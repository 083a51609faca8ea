//! What the cluster reports of Crossview's pods.

use super::{Node, Page, classed, element, more_lasting, nothing, words};
use crate::installer::Status;

/// Pods and events, on request; nothing where there are none.
pub(super) fn pods(page: &Page, status: &Status) -> Node {
    if status.pods.is_empty() && status.events.is_empty() {
        return nothing();
    }
    let pods = status.pods.iter().map(|pod| {
        let restarts = pod.restarts.to_string();
        row([
            &pod.name,
            &pod.phase,
            if pod.ready { "ready" } else { "not ready" },
            &restarts,
            &pod.reason,
            &pod.message,
        ])
    });
    let events = status.events.iter().map(|event| {
        let when = event.at.map(|at| words::of_age(at.age(status.now))).unwrap_or_default();
        let count = if event.count > 1 { format!("{} times", event.count) } else { String::new() };
        row([&when, &event.object, &event.reason, &event.message, &count])
    });
    let inside = element("div")
        .child(table(["Pod", "Phase", "Ready", "Restarts", "Reason", "Message"], pods.collect()))
        .child(table(["Event", "Object", "Reason", "Message", ""], events.collect()));
    more_lasting(page, 1, "Pods and events", inside.into())
}

fn row<const COLUMNS: usize>(cells: [&str; COLUMNS]) -> Node {
    element("tr").children(cells.iter().map(|cell| element("td").child(*cell).into()).collect()).into()
}

/// A table; nothing without a line.
fn table<const COLUMNS: usize>(names: [&str; COLUMNS], lines: Vec<Node>) -> Node {
    if lines.is_empty() {
        return nothing();
    }
    let head = names.iter().map(|name| element("th").with("scope", "col").child(*name).into()).collect();
    let table = classed("table", "cv-table")
        .child(element("thead").child(element("tr").children(head)))
        .child(element("tbody").children(lines));
    classed("div", "cv-wide").child(table).into()
}
