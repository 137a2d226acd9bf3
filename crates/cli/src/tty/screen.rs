//! What a program has left switched on at the terminal that shows it.
//!
//! A program that is killed says no farewell, and its last words stay in force: the alternate screen,
//! reports of the mouse, an invisible cursor. Only what it switched on itself is switched off, since
//! some of these do harm where they are not needed (leaving the alternate screen moves the cursor).
//! Sequences are those of xterm ("XTerm Control Sequences") and of kitty's keyboard protocol.

use std::collections::BTreeMap;

/// Private modes (DECSET) that are put back, each with how it should be.
const MODES: [(u16, bool); 20] = [
    (1, false),  // cursor keys of an application
    (5, false),  // reverse video
    (6, false),  // origin in the scroll region
    (7, true),   // automatic wrap
    (9, false),  // the mouse, in all its ways
    (25, true),  // the cursor
    (47, false), // the alternate screen, in all its ways
    (1000, false),
    (1001, false),
    (1002, false),
    (1003, false),
    (1004, false), // focus
    (1005, false),
    (1006, false),
    (1015, false),
    (1016, false),
    (1047, false),
    (1049, false),
    (2004, false), // bracketed paste
    (2026, false), // synchronized output
];

/// Longer parameters than any sequence that matters has.
const PARAMETERS: usize = 64;

/// Follows what is shown.
#[derive(Debug, Default)]
pub(super) struct Screen {
    state: State,
    parameters: Vec<u8>,
    /// Private modes that are not as they should be.
    modes: BTreeMap<u16, bool>,
    insert: bool,
    region: bool,
    keypad: bool,
    shape: bool,
    /// Sets of keyboard flags on kitty's stack.
    keyboards: u8,
}

/// Where in a sequence the text is (ECMA-48).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After ESC, and bytes in between.
    Escape,
    /// After `ESC [`.
    Control,
    /// In a string, such as a title: after `ESC ]`, `ESC P`, `ESC X`, `ESC ^`, `ESC _`.
    String,
}

impl Screen {
    /// Looks at what is shown next.
    pub(super) fn show(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.byte(*byte);
        }
    }

    fn byte(&mut self, byte: u8) {
        match (self.state, byte) {
            (_, 0x1b) => self.state = State::Escape,
            // CAN and SUB end any sequence.
            (_, 0x18 | 0x1a) => self.state = State::Ground,
            (State::Ground, _) => {}
            (State::String, 0x07) => self.state = State::Ground,
            (State::String, _) => {}
            (State::Escape, b'[') => {
                self.parameters.clear();
                self.state = State::Control;
            }
            (State::Escape, b']' | b'P' | b'X' | b'^' | b'_') => self.state = State::String,
            (State::Escape, 0x20..=0x2f) => {}
            (State::Escape, _) => {
                self.escape(byte);
                self.state = State::Ground;
            }
            (State::Control, 0x20..=0x3f) => {
                if self.parameters.len() < PARAMETERS {
                    self.parameters.push(byte);
                }
            }
            (State::Control, 0x40..=0x7e) => {
                self.control(byte);
                self.state = State::Ground;
            }
            // Other control characters act within a sequence and do not end it.
            (State::Control, _) => {}
        }
    }

    fn escape(&mut self, last: u8) {
        match last {
            b'=' => self.keypad = true,
            b'>' => self.keypad = false,
            b'c' => *self = Self::default(),
            _ => {}
        }
    }

    fn control(&mut self, last: u8) {
        let parameters = std::mem::take(&mut self.parameters);
        match (&parameters[..], last) {
            ([b'?', list @ ..], b'h' | b'l') => self.private(list, last == b'h'),
            (b"4", b'h' | b'l') => self.insert = last == b'h',
            ([], b'r') => self.region = false,
            ([b'0'..=b'9' | b';', ..], b'r') => self.region = true,
            (b" " | b"0 ", b'q') => self.shape = false,
            ([b'0'..=b'9', .., b' '], b'q') => self.shape = true,
            ([b'>', ..], b'u') => self.keyboards = self.keyboards.saturating_add(1),
            ([b'<', count @ ..], b'u') => {
                let count = number(count).map_or(1, |count| count.min(255) as u8);
                self.keyboards = self.keyboards.saturating_sub(count);
            }
            _ => {}
        }
    }

    fn private(&mut self, list: &[u8], on: bool) {
        for mode in list.split(|byte| *byte == b';').filter_map(number) {
            match MODES.iter().find(|(known, _)| *known == mode) {
                Some((_, usual)) if *usual != on => drop(self.modes.insert(mode, on)),
                _ => drop(self.modes.remove(&mode)),
            }
        }
    }

    /// What puts the terminal back: attributes and character set always, which is harmless, and what the
    /// program switched on.
    pub(super) fn reset(&self) -> Vec<u8> {
        let mut text = String::new();
        match self.state {
            State::Ground => {}
            State::String => text += "\x1b\\",
            State::Escape | State::Control => text += "\x18",
        }
        if self.keyboards > 0 {
            text += &format!("\x1b[<{}u", self.keyboards);
        }
        // These two send the cursor to the corner.
        if self.region || self.modes.contains_key(&6) {
            text += "\x1b7\x1b[r\x1b[?6l\x1b8\x1b[?6l";
        }
        for (mode, on) in self.modes.iter().filter(|(mode, _)| **mode != 6) {
            text += &format!("\x1b[?{mode}{}", if *on { 'l' } else { 'h' });
        }
        if self.insert {
            text += "\x1b[4l";
        }
        if self.keypad {
            text += "\x1b>";
        }
        if self.shape {
            text += "\x1b[0 q";
        }
        text += "\x1b[0m\x1b(B\x0f";
        text.into_bytes()
    }
}

