//! Whether Crossview asks who comes: its authentication mode, as its chart writes it down.
//!
//! The chart's ConfigMap becomes the environment of Crossview's container:
//! <https://github.com/crossplane-contrib/crossview/blob/main/helm/crossview/templates/configmap.yaml>.

use crate::cluster::Texts;

/// The variable that holds the mode.
const AUTH_MODE: &str = "AUTH_MODE";
/// The mode in which nobody is asked.
const NONE: &str = "none";

/// The authentication mode in the `data` of the ConfigMap `crossview-config`, in small letters: `none`, `session`,
/// `header` or a newer word. `None` where it isn't said: charts before 4.0 have no modes.
#[must_use]
pub fn auth_mode(data: &Texts) -> Option<String> {
    let mode = data.get(AUTH_MODE)?.trim();
    (!mode.is_empty()).then(|| mode.to_ascii_lowercase())
}

/// Whether everyone who reaches Crossview is let in.
#[must_use]
pub fn lets_everyone_in(mode: Option<&str>) -> bool {
    mode == Some(NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(data: &[(&str, &str)]) -> Option<String> {
        auth_mode(&data.iter().map(|(key, value)| (*key, *value)).collect())
    }

    #[test]
    fn the_mode_is_the_charts_word() {
        assert_eq!(mode(&[("PORT", "3001"), ("AUTH_MODE", " None ")]), Some("none".to_owned()));
        assert!(lets_everyone_in(mode(&[("AUTH_MODE", "none")]).as_deref()));
        assert!(!lets_everyone_in(mode(&[("AUTH_MODE", "session")]).as_deref()));
    }

    // Nobody may be warned of, or soothed by, what isn't written.
    #[test]
    fn a_config_map_without_the_mode_says_nothing() {
        assert_eq!(mode(&[]), None);
        assert_eq!(mode(&[("AUTH_MODE", " ")]), None);
        assert!(!lets_everyone_in(None));
    }
}
