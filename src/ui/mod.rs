//! Components that draw a [`Status`] and pass clicks on; no Kubernetes verbs here.
//!
//! A component is a plain function from what is known and what is typed to a `Node`. Whatever changes, the page is
//! drawn anew as a whole, and what differs is patched (`element`): so no part of it can show an older truth than
//! another. What is typed or opened lives in the `Model`, all else in the cluster.
//!
//! Text from the cluster is only ever a text node. Colours come from the host's custom properties alone.

mod ask;
mod chart;
mod clipboard;
mod element;
mod field;
mod history;
mod install;
mod log;
mod notices;
mod open;
mod operation;
mod pods;
mod release;
mod settings;
mod update;
mod words;

use std::{
    cell::{Cell, Ref, RefCell},
    rc::{Rc, Weak},
};

use futures::future::LocalBoxFuture;
use tachys::view::{Mountable, Render};
use wasm_bindgen::JsCast;
use web_sys::Event;

use crate::{
    cluster::{Client, Transport},
    helm::{command::Command, values},
    host::Surroundings,
    installer::{
        Action, JobSettings, Phase, RawSettings, Reach, Session, Settings, SettingsField, Snapshot, Status, Target,
        Update, derive, report,
    },
};
use element::{Drawn, Element, Handler, Node, classed, element, nothing};
use words::{Tone, Words};

/// The page around a component: what is known, what is typed, and what a click can do.
#[derive(Clone)]
struct Page(Rc<Inner>);

struct Inner {
    /// The page as it stands in the document, while it does.
    root: RefCell<Option<Drawn>>,
    /// It is about to be drawn anew.
    drawing: Cell<bool>,
    transport: Rc<dyn Transport>,
    surroundings: Rc<dyn Surroundings>,
    model: RefCell<Model>,
    status: RefCell<Status>,
    /// The view of the target that the settings name.
    open: RefCell<Open>,
}

/// What follows from the settings.
struct Open {
    session: Session,
    target: Target,
    job: JobSettings,
}

/// What is typed, opened or said on this page alone.
struct Model {
    /// What went wrong with the last click; an empty title where nothing did.
    wrong: Words,
    /// When the cluster was last heard, said at the moment of asking.
    heard: String,
    /// Crossview itself is shown.
    viewer: Option<open::Viewer>,
    /// Where Crossview is, or was when it was left.
    path: String,
    /// What was read last of the ways to Crossview.
    reach: Option<Reach>,
    /// The user's own address of Crossview.
    address: field::Field,
    install: chart::Form,
    update: update::Update,
    uninstall: release::Confirm,
    settings: settings::SettingsForm,
    /// What is asked before it is done.
    question: Option<ask::Question>,
    log: log::Reader,
    copied: clipboard::Copied,
    /// What stays unfolded while it is taken off the page, as during an operation: a bit each.
    unfolded: u8,
}

impl Model {
    /// Nothing typed, but for the chart that was used last.
    fn new(reference: &str) -> Self {
        Self {
            wrong: Words::none(),
            heard: String::new(),
            viewer: None,
            path: "/".to_owned(),
            reach: None,
            address: field::Field::default(),
            install: chart::Form::new(reference.to_owned(), values::INSTALL),
            update: update::Update::new(reference.to_owned()),
            uninstall: release::Confirm::default(),
            settings: settings::SettingsForm::default(),
            question: None,
            log: log::Reader::default(),
            copied: clipboard::Copied::default(),
            unfolded: 0,
        }
    }
}

/// What a part of the page does with an event.
type OnEvent = dyn Fn(&Page, &Event);

