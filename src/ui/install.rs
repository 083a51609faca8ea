//! The form that installs Crossview.

use leptos::{html, prelude::*};

use super::{Page, paragraph, words};
use crate::{
    helm::{
        chart::{Chart, ChartRef},
        command::Command,
        values,
        version::ChartVersion,
    },
    installer::{Offer, Withheld},
};

/// What is said before anything is installed.
const WARNING: &str = "Crossview shows what Crossplane manages. Installed here, it will read everything in this cluster, Secrets too, for anyone who reaches its Service.";

/// A text field's value and what is wrong with it.
#[derive(Clone, Copy)]
pub(super) struct Field {
    pub value: RwSignal<String>,
    wrong: RwSignal<String>,
    input: NodeRef<html::Input>,
}

impl Field {
    /// A field that holds `value`.
    pub fn new(value: String) -> Self {
        Self { value: RwSignal::new(value), wrong: RwSignal::new(String::new()), input: NodeRef::new() }
    }

    /// What is typed, without blanks around it.
    pub fn text(self) -> String {
        self.value.with_untracked(|value| value.trim().to_owned())
    }

    /// Parses `text`, or says beside the field what is wrong with it; the text stays.
    pub fn check<T, E: ToString>(self, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => {
                self.wrong.set(String::new());
                Some(value)
            }
            Err(error) => {
                self.wrong.set(words::sentence(&error.to_string()));
                if let Some(input) = self.input.get_untracked() {
                    // A field that can't be focused is read out all the same.
                    let _ = input.focus();
                }
                None
            }
        }
    }

    /// The field with its label and its error.
    pub fn view(self, id: &'static str, label: &'static str, placeholder: &'static str) -> AnyView {
        let described = format!("{id}-wrong");
        let input = move |event| {
            self.value.set(event_target_value(&event));
            self.wrong.set(String::new());
        };
        view! {
            <div class="cv-field">
                <label for=id>{label}</label>
                <input
                    id=id
                    node_ref=self.input
                    type="text"
                    placeholder=placeholder
                    autocomplete="off"
                    spellcheck="false"
                    prop:value=self.value
                    on:input=input
                    aria-invalid=move || if self.wrong.with(String::is_empty) { "false" } else { "true" }
                    aria-describedby=described.clone()
                />
                <span id=described class="cv-wrong" role="alert">{self.wrong}</span>
            </div>
        }
        .into_any()
    }
}

/// The chart that the two fields mean; what is wrong is said beside them.
fn parse(reference: Field, version: Field) -> Option<Chart> {
    let chart = reference.check(reference.text().parse::<Chart>())?;
    if version.text().is_empty() {
        return Some(chart);
    }
    let number = version.check(version.text().parse::<ChartVersion>())?;
    version.check(chart.with_version(number))
}

/// The form's two fields. They outlive the form: what was typed is there to be corrected after a failure.
#[derive(Clone, Copy)]
pub(super) struct Typed {
    reference: Field,
    version: Field,
}

impl Typed {
    /// Crossview's own chart in its newest stable version.
    pub fn new() -> Self {
        Self { reference: Field::new(ChartRef::default().to_string()), version: Field::new(String::new()) }
    }
}

/// The form; what is typed stays when something is wrong with it.
pub(super) fn install(typed: Typed) -> AnyView {
    let page = Page::get();
    let Typed { reference, version } = typed;
    let asked = RwSignal::new(false);
    let offered = move || page.status.with(|status| status.install.is_offered());
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if asked.get_untracked() || !page.status.with_untracked(|status| status.install.is_offered()) {
            return;
        }
        let Some(chart) = parse(reference, version) else { return };
        asked.set(true);
        page.begin(Command::Install { chart, values: true }, values::INSTALL, move || {
            let _ = asked.try_set(false);
        });
    };
    view! {
        <section class="cv-card">
            <h2 class="cv-state">"Not installed"</h2>
            {paragraph("", WARNING)}
            <form on:submit=submit novalidate>
                {reference.view("cv-chart", "Chart", "oci://registry/path/chart")}
                {version.view("cv-version", "Version (optional)", "newest stable")}
                <button type="submit" class="cv-button" data-kind="main" disabled=move || asked.get() || !offered()>
                    "Install"
                </button>
                {move || page.status.with(|status| withheld(&status.install))}
            </form>
        </section>
    }
    .into_any()
}

/// Why a button can't be clicked.
pub(super) fn withheld(offer: &Offer) -> AnyView {
    let text = match offer {
        Offer::Withheld(Withheld::Refused(permission)) => format!("You may not {}.", words::of_permission(*permission)),
        Offer::Withheld(Withheld::Busy) => "An operation is under way.".to_owned(),
        Offer::Withheld(Withheld::Reading) => "Waiting for the cluster.".to_owned(),
        Offer::Offered | Offer::Withheld(Withheld::NotApplicable) => String::new(),
    };
    paragraph("cv-muted", text)
}
