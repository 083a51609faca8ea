//! What components draw with: one kind of element, patched in place.
//!
//! The page's view is called again when something has changed; what it returns is a tree of [`Node`]s, and what
//! differs from the tree before is written into the document. Elements, focus, selection and scroll position of what
//! stays the same are left alone. To Leptos's renderer a [`Node`] is a view like any other. Its own elements are a type
//! each, with code of their own for building, patching and taking down: sixty of them weighed 60 kB, this one 4 kB
//! (ARCHITECTURE.md).
//!
//! A text is only ever a text node, so nothing that a cluster says can become HTML.

use std::{cell::RefCell, rc::Rc};

use tachys::view::{Mountable, Render};
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Document, Event};

/// What is done on an event.
pub(super) type Handler = Rc<dyn Fn(Event)>;

/// What is done with an element of the document once it stands there, again after each patch.
pub(super) type Hook = Box<dyn FnOnce(&web_sys::Element)>;

/// A part of the page as a component wants it.
pub(super) enum Node {
    /// An element.
    Element(Element),
    /// A text; an empty one keeps the place of what is not there now.
    Text(String),
}

/// An element as a component wants it. In a box of its own: what is handed from one call of a component to the next is
/// then a pointer, which weighs the page 6 kB less.
pub(super) struct Element(Box<Parts>);

