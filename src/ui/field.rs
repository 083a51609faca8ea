//! Text fields with their labels and what is wrong with what is typed, said beside them.

use wasm_bindgen::JsCast;
use web_sys::{Event, HtmlElement, HtmlInputElement};

use super::{Element, Handler, Model, Node, Page, classed, element, paragraph, words};

/// What is typed into a text field, and what is wrong with it.
#[derive(Debug, Clone, Default)]
pub(super) struct Field {
    text: String,
    wrong: String,
    /// The next drawing puts the caret there.
    focus: bool,
}

/// Where a field is in the [`Model`].
pub(super) type Place = fn(&mut Model) -> &mut Field;

impl Field {
    /// A field that holds `text`.
    pub fn new(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    /// What is typed, without blanks around it.
    pub fn text(&self) -> &str {
        self.text.trim()
    }

    /// What is typed, as it is.
    pub fn raw(&self) -> &str {
        &self.text
    }

    /// The value, or beside the field what is wrong with it; what is typed stays.
    pub fn check<T, E: ToString>(&mut self, parsed: Result<T, E>) -> Option<T> {
        match parsed {
            Ok(value) => {
                self.wrong.clear();
                Some(value)
            }
            Err(error) => {
                self.refuse(&error.to_string());
                None
            }
        }
    }

    /// Says beside the field what is wrong with what is typed.
    pub fn refuse(&mut self, error: &str) {
        self.wrong = words::sentence(error);
        self.focus = true;
    }
}

/// What is typed into the field that `event` comes from.
pub(super) fn typed(event: &Event) -> String {
    event.target().map(|target| target.unchecked_into::<HtmlInputElement>().value()).unwrap_or_default()
}

/// Keeps what is typed, and takes back what was wrong with it.
pub(super) fn keep(page: &Page, place: Place) -> Handler {
    page.handler(Box::new(move |page, event| {
        let text = typed(event);
        page.change(|model| *place(model) = Field::new(text));
    }))
}

/// The field at `place` with its label and its error.
pub(super) fn field(page: &Page, place: Place, id: &str, label: &str, placeholder: &str) -> Node {
    labelled(page, place, id, label, input(page, place, id, placeholder))
}

/// The same, with a line that says what it is for.
pub(super) fn field_with_hint(page: &Page, place: Place, id: &str, label: &str, placeholder: &str, hint: &str) -> Node {
    let hint = paragraph("cv-muted", hint);
    classed("div", "cv-hinted").child(field(page, place, id, label, placeholder)).child(hint).into()
}

/// A field of one line.
pub(super) fn input(page: &Page, place: Place, id: &str, placeholder: &str) -> Element {
    typing(page, place, id, placeholder, element("input").with("type", "text"))
}

/// A field of many lines, for text of a machine.
pub(super) fn area(page: &Page, place: Place, id: &str, label: &str) -> Node {
    let area = classed("textarea", "cv-text").with("rows", "10").with("wrap", "off");
    labelled(page, place, id, label, typing(page, place, id, "", area))
}

fn typing(page: &Page, place: Place, id: &str, placeholder: &str, field: Element) -> Element {
    let Field { text, wrong, focus } = page.take_focus(place);
    field
        .with("id", id)
        .with("placeholder", placeholder)
        .with("autocomplete", "off")
        .with("autocapitalize", "off")
        .with("spellcheck", "false")
        .with("value", &text)
        .with("aria-invalid", if wrong.is_empty() { "false" } else { "true" })
        .with("aria-describedby", &format!("{id}-wrong"))
        .on("input", keep(page, place))
        .then(move |field| {
            if focus {
                // What is folded can't be focused, nor can what is wrong with it be read.
                if let Ok(Some(folded)) = field.closest("details:not([open])") {
                    let _ = folded.set_attribute("open", "");
                }
                // A field that can't be focused is read out all the same.
                let _ = field.unchecked_ref::<HtmlElement>().focus();
            }
        })
}

/// A field with its label and what is wrong with it.
pub(super) fn labelled(page: &Page, place: Place, id: &str, label: &str, field: Element) -> Node {
    let wrong = place(&mut page.0.model.borrow_mut()).wrong.clone();
    let id_of_wrong = format!("{id}-wrong");
    classed("div", "cv-field")
        .child(element("label").with("for", id).child(label))
        .child(field)
        .child(classed("span", "cv-wrong").with("id", &id_of_wrong).with("role", "alert").child(wrong))
        .into()
}

impl Page {
    /// The field at `place` as it is; that it wants the caret is said once.
    fn take_focus(&self, place: Place) -> Field {
        let mut model = self.0.model.borrow_mut();
        let field = place(&mut model);
        let taken = field.clone();
        field.focus = false;
        taken
    }
}
