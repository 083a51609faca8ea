//! What the preview lends to the page beside the way to the cluster: settings, kept in this browser.

use crossview_headlamp::host::{Forward, Surroundings};
use futures::future::LocalBoxFuture;

/// The surroundings of the page in the preview.
pub struct Settings {
    /// The cluster's name, for people; settings are kept for it.
    pub cluster: &'static str,
    /// Settings that are there until the user sets them: name and value.
    pub preset: Vec<(&'static str, String)>,
}

impl Settings {
    fn key(&self, key: &str) -> String {
        format!("preview/{}/{key}", self.cluster)
    }
}

fn storage() -> Option<web_sys::Storage> {
    web_sys::window()?.local_storage().ok()?
}

impl Surroundings for Settings {
    fn cluster(&self) -> String {
        self.cluster.to_owned()
    }

    fn load(&self, key: &str) -> String {
        let saved = storage().and_then(|storage| storage.get_item(&self.key(key)).ok()?);
        let preset = || self.preset.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone());
        saved.or_else(preset).unwrap_or_default()
    }

    fn save(&self, key: &str, value: &str) {
        if let Some(storage) = storage() {
            // A browser that refuses forgets the setting with the page, no more.
            let _ = storage.set_item(&self.key(key), value);
        }
    }

    fn can_forward(&self) -> bool {
        false
    }

    fn forward(&self, _: String, _: String, _: u16) -> LocalBoxFuture<'static, Result<Forward, String>> {
        Box::pin(async { Err("the preview has no port-forward; Headlamp's desktop app has".to_owned()) })
    }

    fn stop_forward(&self, _: String) {}
}
