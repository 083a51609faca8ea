//! Writes JSON values as the YAML that people read: block mappings and lists, quotes where a text needs them.
//!
//! Any YAML reader gets back the value that was written, whatever the texts in it: a text that YAML might read as
//! something else is quoted, as JSON quotes it. <https://yaml.org/spec/1.2.2/#double-quoted-style>

use serde_json::Value;

use crate::cluster::json;

/// `values` as YAML documents, one after the other.
#[must_use]
pub fn documents(values: &[Value]) -> String {
    let mut out = String::new();
    for value in values {
        if !out.is_empty() {
            out.push_str("---\n");
        }
        write_block(&mut out, value, 0);
    }
    out
}

/// A value that begins at the start of a line.
fn write_block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (at, (key, value)) in fields.iter().enumerate() {
                if at > 0 {
                    push_indent(out, indent);
                }
                write_text(out, key);
                out.push(':');
                write_below(out, value, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    push_indent(out, indent);
                }
                out.push_str("- ");
                write_block(out, item, indent + 2);
            }
        }
        _ => {
            write_scalar(out, value);
            out.push('\n');
        }
    }
}

/// A field's value: a scalar beside its key, anything else below it.
fn write_below(out: &mut String, value: &Value, indent: usize) {
    let below = match value {
        Value::Object(fields) if !fields.is_empty() => indent + 2,
        // As kubectl writes them, lists stand under their key and no further in.
        Value::Array(items) if !items.is_empty() => indent,
        _ => {
            out.push(' ');
            write_scalar(out, value);
            out.push('\n');
            return;
        }
    };
    out.push('\n');
    push_indent(out, below);
    write_block(out, value, below);
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// Numbers, booleans, null and what is empty are the same in YAML and in JSON.
fn write_scalar(out: &mut String, value: &Value) {
    match value {
        Value::String(text) => write_text(out, text),
        other => out.push_str(&json::write(other)),
    }
}

/// What YAML 1.1 and 1.2 read as something else than text, small.
const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"];

fn is_plain(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'/';
    text.bytes().next().is_some_and(is_letter)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-:".contains(&byte))
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn write_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    json::put_text(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, json};

    fn read_back(yaml: &str) -> Value {
        serde_yaml_ng::from_str(yaml).unwrap_or_else(|error| panic!("{error} in\n{yaml}"))
    }

    #[test]
    fn an_object_is_written_as_kubectl_writes_it() {
        let object = json!({
            "kind": "Job", "metadata": {"name": "a", "labels": {}, "annotations": {"a/b": "oci://x/y:1.0.0 z"}},
            "spec": {"suspend": true, "limit": 0, "args": ["upgrade", "--version=4.6.0", "no"], "volumes": [{"name": "b", "emptyDir": {}}], "none": null},
        });

        assert_eq!(
            documents(&[object, json!({"a": []})]),
            "kind: Job\nmetadata:\n  name: a\n  labels: {}\n  annotations:\n    a/b: \"oci://x/y:1.0.0 z\"\nspec:\n  suspend: true\n  limit: 0\n  args:\n  - upgrade\n  - \"--version=4.6.0\"\n  - \"no\"\n  volumes:\n  - name: b\n    emptyDir: {}\n  none: null\n---\na: []\n"
        );
    }

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        for text in [
            "",
            " ",
            "true",
            "Yes",
            "NO",
            "null",
            "~",
            "1",
            "1.0",
            "0x10",
            "1e3",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "a:",
            "'a'",
            "\"a\"",
            "\\",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "{a}",
            "[a]",
            "a,b",
            "2026-11-23",
            "a\nb",
            "\u{85}",
            "\u{2028}",
            "\u{feff}a",
            "ä€😀",
            "12:30:45",
            "\t",
            "=",
            "<<",
            "---",
            "...",
        ] {
            let written = documents(&[json!({ "key": text, text: [text] })]);

            assert_eq!(read_back(&written), json!({ "key": text, text: [text] }), "{written}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof![any::<String>(), "\\PC{0,8}", "[ -~\n\t]{0,10}", "[a-z:#, -]{0,6}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec((text.clone(), inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_reads_as_itself(value in values()) {
            let written = documents(std::slice::from_ref(&value));

            prop_assert_eq!(read_back(&written), value, "{}", written);
        }
    }
}
