//! The form that installs Crossview.

use super::{
    Node, Page,
    ask::Question,
    button,
    chart::{self, INSTALL},
    classed, element, nothing, paragraph, section, state, submit,
    words::{self, Tone, Words},
};
use crate::installer::{Offer, Withheld};

/// What is said before anything is installed.
const WARNING: &str = "Crossview shows what Crossplane manages. Installed here, it will read everything in this cluster, Secrets too, for anyone who reaches its Service.";

/// The form; what is typed stays when something is wrong with it.
pub(super) fn install(page: &Page) -> Node {
    let offered = page.status().install.is_offered();
    let busy = page.model().install.busy;
    let send = page.submit(|page| {
        if page.status().install.is_offered() {
            chart::send(page, &INSTALL, |_| ());
        }
    });
    let form = element("form")
        .with("novalidate", "")
        .on("submit", send)
        .children(chart::fields(page, &INSTALL, ""))
        .child(super::row(vec![submit("main", "Install", offered && !busy).into()]))
        .child(withheld(&page.status().install));
    section(Tone::Plain)
        .child(state(Tone::Plain, "Not installed"))
        .child(paragraph("", WARNING))
        .child(form)
        .child(namespace(page))
        .into()
}

/// The namespace that is left behind, where it may go: what is in it is looked at before it is asked for.
fn namespace(page: &Page) -> Node {
    let status = page.status();
    if !status.remove_namespace.is_offered() {
        return nothing();
    }
    let look = page.click(|page| {
        let (session, asking) = (page.session(), page.clone());
        page.act(Box::pin(async move {
            let title = || "The namespace stays".to_owned();
            match session.foreign().await {
                Ok(found) if found.is_empty() => {
                    asking.change(|model| model.question = Some(Question::RemoveNamespace));
                    Ok(())
                }
                Ok(found) => Err(Words { tone: Tone::Warn, title: title(), text: words::of_foreign(&found) }),
                Err(error) => Err(Words { tone: Tone::Warn, title: title(), text: words::of_foreign_error(&error) }),
            }
        }));
    });
    let text = format!("The namespace {} is there.", status.target.namespace);
    classed("div", "cv-row cv-apart")
        .child(classed("span", "cv-muted").child(text))
        .child(button("danger", "Remove the namespace", look))
        .into()
}

/// Why a button can't be clicked.
pub(super) fn withheld(offer: &Offer) -> Node {
    let text = match offer {
        Offer::Withheld(Withheld::Refused(permission)) => {
            format!("You may not {}.", words::of_permission(*permission))
        }
        Offer::Withheld(Withheld::Busy) => "An operation is under way.".to_owned(),
        Offer::Withheld(Withheld::Managed) => "A GitOps controller looks after it.".to_owned(),
        Offer::Withheld(Withheld::Reading) => "Waiting for the cluster.".to_owned(),
        Offer::Offered | Offer::Withheld(Withheld::NotApplicable) => String::new(),
    };
    paragraph("cv-muted", &text)
}
