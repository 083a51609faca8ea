//! Components that draw a [`Status`] and pass clicks on; no Kubernetes verbs here.
//!
//! Text from the cluster is only ever a text node. Colours come from the host's custom properties alone.
//!
//! A card is a plain function of the status that is drawn anew as a whole when the status changes: Leptos then patches
//! what differs and leaves elements, focus and scroll alone. A signal for each text would cost the page 40 kB more.

mod install;
mod log;
mod notices;
mod open;
mod operation;
mod release;
mod words;

use std::rc::Rc;

use leptos::prelude::*;

use crate::{
    cluster::{Client, Transport},
    helm::command::Command,
    host::Surroundings,
    installer::{Action, Phase, Session, Snapshot, Status, Target, Update, derive, manifests::HELM_IMAGE},
};
use words::{Tone, Words};

/// What the components share: the newest status, and what stands behind it.
#[derive(Clone, Copy)]
struct Page {
    status: RwSignal<Status>,
    /// Rises with each piece of Helm's log.
    log: RwSignal<u32>,
    /// What went wrong with the last click; an empty title where nothing did.
    wrong: RwSignal<Words>,
    /// Whether Crossview itself is shown.
    viewing: RwSignal<bool>,
    behind: StoredValue<Rc<Behind>, LocalStorage>,
}

/// What stands behind a page.
struct Behind {
    session: Session,
    surroundings: Rc<dyn Surroundings>,
    target: Target,
}

impl Page {
    /// The page around the component that asks.
    fn get() -> Self {
        expect_context()
    }

    fn behind(self) -> Rc<Behind> {
        self.behind.get_value()
    }

    /// Runs a click's work; what goes wrong is shown above everything else.
    fn act(self, work: impl Future<Output = Result<(), Words>> + 'static) {
        self.act_boxed(Box::pin(work));
    }

    fn act_boxed(self, work: std::pin::Pin<Box<dyn Future<Output = Result<(), Words>>>>) {
        self.wrong.set(Words::none());
        leptos::task::spawn_local(async move {
            if let Err(words) = work.await {
                // The page may have been left meanwhile.
                let _ = self.wrong.try_set(words);
            }
        });
    }

    /// Begins an operation; `then` is called when it runs, or did not begin.
    fn begin(self, command: Command, values: &str, then: impl Fn() + 'static) {
        let behind = self.behind();
        let action = Action { command, values: values.to_owned(), image: HELM_IMAGE.to_owned() };
        self.act(async move {
            let begun = match behind.session.plan(&action) {
                Ok(plan) => behind.session.begin(plan).await.map_err(|error| words::of_start_error(&error)),
                Err(refusal) => Err(words::of_refusal(&refusal)),
            };
            then();
            begun
        });
    }
}

/// The whole page.
pub fn page(surroundings: Rc<dyn Surroundings>, transport: Rc<dyn Transport>) -> impl IntoView {
    let target = Target::default();
    let status = RwSignal::new(derive(&target, &Snapshot::default()));
    let log = RwSignal::new(0_u32);
    let session = Session::open(Client::new(transport), target.clone(), move |update| match update {
        Update::Status(newest) => {
            if status.try_with_untracked(|shown| *shown != *newest) == Some(true) {
                status.set(*newest);
            }
        }
        Update::Log => {
            let _ = log.try_set(log.try_get_untracked().unwrap_or_default().wrapping_add(1));
        }
    });
    let page = Page {
        status,
        log,
        wrong: RwSignal::new(Words::none()),
        viewing: RwSignal::new(false),
        behind: StoredValue::new_local(Rc::new(Behind { session, surroundings, target })),
    };
    provide_context(page);
    view! {
        <div class="cv">
            <style>{include_str!("page.css")}</style>
            {move || if page.viewing.get() { open::viewer() } else { details() }}
        </div>
    }
}

/// Everything but Crossview itself.
fn details() -> AnyView {
    let page = Page::get();
    // The form keeps what is typed while the status changes around it.
    let form = Memo::new(move |_| {
        page.status.with(|status| status.phase == Phase::NotInstalled && status.operating.is_none())
    });
    let typed = install::Typed::new();
    let (dialog, ask) = release::confirm();
    let main = move |status: &Status| match &status.operating {
        Some(operating) => operation::operation(status, operating),
        None if status.phase == Phase::NotInstalled => ().into_any(),
        None => release::release(status, ask),
    };
    view! {
        <header class="cv-head"><h1>"Crossview"</h1>{release::check_status()}</header>
        {move || page.wrong.with(notices::wrong)}
        {move || page.status.with(notices::notices)}
        {move || page.status.with(operation::last)}
        {move || if form.get() { install::install(typed) } else { ().into_any() }}
        {move || page.status.with(main)}
        {log::log()}
        {dialog}
    }
    .into_any()
}

/// A card with a tone, a title, a sentence and more.
fn card(words: Words, more: Vec<AnyView>) -> AnyView {
    let role = if words.tone == Tone::Bad { "alert" } else { "status" };
    view! {
        <section class="cv-card" data-tone=words.tone.as_str() role=role>
            <h2>{words.title}</h2>
            {paragraph("", words.text)}
            {more}
        </section>
    }
    .into_any()
}

/// A paragraph; nothing for an empty text.
fn paragraph(class: &'static str, text: impl Into<String>) -> AnyView {
    let text = text.into();
    if text.is_empty() { ().into_any() } else { view! { <p class=class>{text}</p> }.into_any() }
}

/// Words of a machine, kept as they are; nothing for an empty text.
fn verbatim(text: String) -> AnyView {
    if text.is_empty() { ().into_any() } else { view! { <pre>{text}</pre> }.into_any() }
}

/// A button; `kind` is `main`, `danger` or empty.
fn button(kind: &'static str, label: &'static str, click: impl Fn() + 'static) -> AnyView {
    button_boxed(kind, label, true, Box::new(click))
}

fn button_boxed(kind: &'static str, label: &'static str, enabled: bool, click: Box<dyn Fn()>) -> AnyView {
    view! { <button type="button" class="cv-button" data-kind=kind disabled=!enabled on:click=move |_| click()>{label}</button> }.into_any()
}

/// Things side by side; nothing for none.
fn row(things: Vec<AnyView>) -> AnyView {
    if things.is_empty() {
        return ().into_any();
    }
    view! { <div class="cv-row">{things}</div> }.into_any()
}
