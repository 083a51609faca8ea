//! Which chart in which version with which values: what Install and Update have in common.

use super::{
    Model, Node, Page, button, classed, clipboard, element,
    field::{Field, Place, area, field, input, labelled},
    is_open, more_kept, nothing, paragraph, row, verbatim, words,
};
use crate::{
    helm::{
        chart::{Chart, ChartRef},
        command::Command,
        version::{ChartVersion, VersionChange},
    },
    installer::{Status, ValuesError},
};

/// The setting that keeps the chart's reference.
pub(super) const CHART_SETTING: &str = "chart";

/// What is typed for an operation that takes a chart. It outlives its form: what was typed is there to be corrected
/// after a failure.
pub(super) struct Form {
    reference: Field,
    version: Field,
    values: Field,
    /// Asked for, and not begun yet.
    pub busy: bool,
    /// What will happen is unfolded.
    preview: bool,
}

/// A form of the page: where it is in the [`Model`], and what its elements are called.
pub(super) struct Places {
    form: fn(&mut Model) -> &mut Form,
    reference: Place,
    version: Place,
    values: Place,
    ids: [&'static str; 4],
    command: fn(Chart, bool) -> Command,
    values_hint: &'static str,
}

/// The form that installs.
pub(super) const INSTALL: Places = Places {
    form: |model| &mut model.install,
    reference: |model| &mut model.install.reference,
    version: |model| &mut model.install.version,
    values: |model| &mut model.install.values,
    ids: ["cv-chart", "cv-version", "cv-values", "cv-versions"],
    command: |chart, values| Command::Install { chart, values },
    values_hint: "Without these, Crossview asks for a sign-in that nobody has here, and runs a database.",
};

/// The form that updates.
pub(super) const UPDATE: Places = Places {
    form: |model| &mut model.update.form,
    reference: |model| &mut model.update.form.reference,
    version: |model| &mut model.update.form.version,
    values: |model| &mut model.update.form.values,
    ids: ["cv-update-chart", "cv-update-version", "cv-update-values", "cv-update-versions"],
    command: |chart, values| Command::Update { chart, values },
    values_hint: "What was set before stays; what stands here is laid over it.",
};

impl Form {
    /// The chart that was used last in this cluster, in its newest stable version.
    pub fn new(reference: String, values: &str) -> Self {
        let reference = if reference.is_empty() { ChartRef::default().to_string() } else { reference };
        Self {
            reference: Field::new(reference),
            version: Field::default(),
            values: Field::new(values.to_owned()),
            busy: false,
            preview: false,
        }
    }

    /// The chart's reference, as the settings keep it.
    pub fn saved(page: &Page) -> String {
        page.surroundings().load(CHART_SETTING)
    }

    /// Takes another reference, in its newest version.
    pub fn choose(&mut self, reference: &ChartRef) {
        self.reference = Field::new(reference.to_string());
        self.version = Field::default();
    }

    /// The chart that is typed, if it is one.
    fn typed(&self) -> Option<Chart> {
        let chart = self.reference.text().parse::<Chart>().ok()?;
        if self.version.text().is_empty() {
            return Some(chart);
        }
        chart.with_version(self.version.text().parse().ok()?).ok()
    }

