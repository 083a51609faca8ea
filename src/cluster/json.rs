//! JSON, as Kubernetes and Helm speak it: texts, whole numbers, lists and objects.
//!
//! Weighed against serde_json's own reader and writer, which bring code and tables for fractions, an error for each
//! way to be wrong, and the operating system's errors: those weigh the page 10 kB more than these. A test holds both
//! to the same.

use serde_json::{Map, Value};

/// How deep lists and objects may stand in each other, as in serde_json: what comes from outside must not exhaust the
/// stack.
const DEEPEST: usize = 127;

/// Reads one JSON text (RFC 8259); `None` where it is none.
///
/// A number with a fraction or an exponent, and one that 64 bits don't hold, reads as null: Kubernetes' API
/// conventions keep them out of what the page looks at.
/// <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#primitive-types>
#[must_use]
pub fn read(text: &str) -> Option<Value> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(DEEPEST)?;
    reader.peek();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    /// The byte here; 0, which no JSON has, at the end.
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The byte behind the blanks.
    fn peek(&mut self) -> u8 {
        while matches!(self.byte(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
        self.byte()
    }

    /// Passes `byte` over, behind the blanks.
    fn takes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == byte;
        self.at += usize::from(is_there);
        is_there
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek() {
            b'{' => self.object(depth.checked_sub(1)?),
            b'[' => self.list(depth.checked_sub(1)?),
            b'"' => self.string().map(Value::String),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        self.at += 1;
        if !self.takes(b'}') {
            loop {
                if self.peek() != b'"' {
                    return None;
                }
                let key = self.string()?;
                if !self.takes(b':') {
                    return None;
                }
                let value = self.value(depth)?;
                fields.insert(key, value);
                if self.takes(b'}') {
                    break;
                }
                if !self.takes(b',') {
                    return None;
                }
            }
        }
        Some(Value::Object(fields))
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        self.at += 1;
        if !self.takes(b']') {
            loop {
                items.push(self.value(depth)?);
                if self.takes(b']') {
                    break;
                }
                if !self.takes(b',') {
                    return None;
                }
            }
        }
        Some(Value::Array(items))
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        let is_there = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        is_there.then_some(value)
    }

    /// Passes digits over; how many there were.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        self.at += usize::from(self.byte() == b'-');
        let leads_with_zero = self.byte() == b'0';
        let digits = self.digits();
        if digits == 0 || (leads_with_zero && digits > 1) {
            return None;
        }
        let whole = self.text.get(start..self.at)?;
        let end = self.at;
        if self.byte() == b'.' {
            self.at += 1;
            if self.digits() == 0 {
                return None;
            }
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), b'+' | b'-'));
            if self.digits() == 0 {
                return None;
            }
        }
        let number = whole.parse::<i64>().ok().map(Value::from).or_else(|| whole.parse::<u64>().ok().map(Value::from));
        Some(number.filter(|_| self.at == end).unwrap_or_default())
    }

    /// The text whose opening quote is here.
    fn string(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            self.at += 1;
            let start = self.at;
            while !matches!(self.byte(), b'"' | b'\\' | ..=0x1f) {
                self.at += 1;
            }
            out.push_str(self.text.get(start..self.at)?);
            let byte = self.byte();
            match byte {
                b'"' => {
                    self.at += 1;
                    return Some(out);
                }
                b'\\' => out.push(self.escaped()?),
                _ => return None,
            }
        }
    }

    /// The character that the backslash here begins; ends on its last byte.
    fn escaped(&mut self) -> Option<char> {
        self.at += 1;
        Some(match self.byte() {
            byte @ (b'"' | b'\\' | b'/') => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.unit()?;
                if !(0xd800..0xdc00).contains(&unit) {
                    return char::from_u32(unit);
                }
                // Half of a pair: the other follows.
                self.at += 1;
                let goes_on = self.text.get(self.at..)?.starts_with("\\u");
                self.at += 1;
                let low = self.unit().filter(|low| goes_on && (0xdc00..0xe000).contains(low))?;
                return char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            }
            _ => return None,
        })
    }

    /// The four digits behind the `u` here; ends on the last.
    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            self.at += 1;
            unit = unit << 4 | char::from(self.byte()).to_digit(16)?;
        }
        Some(unit)
    }
}