fn number(text: &[u8]) -> Option<u16> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Screen;

    const ALWAYS: &str = "\x1b[0m\x1b(B\x0f";

    fn after(text: &str) -> String {
        let mut whole = Screen::default();
        whole.show(text.as_bytes());
        let mut split = Screen::default();
        for byte in text.as_bytes() {
            split.show(&[*byte]);
        }
        assert_eq!(whole.reset(), split.reset());
        let text = String::from_utf8(whole.reset()).expect("text");
        text.strip_suffix(ALWAYS).expect("the end").to_owned()
    }

    #[test]
    fn what_is_switched_on_is_switched_off() {
        assert_eq!(after("\x1b[?1049h"), "\x1b[?1049l");
        assert_eq!(after("\x1b[?25l"), "\x1b[?25h");
        assert_eq!(after("\x1b[?1002;1006h"), "\x1b[?1002l\x1b[?1006l");
        assert_eq!(after("\x1b[4h\x1b="), "\x1b[4l\x1b>");
        assert_eq!(after("\x1b[6 q"), "\x1b[0 q");
        assert_eq!(after("\x1b[>1u\x1b[>5u\x1b[<u"), "\x1b[<1u");
    }

    #[test]
    fn what_is_as_it_was_is_left_alone() {
        for text in [
            "plain text\r\n",
            "\x1b[31mred",
            "\x1b[?1049hscreen\x1b[?1049l",
            "\x1b[?25l\x1b[?25h",
            "\x1b[2;10r\x1b[r",
            "\x1b[?1049h\x1bc",
            "\x1b[?12345h",
            "\x1b[<u",
            "\x1b]0;\x07",
        ] {
            assert_eq!(after(text), "", "{text:?}");
        }
    }

    #[test]
    fn an_unfinished_sequence_is_ended() {
        assert_eq!(after("\x1b[?104"), "\x18");
        assert_eq!(after("\x1b]0;title"), "\x1b\\");
        // What is in a string is not obeyed.
        assert_eq!(after("\x1b]0;[?1049h\x07"), "");
    }

    #[test]
    fn the_cursor_stays_where_it_is() {
        assert_eq!(after("\x1b[2;10r"), "\x1b7\x1b[r\x1b[?6l\x1b8\x1b[?6l");
    }
}
