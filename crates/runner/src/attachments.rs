//! What goes with a prompt, for the agent: in the prompt where the agent takes it, else as a file of the workspace.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portway_protocol::runner::PromptAttachment;
use serde_json::{Value, json};

use crate::acp::PromptCapabilities;
use crate::workspace::Workspace;

/// Where files go, below the workspace.
const FOLDER: &str = ".portway/attachments";

/// Longest text that is put into a prompt; more is only named, and agents read what they need of it.
const MAX_EMBEDDED: usize = 64 * 1024;

/// Longest name of a file, in bytes.
const MAX_FILE_NAME: usize = 100;

/// The content blocks of a prompt: its text, what goes with it, and in words what was saved or is missing.
pub(crate) fn blocks(
    workspace: &Workspace,
    takes: PromptCapabilities,
    message_id: &str,
    content: String,
    attachments: Vec<PromptAttachment>,
) -> Vec<Value> {
    let mut given = Vec::new();
    let mut notes = Vec::new();
    for (number, attachment) in (1..).zip(attachments) {
        let block = match block(takes, &attachment) {
            Some(block) => Ok(block),
            None => saved(workspace, takes, &file_name(message_id, number, &attachment), &attachment),
        };
        match block {
            Ok(block) => given.push(block),
            Err(note) => notes.push(note),
        }
    }
    let text = [content].into_iter().filter(|content| !content.trim().is_empty()).chain(notes);
    let text = text.collect::<Vec<_>>().join("\n\n");
    let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
    text.into_iter().chain(given).collect()
}

/// Something that the agent takes as it is.
fn block(takes: PromptCapabilities, attachment: &PromptAttachment) -> Option<Value> {
    let kind = match attachment.mime.split('/').next() {
        Some("image") if takes.image => "image",
        Some("audio") if takes.audio => "audio",
        _ => return None,
    };
    Some(json!({"type": kind, "mimeType": attachment.mime, "data": encoded(attachment)?}))
}

/// Saves something, and embeds it if it is text that the agent takes; else tells in words where it is.
fn saved(
    workspace: &Workspace,
    takes: PromptCapabilities,
    name: &str,
    attachment: &PromptAttachment,
) -> Result<Value, String> {
    let what = in_words(attachment);
    let content = encoded(attachment).and_then(|data| STANDARD.decode(data).ok());
    let content = content.ok_or_else(|| format!("{what} was attached as well, but its content is not available."))?;
    let path = save(workspace, name, &content).map_err(|error| {
        tracing::warn!(error, "an attachment cannot be saved");
        format!("{what} was attached as well, but it cannot be saved: {error}.")
    })?;
    let is_text = attachment.mime.starts_with("text/") || attachment.mime == "application/json";
    match String::from_utf8(content) {
        Ok(text) if takes.embedded_context && is_text && text.len() <= MAX_EMBEDDED => {
            let uri = format!("file://{}", path.display());
            Ok(json!({"type": "resource", "resource": {"uri": uri, "mimeType": attachment.mime, "text": text}}))
        }
        _ => Err(format!("{what} was attached. It is saved as {}", path.display())),
    }
}

fn save(workspace: &Workspace, name: &str, content: &[u8]) -> Result<PathBuf, String> {
    let folder = Path::new(FOLDER);
    let ignored = folder.with_file_name(".gitignore");
    // The agent's changes are its own, without these.
    let written = workspace.write(&ignored, "*\n").and_then(|()| workspace.write_bytes(&folder.join(name), content));
    written.map_err(|error| error.to_string())
}

fn encoded(attachment: &PromptAttachment) -> Option<&str> {
    attachment.url.as_deref()?.split_once(";base64,").map(|(_, data)| data)
}

fn in_words(attachment: &PromptAttachment) -> String {
    let name = attachment.filename.as_deref().map_or_else(String::new, |name| format!("\u{201c}{name}\u{201d}, "));
    format!("A file ({name}{}, {} bytes)", attachment.mime, attachment.size)
}

