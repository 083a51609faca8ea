//! HTTP/1.1 as a client speaks it on a connection of its own: RFC 9112, without I/O.

pub mod date;
pub mod request;
pub mod response;

/// Header fields in the order in which they came; names in lower case, values as Latin-1 text without surrounding space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Adds a field. `name` is in lower case.
    pub fn push(&mut self, name: String, value: String) {
        self.0.push((name, value));
    }

    /// The value of the first field `name` (in lower case).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether `is` holds for any element of the lists in all fields `name` (in lower case): RFC 9110, 5.6.1. Elements have
    /// text.
    pub fn any(&self, name: &str, is: &mut dyn FnMut(&str) -> bool) -> bool {
        for (own, value) in &self.0 {
            if own != name {
                continue;
            }
            for element in value.split(',') {
                let element = trim(element);
                if !element.is_empty() && is(element) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether there is a field `name` whose list has `element`, in whatever case.
    #[must_use]
    pub fn lists(&self, name: &str, element: &str) -> bool {
        self.any(name, &mut |own| own.eq_ignore_ascii_case(element))
    }

    /// Every field.
    #[must_use]
    pub fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }
}

impl From<Vec<(String, String)>> for Headers {
    fn from(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }
}

/// Without the white space around it: RFC 9110, 5.6.3.
#[must_use]
pub fn trim(mut text: &str) -> &str {
    while let Some(shorter) = text.strip_prefix([' ', '\t']).or_else(|| text.strip_suffix([' ', '\t'])) {
        text = shorter;
    }
    text
}

/// The texts one after the other. A loop of our own, since each type that the standard library's joins costs half a
/// kilobyte.
#[must_use]
pub(crate) fn joined(texts: &[&str]) -> String {
    let mut all = String::new();
    for text in texts {
        all.push_str(text);
    }
    all
}

/// Whether `byte` may stand in a token, such as a method or a header's name: RFC 9110, 5.6.2.
#[must_use]
pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
