//! What has to be said before everything else: a lost cluster, rights that are left over, what may not be seen.

use futures::future::LocalBoxFuture;

use super::{
    Node, Page, button, card, classed, element, more, nothing, operation, paragraph, row, verbatim,
    words::{self, Tone, Words},
};
use crate::{
    cluster::ApiError,
    installer::{Notice, Phase, PodTrouble, Session, Status, Whose},
};

/// What went wrong with the last click.
pub(super) fn wrong(page: &Page) -> Node {
    let model = page.model();
    if model.wrong.title.is_empty() {
        return nothing();
    }
    let dismiss = page.click(|page| page.change(|model| model.wrong = Words::none()));
    card(&model.wrong, vec![row(vec![button("", "Dismiss", dismiss).into()])])
}

/// All notices, the gravest first.
pub(super) fn notices(page: &Page, status: &Status) -> Node {
    // Where nothing was ever known, the state itself says why.
    let lost = status.lost.as_ref().filter(|_| !matches!(status.phase, Phase::Unknown(_) | Phase::Reading));
    let lost = lost.map(|error| {
        let text = format!("{} What stands below is what was last known.", words::of_error(error));
        card(&Words { tone: Tone::Bad, title: "Connection to the cluster lost".to_owned(), text }, vec![])
    });
    let each = status.notices.iter().filter_map(|seen| notice(page, seen)).collect();
    element("div")
        .child(lost)
        .children(each)
        .child(list(&words::refused_title(), status.notices.iter().filter_map(words::of_refused).collect()))
        .child(list(&words::unseen_title(), status.notices.iter().filter_map(words::of_unseen).collect()))
        .into()
}

/// Many small things of one kind: the sum in a card, each of them on request.
fn list(title: &Words, lines: Vec<String>) -> Node {
    if lines.is_empty() {
        return nothing();
    }
    let lines = lines.into_iter().map(|line| element("li").child(line).into()).collect();
    card(title, vec![more("What exactly", classed("ul", "cv-list").children(lines).into())])
}

fn notice(page: &Page, notice: &Notice) -> Option<Node> {
    let words = words::of_notice(notice)?;
    let buttons = match notice {
        Notice::LeftoverBinding { .. } => {
            let remove = |session: Session| -> LocalBoxFuture<'static, _> {
                Box::pin(async move { session.remove_leftover().await })
            };
            vec![act(page, "main", "Remove the binding", Box::new(remove))]
        }
        Notice::Held { job, .. } => {
            let (resumed, discarded) = (job.clone(), job.clone());
            let resume = move |session: Session| -> LocalBoxFuture<'static, _> {
                let job = resumed.clone();
                Box::pin(async move { session.resume(&job).await })
            };
            let discard = move |session: Session| -> LocalBoxFuture<'static, _> {
                let job = discarded.clone();
                Box::pin(async move { session.cancel(&job).await })
            };
            vec![act(page, "main", "Continue", Box::new(resume)), act(page, "", "Discard", Box::new(discard))]
        }
        Notice::Exposed(_) | Notice::Unseen { .. } | Notice::Refused { .. } => vec![],
    };
    Some(card(&words, vec![row(buttons)]))
}

/// A button that asks one thing of the cluster.
pub(super) fn act(
    page: &Page,
    kind: &str,
    label: &'static str,
    ask: Box<dyn Fn(Session) -> LocalBoxFuture<'static, Result<(), ApiError>>>,
) -> Node {
    let click = page.click_with(Box::new(move |page| {
        let asked = ask(page.session());
        page.ask(label, Box::pin(async move { asked.await.map_err(|error| words::of_error(&error)) }));
    }));
    button(kind, label, click).into()
}

/// A pod's trouble with the cluster's own words, and the last lines of a program that has ended.
pub(super) fn trouble(page: &Page, trouble: &PodTrouble, whose: Whose) -> Node {
    let cause = trouble.cause(whose);
    let words = cause.words();
    let pod = if trouble.pod.is_empty() { String::new() } else { format!("Pod: {}", trouble.pod) };
    classed("div", "cv-trouble")
        .with("role", "alert")
        .child(paragraph("cv-wrong", words.title))
        .child(paragraph("", &format!("{} {}", words.cause, words.next)))
        .child(paragraph("cv-muted", &pod))
        .child(verbatim(&trouble.message))
        .child(verbatim(&trouble.log.join("\n")))
        .child(operation::kubectl(page, cause, ""))
        .into()
}
