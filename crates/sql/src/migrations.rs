//! The schema as a list of numbered files, and the decision which of them a database still needs.
//!
//! A released file never changes: databases that ran it would differ from those that run it later. Each runner keeps
//! a ledger of what it applied ([`AppliedMigration`]) and asks [`plan()`] before it touches anything. What is in the
//! ledger, which files may run and what an error says is the same on every database; only locks and transactions are a
//! runner's own.

mod ledger;
mod plan;

use crate::digest::Digest;
use crate::driver::SqlError;

pub use self::ledger::{AppliedMigration, SQLITE_LEDGER, applied, pending, probe};
pub use self::plan::{MigrationError, plan};

/// One step of the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its number. Numbers start at 1 and have no holes.
    pub id: u32,
    /// File name without extension, such as `0001_identity`.
    pub name: &'static str,
    /// The statements. No transaction control and no `PRAGMA`: a runner adds its own.
    pub sql: &'static str,
}

impl Migration {
    /// SHA-256 in lower-case hexadecimal over the lines, each without trailing white space: an editor that trims lines
    /// or changes line ends does not make another file of it.
    #[must_use]
    pub fn checksum(&self) -> String {
        let mut digest = Digest::default();
        for line in self.sql.lines() {
            digest.line(line.trim_end());
        }
        digest.finish()
    }
}

/// Why the schema was not brought up to date. Nothing was changed, unless `Database` holds [`SqlError::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// Ledger and files do not belong together.
    #[error(transparent)]
    Refused(#[from] MigrationError),
    /// A file has a statement that fails, or ends the transaction it runs in.
    #[error("migration {name} failed and was undone: {detail}")]
    Failed {
        /// The file.
        name: String,
        /// What the database said.
        detail: String,
    },
    /// Rows would refer to rows that do not exist.
    #[error("the migrations leave a row of {table} that refers to a missing row of {parent}; they were undone")]
    ForeignKey {
        /// The table with the reference.
        table: String,
        /// The table it refers to.
        parent: String,
    },
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] SqlError),
}

/// The files of one folder below `migrations/`, compiled in.
macro_rules! files {
    ($folder:literal: $($id:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            id: $id,
            name: $name,
            sql: include_str!(concat!("../../../migrations/", $folder, "/", $name, ".sql")),
        }),*]
    };
}

/// The schema of SQLite and Cloudflare D1: every file of `migrations/sqlite`.
pub const SQLITE: &[Migration] = files!(
    "sqlite": 1 "0001_identity", 2 "0002_sessions", 3 "0003_transcript", 4 "0004_work", 5 "0005_search", 6 "0006_memories",
    7 "0007_nodes", 8 "0008_presence", 9 "0009_search_entries", 10 "0010_sharing", 11 "0011_channels", 12 "0012_children",
    13 "0013_attachments", 14 "0014_resuming", 15 "0015_workspace_changes", 16 "0016_available_models",
    17 "0017_expired_keys", 18 "0018_mcp_sessions"
);

