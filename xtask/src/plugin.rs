//! The plugin: built, measured, packed, and put into this user's Headlamp.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::npm;
use crate::process;
use crate::project::Project;

/// Folder of the TypeScript part, whose `dist` is the plugin's content.
pub const SHIM: &str = "plugin-shim";

/// Where a manager of plugins would put ours; Headlamp takes any name.
const INSTALLED_NAME: &str = "crossview-headlamp";

/// One file of the plugin, as it is and as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    /// Name in `dist`.
    pub name: String,
    /// Bytes on disk.
    pub raw: u64,
    /// Bytes of its brotli form at the highest quality: of the sidecar that is served, or computed where there is none.
    pub brotli: u64,
}

/// Builds the plugin and shows its sizes: `cargo xtask build`.
///
/// # Errors
/// A prerequisite is missing, or a step fails in its own words.
pub fn build(project: &Project) -> anyhow::Result<()> {
    build_quietly(project)?;
    println!("{:<48} {:>10} {:>10}", "plugin-shim/dist", "bytes", "brotli");
    for size in sizes(project)? {
        println!("{:<48} {:>10} {:>10}", size.name, size.raw, size.brotli);
    }
    Ok(())
}

/// Builds the plugin: `npm run build`, which makes the WebAssembly first.
///
/// # Errors
/// As [`build`].
pub fn build_quietly(project: &Project) -> anyhow::Result<()> {
    npm::install(project)?;
    process::run("build", &mut npm::script(project, SHIM, "build"))?;
    Ok(())
}

/// Builds and packs the plugin: `cargo xtask package`.
///
/// # Errors
/// As [`build`].
pub fn package(project: &Project) -> anyhow::Result<()> {
    build_quietly(project)?;
    process::run("package", &mut npm::script(project, SHIM, "package"))?;
    Ok(())
}

/// Builds the plugin and puts it into this user's Headlamp plugin folder, in place of an older one:
/// `cargo xtask install`.
///
/// # Errors
/// As [`build`]; or the folder cannot be written.
pub fn install(project: &Project) -> anyhow::Result<()> {
    build(project)?;
    let plugins = plugin_folder(std::env::consts::OS, |name| std::env::var_os(name))
        .context("expected a home folder in the environment, got none")?;
    let shim = project.root.join(SHIM);
    let installed = place(&shim.join("dist"), &shim.join("package.json"), &plugins.join(INSTALLED_NAME))?;
    println!("installed into {}; Headlamp reads it when it starts", installed.display());
    Ok(())
}

/// Headlamp's folder for a user's plugins.
///
/// The rule is that of Headlamp's desktop app: <https://headlamp.dev/docs/latest/development/plugins/publishing/>.
fn plugin_folder(os: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(match os {
        "windows" => folder("APPDATA")?.join("Headlamp").join("Config").join("plugins"),
        "macos" => folder("HOME")?.join("Library").join("Application Support").join("Headlamp").join("plugins"),
        _ => {
            let config = folder("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
            config.or_else(|| folder("HOME").map(|home| home.join(".config")))?.join("Headlamp").join("plugins")
        }
    })
}

/// Makes `target` a plugin of `dist` and `package`; what was there is replaced as a whole.
///
/// The new folder is complete before the old one moves away, and the old one comes back if the last step fails.
/// Both rest beside the plugins folder, not in it: Headlamp would load them.
fn place(dist: &Path, package: &Path, target: &Path) -> anyhow::Result<PathBuf> {
    ensure!(dist.join("main.js").is_file(), "expected {} to hold main.js, got none", dist.display());
    let plugins = target.parent().context("a plugin folder is below another")?;
    let beside = plugins.parent().context("a folder of plugins is below another")?;
    fs::create_dir_all(plugins).with_context(|| format!("cannot create {}", plugins.display()))?;
    let (new, old) = (beside.join(".crossview-headlamp.new"), beside.join(".crossview-headlamp.old"));
    for leftover in [&new, &old] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).with_context(|| format!("cannot remove {}", leftover.display()))?;
        }
    }
    copy_folder(dist, &new)?;
    fs::copy(package, new.join("package.json")).with_context(|| format!("cannot copy {}", package.display()))?;
    if target.exists() {
        fs::rename(target, &old).with_context(|| format!("cannot move {} away", target.display()))?;
    }
    if let Err(error) = fs::rename(&new, target) {
        if old.exists() {
            fs::rename(&old, target).with_context(|| format!("cannot bring back {}", target.display()))?;
        }
        return Err(error).with_context(|| format!("cannot write {}", target.display()));
    }
    if old.exists() {
        fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(target.to_owned())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}

