//! What an API server, or the way to it, can answer instead of what was asked for.

use std::time::Duration;

use serde_json::Value;

use super::json;

/// Why a request to the API server did not give what was asked for; a variant per thing that a caller can do about it.
///
/// Status codes as in <https://kubernetes.io/docs/reference/using-api/api-concepts/> and
/// <https://github.com/kubernetes/apimachinery/blob/master/pkg/api/errors/errors.go>.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No answer of an API server: the network, Headlamp's backend or a time-out. It may be there again in a second.
    #[error("the cluster can't be reached: {reason}")]
    Unreachable {
        /// The words of what stood in between.
        reason: String,
    },
    /// 401: the session has ended.
    #[error("the cluster wants you to sign in again: {message}")]
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// 403: the user, or an admission check, may not.
    #[error("{message}")]
    Forbidden {
        /// The server's words; they name user, verb, resource and namespace, or the admission check and its reason.
        message: String,
    },
    /// 404: the object, or the whole kind, is not there.
    #[error("{message}")]
    NotFound {
        /// The server's words.
        message: String,
    },
    /// 409: it exists already, has changed since it was read, or belongs to another field manager.
    #[error("{message}")]
    Conflict {
        /// The server's words.
        message: String,
    },
    /// 410: the resource version is too old to watch from; list again.
    #[error("the resource version is too old")]
    Gone,
    /// 400 or 422: the request itself is at fault.
    #[error("{message}")]
    Invalid {
        /// The server's words; they name the field.
        message: String,
    },
    /// 429 or 503 with a wish when to come back.
    #[error("the cluster is busy: {message}")]
    Busy {
        /// The server's words.
        message: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// An answer that isn't what Kubernetes answers.
    #[error("an answer that can't be read: {reason}")]
    Unreadable {
        /// What was expected and what came.
        reason: String,
    },
    /// Any other status.
    #[error("HTTP {status}: {message}")]
    Other {
        /// The HTTP status.
        status: u16,
        /// The server's words.
        message: String,
    },
}

impl ApiError {
    /// What an answer of `status` with `body` means.
    ///
    /// A 502, 503 or 504 without a Kubernetes `Status` comes from something in front of the API server, and so
    /// does what Headlamp makes of a network failure (502) and of a time-out (408):
    /// `frontend/src/lib/k8s/api/v1/clusterRequests.ts`.
    #[must_use]
    pub fn from_reply(status: u16, body: &str, retry_after: Option<Duration>) -> Self {
        match json::read(body) {
            Some(parsed) => Self::from_answer(status, &parsed, retry_after),
            None => Self::new(status, body.trim().chars().take(MAX_WORDS).collect(), false, retry_after),
        }
    }

    /// The same of an answer that is read already: Kubernetes' `Status`, or whatever came in its place.
    #[must_use]
    pub fn from_answer(status: u16, answer: &Value, retry_after: Option<Duration>) -> Self {
        let message = answer["message"].as_str().unwrap_or_default().to_owned();
        Self::new(status, message, answer["kind"] == "Status", retry_after)
    }

    fn new(status: u16, message: String, is_status: bool, retry_after: Option<Duration>) -> Self {
        match status {
            401 => Self::Unauthorized { message },
            403 => Self::Forbidden { message },
            404 => Self::NotFound { message },
            409 => Self::Conflict { message },
            410 => Self::Gone,
            400 | 422 => Self::Invalid { message },
            429 => Self::Busy { message, retry_after },
            503 if is_status => Self::Busy { message, retry_after },
            0 | 408 | 502..=504 => {
                Self::Unreachable { reason: if message.is_empty() { format!("HTTP {status}") } else { message } }
            }
            _ => Self::Other { status, message },
        }
    }

    /// Whether asking again later, unchanged, may go well.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Busy { .. } | Self::Gone | Self::Other { status: 500.., .. })
    }
}

/// How much of a body that is no `Status` is kept as the reason: a proxy's page of HTML helps nobody.
const MAX_WORDS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    fn status(message: &str) -> String {
        format!(r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}"}}"#)
    }

    #[test]
    fn a_refusal_keeps_the_servers_words() {
        let words = "jobs.batch is forbidden: User \\\"viewer\\\" cannot create resource";

        let error = ApiError::from_reply(403, &status(words), None);

        assert_eq!(error, ApiError::Forbidden { message: words.replace('\\', "") });
    }

    #[test]
    fn a_gateway_that_answers_for_a_dead_server_means_unreachable_but_a_busy_server_is_there() {
        assert!(matches!(ApiError::from_reply(502, "Unreachable", None), ApiError::Unreachable { .. }));
        assert!(matches!(ApiError::from_reply(503, "<html>", None), ApiError::Unreachable { .. }));
        assert!(matches!(ApiError::from_reply(503, &status("starting"), None), ApiError::Busy { .. }));
        assert!(matches!(ApiError::from_reply(408, "", None), ApiError::Unreachable { .. }));
    }
}
