//! Programs that are installed by Cargo into the cache folder, each version in a folder of its own.
//!
//! Compiled with few optimisations: they run for seconds and are compiled for minutes.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;

use crate::lockfile::pinned_version;
use crate::process;
use crate::project::Project;

/// Trunk: builds, serves and rebuilds the preview.
pub const TRUNK_VERSION: &str = "0.21.14";

/// cargo-deny: licences and sources of dependencies.
const CARGO_DENY_VERSION: &str = "0.20.2";

/// What makes `cargo install` quick, as Cargo's environment variables for the release profile.
const QUICK_RELEASE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

/// One such program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    /// Its crate.
    pub package: &'static str,
    /// Exactly this version.
    pub version: String,
    /// What the crate installs of what we need.
    pub binaries: &'static [&'static str],
    /// More arguments for `cargo install`.
    pub arguments: &'static [&'static str],
}

impl Tool {
    /// Trunk, without the parts that a server on the loopback interface has no use for (TLS, update check).
    #[must_use]
    pub fn trunk() -> Self {
        Self {
            package: "trunk",
            version: TRUNK_VERSION.to_owned(),
            binaries: &["trunk"],
            arguments: &["--locked", "--no-default-features"],
        }
    }

    /// cargo-deny, without TLS: what it checks here needs no network.
    #[must_use]
    pub fn cargo_deny() -> Self {
        Self {
            package: "cargo-deny",
            version: CARGO_DENY_VERSION.to_owned(),
            binaries: &["cargo-deny"],
            arguments: &["--locked", "--no-default-features"],
        }
    }

    /// wasm-bindgen's program and test runner; their version must be that of the library, to the digit.
    ///
    /// Without `--locked`: its lock file pins versions that mirrors of the registry may not have.
    ///
    /// # Errors
    /// Cargo.lock does not say which version that is.
    pub fn wasm_bindgen(project: &Project) -> anyhow::Result<Self> {
        Ok(Self {
            package: "wasm-bindgen-cli",
            version: pinned_version(&project.read("Cargo.lock")?, "wasm-bindgen")?,
            binaries: &["wasm-bindgen", "wasm-bindgen-test-runner"],
            arguments: &["--bin=wasm-bindgen", "--bin=wasm-bindgen-test-runner"],
        })
    }

    /// Folder of this version, below `tools/` in the cache.
    #[must_use]
    pub fn folder(&self, project: &Project) -> PathBuf {
        project.cache.join("tools").join(format!("{}-{}", self.package, self.version))
    }

    /// Installs it where it is not there yet; the folder of its programs, for PATH.
    ///
    /// # Errors
    /// `cargo install` fails, in its own words.
    pub fn ensure(&self, project: &Project) -> anyhow::Result<PathBuf> {
        let folder = self.folder(project);
        let programs = folder.join("bin");
        let is_there = |name: &&str| programs.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)).is_file();
        if self.binaries.iter().all(is_there) {
            return Ok(programs);
        }
        let step = format!("install {}", self.package);
        let started = Instant::now();
        process::show(&step, started, &format!("{} {}, once; a few minutes", self.package, self.version));
        // Beside the tool, so that an interrupted compilation goes on where it was.
        let objects = project.cache.join("tools").join(format!("target-{}-{}", self.package, self.version));
        let mut command = Command::new("cargo");
        command.current_dir(&project.root).args(["install", "--force", self.package, "--version", &self.version]);
        command.args(self.arguments).arg("--root").arg(&folder);
        command.env("CARGO_TARGET_DIR", &objects).envs(QUICK_RELEASE);
        process::run(&step, &mut command)?;
        fs::remove_dir_all(&objects).with_context(|| format!("cannot remove {}", objects.display()))?;
        Ok(programs)
    }
}

/// Installs what building and previewing need: `cargo xtask tools`.
///
/// # Errors
/// The first that cannot be installed.
pub fn install_all(project: &Project) -> anyhow::Result<()> {
    for tool in [Tool::wasm_bindgen(project)?, Tool::trunk()] {
        println!("{}", tool.ensure(project)?.display());
    }
    Ok(())
}

/// PATH with `folders` in front of what it holds.
///
/// # Errors
/// A folder has the separator of PATH in its name.
pub fn path_with(folders: impl IntoIterator<Item = PathBuf>) -> anyhow::Result<std::ffi::OsString> {
    let before = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&before)))
        .context("a folder's name does not fit into PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_a_folder_of_its_own() {
        let project = Project { root: "/src".into(), cache: "/cache".into() };

        assert_eq!(Tool::trunk().folder(&project), PathBuf::from("/cache/tools/trunk-0.21.14"));
    }
}
