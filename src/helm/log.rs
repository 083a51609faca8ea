//! The log of a running Helm as lines of plain text, in bounded memory.
//!
//! Holds at any time: no line has a control character (colours, cursor movements, links and the marks that reorder
//! text are taken out, tabs stay), and at most [`MOST_LINES`] lines of together [`MOST_BYTES`] are kept, the newest.
//! The text doesn't depend on how it was cut into pieces on the way.

use std::collections::VecDeque;

/// How many lines are kept: far more than an operation of Helm prints, and few enough to search at each key stroke.
pub const MOST_LINES: usize = 10_000;
/// How many bytes are kept, so that a chart that prints whole files doesn't fill the tab.
pub const MOST_BYTES: usize = 2 << 20;
/// Where a line is cut: a container's runtime cuts there as well.
/// <https://github.com/kubernetes/cri-api/blob/master/pkg/apis/runtime/v1/api.proto>
const MOST_LINE_BYTES: usize = 16 << 10;

/// The newest lines of a log that grows at its end.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: VecDeque<String>,
    /// Together, without the open one.
    bytes: usize,
    dropped: usize,
    /// The last line while its end hasn't come.
    open: String,
    /// The start of a character whose end hasn't come: up to three bytes.
    rest: Vec<u8>,
    escape: Escape,
    after_return: bool,
}

/// Where in an escape sequence a terminal would be: ECMA-48, chapters 5.3 to 5.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    /// In none.
    #[default]
    None,
    /// After ESC, and what may stand between it and its end.
    Begun,
    /// After ESC `[`: parameters, until a letter or the like.
    Control,
    /// After ESC `]` and its kin: text that no one sees, until BEL or ESC `\`.
    Hidden,
    /// After an ESC in such text.
    HiddenEnd,
}

impl Log {
    /// Appends a piece of the log, cut anywhere, even within a character.
    pub fn push(&mut self, piece: &[u8]) {
        let whole;
        let mut bytes = if self.rest.is_empty() {
            piece
        } else {
            whole = [std::mem::take(&mut self.rest).as_slice(), piece].concat();
            &whole
        };
        loop {
            let error = match std::str::from_utf8(bytes) {
                Ok(text) => return self.push_text(text),
                Err(error) => error,
            };
            let (text, after) = bytes.split_at_checked(error.valid_up_to()).unwrap_or_default();
            self.push_text(&String::from_utf8_lossy(text));
            let Some(bad) = error.error_len() else {
                self.rest = after.to_vec();
                return;
            };
            self.push_text("\u{fffd}");
            bytes = after.get(bad..).unwrap_or_default();
        }
    }

    /// Ends the last line: nothing follows it.
    pub fn finish(&mut self) {
        if !std::mem::take(&mut self.rest).is_empty() {
            self.push_text("\u{fffd}");
        }
        self.escape = Escape::None;
        if !self.open.is_empty() {
            self.end_line();
        }
    }

    /// The lines that are kept, oldest first; the last may still grow.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        let open = Some(self.open.as_str()).filter(|open| !open.is_empty());
        self.lines.iter().map(String::as_str).chain(open)
    }

    /// How many lines [`Log::lines`] gives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len() + usize::from(!self.open.is_empty())
    }

    /// Whether there is no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line at `index`, counted as [`Log::lines`] gives them.
    #[must_use]
    pub fn line(&self, index: usize) -> Option<&str> {
        match self.lines.get(index) {
            Some(line) => Some(line),
            None => (index == self.lines.len() && !self.open.is_empty()).then_some(&self.open),
        }
    }

    /// How many lines came before the first that is kept. A line's index plus this never changes.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// All lines that are kept, each with its end.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.bytes + self.len() + self.open.len());
        for line in self.lines() {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    fn push_text(&mut self, text: &str) {
        for character in text.chars() {
            self.push_char(character);
        }
    }

    fn push_char(&mut self, character: char) {
        let after_return = std::mem::replace(&mut self.after_return, character == '\r');
        // A sequence that never ends must not swallow what follows: at the latest it ends with its line.
        if matches!(character, '\n' | '\r') {
            self.escape = Escape::None;
            if character == '\r' || !after_return {
                self.end_line();
            }
            return;
        }
        self.escape = match (self.escape, character) {
            (Escape::None, '\u{1b}') => Escape::Begun,
            (Escape::None, '\u{9b}') | (Escape::Begun, '[') => Escape::Control,
            (Escape::None, '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}')
            | (Escape::Begun, ']' | 'P' | 'X' | '^' | '_') => Escape::Hidden,
            (Escape::Begun, ' '..='/') => Escape::Begun,
            (Escape::Control, ' '..='?') => Escape::Control,
            (Escape::Hidden, '\u{1b}') => Escape::HiddenEnd,
            (Escape::Hidden, '\u{7}' | '\u{9c}') => Escape::None,
            (Escape::Hidden, _) => Escape::Hidden,
            (Escape::Begun | Escape::Control | Escape::HiddenEnd, _) => Escape::None,
            (Escape::None, _) => {
                if !is_hidden(character) {
                    self.open.push(character);
                    if self.open.len() >= MOST_LINE_BYTES {
                        self.end_line();
                    }
                }
                Escape::None
            }
        };
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.open);
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
    }
}

