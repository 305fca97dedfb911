//! Secrets. Reads them from files, and finds those on the command line, where every user of the
//! machine can read them.

use std::path::Path;

use super::RedisUrl;
use crate::error::{Error, Result};

/// Settings that hold a secret, each with the setting that names a file instead.
const IN_FILES: [(&str, &str); 3] = [
    ("admin.token", "admin.token_file"),
    ("wechat.token", "wechat.token_file"),
    ("relay.secret", "relay.secret_file"),
];

/// The secret in this file, without the end of its line.
///
/// # Errors
/// What is wrong with the file: a sentence with the setting and the path.
pub fn read(setting: &str, path: &Path) -> Result<String, String> {
    let wrong = |why: &dyn std::fmt::Display| {
        let path = path.display();
        format!("{setting} {path}: {why}")
    };
    let text = std::fs::read(path).map_err(|e| wrong(&e))?;
    let text = String::from_utf8(text).map_err(|_| wrong(&"not UTF-8"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(wrong(&"it is empty"));
    }
    Ok(secret.to_owned())
}

/// The secret from the setting or from the file; `None` if neither is set.
///
/// # Errors
/// [`Error::Config`]: both are set, or the file cannot be used.
pub(super) fn from_either<T>(
    setting: &str,
    value: Option<T>,
    file: Option<&Path>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>> {
    let Some(path) = file else {
        return Ok(value);
    };
    let file_setting = format!("{setting}_file");
    if value.is_some() {
        return Err(Error::Config(format!(
            "{setting} and {file_setting} are both set: keep one of them"
        )));
    }
    let text = read(&file_setting, path).map_err(Error::Config)?;
    let wrong = |why| Error::Config(format!("{file_setting} {}: {why}", path.display()));
    parse(text.trim_end()).map(Some).map_err(wrong)
}

/// The setting that a flag replaces: a secret in a flag replaces one in a file, and the other way
/// round.
pub(super) fn replaced_by(key: &str) -> Option<&'static str> {
    let other = |&(value, file)| {
        let is_file = key == file;
        (is_file || key == value).then_some(if is_file { value } else { file })
    };
    IN_FILES.iter().find_map(other)
}

/// A warning for each secret among these flags, with the place where it should be.
pub fn exposed(flags: &[(String, String)]) -> Vec<String> {
    let advice = flags.iter().filter_map(|(key, value)| advice(key, value));
    advice
        .map(|(what, advice)| {
            format!(
                "{what} is on the command line, where every user of this machine can read it: \
                 {advice}"
            )
        })
        .collect()
}

fn advice(key: &str, value: &str) -> Option<(String, String)> {
    if let Some((secret, file)) = IN_FILES.iter().find(|(secret, _)| key == *secret) {
        let advice = format!("write it to a file, and name the file in {file}");
        return Some(((*secret).to_owned(), advice));
    }
    match key {
        "redis.url" if RedisUrl::new(value).may_have_password() => Some((
            "the password in redis.url".to_owned(),
            "write it to a file, and name the file in redis.password_file".to_owned(),
        )),
        "relay.webhook" if value.contains(['@', '?']) => Some((
            "relay.webhook, which may hold a password,".to_owned(),
            "write it to the settings file".to_owned(),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdminToken, Config, Secret};

    /// A folder with these settings, and with the file `secret` that they name.
    fn load(settings: &str, secret: &str, flags: &[(&str, &str)]) -> Result<Config> {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("secret"), secret).expect("written");
        let place = path("secret").display().to_string();
        std::fs::write(path("toml"), settings.replace("FILE", &place)).expect("written");
        let flags = flags.iter();
        let flags = flags.map(|(key, value)| ((*key).to_owned(), value.replace("FILE", &place)));
        Config::load(Some(&path("toml")), &flags.collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        const SECRET: &str = "0123456789abcdef";
        let settings = "[admin]\ntoken_file = 'FILE'\n[wechat]\ntoken_file = 'FILE'\n\
                        [relay]\nsecret_file = 'FILE'";
        for end in ["", "\n", "\r\n"] {
            let config = load(settings, &format!("{SECRET}{end}"), &[]).expect("valid");
            assert_eq!(config.admin.token, AdminToken::parse(SECRET).ok());
            assert_eq!(config.wechat.token, Some(Secret::new(SECRET)));
            assert_eq!(config.relay.secret, Some(Secret::new(SECRET)));
        }
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_setting() {
        let token = "[admin]\ntoken_file = 'FILE'";
        for (settings, secret, named) in [
            (token, "", "admin.token_file /"),
            (token, "hunter 2", "admin.token_file /"),
            ("[admin]\ntoken_file = '/no/such'", "x", "/no/such"),
            ("[wechat]\ntoken_file = 'FILE'", "a hunter", "wechat.token"),
            ("[relay]\nsecret_file = 'FILE'", "hunter2", "relay.secret"),
            (
                "[admin]\ntoken = 'x'\ntoken_file = 'FILE'",
                "hunter2",
                "both set",
            ),
        ] {
            let said = load(settings, secret, &[]).expect_err(settings).to_string();
            assert!(said.contains(named) && !said.contains("hunter"), "{said}");
        }
    }

    #[test]
    fn a_flag_takes_the_place_of_the_setting_and_of_the_file() {
        let token = |settings, flags| {
            let config: Config = load(settings, "in-the-file", flags).expect("valid");
            config.admin.token.expect("a token").expose().to_owned()
        };
        let flag = [("admin.token", "in-the-flag")];
        let file = [("admin.token_file", "FILE")];
        assert_eq!(token("admin.token_file = 'FILE'", &flag), "in-the-flag");
        assert_eq!(
            token("admin.token = 'in-the-settings'", &file),
            "in-the-file"
        );
    }

    #[test]
    fn what_is_secret_is_told_without_the_secret() {
        for (key, value, named) in [
            ("admin.token", "hunter2", Some("admin.token_file")),
            ("wechat.token", "hunter2", Some("wechat.token_file")),
            ("relay.secret", "hunter2", Some("relay.secret_file")),
            (
                "redis.url",
                "redis://:hunter2@x",
                Some("redis.password_file"),
            ),
            (
                "redis.url",
                "unix:///x?pass=hunter2",
                Some("redis.password_file"),
            ),
            ("redis.url", "redis://shop@x", None),
            ("redis.url", "unix:///x?db=2", None),
            (
                "relay.webhook",
                "https://x:hunter2@x",
                Some("the settings file"),
            ),
            ("relay.webhook", "https://x/hook", None),
            ("admin.token_file", "/hunter2", None),
            ("http.workers", "4", None),
        ] {
            let told = exposed(&[(key.to_owned(), value.to_owned())]);
            assert_eq!(told.len(), usize::from(named.is_some()), "{key} {value}");
            for (told, named) in told.iter().zip(named) {
                assert!(told.contains(named) && !told.contains("hunter2"), "{told}");
            }
        }
    }
}
