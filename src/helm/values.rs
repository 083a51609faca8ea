//! The values that an installation sends, as the YAML text of the file that Helm reads.
//!
//! They go into a Secret and reach Helm as that file, never on a command line.

/// What Crossview needs to work behind Headlamp: nobody could sign in to it there, and without users it has nothing
/// to keep in a database. Without the first line the chart of Crossview 4 asks for a password, which is `password`.
///
/// An update doesn't send them: `--reset-then-reuse-values` keeps what was set.
pub const INSTALL: &str = "\
# Whoever reaches Crossview sees what its ServiceAccount sees: the whole cluster, Secrets too.
config:
  server:
    auth:
      mode: none
  database:
    enabled: false
# No PostgreSQL beside it: it would keep users and sessions only.
database:
  enabled: false
";

#[cfg(test)]
mod tests {
    use super::*;

    /// The paths of a block of mappings with their scalars, in the order of the text; enough of YAML for our own.
    fn paths(yaml: &str) -> Vec<(String, String)> {
        let mut open: Vec<(usize, String)> = Vec::new();
        let mut paths = Vec::new();
        for line in yaml.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let indent = line.len() - line.trim_start().len();
            let (key, value) = line.trim().split_once(':').unwrap_or_else(|| panic!("no mapping: {line:?}"));
            open.retain(|(outer, _)| *outer < indent);
            open.push((indent, key.to_owned()));
            if !value.is_empty() {
                let path: Vec<&str> = open.iter().map(|(_, key)| key.as_str()).collect();
                paths.push((path.join("."), value.trim().to_owned()));
            }
        }
        paths
    }

    // `mode` is a string to the chart and the others are booleans: "none" is a word in YAML, "false" isn't.
    #[test]
    fn an_install_turns_authentication_and_both_switches_of_the_database_off() {
        let expected =
            [("config.server.auth.mode", "none"), ("config.database.enabled", "false"), ("database.enabled", "false")];

        assert_eq!(paths(INSTALL), expected.map(|(path, value)| (path.to_owned(), value.to_owned())));
    }
}
