//! How often callers may call, and how it is known where they are.

use clap::Args;
use portway_adapters_redis::{InvalidRedisUrl, RedisUrl};
use portway_domain::rates::{Audience, RateClass, RateLimit, RateLimits};
use serde::Deserialize;

use super::{Mistakes, Switch};
use crate::proxies::TrustedProxies;

/// Flags about limits.
#[derive(Debug, Clone, Default, Args)]
pub struct RateFlags {
    /// Limit how often callers may call [default: on unless only this machine can]
    #[arg(long, env = "PORTWAY_RATE_LIMITS", value_name = "on|off")]
    pub rate_limits: Option<Switch>,
    /// Addresses and networks of proxies whose X-Forwarded-For is believed, with commas between them
    #[arg(long, env = "PORTWAY_TRUSTED_PROXIES", value_name = "ADDRESSES")]
    pub trusted_proxies: Option<String>,
    /// Redis server by which gateways limit callers together: redis://machine:6379/0 [default: each by itself]
    #[arg(long, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,
}

/// The section `rate_limits`: calls a minute, by class.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileRates {
    enabled: Option<bool>,
    #[serde(default)]
    strangers: FileLimits,
    #[serde(default)]
    users: FileLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLimits {
    standard: Option<u32>,
    agent: Option<u32>,
    workflow: Option<u32>,
    login: Option<u32>,
    batch: Option<u32>,
}

impl FileLimits {
    fn of(&self, class: RateClass) -> Option<u32> {
        match class {
            RateClass::Unlimited => None,
            RateClass::Standard => self.standard,
            RateClass::Agent => self.agent,
            RateClass::Workflow => self.workflow,
            RateClass::Login => self.login,
            RateClass::Batch => self.batch,
        }
    }
}

/// Puts flags and file together. `None` where nobody is limited.
pub(super) fn limits(
    flags: &RateFlags,
    file: &FileRates,
    others_can_call: bool,
    wrong: &mut Mistakes<'_>,
) -> Option<RateLimits> {
    let mut limits = RateLimits::default();
    for (audience, name, given) in
        [(Audience::Strangers, "strangers", &file.strangers), (Audience::Users, "users", &file.users)]
    {
        for class in RateClass::LIMITED {
            match given.of(class).map(RateLimit::a_minute) {
                Some(Ok(limit)) => limits.set(audience, class, limit),
                Some(Err(_)) => {
                    wrong.at(&["rate_limits", name, class.as_str()], "expected 1 to 1000000 calls a minute");
                }
                None => {}
            }
        }
    }
    let given = flags.rate_limits.map(|switch| switch == Switch::On).or(file.enabled);
    given.unwrap_or(others_can_call).then_some(limits)
}

/// The proxies of the flag, or else those of the file.
pub(super) fn proxies(flags: &RateFlags, file: &[String], wrong: &mut Mistakes<'_>) -> TrustedProxies {
    let given = flags.trusted_proxies.as_deref().filter(|given| !given.is_empty());
    let parsed = match given {
        Some(given) => TrustedProxies::parse(given.split(',').map(str::trim)),
        None => TrustedProxies::parse(file.iter().map(String::as_str)),
    };
    parsed.unwrap_or_else(|error| {
        match given {
            Some(_) => wrong.beside("--trusted-proxies or PORTWAY_TRUSTED_PROXIES", error.to_string()),
            None => wrong.at(&["trusted_proxies"], error.to_string()),
        }
        TrustedProxies::default()
    })
}