/// Writes a value as JSON, in one line.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    put(&mut out, value);
    out
}

fn put(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(holds) => out.push_str(if *holds { "true" } else { "false" }),
        // All numbers that are sent are whole, and so are those that are read.
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => out.push_str(&number.to_string()),
            (None, Some(number)) => out.push_str(&number.to_string()),
            (None, None) => out.push_str("null"),
        },
        Value::String(text) => put_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                put(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                put_text(out, key);
                out.push(':');
                put(out, value);
            }
            out.push('}');
        }
    }
}

/// Writes a text in quotes, so that JSON and YAML read it alike.
/// <https://yaml.org/spec/1.2.2/#double-quoted-style>
pub fn put_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            // What YAML doesn't print, or takes for a line's end.
            '\0'..='\u{1f}' | '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    out.extend(char::from_digit(u32::from(character) >> shift & 0xf, 16));
                }
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// An object of these fields.
pub fn object<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Value {
    let mut object = Map::new();
    for (key, value) in fields {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// What serde_json reads, with null for each number that is none of ours.
    fn reference(text: &str) -> Option<Value> {
        fn whole(value: Value) -> Value {
            match value {
                Value::Number(number) if number.is_f64() => Value::Null,
                Value::Array(items) => items.into_iter().map(whole).collect(),
                Value::Object(fields) => {
                    Value::Object(fields.into_iter().map(|(key, value)| (key, whole(value))).collect())
                }
                other => other,
            }
        }
        serde_json::from_str(text).ok().map(whole)
    }

    #[test]
    fn all_forms_are_read_as_serde_json_reads_them() {
        for text in [
            "null",
            " true ",
            "false",
            "\"\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1.5",
            "1e3",
            "-0.0",
            "1E-7",
            "\"\\u00e9\\n\\/\\\"\\\\\\b\\f\\r\\t\"",
            "\"\\ud83d\\ude00\"",
            "\"é😀\"",
            "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"a\":2}",
            "",
            " ",
            "nul",
            "truefalse",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "1 2",
            "[1,]",
            "[1 2]",
            "[",
            "{\"a\"}",
            "{\"a\":}",
            "{a:1}",
            "{\"a\":1,}",
            "{\"a\":1",
            "\"",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\ud83d\"",
            "\"\\ud83d\\n\"",
            "\"\\ude00\"",
            "\"\n\"",
            "\"\0\"",
            "'a'",
            "\u{feff}1",
            "\0",
            "1\0",
            "NaN",
        ] {
            assert_eq!(read(text), reference(text), "{text:?}");
        }
    }

    #[test]
    fn what_stands_too_deep_is_refused_and_not_followed() {
        for depth in [126, 127, 128, 100_000] {
            let text = ["[".repeat(depth), "]".repeat(depth)].concat();
            assert_eq!(read(&text).is_some(), reference(&text).is_some(), "{depth}");
        }
    }

    #[test]
    fn an_object_is_made_of_its_fields_in_order() {
        let made = object([("b", Value::from(1)), ("a", Value::from("x"))]);

        assert_eq!(write(&made), r#"{"b":1,"a":"x"}"#);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_both(value in any_value()) {
            let text = write(&value);

            prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value.clone()));
            prop_assert_eq!(read(&text), Some(value));
        }

        #[test]
        fn what_serde_json_writes_is_read(value in any_value()) {
            prop_assert_eq!(read(&json!(value).to_string()), Some(value));
        }

        #[test]
        fn any_text_is_read_or_refused_as_by_serde_json(text in r#"[\[\]{}:,"\\0-9a-fA-Fntru.eE+ -]{0,24}"#) {
            // Minus zero is a fraction there, and zero here.
            prop_assume!(!text.contains("-0"));
            prop_assert_eq!(read(&text), reference(&text));
        }
    }
}
