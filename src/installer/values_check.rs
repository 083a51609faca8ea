//! Whether a text is a values file that Helm can read, asked of the cluster itself.
//!
//! An API server reads YAML with the reader that Helm has (`sigs.k8s.io/yaml`), so none has to come with the page: the
//! text is sent as if it were a Secret to be made, with `dryRun=All`, and what matters is only whether it could be read.
//! Nothing is kept, and no words are shown in which the server repeats the text.
//! <https://github.com/kubernetes/apiserver/blob/master/pkg/endpoints/handlers/rest.go> (`transformDecodeError`).

use super::{Target, manifests::kinds};
use crate::cluster::{ApiError, Client, Request};

/// What a Secret may hold: <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-limit>.
pub const MOST_BYTES: usize = 1 << 20;

/// Why a text is no values file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// It is no YAML.
    #[error("{}{message}", at_line(*line))]
    Yaml {
        /// The line that the reader names, counted from 1; it may be the one before or after.
        line: Option<u32>,
        /// The reader's words; nothing of the text is in them.
        message: String,
    },
    /// It is YAML, but a list or a single value, and Helm wants names with values.
    #[error("expected names with values, as in \"replicaCount: 1\", got a list or a single value")]
    NotAMapping,
    /// It is longer than a Secret may be.
    #[error("expected at most {MOST_BYTES} bytes, got {got}")]
    Length {
        /// How many there are.
        got: usize,
    },
    /// The cluster did not say; Helm will.
    #[error("the values could not be checked: {0}")]
    NotChecked(ApiError),
}

fn at_line(line: Option<u32>) -> String {
    line.map(|line| ["line ", &line.to_string(), ": "].concat()).unwrap_or_default()
}

/// Asks the cluster whether `text` is a values file.
///
/// # Errors
/// When it isn't, or nobody could say.
pub async fn check(client: &Client, target: &Target, text: &str) -> Result<(), ValuesError> {
    if text.len() > MOST_BYTES {
        return Err(ValuesError::Length { got: text.len() });
    }
    let is_empty = |line: &str| line.is_empty() || line.starts_with('#');
    if text.lines().all(|line| is_empty(line.trim())) {
        return Ok(());
    }
    let path = kinds::SECRET.collection(Some(target.namespace.as_str()));
    match client.open(Request::create_yaml(path, text.to_owned()).dry_run()).await {
        Ok(_) => Ok(()),
        Err(error) => read_answer(error),
    }
}

/// What the server's refusal says of the text.
fn read_answer(error: ApiError) -> Result<(), ValuesError> {
    let message = match &error {
        // Read, and then refused for what it says, or for the namespace, which is still to be made.
        ApiError::NotFound { .. } | ApiError::Conflict { .. } => return Ok(()),
        ApiError::Invalid { message } => message.as_str(),
        _ => return Err(ValuesError::NotChecked(error)),
    };
    // Anything else than these words is about an object that was read.
    let Some((_, why)) = message.split_once(UNRECOGNIZED) else { return Ok(()) };
    let why = why.strip_prefix(CONVERTING).unwrap_or(why);
    if why.starts_with("yaml: ") || why.starts_with("unsupported map key") {
        return Err(no_yaml(why));
    }
    // The first look at any object is for its kind and version; a list has neither.
    if why.starts_with(NO_OBJECT) && why.contains(" into Go value of type struct") {
        return Err(ValuesError::NotAMapping);
    }
    Ok(())
}

/// What the server says of a text of which it can't even tell the kind.
const UNRECOGNIZED: &str = "the object provided is unrecognized (must be of type Secret): ";
/// What one of the reader's two doors puts in front of its words.
const CONVERTING: &str = "error converting YAML to JSON: ";
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/runtime/serializer/json/meta.go>
const NO_OBJECT: &str = "couldn't get version/kind; json parse error: ";