/// Control characters but the tab, and the marks that make text look other than it is.
/// <https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters>
fn is_hidden(character: char) -> bool {
    (character.is_control() && character != '\t')
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(text: &str) -> Log {
        let mut window = Log::default();
        window.push(text.as_bytes());
        window
    }

    fn lines(window: &Log) -> Vec<&str> {
        window.lines().collect()
    }

    #[test]
    fn colours_links_and_control_characters_are_taken_out() {
        let log = window(
            "\u{1b}[1;31mError:\u{1b}[0m no\tchart\u{7}\u{1b}]8;;http://a\u{1b}\\ here\u{1b}(B\u{202e}\u{9b}2K!\u{1b}]0;title\u{7}",
        );

        assert_eq!(lines(&log), ["Error: no\tchart here!"]);
    }

    #[test]
    fn a_sequence_that_never_ends_takes_no_more_than_its_line() {
        assert_eq!(lines(&window("a\u{1b}]0;b\nc\u{1b}[12\r\nd")), ["a", "c", "d"]);
    }

    #[test]
    fn an_empty_line_is_a_line_and_a_return_ends_one_too() {
        assert_eq!(lines(&window("a\r\n\nb\rc\n")), ["a", "", "b", "c"]);
    }

    #[test]
    fn the_last_line_grows_until_its_end_comes() {
        let mut log = window("a\nb");

        log.push(b"c");
        assert_eq!((lines(&log), log.len(), log.line(1)), (vec!["a", "bc"], 2, Some("bc")));
        log.finish();
        log.push(b"d");
        assert_eq!(log.text(), "a\nbc\nd\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such() {
        let mut log = Log::default();

        log.push(b"a\xffb\xe2\x8e");
        log.push(b"\x88c\xe2");
        log.finish();

        assert_eq!(lines(&log), ["a\u{fffd}b\u{2388}c\u{fffd}"]);
    }

    #[test]
    fn the_newest_lines_are_kept_and_the_others_counted() {
        let mut log = Log::default();
        for number in 0..MOST_LINES + 7 {
            log.push(format!("{number}\n").as_bytes());
        }

        assert_eq!((log.len(), log.dropped(), log.line(0)), (MOST_LINES, 7, Some("7")));
    }

    #[test]
    fn long_lines_are_cut_and_their_bytes_bounded() {
        let mut log = Log::default();
        for _ in 0..MOST_BYTES / MOST_LINE_BYTES + 3 {
            log.push(&vec![b'x'; MOST_LINE_BYTES]);
        }

        assert_eq!(log.text().len() - log.len(), MOST_BYTES);
        assert_eq!(log.dropped(), 3);
    }

    proptest! {
        #[test]
        fn the_text_does_not_depend_on_the_pieces(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"\x1b[]\\m;\r\n\xe2\x8e\x88"[..])], 0..60), cuts in proptest::collection::vec(0_usize..60, 0..6)) {
            let mut whole = Log::default();
            whole.push(&bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut pieces = Log::default();
            for cut in cuts.windows(2) {
                pieces.push(&bytes[cut[0]..cut[1]]);
            }

            whole.finish();
            pieces.finish();
            prop_assert_eq!(lines(&whole), lines(&pieces));
            prop_assert!(whole.lines().all(|line| !line.contains(|character: char| character.is_control() && character != '\t')));
        }
    }
}
