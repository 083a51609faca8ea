//! Crossview as it is installed: its state, its versions, and what can be done with it.

use super::{
    Node, Page,
    ask::{Question, button_to_ask},
    button, chart, classed, dialog, element,
    field::{Field, field},
    history, install, nothing, notices, open, paragraph, pods, row, section, state, submit, update, words,
};
use crate::{
    helm::command::Command,
    installer::{App, Manager, Phase, Seen, Status, Whose},
};

/// The card of an installed Crossview, or of one of which that can't be told.
pub(super) fn release(page: &Page, status: &Status) -> Node {
    let words = words::of_phase(status);
    let trouble = match (&status.phase, &status.app) {
        (Phase::Unwell, Seen::Present(App { trouble: Some(trouble), .. })) => {
            notices::trouble(page, trouble, Whose::App)
        }
        _ => nothing(),
    };
    let (buttons, reason) = buttons(page, status);
    section(words.tone)
        .child(element("div").with("role", "status").child(state(words.tone, &words.title)))
        .child(paragraph("", &words.text))
        .child(status.manager.as_ref().map(managed))
        .child(trouble)
        .child(described(&facts(status)))
        .child(row(buttons))
        .child(reason)
        .child(open::refused(page))
        .child(install::withheld(&status.uninstall))
        .child(history::history(page, status))
        .child(pods::pods(page, status))
        .into()
}

/// What can be done now, the way out of a stuck release first; and why one thing isn't needed.
fn buttons(page: &Page, status: &Status) -> (Vec<Node>, Node) {
    let (mut buttons, mut reason) = (vec![], nothing());
    if let Phase::Elsewhere { namespace, release } = &status.phase {
        let (namespace, release) = (namespace.clone(), release.clone());
        let look = page.click_with(Box::new(move |page| page.look_after(&namespace, &release)));
        buttons.push(button("main", "Look after that one", look).into());
    }
    if let Seen::Present(app) = &status.app {
        let open = button("main", "Open Crossview", page.click(open::open))
            .on("pointerenter", page.click(open::prepare))
            .on("focus", page.click(open::prepare))
            .on("mousedown", page.handler(Box::new(open::pressed)))
            .on("mouseleave", page.click(open::release))
            .with_if(app.ready == 0, "disabled");
        buttons.push(open.into());
    }
    if matches!(status.phase, Phase::Stuck(_)) {
        let target = match &status.history {
            Seen::Present(history) => history.rollback_targets().next(),
            Seen::Absent | Seen::Unknown(_) => None,
        };
        if let Some(target) = target.filter(|_| status.rollback.is_offered()) {
            let label = format!("Roll back to {}", target.number);
            buttons.push(button_to_ask(page, "", &label, Question::RollBack(target.number)));
        }
        if let Some(revision) = status.forget {
            buttons.push(button_to_ask(page, "", "Forget the pending revision", Question::Forget(revision)));
        }
    }
    if status.update.is_offered() {
        buttons.push(button("", "Update", page.click(update::open)).into());
        let [update_repo, why] = chart::update_repo(page, status);
        buttons.push(update_repo);
        reason = why;
    }
    if status.uninstall.is_offered() {
        let ask =
            page.click(|page| page.change(|model| model.uninstall = Confirm { open: true, ..Confirm::default() }));
        buttons.push(button("danger", "Uninstall", ask).into());
    }
    (buttons, reason)
}

/// Who looks after it in the page's stead, and where to change it.
fn managed(manager: &Manager) -> Node {
    let words = words::of_manager(manager);
    paragraph("", &format!("{}. {}", words.title, words.text))
}

/// Names with what they are; nothing for none.
fn described(facts: &[(&str, String)]) -> Node {
    if facts.is_empty() {
        return nothing();
    }
    let lines = facts
        .iter()
        .flat_map(|(name, value)| [element("dt").child(*name).into(), element("dd").child(value.as_str()).into()]);
    classed("dl", "cv-facts").children(lines.collect()).into()
}

/// What is known of the release, line by line.
fn facts(status: &Status) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Seen::Present(app) = &status.app {
        if !app.chart.is_empty() {
            facts.push(("Chart", app.chart.clone()));
        }
        if !app.version.is_empty() {
            facts.push(("App version", app.version.clone()));
        }
        facts.push(("Ready replicas", format!("{} of {}", app.ready, app.desired)));
    }
    if let Seen::Present(revision) = &status.revision {
        facts.push(("Revision", format!("{} ({})", revision.number, revision.status)));
    }
    facts
}

/// The dialog that asks for the release's name before Crossview goes.
#[derive(Default)]
pub(super) struct Confirm {
    open: bool,
    name: Field,
}

/// The dialog, open or not.
pub(super) fn confirm(page: &Page) -> Node {
    let (release, namespace) = (page.target().release.to_string(), page.target().namespace.to_string());
    let (open, matches) = {
        let model = page.model();
        (model.uninstall.open, model.uninstall.name.text() == release)
    };
    let close = page.click(|page| page.change(|model| model.uninstall = Confirm::default()));
    let uninstall = page.submit(|page| {
        let matches = page.model().uninstall.name.text() == page.target().release.as_str();
        if matches {
            page.change(|model| model.uninstall = Confirm::default());
            page.begin(Command::Uninstall, "");
        }
    });
    let text = format!(
        "Helm removes all objects of the release {release} and its history. The namespace {namespace} and volumes stay."
    );
    let label = format!("To confirm, type the release's name: {release}");
    let form = element("form")
        .on("submit", uninstall)
        .child(element("h2").with("id", "cv-uninstall").child("Uninstall Crossview?"))
        .child(paragraph("", &text))
        .child(field(page, |model| &mut model.uninstall.name, "cv-confirm", &label, ""))
        .child(classed("div", "cv-row").child(button("", "Keep it", close.clone())).child(submit(
            "danger",
            "Uninstall",
            matches,
        )));
    dialog("cv-uninstall", open, close, form.into())
}

/// Reads everything again, and says when the cluster was last heard.
pub(super) fn check_status(page: &Page) -> Vec<Node> {
    // Said at the moment of asking: a line that counted on its own would be read out again and again.
    let check = page.click(|page| {
        let silence = page.session().silence();
        page.session().check();
        let heard = match silence {
            Some(silence) if silence.as_secs() < 2 => "The cluster was heard just now.".to_owned(),
            Some(silence) => format!("The cluster was last heard {}; asked again.", words::of_age(silence)),
            None => "The cluster has not answered yet.".to_owned(),
        };
        page.change(|model| model.heard = heard);
    });
    let heard = page.model().heard.clone();
    vec![
        classed("span", "cv-muted").with("role", "status").child(heard).into(),
        button("", "Check Status", check).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{
        super::words::{Tone, of_phase},
        *,
    };
    use crate::installer::{Snapshot, Target, derive};

    #[test]
    fn before_the_first_answer_the_page_says_that_it_reads_and_not_that_nothing_is_there() {
        let status = derive(&Target::default(), &Snapshot::default());

        let words = of_phase(&status);

        assert_eq!(words.tone, Tone::Busy);
        assert_eq!(words.title, "Reading the cluster");
        assert!(facts(&status).is_empty());
    }
}
