//! A configuration as commented TOML, the comments being the documentation of its types.
//! `--print-config` shows it, and `gateway/docs/config.md` is made of it.

use std::fmt::Write as _;
use std::num::NonZeroUsize;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::config::{Config, Secret};
use crate::config_source::OVERRIDES;

/// Columns of a comment before it wraps.
const COMMENT_WIDTH: usize = 100;

/// The configuration with every setting, each under its documentation. Settings without a value are
/// commented out, secrets are masked.
#[must_use]
pub fn commented_toml(config: &Config) -> String {
    let schema = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Config>();
    let schema = schema.as_value();
    let present = toml::Table::try_from(config).unwrap_or_default();
    let complete = toml::to_string(&with_examples(config)).unwrap_or_default();

    let mut text = String::new();
    let mut section = Vec::new();
    for line in complete.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = section_of(line) {
            section = name.split('.').collect();
            let separator = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{separator}{}{line}", comment(schema, &section));
        } else {
            let key = line.split(' ').next().unwrap_or_default();
            let path = [section.as_slice(), &[key]].concat();
            let prefix = if has_value(&present, &path) { "" } else { "#" };
            let _ = writeln!(text, "{}{prefix}{line}", comment(schema, &path));
        }
    }
    text
}

/// The page about every setting and variable, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         The gateway starts without a configuration. `gateway --config FILE` reads one, variables override it,\n\
         `gateway --check-config` says what is wrong with it, and `gateway --print-config` prints what counts.\n\
         This page is printed by `gateway --print-config-reference`; a test keeps it true.\n\n\
         ## File\n\nEvery setting with its default; those that start with `#` have none and show an example.\n\n```toml\n",
    );
    text.push_str(&commented_toml(&Config::default()));
    text.push_str("```\n\n## Variables\n\n| variable | setting |\n|---|---|\n");
    for it in OVERRIDES {
        let _ = writeln!(text, "| `{}` | `{}.{}` |", it.variable, it.section, it.setting);
    }
    text.push_str("\nLists are separated by commas.\n");
    text
}

/// Fills what has no default with an example, so that it appears at all.
fn with_examples(config: &Config) -> Config {
    let mut config = config.clone();
    config.http.public_url.get_or_insert_with(|| "https://video.example.org".to_owned());
    config.http.api_key.get_or_insert_with(|| Secret::new(""));
    config.media.workers.get_or_insert(NonZeroUsize::MIN);
    let operator = &mut config.operator;
    operator.api_root.get_or_insert_with(|| "https://api.operator.example".to_owned());
    operator.token_url.get_or_insert_with(|| "https://login.operator.example/token".to_owned());
    operator.client_secret.get_or_insert_with(|| Secret::new(""));
    config
}

fn section_of(line: &str) -> Option<&str> {
    line.starts_with('[').then(|| line.trim_matches(['[', ']']))
}

/// Whether a setting is there. Items of a list are complete: they have no settings without a value.
fn has_value(table: &toml::Table, path: &[&str]) -> bool {
    match path {
        [] => true,
        [name, rest @ ..] => match table.get(*name) {
            Some(toml::Value::Table(table)) => has_value(table, rest),
            Some(_) => true,
            None => false,
        },
    }
}

/// The documentation of a setting as comment lines.
fn comment(schema: &Value, path: &[&str]) -> String {
    let found = path.iter().try_fold(schema, |schema, name| {
        let schema = schema.get("items").unwrap_or(schema);
        schema.get("properties")?.get(name)
    });
    let description = found.and_then(|it| it.get("description")).and_then(Value::as_str).unwrap_or_default();
    let mut lines = vec![String::new()];
    for word in description.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < COMMENT_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(format!(" {word}")),
        }
    }
    lines.into_iter().map(|line| format!("#{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{IceServerConfig, SiteProfileConfig};
    use ipnet::{IpNet, Ipv4Net};
    use protocol::network_class::NetworkClass;
    use std::net::Ipv4Addr;

    const PRIVATE_5G: SiteProfileConfig = SiteProfileConfig {
        range: IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8)),
        class: NetworkClass::FiveG,
    };

    fn turn_server() -> IceServerConfig {
        let urls = vec!["turns:turn.example.org:443?transport=tcp".to_owned()];
        // What is printed for a secret can be read, too.
        let [credential, secret] = [None, Some(Secret::new("(hidden)"))];
        IceServerConfig { urls, username: None, credential, secret }
    }

    #[test]
    fn every_setting_is_documented() {
        let mut config = Config::default();
        config.policy.site_profiles = vec![PRIVATE_5G];
        config.ice.servers = vec![turn_server()];
        let text = commented_toml(&config);
        assert!(!text.contains("#\n"), "a setting has no documentation:\n{text}");
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let mut config = Config::default();
        config.media.workers = NonZeroUsize::new(7);
        config.policy.site_profiles = vec![PRIVATE_5G];
        config.ice.servers = vec![turn_server()];
        for config in [Config::default(), config] {
            let text = commented_toml(&config);
            assert_eq!(toml::from_str::<Config>(&text).unwrap(), config, "{text}");
        }
    }
}
