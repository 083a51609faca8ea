//! Values files: as much of YAML as people write in one. Mappings and sequences in blocks and in braces, plain and
//! quoted scalars.
//!
//! What is outside that (anchors, block scalars) is kept as text, so that it is never refused; a real Helm would read
//! it. What is refused is refused in Helm's words.

use serde_json::{Value, json};

use super::store::{at, set};

/// How deep collections may lie in one another; a bound for us, far above any values file.
const DEEPEST: usize = 100;

struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

/// Reads a values file.
///
/// # Errors
/// Helm's words for what it can't read, after `failed to parse NAME: `.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        return mapping(value);
    }
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let content = without_comment(line.get(indent..).unwrap_or_default()).trim_end();
        if content.starts_with('\t') {
            return unreadable(&position(index), "found character that cannot start any token");
        }
        if !content.is_empty() && content != "---" {
            lines.push(Line { number: index + 1, indent, text: content });
        }
    }
    let mut rest = lines.as_slice();
    let value =
        if lines.is_empty() { json!({}) } else { block(&mut rest, lines.first().map_or(0, |line| line.indent), 0)? };
    match rest.first() {
        Some(line) => unreadable(&position(line.number - 1), "did not find expected key"),
        None => mapping(value),
    }
}

/// The first line of a text has no number in the words of Helm's YAML reader.
fn position(index: usize) -> String {
    if index == 0 { String::new() } else { format!("line {}: ", index + 1) }
}

fn unreadable<T>(position: &str, why: &str) -> Result<T, String> {
    Err(format!("cannot unmarshal yaml document: error converting YAML to JSON: yaml: {position}{why}"))
}

fn mapping(value: Value) -> Result<Value, String> {
    let got = match &value {
        Value::Object(_) => return Ok(value),
        Value::Null => return Ok(json!({})),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
    };
    Err(format!(
        "cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {got} into Go value of type map[string]interface {{}}"
    ))
}

fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (index, c) in line.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '#' && before.is_whitespace() => return line.get(..index).unwrap_or_default(),
            _ => {}
        }
        before = c;
    }
    line
}

/// The key of `key: value`, and the value.
fn entry(text: &str) -> Option<(String, &str)> {
    let end = text.find(": ").or_else(|| text.strip_suffix(':').map(str::len))?;
    let (key, value) = text.split_at_checked(end)?;
    let key = key.trim().trim_matches(['"', '\'']);
    Some((key.to_owned(), value.get(1..).unwrap_or_default().trim()))
}

fn block(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return unreadable("", "exceeded max depth of 10000");
    }
    let mut result = Value::Null;
    while let Some((line, after)) = rest.split_first() {
        if line.indent < indent {
            break;
        }
        if line.indent > indent {
            return unreadable(&position(line.number - 1), "mapping values are not allowed in this context");
        }
        if let Some(item) = line.text.strip_prefix("- ").or_else(|| (line.text == "-").then_some("")) {
            if !result.is_array() {
                result = json!([]);
            }
            let inner = indent + line.text.len() - item.trim_start().len();
            let value = if item.trim().is_empty() {
                *rest = after;
                nested(rest, indent, depth)?
            } else if entry(item).is_some() {
                // A mapping that begins beside its dash.
                let mut own = vec![Line { number: line.number, indent: inner, text: item.trim() }];
                let taken = after.iter().take_while(|line| line.indent > indent).count();
                own.extend(after.iter().take(taken).map(|line| Line {
                    number: line.number,
                    indent: line.indent,
                    text: line.text,
                }));
                *rest = after.get(taken..).unwrap_or_default();
                block(&mut own.as_slice(), inner, depth + 1)?
            } else {
                *rest = after;
                scalar(item.trim())
            };
            if let Some(items) = result.as_array_mut() {
                items.push(value);
            }
        } else if let Some((key, value)) = entry(line.text) {
            if result.is_array() {
                break;
            }
            *rest = after;
            let is_plain = !value.starts_with(['"', '\'', '{', '[', '|', '>', '&', '*', '!']);
            if is_plain && (value.contains(": ") || value.ends_with(':')) {
                return unreadable(&position(line.number - 1), "mapping values are not allowed in this context");
            }
            let value = if value.is_empty() { nested(rest, indent, depth)? } else { scalar(value) };
            if !result.is_object() {
                result = json!({});
            }
            if let Some(members) = result.as_object_mut() {
                members.insert(key, value);
            }
        } else {
            *rest = after;
            if result.is_null() {
                result = scalar(line.text);
            } else {
                return unreadable(&position(line.number), "could not find expected ':'");
            }
        }
    }
    Ok(result)
}

/// What stands below a key without a value.
fn nested(rest: &mut &[Line<'_>], indent: usize, depth: usize) -> Result<Value, String> {
    match rest.first() {
        Some(line) if line.indent > indent || (line.indent == indent && line.text.starts_with('-')) => {
            block(rest, line.indent, depth + 1)
        }
        _ => Ok(Value::Null),
    }
}

fn scalar(text: &str) -> Value {
    if let Some(quoted) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return json!(quoted.replace("''", "'"));
    }
    match text {
        "~" | "null" => Value::Null,
        "true" | "True" => json!(true),
        "false" | "False" => json!(false),
        _ if text.starts_with(['{', '[']) => {
            let mut rest = text;
            flow(&mut rest, 0).filter(|_| rest.trim().is_empty()).unwrap_or_else(|| json!(text))
        }
        _ => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

/// A collection in braces or brackets, or a scalar within one; `None` where it isn't closed.
fn flow(rest: &mut &str, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    *rest = rest.trim_start();
    let is_map = rest.starts_with('{');
    if !is_map && !rest.starts_with('[') {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''));
        let end = match quote {
            Some(quote) => rest.get(1..)?.find(quote)? + 2,
            None => rest.find([',', ']', '}'])?,
        };
        let (text, after) = rest.split_at_checked(end)?;
        *rest = after;
        return Some(scalar(text.trim()));
    }
    let close = if is_map { '}' } else { ']' };
    let mut result = if is_map { json!({}) } else { json!([]) };
    *rest = rest.get(1..)?.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix(close) {
            *rest = after;
            return Some(result);
        }
        if is_map {
            let (name, after) = rest.split_once(':')?;
            *rest = after;
            let value = flow(rest, depth + 1)?;
            result.as_object_mut()?.insert(name.trim().trim_matches(['"', '\'']).to_owned(), value);
        } else {
            let value = flow(rest, depth + 1)?;
            result.as_array_mut()?.push(value);
        }
        *rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => *rest = after.trim_start(),
            None if rest.starts_with(close) => {}
            None => return None,
        }
    }
}

/// Puts `over` over `base`, mapping by mapping; null takes a value away.
pub(super) fn merge(base: &mut Value, over: &Value) {
    let Some(members) = over.as_object() else { return };
    for (name, value) in members {
        if value.is_object() && base.get(name).is_some_and(Value::is_object) {
            merge(at(base, name), value);
        } else {
            set(base, name, value.clone());
        }
    }
}

/// One `--set a.b=c`; as text only with `--set-string`.
pub(super) fn assign(values: &mut Value, assignment: &str, as_text: bool) {
    for part in assignment.split(',') {
        let Some((path, value)) = part.split_once('=') else { continue };
        let value = if as_text { json!(value) } else { scalar(value) };
        let mut place = values as &mut Value;
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_some() {
                place = at(place, name);
            } else if !place.is_object() {
                break;
            } else if let Some(members) = place.as_object_mut() {
                members.insert(name.to_owned(), value.clone());
            }
        }
    }
}