/// The server of the flag, or else that of the file. Neither is shown: it may hold a password.
pub(super) fn redis(flags: &RateFlags, file: Option<&str>, wrong: &mut Mistakes<'_>) -> Option<RedisUrl> {
    let given = flags.redis.as_deref().filter(|given| !given.is_empty());
    let parsed = given.or(file)?.parse();
    parsed
        .map_err(|error: InvalidRedisUrl| match given {
            Some(_) => wrong.beside("--redis or REDIS_URL", error.to_string()),
            None => wrong.at(&["redis"], error.to_string()),
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Config, ConfigError, ServeArgs};

    fn combine(args: ServeArgs, file: &str) -> Result<Config, ConfigError> {
        Config::combine(args, PathBuf::from("data"), Path::new("portway.toml"), file, &|_| None)
    }

    fn flags(rate_limits: Option<Switch>, trusted_proxies: Option<&str>) -> ServeArgs {
        let trusted_proxies = trusted_proxies.map(str::to_owned);
        let rates = RateFlags { rate_limits, trusted_proxies, redis: None };
        ServeArgs { rates, insecure: true, ..ServeArgs::default() }
    }

    #[test]
    fn callers_are_limited_where_there_are_others_than_this_machine() {
        let limited = |args: ServeArgs, file: &str| combine(args, file).unwrap().rate_limits.is_some();
        assert!(!limited(flags(None, None), ""));
        assert!(limited(flags(None, None), "listen = \"0.0.0.0:80\""));
        assert!(limited(flags(None, None), "trusted_proxies = [\"127.0.0.1\"]"));
        assert!(limited(flags(None, Some("127.0.0.1, 10.0.0.0/8")), ""));
        assert!(!limited(flags(None, None), "listen = \"0.0.0.0:80\"\n[rate_limits]\nenabled = false"));
        assert!(limited(flags(None, None), "[rate_limits]\nenabled = true"));
        assert!(limited(flags(Some(Switch::On), None), "[rate_limits]\nenabled = false"));
        assert!(!limited(flags(Some(Switch::Off), Some("127.0.0.1")), ""));
    }

    #[test]
    fn each_class_is_set_by_itself() {
        let file = "[rate_limits]\nenabled = true\n[rate_limits.strangers]\nlogin = 3\n[rate_limits.users]\nagent = 7";
        let limits = combine(flags(None, None), file).unwrap().rate_limits.unwrap();
        let mut expected = RateLimits::default();
        expected.set(Audience::Strangers, RateClass::Login, RateLimit::a_minute(3).unwrap());
        expected.set(Audience::Users, RateClass::Agent, RateLimit::a_minute(7).unwrap());
        assert_eq!(limits, expected);
        for class in RateClass::LIMITED {
            let file = format!("[rate_limits]\nenabled = true\nusers = {{ {} = 9 }}", class.as_str());
            let limits = combine(flags(None, None), &file).unwrap().rate_limits.unwrap();
            assert_eq!(limits.of(Audience::Users, class), RateLimit::a_minute(9).ok());
        }
    }

    #[test]
    fn mistakes_name_the_key() {
        let file = "trusted_proxies = [\"proxy\"]\n[rate_limits.users]\nbatch = 0";
        let ConfigError(wrong) = combine(flags(None, None), file).unwrap_err();
        let begins = [
            "portway.toml:1:1: trusted_proxies: \"proxy\" is no address",
            "portway.toml:3:1: [rate_limits.users] batch: expected 1 to",
        ];
        assert_eq!(wrong.len(), begins.len(), "{wrong:?}");
        assert!(wrong.iter().zip(begins).all(|(wrong, begin)| wrong.starts_with(begin)), "{wrong:?}");
        let ConfigError(wrong) = combine(flags(None, Some("proxy")), "").unwrap_err();
        assert!(wrong.len() == 1 && wrong[0].starts_with("--trusted-proxies or PORTWAY_TRUSTED_PROXIES"), "{wrong:?}");
    }

    #[test]
    fn redis_is_that_of_the_flag_then_that_of_the_file() {
        let redis = |flag: Option<&str>, file: &str| {
            let rates = RateFlags { redis: flag.map(str::to_owned), ..RateFlags::default() };
            combine(ServeArgs { rates, ..ServeArgs::default() }, file).map(|config| format!("{:?}", config.redis))
        };
        let file = "redis = \"redis://:hunter2@one:6379\"";
        assert_eq!(redis(None, "").unwrap(), "None");
        assert_eq!(redis(Some(""), file).unwrap(), "Some(RedisUrl(one:6379))");
        assert_eq!(redis(Some("rediss://two:6379"), file).unwrap(), "Some(RedisUrl(two:6379))");
        let ConfigError(wrong) = redis(Some("http://:hunter2@a"), "").unwrap_err();
        assert!(wrong[0].starts_with("--redis or REDIS_URL: ") && !wrong[0].contains("hunter2"), "{wrong:?}");
        let ConfigError(wrong) = redis(None, "redis = \"a:hunter2\"").unwrap_err();
        assert!(wrong[0].starts_with("portway.toml:1:1: redis: ") && !wrong[0].contains("hunter2"), "{wrong:?}");
    }
}
