//! The dialog that updates Crossview: what is installed, what it is to become, and what will happen.

use super::{
    Node, Page, button,
    chart::{self, Form, UPDATE},
    classed, dialog, element, install, paragraph, submit,
};
use crate::installer::{Seen, Status};

/// The dialog, and what is typed in it.
pub(super) struct Update {
    open: bool,
    pub form: Form,
}

impl Update {
    /// Closed, with the chart that was used last.
    pub fn new(reference: String) -> Self {
        Self { open: false, form: Form::new(reference, "") }
    }
}

/// Opens the dialog, the values empty: an update keeps what was set.
pub(super) fn open(page: &Page) {
    let reference = Form::saved(page);
    page.change(|model| model.update = Update { open: true, form: Form::new(reference, "") });
}

/// The dialog, open or not.
pub(super) fn update(page: &Page, status: &Status) -> Node {
    let (open, busy) = (page.model().update.open, page.model().update.form.busy);
    let close = page.click(|page| page.change(|model| model.update.open = false));
    if !open {
        return dialog("cv-update", false, close, super::nothing());
    }
    let installed = match &status.app {
        Seen::Present(app) => app.chart.as_str(),
        Seen::Absent | Seen::Unknown(_) => "",
    };
    let send = page.submit(|page| {
        if page.status().update.is_offered() {
            chart::send(page, &UPDATE, |model| model.update.open = false);
        }
    });
    let form = element("form")
        .with("novalidate", "")
        .on("submit", send)
        .child(element("h2").with("id", "cv-update").child("Update Crossview"))
        .child(paragraph("", &now(status)))
        .children(chart::fields(page, &UPDATE, installed))
        .child(install::withheld(&status.update))
        .child(classed("div", "cv-row").child(button("", "Close", close.clone())).child(submit(
            "main",
            "Update",
            status.update.is_offered() && !busy,
        )));
    dialog("cv-update", true, close, form.into())
}

/// What is installed now.
fn now(status: &Status) -> String {
    let mut parts = Vec::new();
    if let Seen::Present(app) = &status.app {
        parts.push(app.chart.clone());
        if !app.version.is_empty() {
            parts.push(format!("app {}", app.version));
        }
    }
    if let Seen::Present(revision) = &status.revision {
        parts.push(format!("revision {}", revision.number));
    }
    format!("Installed: {}.", parts.join(", "))
}
