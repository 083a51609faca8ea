//! Helm's log of the newest operation, for as long as the page is open.
//!
//! However long it is, the browser lays out only what is in sight: the lines stand in blocks that it may pass over
//! (`content-visibility`), and a block that is full is never written again.

use wasm_bindgen::JsCast;

use super::{
    Node, Page, button, classed, clipboard, element,
    field::{Field, keep},
    nothing, row, section, words,
    words::Tone,
};
use crate::{
    helm::log::Log,
    installer::{Status, manifests::operation_of},
};

/// How near to its end a log counts as read to its end, in pixels.
const AT_END: i32 = 24;
/// Lines in a block.
const BLOCK: usize = 250;

/// How the log is read.
pub(super) struct Reader {
    /// Stays at the end while the reader is there, and leaves a reader who has scrolled up alone.
    at_end: bool,
    /// Up to which line it is shown while it is held.
    held_at: Option<usize>,
    /// Long lines go on in the next.
    wrap: bool,
    /// Only lines with this text.
    search: Field,
}

impl Default for Reader {
    fn default() -> Self {
        Self { at_end: true, held_at: None, wrap: true, search: Field::default() }
    }
}

/// The log; nothing before its first line.
pub(super) fn log(page: &Page, status: &Status) -> Node {
    let session = page.session();
    let log = session.log();
    // Until the operation under way has a log, that of the one before would stand below its stages.
    let is_older = status.operating.as_ref().is_some_and(|operating| operating.job != log.job);
    if log.lines.is_empty() || is_older {
        return nothing();
    }
    let model = page.model();
    let reader = &model.log;
    let title = format!("Helm's log: {}", words::of_operation(operation_of(&log.job)));
    let all = log.lines.dropped() + log.lines.len();
    let until = reader.held_at.unwrap_or(all).min(all);
    let (blocks, found) = blocks(&log.lines, until, reader.search.text());
    let at_end = reader.at_end && reader.held_at.is_none();
    let lines = classed("div", "cv-log")
        .with("tabindex", "0")
        .with("role", "log")
        .with("aria-label", "Helm's log")
        .with("data-wrap", if reader.wrap { "yes" } else { "no" })
        .on("scroll", scrolled(page))
        .children(blocks)
        .then(move |element| {
            if at_end {
                element.set_scroll_top(element.scroll_height());
            }
        });
    section(Tone::Plain)
        .child(element("h2").child(title))
        .child(tools(page, reader, &said(reader, &log.lines, until, found)))
        .child(lines)
        .into()
}

/// What there is to say of the lines that are not shown.
fn said(reader: &Reader, log: &Log, until: usize, found: usize) -> String {
    let all = log.dropped() + log.len();
    let mut said = String::new();
    if !reader.search.text().is_empty() {
        said = format!("{found} of {} lines. ", log.len());
    }
    if until < all {
        said = format!("{said}{} new lines. ", (all - until));
    }
    if log.dropped() > 0 {
        said = format!("{said}The first {} lines are no longer kept.", log.dropped());
    }
    said
}

/// The lines up to `until` in blocks, and how many there are.
fn blocks(log: &Log, until: usize, search: &str) -> (Vec<Node>, usize) {
    let search = search.to_ascii_lowercase();
    let fits = |line: &str| search.is_empty() || line.to_ascii_lowercase().contains(&search);
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut found = 0;
    for (number, line) in log.lines().enumerate().map(|(index, line)| (index + log.dropped(), line)) {
        if number >= until {
            break;
        }
        if !fits(line) {
            continue;
        }
        found += 1;
        match blocks.last_mut() {
            Some((block, text)) if *block == number / BLOCK => text.push_str(line),
            _ => blocks.push((number / BLOCK, line.to_owned())),
        }
        if let Some((_, text)) = blocks.last_mut() {
            text.push('\n');
        }
    }
    (blocks.into_iter().map(|(block, text)| element("pre").key(block).child(text).into()).collect(), found)
}

/// Follows the end again once the reader is there.
fn scrolled(page: &Page) -> super::Handler {
    page.handler(Box::new(|page, event| {
        let Some(target) = event.target() else { return };
        let element: &web_sys::Element = target.unchecked_ref();
        let left = element.scroll_height() - element.scroll_top() - element.client_height();
        // Nothing that is drawn depends on it until there is more to draw.
        page.0.model.borrow_mut().log.at_end = left < AT_END;
    }))
}

fn tools(page: &Page, reader: &Reader, said: &str) -> Node {
    let hold = page.click(|page| {
        let session = page.session();
        let log = session.log();
        let all = log.lines.dropped() + log.lines.len();
        page.change(|model| {
            let reader = &mut model.log;
            reader.held_at = if reader.held_at.is_some() { None } else { Some(all) };
            reader.at_end = true;
        });
    });
    let wrap = page.click(|page| page.change(|model| model.log.wrap = !model.log.wrap));
    let save = page.click(|page| {
        let session = page.session();
        let log = session.log();
        clipboard::save(&format!("{}.log", log.job), &log.lines.text());
    });
    let [copy, copied] = clipboard::copy(page, "Copy log", "log", Box::new(|page| page.session().log().lines.text()));
    let pressed = |holds: bool| if holds { "true" } else { "false" };
    row(vec![
        classed("input", "cv-search")
            .with("type", "search")
            .with("placeholder", "Find in the log")
            .with("aria-label", "Find in the log")
            .with("value", reader.search.raw())
            .on("input", keep(page, |model| &mut model.log.search))
            .into(),
        button("", "Pause", hold).with("aria-pressed", pressed(reader.held_at.is_some())).into(),
        button("", "Wrap lines", wrap).with("aria-pressed", pressed(reader.wrap)).into(),
        copy,
        button("", "Download", save).into(),
        classed("span", "cv-muted").with("role", "status").child(said).into(),
        copied,
    ])
}
