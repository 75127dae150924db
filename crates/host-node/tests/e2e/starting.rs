//! The first start, and starts that are refused.

use std::os::unix::fs::PermissionsExt;

use crate::harness::api::Api;
use crate::harness::gateway::Gateway;
use crate::trials::Trials;

pub(crate) fn add(trials: &mut Trials) {
    trials.add("starting::the_key_is_shown_once", the_key_is_shown_once);
    trials.add("starting::the_key_can_be_chosen", the_key_can_be_chosen);
    trials.add("starting::a_folder_belongs_to_one_gateway", a_folder_belongs_to_one_gateway);
    trials.add("starting::an_address_belongs_to_one_gateway", an_address_belongs_to_one_gateway);
    trials.add("starting::mistakes_are_named", mistakes_are_named);
}

async fn the_key_is_shown_once() {
    let mut gateway = Gateway::prepared("").without_key();
    gateway.launch().await;
    let printed = gateway.printed(3).await;
    assert_eq!(printed[0], format!("Portway listens on http://{0} (API: http://{0}/docs)", gateway.address()));
    let file = gateway.data().canonicalize().unwrap().join("bootstrap-key");
    let key = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(key.starts_with("sk_live_"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(printed[1], format!("Administrator key, also in {}: {key}", file.display()));
    let me = Api::new(gateway.address(), &key).get("/api/auth/me").await.expect(200);
    assert_eq!(me["user"]["role"], "admin");
    assert_eq!(gateway.stop_and_read().await.len(), 3);
    assert!(!gateway.log().contains(&key), "the key is not logged");

    gateway.launch().await;
    let printed = gateway.stop_and_read().await;
    assert_eq!(printed.len(), 1, "{printed:?}");
    gateway.launch().await;
    Api::new(gateway.address(), &key).get("/api/auth/me").await.expect(200);
}

async fn the_key_can_be_chosen() {
    let gateway = Gateway::start("").await;
    gateway.api().get("/api/auth/me").await.expect(200);
    let file = std::fs::read_to_string(gateway.data().join("bootstrap-key")).unwrap();
    assert_eq!(file.trim(), gateway.api().key());
}

async fn a_folder_belongs_to_one_gateway() {
    let first = Gateway::start("").await;
    let data = first.data();
    let mut second = Gateway::prepared("").with_arguments(&["--config", "/dev/null"]);
    std::fs::remove_dir_all(second.data()).unwrap();
    std::os::unix::fs::symlink(&data, second.data()).unwrap();
    let refused = second.try_launch().await.unwrap_err();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("in use by another gateway"), "{refused:?}");
    first.api().get("/api/auth/me").await.expect(200);
}

async fn an_address_belongs_to_one_gateway() {
    let first = Gateway::start("").await;
    let config = format!("listen = \"{}\"\n", first.address());
    let mut second = Gateway::prepared(&config).listening_as_configured();
    let refused = second.try_launch().await.unwrap_err();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains(&format!("cannot listen on {}", first.address())), "{refused:?}");
}

async fn mistakes_are_named() {
    for (config, arguments, words) in [
        ("agnets = 1", &[][..], &["portway.toml", "agnets"][..]),
        ("[agents.x]\ncommand = []", &[], &["portway.toml", "[agents.x]", "command"]),
        ("[agents.demo]\ncommand = [\"a\"]", &[], &["portway.toml", "[agents.demo]"]),
        ("default_agent = \"x\"", &[], &["portway.toml", "default_agent"]),
        ("[timeouts]\nstart = \"soon\"", &[], &["portway.toml", "start"]),
        ("listen = ", &[], &["portway.toml:1:10"]),
        (
            "publicurl = 1\n[timeouts]\nstart = \"soon\"\n[agents.x]\ncommand = []",
            &["--bootstrap-key", "short"],
            &["public_url?", "start: expected", "[agents.x] command: expected", "PORTWAY_BOOTSTRAP_KEY"],
        ),
        ("", &["--config", "/nowhere/portway.toml"], &["/nowhere/portway.toml"]),
        ("", &["--bootstrap-key", "short"], &["PORTWAY_BOOTSTRAP_KEY"]),
        ("", &["--public-url", "gateway.example.com"], &["gateway.example.com", "https://"]),
    ] {
        let mut gateway = Gateway::prepared(config).with_arguments(arguments);
        let refused = gateway.try_launch().await.expect_err(config);
        assert_eq!(refused.code, Some(2), "{config}: {refused:?}");
        for word in words {
            assert!(refused.stderr.contains(word), "{config} {arguments:?}: {refused:?}");
        }
        assert!(!gateway.data().join("portway.db").exists(), "nothing is made");
    }
}
