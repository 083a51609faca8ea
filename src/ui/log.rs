//! Helm's log of the newest operation, for as long as the page is open.

use leptos::{html, prelude::*};

use super::{Page, words};
use crate::installer::manifests::operation_of;

/// How near to its end a log counts as read to its end, in pixels.
const AT_END: i32 = 24;

/// The log; nothing before its first line.
pub(super) fn log() -> AnyView {
    let page = Page::get();
    let box_ref = NodeRef::<html::Pre>::new();
    // Stays at the end while the reader is there, and leaves a reader who has scrolled up alone.
    let at_end = StoredValue::new(true);
    Effect::new(move || {
        page.log.track();
        if let Some(element) = box_ref.get()
            && at_end.get_value()
        {
            element.set_scroll_top(element.scroll_height());
        }
    });
    let scrolled = move |_| {
        if let Some(element) = box_ref.get_untracked() {
            at_end.set_value(element.scroll_height() - element.scroll_top() - element.client_height() < AT_END);
        }
    };
    let shown = move || {
        page.log.track();
        let behind = page.behind();
        let log = behind.session.log();
        // Until the operation under way has a log, that of the one before would stand below its stages.
        let is_older =
            page.status.with(|status| status.operating.as_ref().is_some_and(|operating| operating.job != log.job));
        let text = log.lines.text();
        if text.is_empty() || is_older {
            return ().into_any();
        }
        let title = format!("Helm's log: {}", words::of_operation(operation_of(&log.job)));
        view! {
            <section class="cv-card">
                <h2>{title}</h2>
                <pre class="cv-log" node_ref=box_ref tabindex="0" role="log" aria-label="Helm's log" on:scroll=scrolled>{text}</pre>
            </section>
        }
        .into_any()
    };
    shown.into_any()
}
