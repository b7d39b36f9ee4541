use anstyle::{AnsiColor, Style as Ansi};

/// How a text is written for a screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Nothing but ASCII, for consoles and locales that have no more.
    pub ascii: bool,
    /// With ANSI colours. The caller asks the terminal, `NO_COLOR` and `TERM`.
    pub color: bool,
    /// Columns; text is wrapped to it.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { ascii: false, color: false, width: 100 }
    }
}

/// The sign in front of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Yes,
    No,
    Back,
    Unsure,
    Known,
    Plain,
}

impl Mark {
    const fn sign(self) -> &'static str {
        match self {
            Self::Yes => "✓",
            Self::No => "✗",
            Self::Back => "↩",
            Self::Unsure => "!",
            Self::Known => "·",
            Self::Plain => " ",
        }
    }

    const fn ansi(self) -> Ansi {
        match self {
            Self::Yes => AnsiColor::Green.on_default(),
            Self::No => AnsiColor::Red.on_default().bold(),
            Self::Back | Self::Unsure => AnsiColor::Yellow.on_default().bold(),
            Self::Known | Self::Plain => Ansi::new(),
        }
    }
}

impl Style {
    /// The sign of a mark, coloured when asked for.
    #[must_use]
    pub fn mark(self, mark: Mark) -> String {
        self.paint(mark.ansi(), mark.sign())
    }

    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint(Ansi::new().bold(), text)
    }

    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.paint(Ansi::new().dimmed(), text)
    }

    fn paint(self, ansi: Ansi, text: &str) -> String {
        let text = self.plain(text);
        if self.color && !text.trim().is_empty() { format!("{ansi}{text}{ansi:#}") } else { text }
    }

    /// Text of others (log lines, names, messages) made safe for a terminal: no control characters, and ASCII if asked.
    #[must_use]
    pub fn plain(self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' | '\t' => out.push(' '),
                c if c.is_control() => out.push(if self.ascii { '?' } else { '\u{fffd}' }),
                c if self.ascii && !c.is_ascii() => out.push_str(ascii(c)),
                // Bidirectional overrides can make a line read as something else (CVE-2021-42574).
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
        out
    }

    /// The text in at most `room` columns; what does not fit goes by whole words, and `…` says so.
    #[must_use]
    pub fn cut(self, text: &str, room: usize) -> String {
        const LONG_WORD: usize = 15;
        let text = self.plain(text);
        if text.chars().count() <= room {
            return text;
        }
        let sign = self.plain("…");
        let kept: String = text.chars().take(room.saturating_sub(sign.chars().count())).collect();
        // A word that was cut in the middle goes as well, unless it is a path, whose beginning says something.
        let whole = text.chars().nth(kept.chars().count()).is_none_or(|next| next == ' ');
        let kept = match kept.rsplit_once(' ') {
            Some((before, word)) if !whole && word.chars().count() <= LONG_WORD => before,
            _ => kept.as_str(),
        };
        format!("{}{sign}", kept.trim_end_matches([' ', ',', ':', ';']))
    }

    /// A marked paragraph: sign, a space, and the text wrapped with an indent of two.
    #[must_use]
    pub fn paragraph(self, mark: Mark, text: &str) -> String {
        let lines = self.wrap(text, self.width.saturating_sub(2));
        let sign = self.mark(mark);
        let mut out = String::new();
        for (index, line) in lines.iter().enumerate() {
            out.push_str(if index == 0 { &sign } else { " " });
            out.push(' ');
            out.push_str(line);
            out.push('\n');
        }
        out
    }

    /// The text in lines of at most `width` characters; a longer word (a path) keeps its line to itself.
    #[must_use]
    pub fn wrap(self, text: &str, width: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in self.plain(text).split(' ').filter(|word| !word.is_empty()) {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            lines.push(line);
        }
        // A no-break space keeps a number and its unit on one line; a screen, and who copies from it, wants plain ones.
        lines.into_iter().map(|line| line.replace('\u{a0}', " ")).collect()
    }
}

fn ascii(c: char) -> &'static str {
    match c {
        '✓' => "+",
        '✗' => "x",
        '↩' => "<",
        '→' => "->",
        '·' => "-",
        '…' => "...",
        '–' | '—' => "-",
        '×' => "x",
        '’' => "'",
        '“' | '”' => "\"",
        // Wrapping still has to see it; it becomes a space afterwards.
        '\u{a0}' => "\u{a0}",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_drive_the_terminal() {
        let style = Style { color: true, ..Style::default() };
        let shown = style.paragraph(Mark::Yes, "bad \u{1b}[2J\u{7}line\r\u{202e}x");
        assert_eq!(shown.matches('\u{1b}').count(), 2, "only our own colour: {shown:?}");
        assert!(!shown.contains('\u{7}') && !shown.contains('\r') && !shown.contains('\u{202e}'));
    }

    #[test]
    fn ascii_is_ascii() {
        let style = Style { ascii: true, ..Style::default() };
        let shown = style.paragraph(Mark::Back, "a → b … “c” · 8.1\u{a0}s ü");
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(shown, "< a -> b ... \"c\" - 8.1 s ?\n");
    }

    #[test]
    fn what_is_cut_ends_with_a_whole_word() {
        let style = Style::default();
        let text = "soaking: every gate goes on being asked";
        assert_eq!(style.cut(text, 39), text);
        assert_eq!(style.cut(text, 34), "soaking: every gate goes on being…");
        assert_eq!(style.cut(text, 33), "soaking: every gate goes on…");
        assert_eq!(style.cut(text, 9), "soaking…");
        assert_eq!(style.cut("/a/very/long/path", 8), "/a/very…");
        assert_eq!(style.cut("in /usr/local/bin/.k3s.belay-1", 25), "in /usr/local/bin/.k3s.b…");
        assert_eq!(Style { ascii: true, ..style }.cut(text, 33), "soaking: every gate goes on...");
    }

    #[test]
    fn wrapping_keeps_units_together_and_long_words_whole() {
        let style = Style { width: 20, ..Style::default() };
        assert_eq!(style.wrap("a gap of at most 8.1\u{a0}s", 20), ["a gap of at most", "8.1 s"]);
        assert_eq!(style.wrap("see /a/very/long/path/indeed now", 10), ["see", "/a/very/long/path/indeed", "now"]);
    }
}
