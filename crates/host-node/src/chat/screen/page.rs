//! What is to be printed, and where the cursor stands.

use crate::terminal_text::clean;

/// Something to print. The order of prints is that of the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) enum Print {
    /// Words of the agent: what a pipe should get.
    Answer(String),
    /// Everything else: tools, questions, notices, the prompt.
    Aside(String),
}

/// How a line is set off. Every line reads the same without its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chat) enum Tone {
    /// Not at all.
    Plain,
    /// In the background.
    Dim,
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
    /// Wants an answer.
    Asking,
}

/// What the terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::chat) struct Style {
    /// Whether asides may be coloured.
    pub(in crate::chat) colour: bool,
}

/// Prints that wait to be written, and the state of the last line.
#[derive(Debug, Default)]
pub(super) struct Page {
    style: Style,
    prints: Vec<Print>,
    /// Whether the last line has no end yet, and is of the agent's words.
    open_line: Option<bool>,
    prompt: Option<String>,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self { style, ..Self::default() }
    }

    /// Takes what is to be written.
    pub(super) fn take(&mut self) -> Vec<Print> {
        std::mem::take(&mut self.prints)
    }

    /// Words of the agent, as they come.
    pub(super) fn answer(&mut self, text: &str) {
        let text = clean(text);
        self.stream(true, &text, text.clone());
    }

    /// What the agent thinks aloud, as it comes.
    pub(super) fn thought(&mut self, text: &str) {
        let text = clean(text);
        let painted = self.paint(Tone::Dim, &text);
        self.stream(false, &text, painted);
    }

    /// A line of its own, or several.
    pub(super) fn line(&mut self, tone: Tone, text: &str) {
        self.fresh_line();
        let painted = self.paint(tone, &clean(text));
        self.push(false, painted + "\n");
    }

    /// Ends the last line if it has no end.
    pub(super) fn fresh_line(&mut self) {
        self.leave_prompt();
        if let Some(answer) = self.open_line.take() {
            self.push(answer, "\n".to_owned());
        }
    }

    /// Shows what asks for input. Does nothing if it is there already.
    pub(super) fn prompt(&mut self, text: &str) {
        if self.prompt.as_deref() == Some(text) {
            return;
        }
        self.fresh_line();
        self.push(false, text.to_owned());
        self.prompt = Some(text.to_owned());
    }

    /// The user ended a line of input: the terminal has moved on to the next one.
    pub(super) fn entered(&mut self) {
        self.prompt = None;
        self.open_line = None;
    }

    fn stream(&mut self, answer: bool, text: &str, painted: String) {
        if text.is_empty() {
            return;
        }
        self.leave_prompt();
        if self.open_line.is_some_and(|open| open != answer) {
            self.fresh_line();
        }
        self.push(answer, painted);
        self.open_line = (!text.ends_with('\n')).then_some(answer);
    }

    /// Goes on below the prompt: what was typed after it, and not sent yet, stays to be seen.
    fn leave_prompt(&mut self) {
        if self.prompt.take().is_some() {
            self.push(false, "\n".to_owned());
        }
    }

    fn push(&mut self, answer: bool, text: String) {
        match (self.prints.last_mut(), answer) {
            (Some(Print::Answer(last)), true) | (Some(Print::Aside(last)), false) => last.push_str(&text),
            (_, true) => self.prints.push(Print::Answer(text)),
            (_, false) => self.prints.push(Print::Aside(text)),
        }
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Dim => 2,
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Asking => 36,
        };
        if !self.style.colour || text.is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_run_into_words() {
        let mut page = Page::default();
        page.answer("Hel");
        page.answer("lo");
        page.line(Tone::Good, "tool");
        page.answer("Bye\n");
        page.line(Tone::Plain, "end");
        assert_eq!(
            page.take(),
            [
                Print::Answer("Hello\n".to_owned()),
                Print::Aside("tool\n".to_owned()),
                Print::Answer("Bye\n".to_owned()),
                Print::Aside("end\n".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_typed_is_not_written_over() {
        let mut page = Page::default();
        page.prompt("> ");
        page.prompt("> ");
        page.line(Tone::Plain, "news");
        page.prompt("> ");
        page.entered();
        page.answer("x");
        let expected = Print::Aside("> \nnews\n> ".to_owned());
        assert_eq!(page.take(), [expected, Print::Answer("x".to_owned())]);
    }

    #[test]
    fn only_colour_brings_escapes() {
        let mut page = Page::new(Style { colour: true });
        page.thought("hm\u{1b}[5m");
        assert_eq!(page.take(), [Print::Aside("\u{1b}[2mhm[5m\u{1b}[0m".to_owned())]);
        let mut plain = Page::default();
        plain.thought("hm");
        plain.line(Tone::Bad, "no");
        assert_eq!(plain.take(), [Print::Aside("hm\nno\n".to_owned())]);
    }
}