struct Parts {
    tag: &'static str,
    /// Where it stands in a row of which the first go away: rising.
    key: usize,
    attributes: Vec<(&'static str, String)>,
    handlers: Vec<(&'static str, Handler)>,
    children: Vec<Node>,
    hook: Option<Hook>,
}

/// An element of the HTML tag `tag`.
pub(super) fn element(tag: &'static str) -> Element {
    let (attributes, handlers, children) = (Vec::new(), Vec::new(), Vec::new());
    Element(Box::new(Parts { tag, key: 0, attributes, handlers, children, hook: None }))
}

/// An element of the HTML tag `tag` and a class.
pub(super) fn classed(tag: &'static str, class: &str) -> Element {
    element(tag).with("class", class)
}

/// Nothing, in a place where something may stand at another time.
pub(super) fn nothing() -> Node {
    Node::Text(String::new())
}

impl Element {
    /// Sets an attribute. `value` of a field is set only where it differs from what is typed there.
    #[inline(never)]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.attributes.push((name, value.to_owned()));
        self
    }

    /// Sets an attribute that means something by being there.
    pub fn with_if(self, holds: bool, name: &'static str) -> Self {
        if holds { self.with(name, "") } else { self }
    }

    /// Calls `handler` on the event `name`.
    #[inline(never)]
    pub fn on(mut self, name: &'static str, handler: Handler) -> Self {
        self.0.handlers.push((name, handler));
        self
    }

    /// Keeps the element what it is where those before it go away; `key` rises within a row.
    pub fn key(mut self, key: usize) -> Self {
        self.0.key = key;
        self
    }

    /// Adds a child.
    pub fn child(self, child: impl Into<Node>) -> Self {
        self.node(child.into())
    }

    #[inline(never)]
    fn node(mut self, child: Node) -> Self {
        self.0.children.push(child);
        self
    }

    /// Adds children.
    #[inline(never)]
    pub fn children(mut self, children: Vec<Node>) -> Self {
        self.0.children.extend(children);
        self
    }

    /// Calls `hook` when the element stands in the document, after this drawing.
    pub fn then(mut self, hook: impl FnOnce(&web_sys::Element) + 'static) -> Self {
        self.0.hook = Some(Box::new(hook));
        self
    }
}

impl From<Element> for Node {
    fn from(element: Element) -> Self {
        Self::Element(element)
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for Node {
    fn from(node: Option<T>) -> Self {
        node.map_or_else(nothing, Into::into)
    }
}

/// A [`Node`] as it stands in the document.
pub(super) struct Drawn {
    node: web_sys::Node,
    kind: Kind,
}

enum Kind {
    Text(String),
    Element {
        tag: &'static str,
        key: usize,
        attributes: Vec<(&'static str, String)>,
        listeners: Vec<Listener>,
        children: Vec<Drawn>,
    },
}

/// A listener that stays while what it does changes.
struct Listener {
    name: &'static str,
    handler: Rc<RefCell<Handler>>,
    _closure: Closure<dyn FnMut(Event)>,
}

fn document() -> Document {
    tachys::dom::document()
}

/// Hooks wait for the end of the drawing: their elements are in the document by then.
fn soon(element: web_sys::Element, hook: Hook) {
    wasm_bindgen_futures::spawn_local(async move {
        if element.is_connected() {
            hook(&element);
        }
    });
}

fn draw(wanted: Node) -> Drawn {
    match wanted {
        Node::Text(text) => Drawn { node: document().create_text_node(&text).into(), kind: Kind::Text(text) },
        Node::Element(Element(wanted)) => {
            // Tags are ours and right, so this never fails; a text stands in where it does.
            let Ok(element) = document().create_element(wanted.tag) else { return draw(nothing()) };
            let node = web_sys::Node::from(element);
            let kind = Kind::Element {
                tag: wanted.tag,
                key: wanted.key,
                attributes: Vec::new(),
                listeners: Vec::new(),
                children: Vec::new(),
            };
            let mut drawn = Drawn { node, kind };
            patch(&mut drawn, Node::Element(Element(wanted)));
            drawn
        }
    }
}

/// Makes `drawn` what is wanted; one of another kind takes its place.
fn patch(drawn: &mut Drawn, wanted: Node) {
    match (&mut drawn.kind, wanted) {
        (Kind::Text(old), Node::Text(new)) => {
            if *old != new {
                drawn.node.set_node_value(Some(&new));
                *old = new;
            }
        }
        (Kind::Element { tag, key, attributes, listeners, children }, Node::Element(Element(wanted)))
            if *tag == wanted.tag && *key == wanted.key =>
        {
            let element: &web_sys::Element = drawn.node.unchecked_ref();
            patch_listeners(element, listeners, wanted.handlers);
            patch_children(&drawn.node, children, wanted.children);
            // After the children: a select's value means one of its options.
            patch_attributes(element, attributes, wanted.attributes);
            if let Some(hook) = wanted.hook {
                soon(element.clone(), hook);
            }
        }
        (_, wanted) => {
            let new = draw(wanted);
            if let Some(parent) = drawn.node.parent_node() {
                // It is its child, so this never fails.
                let _ = parent.replace_child(&new.node, &drawn.node);
            }
            *drawn = new;
        }
    }
}

fn patch_attributes(
    element: &web_sys::Element,
    old: &mut Vec<(&'static str, String)>,
    new: Vec<(&'static str, String)>,
) {
    for (name, _) in old.iter() {
        if !new.iter().any(|(wanted, _)| wanted == name) {
            // Names are ours, so setting and removing them never fails.
            let _ = element.remove_attribute(name);
        }
    }
    for (name, value) in &new {
        if *name == "value" {
            set_value(element, value);
        } else if !old.iter().any(|(had, before)| had == name && before == value) {
            let _ = element.set_attribute(name, value);
        }
    }
    *old = new;
}

/// What is typed is a property of a field, not an attribute, and the caret stays where nothing changes.
fn set_value(element: &web_sys::Element, value: &str) {
    let field: &web_sys::HtmlInputElement = element.unchecked_ref();
    if field.value() != value {
        field.set_value(value);
    }
}

/// Handlers of an element come in the same order each time, so a listener is found by its place.
fn patch_listeners(element: &web_sys::Element, old: &mut Vec<Listener>, new: Vec<(&'static str, Handler)>) {
    let mut rest = new.into_iter().peekable();
    for listener in old.iter_mut() {
        match rest.next_if(|(name, _)| *name == listener.name) {
            Some((_, handler)) => *listener.handler.borrow_mut() = handler,
            None => *listener.handler.borrow_mut() = Rc::new(|_| ()),
        }
    }
    for (name, handler) in rest {
        let handler = Rc::new(RefCell::new(handler));
        let called = handler.clone();
        let closure = Closure::<dyn FnMut(Event)>::new(move |event| {
            let handler = called.borrow().clone();
            handler(event);
        });
        // Names are ours, so this never fails.
        let _ = element.add_event_listener_with_callback(name, closure.as_ref().unchecked_ref());
        old.push(Listener { name, handler, _closure: closure });
    }
}

fn patch_children(parent: &web_sys::Node, old: &mut Vec<Drawn>, new: Vec<Node>) {
    let first = match new.first() {
        Some(Node::Element(Element(first))) => first.key,
        Some(Node::Text(_)) | None => 0,
    };
    let passed = |drawn: &&Drawn| matches!(&drawn.kind, Kind::Element { key, .. } if *key < first);
    for gone in old.drain(..old.iter().take_while(passed).count()) {
        let _ = parent.remove_child(&gone.node);
    }
    for gone in old.drain(new.len().min(old.len())..) {
        // It is its child, so this never fails.
        let _ = parent.remove_child(&gone.node);
    }
    let drawn = old.len();
    for (index, wanted) in new.into_iter().enumerate() {
        if index < drawn {
            patch(&mut old[index], wanted);
        } else {
            let child = draw(wanted);
            let _ = parent.append_child(&child.node);
            old.push(child);
        }
    }
}

impl Render for Node {
    type State = Drawn;

    fn build(self) -> Drawn {
        draw(self)
    }

    fn rebuild(self, state: &mut Drawn) {
        patch(state, self);
    }
}

impl Mountable for Drawn {
    fn unmount(&mut self) {
        if let Some(parent) = self.node.parent_node() {
            let _ = parent.remove_child(&self.node);
        }
    }

    fn mount(&mut self, parent: &web_sys::Element, marker: Option<&web_sys::Node>) {
        let _ = parent.insert_before(&self.node, marker);
    }

    fn insert_before_this(&self, child: &mut dyn Mountable) -> bool {
        let parent = self.node.parent_node().and_then(|parent| parent.dyn_into::<web_sys::Element>().ok());
        parent.is_some_and(|parent| {
            child.mount(&parent, Some(&self.node));
            true
        })
    }

    fn elements(&self) -> Vec<web_sys::Element> {
        self.node.dyn_ref::<web_sys::Element>().cloned().into_iter().collect()
    }
}
