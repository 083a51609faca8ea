//! What the app lets a browser keep, kept in memory: RFC 9111, as a private cache that is never disconnected.
//!
//! The frame has no cache of its own, since its network is a port. What the pod says is kept; what the frame says never is.
//! It outlives a tunnel, so returning is as fast as it is in a tab, and never outlives the page.

use std::rc::Rc;
use std::time::Duration;

use crate::http::{Headers, date, response::Head};

/// How many bytes are kept, of one answer and of all.
pub const MAX_ENTRY: usize = 8 << 20;
/// See [`MAX_ENTRY`].
pub const MAX_BYTES: usize = 48 << 20;
/// How long an answer is taken for fresh at most where the app says only when its file was changed; browsers guess too.
const MAX_GUESS: u64 = 24 * 3600;

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The words beside its status, which is 200.
    pub reason: String,
    /// Its headers, as the frame gets to see them.
    pub headers: Headers,
    /// Its body.
    pub body: Rc<[u8]>,
    fresh_until: Duration,
    /// It says of itself that it never changes (RFC 8246): a reload need not ask again while it's fresh.
    immutable: bool,
}

/// What a request wants of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Whatever is fresh.
    Any,
    /// Nothing that the app hasn't been asked about (a reload).
    Checked,
    /// Nothing, and nothing of it is to be kept.
    Nothing,
}

/// What is kept of an app; the key is its path and query, and a mark for what is compressed.
#[derive(Debug, Default)]
pub struct Cache {
    /// The longest unused first.
    entries: Vec<(String, Rc<Entry>)>,
    bytes: usize,
}

impl Wish {
    /// Of a GET with these headers.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        let has = |name| headers.get(name).is_some();
        // Who asks for a part, or knows an earlier answer, has a cache of its own.
        if ["range", "if-range", "if-none-match", "if-modified-since"].into_iter().any(has)
            || headers.lists("cache-control", "no-store")
        {
            Self::Nothing
        } else if headers.lists("cache-control", "no-cache")
            || headers.lists("cache-control", "max-age=0")
            || headers.lists("pragma", "no-cache")
        {
            Self::Checked
        } else {
            Self::Any
        }
    }
}

impl Entry {
    /// The answer to a GET as it would be kept at `now`, still without its body; [`None`] if it may not be, or nothing could
    /// ever be gained by it. `headers` are those that the frame gets to see.
    #[must_use]
    pub fn of(head: &Head, headers: &Headers, now: Duration) -> Option<Self> {
        let varies = |field: &str| !["accept-encoding", "origin"].iter().any(|own| own.eq_ignore_ascii_case(field));
        // The encoding is in the key, and no request of ours has an origin.
        if head.status != 200
            || head.headers.lists("cache-control", "no-store")
            || head.headers.any("vary", &mut |field| varies(field))
        {
            return None;
        }
        let lifetime = lifetime(&head.headers);
        let can_be_checked = headers.get("etag").is_some() || headers.get("last-modified").is_some();
        (lifetime > Duration::ZERO || can_be_checked).then(|| Self {
            reason: head.reason.clone(),
            headers: headers.clone(),
            body: Rc::new([]),
            fresh_until: now.saturating_add(lifetime),
            immutable: head.headers.lists("cache-control", "immutable"),
        })
    }

    /// This entry with its body.
    #[must_use]
    pub fn with_body(self, body: Rc<[u8]>) -> Self {
        Self { body, ..self }
    }

    /// Whether it can be given out at `now` without asking the app.
    #[must_use]
    pub fn is_fresh(&self, wish: Wish, now: Duration) -> bool {
        now < self.fresh_until && (wish == Wish::Any || self.immutable && wish == Wish::Checked)
    }

    /// The headers that ask the app whether it is still true.
    pub fn conditions(&self) -> impl Iterator<Item = (String, String)> {
        [("if-none-match", "etag"), ("if-modified-since", "last-modified")]
            .into_iter()
            .filter_map(|(condition, field)| Some((condition.to_owned(), self.headers.get(field)?.to_owned())))
    }

    /// This entry as the app confirms it with a 304 at `now`: RFC 9111, 3.2 and 4.3.4.
    #[must_use]
    pub fn confirmed(&self, answer: &Headers, passed_on: &Headers, now: Duration) -> Self {
        let changed = |name: &str| passed_on.get(name).is_some() && name != "content-length";
        let mut fields: Vec<_> = self.headers.as_slice().iter().filter(|(name, _)| !changed(name)).cloned().collect();
        fields.extend(passed_on.as_slice().iter().filter(|(name, _)| changed(name)).cloned());
        let headers = Headers::from(fields);
        // What the app doesn't repeat still holds.
        let all = [answer.as_slice(), headers.as_slice()].concat();
        let immutable = headers.lists("cache-control", "immutable");
        Self { fresh_until: now.saturating_add(lifetime(&all.into())), headers, immutable, ..self.clone() }
    }