impl Page {
    fn status(&self) -> Ref<'_, Status> {
        self.0.status.borrow()
    }

    fn model(&self) -> Ref<'_, Model> {
        self.0.model.borrow()
    }

    fn session(&self) -> Session {
        self.0.open.borrow().session.clone()
    }

    fn surroundings(&self) -> &dyn Surroundings {
        &*self.0.surroundings
    }

    fn target(&self) -> Target {
        self.0.open.borrow().target.clone()
    }

    /// Changes what is typed or opened, and draws the page anew.
    fn change(&self, change: impl FnOnce(&mut Model)) {
        change(&mut self.0.model.borrow_mut());
        self.redraw();
    }

    /// What is done with an event.
    fn handler(&self, act: Box<OnEvent>) -> Handler {
        let page = self.clone();
        Rc::new(move |event| act(&page, &event))
    }

    /// What is done on a click.
    fn click(&self, act: fn(&Self)) -> Handler {
        let page = self.clone();
        Rc::new(move |_| act(&page))
    }

    /// The same for what has to know more.
    fn click_with(&self, act: Box<dyn Fn(&Self)>) -> Handler {
        let page = self.clone();
        Rc::new(move |_| act(&page))
    }

    /// What is done when a form is sent: never what the browser would do.
    fn submit(&self, act: fn(&Self)) -> Handler {
        let page = self.clone();
        Rc::new(move |event| {
            event.prevent_default();
            act(&page);
        })
    }

    /// Runs a click's work; what goes wrong is shown above everything else.
    fn act(&self, work: LocalBoxFuture<'static, Result<(), Words>>) {
        let page = self.clone();
        self.change(|model| model.wrong = Words::none());
        wasm_bindgen_futures::spawn_local(async move {
            if let Err(words) = work.await {
                page.change(|model| model.wrong = words);
            }
        });
    }

    /// Asks one thing of the cluster; what goes wrong comes in words.
    fn ask(&self, label: &'static str, asked: LocalBoxFuture<'static, Result<(), String>>) {
        self.act(Box::pin(async move {
            let title = || format!("{label}: that did not work");
            asked.await.map_err(|text| Words { tone: Tone::Bad, title: title(), text })
        }));
    }

    /// The action of a command, with what the settings say.
    fn action(&self, command: Command, values: &str) -> Action {
        Action { command, values: values.to_owned(), settings: self.0.open.borrow().job.clone() }
    }

    /// Begins an operation.
    fn begin(&self, command: Command, values: &str) {
        let (page, action) = (self.clone(), self.action(command, values));
        self.act(Box::pin(async move { page.run(&action).await }));
    }

    /// Begins an operation, and says when it runs or why it doesn't.
    async fn run(&self, action: &Action) -> Result<(), Words> {
        let session = self.session();
        let plan = session.plan(action).map_err(|refusal| words::of_refusal(&refusal))?;
        session.begin(plan).await.map_err(|error| words::of_start_error(&error))
    }

    /// Takes over settings: what they name is looked at from now on.
    fn apply(&self, settings: Settings) {
        let is_here = settings.target == self.target();
        if is_here {
            self.0.open.borrow_mut().job = settings.job;
        } else {
            open::close(self);
            *self.0.status.borrow_mut() = derive(&settings.target, &Snapshot::default());
            {
                let mut model = self.0.model.borrow_mut();
                model.reach = None;
                model.path = "/".to_owned();
            }
            // The former view ends with its session.
            let former = std::mem::replace(
                &mut *self.0.open.borrow_mut(),
                open_session(Rc::downgrade(&self.0), &self.0.transport, settings),
            );
            drop(former);
        }
        self.redraw();
    }

    /// Draws the page anew, once for all that has changed by then.
    fn redraw(&self) {
        if self.0.drawing.replace(true) {
            return;
        }
        let page = Rc::downgrade(&self.0);
        wasm_bindgen_futures::spawn_local(async move {
            let Some(page) = page.upgrade().map(Self) else { return };
            page.0.drawing.set(false);
            // Out of its place while it is drawn: what a patched field tells the page finds it free.
            let root = page.0.root.take();
            if let Some(mut drawn) = root {
                view(&page).rebuild(&mut drawn);
                page.0.root.replace(Some(drawn));
            }
        });
    }

    /// Looks after a Crossview elsewhere, from now on.
    fn look_after(&self, namespace: &str, release: &str) {
        for (field, text) in [(SettingsField::Namespace, namespace), (SettingsField::Release, release)] {
            self.surroundings().save(field.key(), text);
        }
        self.apply(load_settings(self.surroundings()));
    }
}

