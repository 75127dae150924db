//! Which Debian mirror this machine uses, read from its apt sources in either of their two formats.

use std::fs;
use std::path::{Path, PathBuf};

/// A mirror of the main Debian archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    /// The `URI` of the apt source.
    pub(super) uri: String,
    /// The key ring that the machine checks it with; `None` leaves it to apt.
    pub(super) signed_by: Option<String>,
}

impl Mirror {
    /// The mirror as a line of `sources.list` for one suite.
    pub(super) fn line(&self, suite: &str) -> String {
        let options = self.signed_by.as_ref().map(|key_ring| format!("[signed-by={key_ring}] ")).unwrap_or_default();
        format!("deb {options}{} {suite} main\n", self.uri)
    }
}

/// The first mirror of the main Debian archive in the apt folder (`/etc/apt`).
pub(super) fn mirror(apt: &Path) -> Option<Mirror> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.insert(0, apt.join("sources.list"));
    files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "list" => text.lines().find_map(from_line),
            "sources" => stanzas(&text).find_map(|stanza| from_stanza(&stanza)),
            _ => None,
        }
    })
}

fn from_line(line: &str) -> Option<Mirror> {
    let rest = line.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let (uri, rest) = rest.trim_start().split_once(' ')?;
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let (suite, components) = rest.trim_start().split_once(' ')?;
    accept(uri, suite, components, signed_by)
}

/// Paragraphs of a deb822 file, without comments.
fn stanzas(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let paragraphs: Vec<Vec<&str>> = lines.split(|line| line.trim().is_empty()).map(<[&str]>::to_vec).collect();
    paragraphs.into_iter()
}

fn from_stanza(stanza: &[&str]) -> Option<Mirror> {
    let field = |name: &str| {
        stanza.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    };
    let is_enabled = field("Enabled").is_none_or(|value| !value.eq_ignore_ascii_case("no"));
    let has_binaries = field("Types")?.split_whitespace().any(|kind| kind == "deb");
    if !is_enabled || !has_binaries {
        return None;
    }
    // A value on the following lines is a key itself, which apt then needs to find by other means.
    let signed_by = field("Signed-By");
    field("URIs")?.split_whitespace().find_map(|uri| accept(uri, field("Suites")?, field("Components")?, signed_by))
}

fn accept(uri: &str, suites: &str, components: &str, signed_by: Option<&str>) -> Option<Mirror> {
    let is_main_archive = uri.trim_end_matches('/').ends_with("/debian")
        && suites.split_whitespace().any(|suite| !suite.ends_with("-security"))
        && components.split_whitespace().any(|component| component == "main");
    is_main_archive.then(|| Mirror {
        uri: uri.to_owned(),
        signed_by: signed_by.filter(|key_ring| key_ring.starts_with('/')).map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://other.example/node
Suites: nodistro
Components: main

Types: deb
# a comment in the middle
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
";

    fn in_folder(name: &str, text: &str) -> Option<Mirror> {
        let apt = tempfile::tempdir().unwrap();
        let file = apt.path().join(name);
        fs::create_dir_all(apt.path().join("sources.list.d")).unwrap();
        fs::write(file, text).unwrap();
        mirror(apt.path())
    }

    #[test]
    fn a_deb822_file_gives_its_main_archive() {
        let mirror = in_folder("sources.list.d/debian.sources", DEB822).unwrap();
        assert_eq!(
            mirror.line("trixie"),
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie main\n"
        );
    }

    #[test]
    fn a_list_gives_its_main_archive() {
        let text = "# deb http://no.example/debian bookworm main\n\
                    deb http://mirror.example/debian-security bookworm-security main\n\
                    deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib\n";
        let expected = Mirror { uri: "http://mirror.example/debian/".to_owned(), signed_by: Some("/k.gpg".to_owned()) };
        assert_eq!(in_folder("sources.list", text), Some(expected));
        let plain = in_folder("sources.list", "deb http://mirror.example/debian bookworm main\n").unwrap();
        assert_eq!(plain.line("s"), "deb http://mirror.example/debian s main\n");
    }

    #[test]
    fn disabled_and_foreign_sources_are_passed_over() {
        let disabled = DEB822.replace("Types: deb\n#", "Enabled: no\nTypes: deb\n#");
        assert_eq!(in_folder("sources.list.d/debian.sources", &disabled), None);
        assert_eq!(in_folder("sources.list.d/debian.sources.off", DEB822), None);
        assert_eq!(in_folder("sources.list", "deb http://mirror.example/ubuntu noble main\n"), None);
    }
}
