//! Questions that are asked before something is done that can't be undone by a click.

use super::{Node, Page, button, classed, dialog, element, nothing, paragraph, words};
use crate::helm::command::Command;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Roll back to a revision.
    RollBack(u32),
    /// Forget a pending revision.
    Forget(u32),
    /// Remove the namespace, in which nothing foreign was found.
    RemoveNamespace,
    /// Cancel the operation of this Job.
    Cancel(String),
}

/// A button that asks first.
pub(super) fn button_to_ask(page: &Page, kind: &str, label: &str, question: Question) -> Node {
    let ask = page.click_with(Box::new(move |page| {
        let question = question.clone();
        page.change(|model| model.question = Some(question));
    }));
    button(kind, label, ask).into()
}

/// The dialog with the question; closed where there is none.
pub(super) fn ask(page: &Page) -> Node {
    let question = page.model().question.clone();
    let close = page.click(|page| page.change(|model| model.question = None));
    let Some(question) = question else { return dialog("cv-ask", false, close, nothing()) };
    let asked = words::of_question(&question, &page.status());
    let go = page.click_with(Box::new(move |page| {
        page.change(|model| model.question = None);
        answer(page, question.clone());
    }));
    let inside = element("div")
        .child(element("h2").with("id", "cv-ask").child(asked.title))
        .child(paragraph("", &asked.text))
        .child(
            classed("div", "cv-row").child(button("", asked.no, close.clone())).child(button("danger", asked.yes, go)),
        );
    dialog("cv-ask", true, close, inside.into())
}

fn answer(page: &Page, question: Question) {
    let session = page.session();
    match question {
        Question::RollBack(revision) => page.begin(Command::Rollback { revision }, ""),
        Question::Forget(revision) => page.ask(
            "Forget the revision",
            Box::pin(async move { session.forget(revision).await.map_err(|error| words::of_forget_error(&error)) }),
        ),
        Question::RemoveNamespace => page.act(Box::pin(async move {
            session.remove_namespace().await.map_err(|error| words::of_remove_error(&error))
        })),
        Question::Cancel(job) => page.ask(
            "Cancel",
            Box::pin(async move { session.cancel(&job).await.map_err(|error| words::of_error(&error)) }),
        ),
    }
}
