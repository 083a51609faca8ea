//! The dialog of the settings: how Helm's Jobs get at images and charts, and where Crossview is.

use super::{
    Model, Node, Page, button, classed, dialog, element,
    field::{Field, Place, field_with_hint},
    paragraph, submit, words,
};
use crate::installer::{RawSettings, Settings, SettingsField};

const COUNT: usize = SettingsField::ALL.len();

/// The dialog, and what is typed in it.
#[derive(Default)]
pub(super) struct SettingsForm {
    open: bool,
    fields: [Field; COUNT],
}

fn place<const INDEX: usize>(model: &mut Model) -> &mut Field {
    &mut model.settings.fields[INDEX]
}

const PLACES: [Place; COUNT] =
    [place::<0>, place::<1>, place::<2>, place::<3>, place::<4>, place::<5>, place::<6>, place::<7>];
const IDS: [&str; COUNT] = [
    "cv-setting-image",
    "cv-setting-pull-secret",
    "cv-setting-credentials",
    "cv-setting-proxy",
    "cv-setting-no-proxy",
    "cv-setting-ca",
    "cv-setting-namespace",
    "cv-setting-release",
];

/// Opens the dialog with what is set.
pub(super) fn open(page: &Page) {
    let fields = SettingsField::ALL.map(|field| Field::new(page.surroundings().load(field.key())));
    page.change(|model| model.settings = SettingsForm { open: true, fields });
}

/// The dialog, open or not.
pub(super) fn settings(page: &Page) -> Node {
    let close = page.click(|page| page.change(|model| model.settings = SettingsForm::default()));
    if !page.model().settings.open {
        return dialog("cv-settings", false, close, super::nothing());
    }
    let fields = SettingsField::ALL.iter().zip(PLACES).zip(IDS).map(|((setting, place), id)| {
        let (label, placeholder, hint) = words::of_setting(*setting);
        field_with_hint(page, place, id, label, placeholder, hint)
    });
    let form = element("form")
        .with("novalidate", "")
        .on("submit", page.submit(save))
        .child(element("h2").with("id", "cv-settings").child("Settings"))
        .child(paragraph(
            "cv-muted",
            "They are kept in this browser, for this cluster. An empty field means the default.",
        ))
        .children(fields.collect())
        .child(classed("div", "cv-row").child(button("", "Close", close.clone())).child(submit("main", "Save", true)));
    dialog("cv-settings", true, close, form.into())
}

fn save(page: &Page) {
    let mut raw = RawSettings::default();
    for (field, typed) in SettingsField::ALL.into_iter().zip(&page.model().settings.fields) {
        raw.set(field, typed.text().to_owned());
    }
    match Settings::parse(&raw) {
        Ok(parsed) => {
            for field in SettingsField::ALL {
                page.surroundings().save(field.key(), raw.get(field));
            }
            page.change(|model| model.settings = SettingsForm::default());
            page.apply(parsed);
        }
        Err((wrong, error)) => page.change(|model| {
            for (field, typed) in SettingsField::ALL.into_iter().zip(&mut model.settings.fields) {
                if field == wrong {
                    typed.refuse(&error.to_string());
                }
            }
        }),
    }
}