/// The reader's words, without what it repeats of the text, and without the start of the text that the server puts
/// behind them.
fn no_yaml(words: &str) -> ValuesError {
    let words = words.strip_prefix("yaml: ").unwrap_or(words);
    let (line, words) = match words.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((number, rest)) => (number.parse().ok(), rest),
        None => (None, words),
    };
    let words = words.split_once(" (").map_or(words, |(words, _)| words).trim();
    let message = if KNOWN.iter().any(|known| words.starts_with(known)) {
        words
    } else if words.contains("anchor") {
        "an alias whose anchor is not there"
    } else {
        "not readable as YAML"
    };
    ValuesError::Yaml { line, message: message.to_owned() }
}

/// How the sentences of its scanner and parser begin; none of them goes on with a piece of the text, and none has a
/// bracket. <https://github.com/yaml/go-yaml/tree/v2>: `scannerc.go`, `parserc.go`, `readerc.go`.
const KNOWN: [&str; 7] =
    ["did not find", "could not find", "found ", "mapping ", "block ", "control characters", "document contains"];

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(message: &str) -> Result<(), ValuesError> {
        read_answer(ApiError::Invalid { message: message.to_owned() })
    }

    // The messages as API server 1.34 puts them together; their end is the text's own, mostly as hexadecimal digits.
    #[test]
    fn what_is_no_yaml_is_said_with_its_line_and_without_the_text() {
        let error = answer(
            "the object provided is unrecognized (must be of type Secret): yaml: line 2: mapping values are not allowed in this context (70617373776f72643a2068756e7465)",
        )
        .unwrap_err();

        assert_eq!(error.to_string(), "line 2: mapping values are not allowed in this context");
        let braces = answer(
            "the object provided is unrecognized (must be of type Secret): error converting YAML to JSON: yaml: line 1: did not find expected ',' or '}' ({a (hunter2) b)",
        )
        .unwrap_err();
        assert_eq!(braces.to_string(), "line 1: did not find expected ',' or '}'");
        let anchor = answer(
            "the object provided is unrecognized (must be of type Secret): yaml: unknown anchor 'hunter2' referenced (613a)",
        )
        .unwrap_err();
        assert!(!anchor.to_string().contains("hunter2"), "{anchor}");
        let key = answer(
            "the object provided is unrecognized (must be of type Secret): yaml: invalid map key: map[interface {}]interface {}{\"hunter2\":interface {}(nil)} (7b)",
        )
        .unwrap_err();
        assert!(!key.to_string().contains("hunter2"), "{key}");
    }

    #[test]
    fn a_list_is_no_values_file_and_a_mapping_that_is_no_secret_is_one() {
        assert_eq!(
            answer(
                "the object provided is unrecognized (must be of type Secret): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" } (2d2061)"
            ),
            Err(ValuesError::NotAMapping)
        );
        for message in [
            "the object provided is unrecognized (must be of type Secret): couldn't get version/kind; json parse error: json: cannot unmarshal array into Go struct field .kind of type string (6b)",
            "Secret \"\" is invalid: metadata.name: Required value: name or generateName is required",
            "Secret in version \"v1\" cannot be handled as a Secret: json: cannot unmarshal string into Go struct field Secret.data of type map[string][]uint8",
            "Object 'Kind' is missing in '{}'",
        ] {
            assert_eq!(answer(message), Ok(()), "{message}");
        }
    }

    #[test]
    fn who_may_not_ask_and_whoever_is_not_answered_is_told_that_nothing_was_checked() {
        for error in [
            ApiError::Forbidden { message: "no".to_owned() },
            ApiError::Unreachable { reason: "gone".to_owned() },
            ApiError::Other { status: 415, message: "unsupported".to_owned() },
        ] {
            assert_eq!(read_answer(error.clone()), Err(ValuesError::NotChecked(error)));
        }
        assert_eq!(read_answer(ApiError::NotFound { message: "namespaces".to_owned() }), Ok(()));
    }
}