    fn bytes(&self, key: &str) -> usize {
        let fields = self.headers.as_slice().iter().map(|(name, value)| name.len() + value.len());
        self.body.len() + key.len() + fields.sum::<usize>()
    }
}

impl Cache {
    /// What is kept for `key`, fresh or not.
    pub fn get(&mut self, key: &str) -> Option<Rc<Entry>> {
        let at = self.entries.iter().position(|(own, _)| own == key)?;
        let used = self.entries.remove(at);
        let entry = used.1.clone();
        self.entries.push(used);
        Some(entry)
    }

    /// Keeps an answer; what was unused for longest goes when it is too much.
    pub fn put(&mut self, key: String, entry: Rc<Entry>) {
        self.remove(&key);
        let bytes = entry.bytes(&key);
        if bytes > MAX_ENTRY {
            return;
        }
        while self.bytes + bytes > MAX_BYTES && !self.entries.is_empty() {
            let (key, entry) = self.entries.remove(0);
            self.bytes -= entry.bytes(&key);
        }
        self.bytes += bytes;
        self.entries.push((key, entry));
    }

    /// Forgets what is kept for `key`.
    pub fn remove(&mut self, key: &str) {
        if let Some(at) = self.entries.iter().position(|(own, _)| own == key) {
            let (key, entry) = self.entries.remove(at);
            self.bytes -= entry.bytes(&key);
        }
    }