/// A name that is no path, hides nothing and is different for each attachment of a session.
fn file_name(message_id: &str, number: u32, attachment: &PromptAttachment) -> String {
    let harmless = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let plain: String = attachment.filename.as_deref().unwrap_or_default().chars().map(harmless).collect();
    // The end tells what kind of file it is.
    let begin = plain.ceil_char_boundary(plain.len().saturating_sub(MAX_FILE_NAME));
    let name = match plain[begin..].trim_matches('.') {
        "" => attachment.mime.rsplit('/').next().map_or_else(String::new, |kind| format!("file.{kind}")),
        name => name.to_owned(),
    };
    let message: String = message_id.chars().map(harmless).collect();
    format!("{message}/{number}-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: PromptCapabilities = PromptCapabilities { image: true, audio: true, embedded_context: true };

    fn attachment(mime: &str, filename: Option<&str>, content: &str) -> PromptAttachment {
        let url = Some(format!("data:{mime};base64,{}", STANDARD.encode(content)));
        PromptAttachment {
            mime: mime.to_owned(),
            filename: filename.map(str::to_owned),
            size: content.len() as u64,
            url,
        }
    }

    struct Fixture {
        folder: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap() }
        }

        fn blocks(&self, takes: PromptCapabilities, text: &str, attachments: Vec<PromptAttachment>) -> Vec<Value> {
            blocks(&Workspace::new(self.folder.path()), takes, "m", text.to_owned(), attachments)
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.folder.path().join(FOLDER).join(name)).unwrap()
        }
    }

    #[test]
    fn agents_are_given_what_they_take() {
        let fixture = Fixture::new();
        let attachments = vec![attachment("image/png", None, "abc"), attachment("audio/webm", None, "de")];
        let blocks = fixture.blocks(EVERYTHING, "Look", attachments);
        let expected = [
            json!({"type": "text", "text": "Look"}),
            json!({"type": "image", "mimeType": "image/png", "data": "YWJj"}),
            json!({"type": "audio", "mimeType": "audio/webm", "data": "ZGU="}),
        ];
        assert_eq!(blocks, expected);
        assert_eq!(std::fs::read_dir(fixture.folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_prompt_may_be_a_picture_alone() {
        let blocks = Fixture::new().blocks(EVERYTHING, " ", vec![attachment("image/png", None, "abc")]);
        assert!(blocks.len() == 1 && blocks[0]["type"] == "image", "{blocks:?}");
    }

    #[test]
    fn what_they_do_not_take_is_saved_and_named() {
        let fixture = Fixture::new();
        let attachments = vec![attachment("image/png", Some("a b.png"), "abc"), attachment("text/plain", None, "de")];
        let blocks = fixture.blocks(PromptCapabilities::default(), "Look", attachments);
        assert_eq!(blocks.len(), 1);
        let text = blocks[0]["text"].as_str().unwrap();
        assert!(text.starts_with("Look\n\n") && text.contains("\u{201c}a b.png\u{201d}, image/png, 3 bytes"), "{text}");
        assert!(text.contains("m/1-a_b.png") && text.contains("m/2-file.plain"), "{text}");
        assert_eq!((fixture.read("m/1-a_b.png"), fixture.read("m/2-file.plain")), ("abc".into(), "de".into()));
        assert_eq!(fixture.read("../.gitignore"), "*\n");
    }

    #[test]
    fn text_is_embedded_unless_it_is_long() {
        let fixture = Fixture::new();
        let long = "x".repeat(MAX_EMBEDDED + 1);
        let attachments = vec![attachment("text/x-rust", Some("a.rs"), "fn"), attachment("text/plain", None, &long)];
        let blocks = fixture.blocks(EVERYTHING, "", attachments);
        assert_eq!(blocks.len(), 2);
        assert!(blocks[0]["text"].as_str().unwrap().contains("m/2-file.plain"));
        let resource = &blocks[1]["resource"];
        assert_eq!((resource["text"].as_str(), resource["mimeType"].as_str()), (Some("fn"), Some("text/x-rust")));
        assert!(resource["uri"].as_str().unwrap().ends_with("/.portway/attachments/m/1-a.rs"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let lost = PromptAttachment { url: None, ..attachment("image/png", Some("a.png"), "abc") };
        let blocks = Fixture::new().blocks(EVERYTHING, "Look", vec![lost]);
        assert!(blocks.len() == 1 && blocks[0]["text"].as_str().unwrap().contains("not available"), "{blocks:?}");
    }

    #[test]
    fn names_are_no_paths() {
        let name = |filename: &str| file_name("m", 1, &attachment("image/png", Some(filename), ""));
        assert_eq!(name("../../etc/passwd"), "m/1-_.._etc_passwd");
        assert_eq!(name(".."), "m/1-file.png");
        assert_eq!(name(".bashrc"), "m/1-bashrc");
        let long = name(&format!("{}\u{e4}.png", "\u{e4}".repeat(200)));
        assert!(long.len() <= MAX_FILE_NAME + 4 && long.ends_with(".png"), "{long}");
        assert_eq!(file_name("../m", 2, &attachment("image/png", None, "")), ".._m/2-file.png");
    }
}