/// The settings as they are kept; those that can't be right any more count as not set.
fn load_settings(surroundings: &dyn Surroundings) -> Settings {
    let mut raw = RawSettings::default();
    for field in SettingsField::ALL {
        raw.set(field, surroundings.load(field.key()));
    }
    loop {
        match Settings::parse(&raw) {
            Ok(settings) => return settings,
            Err((wrong, _)) => raw.set(wrong, String::new()),
        }
    }
}

/// Opens the view of what `settings` name.
fn open_session(page: Weak<Inner>, transport: &Rc<dyn Transport>, settings: Settings) -> Open {
    let session = Session::open(Client::new(transport.clone()), settings.target.clone(), move |update| {
        let Some(page) = page.upgrade() else { return };
        if let Update::Status(newest) = update {
            *page.status.borrow_mut() = *newest;
        }
        Page(page).redraw();
    });
    Open { session, target: settings.target, job: settings.job }
}

/// A page that stands in an element; dropping it takes the page away and frees all that it holds: watches, timers,
/// listeners. An operation that it has begun is still seen to its end.
pub struct Mounted {
    page: Page,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A look for ways may wait for long, and keeps the page as long as it does.
        open::close(&self.page);
        // With it go the listeners, which hold the page.
        let root = self.page.0.root.take();
        if let Some(mut drawn) = root {
            drawn.unmount();
        }
    }
}

/// Puts the page into `parent`; `transport` is its way to the cluster.
pub fn mount(parent: &web_sys::Element, surroundings: Rc<dyn Surroundings>, transport: Rc<dyn Transport>) -> Mounted {
    let settings = load_settings(&*surroundings);
    let model = Model::new(&surroundings.load(chart::CHART_SETTING));
    let page = Page(Rc::new_cyclic(|page| Inner {
        root: RefCell::default(),
        drawing: Cell::new(false),
        model: RefCell::new(model),
        status: RefCell::new(derive(&settings.target, &Snapshot::default())),
        open: RefCell::new(open_session(page.clone(), &transport, settings)),
        transport,
        surroundings,
    }));
    let mut drawn = view(&page).build();
    drawn.mount(parent, None);
    page.0.root.replace(Some(drawn));
    open::resume(&page);
    Mounted { page }
}

/// The whole page.
fn view(page: &Page) -> Node {
    let shown = if open::is_shown(page) { open::viewer(page) } else { details(page) };
    let style = element("style").child(include_str!("page.css"));
    classed("div", "cv").child(style).child(shown).child(open::place(page)).into()
}

/// Everything but Crossview itself. Each part has its place, whether something stands there or not.
fn details(page: &Page) -> Node {
    let status = page.status();
    let is_absent = status.phase == Phase::NotInstalled;
    let main = match &status.operating {
        Some(operating) => operation::operation(page, &status, operating),
        None if is_absent => nothing(),
        None => release::release(page, &status),
    };
    let form = if is_absent && status.operating.is_none() { install::install(page) } else { nothing() };
    element("div")
        .child(head(page))
        .child(notices::wrong(page))
        .child(notices::notices(page, &status))
        .child(operation::last(page, &status))
        .child(form)
        .child(main)
        .child(log::log(page, &status))
        .child(update::update(page, &status))
        .child(release::confirm(page))
        .child(ask::ask(page))
        .child(settings::settings(page))
        .into()
}

/// The page's title, and what can be done at any time.
fn head(page: &Page) -> Node {
    let text = |page: &Page| {
        let session = page.session();
        let log = session.log();
        report(&page.status(), &session.snapshot(), &log)
    };
    let [diagnostics, copied] = clipboard::copy(page, "Copy diagnostics", "diagnostics", Box::new(text));
    classed("header", "cv-head")
        .child(element("h1").child("Crossview"))
        .children(release::check_status(page))
        .child(diagnostics)
        .child(copied)
        .child(button("", "Settings", page.click(settings::open)))
        .into()
}

