//! Where things are: the checkout, and the cache folder for what is compiled or downloaded once.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use sha2::{Digest as _, Sha256};

/// The checkout and its cache folder; both absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Folder of the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Kept between runs and checkouts; whatever is below it can be made again.
    pub cache: PathBuf,
}

impl Project {
    /// The checkout that this program was built from, and the cache folder of this user.
    ///
    /// # Errors
    /// The checkout is gone, or the environment names no folder for caches.
    pub fn find() -> anyhow::Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("expected xtask below the checkout, got a root folder")?;
        ensure!(root.join("Cargo.toml").is_file(), "expected a Cargo.toml in {}, got none", root.display());
        let cache = cache_folder(std::env::consts::OS, |name| std::env::var_os(name))
            .context("expected HOME (or XDG_CACHE_HOME, or CROSSVIEW_CACHE) in the environment, got none")?;
        Ok(Self { root: root.to_owned(), cache })
    }

    /// The text of a file of the checkout.
    ///
    /// # Errors
    /// Names the file that cannot be read.
    pub fn read(&self, path: &str) -> anyhow::Result<String> {
        let file = self.root.join(path);
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// Where the WebAssembly and its glue are put for the plugin's build: `target/wasm`.
    #[must_use]
    pub fn wasm_folder(&self) -> PathBuf {
        self.root.join("target").join("wasm")
    }
}

/// The cache folder: `CROSSVIEW_CACHE`, else `crossview-headlamp` in the system's folder for caches of a user
/// (XDG base directories; `%LOCALAPPDATA%` on Windows). The scripts below tests/cluster follow the same rule.
fn cache_folder(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(folder) = absolute("CROSSVIEW_CACHE") {
        return Some(folder);
    }
    let caches = absolute("XDG_CACHE_HOME").or_else(|| match os {
        "windows" => absolute("LOCALAPPDATA"),
        _ => absolute("HOME").map(|home| home.join(".cache")),
    })?;
    Some(caches.join("crossview-headlamp"))
}

/// A short name for exactly these bytes: the first 16 hex digits of the SHA-256 over each part's length and bytes.
///
/// The order counts, and where one part ends and the next begins.
#[must_use]
pub fn cache_key(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex(&hash.finalize()[..8])
}

/// Lower-case hexadecimal digits, two a byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(os: &str, variables: &[(&str, &str)]) -> Option<PathBuf> {
        cache_folder(os, |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_cache_is_where_the_system_keeps_caches() {
        let home = ("HOME", "/home/ann");

        assert_eq!(folder("linux", &[home]), Some("/home/ann/.cache/crossview-headlamp".into()));
        assert_eq!(folder("macos", &[home]), Some("/home/ann/.cache/crossview-headlamp".into()));
        assert_eq!(
            folder("linux", &[home, ("XDG_CACHE_HOME", "/var/tmp")]),
            Some("/var/tmp/crossview-headlamp".into())
        );
        assert_eq!(folder("linux", &[home, ("CROSSVIEW_CACHE", "/ci/cache")]), Some("/ci/cache".into()));
    }

    // The XDG specification calls a relative path invalid, to be ignored.
    #[test]
    fn a_relative_folder_is_ignored() {
        assert_eq!(
            folder("linux", &[("XDG_CACHE_HOME", "cache"), ("HOME", "/root")]),
            folder("linux", &[("HOME", "/root")])
        );
        assert_eq!(folder("linux", &[]), None);
    }

    #[test]
    fn a_key_changes_with_every_part_and_with_its_borders() {
        let key = cache_key(&[b"ab", b"c"]);

        assert_eq!(key.len(), 16);
        assert_eq!(key, cache_key(&[b"ab", b"c"]));
        assert_ne!(key, cache_key(&[b"a", b"bc"]));
        assert_ne!(key, cache_key(&[b"c", b"ab"]));
        assert_ne!(key, cache_key(&[b"abc"]));
    }

    #[test]
    fn hex_keeps_leading_zeros() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }
}
