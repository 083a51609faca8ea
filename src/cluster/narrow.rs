//! Reads the few fields of Kubernetes' objects that somebody wants, and nothing else.
//!
//! Total: what is missing, or not of the expected type, reads as the type's default, since a server may leave any
//! field out and an older or newer one may write it otherwise. So no answer of a cluster can break the page.
//!
//! Weighed against serde's derive (1,330 kB of code before, 1,180 kB after, for the same forty structs): a derived
//! visitor carries an error path for each field, which nobody here would read.

use serde_json::Value;

use super::Timestamp;

/// Something that can be read out of JSON.
pub trait Narrow: Sized {
    /// Reads it; the default where `value` is something else.
    fn read(value: &Value) -> Self;
}

impl Narrow for String {
    fn read(value: &Value) -> Self {
        value.as_str().unwrap_or_default().to_owned()
    }
}

impl Narrow for bool {
    fn read(value: &Value) -> Self {
        value.as_bool().unwrap_or_default()
    }
}

impl Narrow for i64 {
    fn read(value: &Value) -> Self {
        value.as_i64().unwrap_or_default()
    }
}

impl Narrow for i32 {
    fn read(value: &Value) -> Self {
        i64::read(value).try_into().unwrap_or_default()
    }
}

impl Narrow for u16 {
    fn read(value: &Value) -> Self {
        i64::read(value).try_into().unwrap_or_default()
    }
}

impl Narrow for Option<Timestamp> {
    fn read(value: &Value) -> Self {
        Timestamp::parse_rfc3339(value.as_str()?)
    }
}

impl Narrow for Option<String> {
    fn read(value: &Value) -> Self {
        value.as_str().map(str::to_owned)
    }
}

impl<T: Narrow> Narrow for Vec<T> {
    fn read(value: &Value) -> Self {
        let mut all = Self::new();
        for item in value.as_array().map_or(&[][..], Vec::as_slice) {
            all.push(T::read(item));
        }
        all
    }
}

impl Narrow for Value {
    fn read(value: &Value) -> Self {
        value.clone()
    }
}

/// Texts by key, in the order of their keys: labels, annotations, selectors.
///
/// A list and not a map: there are ten of them at most, and a map of its own costs the page 5 kB.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(Vec<(String, String)>);

impl Texts {
    /// The text of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, text)| text.as_str())
    }

    /// All keys with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }
}

impl Narrow for Texts {
    fn read(value: &Value) -> Self {
        let texts = value.as_object().into_iter().flatten();
        Self(texts.filter_map(|(key, text)| Some((key.clone(), text.as_str()?.to_owned()))).collect())
    }
}

impl<K: Into<String>, T: Into<String>> FromIterator<(K, T)> for Texts {
    fn from_iter<I: IntoIterator<Item = (K, T)>>(texts: I) -> Self {
        Self(texts.into_iter().map(|(key, text)| (key.into(), text.into())).collect())
    }
}

/// Declares structs that are [`Narrow`]: each field with the key that it is read from.
macro_rules! narrow {
    ($($(#[$meta:meta])* $vis:vis struct $name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty = $key:literal),+ $(,)?
    })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)+
        }

        impl $crate::cluster::Narrow for $name {
            fn read(value: &serde_json::Value) -> Self {
                Self { $($field: $crate::cluster::Narrow::read(&value[$key]),)+ }
            }
        }

        impl $crate::cluster::Narrow for Option<$name> {
            fn read(value: &serde_json::Value) -> Self {
                value.is_object().then(|| $crate::cluster::Narrow::read(value))
            }
        }
    )+};
}
pub(crate) use narrow;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    narrow! {
        /// A fruit.
        struct Fruit {
            /// Its name.
            name: String = "name",
            /// How many seeds.
            seeds: i32 = "seeds",
            /// What it is like.
            labels: Texts = "labels",
        }
    }

    #[test]
    fn what_is_missing_or_of_another_type_reads_as_nothing() {
        for value in [
            json!(null),
            json!([]),
            json!("x"),
            json!({"name": 7, "seeds": "many", "labels": ["a"]}),
            json!({"seeds": 1e30}),
        ] {
            assert_eq!(Fruit::read(&value), Fruit::default(), "{value}");
        }
    }

    #[test]
    fn each_field_is_read_from_its_key_and_the_rest_is_left_alone() {
        let fruit = Fruit::read(&json!({"name": "fig", "seeds": 9, "labels": {"a": "b", "c": 1}, "colour": "green"}));

        assert_eq!(
            (fruit.name.as_str(), fruit.seeds, fruit.labels.get("a"), fruit.labels.get("c")),
            ("fig", 9, Some("b"), None)
        );
    }
}
