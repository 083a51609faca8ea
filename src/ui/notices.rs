//! What has to be said before everything else: a lost cluster, rights that are left over, what may not be seen.

use leptos::prelude::*;

use super::{
    Page, button, card, paragraph, row, verbatim,
    words::{self, Tone, Words},
};
use crate::{
    cluster::ApiError,
    installer::{Notice, Phase, PodTrouble, Session, Status},
};

/// What went wrong with the last click.
pub(super) fn wrong(words: &Words) -> AnyView {
    if words.title.is_empty() {
        return ().into_any();
    }
    let page = Page::get();
    card(words.clone(), vec![row(vec![button("", "Dismiss", move || page.wrong.set(Words::none()))])])
}

/// All notices, the gravest first.
pub(super) fn notices(status: &Status) -> AnyView {
    // Where nothing was ever known, the state itself says why.
    let lost = status.lost.as_ref().filter(|_| !matches!(status.phase, Phase::Unknown(_) | Phase::Reading));
    let lost = lost.map(|error| {
        let text = format!("{} What stands below is what was last known.", words::of_error(error));
        card(Words { tone: Tone::Bad, title: "Connection to the cluster lost".to_owned(), text }, vec![])
    });
    let mut all: Vec<AnyView> = lost.into_iter().chain(status.notices.iter().filter_map(notice)).collect();
    all.push(list(words::refused_title(), status.notices.iter().filter_map(words::of_refused)));
    all.push(list(words::unseen_title(), status.notices.iter().filter_map(words::of_unseen)));
    all.into_any()
}

/// Many small things of one kind: the sum in a card, each of them on request.
fn list(title: Words, lines: impl Iterator<Item = String>) -> AnyView {
    let lines: Vec<AnyView> = lines.map(|line| view! { <li>{line}</li> }.into_any()).collect();
    if lines.is_empty() {
        return ().into_any();
    }
    let all = view! { <details><summary>"What exactly"</summary><ul class="cv-list">{lines}</ul></details> };
    card(title, vec![all.into_any()])
}

fn notice(notice: &Notice) -> Option<AnyView> {
    let words = words::of_notice(notice)?;
    let buttons = match notice {
        Notice::LeftoverBinding { .. } => {
            vec![act("main", "Remove the binding", async |session| session.remove_leftover().await)]
        }
        Notice::Held { job, .. } => {
            let (resumed, discarded) = (job.clone(), job.clone());
            let resume = act("main", "Continue", async move |session| session.resume(&resumed).await);
            vec![resume, act("", "Discard", async move |session| session.cancel(&discarded).await)]
        }
        Notice::Exposed(_) | Notice::Unseen { .. } | Notice::Refused { .. } => vec![],
    };
    Some(card(words, vec![row(buttons)]))
}

/// A button that asks one thing of the cluster.
pub(super) fn act(
    kind: &'static str,
    label: &'static str,
    ask: impl AsyncFn(Session) -> Result<(), ApiError> + Clone + 'static,
) -> AnyView {
    let page = Page::get();
    button(kind, label, move || {
        let (behind, ask) = (page.behind(), ask.clone());
        page.act(async move {
            ask(behind.session.clone()).await.map_err(|error| Words {
                tone: Tone::Bad,
                title: format!("{label}: that did not work"),
                text: words::of_error(&error),
            })
        });
    })
}

/// A pod's trouble with the cluster's own words.
pub(super) fn trouble(trouble: &PodTrouble) -> AnyView {
    let words = words::of_trouble(trouble);
    let pod = if trouble.pod.is_empty() { String::new() } else { format!("Pod: {}", trouble.pod) };
    view! {
        <div class="cv-trouble" role="alert">
            {paragraph("cv-wrong", words.title)}
            {paragraph("", words.text)}
            {paragraph("cv-muted", pod)}
            {verbatim(trouble.message.clone())}
        </div>
    }
    .into_any()
}