    /// The chart that is typed; what is wrong is said beside its field.
    fn check(&mut self) -> Option<Chart> {
        let chart = self.reference.check(self.reference.text().parse::<Chart>())?;
        if self.version.text().is_empty() {
            return Some(chart);
        }
        let number = self.version.check(self.version.text().parse::<ChartVersion>())?;
        self.version.check(chart.with_version(number))
    }
}

/// The fields, and what will happen; `installed` is the chart that is there, empty for none.
pub(super) fn fields(page: &Page, places: &'static Places, installed: &str) -> Vec<Node> {
    let [chart_id, version_id, values_id, list_id] = places.ids;
    let chart = page.form(places, Form::typed);
    let version = input(page, places.version, version_id, "newest stable").with("list", list_id);
    vec![
        field(page, places.reference, chart_id, "Chart", "oci://registry/path/chart"),
        labelled(page, places.version, version_id, "Version (optional)", version),
        versions(page, list_id, chart.as_ref()),
        change(chart.as_ref(), installed),
        repository(page, places, chart.as_ref()),
        element("details")
            .child(element("summary").child("Values"))
            .child(paragraph("cv-muted", places.values_hint))
            .child(area(page, places.values, values_id, "values.yaml"))
            .into(),
        preview(page, places, chart),
    ]
}

/// The versions that the last Update Helm Repo found, for the version's field to offer.
fn versions(page: &Page, id: &str, chart: Option<&Chart>) -> Node {
    let status = page.status();
    let found = status.versions.as_ref().filter(|found| chart.is_some_and(|chart| found.are_of(chart.reference())));
    let offers = found.map(|found| found.offers.as_slice()).unwrap_or_default();
    let options = offers.iter().map(|offer| {
        let parts: Vec<&str> =
            [offer.app_version.as_str(), &offer.created].into_iter().filter(|part| !part.is_empty()).collect();
        element("option").with("value", &offer.version.to_string()).child(parts.join(", ")).into()
    });
    element("datalist").with("id", id).children(options.collect()).into()
}

/// What the version would be, measured against the chart that is installed, `crossview-4.6.0`.
fn change(chart: Option<&Chart>, installed: &str) -> Node {
    let Some(wanted) = chart.and_then(Chart::version) else { return nothing() };
    let words = words::of_change(VersionChange::of(installed, Some(wanted)), installed, &wanted.to_string());
    classed("p", "cv-note").with("data-tone", words.tone.as_str()).with("role", "status").child(words.title).into()
}

/// Update Helm Repo, or why it isn't needed.
fn repository(page: &Page, places: &'static Places, chart: Option<&Chart>) -> Node {
    let status = page.status();
    let command = chart.and_then(|chart| Command::update_repo(chart.reference()));
    let click = page.click_with(Box::new(move |page| {
        let chart = page.form(places, Form::typed);
        if let Some(command) = chart.and_then(|chart| Command::update_repo(chart.reference())) {
            page.begin(command, "");
        }
    }));
    let enabled = command.is_some() && status.update_repo.is_offered();
    row(vec![
        button("", "Update Helm Repo", click).with_if(!enabled, "disabled").into(),
        classed("span", "cv-muted").child(words::of_repository(chart.map(Chart::reference), &status)).into(),
    ])
}

/// Update Helm Repo for the chart that was used last, and why it isn't needed where that comes from no repository.
pub(super) fn update_repo(page: &Page, status: &Status) -> [Node; 2] {
    let saved = Form::new(Form::saved(page), "").typed();
    let reference = saved.as_ref().map(Chart::reference);
    let command = reference.and_then(Command::update_repo);
    let is_needed = command.is_some();
    let enabled = is_needed && status.update_repo.is_offered();
    let click = page.click_with(Box::new(move |page| {
        if let Some(command) = &command {
            page.begin(command.clone(), "");
        }
    }));
    let reason = if is_needed { nothing() } else { paragraph("cv-muted", &words::of_repository(reference, status)) };
    [button("", "Update Helm Repo", click).with_if(!enabled, "disabled").into(), reason]
}

/// What a click will send, unfolded on request: Helm's command and the objects that carry it.
fn preview(page: &Page, places: &'static Places, chart: Option<Chart>) -> Node {
    let (open, values) = page.form(places, |form| (form.preview, form.values.raw().to_owned()));
    let toggled = page.handler(Box::new(move |page, event| {
        let open = is_open(event);
        page.change(|model| (places.form)(model).preview = open);
    }));
    let inside = match chart.filter(|_| open) {
        Some(chart) => {
            let action = page.action((places.command)(chart, !values.trim().is_empty()), &values);
            match page.session().plan(&action) {
                Ok(plan) => {
                    let yaml = plan.to_yaml();
                    let copied = yaml.clone();
                    element("div")
                        .child(paragraph("cv-muted", words::PLAN_HINT))
                        .child(clipboard::line(page, &plan.helm_line()))
                        .child(verbatim(&yaml))
                        .child(
                            row(clipboard::copy(page, "Copy YAML", "yaml", Box::new(move |_| copied.clone())).into()),
                        )
                        .into()
                }
                Err(refusal) => paragraph("", &words::of_refusal(&refusal).title),
            }
        }
        None if open => paragraph("cv-muted", "The chart's reference or its version is not right yet."),
        None => nothing(),
    };
    more_kept("What will happen", toggled, inside)
}

/// Begins what is typed: what is wrong with it is said beside its field, and nothing is sent. `then` is called when it
/// has begun.
pub(super) fn send(page: &Page, places: &'static Places, then: fn(&mut Model)) {
    let mut asked = None;
    page.change(|model| {
        let form = (places.form)(model);
        if !form.busy {
            asked = form.check().map(|chart| (chart, form.values.raw().to_owned()));
            form.busy = asked.is_some();
        }
    });
    let Some((chart, values)) = asked else { return };
    page.surroundings().save(CHART_SETTING, &chart.reference().to_string());
    let (sending, session) = (page.clone(), page.session());
    page.act(Box::pin(async move {
        let values = if values.trim().is_empty() { String::new() } else { values };
        let done = match session.check_values(&values).await {
            // Who may not have it checked finds out from Helm.
            Ok(()) | Err(ValuesError::NotChecked(_)) => {
                let action = sending.action((places.command)(chart, !values.is_empty()), &values);
                sending.run(&action).await.map(|()| true)
            }
            Err(error) => {
                sending.change(|model| (places.values)(model).refuse(&error.to_string()));
                Ok(false)
            }
        };
        sending.change(|model| {
            (places.form)(model).busy = false;
            if matches!(done, Ok(true)) {
                then(model);
            }
        });
        done.map(drop)
    }));
}

impl Page {
    /// Reads the form at `places`.
    fn form<T>(&self, places: &Places, read: impl FnOnce(&Form) -> T) -> T {
        read((places.form)(&mut self.0.model.borrow_mut()))
    }
}