/// The schema of Postgres: every file of `migrations/postgres`. Same numbers and names as [`SQLITE`].
pub const POSTGRES: &[Migration] = files!(
    "postgres": 1 "0001_identity", 2 "0002_sessions", 3 "0003_transcript", 4 "0004_work", 5 "0005_search",
    6 "0006_memories", 7 "0007_nodes", 8 "0008_presence", 9 "0009_search_entries", 10 "0010_sharing",
    11 "0011_channels", 12 "0012_children", 13 "0013_attachments", 14 "0014_resuming",
    15 "0015_workspace_changes", 16 "0016_available_models", 17 "0017_expired_keys", 18 "0018_mcp_sessions"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, and checksum in each folder. A line stays as it is once its files are released; a new file gets a new
    /// line.
    const RELEASED: &[(u32, &str, &str)] = &[
        (
            1,
            "10362baa54031ca5fe71c84552a535e06786410d615940bd33ebf4adad933c2e",
            "ea6eed5f5af76c16bea8242d2e4b7d642e31e762b2e739b336be21270443219e",
        ),
        (
            2,
            "1e9596312658491f4e90184a3314ddc2bef66b95bb5d7f8d3b7d541c53e49314",
            "1c7aac1371270ad7c04d709b2d2fdc9fe220027da4115a354675b87e35f34e19",
        ),
        (
            3,
            "607eb6328149f247ce2a2d3314c79dd9553af37aa122342cf2cef75cdaed01ff",
            "e4b96cc6042bf7bd35de37f803a217fa9df84fa969a26136a10f99647f89d02e",
        ),
        (
            4,
            "e6ee515c71c3430ef7c85a5336314b21a8927e55f46911c805aacc2297b1c0cb",
            "8048e9ff60a8be6d09c2527f054648729934a89ea7003457de1db78097e3e0f7",
        ),
        (
            5,
            "9c28c01fddb88452e53a8a163cb9f1c5e355292388bf087c4412f435ea1d0829",
            "a594614fcc4a2bd2ac59b715c477454713c94566085c6d526790ce5febae33dd",
        ),
        (
            6,
            "0b11c09babb3c2b4d9e8528a0f4a53063db5f0d15c7dad0540eb33d3ba505bc4",
            "ad85de0cc66cc002b8326f2e216c08b35c8fbfa4020ed6960b142650158500b5",
        ),
        (
            7,
            "ce30f14b51a6d5fd157f17289b348763be3614139399250ba933f8bd31f15da9",
            "9ecb6a9790b32a6ba2da3ac529b731f6d1981f6f54ee79b479035b0a97d47a84",
        ),
        (
            8,
            "34f335d2c8effc61f07106b7f6f90a9172c40768bcd9fee0d7b7713f47050886",
            "229727fa9a9126d0eb26e76db3a08993b6c2564545b81a0b8193b30fcd583995",
        ),
        (
            9,
            "0e636b46d14c6ee2265eb4498cc87abd911929129d5e73289ba82a13f3c5d2a6",
            "cc4046459b2fe349a7068a79a3cecab35fa820ded24b056142c810eb6eca8963",
        ),
        (
            10,
            "406d131c75eb13fa86ddf382f850218a69337c6c3e19569295fac0da74b75210",
            "114908735f2fbabe067e0a401e8c255b1219cf34a701493bdd4b0971488fa35c",
        ),
        (
            11,
            "bde4dc3bf7f0eafc6bc6c77be28caa9fe7e3beb8ec48c96a48ac2e8826953c23",
            "e99c13c018d3596612a774346fcadb511a0a8c4efd1067704a73083891a4493c",
        ),
        (
            12,
            "2bbbc21c72302cec88d943eb4df248ca3e44e50a095d4ae7d3bd88bf5e1e9611",
            "f2ca5484b41652ea8e322ccb80c0c1b63ea8657c41b6cb03799a5d2a85065daf",
        ),
        (
            13,
            "b1c006451d68830e7f01f0f2075fab264fa15b71d8640cedab837b3f2d2e2c86",
            "970fa3e31fe98e9f133d2674cc29200ea056d9bf795a526f019ee971925a21bb",
        ),
        (
            14,
            "a7706e378b78e1285c10913eb571e54ce6c95a585c4d557853e27253a83a201d",
            "4cef6b2e0070a85b9674afd70f0de3d5c6eb240686b9d703344ad5b7bdb77e3b",
        ),
        (
            15,
            "aa509d8316cfbd3a2460e7a64fbe431afb4d09b1a53dc0db53bc68ab0a0113dc",
            "4be994a906fce05c5400d85744885f1089adc15a4d9ee25d3a030804577d122f",
        ),
        (
            16,
            "eb3e86028b692d49946635a0e61c9a6491477ddbd99135318111aa27f72b03ac",
            "43a0daf1bd5ff3e91fec0f0afcd59deb546ba38e97d833f715f1ef83649326aa",
        ),
        (
            17,
            "b89a8b2acea739e763a29cf3985775cb9444cf4e13bcade2ee2a4b47fe44074d",
            "b89a8b2acea739e763a29cf3985775cb9444cf4e13bcade2ee2a4b47fe44074d",
        ),
        (
            18,
            "d2f01cd4d764b36471de712ae7ee06ddba2b43f01eb3592b9eb07e927a4ece6d",
            "a1c3d1bf2e259a6c100572d7623167548667e0df6dc2656eb9e84e83072a82e2",
        ),
    ];

    const FOLDERS: [(&str, &[Migration]); 2] = [("sqlite", SQLITE), ("postgres", POSTGRES)];

    const fn migration(sql: &'static str) -> Migration {
        Migration { id: 1, name: "0001_one", sql }
    }

    #[test]
    fn white_space_at_line_ends_is_no_edit() {
        let one = migration("CREATE TABLE t (\n  id TEXT\n);");
        let two = migration("CREATE TABLE t (  \r\n  id TEXT\t\r\n);\r\n");
        assert_eq!(one.checksum(), two.checksum());
        assert_ne!(one.checksum(), migration("CREATE TABLE t (\nid TEXT\n);").checksum());
        // SHA-256 of "a\n".
        assert_eq!(migration("a").checksum(), "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7");
    }

    #[test]
    fn the_compiled_lists_are_the_folders() {
        for (folder, compiled) in FOLDERS {
            let path = format!("{}/../../migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<String> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter_map(|name| name.strip_suffix(".sql").map(str::to_owned))
                .collect();
            files.sort();
            let names: Vec<&str> = compiled.iter().map(|migration| migration.name).collect();
            assert_eq!(names, files, "list every file of migrations/{folder} in this module");
            for migration in compiled {
                assert!(migration.name.starts_with(&format!("{:04}_", migration.id)), "{}", migration.name);
            }
            assert!(plan(&[], compiled).is_ok());
        }
    }

    #[test]
    fn both_folders_have_the_same_steps() {
        let names = |all: &[Migration]| all.iter().map(|migration| migration.name).collect::<Vec<_>>();
        assert_eq!(names(SQLITE), names(POSTGRES));
    }

    #[test]
    fn a_released_file_is_what_it_was() {
        let found: Vec<(u32, String, String)> = SQLITE
            .iter()
            .zip(POSTGRES)
            .map(|(sqlite, postgres)| (sqlite.id, sqlite.checksum(), postgres.checksum()))
            .collect();
        let released: Vec<(u32, String, String)> =
            RELEASED.iter().map(|(id, sqlite, postgres)| (*id, (*sqlite).to_owned(), (*postgres).to_owned())).collect();
        assert_eq!(
            found, released,
            "restore the released file and write a new migration; a new one is added to the list"
        );
    }

    #[test]
    fn no_file_ends_the_transaction_it_runs_in() {
        for (folder, compiled) in FOLDERS {
            for migration in compiled {
                for line in migration.sql.lines() {
                    let is_letter = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '_';
                    let word: String = line.trim_start().chars().take_while(is_letter).collect();
                    let control = ["COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "PRAGMA", "VACUUM"];
                    let is_control = control.iter().any(|control| control.eq_ignore_ascii_case(&word));
                    assert!(!is_control, "migrations/{folder}/{}.sql: {line}", migration.name);
                }
            }
        }
    }
}