    /// How many bytes are kept.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How much longer an answer may be taken for true: RFC 9111, 4.2.
fn lifetime(headers: &Headers) -> Duration {
    if headers.lists("cache-control", "no-cache") {
        return Duration::ZERO;
    }
    let seconds = |name: &str| headers.get(name).and_then(date::parse);
    let mut max_age = None;
    headers.any("cache-control", &mut |directive| {
        if let Some((name, value)) = directive.split_once('=')
            && name.eq_ignore_ascii_case("max-age")
        {
            max_age = Some(value.trim_matches('"').parse::<u32>().map_or(0, u64::from));
        }
        max_age.is_some()
    });
    let lifetime = match (max_age, headers.get("expires"), seconds("date"), seconds("last-modified")) {
        (Some(max_age), ..) => max_age,
        (None, Some(_), Some(date), _) => seconds("expires").unwrap_or(0).saturating_sub(date),
        // RFC 9111, 4.2.2: a tenth of its age, as browsers do.
        (None, None, Some(date), Some(changed)) => (date.saturating_sub(changed) / 10).min(MAX_GUESS),
        _ => 0,
    };
    let age = headers.get("age").and_then(|age| age.parse::<u32>().ok()).map_or(0, u64::from);
    Duration::from_secs(lifetime.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

    fn headers(fields: &[(&str, &str)]) -> Headers {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into()
    }

    fn entry(fields: &[(&str, &str)]) -> Option<Entry> {
        let headers = headers(fields);
        Entry::of(&Head { status: 200, reason: "OK".to_owned(), headers: headers.clone() }, &headers, Duration::ZERO)
    }

    /// For how many seconds an answer with these headers is given out without asking.
    fn fresh_for(fields: &[(&str, &str)]) -> Option<u64> {
        entry(fields).map(|entry| entry.fresh_until.as_secs())
    }

    #[test]
    fn the_apps_own_headers_say_how_long_an_answer_is_kept() {
        let etag = ("etag", "\"1\"");
        assert_eq!(fresh_for(&[]), None);
        assert_eq!(fresh_for(&[etag]), Some(0));
        assert_eq!(fresh_for(&[("cache-control", "public, max-age=31536000, immutable")]), Some(31_536_000));
        assert_eq!(fresh_for(&[("cache-control", "Max-Age=60"), ("age", "20")]), Some(40));
        assert_eq!(fresh_for(&[("cache-control", "max-age=60"), ("age", "70"), etag]), Some(0));
        assert_eq!(fresh_for(&[("cache-control", "max-age=60, no-store")]), None);
        assert_eq!(fresh_for(&[("cache-control", "max-age=60, no-cache"), etag]), Some(0));
        assert_eq!(fresh_for(&[("cache-control", "max-age=nonsense"), etag]), Some(0));
        assert_eq!(fresh_for(&[("cache-control", "max-age=-1"), etag]), Some(0));
        assert_eq!(fresh_for(&[DATE, ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")]), Some(60));
        assert_eq!(fresh_for(&[DATE, ("expires", "0"), etag]), Some(0));
        assert_eq!(fresh_for(&[DATE, ("last-modified", "Sun, 06 Nov 1994 08:32:57 GMT")]), Some(100));
        assert_eq!(fresh_for(&[DATE, ("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")]), Some(24 * 3600));
        assert_eq!(fresh_for(&[("last-modified", "Thu, 01 Jan 1970 00:00:00 GMT")]), Some(0));
        assert_eq!(fresh_for(&[("cache-control", "max-age=60"), ("vary", "Origin, accept-encoding")]), Some(60));
        assert_eq!(fresh_for(&[("cache-control", "max-age=60"), ("vary", "Accept")]), None);
        assert_eq!(fresh_for(&[("cache-control", "max-age=60"), ("vary", "*")]), None);
    }

    #[test]
    fn only_a_200_is_kept() {
        for status in [201, 204, 206, 301, 404, 500] {
            let headers = headers(&[("cache-control", "max-age=60")]);
            let head = Head { status, reason: String::new(), headers: headers.clone() };
            assert_eq!(Entry::of(&head, &headers, Duration::ZERO), None, "{status}");
        }
    }

    #[test]
    fn a_reload_asks_again_but_for_what_never_changes() {
        let second = Duration::from_secs(1);
        let plain = entry(&[("cache-control", "max-age=60")]).unwrap();
        let immutable = entry(&[("cache-control", "max-age=60, immutable")]).unwrap();

        assert!(plain.is_fresh(Wish::Any, second) && !plain.is_fresh(Wish::Checked, second));
        assert!(immutable.is_fresh(Wish::Checked, second) && !immutable.is_fresh(Wish::Nothing, second));
        assert!(!immutable.is_fresh(Wish::Any, 60 * second));
    }

    #[test]
    fn a_wish_is_read_from_the_request() {
        assert_eq!(Wish::of(&headers(&[("accept", "*/*")])), Wish::Any);
        assert_eq!(Wish::of(&headers(&[("cache-control", "no-cache")])), Wish::Checked);
        assert_eq!(Wish::of(&headers(&[("cache-control", "max-age=0")])), Wish::Checked);
        assert_eq!(Wish::of(&headers(&[("pragma", "no-cache")])), Wish::Checked);
        for own in ["range", "if-range", "if-none-match", "if-modified-since"] {
            assert_eq!(Wish::of(&headers(&[(own, "x")])), Wish::Nothing);
        }
        assert_eq!(Wish::of(&headers(&[("cache-control", "no-store")])), Wish::Nothing);
    }

    #[test]
    fn a_confirmed_answer_is_fresh_again_with_what_it_had() {
        let old = entry(&[("etag", "\"1\""), ("cache-control", "max-age=60"), ("content-length", "5")]).unwrap();
        let told = headers(&[("etag", "\"1\""), ("date", "x"), ("content-length", "0")]);

        let new = old.confirmed(&told, &told, Duration::from_secs(100));

        assert_eq!(new.fresh_until, Duration::from_secs(160));
        assert_eq!(new.headers.get("content-length"), Some("5"));
        assert_eq!(new.headers.get("date"), Some("x"));
        let conditions = entry(&[("etag", "W/\"1\""), ("last-modified", "x")]).unwrap();
        let conditions: Vec<_> = conditions.conditions().map(|(name, value)| [name, value].join(": ")).collect();
        assert_eq!(conditions, ["if-none-match: W/\"1\"", "if-modified-since: x"]);
    }

    std::thread_local! {
        static BODIES: [Rc<[u8]>; 3] = [100, 3 << 20, MAX_ENTRY].map(|size| vec![0; size].into());
    }

    proptest! {
        #[test]
        fn it_never_keeps_more_than_it_may(sizes in proptest::collection::vec((0..20_u8, 0..3_usize), 1..60)) {
            let mut cache = Cache::default();
            let bodies = BODIES.with(Clone::clone);
            let plain = entry(&[("cache-control", "max-age=60")]).unwrap();
            for (name, size) in sizes {
                let body = bodies[size].clone();
                let size = body.len();
                let entry = Entry { body, ..plain.clone() };
                cache.put(name.to_string(), Rc::new(entry));

                prop_assert_eq!(cache.get(&name.to_string()).is_some(), size < MAX_ENTRY);
                prop_assert!(cache.bytes() <= MAX_BYTES);
                let sum: usize = cache.entries.iter().map(|(key, entry)| entry.bytes(key)).sum();
                prop_assert_eq!(cache.bytes(), sum);
            }
        }
    }
}
