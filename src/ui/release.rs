//! Crossview as it is installed: its state, its versions, and what can be done with it.

use leptos::{html, prelude::*};

use super::{Page, button, button_boxed, install, notices, paragraph, row, words};
use crate::{
    helm::command::Command,
    installer::{App, Phase, Seen, Status},
};

/// The card of an installed Crossview, or of one of which that can't be told; `ask` asks before it is uninstalled.
pub(super) fn release(status: &Status, ask: impl Fn() + Copy + 'static) -> AnyView {
    let page = Page::get();
    let words = words::of_phase(status);
    let trouble = match (&status.phase, &status.app) {
        (Phase::Unwell, Seen::Present(App { trouble: Some(trouble), .. })) => notices::trouble(trouble),
        _ => ().into_any(),
    };
    let facts: Vec<AnyView> =
        facts(status).into_iter().map(|(name, value)| view! { <dt>{name}</dt><dd>{value}</dd> }.into_any()).collect();
    let facts = if facts.is_empty() { ().into_any() } else { view! { <dl class="cv-facts">{facts}</dl> }.into_any() };
    let mut buttons = vec![];
    if let Seen::Present(app) = &status.app {
        buttons.push(button_boxed("main", "Open Crossview", app.ready > 0, Box::new(move || page.viewing.set(true))));
    }
    if status.uninstall.is_offered() {
        buttons.push(button("danger", "Uninstall", ask));
    }
    let tone = words.tone.as_str();
    view! {
        <section class="cv-card" data-tone=tone>
            <div role="status"><h2 class="cv-state" data-tone=tone>{words.title}</h2></div>
            {paragraph("", words.text)}
            {trouble}
            {facts}
            {row(buttons)}
            {install::withheld(&status.uninstall)}
        </section>
    }
    .into_any()
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

/// The dialog that asks for the release's name before Crossview goes, and what opens it.
pub(super) fn confirm() -> (AnyView, impl Fn() + Copy + 'static) {
    let page = Page::get();
    let behind = page.behind();
    let (release, namespace) = (behind.target.release.to_string(), behind.target.namespace.to_string());
    let dialog = NodeRef::<html::Dialog>::new();
    let typed = RwSignal::new(String::new());
    let close = move || {
        typed.set(String::new());
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let name = release.clone();
    let matches = Memo::new(move |_| *typed.read() == name);
    let uninstall = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if matches.get_untracked() {
            close();
            page.begin(Command::Uninstall, "", || ());
        }
    };
    let ask = move || {
        if let Some(dialog) = dialog.get_untracked() {
            // It throws only where it is open already.
            let _ = dialog.show_modal();
        }
    };
    let view = view! {
        <dialog class="cv-dialog" node_ref=dialog aria-labelledby="cv-uninstall" on:close=move |_| typed.set(String::new())>
            <form on:submit=uninstall>
                <h2 id="cv-uninstall">"Uninstall Crossview?"</h2>
                {paragraph("", format!("Helm removes all objects of the release {release} and its history. The namespace {namespace} and volumes stay."))}
                <div class="cv-field">
                    <label for="cv-confirm">"To confirm, type the release's name: "<code>{release}</code></label>
                    <input
                        id="cv-confirm"
                        type="text"
                        autocomplete="off"
                        spellcheck="false"
                        autofocus
                        prop:value=typed
                        on:input=move |event| typed.set(event_target_value(&event))
                    />
                </div>
                <div class="cv-row">
                    {button("", "Keep it", close)}
                    <button type="submit" class="cv-button" data-kind="danger" disabled=move || !matches.get()>"Uninstall"</button>
                </div>
            </form>
        </dialog>
    };
    (view.into_any(), ask)
}

/// Reads everything again, and says when the cluster was last heard.
pub(super) fn check_status() -> AnyView {
    let page = Page::get();
    let heard = RwSignal::new(String::new());
    // Said at the moment of asking: a line that counted on its own would be read out again and again.
    let check = move || {
        let behind = page.behind();
        let silence = behind.session.silence();
        behind.session.check();
        heard.set(match silence {
            Some(silence) if silence.as_secs() < 2 => "The cluster was heard just now.".to_owned(),
            Some(silence) => format!("The cluster was last heard {}; asked again.", words::of_age(silence)),
            None => "The cluster has not answered yet.".to_owned(),
        });
    };
    view! { <span class="cv-muted" role="status">{heard}</span> {button("", "Check Status", check)} }.into_any()
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