/// A modal dialog that stands on the page all the time, shown or not; `close` is called when the user ends it.
fn dialog(labelled_by: &str, open: bool, close: Handler, inside: Node) -> Node {
    classed("dialog", "cv-dialog")
        .with("aria-labelledby", labelled_by)
        .on("close", close)
        .child(inside)
        .then(move |dialog| {
            let dialog: &web_sys::HtmlDialogElement = dialog.unchecked_ref();
            if open && !dialog.open() {
                // It throws only where it is open already.
                let _ = dialog.show_modal();
            } else if !open && dialog.open() {
                dialog.close();
            }
        })
        .into()
}

/// Whether the `details` that `event` comes from are unfolded.
fn is_open(event: &Event) -> bool {
    event.target().is_some_and(|target| target.unchecked_into::<web_sys::Element>().has_attribute("open"))
}

/// A card with a tone, a title, a sentence and more.
fn card(words: &Words, more: Vec<Node>) -> Node {
    let role = if words.tone == Tone::Bad { "alert" } else { "status" };
    section(words.tone)
        .with("role", role)
        .child(element("h2").child(words.title.as_str()))
        .child(paragraph("", &words.text))
        .children(more)
        .into()
}

/// A card without anything in it.
fn section(tone: Tone) -> Element {
    classed("section", "cv-card").with("data-tone", tone.as_str())
}

/// A title that says a state, with its dot.
fn state(tone: Tone, title: &str) -> Element {
    classed("h2", "cv-state").with("data-tone", tone.as_str()).child(title)
}

/// A paragraph; nothing for an empty text.
fn paragraph(class: &str, text: &str) -> Node {
    if text.is_empty() {
        return nothing();
    }
    let paragraph = element("p").child(text);
    if class.is_empty() { paragraph.into() } else { paragraph.with("class", class).into() }
}

/// Words of a machine, kept as they are; nothing for an empty text.
fn verbatim(text: &str) -> Node {
    if text.is_empty() { nothing() } else { element("pre").child(text).into() }
}

/// More on request.
fn more(summary: &str, inside: Node) -> Node {
    element("details").child(element("summary").child(summary)).child(inside).into()
}

/// The same, for what may be taken off the page and come back as it was: `bit` is its own in [`Model::unfolded`].
fn more_lasting(page: &Page, bit: u8, summary: &str, inside: Node) -> Node {
    let toggled = page.handler(Box::new(move |page, event| {
        let unfolded = &mut page.0.model.borrow_mut().unfolded;
        *unfolded = *unfolded & !bit | if is_open(event) { bit } else { 0 };
    }));
    let open = page.model().unfolded & bit != 0;
    let folded = element("details").with_if(open, "open").on("toggle", toggled);
    folded.child(element("summary").child(summary)).child(inside).into()
}

/// The same, for what is made only while it is unfolded: `toggled` is called when that changes.
fn more_kept(summary: &str, toggled: Handler, inside: Node) -> Node {
    element("details").on("toggle", toggled).child(element("summary").child(summary)).child(inside).into()
}

/// A button; `kind` is `main`, `danger` or empty.
fn button(kind: &str, label: &str, click: Handler) -> Element {
    classed("button", "cv-button").with("type", "button").with("data-kind", kind).on("click", click).child(label)
}

/// The button that sends its form.
fn submit(kind: &str, label: &str, enabled: bool) -> Element {
    classed("button", "cv-button")
        .with("type", "submit")
        .with("data-kind", kind)
        .with_if(!enabled, "disabled")
        .child(label)
}

/// Things side by side; nothing for none.
fn row(things: Vec<Node>) -> Node {
    if things.is_empty() { nothing() } else { classed("div", "cv-row").children(things).into() }
}
