//! Where a configuration comes from: the file that was named, and over it the `TVG_*` variables.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::config::{Config, InvalidConfig};

/// A variable that overrides one setting.
#[derive(Debug, Clone, Copy)]
pub struct Override {
    /// The environment variable.
    pub variable: &'static str,
    /// The table of the setting.
    pub section: &'static str,
    /// Its name in the table.
    pub setting: &'static str,
    shape: Shape,
}

/// How the text of a variable becomes a TOML value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Number,
    /// Separated by commas.
    List,
}

const fn text(variable: &'static str, section: &'static str, setting: &'static str) -> Override {
    Override { variable, section, setting, shape: Shape::Text }
}

/// The settings that differ between containers of one image, and so have a variable.
pub const OVERRIDES: [Override; 15] = [
    text("TVG_HTTP_LISTEN", "http", "listen"),
    text("TVG_PUBLIC_URL", "http", "public_url"),
    text("TVG_API_KEY", "http", "api_key"),
    text("TVG_ADMIN_LISTEN", "admin", "listen"),
    Override { variable: "TVG_UDP_PORT", section: "media", setting: "port", shape: Shape::Number },
    Override { variable: "TVG_BIND", section: "media", setting: "bind", shape: Shape::List },
    Override { variable: "TVG_ADVERTISE", section: "media", setting: "advertise", shape: Shape::List },
    Override { variable: "TVG_WORKERS", section: "media", setting: "workers", shape: Shape::Number },
    text("TVG_HD_MODE", "policy", "hd_mode"),
    text("TVG_ADAPTATION", "policy", "adaptation"),
    Override { variable: "TVG_VIDEO_CODECS", section: "policy", setting: "video_codecs", shape: Shape::List },
    text("TVG_OPERATOR_CLIENT_SECRET", "operator", "client_secret"),
    text("TVG_DATA_DIR", "store", "data_dir"),
    text("TVG_LOG_FORMAT", "log", "format"),
    text("TVG_LOG", "log", "filter"),
];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML")]
    NotToml {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A variable does not fit its setting.
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    /// A setting is unknown, or has a value of another type.
    #[error("the configuration does not fit")]
    Misfit(#[source] Box<toml::de::Error>),
    /// A setting has a value that cannot work.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
}

/// Reads the file, if one is named, and lets the variables override it.
///
/// # Errors
///
/// Where the file, a variable or the whole makes no configuration.
pub fn load(file: Option<&Path>, variable: impl Fn(&str) -> Option<String>) -> Result<Config, LoadError> {
    let mut table = file.map_or_else(|| Ok(Table::new()), read_table)?;
    for it in OVERRIDES {
        if let Some(text) = variable(it.variable) {
            apply(&mut table, it, text)?;
        }
    }
    let config: Config = table.try_into().map_err(|error| LoadError::Misfit(Box::new(error)))?;
    config.validate()?;
    Ok(config)
}

fn read_table(path: &Path) -> Result<Table, LoadError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LoadError::Unreadable { path: path.to_owned(), source })?;
    text.parse().map_err(|source| LoadError::NotToml { path: path.to_owned(), source: Box::new(source) })
}

fn apply(table: &mut Table, to: Override, text: String) -> Result<(), LoadError> {
    let value = match to.shape {
        Shape::Text => Value::String(text),
        Shape::Number => Value::Integer(text.parse().map_err(|_| LoadError::NotANumber(to.variable))?),
        Shape::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
        }
    };
    // A section that is not a table stays as it is: the typed reading then says what is wrong with it.
    let section = table.entry(to.section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(section) = section {
        section.insert(to.setting.to_owned(), value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn file_with(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn environment(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        move |wanted| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    }

    #[test]
    fn a_variable_wins_over_the_file_and_the_file_over_the_default() {
        let file = file_with("[media]\nport = 40000\nworkers = 3");
        let variables =
            environment(&[("TVG_UDP_PORT", "41000"), ("TVG_ADVERTISE", "203.0.113.7, 2001:db8::7")]);
        let config = load(Some(file.path()), variables).unwrap();
        assert_eq!(config.media.port, 41_000);
        assert_eq!(config.media.worker_count(), 3);
        let advertised: Vec<IpAddr> = vec!["203.0.113.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        assert_eq!(config.media.advertise, advertised);
        assert_eq!(config.http, Config::default().http);
    }

    #[test]
    fn every_variable_reaches_its_setting() {
        for it in OVERRIDES {
            let value = match (it.variable, it.shape) {
                ("TVG_HD_MODE", _) => "strict",
                ("TVG_ADAPTATION", _) => "bandwidth_only",
                ("TVG_VIDEO_CODECS", _) => "h264, vp8",
                ("TVG_LOG_FORMAT", _) => "json",
                ("TVG_LOG", _) => "debug",
                ("TVG_PUBLIC_URL", _) => "https://video.example.org",
                (_, Shape::Number) => "7",
                (_, Shape::List) => "127.0.0.1",
                (_, Shape::Text) => "127.0.0.1:4000000".get(..14).unwrap_or_default(),
            };
            let value =
                if it.variable == "TVG_API_KEY" { "a key of at least 32 characters, to pass" } else { value };
            let config = load(None, environment(&[(it.variable, value)])).unwrap();
            assert_ne!(config, Config::default(), "{} changes nothing", it.variable);
        }
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        let nowhere = load(Some(Path::new("/nonexistent/gateway.toml")), |_| None);
        assert!(matches!(nowhere, Err(LoadError::Unreadable { .. })));
        let not_toml = load(Some(file_with("[[[").path()), |_| None);
        assert!(matches!(not_toml, Err(LoadError::NotToml { .. })));
        let unknown = load(Some(file_with("colour = \"red\"").path()), |_| None);
        assert!(matches!(unknown, Err(LoadError::Misfit(_))));
        let not_a_number = load(None, environment(&[("TVG_UDP_PORT", "many")]));
        assert!(matches!(not_a_number, Err(LoadError::NotANumber("TVG_UDP_PORT"))));
        let not_a_table = load(Some(file_with("media = 3").path()), environment(&[("TVG_UDP_PORT", "1")]));
        assert!(matches!(not_a_table, Err(LoadError::Misfit(_))));
        let invalid = load(None, environment(&[("TVG_API_KEY", "short")]));
        assert!(matches!(invalid, Err(LoadError::Invalid(InvalidConfig::ApiKeyTooShort))));
    }
}
