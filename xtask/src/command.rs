//! What can be asked of `cargo xtask`, read from its arguments.

use std::ffi::OsString;

use anyhow::bail;
use lexopt::ValueExt as _;

/// Printed by `cargo xtask help`, and when no command is given.
pub const HELP: &str = "\
Usage: cargo xtask <command>

  preview [--port=N]     set up this machine and serve the page on a simulated cluster (127.0.0.1:8080)
    --cluster            on the cluster of the current kubeconfig instead, through kubectl proxy
    --context=NAME       that context of the kubeconfig (implies --cluster)
    --kubeconfig=FILE    that kubeconfig (implies --cluster)
  build                  build the plugin into plugin-shim/dist and show its sizes
  install                build, and put the plugin into this user's Headlamp plugin folder
  package                build, and pack the plugin as a tar.gz for a release
  test [--only=GROUP]    run every test; GROUP is native, component, cluster or browser, and may be repeated
    --long               many more cases for properties, many more rounds for leaks
  lint                   formats, lints and documentation of Rust, TypeScript and shell
  bench                  one JSON line for each figure that has a budget
  cluster up|down        start or end the real cluster that the tests use
  wasm                   build the WebAssembly and its glue into target/wasm (npm run build calls this)
  tools                  install the pinned trunk and wasm-bindgen into the cache folder, no more
";

/// One command line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `preview`: serve the page.
    Preview(PreviewOptions),
    /// `wasm`: the WebAssembly and its glue.
    Wasm,
    /// `build`: the plugin.
    Build,
    /// `install`: the plugin, into Headlamp's folder of this user.
    Install,
    /// `package`: the plugin, as an archive.
    Package,
    /// `test`: the tests.
    Test(TestOptions),
    /// `lint`: what can be judged without running the product.
    Lint,
    /// `bench`: sizes and times.
    Bench,
    /// `cluster`: the cluster of the tests.
    Cluster(ClusterCommand),
    /// `tools`: what Cargo does not install by itself.
    Tools,
    /// `help`, `--help`, or nothing at all.
    Help,
}

/// Options of `preview`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewOptions {
    /// Port on 127.0.0.1 that the browser opens.
    pub port: u16,
    /// `None`: the simulated cluster.
    pub cluster: Option<ClusterChoice>,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        Self { port: 8080, cluster: None }
    }
}

/// Which real cluster the preview talks to; kubectl's own rules choose what is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterChoice {
    /// A context of the kubeconfig.
    pub context: Option<String>,
    /// A kubeconfig file.
    pub kubeconfig: Option<OsString>,
}

/// `cluster up` or `cluster down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterCommand {
    /// Start it, and print where its description is.
    Up,
    /// End it.
    Down,
}

/// Options of `test`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TestOptions {
    /// The groups asked for; none means all.
    pub only: Vec<Group>,
    /// Many more cases and rounds.
    pub long: bool,
}

impl TestOptions {
    /// Whether `group` is to run.
    #[must_use]
    pub fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }
}

/// What tests need, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Rust alone.
    Native,
    /// A browser without a cluster, and the TypeScript parts by themselves.
    Component,
    /// A real cluster without a browser.
    Cluster,
    /// A browser, the built plugin and a real cluster.
    Browser,
}

impl Group {
    /// The group's name on the command line and in the summary.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Component => "component",
            Self::Cluster => "cluster",
            Self::Browser => "browser",
        }
    }

    fn parse(name: &str) -> anyhow::Result<Self> {
        [Self::Native, Self::Component, Self::Cluster, Self::Browser]
            .into_iter()
            .find(|group| group.as_str() == name)
            .ok_or_else(|| anyhow::anyhow!("expected native, component, cluster or browser after --only, got {name:?}"))
    }
}

impl Command {
    /// Reads a command line, without the program's name.
    ///
    /// # Errors
    /// Names the argument that is not understood.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        use lexopt::Arg::{Long, Short, Value};

        let mut parser = lexopt::Parser::from_args(arguments);
        let mut command = match parser.next()? {
            None | Some(Short('h') | Long("help")) => return Ok(Self::Help),
            Some(Value(name)) => match name.string()?.as_str() {
                "preview" => Self::Preview(PreviewOptions::default()),
                "wasm" => Self::Wasm,
                "build" => Self::Build,
                "install" => Self::Install,
                "package" => Self::Package,
                "test" => Self::Test(TestOptions::default()),
                "lint" => Self::Lint,
                "bench" => Self::Bench,
                "tools" => Self::Tools,
                "help" => return Ok(Self::Help),
                "cluster" => Self::Cluster(match parser.value().ok().and_then(|word| word.string().ok()).as_deref() {
                    Some("up") => ClusterCommand::Up,
                    Some("down") => ClusterCommand::Down,
                    other => bail!("expected up or down after cluster, got {:?}", other.unwrap_or_default()),
                }),
                other => bail!("expected a command, got {other:?}\n\n{HELP}"),
            },
            Some(other) => return Err(other.unexpected().into()),
        };
        while let Some(argument) = parser.next()? {
            match (&mut command, argument) {
                (_, Short('h') | Long("help")) => return Ok(Self::Help),
                (Self::Preview(options), Long("port")) => options.port = parser.value()?.parse()?,
                (Self::Preview(options), Long("cluster")) => {
                    options.cluster.get_or_insert_default();
                }
                (Self::Preview(options), Long("context")) => {
                    options.cluster.get_or_insert_default().context = Some(parser.value()?.string()?);
                }
                (Self::Preview(options), Long("kubeconfig")) => {
                    options.cluster.get_or_insert_default().kubeconfig = Some(parser.value()?);
                }
                (Self::Test(options), Long("only")) => options.only.push(Group::parse(&parser.value()?.string()?)?),
                (Self::Test(options), Long("long")) => options.long = true,
                (_, other) => return Err(other.unexpected().into()),
            }
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Command> {
        Command::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_context_alone_means_a_real_cluster() {
        let command = parse("preview --context kind-dev --port=9000").unwrap();

        let cluster = ClusterChoice { context: Some("kind-dev".to_owned()), kubeconfig: None };
        assert_eq!(command, Command::Preview(PreviewOptions { port: 9000, cluster: Some(cluster) }));
    }

    #[test]
    fn groups_add_up_and_none_means_all() {
        let Command::Test(two) = parse("test --only native --only=browser --long").unwrap() else { panic!("no test") };
        let Command::Test(all) = parse("test").unwrap() else { panic!("no test") };

        assert!(two.long && two.wants(Group::Native) && two.wants(Group::Browser));
        assert!(!two.wants(Group::Cluster) && !two.wants(Group::Component));
        assert!(all.wants(Group::Cluster) && !all.long);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (line, word) in [
            ("tset", "tset"),
            ("test --only nativ", "nativ"),
            ("test --cluster", "cluster"),
            ("cluster", "up or down"),
            ("cluster sideways", "sideways"),
            ("preview --port=http", "http"),
            ("lint everything", "everything"),
        ] {
            let message = parse(line).unwrap_err().to_string();

            assert!(message.contains(word), "{line}: {message}");
        }
    }

    #[test]
    fn the_help_names_every_command() {
        for name in ["preview", "wasm", "build", "install", "package", "test", "lint", "bench", "cluster", "tools"] {
            assert!(HELP.contains(&format!("\n  {name} ")), "{name}");
        }
    }
}