/// The sizes of the plugin's files, by name, without the .br sidecars themselves.
///
/// # Errors
/// There is no plugin, or Node.js cannot compress it.
pub fn sizes(project: &Project) -> anyhow::Result<Vec<Size>> {
    // Node.js brings brotli; a crate for it would double the time until this program runs.
    const SCRIPT: &str = r"
const { readdirSync, readFileSync, existsSync } = require('node:fs');
const { join, relative } = require('node:path');
const { brotliCompressSync, constants } = require('node:zlib');
const [dist] = process.argv.slice(1);
const files = readdirSync(dist, { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && !entry.name.endsWith('.br'))
  .map(entry => join(entry.parentPath ?? entry.path, entry.name));
const sizes = files.sort().map(file => {
  const bytes = readFileSync(file);
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  const brotli = existsSync(file + '.br') ? readFileSync(file + '.br') : brotliCompressSync(bytes, { params });
  return { name: relative(dist, file), raw: bytes.length, brotli: brotli.length };
});
console.log(JSON.stringify(sizes));
";
    let dist = project.root.join(SHIM).join("dist");
    if !dist.is_dir() {
        bail!("expected the built plugin in {}, got none; cargo xtask build makes it", dist.display());
    }
    let answer = process::ask(Command::new("node").args(["-e", SCRIPT, "--"]).arg(&dist))
        .with_context(|| format!("node cannot measure {}", dist.display()))?;
    parse_sizes(&answer).with_context(|| format!("expected sizes from node, got {answer:?}"))
}

fn parse_sizes(json: &str) -> Option<Vec<Size>> {
    let list: Value = serde_json::from_str(json).ok()?;
    let size = |value: &Value| {
        Some(Size {
            name: value["name"].as_str()?.to_owned(),
            raw: value["raw"].as_u64()?,
            brotli: value["brotli"].as_u64()?,
        })
    };
    list.as_array()?.iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(os: &str, variables: &[(&str, &str)]) -> Option<PathBuf> {
        plugin_folder(os, |name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_plugin_folder_is_that_of_headlamp_on_each_system() {
        let home = ("HOME", "/home/ann");

        assert_eq!(folder("linux", &[home]), Some("/home/ann/.config/Headlamp/plugins".into()));
        assert_eq!(folder("linux", &[home, ("XDG_CONFIG_HOME", "/cfg")]), Some("/cfg/Headlamp/plugins".into()));
        assert_eq!(folder("linux", &[home, ("XDG_CONFIG_HOME", "")]), folder("linux", &[home]));
        assert_eq!(
            folder("macos", &[("HOME", "/Users/ann")]),
            Some("/Users/ann/Library/Application Support/Headlamp/plugins".into())
        );
        assert_eq!(folder("windows", &[("APPDATA", "/roaming")]), Some("/roaming/Headlamp/Config/plugins".into()));
        assert_eq!(folder("windows", &[home]), None);
    }

    #[test]
    fn an_installed_plugin_is_replaced_as_a_whole() {
        let scratch = std::env::temp_dir().join(format!("crossview-place-{}", std::process::id()));
        let (dist, target) = (scratch.join("dist"), scratch.join("Headlamp/plugins/crossview-headlamp"));
        fs::create_dir_all(dist.join("locales/de")).unwrap();
        fs::write(dist.join("main.js"), "new").unwrap();
        fs::write(dist.join("locales/de/translation.json"), "{}").unwrap();
        fs::write(scratch.join("package.json"), "{}").unwrap();
        fs::create_dir_all(&target).unwrap();
        fs::write(target.join("stale.wasm"), "old").unwrap();

        place(&dist, &scratch.join("package.json"), &target).unwrap();

        assert_eq!(fs::read_to_string(target.join("main.js")).unwrap(), "new");
        assert!(target.join("locales/de/translation.json").is_file() && target.join("package.json").is_file());
        assert!(!target.join("stale.wasm").exists());
        let others = fs::read_dir(scratch.join("Headlamp")).unwrap().count();
        assert_eq!(others, 1, "nothing is left beside the folder of plugins");
        fs::remove_dir_all(&scratch).unwrap();
    }

    #[test]
    fn a_folder_without_main_js_is_not_installed() {
        let scratch = std::env::temp_dir().join(format!("crossview-no-main-{}", std::process::id()));
        fs::create_dir_all(&scratch).unwrap();

        let error = place(&scratch, &scratch.join("package.json"), &scratch.join("a/b/c")).unwrap_err().to_string();

        assert!(error.contains("main.js"), "{error}");
        fs::remove_dir_all(&scratch).unwrap();
    }

    #[test]
    fn sizes_are_read_from_what_node_prints() {
        let json = r#"[{"name":"main.js","raw":3000,"brotli":900}]"#;

        assert_eq!(parse_sizes(json), Some(vec![Size { name: "main.js".to_owned(), raw: 3000, brotli: 900 }]));
        assert_eq!(parse_sizes("[{}]"), None);
    }
}
